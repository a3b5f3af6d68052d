# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Human-readable table of the credentials of many workers and their verdicts."""

from __future__ import annotations

DOCUMENTATION = r"""
name: credential_table
short_description: Format the credentials of many workers as an aligned table
version_added: 1.0.0
description:
  - Formats the results of M(optio.codex.credential_info) on several workers as lines of text, with one row for each credential.
  - The result of a failed task, which does not have a verdict, is shown with its error message.
  - The last column shows the reason and the remedy. If a row is wider than the screen, it is shortened, and then columns are omitted.
options:
  _input:
    description: A dictionary of workers and their lists of results.
    type: dict
    required: true
extends_documentation_fragment:
  - optio.codex.table
author:
  - The optio.codex contributors (@optio-codex)
seealso:
  - module: optio.codex.report
  - plugin: optio.codex.session_table
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Verify the credential of a session
  optio.codex.credential_info:
    name: fix-1412
  register: credential

- name: Show which credentials are alive
  optio.codex.report:
    lines: "{{ {inventory_hostname: [credential]} | optio.codex.credential_table(colors=true) }}"
"""

RETURN = r"""
_value:
  description: The lines of the table, without line endings.
  type: list
  elements: raw
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.optio.codex.plugins.plugin_utils._table import SCREEN_WIDTH, Column, colored, table

Result = Mapping[str, Any]

COLORS = {"dead": "error", "alive": "ok", "inconclusive": "warn"}
COLUMNS = (
    Column("worker", minimum=16),
    Column("credential", minimum=16),
    Column("verdict"),
    Column("reason", priority=1),
    Column("provider", priority=4),
    Column("version", priority=3),
    Column("note", priority=2, minimum=20, flexible=True),
)


def row(worker: str, result: Result) -> dict[str, str]:
    """Return the cells of one credential."""
    name = str(result.get("name") or result.get("codex_home") or result.get("codex_session_current") or "?")
    # a verdict's message begins with its object, which the row has already
    message = str(result.get("message") or "")
    text = message.partition(": ")[2] or message or str(result.get("msg") or "")
    note = "" if result.get("verdict") == "alive" else text
    return {
        **{"worker": worker, "credential": name, "verdict": str(result.get("verdict") or "not asked")},
        **{field: str(result.get(field) or "") for field in ("reason", "provider", "version")},
        "note": note,
    }


def credential_table(workers: Mapping[str, Sequence[Result]], colors: bool = False, width: int | None = None) -> list[Any]:
    """Return the lines of the table; raise AnsibleFilterError for anything but results by worker."""
    if not isinstance(workers, Mapping):
        raise AnsibleFilterError(f"credential_table requires a dictionary of workers and their results, got {type(workers).__name__}")
    rows: list[dict[str, str]] = []
    for worker, results in workers.items():
        rows.extend(row(worker, result) for result in results)
        if not results:
            rows.append({"worker": worker, "credential": "-", "verdict": "no sessions"})
    lines = table(COLUMNS, rows, int(width or SCREEN_WIDTH))
    return colored(lines, [COLORS.get(row["verdict"], "") for row in rows]) if colors else lines


class FilterModule:
    """Makes the filter known to Ansible."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by its name."""
        return {"credential_table": credential_table}
