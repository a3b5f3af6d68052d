# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.optio.codex.plugins.filter.session_upgrades import session_upgrades
from ansible_collections.optio.codex.plugins.filter.upgrade_requests import upgrade_requests
from ansible_collections.optio.codex.plugins.filter.upgrade_table import upgrade_table

ROOT = "/home/{}/.local/share/optio-codex"


def found(name: str, user: str = "ann", **more: Any) -> dict[str, Any]:
    place = {"name": name, "user": user, "session_dir": f"{ROOT.format(user)}/{name}"}
    return {**place, "status": "running", "activity": "idle", "version": "0.142.5", **more}


def upgrade(status: str, after: str | None = None, reason: str | None = None, ttyd: str | None = None) -> dict[str, Any]:
    before = {"codex_before": "0.142.5", "ttyd_before": "1.7.6", "draft": False}
    return {"status": status, "reason": reason, **before, "codex_after": after, "ttyd_after": ttyd}


def answer(*upgrades: dict[str, Any]) -> dict[str, Any]:
    return {"sessions": [{"upgrade": one, "version": one["codex_after"] if one["status"] == "upgraded" else "0.142.5"} for one in upgrades]}


def results(sessions: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(one["name"], one["upgrade"]["status"]) for one in sessions]


def test_requests_of_several_users() -> None:
    common = {"ttyd_dir": "/opt", "terminal": {"group": "www-data"}, "user": "eve", "sessions_dir": "/srv"}
    asked = upgrade_requests([found("a"), found("a", "bob")], common)
    assert asked == [{**common, "name": "a", "user": user, "sessions_dir": ROOT.format(user)} for user in ("ann", "bob")]
    with pytest.raises(AnsibleFilterError, match="session_dir"):
        upgrade_requests([{"name": "a"}])


def test_from_the_plan_to_the_last_call() -> None:
    sessions = [found("a"), found("a", "bob"), found("busy", activity="working"), found("bad"), found("over", status="stopped")]
    requests = upgrade_requests(sessions[:4])
    new = upgrade("upgraded", "0.169.0")
    plan = answer(new, upgrade("current"), upgrade("busy", "0.169.0", "it is working"), new)
    first = session_upgrades(sessions, plan, requests, planned=True)
    assert results(first) == [("a", "planned"), ("a", "current"), ("busy", "busy"), ("bad", "planned"), ("over", "ended")]

    second = session_upgrades(first, answer(upgrade("upgraded", "0.169.0")), requests[:1])
    assert results(second)[0] == ("a", "upgraded") and second[0]["version"] == "0.169.0"
    # another run was faster
    third = session_upgrades(second, answer({**upgrade("current"), "codex_before": "0.169.0"}), requests[2:3])
    assert third[2]["upgrade"] == {**upgrade("upgraded", "0.169.0"), "reason": None}
    restored = {"sessions": [{"failed": True, "msg": "It did not start.", "upgrade": upgrade("restored", "0.169.0", "why")}]}
    last = session_upgrades(third, restored, requests[3:4])
    assert results(last) == [("a", "upgraded"), ("a", "current"), ("busy", "upgraded"), ("bad", "restored"), ("over", "ended")]
    assert last[3]["msg"] == "It did not start."
    assert session_upgrades(last, {"skipped": True}, requests) == last


def test_failures_without_a_result_of_the_session() -> None:
    sessions = [found("a"), found("b")]
    failed = session_upgrades(sessions, {"failed": True, "msg": "No Python"}, upgrade_requests(sessions))
    assert [one["upgrade"] | {"reason": None} for one in failed] == [upgrade("failed") | {"ttyd_before": None}] * 2
    assert {one["upgrade"]["reason"] for one in failed} == {"No Python"}
    with pytest.raises(AnsibleFilterError, match="1 sessions, and the call had 2"):
        session_upgrades(sessions, answer(upgrade("current")), upgrade_requests(sessions))


def test_terminal_of_a_turn_that_was_replaced_before() -> None:
    sessions = session_upgrades([found("a")], answer(upgrade("busy", "0.169.0", ttyd="1.7.7")), upgrade_requests([found("a")]))
    later = session_upgrades(sessions, answer({**upgrade("upgraded", "0.169.0"), "ttyd_before": "1.7.7"}), upgrade_requests(sessions))
    assert later[0]["upgrade"] == upgrade("upgraded", "0.169.0", ttyd="1.7.7")


def test_check_mode_of_a_worker_that_does_not_have_the_version_yet() -> None:
    sessions = [found("a"), found("b", activity="working"), found("c", version="0.169.0"), found("d", version=None), found("e")]
    plan = answer(*[upgrade("current")] * 4, {**upgrade("current"), "draft": True})
    plan["sessions"] = [{"upgrade": one["upgrade"]} for one in plan["sessions"]]
    foreseen = session_upgrades(sessions, plan, upgrade_requests(sessions), planned=True, version="0.169.0")
    assert results(foreseen) == [("a", "planned"), ("b", "busy"), ("c", "current"), ("d", "current"), ("e", "busy")]
    assert foreseen[4]["upgrade"]["reason"] == "its composer contains text that was not submitted"


def test_table() -> None:
    def session(name: str, entry: dict[str, Any]) -> dict[str, Any]:
        return {**found(name), "upgrade": entry}

    workers = {
        "w1": [
            session("a", upgrade("upgraded", "0.169.0")),
            session("b", upgrade("busy", "0.169.0", "it is working", ttyd="1.7.7")),
            session("c", upgrade("restored", "0.169.0", "codex ended with exit status 1")),
        ],
        "w2": [session("d", upgrade("current"))],
        "w3": [],
        "w4": {"unreachable": True, "msg": "No route to host"},
        "w5": None,
    }
    lines = upgrade_table(workers, colors=True, width=120)
    texts = [line["text"].rstrip() for line in lines]
    assert texts == [
        "4 sessions: 1 restored, 2 unreachable, 1 upgraded, 1 busy, 1 current.",
        "",
        "WORKER  SESSION  CODEX               TTYD            RESULT       REASON",
        "w1      c        0.142.5             1.7.6           restored     codex ended with exit status 1",
        "w4      -                                            unreachable  No route to host",
        "w5      -                                            unreachable",
        "w1      a        0.142.5 -> 0.169.0  1.7.6           upgraded",
        "w1      b        0.142.5             1.7.6 -> 1.7.7  busy         it is working",
        "w2      d        0.142.5             1.7.6           current",
        "w3      -",
    ]
    assert [line["color"] for line in lines[3:8]] == ["error", "unreachable", "unreachable", "changed", "warn"]
    assert upgrade_table({"w": []}, width=80) == ["0 sessions.", "", *upgrade_table({"w": []}, width=80)[2:]]
    with pytest.raises(AnsibleFilterError):
        upgrade_table([])  # type: ignore[arg-type]
