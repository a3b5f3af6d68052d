# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The option ``sessions`` of the session modules, from what a play says of its sessions."""

from __future__ import annotations

DOCUMENTATION = r"""
name: session_options
short_description: The option sessions of the session modules, from names and what is particular to some of them
version_added: 0.1.0
description:
  - Makes the option O(optio.codex.session#module:sessions) of M(optio.codex.session), and of the other modules that have
    it, from the variables of a play in which sessions are names, some of which have options of their own.
  - The role P(optio.codex.codex_session#role) uses it.
options:
  _input:
    description: The names of the sessions, in order.
    type: list
    elements: str
    required: true
  own:
    description:
      - What sessions have of their own, as dictionaries with a C(name). One whose name is not asked for is left out.
      - Lists may be text with commas or line breaks, as a survey of AWX gives them.
      - C(instructions_template), C(tenant) and C(credential) are dropped. They are the caller's to make O(instructions) and a C(user) of,
        and to plant.
    type: list
    elements: dict
    default: []
  instructions:
    description: The text of C(AGENTS.md) by the session's name, where there is one.
    type: dict
    default: {}
  repository_url:
    description: The URL for a session whose own repository names only a version.
    type: str
    default: ''
  only:
    description: The options to take over, where not all.
    type: list
    elements: str
    default: []
  forced:
    description: Options that every session gets, whatever it has of its own.
    type: dict
    default: {}
author:
  - The optio.codex contributors (@optio-codex)
"""

EXAMPLES = r"""
- name: Three sessions, of which one has a model of its own
  optio.codex.session:
    auto_start: true
    instructions: Fix the oldest open issue.
    sessions: "{{ ['a', 'b', 'c'] | optio.codex.session_options(own=[{'name': 'b', 'model': 'large'}]) }}"
"""

RETURN = r"""
_value:
  description: A dictionary for each session, with its name.
  type: list
  elements: dict
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError

FOR_THE_ROLE = ("instructions_template", "tenant", "credential")
LISTS = ("writable_roots", "environment_remove")


def as_list(value: Any) -> list[str]:
    """Return a list that may be text with commas or line breaks."""
    words = re.split(r"[,\n]", value) if isinstance(value, str) else value
    return [word for word in (str(word).strip() for word in words) if word]


def session_options(
    names: Iterable[str],
    own: Iterable[Mapping[str, Any]] = (),
    instructions: Mapping[str, str] | None = None,
    repository_url: str = "",
    only: Sequence[str] = (),
    forced: Mapping[str, Any] | None = None,
) -> list[dict[str, Any]]:
    """Return the option ``sessions`` for sessions of these names."""
    if isinstance(names, str) or not all(isinstance(name, str) for name in names):
        raise AnsibleFilterError("session_options: the input is no list of names")
    by_name: dict[str, Mapping[str, Any]] = {}
    for options in own:
        if not isinstance(options, Mapping) or not options.get("name"):
            raise AnsibleFilterError("session_options: own holds something else than dictionaries with a name")
        by_name.setdefault(str(options["name"]), options)
    entries = []
    for name in names:
        entry = {key: _value(key, value, repository_url) for key, value in by_name.get(name, {}).items() if value is not None}
        for option in FOR_THE_ROLE:
            entry.pop(option, None)
        if instructions and name in instructions:
            entry["instructions"] = instructions[name]
        if only:
            entry = {key: value for key, value in entry.items() if key in only}
        entries.append({**entry, **(forced or {}), "name": name})
    return entries


def _value(key: str, value: Any, repository_url: str) -> Any:
    if key in LISTS:
        return as_list(value)
    if key == "repository" and isinstance(value, Mapping):
        return {"url": repository_url, **{inner: text for inner, text in value.items() if text is not None}}
    return value


class FilterModule:
    """The filters of this file, for Ansible."""

    def filters(self) -> Mapping[str, Callable[..., Any]]:
        """Return each filter by its name."""
        return {"session_options": session_options}
