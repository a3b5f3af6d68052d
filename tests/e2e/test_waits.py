# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""``session_wait`` on real workers: it ends at the moment, at its time-out, and with its connection."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from datetime import datetime
from typing import Any

import pytest
from e2e.conftest import VERSIONS
from e2e.sessions import DEADLINE, SYSTEMD, USER, WORKERS, Workers, workdir

HELD = "RUN: until [ -e go ]; do sleep 0.2; done"
#: what the worker's clock says, without Python
CLOCK = {"ansible.builtin.raw": "date +%s.%N"}


def wait(name: str | list[str], **options: Any) -> dict[str, Any]:
    """Return the task that waits."""
    return {"optio.codex.session_wait": {"name" if isinstance(name, str) else "sessions": name, "user": USER, "timeout": 60, **options}}


def eventually(holds: Callable[[], bool], what: str) -> None:
    """Return when it holds; fail the test at the deadline."""
    deadline = time.monotonic() + DEADLINE
    while not holds():
        assert time.monotonic() < deadline, f"not {what} within {DEADLINE:g} s"
        time.sleep(0.1)


def modules(workers: Workers, worker: str) -> list[str]:
    """Return the modules that run on a worker, by their pids: only they are Python there."""
    return workers.shell(worker, "pgrep -x 'python3[.0-9]*'").split()


def last_event(workers: Workers, worker: str, entry: Mapping[str, Any]) -> float:
    """Return when codex wrote the last end of a turn, by its own word."""
    lines = workers.shell(worker, f"grep task_complete '{entry['rollout']}'").splitlines()
    stamp = json.loads(lines[-1])["timestamp"]
    return datetime.fromisoformat(stamp.replace("Z", "+00:00")).timestamp()


@pytest.mark.parametrize("version", VERSIONS)
def test_it_ends_at_the_moment(workers: Workers, version: str) -> None:
    """The end of a turn, and codex's own end, are told at once, by one call that ran all the while."""
    name = f"moment-{version}"
    workers.session(name, version=version, prompt=HELD, ready_timeout=30)
    with ExitStack() as stack:
        run = stack.enter_context(workers.controller.started([wait(name), CLOCK], hosts="codex_workers"))
        for worker in WORKERS:
            eventually(lambda worker=worker: bool(modules(workers, worker)), "waiting")  # type: ignore[misc]
        for worker in WORKERS:
            workers.shell(worker, f"touch {workdir(name)}/go", USER)
        done = run.finish()
    assert done.results and done.shipped == ["session_wait"] * len(WORKERS)
    for worker in WORKERS:
        waited, clock = (record.result for record in done.records if record.host == worker)
        entry = waited["sessions"][0]
        assert (waited["condition_met"], entry["activity"], entry["message"]) == (True, "idle", "Done: (no output)")
        assert 0 <= waited["elapsed"] < 60
        # the next task comes after it, so that is as late as the wait may have ended
        assert 0 <= float(clock["stdout"]) - last_event(workers, worker, entry) < 3

    # it is so already, so no Python is needed to say it
    again = workers.play(wait(name), wait(name, state="done"), options=["--check"])
    assert [result["condition_met"] for result in again.results] == [True] * 2 + [False] * 2 and again.shipped == []

    quit_ = {"optio.codex.session_message": {"name": name, "user": USER, "text": "/quit", "raw_command": True}}
    ended = workers.play(quit_, wait(name, state="exited")).records
    assert {record.result["sessions"][0]["exit_status"] for record in ended[-2:]} == {0}
    failed = workers.play(wait(name)).records
    assert all("is not running (finished, exit status 0)" in record.result["msg"] for record in failed)
    workers.session(name, state="absent")


def test_time_out_absence_and_several_sessions(workers: Workers) -> None:
    """Each failure says how the sessions are; several are waited for in one call."""
    names = ["several-1", "several-2"]
    for name, prompt in zip(names, (HELD, "SAY: done already"), strict=True):
        workers.session(name, hosts=SYSTEMD, prompt=prompt)
    run = workers.play(wait(names, mode="any"), wait(names, timeout=1.5), hosts=SYSTEMD)
    (first, late) = (record.result for record in run.records)
    assert [entry["condition_met"] for entry in first["sessions"]] == [False, True]
    assert run.records[-1].status == "failed" and late["timed_out"] and 1.5 <= late["elapsed"] < 10
    assert "did not reach the state idle within 1.5 s: several-1 is working" in late["msg"]
    assert [entry["activity"] for entry in late["sessions"]] == ["working", "idle"]
    assert late["sessions"][0]["attach_command"].startswith("ssh -t")

    absent = workers.play(wait([*names, "nobody"]), hosts=SYSTEMD).failure
    assert absent["msg"].startswith("session nobody does not exist in") and "Launch it first" in absent["msg"]

    with workers.controller.started([wait(names)], hosts=SYSTEMD) as running:
        eventually(lambda: bool(modules(workers, SYSTEMD)), "waiting")
        workers.shell(SYSTEMD, f"touch {workdir(names[0])}/go", USER)
        assert running.finish().results[0]["condition_met"]
    for name in names:
        workers.session(name, hosts=SYSTEMD, state="absent")


def test_the_playbook_shows_the_sessions_that_it_waits_for(workers: Workers) -> None:
    """Those of all workers in one table before the wait, and those that are not in the state once more in the error."""
    for name, prompt in {"shown": HELD, "shown-idle": "SAY: done already"}.items():
        workers.session(name, prompt=prompt)
        workers.until(name, lambda entry: entry["turns"] == 1 and entry["activity"] != "starting", "in its turn")
    variables = {"codex_user": USER, "codex_session_name": "shown,shown-idle", "codex_session_wait_timeout": 2}
    run = workers.controller.playbook("wait", variables)
    before, after = ([line["text"] for line in record.result["lines"]] for record in run.records if record.result.get("lines"))
    assert before[0] == "Waiting up to 2 seconds until these sessions are idle:"
    assert sorted(line.split()[:3] for line in before[3:]) == [[worker, "shown", "working"] for worker in sorted(WORKERS)]
    assert sorted(line.split()[:2] for line in after[3:7]) == [
        [worker, name] for worker in sorted(WORKERS) for name in ("shown", "shown-idle")
    ]
    failed = [record.result["msg"] for record in run.records if record.status == "failed"]
    assert run.rc == 2 and len(failed) == 2 and all("did not reach the state idle within 2 s: shown is working" in msg for msg in failed)
    for name in ("shown", "shown-idle"):
        workers.session(name, state="absent")


def test_asynchronously(workers: Workers) -> None:
    """As a job on the worker, which the controller asks for now and then."""
    workers.session("async", hosts=SYSTEMD, prompt=HELD)
    task = {**wait("async"), "async": 60, "poll": 1}
    with workers.controller.started([task], hosts=SYSTEMD) as running:
        eventually(lambda: bool(modules(workers, SYSTEMD)), "waiting")
        workers.shell(SYSTEMD, f"touch {workdir('async')}/go", USER)
        (result,) = running.finish().results
    assert result["condition_met"] and result["sessions"][0]["activity"] == "idle"
    workers.session("async", hosts=SYSTEMD, state="absent")


@pytest.mark.parametrize("become", [False, True])
def test_a_lost_connection_leaves_no_process(workers: Workers, become: bool) -> None:
    """With the controller interrupted, or its connection dead, nothing of the wait goes on, behind sudo neither."""
    workers.session("lonely", prompt=HELD)
    task = wait("lonely", timeout=3600)
    if become:
        # as the session's user itself, by way of sudo
        task = {"optio.codex.session_wait": {"name": "lonely", "timeout": 3600}, "become": True, "become_user": USER}
    # behind a sudo with pipes of its own only the end of sshd is a sign
    for end in ("connection",) if become else ("controller", "connection"):
        with workers.controller.started([task], hosts="codex_workers") as running:
            for worker in WORKERS:
                eventually(lambda worker=worker: bool(modules(workers, worker)), "waiting")  # type: ignore[misc]
            if end == "controller":
                running.process.send_signal(signal.SIGINT)
            else:
                for worker in WORKERS:
                    workers.shell(worker, "pkill -KILL -f '^sshd(-session)?: root'")
            for worker in WORKERS:
                eventually(lambda worker=worker: not modules(workers, worker), f"gone with the {end}")  # type: ignore[misc]
    assert {entry["activity"] for entry in workers.info("lonely").values()} == {"working"}
    workers.session("lonely", state="absent")
