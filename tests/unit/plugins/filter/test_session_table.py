# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.optio.codex.plugins.filter.session_table import NEEDS, OLD_NOTE, amount, duration, need, session_table
from ansible_collections.optio.codex.plugins.plugin_utils._table import width

NOW = 1_800_000_000.0
RUNNING = {
    "name": "fix-1412",
    "status": "running",
    "activity": "working",
    "started_at": NOW - 7384,
    "version": "0.169.0",
    "terminal": "running",
    "attach_command": "ssh -t agent@w1 tmux -S /run/s attach",
    "tunnel_command": "ssh -N -L 127.0.0.1:17001:/run/s/ttyd.sock agent@w1",
    "url": None,
    "exit_status": None,
    "ended_at": None,
}
FINISHED = {
    **RUNNING,
    "name": "docs",
    "status": "finished",
    "activity": None,
    "attach_command": None,
    "tunnel_command": None,
    "terminal": "dead",
    "exit_status": 0,
    "ended_at": NOW - 42,
}


def test_table_of_several_workers() -> None:
    assert session_table({"w1": [FINISHED, RUNNING], "worker-2": []}, now=NOW) == [
        "WORKER    SESSION   ACTIVITY      SINCE  CODEX",
        "w1        docs      finished (0)    42s  0.169.0",
        "w1        fix-1412  working       2h03m  0.169.0",
        "worker-2  -         no sessions",
        "",
        "w1/fix-1412",
        "  browser:  ssh -N -L 127.0.0.1:17001:/run/s/ttyd.sock agent@w1",
        "            then http://127.0.0.1:17001/",
        "  terminal: ssh -t agent@w1 tmux -S /run/s attach",
    ]


def test_commands_can_be_omitted() -> None:
    assert session_table({"w1": [RUNNING]}, commands=False, now=NOW)[1:] == ["w1      fix-1412  working   2h03m  0.169.0"]


@pytest.mark.parametrize(("most", "shown"), [(None, 9), (2, 9), (1, 2), (0, 2)])
def test_commands_of_many_sessions_are_not_shown(most: int | None, shown: int) -> None:
    below = session_table({"w1": [RUNNING, FINISHED], "w2": [RUNNING]}, commands_limit=most, now=NOW)[4:]
    assert len(below) == (10 if shown == 9 else 2)
    assert (below[-1] == f"The commands to open a terminal are shown for at most {most} sessions at a time.") == (shown == 2)


def test_sessions_that_are_not_in_a_state() -> None:
    """The sessions to wait for, of the workers that have any."""
    idle, failed = {**RUNNING, "name": "idle", "activity": "idle"}, {**RUNNING, "name": "failed", "activity": "failed"}
    complete = {"turns_ended": 1, "session_id": "x"}
    workers = {
        "w1": [{**session, **complete} for session in (idle, failed, RUNNING, FINISHED)],
        "w2": [{**idle, **complete}],
        "w3": [{**FINISHED, **complete}],
        "w4": None,
    }

    def left(*states: str) -> list[str]:
        return [line.split()[1] for line in session_table(workers, commands=False, not_in=states, now=NOW)[1:]]

    assert left("idle") == ["fix-1412", "docs", "docs"]
    assert left("idle", "exited") == ["fix-1412"]
    assert left("turn") == ["failed", "idle", "fix-1412", "docs", "idle", "docs"]
    assert session_table({"w1": workers["w2"]}, not_in=["idle"], now=NOW) == []


#: (what a terminal has, the address that is shown)
ADDRESSES: list[tuple[dict[str, Any], str]] = [
    ({"tunnel_command": None, "url": "http://127.0.0.1:7681/"}, "  browser:  http://127.0.0.1:7681/"),
    ({"url": "https://127.0.0.1:7681/"}, "            then https://127.0.0.1:17001/"),
    ({"url_path": "/token/"}, "            then http://127.0.0.1:17001/token/"),
    ({"gateway_url": "https://codex.example.com/type/fix-1412/"}, "  browser:  https://codex.example.com/type/fix-1412/"),
]


@pytest.mark.parametrize(("terminal", "line"), ADDRESSES)
def test_address_of_a_terminal(terminal: dict[str, Any], line: str) -> None:
    assert session_table({"w1": [{**RUNNING, **terminal}]}, now=NOW)[-2] == line


def test_address_is_a_column_if_there_is_room() -> None:
    served = {**RUNNING, "gateway_url": "https://codex.example.com/type/fix-1412/", "message": "The agent's last message."}
    assert session_table({"w1": [served]}, commands=False, width=120, now=NOW)[0].split() == [
        *("WORKER", "SESSION", "ACTIVITY", "SINCE", "CODEX", "URL", "LAST", "WORDS"),
    ]
    assert "URL" not in session_table({"w1": [served]}, commands=False, width=80, now=NOW)[0]


def test_users_are_shown_if_there_are_several() -> None:
    mine, other = {**RUNNING, "user": "codex"}, {**FINISHED, "user": "codex-docs"}
    assert "USER" not in session_table({"w1": [mine], "w2": [mine], "w3": []}, now=NOW)[0]
    lines = session_table({"w1": [mine, other]}, commands=False, now=NOW)
    assert lines[0].split()[2] == "USER" and lines[2].split()[2] == "codex-docs"


#: (the version of a session, the worker's, what is shown)
VERSIONS = [
    ("0.169.0", "0.169.0", "0.169.0"),
    ("0.142.5", "0.169.0", "0.142.5*"),
    ("0.99.0", "0.169.0", "0.99.0*"),
    ("0.170.0", "0.169.0", "0.170.0"),
    ("0.170.0-alpha.3", "0.170.0", "0.170.0-alpha.3*"),
    ("0.169.0", None, "0.169.0"),
]


@pytest.mark.parametrize(("version", "newest", "shown"), VERSIONS)
def test_older_version_than_the_worker_has(version: str, newest: str | None, shown: str) -> None:
    lines = session_table({"w1": [{**RUNNING, "version": version, "worker_version": newest}]}, commands=False, now=NOW)
    assert lines[1].split()[-1] == shown
    assert (OLD_NOTE in lines) == shown.endswith("*")


@pytest.mark.parametrize(
    ("status", "shown"),
    [("finished", "finished (143)"), ("lost", "lost (143)"), ("stopped", "stopped"), ("absent", "absent")],
)
def test_exit_status_is_not_shown_after_an_end_by_request(status: str, shown: str) -> None:
    ended = {**FINISHED, "status": status, "activity": None, "exit_status": 143}
    line = session_table({"w1": [ended]}, now=NOW)[1]
    assert f" {shown} " in line and line.count("(143)") == shown.count("(143)")


def test_dead_terminal_of_a_live_session_is_shown() -> None:
    assert "working, no terminal" in session_table({"w1": [{**RUNNING, "terminal": "dead"}]}, now=NOW)[1]


def test_time_of_the_activity() -> None:
    assert " 1m05s " in session_table({"w1": [{**RUNNING, "activity_since": NOW - 65}]}, now=NOW)[1]


def test_results_of_the_session_module_have_neither_age_nor_activity() -> None:
    launched = {key: value for key, value in RUNNING.items() if key not in ("activity", "started_at", "terminal")}
    failed = {"name": "bad", "failed": True, "msg": "bwrap is missing. Install it."}
    assert session_table({"w1": [launched, failed]}, commands=False, now=NOW) == [
        "WORKER  SESSION   ACTIVITY  CODEX    LAST WORDS",
        "w1      bad       failed             bwrap is missing. Install it.",
        "w1      fix-1412  running   0.169.0",
    ]


#: (the usage limit of a session, what the table shows of it)
LIMITS: list[tuple[Any, str]] = [
    (None, ""),
    ({}, ""),
    ({"used_percent": 7, "resets_at": int(NOW) + 9}, "7%"),
    ({"used_percent": 80, "resets_at": int(NOW) + 9}, "80%"),
    ({"used_percent": 99.9, "resets_at": None}, "99%"),
    ({"used_percent": 100.0, "resets_at": int(NOW) + 9}, "100%"),
    # it was reset since
    ({"used_percent": 100.0, "resets_at": int(NOW)}, ""),
    ({"used_percent": None, "resets_at": None}, ""),
]


@pytest.mark.parametrize(("usage", "shown"), LIMITS)
def test_usage_limit(usage: Any, shown: str) -> None:
    head, line = session_table({"w1": [{**RUNNING, "activity": "limited", "usage_limit": usage}]}, commands=False, now=NOW)
    assert line.split() == ["w1", "fix-1412", "limited", "2h03m", *([shown] if shown else []), "0.169.0"]
    assert ("LIMIT" in head) == bool(shown)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-5, "0s"), (0, "0s"), (59.9, "59s"), (60, "1m00s"), (3599, "59m59s"), (3600, "1h00m"), (90_000, "1d01h")],
)
def test_duration(seconds: float, text: str) -> None:
    assert duration(seconds) == text


#: (values of a session, what the table shows of them)
WORDS: list[tuple[dict[str, Any], str]] = [
    ({}, ""),
    ({"message": "Three tests\nare  missing."}, "Three tests are missing."),
    ({"message": "x", "progress": {"status": "writing", "percent": 60}}, "60% writing"),
    ({"message": "x", "progress": {"status": "writing", "percent": None}}, "writing"),
    ({"message": "x", "progress": {"status": "writing", "percent": 0, "outcome_text": "all well"}}, "all well"),
    ({"message": "x", "error": "401 Unauthorized", "progress": {"status": "writing"}}, "401 Unauthorized"),
    ({"error": "401", "progress": {"attention": "which branch?"}}, "attention: which branch?"),
    ({"status": "finished", "message": "bye", "progress": {"attention": "which branch?"}}, "bye"),
    # nothing that a terminal would act on
    ({"message": "\x1b[2Jgone\x07 \x9b1m\u202e"}, "[2Jgone 1m"),
]


@pytest.mark.parametrize(("said", "shown"), WORDS)
def test_last_words(said: dict[str, Any], shown: str) -> None:
    header, line = session_table({"w1": [{**RUNNING, **said}]}, commands=False, now=NOW)
    assert line.partition("0.169.0")[2].strip() == shown
    assert header.endswith("LAST WORDS") == bool(shown)


@pytest.mark.parametrize("letter", ["x", "é", "漢", "😀", "e\u0301"])
@pytest.mark.parametrize("columns", [80, 120, 200])
def test_no_line_is_wider_than_a_screen(letter: str, columns: int) -> None:
    talker = {**RUNNING, "turns": 12, "tokens": {"total": {"total_tokens": 1_234_567}}, "message": letter * 600}
    sessions = [talker, {**talker, "name": "other", "message": "short"}]
    lines = session_table({"w1": sessions}, commands=False, width=columns, now=NOW)
    assert lines[0].split() == ["WORKER", "SESSION", "ACTIVITY", "SINCE", "TURNS", "TOKENS", "CODEX", "LAST", "WORDS"]
    assert columns - 2 <= width(lines[1]) <= columns and lines[1].endswith(f"{letter}…")
    assert lines[2].endswith("short") and "     12    1.2M  " in lines[2]


def test_names_that_leave_no_room_for_words() -> None:
    lines = session_table({"w" * 60: [{**RUNNING, "name": "s" * 64, "message": "hello"}]}, commands=False, width=140, now=NOW)
    assert "hello" not in lines[1] and "s" * 64 in lines[1]


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0"), (999, "999"), (1000, "1.0k"), (12_649, "12.6k"), (123_456, "123k"), (999_999, "1000k"), (1_250_000, "1.2M")],
)
def test_amount(number: int, text: str) -> None:
    assert amount(number) == text


@pytest.mark.parametrize("wrong", [[RUNNING], "text", None])
def test_anything_but_workers_is_refused(wrong: Any) -> None:
    with pytest.raises(AnsibleFilterError, match="requires a dictionary of workers"):
        session_table(wrong)


@pytest.mark.parametrize(
    ("session", "reason"),
    [
        (RUNNING, ""),
        (FINISHED, ""),
        ({**FINISHED, "exit_status": 7}, "failed"),
        ({**FINISHED, "status": "stopped", "exit_status": 143}, ""),
        ({**FINISHED, "status": "lost", "exit_status": None}, "lost"),
        ({**FINISHED, "status": "damaged"}, "damaged"),
        ({**RUNNING, "activity": "waiting"}, "waiting"),
        ({**RUNNING, "activity": "failed"}, "failed"),
        ({**RUNNING, "activity": "limited"}, "limited"),
        ({**RUNNING, "progress": {"attention": "which branch?"}}, "attention"),
        # the request of an earlier run
        ({**FINISHED, "progress": {"attention": "which branch?"}}, ""),
        ({"name": "bad", "failed": True, "msg": "no codex"}, "failed"),
    ],
)
def test_who_needs_a_person(session: dict[str, Any], reason: str) -> None:
    assert need(session) == reason and reason in ("", *NEEDS)


def test_sessions_that_need_a_person_come_first() -> None:
    waiting = {**RUNNING, "name": "asks", "activity": "waiting"}
    failed = {**FINISHED, "name": "broken", "exit_status": 1}
    broken = {"failed": True, "msg": "no tmux"}
    # of a task with a loop
    gone = {"unreachable": True, "msg": "All items completed", "results": [{"unreachable": True, "msg": "timed out"}]}
    done = {**RUNNING, "name": "ready", "activity": "done"}
    partly = {"failed": True, "sessions": [RUNNING]}
    workers = {
        "w0": partly,
        "w1": [RUNNING, failed],
        "w2": None,
        "w3": [FINISHED, waiting],
        "w4": [],
        "w5": broken,
        "w6": gone,
        "w7": [done],
    }
    lines = session_table(workers, commands=False, summary=True, colors=True, width=90, now=NOW)
    assert [line["text"] for line in lines[:3]] == [
        "6 sessions on 8 workers: 2 working, 1 done, 1 finished. 2 need a person: 1 waits, 1",
        "failed. 1 worker unreachable. 1 worker failed. 1 worker not asked.",
        "",
    ]
    assert [(*line["text"].split()[:3], line["color"]) for line in lines[4:]] == [
        *(("w3", "asks", "waiting", "warn"), ("w1", "broken", "finished", "error")),
        *(("w2", "-", "not", "unreachable"), ("w5", "-", "failed", "error"), ("w6", "-", "unreachable", "unreachable")),
        *(("w0", "fix-1412", "working", ""), ("w1", "fix-1412", "working", ""), ("w3", "docs", "finished", "")),
        *(("w4", "-", "no", ""), ("w7", "ready", "done", "ok")),
    ]
    assert [line["text"].split()[-1] for line in lines[7:9]] == ["tmux", "out"]


@pytest.mark.parametrize(
    ("workers", "line"),
    [
        ({"w1": [RUNNING]}, "1 session on 1 worker: 1 working."),
        ({"w1": [], "w2": []}, "0 sessions on 2 workers."),
        ({"w1": None, "w2": None}, "0 sessions on 2 workers. 2 workers not asked."),
        (
            {"w1": [{**RUNNING, "activity": kind} for kind in ("waiting", "waiting", "limited", "idle", "done")]},
            "5 sessions on 1 worker: 1 done, 1 idle. 3 need a person: 2 wait, 1 limited.",
        ),
    ],
)
def test_summary(workers: Any, line: str) -> None:
    assert session_table(workers, summary=True, now=NOW)[0] == line
