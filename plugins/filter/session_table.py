# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The sessions of many workers as a table that a person can read."""

from __future__ import annotations

DOCUMENTATION = r"""
name: session_table
short_description: Sessions of many workers as an aligned table
version_added: 0.1.0
description:
  - Turns what M(optio.codex.session_info) or M(optio.codex.session) returned on several workers into lines of text,
    a row for each session, and below them the commands that open the terminals of the running ones.
  - A column in which no session has anything to show is left out.
options:
  _input:
    description: For each worker its list of sessions.
    type: dict
    required: true
  commands:
    description: Whether the commands follow the table.
    type: bool
    default: true
  now:
    description: The time from which ages are counted, in seconds since 1970. By default the controller's own.
    type: float
author:
  - The optio.codex contributors (@optio-codex)
"""

EXAMPLES = r"""
- name: What runs where
  ansible.builtin.debug:
    msg: "{{ {inventory_hostname: here.sessions} | optio.codex.session_table }}"
"""

RETURN = r"""
_value:
  description: The lines, without line ends.
  type: list
  elements: str
"""

import re
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError

Session = Mapping[str, Any]

COLUMNS = ("worker", "session", "status", "activity", "age", "version", "url")
#: the first that may vanish; a table always says which session of which worker is how
OPTIONAL = 3
_TUNNEL_PORT = re.compile(r" -L 127\.0\.0\.1:(\d+):")
_UNITS = ((86400, "d", 3600, "h"), (3600, "h", 60, "m"), (60, "m", 1, "s"))


def duration(seconds: float) -> str:
    """Return a time span in its two largest units, ``3d04h``."""
    total = max(0, int(seconds))
    for size, unit, next_size, next_unit in _UNITS:
        if total >= size:
            return f"{total // size}{unit}{total % size // next_size:02d}{next_unit}"
    return f"{total}s"


def row(worker: str, session: Session, now: float) -> dict[str, str]:
    """Return the cells of one session."""
    status = str(session.get("status") or "")
    if session.get("exit_status") is not None:
        status += f" ({session['exit_status']})"
    if session.get("terminal") == "dead" and session.get("status") == "running":
        status += ", no terminal"
    since = session.get("ended") or session.get("started")
    return {
        "worker": worker,
        "session": str(session.get("name") or ""),
        "status": status,
        "activity": str(session.get("activity") or ""),
        "age": duration(now - float(since)) if since else "",
        "version": str(session.get("version") or ""),
        "url": str(session.get("url") or ""),
    }


def aligned(rows: Sequence[Mapping[str, str]]) -> list[str]:
    """Return header and rows, each column as wide as its widest cell."""
    used = [name for place, name in enumerate(COLUMNS) if place < OPTIONAL or any(cells[name] for cells in rows)]
    lines = [[name.upper() for name in used], *([cells[name] for name in used] for cells in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]


def how_to_open(worker: str, session: Session) -> list[str]:
    """Return the commands that show a running session, none for one that does not run."""
    if not session.get("attach"):
        return []
    lines = ["", f"{worker}/{session['name']}", f"  terminal: {session['attach']}"]
    tunnel = session.get("tunnel")
    if tunnel:
        port = _TUNNEL_PORT.search(tunnel)
        lines.append(f"  browser:  {tunnel}")
        if port:
            lines.append(f"            then http://127.0.0.1:{port.group(1)}/")
    elif session.get("url"):
        lines.append(f"  browser:  {session['url']}")
    return lines


def session_table(workers: Mapping[str, Sequence[Session]], commands: bool = True, now: float | None = None) -> list[str]:
    """Return the lines of the table; raise AnsibleFilterError for anything but sessions by worker."""
    if not isinstance(workers, Mapping):
        raise AnsibleFilterError(f"session_table wants a dictionary of workers and their sessions, not {type(workers)}")
    time_now = time.time() if now is None else float(now)
    rows, below = [], []
    for worker, sessions in workers.items():
        for session in sessions:
            rows.append(row(worker, session, time_now))
            below.extend(how_to_open(worker, session))
        if not sessions:
            rows.append({**dict.fromkeys(COLUMNS, ""), "worker": worker, "session": "-", "status": "no sessions"})
    return [*aligned(rows), *(below if commands else [])]


class FilterModule:
    """Makes the filter known to Ansible."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by its name."""
        return {"session_table": session_table}
