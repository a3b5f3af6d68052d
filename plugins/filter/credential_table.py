# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which credentials of many workers are alive, as a table that a person can read."""

from __future__ import annotations

DOCUMENTATION = r"""
name: credential_table
short_description: The credentials of many workers as an aligned table
version_added: 0.1.0
description:
  - Turns what M(optio.codex.credential_info) returned on several workers into lines of text, a row for each credential.
  - A result without a verdict, of a task that failed, is shown with its message.
  - The last column says why, and what to do. It is cut so that no line has more than 120 columns, as long as the names leave
    room for it.
options:
  _input:
    description: For each worker its list of results.
    type: dict
    required: true
author:
  - The optio.codex contributors (@optio-codex)
seealso:
  - plugin: optio.codex.session_table
    plugin_type: filter
"""

EXAMPLES = r"""
- name: What is alive where
  ansible.builtin.debug:
    msg: "{{ {inventory_hostname: [credential]} | optio.codex.credential_table }}"
"""

RETURN = r"""
_value:
  description: The lines, without line ends.
  type: list
  elements: str
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.optio.codex.plugins.filter.session_table import aligned

Result = Mapping[str, Any]

COLUMNS = ("worker", "credential", "verdict", "reason", "provider", "version", "note")


def row(worker: str, result: Result) -> dict[str, str]:
    """Return the cells of one credential."""
    name = str(result.get("name") or result.get("codex_home") or result.get("codex_session_current") or "?")
    # a message begins with its object, which the row has already
    told = str(result.get("message") or result.get("msg") or "")
    note = "" if result.get("verdict") == "alive" else told.partition(": ")[2] or told
    return {
        **{"worker": worker, "credential": name, "verdict": str(result.get("verdict") or "not asked")},
        **{field: str(result.get(field) or "") for field in ("reason", "provider", "version")},
        "note": " ".join("".join(letter if letter.isprintable() else " " for letter in note).split()),
    }


def credential_table(workers: Mapping[str, Sequence[Result]]) -> list[str]:
    """Return the lines of the table; raise AnsibleFilterError for anything but results by worker."""
    if not isinstance(workers, Mapping):
        raise AnsibleFilterError(f"credential_table wants a dictionary of workers and their results, not {type(workers)}")
    rows: list[dict[str, str]] = []
    for worker, results in workers.items():
        rows.extend(row(worker, result) for result in results)
        if not results:
            rows.append({**dict.fromkeys(COLUMNS, ""), "worker": worker, "credential": "-", "verdict": "no sessions"})
    return aligned(rows, COLUMNS)


class FilterModule:
    """Makes the filter known to Ansible."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by its name."""
        return {"credential_table": credential_table}
