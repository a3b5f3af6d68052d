# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Human-readable table of the upgrades of sessions on many workers."""

from __future__ import annotations

DOCUMENTATION = r"""
name: upgrade_table
short_description: Format the upgrades of the sessions of many workers as an aligned table
version_added: 1.0.0
description:
  - Formats the results of the filter P(optio.codex.session_upgrades#filter) on several workers as lines of text, with one row for each
    session.
  - The first line counts the results. Sessions that failed come first.
  - The columns C(CODEX) and C(TTYD) show the version that a session has, and the one before if it was replaced.
options:
  _input:
    description: A dictionary of workers and their sessions. Instead of a list, it can be the result of a task that failed. V(null) is a
      worker that was not asked.
    type: dict
    required: true
extends_documentation_fragment:
  - optio.codex.table
author:
  - The optio.codex contributors (@optio-codex)
seealso:
  - module: optio.codex.report
  - plugin: optio.codex.session_upgrades
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Show what runs on which version
  optio.codex.report:
    lines: "{{ {inventory_hostname: codex_session_results} | optio.codex.upgrade_table(colors=true) }}"
"""

RETURN = r"""
_value:
  description: The lines of the table, without line endings.
  type: list
  elements: raw
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.optio.codex.plugins.filter.session_table import sessions_of, worker_row
from ansible_collections.optio.codex.plugins.plugin_utils._table import SCREEN_WIDTH, Column, colored, summary, table

COLUMNS = (
    Column("worker", minimum=16),
    Column("session", minimum=16),
    Column("user", priority=3),
    Column("codex"),
    Column("ttyd", priority=4),
    Column("result"),
    Column("words", title="REASON", priority=2, minimum=20, flexible=True),
)
#: the results in the order of the summary, each with its color
COLORS = {
    **{"failed": "error", "restored": "error", "unreachable": "unreachable", "upgraded": "changed", "planned": "changed"},
    **{"busy": "warn", "skipped": "warn", "ended": "", "current": ""},
}
FIRST = ("failed", "restored", "unreachable")


def _versions(upgrade: Mapping[str, Any], program: str) -> str:
    before, after = upgrade.get(f"{program}_before") or "", upgrade.get(f"{program}_after")
    done = upgrade.get("status") in ("upgraded", "planned") or (program == "ttyd" and upgrade.get("status") == "busy")
    return f"{before} -> {after}" if done and after else str(before)


def cells(worker: str, session: Mapping[str, Any]) -> dict[str, str]:
    """Return the cells of one session."""
    upgrade = session.get("upgrade") or {"status": "failed"}
    return {
        **{"worker": worker, "session": str(session.get("name")), "user": str(session.get("user") or "")},
        **{"codex": _versions(upgrade, "codex"), "ttyd": _versions(upgrade, "ttyd")},
        **{"result": str(upgrade["status"]), "words": str(upgrade.get("reason") or "")},
    }


def _unasked(worker: str, found: Any) -> dict[str, str]:
    row = worker_row(worker, found)
    # a worker without sessions has no result
    result = row["activity"] if isinstance(found, Mapping) else "unreachable" if found is None else ""
    return {**row, "result": result}


def upgrade_table(workers: Mapping[str, Any], colors: bool = False, width: int | None = None) -> list[Any]:
    """Return the lines of the table; raise AnsibleFilterError for anything but sessions by worker."""
    if not isinstance(workers, Mapping):
        raise AnsibleFilterError(f"upgrade_table requires a dictionary of workers and their sessions, got {type(workers).__name__}")
    rows = []
    for worker, found in workers.items():
        sessions = found if isinstance(found, Sequence) else []
        rows += [cells(worker, session) for session in sessions] or [_unasked(worker, found)]
    counted = Counter(row["result"] for row in rows)
    total = sum(len(sessions_of(found)) for found in workers.values() if isinstance(found, Sequence))
    rows.sort(key=lambda row: row["result"] not in FIRST)
    columns = [column for column in COLUMNS if column.key != "user" or len({row.get("user") for row in rows} - {"", None}) > 1]
    size = int(width or SCREEN_WIDTH)
    lines = [*summary(counted, COLORS, total, size), "", *table(columns, rows, size)]
    return colored(lines, [COLORS.get(row["result"], "") for row in rows]) if colors else lines


class FilterModule:
    """Makes the filter known to Ansible."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by its name."""
        return {"upgrade_table": upgrade_table}
