# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Build the option ``sessions`` of the module session for an upgrade of sessions that were found."""

from __future__ import annotations

DOCUMENTATION = r"""
name: upgrade_requests
short_description: Build the option sessions for an upgrade of sessions that were found
version_added: 1.0.0
description:
  - Builds the option O(optio.codex.session#module:sessions) for O(optio.codex.session#module:state=upgraded) from the results of
    M(optio.codex.session_info), which may be sessions of several users.
  - The role P(optio.codex.codex_session#role) uses this filter.
options:
  _input:
    description: The sessions, as M(optio.codex.session_info) returns them.
    type: list
    elements: dict
    required: true
  common:
    description: Options of every session. A session keeps most options of its launch, see O(optio.codex.session#module:state).
    type: dict
    default: {}
author:
  - The optio.codex contributors (@optio-codex)
"""

EXAMPLES = r"""
- name: Read the status of the sessions
  optio.codex.session_info:
  register: found

- name: Restart all idle sessions with the codex of the worker
  optio.codex.session:
    sessions: "{{ found.sessions | selectattr('status', 'eq', 'running') | optio.codex.upgrade_requests }}"
    state: upgraded
"""

RETURN = r"""
_value:
  description: A dictionary of options for each session.
  type: list
  elements: dict
"""

import posixpath
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError


def upgrade_requests(sessions: Iterable[Mapping[str, Any]], common: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
    """Return the options for each session."""
    requests = []
    for session in sessions:
        if not isinstance(session, Mapping) or not session.get("session_dir"):
            raise AnsibleFilterError("upgrade_requests: the input is not a list of sessions with a session_dir")
        sessions_dir = posixpath.dirname(str(session["session_dir"]))
        requests.append({**(common or {}), "name": str(session["name"]), "user": str(session["user"]), "sessions_dir": sessions_dir})
    return requests


class FilterModule:
    """The filters of this file, for Ansible."""

    def filters(self) -> Mapping[str, Callable[..., Any]]:
        """Return each filter by its name."""
        return {"upgrade_requests": upgrade_requests}
