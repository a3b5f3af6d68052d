# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A session's life on real workers: the real codex, tmux, ttyd and systemd; only the model is a stand-in."""

from __future__ import annotations

from typing import Any

import pytest
from e2e.conftest import VERSIONS
from e2e.sessions import SYSTEMD, USER, WORKERS, Workers, is_idle, kinds, workdir

#: deaf to TERM, in a session of its own; the second also without the tag in its environment
STUBBORN = "setsid -f sh -c 'trap : TERM; while :; do sleep 0.5; done' </dev/null >/dev/null 2>&1"
UNTAGGED = "env -i setsid -f sleep 4242 </dev/null >/dev/null 2>&1"


@pytest.mark.parametrize("version", VERSIONS)
def test_launch_works_and_teardown_leaves_nothing(workers: Workers, version: str) -> None:
    """Check, do, check again, do again: a turn with a real shell command, the sandbox, and the end of it all."""
    name = f"life-{version}"
    options: dict[str, Any] = {
        "version": version,
        "instructions": "# Task\nRUN: echo inside > in.txt; cat in.txt\nRUN: echo outside > ../out.txt",
        "auto_start": True,
    }
    predicted = workers.session(name, check=True, **options)
    done = workers.session(name, **options)
    for worker in WORKERS:
        assert predicted[worker]["changed"] and done[worker]["changed"]
        assert kinds(predicted[worker]) == kinds(done[worker])
        assert done[worker]["status"] == "running" and done[worker]["version"] == version
        assert done[worker]["supervisor"] == worker
        assert set(predicted[worker]) - {"diff"} == set(done[worker]) - {"ansible_facts"}
    for check in (True, False):
        again = workers.session(name, check=check, **options)
        assert not any(result["changed"] for result in again.values())
        assert {result["pid"] for result in again.values()} == {result["pid"] for result in done.values()}

    seen = workers.until(name, lambda entry: is_idle(entry) and "Failed" in entry["screen"], "done with its turn")
    for worker in WORKERS:
        assert workers.read(worker, f"{workdir(name)}/in.txt") == "inside\n"
        assert workers.read(worker, f"{workdir(name)}/../out.txt") is None
        assert "Read-only file system" in seen[worker]["screen"]
        codex = workers.shell(worker, f"pgrep -u {USER} -x codex | wc -l")
        assert codex.strip() == "1", "codex left a daemon beside it"

    predicted = workers.session(name, check=True, state="absent")
    done = workers.session(name, state="absent")
    for worker in WORKERS:
        assert kinds(predicted[worker]) == kinds(done[worker]) != []
        assert workers.traces(worker, name) == []
        assert workers.read(worker, f"{workdir(name)}/in.txt") == "inside\n"
    for check in (True, False):
        assert not any(result["changed"] for result in workers.session(name, check=check, state="absent").values())


def test_message_arrives_once_idle_and_waits_while_busy(workers: Workers) -> None:
    """Several lines are one message; a message to a busy codex is queued and answered after the turn."""
    workers.session("talk")
    message = {"name": "talk", "user": USER, "text": "SAY: first line\nsecond line"}
    run = workers.play({"optio.codex.session_message": message})
    assert [result["delivery"] for result in run.results] == ["recorded"] * len(WORKERS)
    workers.until("talk", lambda entry: is_idle(entry) and "• first line" in entry["screen"], "answered")

    busy = {"optio.codex.session_message": {**message, "text": "RUN: sleep 4; echo slept"}}
    queued = {"optio.codex.session_message": {**message, "text": "SAY: after that"}}
    run = workers.play(busy, queued)
    assert [result["delivery"] for result in run.results] == ["recorded"] * 2 + ["queued"] * 2
    seen = workers.until("talk", lambda entry: is_idle(entry) and "• after that" in entry["screen"], "answered")
    assert all("slept" in entry["screen"] for entry in seen.values())
    workers.session("talk", state="absent")


def test_live_session_is_adopted_and_a_dead_terminal_repaired(workers: Workers) -> None:
    """Launching again never touches codex; a killed ttyd comes back where it was; drift is told, not mended."""
    first = workers.session("adopt", terminal={"listen": "tcp"}, hosts=WORKERS[1])
    port = first[WORKERS[1]]["port"]
    first.update(workers.session("adopt", hosts=SYSTEMD))
    workers.shell(WORKERS[1], f"kill -9 $(cut -d ' ' -f 1 /home/{USER}/.local/share/optio-codex/adopt/terminal)")
    workers.shell(SYSTEMD, "systemctl kill -s KILL optio-ttyd@adopt.service")
    tcp: dict[str, Any] = {"terminal": {"listen": "tcp"}}
    repaired = workers.session("adopt", hosts=WORKERS[1], **tcp) | workers.session("adopt", hosts=SYSTEMD)
    for worker in WORKERS:
        assert [kind for kind, _target in kinds(repaired[worker])] == ["open"]
        assert repaired[worker]["pid"] == first[worker]["pid"]
    assert repaired[WORKERS[1]]["port"] == port and repaired[WORKERS[1]]["url"] == first[WORKERS[1]]["url"]

    drifted = workers.session("adopt", hosts=SYSTEMD, model="another", prompt="SAY: never said")[SYSTEMD]
    assert not drifted["changed"] and [entry["option"] for entry in drifted["drift"]] == ["model"]
    assert "never said" not in workers.info("adopt", include_screen=True)[SYSTEMD]["screen"]
    workers.session("adopt", state="absent")


def test_session_outlives_the_connection_that_launched_it(workers: Workers) -> None:
    """With every ssh connection to the worker killed, codex and the terminal go on."""
    before = workers.session("outlive")
    for worker in WORKERS:
        # from the beginning of the line: the shell that runs this must not be found by it
        assert workers.shell(worker, "pkill -KILL -f '^sshd(-session)?: root' && echo killed") == "killed\n"
    after = workers.info("outlive")
    for worker in WORKERS:
        assert after[worker]["pid"] == before[worker]["pid"] and after[worker]["terminal"] == "running"
    workers.session("outlive", state="absent")


def test_ended_session_is_reported_and_its_prompt_never_replayed(workers: Workers) -> None:
    """codex that ends by itself is finished with its status; only resume goes on, with the conversation it had."""
    prompt = "RUN: echo once >> count.txt"
    workers.session("ended", prompt=prompt)
    first = workers.until("ended", is_idle, "done")
    quit_ = {"name": "ended", "user": USER, "text": "/quit", "raw_command": True}
    workers.play({"optio.codex.session_message": quit_})
    seen = workers.until("ended", lambda entry: entry["status"] != "running", "ended")
    assert {entry["status"] for entry in seen.values()} == {"finished"}
    assert {entry["exit_status"] for entry in seen.values()} == {0}
    again = workers.session("ended", prompt=prompt)
    for worker in WORKERS:
        assert not again[worker]["changed"] and again[worker]["status"] == "finished"
        assert workers.read(worker, f"{workdir('ended')}/optio.log") == "DONE: codex exited\n"
        assert workers.shell(worker, f"pgrep -u {USER} ttyd") == "", "the terminal of an ended session stays"

    resumed = workers.session("ended", prompt=prompt, resume="always")
    seen = workers.until("ended", lambda entry: is_idle(entry) and "You said: System" in entry["screen"], "resumed")
    for worker in WORKERS:
        assert resumed[worker]["status"] == "running"
        assert seen[worker]["session_id"] == first[worker]["session_id"]
        assert workers.read(worker, f"{workdir('ended')}/count.txt") == "once\n"
    workers.session("ended", state="absent")


def test_stop_ends_every_descendant_and_keeps_the_record(workers: Workers) -> None:
    """Grandchildren that called setsid and ignore TERM are gone; so is, with a cgroup, one without the tag."""
    workers.session("stubborn", sandbox="danger-full-access", prompt=f"RUN: {STUBBORN}\nRUN: {UNTAGGED}; echo started")
    workers.until("stubborn", lambda entry: is_idle(entry) and "started" in entry["screen"], "busy")
    for worker in WORKERS:
        assert "sleep 0.5" in workers.shell(worker, "ps -eo args"), "the stubborn process does not run"
    stopped = workers.session("stubborn", state="stopped")
    for worker in WORKERS:
        assert stopped[worker]["status"] == "stopped"
        left = workers.shell(worker, "ps -eo args")
        assert "sleep 0.5" not in left and "trap : TERM" not in left
        assert workers.read(worker, f"{workdir('stubborn')}/optio.log") is None, "an end by request is no error"
    assert "sleep 4242" not in workers.shell(SYSTEMD, "ps -eo args")
    again = workers.session("stubborn", state="stopped")
    assert not any(result["changed"] for result in again.values())
    assert {entry["status"] for entry in workers.info("stubborn").values()} == {"stopped"}
    workers.session("stubborn", state="absent")
    workers.shell(WORKERS[1], "pkill -f 'sleep 4242'")
    for worker in WORKERS:
        assert workers.traces(worker, "stubborn") == []


def test_failed_launch_leaves_nothing_and_says_what_codex_said(workers: Workers) -> None:
    """codex that does not come up takes everything of its launch with it."""
    broken = workers.task("broken", config={"model_provider": "nowhere"})
    login = workers.task("login", config={"cli_auth_credentials_store": "file"}, ready_timeout=4)
    forgotten = workers.task("forgotten", config={})
    tasks = ((broken, "broken", "nowhere"), (login, "login", "waits for a choice"), (forgotten, "forgotten", "was given no credential"))
    for task, name, said in tasks:
        run = workers.play(task)
        failed = [record for record in run.records if record.status == "failed"]
        assert len(failed) == len(WORKERS), run.output[-3000:]
        for record in failed:
            assert said in record.result["msg"], record.result["msg"]
            assert workers.traces(record.host, name) == []
            assert workers.read(record.host, workdir(name)) is None
