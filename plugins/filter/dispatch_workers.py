# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The option ``workers`` of session_dispatch, from the results of worker_info."""

from __future__ import annotations

DOCUMENTATION = r"""
name: dispatch_workers
short_description: Prepare inspected workers for session_dispatch
version_added: 1.0.0
description:
  - Returns the option O(optio.codex.session_dispatch#module:workers) from results of M(optio.codex.worker_info), one for each worker.
  - A worker without a result, or with a failed one, is omitted. A worker on which codex, tmux or ttyd are missing, or which has a
    blocking problem, gets an obstacle.
positional: _input, infos
options:
  _input:
    description: The names of the workers.
    type: list
    elements: str
    required: true
  infos:
    description: The result of M(optio.codex.worker_info) for each worker, in the same order.
    type: list
    elements: dict
    required: true
  groups:
    description: The groups of each worker, in the same order. A group is also a label.
    type: list
    elements: list
    default: []
  sessions:
    description: Further sessions of each worker, in the same order, such as those of other users. Each has a C(name) and a C(status).
    type: list
    elements: list
    default: []
  settings:
    description:
      - A dictionary for each worker, in the same order. Its C(labels) are added to the groups, and its C(max_sessions) is used.
    type: list
    elements: dict
    default: []
author:
  - The optio.codex contributors (@optio-codex)
"""

EXAMPLES = r"""
- name: Inspect the workers
  optio.codex.worker_info:
    check_sandbox: false
  register: worker

- name: Show the workers as session_dispatch takes them
  ansible.builtin.debug:
    msg: "{{ ansible_play_hosts
          | optio.codex.dispatch_workers(ansible_play_hosts | map('extract', hostvars, 'worker'),
                                         groups=ansible_play_hosts | map('extract', hostvars, 'group_names')) }}"
  run_once: true
"""

RETURN = r"""
_value:
  description: A dictionary for each worker.
  type: list
  elements: dict
"""

from collections.abc import Callable, Iterable, Mapping
from itertools import zip_longest
from typing import Any

from ansible.errors import AnsibleFilterError

TOOLS = ("tmux", "ttyd")


def obstacle(info: Mapping[str, Any]) -> str | None:
    """Return why a worker cannot run sessions."""
    missing = [] if (info.get("codex") or {}).get("path") else ["codex"]
    missing += [tool for tool in TOOLS if not (info.get("tools") or {}).get(tool)]
    if missing:
        return f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not installed"
    blocking = [str(problem.get("cause")) for problem in info.get("problems") or () if problem.get("blocking")]
    return blocking[0] if blocking else None


def worker(
    name: str, info: Mapping[str, Any], groups: Iterable[str], sessions: Iterable[Mapping[str, Any]], settings: Mapping[str, Any]
) -> dict[str, Any]:
    """Return one worker as session_dispatch takes it."""
    platform, directory = info.get("platform") or {}, (info.get("filesystems") or {}).get("sessions_dir") or {}
    result = {
        "name": str(name),
        "labels": sorted({*map(str, groups), *map(str, settings.get("labels") or ())}),
        "sessions": {str(one["name"]): str(one.get("status")) for one in (*(info.get("sessions") or ()), *sessions)},
        # 0 is for a kernel that does not report it
        "memory_available_mib": platform.get("memory_available_mib") or None,
        "disk_available_mib": directory.get("available_mib"),
        "obstacle": obstacle(info),
    }
    if settings.get("max_sessions") is not None:
        result["max_sessions"] = settings["max_sessions"]
    return result


def dispatch_workers(
    names: Iterable[str],
    infos: Iterable[Mapping[str, Any]],
    groups: Iterable[Iterable[str]] = (),
    sessions: Iterable[Iterable[Mapping[str, Any]]] = (),
    settings: Iterable[Mapping[str, Any]] = (),
) -> list[dict[str, Any]]:
    """Return the option ``workers`` of session_dispatch."""
    if isinstance(names, str) or isinstance(infos, (str, Mapping)):
        raise AnsibleFilterError("dispatch_workers: the input is not a list of names, or infos is not a list of results")
    found = zip_longest(names, infos, groups, sessions, settings)
    return [
        worker(name, info, own_groups or (), own_sessions or (), own_settings or {})
        for name, info, own_groups, own_sessions, own_settings in found
        if isinstance(info, Mapping) and "codex" in info and not info.get("failed")
    ]


class FilterModule:
    """The filters of this file, for Ansible."""

    def filters(self) -> Mapping[str, Callable[..., Any]]:
        """Return each filter by its name."""
        return {"dispatch_workers": dispatch_workers}
