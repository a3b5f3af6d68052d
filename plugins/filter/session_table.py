# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Human-readable table of the sessions of many workers."""

from __future__ import annotations

DOCUMENTATION = r"""
name: session_table
short_description: Format the sessions of many workers as an aligned table
version_added: 0.1.0
description:
  - Formats the results of M(optio.codex.session_info) or M(optio.codex.session) on several workers as lines of text,
    with one row for each session, followed by the commands that open the terminals of the running sessions.
  - Sessions that need a person come first. These are running sessions that wait for an answer, have reached a usage limit or ask for
    attention, and sessions that ended with an error, were lost or are damaged.
  - Empty columns are omitted.
  - The column C(LIMIT) shows the used percentage of the account's usage limit if it is 80 or more and the limit has not been
    reset since.
  - The last column shows the first available of the agent's request for attention, the error of the last turn, the
    progress in C(optio.log), and the agent's last message. It is truncated to limit lines to 120 columns, unless the
    names are too long.
options:
  _input:
    description: A dictionary of workers and their lists of sessions. V(null) instead of a list is a worker that could not be asked.
    type: dict
    required: true
  commands:
    description: Determines whether to append the commands that open the terminals.
    type: bool
    default: true
  summary:
    description: Determines whether to begin with a line that counts the sessions, and how many of them need a person.
    type: bool
    default: false
  now:
    description: The current time for computing ages, in seconds since the epoch. The default is the time of the controller.
    type: float
author:
  - The optio.codex contributors (@optio-codex)
"""

EXAMPLES = r"""
- name: Show the sessions of the worker
  ansible.builtin.debug:
    msg: "{{ {inventory_hostname: here.sessions} | optio.codex.session_table(summary=true) }}"
"""

RETURN = r"""
_value:
  description: The lines of the table, without line endings.
  type: list
  elements: str
"""

import re
import time
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError

Session = Mapping[str, Any]

COLUMNS = ("worker", "session", "status", "activity", "age", "turns", "tokens", "limit", "version", "url", "note")
#: the first that may vanish; a table always says which session of which worker is how
OPTIONAL = 3
#: columns of the screen that a line may take
WIDTH = 120
#: the fewest that a note is worth showing in
NOTE_WIDTH = 12
#: the used percentage of a usage limit from which it is shown
NEAR = 80
#: reasons for which a session needs a person, in the order of the summary
NEEDS = ("waiting", "attention", "limited", "failed", "lost", "damaged")
_TUNNEL_PORT = re.compile(r" -L 127\.0\.0\.1:(\d+):")
_UNITS = ((86400, "d", 3600, "h"), (3600, "h", 60, "m"), (60, "m", 1, "s"))


def duration(seconds: float) -> str:
    """Return a time span in its two largest units, ``3d04h``."""
    total = max(0, int(seconds))
    for size, unit, next_size, next_unit in _UNITS:
        if total >= size:
            return f"{total // size}{unit}{total % size // next_size:02d}{next_unit}"
    return f"{total}s"


def amount(number: int) -> str:
    """Return a number of tokens in four digits at most, ``12.6k``."""
    for size, unit in ((1_000_000, "M"), (1000, "k")):
        if number >= size:
            share = number / size
            return f"{share:.0f}{unit}" if share >= 100 else f"{share:.1f}{unit}"
    return str(number)


def limit(session: Session, now: float) -> str:
    """Return the used percentage of the usage limit, an empty text if it is far from used up or was reset since."""
    usage = session.get("usage_limit") or {}
    used, resets_at = usage.get("used_percent"), usage.get("resets_at")
    if not isinstance(used, (int, float)) or used < NEAR or (isinstance(resets_at, int) and resets_at <= now):
        return ""
    return f"{int(used)}%"


def note(session: Session) -> str:
    """Return what a session has to say, in one line without anything that a terminal would act on."""
    progress = session.get("progress") or {}
    attention = progress.get("attention") if session.get("status") == "running" else None
    percent = "" if progress.get("percent") is None else f"{progress['percent']}% "
    status = progress.get("outcome_text") or (f"{percent}{progress['status']}" if progress.get("status") else None)
    said = (f"attention: {attention}" if attention else None) or session.get("error") or status or session.get("message") or ""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in str(said)).split())


def width(text: str) -> int:
    """Return how many columns a text takes on a screen."""
    return sum(0 if unicodedata.combining(letter) else 1 + (unicodedata.east_asian_width(letter) in "WF") for letter in text)


def fitting(text: str, columns: int) -> str:
    """Return a text cut to a number of columns, with an ellipsis."""
    if width(text) <= columns:
        return text
    # a long text is the agent's
    kept = text[: 4 * columns]
    while width(kept) > columns - 1:
        kept = kept[:-1]
    return f"{kept}…"


def need(session: Session) -> str:
    """Return the reason why a session needs a person, an empty text if it does not."""
    status, activity = session.get("status"), session.get("activity")
    if status in ("lost", "damaged"):
        return str(status)
    if session.get("failed") or (status == "finished" and session.get("exit_status")):
        return "failed"
    if status != "running":
        return ""
    if activity in ("waiting", "limited"):
        return str(activity)
    return "attention" if (session.get("progress") or {}).get("attention") else ""


def summary_line(workers: Mapping[str, Sequence[Session] | None]) -> str:
    """Return how many sessions there are on how many workers, and how many need a person for which reason."""
    sessions = [session for found in workers.values() for session in found or ()]
    counted = {reason: sum(need(session) == reason for session in sessions) for reason in NEEDS}
    unreachable = sum(found is None for found in workers.values())
    parts = [f"{number} {reason}" for reason, number in counted.items() if number]
    parts += [f"{unreachable} {'worker' if unreachable == 1 else 'workers'} not reached"] if unreachable else []
    total = f"{_count(len(sessions), 'session')} on {_count(len(workers), 'worker')}"
    return f"{total}: {', '.join(parts)}." if parts else f"{total}."


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def row(worker: str, session: Session, now: float) -> dict[str, str]:
    """Return the cells of one session."""
    status = str(session.get("status") or "")
    if session.get("exit_status") is not None:
        status += f" ({session['exit_status']})"
    if session.get("terminal") == "dead" and session.get("status") == "running":
        status += ", no terminal"
    since = session.get("ended_at") or session.get("started_at")
    tokens = ((session.get("tokens") or {}).get("total") or {}).get("total_tokens")
    return {
        "worker": worker,
        "session": str(session.get("name") or ""),
        "status": status,
        "activity": str(session.get("activity") or ""),
        "age": duration(now - float(since)) if since else "",
        "turns": str(session.get("turns") or ""),
        "tokens": amount(tokens) if isinstance(tokens, int) else "",
        "limit": limit(session, now),
        "version": str(session.get("version") or ""),
        "url": str(session.get("url") or ""),
        "note": note(session),
    }


def aligned(rows: Sequence[Mapping[str, str]], columns: Sequence[str] = COLUMNS) -> list[str]:
    """Return header and rows, each column as wide as its widest cell, the notes as wide as the line leaves."""
    used = [name for place, name in enumerate(columns) if place < OPTIONAL or any(cells[name] for cells in rows)]
    widths = {name: max([width(name), *(width(cells[name]) for cells in rows)]) for name in used}
    left = WIDTH - sum(widths[name] + 2 for name in used if name != "note")
    if left < NOTE_WIDTH:
        used = [name for name in used if name != "note"]
    lines = [{name: name.upper() for name in used}, *rows]
    return ["  ".join(_cell(line[name], name, widths[name], left) for name in used).rstrip() for line in lines]


def _cell(text: str, name: str, columns: int, left: int) -> str:
    return fitting(text, left) if name == "note" else text + " " * (columns - width(text))


def how_to_open(worker: str, session: Session) -> list[str]:
    """Return the commands that show a running session, none for one that does not run."""
    if not session.get("attach_command"):
        return []
    lines = ["", f"{worker}/{session['name']}", f"  terminal: {session['attach_command']}"]
    tunnel = session.get("tunnel_command")
    if tunnel:
        port = _TUNNEL_PORT.search(tunnel)
        lines.append(f"  browser:  {tunnel}")
        if port:
            scheme = "https" if str(session.get("url") or "").startswith("https:") else "http"
            lines.append(f"            then {scheme}://127.0.0.1:{port.group(1)}{session.get('url_path') or '/'}")
    elif session.get("url"):
        lines.append(f"  browser:  {session['url']}")
    return lines


def session_table(
    workers: Mapping[str, Sequence[Session] | None], commands: bool = True, summary: bool = False, now: float | None = None
) -> list[str]:
    """Return the lines of the table; raise AnsibleFilterError for anything but sessions by worker."""
    if not isinstance(workers, Mapping):
        raise AnsibleFilterError(f"session_table wants a dictionary of workers and their sessions, not {type(workers)}")
    time_now = time.time() if now is None else float(now)
    first: list[dict[str, str]] = []
    rows: list[dict[str, str]] = []
    below: list[str] = []
    for worker, sessions in workers.items():
        for session in sessions or ():
            (first if need(session) else rows).append(row(worker, session, time_now))
            below.extend(how_to_open(worker, session))
        if not sessions:
            status = "not reached" if sessions is None else "no sessions"
            (first if sessions is None else rows).append({**dict.fromkeys(COLUMNS, ""), "worker": worker, "session": "-", "status": status})
    lines = [*aligned([*first, *rows]), *(below if commands else [])]
    return [summary_line(workers), "", *lines] if summary else lines


class FilterModule:
    """Makes the filter known to Ansible."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by its name."""
        return {"session_table": session_table}
