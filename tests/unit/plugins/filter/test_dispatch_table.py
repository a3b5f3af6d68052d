# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.optio.codex.plugins.filter.dispatch_table import dispatch_table

NOW = 1_800_000_000.0


def placed(name: str, state: str, worker: str | None = "w1", reason: str | None = None) -> dict[str, Any]:
    return {"name": name, "state": state, "worker": worker, "status": None, "reason": reason}


def test_the_states_and_what_needs_a_person_first() -> None:
    placements = [
        placed("old", "launched"),
        placed("again", "assigned"),
        placed("beside", "assigned"),
        placed("bad", "assigned", "w2"),
        placed("lost", "assigned", "w3"),
        placed("gone", "removed", "w2", "the session was removed"),
        placed("far", "unreachable", "w9", "w9 was not reached"),
        placed("many", "pending", None, "w1: 10 of 10 sessions"),
    ]
    ended = {"name": "again", "status": "finished", "exit_status": 0, "started_at": NOW - 500, "turns": 7, "message": "old"}
    inspected = {
        "w1": [{"name": "old", "status": "running", "activity": "idle", "started_at": NOW - 90, "turns": 2, "message": "Done"}, ended]
    }
    launched: dict[str, Any] = {
        "w1": [
            {"name": "old", "status": "running", "changed": False, "activity": None},
            {"name": "again", "status": "running", "changed": True, "started_at": NOW - 3},
            {"name": "beside", "status": "running", "changed": False},
        ],
        "w2": [{"name": "bad", "failed": True, "msg": "codex did\x1b[2J\nnot start"}],
        "w3": None,
    }
    assert dispatch_table(placements, inspected, launched, now=NOW) == [
        "8 sessions: 1 new, 1 assigned, 2 launched, 1 removed, 1 failed, 1 pending, 1 unreachable.",
        "",
        "SESSION  WORKER  STATE        ACTIVITY  SINCE  TURNS  LAST WORDS",
        "bad      w2      failed                               codex did [2J not start",
        "far      w9      unreachable                          w9 was not reached",
        "many     -       pending                              w1: 10 of 10 sessions",
        "old      w1      launched     idle      1m30s      2  Done",
        "again    w1      new          running      3s",
        "beside   w1      launched     running",
        "lost     w3      assigned",
        "gone     w2      removed                              the session was removed",
    ]
    colored = dispatch_table(placements, inspected, launched, colors=True, width=60, now=NOW)
    assert [line["color"] for line in colored if line["color"]] == ["error", "unreachable", "warn", "changed"]
    assert all(len(line["text"]) <= 60 for line in colored)


def test_a_plan_has_no_status() -> None:
    launched = {"w1": [{"name": "a", "status": "running", "changed": True}]}
    assert dispatch_table([placed("a", "assigned")], {}, launched, planned=True, now=NOW) == [
        *("1 session: 1 planned.", "", "SESSION  WORKER  STATE", "a        w1      planned")
    ]


def test_no_sessions() -> None:
    assert dispatch_table([])[0] == "0 sessions."
    with pytest.raises(AnsibleFilterError, match="not a list of sessions, but str"):
        dispatch_table("a")  # type: ignore[arg-type]


def test_workers_that_were_not_reached_come_first() -> None:
    gone = {"unreached": True, "msg": "Failed to connect to the host via ssh: ssh: connect to host w9 port 22: No route to host"}
    placements = [
        placed("far", "unreachable", "w9", "w9 was not reached"),
        placed("many", "unknown", None, "w9 has the ledger, and was not reached"),
    ]
    assert dispatch_table(placements, {"w1": [], "w9": gone}, now=NOW) == [
        "2 sessions: 1 unreachable, 1 unknown.",
        "",
        "SESSION  WORKER  STATE        LAST WORDS",
        "-        w9      unreachable  No route to host",
        "far      w9      unreachable  w9 was not reached",
        "many     -       unknown      w9 has the ledger, and was not reached",
    ]
