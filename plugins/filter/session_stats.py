# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The sessions of workers as statistics of a run, which AWX passes to the next job of a workflow."""

from __future__ import annotations

DOCUMENTATION = r"""
name: session_stats
short_description: Reduce sessions to the values that a later job needs
version_added: 1.0.0
description:
  - Returns one dictionary for the sessions of all workers. A key is C(<worker>/<session>), a value has C(worker), C(name), C(user),
    C(status), C(activity), C(url), C(gateway_url), C(version), C(workdir), C(session_dir) and C(session_id), as far as the session has
    them.
  - Texts of agents, such as messages and screens, are not included.
  - The roles of this collection publish it as C(codex_stats.sessions), like M(ansible.builtin.set_stats). AWX stores it in the artifacts
    of the job, and sets the variable C(codex_stats) in the next jobs of a workflow.
options:
  _input:
    description: Workers and their lists of sessions, in the format of M(optio.codex.session_info). Anything other than a list, such as
      the result of a worker that was not reached, is skipped.
    type: dict
    required: true
author:
  - The optio.codex contributors (@optio-codex)
"""

EXAMPLES = r"""
- name: Read the status of the sessions
  optio.codex.session_info:
  register: here

- name: Publish the sessions of the worker for the next job of a workflow
  ansible.builtin.set_stats:
    aggregate: true
    data:
      codex_stats:
        sessions: "{{ {inventory_hostname: here.sessions} | optio.codex.session_stats }}"
"""

RETURN = r"""
_value:
  description: The sessions.
  type: dict
"""

from collections.abc import Callable, Mapping
from typing import Any

FIELDS = ("user", "status", "activity", "url", "gateway_url", "version", "workdir", "session_dir", "session_id")


def session_stats(workers: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the values of each session by worker and name."""
    return {
        f"{worker}/{session['name']}": {
            **{"worker": worker, "name": session["name"]},
            **{field: session[field] for field in FIELDS if session.get(field) is not None},
            **({"status": "failed"} if session.get("failed") else {}),
        }
        for worker, sessions in workers.items()
        if isinstance(sessions, list)
        for session in sessions
        if isinstance(session, Mapping) and session.get("name")
    }


class FilterModule:
    """Makes the filter known to Ansible."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by its name."""
        return {"session_stats": session_stats}
