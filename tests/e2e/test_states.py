# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every status and activity that ``session_info`` can return, each brought about by a real codex of either release."""

from __future__ import annotations

import shlex
import threading
from typing import Any

import pytest
from e2e.conftest import VERSIONS
from e2e.sessions import ROOT, USER, WORKERS, Result, Workers, workdir

pytestmark = pytest.mark.battery

#: runs until the file is there
HELD = "RUN: until [ -e go ]; do sleep 0.2; done"


class Talk:
    """One session on both workers, talked to and looked at as a user does it."""

    def __init__(self, workers: Workers, name: str) -> None:
        self.workers = workers
        self.name = name
        self.place = {"name": name, "user": USER}

    def say(self, text: str, **options: Any) -> None:
        """Give it a message."""
        assert self.workers.play({"optio.codex.session_message": {**self.place, "text": text, **options}}).results

    def wait(self, state: str, **options: Any) -> list[Result]:
        """Return the session of each worker once it is in the state."""
        run = self.workers.play({"optio.codex.session_wait": {**self.place, "state": state, "timeout": 60, **options}})
        assert all(result["condition_met"] for result in run.results)
        return [result["sessions"][0] for result in run.results]

    def states(self, **options: Any) -> list[tuple[Any, ...]]:
        """Return status, activity and last turn on each worker."""
        return [(entry["status"], entry["activity"], entry["turn"]) for entry in self.look(**options)]

    def look(self, **options: Any) -> list[Result]:
        """Return the session of each worker as it is now."""
        return list(self.workers.info(self.name, **options).values())

    def shell(self, script: str) -> None:
        """Run a script on each worker, as root, in the session's workdir."""
        for worker in WORKERS:
            self.workers.shell(worker, f"cd {shlex.quote(workdir(self.name))} && {script}")

    def press(self, key: str) -> None:
        """Press a key in the session's terminal."""
        for worker in WORKERS:
            self.workers.shell(worker, f"tmux -S /run/optio-codex/{self.name}/tmux.sock send-keys -t optio: {key}", USER)


def stopped_at_start(workers: Workers, worker: str, name: str) -> None:
    """Stop the session's codex as soon as there is one, before it can draw anything."""
    link = f"{workdir(name)}/home/.local/bin/codex"
    seek = f"pgrep -f '^{link.replace('.', '[.]')} '"
    script = f"for try in $(seq 3000); do pid=$({seek}) && kill -STOP $pid && exit; sleep 0.01; done; exit 1"
    workers.shell(worker, script)


def fail_turn(talk: Talk, status: int, text: str) -> None:
    """Let the model's server answer a turn with an HTTP error."""
    talk.say(f"FAIL: {status}")
    for entry in talk.wait("idle"):
        assert (entry["activity"], entry["turn"]) == ("failed", "failed")
        assert text in entry["error"]


def start_stopped(talk: Talk, version: str) -> None:
    """Launch a session, and stop codex on each worker as soon as it exists."""
    watchers = [threading.Thread(target=stopped_at_start, args=(talk.workers, worker, talk.name)) for worker in WORKERS]
    for watcher in watchers:
        watcher.start()
    talk.workers.session(talk.name, version=version, ready_timeout=0)
    for watcher in watchers:
        watcher.join()


@pytest.mark.parametrize("version", VERSIONS)
def test_from_the_start_to_an_end_of_its_own(workers: Workers, version: str) -> None:
    """starting, idle, working, done, idle again, failed, and ended by a person."""
    talk = Talk(workers, f"states-{version}")
    start_stopped(talk, version)
    assert talk.states() == [("running", "starting", None)] * 2
    assert [(entry["turns"], entry["tokens"], entry["message"], entry["rollout"]) for entry in talk.look()] == [(0, None, None, None)] * 2
    for worker in WORKERS:
        workers.shell(worker, f"kill -CONT $(pgrep -f '^{workdir(talk.name)}/home/.local/bin/codex ')")
    talk.wait("idle")
    assert talk.states() == [("running", "idle", None)] * 2

    talk.say(HELD)
    assert talk.states() == [("running", "working", "open")] * 2
    talk.shell("touch go")
    for entry in talk.wait("idle"):
        assert (entry["activity"], entry["turn"], entry["turns"], entry["turns_ended"]) == ("idle", "complete", 1, 1)
        assert entry["message"] == "Done: (no output)" and entry["error"] is None
        assert entry["tokens"]["total"]["total_tokens"] > entry["tokens"]["last"]["total_tokens"] > 0
        assert entry["version"] == version and entry["disk_usage"]["rollout"] > 1000

    declared = r"STATUS: [80%%] nearly\nDELIVERABLE: report.md\nATTENTION: look at it\nDONE: all well\n"
    talk.say(f"RUN: printf '{declared}' >>optio.log")
    for entry in talk.wait("done"):
        assert entry["progress"] == {
            **{"percent": 80, "status": "nearly", "attention": "look at it", "deliverables": ["report.md"]},
            **{"outcome": "done", "outcome_text": "all well"},
        }
    assert talk.states() == [("running", "done", "complete")] * 2
    talk.say("SAY: on to something else")
    assert [entry["activity"] for entry in talk.wait("idle")] == ["idle"] * 2, "what was declared was of another turn"

    talk.say("RUN: echo 'ERROR: no network' >>optio.log")
    assert [entry["activity"] for entry in talk.wait("idle")] == ["failed"] * 2
    for status, said in ((401, "401 Unauthorized"), (500, "high demand")):
        fail_turn(talk, status, said)
    talk.say("SAY: goodbye")
    assert [entry["activity"] for entry in talk.wait("idle")] == ["idle"] * 2
    for entry in talk.look(include_disk_usage=True, transcript_entries=3):
        assert entry["disk_usage"]["workdir"] > 0
        assert entry["disk_usage"]["home"] > entry["disk_usage"]["rollout"]
        assert [(said["who"], said["text"]) for said in entry["transcript"]][-2:] == [("user", "SAY: goodbye"), ("agent", "goodbye")]

    talk.say("/quit", raw_command=True)
    talk.wait("exited")
    assert talk.states() == [("finished", "ended", "complete")] * 2
    assert all(entry["exit_status"] == 0 and entry["message"] == "goodbye" for entry in talk.look())
    for record in workers.play({"optio.codex.session_wait": {**talk.place, "state": "done", "timeout": 60}}).records:
        assert "(finished, exit status 0) and ended without declaring its task done" in record.result["msg"]
    workers.session(talk.name, state="absent")


@pytest.mark.parametrize("version", VERSIONS)
def test_a_choice_an_interruption_and_ends_by_others(workers: Workers, version: str) -> None:
    """waiting, idle after an interruption, failed by codex's own end, lost, and stopped."""
    talk = Talk(workers, f"choice-{version}")
    launch: dict[str, Any] = {"version": version, "approval_policy": "on-request"}
    workers.session(talk.name, **launch, prompt="ASK: id -un")
    talk.wait("waiting")
    assert talk.states() == [("running", "waiting", "open")] * 2
    talk.press("Enter")
    assert [entry["message"] for entry in talk.wait("idle")] == [f"Done: {USER}"] * 2

    talk.say("RUN: sleep 300")
    assert talk.states() == [("running", "working", "open")] * 2
    talk.press("Escape")
    talk.wait("idle")
    assert talk.states() == [("running", "idle", "interrupted")] * 2

    for worker, entry in workers.info(talk.name).items():
        workers.shell(worker, f"kill -TERM {entry['pid']}")
    talk.wait("exited")
    assert talk.states() == [("finished", "failed", "interrupted")] * 2
    assert all(entry["exit_status"] != 0 for entry in talk.look())

    workers.session(talk.name, **launch, resume="always")
    talk.wait("idle")
    tag = f"OPTIO_CODEX_TASK={ROOT}/{talk.name}:"
    for worker in WORKERS:
        workers.shell(worker, f"kill -KILL $(grep -laF {tag} /proc/[0-9]*/environ | cut -d / -f 3)", USER)
    talk.wait("exited")
    assert [(entry["status"], entry["activity"]) for entry in talk.look()] == [("lost", None)] * 2

    workers.session(talk.name, **launch, resume="always")
    talk.wait("idle")
    workers.session(talk.name, state="stopped")
    assert [(entry["status"], entry["activity"]) for entry in talk.look()] == [("stopped", None)] * 2
    workers.session(talk.name, state="absent")


@pytest.mark.parametrize("version", VERSIONS)
def test_a_usage_limit_and_a_declaration_in_the_last_message(workers: Workers, version: str) -> None:
    """limited, and done and failed in a sandbox in which the agent cannot write its log; a server that cannot start."""
    talk = Talk(workers, f"limit-{version}")
    settings = {"mcp_servers": {"broken": {"command": "/bin/false"}}}
    workers.session(talk.name, version=version, sandbox="read-only", config={**workers.provider(), **settings}, prompt="LIMIT: 95 20")
    for entry in talk.wait("idle"):
        assert entry["usage_limit"] == {"used_percent": 95.0, "resets_at": 2_000_000_000, "window_minutes": 300}

    talk.say("LIMIT: 20 100")
    for entry in talk.wait("limited"):
        assert (entry["activity"], entry["turn"], entry["usage_limit"]["used_percent"]) == ("limited", "failed", 100.0)
        assert "hit your usage limit" in entry["error"]
    waits = [{"optio.codex.session_wait": {**talk.place, "state": state, "timeout": 600}} for state in ("done", "idle", "turn")]
    for wait in waits:
        for record in workers.play(wait).records:
            assert "is limited (100% of the 7-day usage limit used, reset at 2033-05-25 02:13:20 UTC)" in record.result["msg"]
            assert record.result["elapsed"] < 10 and record.result["timed_out"] is False

    talk.say("RUN: echo DONE >>optio.log\nSAY: DONE: without a log")
    for entry in talk.wait("done"):
        assert (entry["progress"]["outcome"], entry["progress"]["outcome_text"], entry["log"]) == ("done", "without a log", None)
    talk.say("SAY: on to something else")
    assert [entry["activity"] for entry in talk.wait("idle")] == ["idle"] * 2, "declared in another turn"
    talk.say("SAY: It is over.\nSAY: ERROR: read-only")
    assert [entry["activity"] for entry in talk.wait("idle")] == ["failed"] * 2

    seen = workers.until(talk.name, lambda entry: bool(entry["mcp_failures"]), "a failure")
    assert all([failure["name"] for failure in entry["mcp_failures"]] == ["broken"] for entry in seen.values())
    workers.session(talk.name, state="stopped")
    workers.session(talk.name, version=version, resume="always", config={**workers.provider(), **settings})
    assert [entry["activity"] for entry in talk.wait("idle")] == ["idle"] * 2, "declared before the launch"
    workers.session(talk.name, state="absent")
