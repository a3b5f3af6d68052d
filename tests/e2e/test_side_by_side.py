# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Twenty sessions on each worker, launched, spoken to and ended in one call each, and none touches another."""

from __future__ import annotations

from typing import Any

import pytest
from containers.playbook_runner import Run
from e2e.sessions import SYSTEMD, USER, WORKERS, Result, Workers, stubborn, workdir

pytestmark = pytest.mark.battery

NAMES = [f"side-{number:02}" for number in range(20)]
VERSION = "0.142.5"


def by_worker(run: Run) -> dict[str, list[Result]]:
    """Return the sessions of a run with one task, by worker."""
    assert run.results
    return {record.host: record.result["sessions"] for record in run.records}


def seen(workers: Workers) -> dict[str, dict[str, Result]]:
    """Return all of the twenty by worker and name, as one call tells them."""
    found = by_worker(workers.play({"optio.codex.session_info": {"user": USER, "include_screen": True}}))
    return {worker: {entry["name"]: entry for entry in entries if entry["name"] in NAMES} for worker, entries in found.items()}


def many(workers: Workers, sessions: list[Any], *options: str, **more: Any) -> Run:
    task = workers.task("any", version=VERSION, **more)
    asked = {**task["optio.codex.session"], "sessions": sessions}
    del asked["name"]
    return workers.play({"optio.codex.session": asked}, options=options)


def refuse_one_and_end_the_others(workers: Workers) -> None:
    """End the first ten sessions; one that cannot be ended by the rights given stops no other."""
    refused = workers.play(
        {"optio.codex.session": {"sessions": [{"name": NAMES[1], "user": "nobody-such"}, *NAMES[2:10]], "user": USER, "state": "absent"}},
        hosts=SYSTEMD,
    ).failure
    assert refused["msg"].startswith("1 of 9 sessions failed. ") and "does not exist on the worker" in refused["msg"]
    assert [entry["status"] for entry in refused["sessions"][1:]] == ["absent"] * 8
    last = by_worker(many(workers, NAMES[:10], state="absent"))
    assert sum(entry["changed"] for entry in last[SYSTEMD]) == 2
    for worker in WORKERS:
        assert workers.traces(worker, *NAMES) == []


def test_twenty_sessions_side_by_side(workers: Workers) -> None:
    """Check, do, check again, do again; then turns, messages, a death, and the end of half of them."""
    sessions = [{"name": name, "instructions": f"RUN: echo {name} >own.txt; cat own.txt"} for name in NAMES]
    predicted = by_worker(many(workers, sessions, "--check", "--diff", auto_start=True))
    run = many(workers, sessions, auto_start=True)
    launched = by_worker(run)
    assert run.shipped == ["session"] * len(WORKERS)
    for worker in WORKERS:
        assert [entry["name"] for entry in launched[worker]] == [entry["name"] for entry in predicted[worker]] == NAMES
        assert all(entry["changed"] and entry["status"] == "running" for entry in (*launched[worker], *predicted[worker]))
        assert [entry["actions"] for entry in launched[worker]] == [entry["actions"] for entry in predicted[worker]]
        assert len(workers.traces(worker, *NAMES)) > 3 * len(NAMES)
    for options in (["--check", "--diff"], []):
        again = many(workers, sessions, *options, auto_start=True)
        assert again.shipped == [] and not any(result["changed"] for result in again.results)
        assert {worker: [entry["pid"] for entry in entries] for worker, entries in by_worker(again).items()} == {
            worker: [entry["pid"] for entry in entries] for worker, entries in launched.items()
        }

    message = {"sessions": [{"name": name, "text": f"SAY: to {name}"} for name in NAMES], "user": USER}
    delivered = by_worker(workers.play({"optio.codex.session_message": message}))
    assert all(entry["delivery"] in ("recorded", "queued") for entries in delivered.values() for entry in entries)
    waited = workers.play({"optio.codex.session_wait": {"sessions": NAMES, "user": USER, "timeout": 120}})
    assert all(result["condition_met"] for result in waited.results)
    before = seen(workers)
    for worker in WORKERS:
        for name, entry in before[worker].items():
            assert entry["turns"] == 2 and entry["message"] == f"to {name}", entry
        own = " ".join(f"{workdir(name)}/own.txt" for name in NAMES)
        assert workers.shell(worker, f"cat {own}").split() == NAMES

    # one dies, ten are ended, and nine go on as if nothing had been
    for worker in WORKERS:
        workers.shell(worker, f"kill -KILL {before[worker][NAMES[0]]['pid']}")
    ended = by_worker(many(workers, NAMES[10:], state="absent"))
    assert all(entry["changed"] and stubborn(entry) == [] for entries in ended.values() for entry in entries)
    after = seen(workers)
    for worker in WORKERS:
        assert sorted(after[worker]) == NAMES[:10]
        assert after[worker][NAMES[0]]["status"] == "finished" and after[worker][NAMES[0]]["exit_status"] == 137
        for name in NAMES[1:10]:
            kept = ("pid", "status", "terminal", "session_id", "activity", "screen")
            assert {key: after[worker][name][key] for key in kept} == {key: before[worker][name][key] for key in kept}
        assert workers.traces(worker, *NAMES[10:]) == []

    refuse_one_and_end_the_others(workers)
    gone = workers.play({"optio.codex.session_message": message}, hosts=SYSTEMD, options=["--check"]).failure
    assert gone["msg"].startswith("20 of 20 sessions failed. session side-00 does not exist in ")
