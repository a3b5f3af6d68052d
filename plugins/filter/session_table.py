# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Human-readable table of the sessions of many workers."""

from __future__ import annotations

DOCUMENTATION = r"""
name: session_table
short_description: Format the sessions of many workers as an aligned table
version_added: 1.0.0
description:
  - Formats the results of M(optio.codex.session_info) or M(optio.codex.session) on several workers as lines of text,
    with one row for each session, followed by the commands that open the terminals of the running sessions.
  - Sessions that need a person come first. These are running sessions that wait for an answer, ask for attention or have
    reached a usage limit, and sessions that failed, were lost or are damaged. Workers that could not be asked come next.
  - Empty columns are omitted. If a row is wider than the screen, the last column is shortened, and then columns are omitted, beginning with
    C(URL), C(CODEX), C(TOKENS) and C(TURNS).
  - The column C(ACTIVITY) shows the activity of a running session, and otherwise its outcome or status with the exit status.
  - The column C(SINCE) shows how long ago that began, or how long ago the session was launched or ended if the result does not have
    that time.
  - The column C(USER) shows the Unix user, if the sessions have different ones.
  - The column C(LIMIT) shows the used percentage of the account's usage limit, unless it has been reset since.
  - An asterisk in the column C(CODEX) marks a session that runs an older version than the worker has.
  - The last column shows the first available of the agent's request for attention, the error of the last turn, the
    progress in C(optio.log), and the agent's last message.
options:
  _input:
    description:
      - A dictionary of workers and their lists of sessions. Instead of a list, it can be the result of a task that failed or did not
        reach the worker. Its error is shown, and its C(sessions) if it has them. V(null) is a worker that was not asked.
    type: dict
    required: true
  commands:
    description: Determines whether to append the commands that open the terminals.
    type: bool
    default: true
  commands_limit:
    description:
      - The largest number of sessions to append the commands for. For more sessions, one line with this limit is appended instead. The
        default is unlimited.
    type: int
  summary:
    description: Determines whether to begin with a line that counts the sessions, and how many of them need a person.
    type: bool
    default: false
  not_in:
    description:
      - Show only sessions that are in none of these states of M(optio.codex.session_wait). Workers without such sessions are omitted. The
        list is empty if no session is left.
    type: list
    elements: str
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
- name: Read the status of the sessions
  optio.codex.session_info:
  register: here

- name: Show the sessions of the worker
  optio.codex.report:
    lines: "{{ {inventory_hostname: here.sessions} | optio.codex.session_table(summary=true, colors=true) }}"
"""

RETURN = r"""
_value:
  description: The lines of the table, without line endings.
  type: list
  elements: raw
"""

import re
import textwrap
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.optio.codex.plugins.module_utils._monitor.session_wait import is_met
from ansible_collections.optio.codex.plugins.plugin_utils._table import SCREEN_WIDTH, Column, table
from ansible_collections.optio.codex.plugins.plugin_utils._unreached import brief_cause, is_unreached, results_of

Session = Mapping[str, Any]
#: the sessions of a worker, or the result of a failed task; None is a worker that was not reached
Found = Sequence[Session] | Mapping[str, Any] | None
#: text and color
Line = tuple[str, str]

COLUMNS = (
    Column("worker", minimum=16),
    Column("session", minimum=16),
    Column("user", priority=3),
    Column("activity"),
    Column("since", priority=1, right=True),
    Column("turns", priority=4, right=True),
    Column("tokens", priority=5, right=True),
    Column("limit", priority=2, right=True),
    Column("codex", priority=6),
    Column("url", title="URL", priority=7),
    Column("words", title="LAST WORDS", priority=2, minimum=20, flexible=True),
)
#: reasons for which a session needs a person, each with its verb or adjective in the summary and its color
NEEDS = {
    "waiting": ("waits", "wait", "warn"),
    "attention": ("asks for attention", "ask for attention", "warn"),
    "limited": ("limited", "limited", "warn"),
    "failed": ("failed", "failed", "error"),
    "lost": ("lost", "lost", "error"),
    "damaged": ("damaged", "damaged", "error"),
}
UNREACHABLE = "unreachable"
FAILED = "failed"
MISSING = "not asked"
OLD = "*"
OLD_NOTE = f"{OLD} The worker has a newer version of codex, which the session uses after a restart."
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
    """Return the used percentage of the usage limit, an empty text if there is none or it was reset since."""
    usage = session.get("usage_limit") or {}
    used, resets_at = usage.get("used_percent"), usage.get("resets_at")
    if not isinstance(used, (int, float)) or (isinstance(resets_at, int) and resets_at <= now):
        return ""
    return f"{int(used)}%"


def codex(session: Session) -> str:
    """Return the version of codex, with a mark if the worker's is newer."""
    version, newest = str(session.get("version") or ""), str(session.get("worker_version") or "")
    return f"{version}{OLD}" if version and newest and _release(version) < _release(newest) else version


def _release(version: str) -> tuple[tuple[int, ...], bool]:
    """Return a key to compare versions by; a prerelease is older than its release."""
    release, _hyphen, prerelease = version.partition("-")
    return tuple(int(part) for part in re.findall(r"\d+", release)), not prerelease


def words(session: Session) -> str:
    """Return the text that a session shows last."""
    progress = session.get("progress") or {}
    attention = progress.get("attention") if session.get("status") == "running" else None
    percent = "" if progress.get("percent") is None else f"{progress['percent']}% "
    status = progress.get("outcome_text") or (f"{percent}{progress['status']}" if progress.get("status") else None)
    error = session.get("error") or (session.get("msg") if session.get("failed") else None)
    return str((f"attention: {attention}" if attention else None) or error or status or session.get("message") or "")


def need(session: Session) -> str:
    """Return the reason why a session needs a person, an empty text if it does not."""
    status, activity = session.get("status"), session.get("activity")
    if status in ("lost", "damaged"):
        return str(status)
    if session.get("failed") or activity == "failed" or (status == "finished" and session.get("exit_status")):
        return "failed"
    if status != "running":
        return ""
    if activity in ("waiting", "limited"):
        return str(activity)
    return "attention" if (session.get("progress") or {}).get("attention") else ""


def activity(session: Session) -> str:
    """Return the activity of a running session, otherwise the outcome or the status."""
    status = str(session.get("status") or ("failed" if session.get("failed") else ""))
    text = str(session.get("activity") or status)
    # after a requested end, it is the status of the signal
    if session.get("exit_status") is not None and status not in ("stopped", "absent"):
        text += f" ({session['exit_status']})"
    return f"{text}, no terminal" if session.get("terminal") == "dead" and status == "running" else text


def summary_text(workers: Mapping[str, Found]) -> str:
    """Return how many sessions there are on how many workers, their activities, and how many need a person for which reason."""
    sessions = [session for found in workers.values() for session in sessions_of(found)]
    reasons = [need(session) for session in sessions]
    doing = [str(session.get("activity") or session.get("status")) for session, reason in zip(sessions, reasons, strict=True) if not reason]
    counted = [f"{doing.count(kind)} {kind}" for kind in sorted({*doing}, key=lambda kind: (-doing.count(kind), kind))]
    text = f"{_count(len(sessions), 'session')} on {_count(len(workers), 'worker')}{': ' if counted else ''}{', '.join(counted)}."
    needed = [f"{reasons.count(reason)} {texts[reasons.count(reason) > 1]}" for reason, texts in NEEDS.items() if reason in reasons]
    if needed:
        total = len(reasons) - reasons.count("")
        text += f" {total} {'needs' if total == 1 else 'need'} a person: {', '.join(needed)}."
    for status in (UNREACHABLE, FAILED, MISSING):
        number = sum(_state(found) == status for found in workers.values())
        text += f" {_count(number, 'worker')} {status}." if number else ""
    return text


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def sessions_of(found: Found) -> list[Session]:
    """Return the sessions that are known of a worker."""
    if isinstance(found, Mapping):
        return [session for result in results_of(found) for session in result.get("sessions") or ()]
    return list(found or ())


def _state(found: Found) -> str:
    """Return how a worker could not be asked, an empty text if it was."""
    if isinstance(found, Mapping):
        return UNREACHABLE if is_unreached(found) else "" if sessions_of(found) else FAILED
    return MISSING if found is None else ""


def row(worker: str, session: Session, now: float) -> dict[str, str]:
    """Return the cells of one session."""
    since = session.get("activity_since") or session.get("ended_at") or session.get("started_at")
    tokens = ((session.get("tokens") or {}).get("total") or {}).get("total_tokens")
    return {
        "worker": worker,
        "session": str(session.get("name") or "-"),
        "user": str(session.get("user") or ""),
        "activity": activity(session),
        "since": duration(now - float(since)) if since else "",
        "turns": str(session.get("turns") or ""),
        "tokens": amount(tokens) if isinstance(tokens, int) else "",
        "limit": limit(session, now),
        "codex": codex(session),
        "url": str(session.get("gateway_url") or session.get("url") or ""),
        "words": words(session),
    }


def worker_row(worker: str, found: Found) -> dict[str, str]:
    """Return the cells of a worker without sessions."""
    state = _state(found)
    return {"worker": worker, "session": "-", "activity": state or "no sessions", "words": brief_cause(found)}


def how_to_open(worker: str, session: Session) -> list[str]:
    """Return the commands that open a running session, none if it does not run."""
    if not session.get("attach_command"):
        return []
    lines = ["", f"{worker}/{session['name']}"]
    tunnel, url = session.get("tunnel_command"), session.get("url")
    if session.get("gateway_url"):
        lines.append(f"  browser:  {session['gateway_url']}")
    elif tunnel:
        port = _TUNNEL_PORT.search(tunnel)
        lines.append(f"  browser:  {tunnel}")
        if port:
            scheme = "https" if str(url or "").startswith("https:") else "http"
            lines.append(f"            then {scheme}://127.0.0.1:{port.group(1)}{session.get('url_path') or '/'}")
    elif url:
        lines.append(f"  browser:  {url}")
    return [*lines, f"  terminal: {session['attach_command']}"]


def rows_of(workers: Mapping[str, Found], now: float) -> list[tuple[dict[str, str], str]]:
    """Return the cells and the color of each row: first the sessions that need a person, then the workers that were not asked."""
    order = list(NEEDS)
    urgent: list[tuple[int, dict[str, str], str]] = []
    rest: list[tuple[dict[str, str], str]] = []
    for worker, found in workers.items():
        for session in sessions_of(found):
            reason, cells = need(session), row(worker, session, now)
            if reason:
                urgent.append((order.index(reason), cells, NEEDS[reason][2]))
            else:
                rest.append((cells, "ok" if session.get("activity") == "done" else ""))
        state = _state(found)
        if state:
            urgent.append((len(order), worker_row(worker, found), "error" if state == FAILED else UNREACHABLE))
        elif not sessions_of(found):
            rest.append((worker_row(worker, found), ""))
    return [(cells, color) for _place, cells, color in sorted(urgent, key=lambda entry: entry[0])] + rest


def commands_of(workers: Mapping[str, Found], most: int | None) -> list[str]:
    """Return how to open the terminals, unless they are more than ``most``."""
    found = [how_to_open(worker, session) for worker, sessions in workers.items() for session in sessions_of(sessions)]
    shown = [lines for lines in found if lines]
    if most is not None and len(shown) > most:
        return ["", f"The commands to open a terminal are shown for at most {most} sessions at a time."]
    return [line for lines in shown for line in lines]


def lines_of(workers: Mapping[str, Found], summary: bool, width: int, now: float) -> list[Line]:
    """Return the summary and the table."""
    rows = rows_of(workers, now)
    cells = [cells for cells, _color in rows]
    # the user of all is not worth a column
    columns = [column for column in COLUMNS if column.key != "user" or len({row.get("user") for row in cells} - {"", None}) > 1]
    texts = table(columns, cells, width)
    lines = list(zip(texts, ["", *(color for _cells, color in rows)], strict=True))
    if any(OLD in row.get("codex", "") for row in cells) and " CODEX" in texts[0]:
        lines.append((OLD_NOTE, ""))
    if summary:
        wrapped = textwrap.wrap(summary_text(workers), width)
        lines = [*((text, "") for text in wrapped), ("", ""), *lines]
    return lines


def _is_in(session: Session, states: Sequence[str]) -> bool:
    return is_met(dict(session), states, dict(session))


def session_table(
    workers: Mapping[str, Found],
    commands: bool = True,
    commands_limit: int | None = None,
    summary: bool = False,
    not_in: Sequence[str] = (),
    colors: bool = False,
    width: int | None = None,
    now: float | None = None,
) -> list[Any]:
    """Return the lines of the table; raise AnsibleFilterError for anything but sessions by worker."""
    if not isinstance(workers, Mapping):
        raise AnsibleFilterError(f"session_table requires a dictionary of workers and their sessions, got {type(workers).__name__}")
    time_now = time.time() if now is None else float(now)
    if not_in:
        workers = {
            worker: left for worker, found in workers.items() if (left := [one for one in sessions_of(found) if not _is_in(one, not_in)])
        }
        if not workers:
            return []
    lines = lines_of(workers, summary, int(width or SCREEN_WIDTH), time_now)
    if commands:
        lines += [(text, "") for text in commands_of(workers, commands_limit)]
    return [{"text": text, "color": color} for text, color in lines] if colors else [text for text, _color in lines]


class FilterModule:
    """Makes the filter known to Ansible."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by its name."""
        return {"session_table": session_table}
