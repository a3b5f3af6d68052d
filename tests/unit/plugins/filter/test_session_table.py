# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.optio.codex.plugins.filter.session_table import NEEDS, amount, duration, fitting, need, session_table, width

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
        "WORKER    SESSION   STATUS        ACTIVITY  AGE    VERSION",
        "w1        docs      finished (0)            42s    0.169.0",
        "w1        fix-1412  running       working   2h03m  0.169.0",
        "worker-2  -         no sessions",
        "",
        "w1/fix-1412",
        "  terminal: ssh -t agent@w1 tmux -S /run/s attach",
        "  browser:  ssh -N -L 127.0.0.1:17001:/run/s/ttyd.sock agent@w1",
        "            then http://127.0.0.1:17001/",
    ]


def test_commands_can_be_left_out() -> None:
    assert session_table({"w1": [RUNNING]}, commands=False, now=NOW)[1:] == ["w1      fix-1412  running  working   2h03m  0.169.0"]


def test_terminal_that_needs_no_tunnel_is_shown_by_its_url() -> None:
    local = {**RUNNING, "tunnel_command": None, "url": "http://127.0.0.1:7681/"}
    lines = session_table({"localhost": [local]}, now=NOW)
    assert lines[0].endswith("URL")
    assert session_table({"localhost": [{**local, "message": "done"}]}, now=NOW)[0].endswith("URL                     NOTE")
    assert lines[-1] == "  browser:  http://127.0.0.1:7681/"


def test_dead_terminal_of_a_live_session_is_told() -> None:
    assert "running, no terminal" in session_table({"w1": [{**RUNNING, "terminal": "dead"}]}, now=NOW)[1]


def test_results_of_the_session_module_have_neither_age_nor_activity() -> None:
    launched = {key: value for key, value in RUNNING.items() if key not in ("activity", "started_at", "terminal")}
    assert session_table({"w1": [launched]}, commands=False, now=NOW) == [
        "WORKER  SESSION   STATUS   VERSION",
        "w1      fix-1412  running  0.169.0",
    ]


#: (the usage limit of a session, what the table shows of it)
LIMITS: list[tuple[Any, str]] = [
    (None, ""),
    ({}, ""),
    ({"used_percent": 79.9, "resets_at": NOW + 9}, ""),
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
    assert line.split() == ["w1", "fix-1412", "running", "limited", "2h03m", *([shown] if shown else []), "0.169.0"]
    assert ("LIMIT" in head) == bool(shown)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-5, "0s"), (0, "0s"), (59.9, "59s"), (60, "1m00s"), (3599, "59m59s"), (3600, "1h00m"), (90_000, "1d01h")],
)
def test_duration(seconds: float, text: str) -> None:
    assert duration(seconds) == text


#: (what a session says of itself, what the table shows of it)
NOTES: list[tuple[dict[str, Any], str]] = [
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


@pytest.mark.parametrize(("said", "shown"), NOTES)
def test_what_a_session_has_to_say(said: dict[str, Any], shown: str) -> None:
    header, line = session_table({"w1": [{**RUNNING, **said}]}, commands=False, now=NOW)
    assert line.partition("0.169.0")[2].strip() == shown
    assert header.endswith("NOTE") == bool(shown)


@pytest.mark.parametrize("letter", ["x", "é", "漢", "😀", "e\u0301"])
def test_no_line_is_wider_than_a_screen(letter: str) -> None:
    talker = {**RUNNING, "turns": 12, "tokens": {"total": {"total_tokens": 1_234_567}}, "message": letter * 300}
    lines = session_table({"w1": [talker, {**talker, "name": "other", "message": "short"}]}, commands=False, now=NOW)
    assert lines[0].split() == ["WORKER", "SESSION", "STATUS", "ACTIVITY", "AGE", "TURNS", "TOKENS", "VERSION", "NOTE"]
    assert 118 <= width(lines[1]) <= 120 and lines[1].endswith(f"{letter}…")
    assert lines[2].endswith("short") and "  12     1.2M  " in lines[2]


def test_names_that_leave_no_room_for_a_note() -> None:
    lines = session_table({"w" * 60: [{**RUNNING, "name": "s" * 64, "message": "hello"}]}, commands=False, now=NOW)
    assert "hello" not in lines[1] and "s" * 64 in lines[1]


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0"), (999, "999"), (1000, "1.0k"), (12_649, "12.6k"), (123_456, "123k"), (999_999, "1000k"), (1_250_000, "1.2M")],
)
def test_amount(number: int, text: str) -> None:
    assert amount(number) == text


@pytest.mark.parametrize("wrong", [[RUNNING], "text", None])
def test_anything_but_workers_is_refused(wrong: Any) -> None:
    with pytest.raises(AnsibleFilterError, match="dictionary of workers"):
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
        ({**RUNNING, "activity": "limited"}, "limited"),
        ({**RUNNING, "progress": {"attention": "which branch?"}}, "attention"),
        # the request of an earlier run
        ({**FINISHED, "progress": {"attention": "which branch?"}}, ""),
        ({"name": "bad", "failed": True, "msg": "no codex"}, "failed"),
    ],
)
def test_who_needs_a_person(session: dict[str, Any], reason: str) -> None:
    assert need(session) == reason and reason in ("", *NEEDS)


def test_those_that_need_a_person_come_first() -> None:
    waiting = {**RUNNING, "name": "asks", "activity": "waiting"}
    failed = {**FINISHED, "name": "broken", "exit_status": 1}
    lines = session_table({"w1": [RUNNING, waiting], "w2": None, "w3": [FINISHED, failed], "w4": []}, commands=False, summary=True, now=NOW)
    assert lines[:2] == ["4 sessions on 4 workers: 1 waiting, 1 failed, 1 worker not reached.", ""]
    assert [line.split()[:2] for line in lines[3:]] == [
        *(["w1", "asks"], ["w2", "-"], ["w3", "broken"]),
        *(["w1", "fix-1412"], ["w3", "docs"], ["w4", "-"]),
    ]
    assert lines[4].split("  ")[-1].strip() == "not reached"


@pytest.mark.parametrize(
    ("workers", "line"),
    [
        ({"w1": [RUNNING]}, "1 session on 1 worker."),
        ({"w1": [], "w2": []}, "0 sessions on 2 workers."),
        ({"w1": None, "w2": None}, "0 sessions on 2 workers: 2 workers not reached."),
    ],
)
def test_summary(workers: Any, line: str) -> None:
    assert session_table(workers, summary=True, now=NOW)[0] == line


def test_a_long_text_of_an_agent_takes_no_longer_than_a_short_one() -> None:
    """Cut letter by letter from its end, it would take hours."""
    assert fitting("x" * 10**6, 20) == "x" * 19 + "…"
