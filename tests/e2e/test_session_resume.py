# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A conversation that goes on after its processes, its options or its worker have changed: the real codex."""

from __future__ import annotations

import json
import re
import subprocess
import time
from typing import Any

import fleet as fleets
import pytest
from e2e.conftest import VERSIONS
from e2e.sessions import ROOT, SYSTEMD, USER, WORKERS, Result, Workers, is_idle, kinds, stubborn, workdir

pytestmark = pytest.mark.battery

#: reports an end too early, then waits until it is cut off; the step left over is of the turn that goes on
TASK = """\
RUN: echo begun >> count.txt; echo 'DONE: too early' >> optio.log
RUN: touch waiting; while :; do sleep 0.1; done
RUN: echo went on >> count.txt
"""
START = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def launch_waiting(workers: Workers, name: str, **options: Any) -> dict[str, Result]:
    """Launch a session and return it as soon as codex is in the midst of its turn."""
    launched = workers.session(name, instructions=TASK, auto_start=True, **options)
    for worker in WORKERS:
        workers.shell(worker, f"for i in $(seq 300); do [ -e {workdir(name)}/waiting ] && break; sleep 0.1; done")
        assert workers.read(worker, f"{workdir(name)}/waiting") == "", "the turn did not begin"
    return launched


def starts(workers: Workers, worker: str, name: str) -> list[str]:
    """Return the lines of resume.log, each without its time."""
    lines = (workers.read(worker, f"{workdir(name)}/resume.log") or "").splitlines()
    assert all(START.match(line) for line in lines), lines
    return [START.sub("", line) for line in lines]


@pytest.mark.parametrize("version", VERSIONS)
def test_resume_after_a_kill_goes_on_with_the_conversation(workers: Workers, version: str) -> None:
    """codex killed mid-turn; the same id, no stale DONE, the logs kept, AGENTS.md refreshed and named."""
    name = f"resume-{version}"
    launch_waiting(workers, name, version=version)
    before = workers.until(name, lambda entry: bool(entry["session_id"]), "recorded")
    for worker in WORKERS:
        workers.shell(worker, f"pkill -KILL -u {USER} -x codex")
    workers.until(name, lambda entry: entry["status"] != "running", "ended")
    workers.settle(name)
    told: dict[str, Any] = {"version": version, "resume": "always", "instructions": f"{TASK}# Be brief"}
    predicted = workers.session(name, check=True, **told)
    resumed = workers.session(name, **told)
    for worker in WORKERS:
        assert kinds(predicted[worker]) == kinds(resumed[worker])
        assert resumed[worker]["status"] == "running" and resumed[worker]["resumed"]
        assert workers.read(worker, f"{workdir(name)}/optio.log") is None, "the DONE of before would end this run"
        assert "DONE: too early\n" in (workers.read(worker, f"{workdir(name)}/optio.log.old") or "")
        assert starts(workers, worker, name) == ["", " REFRESHED:AGENTS.md"]
    seen = workers.until(name, lambda entry: is_idle(entry) and "aborted" in entry["screen"], "done")
    for worker in WORKERS:
        assert seen[worker]["session_id"] == before[worker]["session_id"]
        assert workers.read(worker, f"{workdir(name)}/count.txt") == "begun\nwent on\n", "work was lost or done twice"
        # what codex sent to the model: the protocol, the notice
        sent = (
            workers.shell(worker, f"cat {seen[worker]['rollout']}") if seen[worker].get("rollout") else conversation(workers, worker, name)
        )
        assert "# AGENTS.md instructions" in sent and "DELIVERABLE: path" in sent and "System: you have been resumed" in sent
    workers.session(name, state="absent")
    for worker in WORKERS:
        assert workers.traces(worker, name) == []


def restart_workers(workers: Workers) -> None:
    """Stop and start the workers, as a reboot does."""
    for node in workers.fleet.workers:
        subprocess.run(["podman", "stop", "--time", "20", node.container], check=True, capture_output=True, timeout=60)
        subprocess.run(["podman", "start", node.container], check=True, capture_output=True, timeout=60)
    for node in workers.fleet.workers:
        fleets.wait_for_worker(workers.fleet, node, time.monotonic() + 60)


def test_same_play_after_a_reboot_runs_what_should_run_and_repeats_no_prompt(workers: Workers) -> None:
    """Sessions that were idle, in a turn, stopped, and ended by themselves; with the default ``resume: auto``."""
    names = ("idle", "busy", "halted", "over")
    prompts = {name: f"RUN: echo {name} >> count.txt" for name in names}
    prompts["busy"] += "; touch waiting; while [ -e waiting ]; do sleep 0.1; done"
    entries = [{"name": name, "prompt": prompt} for name, prompt in prompts.items()]
    play = workers.task("idle", sessions=entries)
    del play["optio.codex.session"]["name"]
    workers.play(play)
    for name in ("idle", "halted", "over"):
        workers.until(name, is_idle, "done")
    for worker in WORKERS:
        workers.shell(worker, f"for i in $(seq 300); do [ -e {workdir('busy')}/waiting ] && break; sleep 0.1; done")
    before = {name: workers.info(name) for name in names}
    workers.play({"optio.codex.session_message": {"name": "over", "user": USER, "text": "/quit", "raw_command": True}})
    workers.until("over", lambda entry: entry["status"] == "finished", "over")
    workers.session("halted", state="stopped")
    restart_workers(workers)
    for worker in WORKERS:
        workers.shell(worker, f"rm -f {workdir('busy')}/waiting")
    predicted = workers.play(play, options=["--check", "--diff"])
    done = workers.play(play)
    # the workers answer in any order
    foretold = {record.host: record.result["sessions"] for record in predicted.records}
    for record in done.records:
        for foreseen, result in zip(foretold[record.host], record.result["sessions"], strict=True):
            assert kinds(foreseen) == kinds(result), result["name"]
            ended = result["name"] == "over"
            assert (result["status"], result["resumed"], result["changed"]) == (
                ("finished", False, False) if ended else ("running", True, True)
            ), result["name"]
    for name in ("idle", "busy", "halted"):
        after = workers.until(name, is_idle, "idle")
        for worker in WORKERS:
            assert after[worker]["session_id"] == before[name][worker]["session_id"]
    again = workers.play(play)
    assert not any(result["changed"] for result in again.results)
    for name in names:
        for worker in WORKERS:
            assert workers.read(worker, f"{workdir(name)}/count.txt") == f"{name}\n", "a prompt was given twice"
            assert prompts_in(conversation(workers, worker, name)).count(prompts[name]) == 1, name
    for name in names:
        workers.session(name, state="absent", purge=True)
        for worker in WORKERS:
            assert workers.traces(worker, name) == []
            assert workers.shell(worker, f"ls -d {ROOT}/{name} 2>/dev/null") == ""


def test_reboot_loses_nothing_and_a_resume_brings_the_session_back(workers: Workers) -> None:
    """The worker goes down mid-turn: units are gone, sockets and pids are stale, and the conversation goes on."""
    launched = launch_waiting(workers, "reboot")
    before = workers.until("reboot", lambda entry: bool(entry["session_id"]), "recorded")
    restart_workers(workers)
    # another process now has the number of codex's terminal
    for worker in WORKERS:
        record = workers.read(worker, f"{ROOT}/reboot/terminal") or ""
        workers.shell(worker, f"echo '1 {record.split()[1]} 0' >{ROOT}/reboot/terminal", user=USER)
    seen = workers.info("reboot")
    assert {entry["status"] for entry in seen.values()} <= {"lost", "finished"}
    assert {entry["terminal"] for entry in seen.values()} == {"dead"}
    resumed = workers.session("reboot", instructions=TASK, auto_start=True, resume="always")
    seen = workers.until("reboot", lambda entry: is_idle(entry) and "aborted" in entry["screen"], "done")
    for worker in WORKERS:
        assert resumed[worker]["resumed"] and resumed[worker]["supervisor"] == launched[worker]["supervisor"]
        assert seen[worker]["session_id"] == before[worker]["session_id"]
        assert workers.read(worker, f"{workdir('reboot')}/count.txt") == "begun\nwent on\n", "work was lost or done twice"
        assert "DONE: too early\n" in (workers.read(worker, f"{workdir('reboot')}/optio.log.old") or "")
        assert workers.shell(worker, "cat /proc/1/comm") != "", "a process that only had the number was ended"
    workers.session("reboot", state="absent")
    for worker in WORKERS:
        assert workers.traces(worker, "reboot") == []


def conversation(workers: Workers, worker: str, name: str) -> str:
    return workers.shell(worker, f"cat {workdir(name)}/home/.codex/sessions/*/*/*/rollout-*.jsonl")


def prompts_in(rollout: str) -> list[str]:
    """Return the texts of the user's messages in a rollout."""
    payloads = [json.loads(line)["payload"] for line in rollout.splitlines()]
    messages = [payload for payload in payloads if payload.get("type") == "message" and payload.get("role") == "user"]
    return [part.get("text", "") for message in messages for part in message["content"]]


def test_restart_and_restart_on_drift_alone_apply_other_options(workers: Workers) -> None:
    """A live session, mid-turn, gets another sandbox: the conversation goes on, and again nothing changes."""
    first = launch_waiting(workers, "restart")
    workers.until("restart", lambda entry: bool(entry["session_id"]), "recorded")
    same = workers.session("restart", instructions=TASK, auto_start=True, restart_on_drift=True)
    assert not any(result["changed"] for result in same.values())
    asked: dict[str, Any] = {"instructions": TASK, "auto_start": True, "restart_on_drift": True, "sandbox": "danger-full-access"}
    predicted = workers.session("restart", check=True, **asked)
    done = workers.session("restart", **asked)
    for worker in WORKERS:
        assert kinds(predicted[worker]) == kinds(done[worker])
        assert "tmux.sock: running" in predicted[worker]["diff"]["before"]
        assert [entry["option"] for entry in done[worker]["drift"]] == ["sandbox"]
        assert done[worker]["pid"] != first[worker]["pid"] and done[worker]["resumed"] and stubborn(done[worker]) == []
        command = workers.shell(worker, f"tr '\\0' ' ' </proc/{done[worker]['pid']}/cmdline")
        assert "danger-full-access" in command and "resume" in command
    again = workers.session("restart", **asked)
    assert not any(result["changed"] for result in again.values())
    workers.until("restart", lambda entry: is_idle(entry) and "aborted" in entry["screen"], "done")
    forced = workers.session("restart", state="restarted", **{**asked, "restart_on_drift": False})
    for worker in WORKERS:
        assert forced[worker]["changed"] and forced[worker]["resumed"] and forced[worker]["drift"] == []
        assert forced[worker]["pid"] != again[worker]["pid"]
        assert workers.read(worker, f"{workdir('restart')}/count.txt") == "begun\nwent on\n"
    workers.session("restart", state="absent")


def test_session_in_which_nothing_was_said_is_started_afresh_and_says_so(workers: Workers) -> None:
    """There is no conversation to go on with; the prompt is given, since it never was."""
    workers.session("silent")
    workers.session("silent", state="stopped")
    fresh = workers.session("silent", resume="always", prompt="SAY: at last")
    assert not any(result["resumed"] for result in fresh.values())
    workers.until("silent", lambda entry: is_idle(entry) and "• at last" in entry["screen"], "answered")
    workers.session("silent", state="absent")


@pytest.mark.parametrize("missing", ["", "/workdir"])
def test_session_whose_files_somebody_has_removed_is_ended(workers: Workers, missing: str) -> None:
    """With the task's directory gone, or its workdir alone, everything that runs is found and ended."""
    for state in ("stopped", "absent"):
        # codex that still starts ends by itself when its directory goes
        workers.session("halfdead", prompt="SAY: ready")
        workers.until("halfdead", is_idle, "idle")
        for worker in WORKERS:
            workers.shell(worker, f"rm -rf {workdir('halfdead').removesuffix('/workdir')}{missing}")
        ended = workers.session("halfdead", state=state)
        for worker in WORKERS:
            assert (ended[worker]["changed"], ended[worker]["status"]) == (True, state), (worker, state, ended[worker])
            assert workers.shell(worker, f"pgrep -u {USER} -a 'codex|ttyd|tmux'") == ""
        workers.session("halfdead", state="absent")
        for worker in WORKERS:
            assert workers.traces(worker, "halfdead") == []


def test_stubborn_process_is_named(workers: Workers) -> None:
    """One that ignores TERM, in a session of its own and (under systemd) without the tag, is killed and named."""
    deaf = "env -i setsid -f sh -c 'trap : TERM; while :; do sleep 0.5; done' deaf-one </dev/null >/dev/null 2>&1"
    workers.session("named", sandbox="danger-full-access", prompt=f"RUN: {deaf}; echo started", hosts=SYSTEMD)
    workers.until("named", lambda entry: is_idle(entry) and "started" in entry["screen"], "busy", hosts=SYSTEMD)
    run = workers.play(workers.task("named", state="absent"), hosts=SYSTEMD)
    assert ["deaf-one" in command for command in stubborn(run.results[0])] == [True]
    assert "did not end by themselves and were killed" in run.output
    assert workers.shell(SYSTEMD, "pgrep -f '[d]eaf-one'") == "" and workers.traces(SYSTEMD, "named") == []
