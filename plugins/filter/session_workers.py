# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The sessions of each worker in a run of the role codex_session."""

from __future__ import annotations

DOCUMENTATION = r"""
name: session_workers
short_description: Get the sessions of each worker from the variables of a run
version_added: 1.0.0
description:
  - Returns a dictionary for P(optio.codex.session_table#filter), with the value of C(codex_session_results) for each worker.
  - The value of a worker that was not reached, or whose task failed before it had results, is the result of that task. It is V(null) for
    a worker that was not asked.
options:
  _input:
    description: The names of the workers.
    type: list
    elements: str
    required: true
  hostvars:
    description: The variables of all hosts.
    type: dict
    required: true
  lost:
    description: Workers that are not in the run anymore, because they could not be reached or because a task failed. They come first.
    type: list
    elements: str
    default: []
author:
  - The optio.codex contributors (@optio-codex)
"""

EXAMPLES = r"""
- name: Show the sessions of all workers of the role codex_session
  optio.codex.report:
    lines: "{{ ansible_play_batch | optio.codex.session_workers(hostvars) | optio.codex.session_table }}"
  run_once: true
"""

RETURN = r"""
_value:
  description: Workers and their sessions.
  type: dict
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.optio.codex.plugins.plugin_utils._unreached import is_unreached

RESULTS = "codex_session_results"
RUN = "codex_session__run"
#: the results of the tasks that reach a worker first
FIRST = (RUN, "codex_session__looked", "codex_session__all_info", "codex_session_users_read")


def found(variables: Mapping[str, Any]) -> Any:
    """Return the sessions of a worker, or the task that did not return them."""
    for registered in map(variables.get, FIRST):
        if is_unreached(registered):
            return registered
    results = variables.get(RESULTS)
    # an empty one is of a run that failed before it
    return (variables.get(RUN) or None) if results is None else results


def session_workers(names: Iterable[str], hostvars: Mapping[str, Any], lost: Iterable[str] = ()) -> dict[str, Any]:
    """Return the sessions or the error of each worker; raise AnsibleFilterError for anything but a list of names."""
    if isinstance(names, (str, Mapping)):
        raise AnsibleFilterError(f"session_workers: the input is not a list of names, but {type(names).__name__}")
    gone = {name: hostvars[name].get(RUN) or None for name in lost}
    return {**gone, **{name: found(hostvars[name]) for name in names if name not in gone}}


class FilterModule:
    """Makes the filter known to Ansible."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by its name."""
        return {"session_workers": session_workers}
