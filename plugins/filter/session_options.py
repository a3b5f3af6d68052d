# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Build the option ``sessions`` of the session modules from the variables of a play."""

from __future__ import annotations

DOCUMENTATION = r"""
name: session_options
short_description: Build the option sessions of the session modules from names and overrides
version_added: 1.0.0
description:
  - Builds the option O(optio.codex.session#module:sessions) of M(optio.codex.session), and of the other modules with this
    option, from a list of session names, common options, and options of individual sessions.
  - An option of a session replaces the common one. The keys of C(terminal) are combined, and those of C(repository) and
    C(webhook) unless the session sets another C(url).
  - The role P(optio.codex.codex_session#role) uses this filter.
options:
  _input:
    description: The names of the sessions, in order.
    type: list
    elements: str
    required: true
  overrides:
    description:
      - Options of individual sessions, as dictionaries with a C(name). Entries for names that are not in the input are ignored.
      - C(instructions_template), C(tenant) and C(credential) are removed. The caller must convert them to O(instructions) and C(user),
        and set the credential.
    type: list
    elements: dict
    default: []
  common:
    description: Options of every session.
    type: dict
    default: {}
  instructions:
    description: A dictionary of session names and the text of C(AGENTS.md) for the session.
    type: dict
    default: {}
  only:
    description: The options to include. If empty, all options are included.
    type: list
    elements: str
    default: []
  credentials:
    description:
      - A dictionary of session names and the options of M(optio.codex.credential) for the session. The key V('') is for the sessions that
        are not in the dictionary. They are included in any case.
    type: dict
    default: {}
  forced:
    description: Options for every session. They take precedence over all others.
    type: dict
    default: {}
author:
  - The optio.codex contributors (@optio-codex)
"""

EXAMPLES = r"""
- name: Start three sessions, one of them with a different model
  optio.codex.session:
    auto_start: true
    instructions: Fix the oldest open issue.
    sessions: "{{ ['a', 'b', 'c'] | optio.codex.session_options(overrides=[{'name': 'b', 'model': 'large'}]) }}"
"""

RETURN = r"""
_value:
  description: A dictionary of options for each session, including its name.
  type: list
  elements: dict
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.optio.codex.plugins.module_utils._core.batch import combined

FOR_THE_ROLE = ("instructions_template", "tenant", "credential")


def session_options(
    names: Iterable[str],
    overrides: Iterable[Mapping[str, Any]] = (),
    common: Mapping[str, Any] | None = None,
    instructions: Mapping[str, str] | None = None,
    only: Sequence[str] = (),
    credentials: Mapping[str, Mapping[str, str]] | None = None,
    forced: Mapping[str, Any] | None = None,
) -> list[dict[str, Any]]:
    """Return the option ``sessions`` for sessions of these names."""
    if isinstance(names, str) or not all(isinstance(name, str) for name in names):
        raise AnsibleFilterError("session_options: the input is not a list of names")
    by_name: dict[str, Mapping[str, Any]] = {}
    for options in overrides:
        if not isinstance(options, Mapping) or not options.get("name"):
            raise AnsibleFilterError("session_options: overrides holds an item that is not a dictionary with a name")
        by_name.setdefault(str(options["name"]), options)
    entries = []
    for name in names:
        own = {key: value for key, value in by_name.get(name, {}).items() if value is not None and key not in FOR_THE_ROLE}
        entry = combined(common or {}, own)
        if isinstance(entry.get("repository"), Mapping):
            # an error of the module for a repository without a URL would not name the variable
            entry["repository"] = {"url": "", **entry["repository"]}
        if instructions and name in instructions:
            entry["instructions"] = instructions[name]
        if only:
            entry = {key: value for key, value in entry.items() if key in only}
        credential = (credentials or {}).get(name, (credentials or {}).get("", {}))
        entries.append({**entry, **credential, **(forced or {}), "name": name})
    return entries


class FilterModule:
    """The filters of this file, for Ansible."""

    def filters(self) -> Mapping[str, Callable[..., Any]]:
        """Return each filter by its name."""
        return {"session_options": session_options}
