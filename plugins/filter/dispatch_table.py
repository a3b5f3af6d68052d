# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Human-readable table of dispatched sessions."""

from __future__ import annotations

DOCUMENTATION = r"""
name: dispatch_table
short_description: Format dispatched sessions as an aligned table
version_added: 1.0.0
description:
  - Formats RV(optio.codex.session_dispatch#module:sessions) as lines of text, beginning with a line that counts the sessions by state.
  - Sessions that are pending, unreachable, unknown or failed come first, each with the reason, and workers that were not reached.
options:
  _input:
    description: The sessions, as M(optio.codex.session_dispatch) returned them before the launch.
    type: list
    elements: dict
    required: true
  inspected:
    description:
      - A dictionary of workers and the sessions that M(optio.codex.worker_info) found on them. Instead of a list, it can be the
        result of a task that did not reach the worker, which has a row with the error.
    type: dict
    default: {}
  launched:
    description: A dictionary of workers and the results of M(optio.codex.session) for them.
    type: dict
    default: {}
  planned:
    description: Whether the sessions were not launched, as in check mode.
    type: bool
    default: false
  now:
    description: The current time for computing ages, in seconds since the epoch. The default is the time of the controller.
    type: float
extends_documentation_fragment:
  - optio.codex.table
author:
  - The optio.codex contributors (@optio-codex)
seealso:
  - module: optio.codex.report
"""

EXAMPLES = r"""
- name: Show which worker has which session
  optio.codex.report:
    lines: "{{ dispatched.sessions | optio.codex.dispatch_table(colors=true) }}"
"""

RETURN = r"""
_value:
  description: The lines of the table, without line endings.
  type: list
  elements: raw
"""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.optio.codex.plugins.filter.session_table import row
from ansible_collections.optio.codex.plugins.plugin_utils._table import SCREEN_WIDTH, Column, colored, summary, table
from ansible_collections.optio.codex.plugins.plugin_utils._unreached import brief_cause, is_unreached

COLUMNS = (
    Column("session", minimum=16),
    Column("worker", minimum=16),
    Column("state"),
    Column("activity", priority=1),
    Column("since", priority=3, right=True),
    Column("turns", priority=4, right=True),
    Column("tokens", priority=5, right=True),
    Column("words", title="LAST WORDS", priority=2, minimum=20, flexible=True),
)
COLORS = {"failed": "error", "unreachable": "unreachable", "pending": "warn", "unknown": "warn", "new": "changed", "planned": "changed"}
FAILED = "failed"
NEW = "new"
PLANNED = "planned"
#: states that come first, and the order of the summary
_FIRST = (FAILED, "pending", "unreachable", "unknown")
_ORDER = (NEW, PLANNED, "assigned", "launched", "removed", *_FIRST)

Session = Mapping[str, Any]
ByWorker = Mapping[str, Sequence[Session] | Mapping[str, Any] | None]


def _found(by_worker: ByWorker, worker: str | None, name: str) -> Session:
    found = by_worker.get(worker or "")
    return {} if isinstance(found, Mapping) else next((one for one in found or () if one.get("name") == name), {})


def cells(placed: Session, inspected: ByWorker, launched: ByWorker, planned: bool, now: float) -> dict[str, str]:
    """Return the cells of one session; its state is the one after the launch."""
    name, worker, state = str(placed["name"]), placed.get("worker"), str(placed["state"])
    result = _found(launched, worker, name)
    error = str(result.get("msg") or "") if result.get("failed") else ""
    if error:
        state = FAILED
    elif state == "assigned":
        # another run may have launched it in the meantime
        state = PLANNED if planned else state if not result else NEW if result.get("changed") else "launched"
    # the worker was inspected before the launch, so it had an earlier session of this name
    earlier = {} if state in (PLANNED, NEW) else _found(inspected, worker, name)
    known = {} if state == PLANNED else {**earlier, **{key: value for key, value in result.items() if value is not None}}
    shown = row(str(worker or "-"), known, now)
    if state == FAILED:
        shown["activity"] = ""
    return {**shown, "session": name, "state": state, "words": error or str(placed.get("reason") or "") or shown["words"]}


def unreached_row(worker: str, found: Any) -> dict[str, str]:
    """Return the cells of a worker that was not reached."""
    return {"session": "-", "worker": worker, "state": "unreachable", "words": brief_cause(found)}


def dispatch_table(
    placements: Sequence[Session],
    inspected: ByWorker | None = None,
    launched: ByWorker | None = None,
    planned: bool = False,
    colors: bool = False,
    width: int | None = None,
    now: float | None = None,
) -> list[Any]:
    """Return the lines of the table; raise AnsibleFilterError for anything but a list of sessions."""
    if isinstance(placements, (str, Mapping)):
        raise AnsibleFilterError(f"dispatch_table: the input is not a list of sessions, but {type(placements).__name__}")
    time_now = time.time() if now is None else float(now)
    rows = [cells(one, inspected or {}, launched or {}, planned, time_now) for one in placements]
    counted = Counter(one["state"] for one in rows)
    unreached = [unreached_row(worker, found) for worker, found in (inspected or {}).items() if is_unreached(found)]
    rows = sorted([*unreached, *rows], key=lambda one: one["state"] not in _FIRST)
    columns = int(width or SCREEN_WIDTH)
    lines = [*summary(counted, _ORDER, len(placements), columns), "", *table(COLUMNS, rows, columns)]
    return colored(lines, [COLORS.get(one["state"], "") for one in rows]) if colors else lines


class FilterModule:
    """Makes the filter known to Ansible."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by its name."""
        return {"dispatch_table": dispatch_table}
