# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A wait on a worker whose clock moves only while the module sleeps, and whose sessions change at set moments."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.optio.codex.plugins.module_utils._core.errors import OptioError, ProbeError
from ansible_collections.optio.codex.plugins.module_utils._core.host import Completed
from ansible_collections.optio.codex.plugins.module_utils._core.probe import BEGIN, END
from ansible_collections.optio.codex.plugins.module_utils._core.runner import converge
from ansible_collections.optio.codex.plugins.module_utils._monitor import change_detector, session_wait
from ansible_collections.optio.codex.plugins.module_utils._monitor.session_wait import HEARTBEAT, POLL, RESOURCE
from ansible_collections.optio.codex.tests.unit.support.session_builders import FIXTURES, Call, FakeHost, options

ID = "01a202d2-04bc-7371-ae76-9a22157469e5"


def screen_of(name: str) -> str:
    return (FIXTURES / "screens" / f"{name}.txt").read_text()


LIMITED = "100% of the 5-hour usage limit used, reset at 2033-05-18 03:33:20 UTC"
IDLE, WORKING, CHOICE, LOADING = (screen_of(f"0.169.0-{name}") for name in ("idle", "working", "approval", "loading"))


class Worker(FakeHost):
    """A worker with sessions in files, each told by its name and changed by whoever holds it."""

    def __init__(self, base: Path) -> None:
        super().__init__(self.shown)
        self.base = base
        self.sessions: dict[str, OneSession] = {}
        self.events: list[tuple[float, Callable[[], object]]] = []
        self.looks: list[float] = []
        self.odd = 0

    def session(self, name: str) -> OneSession:
        self.sessions[name] = OneSession(self.base / name, name)
        return self.sessions[name]

    def at(self, moment: float, happens: Callable[[], object]) -> None:
        self.events.append((moment, happens))

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        due = [happens for moment, happens in self.events if moment <= self.now]
        self.events = [(moment, happens) for moment, happens in self.events if moment > self.now]
        for happens in due:
            happens()

    def probe(self, script: str) -> str:
        self.looks.append(self.now)
        if self.odd:
            self.odd -= 1
            return "nonsense"
        worker = ["system=Linux", "user=alice", "node=w", f"root={self.base}", "now=1795343650"]
        lines = [line for session in self.sessions.values() if f" {session.name} " in self.only(script) for line in session.lines()]
        return "\n".join([BEGIN, *worker, *lines, END, ""])

    @staticmethod
    def only(script: str) -> str:
        line = next(line for line in script.splitlines() if line.startswith("only="))
        return f" {line[5:].strip(chr(39))} "

    def shown(self, call: Call) -> Completed | None:
        if "capture-pane" not in call.argv:
            return None
        socket = call.argv[call.argv.index("-S") + 1]
        return Completed(0, next(s.screen for s in self.sessions.values() if socket == f"/run/{s.name}/tmux.sock"), "")


class OneSession:
    """A session's files, and what the shell would say of it."""

    def __init__(self, task: Path, name: str) -> None:
        self.name, self.task = name, task
        self.rollouts = task / "home/.codex/sessions/2026/11/22"
        self.rollouts.mkdir(parents=True)
        (task / "workdir").mkdir()
        self.screen = IDLE
        self.turns: list[str] = []
        self.fields: dict[str, str] = {}

    @property
    def rollout(self) -> Path:
        return self.rollouts / f"rollout-2026-11-22T10-00-00-{ID}.jsonl"

    def record(self, *kinds: str, error: str = "") -> None:
        """Let codex write turn events."""
        with self.rollout.open("a") as stream:
            for kind in kinds:
                stream.write(f'{{"type":"event_msg","payload":{{"type":"{kind}"}}}}\n')
                self.turns += [kind, *([f'"error":{{"message":"{error}"'] if error else [])]

    def limit(self) -> None:
        """Let a usage limit end the turn."""
        window = '{"used_percent":100.0,"window_minutes":300,"resets_at":2000000000}'
        self.turns.append(f'"type":"token_count","info":null,"rate_limits":{{"primary":{window},"secondary":null}}}}')
        self.record("task_complete", error='You have hit it","codex_error_info":"usage_limit_exceeded')

    def say(self, text: str) -> None:
        """Let codex write something that is no event."""
        with self.rollout.open("a") as stream:
            stream.write(f'{{"type":"response_item","payload":{{"text":"{text}"}}}}\n')

    def end(self, status: str = "0") -> None:
        """Let codex end."""
        (self.task / "exit").write_text(f"{status} 1795343700\n")
        self.fields["exit"] = f"{status} 1795343700"

    def declare(self, line: str) -> None:
        """Let the agent write to its log."""
        (self.task / "workdir/optio.log").write_text(f"{line}\n")
        self.fields["entry"] = line

    def lines(self) -> list[str]:
        found = {"name": self.name, "workdir": f"{self.task}/workdir", "runtime": f"/run/{self.name}", **self.fields}
        if "exit" not in found:
            found.setdefault("pane", "11 10 0 0 1795343648")
        entry = found.pop("entry", None)
        if self.rollout.exists():
            kinds = [kind for kind in self.turns if not kind.startswith('"')]
            found.update(rollout=str(self.rollout), updated="1795343650", begun=str(kinds.count("task_started")))
            found.update(completed=str(kinds.count("task_complete")), aborted=str(kinds.count("turn_aborted")))
        # in the order in which codex writes them, an error after the end of its turn
        events = [f"event+{kind}" if kind.startswith('"') else f'event+"type":"{kind}"' for kind in self.turns]
        screen = [f"screen+{line}" for line in self.screen.splitlines()]
        log = [f"entry+{entry}"] if entry else []
        return ["@session", *(f"{key}={value}" for key, value in found.items()), f"record+runtime=/run/{self.name}", *events, *screen, *log]


class Reader:
    """A controller that disconnects at a given time."""

    def __init__(self, host: Worker, until: float = 1e9) -> None:
        self.host, self.until = host, until

    def is_gone(self) -> bool:
        return self.host.now >= self.until


@pytest.fixture
def worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Worker:
    host = Worker(tmp_path)
    monkeypatch.setattr(session_wait, "ControllerWatch", lambda: Reader(host))
    return host


@pytest.fixture
def one(worker: Worker) -> OneSession:
    session = worker.session("one")
    session.record("task_started")
    return session


def _named(given: dict[str, Any]) -> dict[str, Any]:
    return given if {"name", "sessions"} & set(given) else {"name": "one", **given}


def wait(worker: Worker, check: bool = False, **given: Any) -> dict[str, Any]:
    return converge(RESOURCE, options(RESOURCE, **_named(given)), worker, check, False)


def test_a_session_that_is_there_already_is_answered_by_one_look(worker: Worker, one: OneSession) -> None:
    one.record("task_complete")
    result = wait(worker)
    assert (result["condition_met"], result["elapsed"], result["changed"]) == (True, 0.0, False)
    assert [(entry["name"], entry["condition_met"], entry["activity"]) for entry in result["sessions"]] == [("one", True, "idle")]
    assert worker.looks == [0.0]


@pytest.mark.parametrize("moment", [0.05, 1.0, 7.77, 1000.0])
def test_it_returns_at_the_moment_however_long_it_took(worker: Worker, one: OneSession, moment: float) -> None:
    worker.at(moment, lambda: one.record("task_complete"))
    result = wait(worker, timeout=2000)
    assert result["condition_met"] and moment <= result["elapsed"] < moment + 2 * POLL
    # and looks seldom while nothing happens
    assert len(worker.looks) < 12 + moment / HEARTBEAT


def test_text_of_the_agent_costs_one_probe_at_most(worker: Worker, one: OneSession) -> None:
    for moment in range(1, 50):
        worker.at(moment, lambda: one.say("working on it"))
    worker.at(50, lambda: one.record("task_complete"))
    assert 50 <= wait(worker)["elapsed"] < 50 + 2 * POLL
    assert len(worker.looks) < 16


def test_words_written_in_two_parts_are_a_sign_all_the_same(worker: Worker, one: OneSession) -> None:
    def write(text: str) -> None:
        with one.rollout.open("a") as stream:
            stream.write(text)

    def finish() -> None:
        write('omplete"}}\n')
        one.turns.append("task_complete")

    worker.at(20.0, lambda: write('{"type":"event_msg","payload":{"type":"task_c'))
    worker.at(20.25, finish)
    assert wait(worker)["elapsed"] < 20.25 + 2 * POLL


def test_a_screen_that_changes_after_the_rollout_is_looked_at_again(worker: Worker, one: OneSession) -> None:
    one.screen = WORKING
    worker.at(30.0, lambda: one.record("task_complete"))
    worker.at(30.5, lambda: setattr(one, "screen", IDLE))
    assert 30.5 <= wait(worker)["elapsed"] < 31.5


def test_without_a_conversation_the_screen_is_the_sign(worker: Worker) -> None:
    session = worker.session("one")
    session.screen = LOADING
    worker.at(20.0, lambda: setattr(session, "screen", IDLE))
    assert 20.0 <= wait(worker)["elapsed"] <= 20.0 + change_detector.SLOW + 2 * POLL


def test_a_choice_shows_on_the_screen_alone(worker: Worker, one: OneSession) -> None:
    worker.at(20.0, lambda: setattr(one, "screen", CHOICE))
    result = wait(worker, state=["waiting"])
    assert 20.0 <= result["elapsed"] <= 20.0 + change_detector.SLOW + 2 * POLL
    assert result["sessions"][0]["activity"] == "waiting"


def test_a_choice_does_not_end_a_wait_for_something_else(worker: Worker, one: OneSession) -> None:
    one.screen = CHOICE
    with pytest.raises(OptioError, match="one is waiting"):
        wait(worker, timeout=15)


@pytest.mark.parametrize(("state", "declared", "activity"), [("exited", "", "ended"), ("exited", "DONE", "done"), ("done", "DONE", "done")])
def test_the_end_of_codex(worker: Worker, one: OneSession, state: str, declared: str, activity: str) -> None:
    def end() -> None:
        one.record("task_complete")
        one.declare(declared)
        one.end("0")

    worker.at(33.3, end)
    result = wait(worker, state=[state])
    assert 33.3 <= result["elapsed"] < 33.3 + 2 * POLL
    entry = result["sessions"][0]
    assert (entry["status"], entry["activity"], entry["exit_status"]) == ("finished", activity, 0)


def test_an_end_without_a_trace_is_seen_by_the_process(worker: Worker, one: OneSession, monkeypatch: pytest.MonkeyPatch) -> None:
    stats = {12: ("S", 5)}
    monkeypatch.setattr(change_detector, "read_stat", lambda pid: stats.get(pid, ("", None)))
    one.fields["launcher_children"] = "12"

    def die() -> None:
        stats.clear()
        one.fields["pane"] = ""

    worker.at(40.0, die)
    result = wait(worker, state=["exited"])
    assert result["elapsed"] < 40.0 + 2 * POLL
    assert result["sessions"][0]["status"] == "lost"


def test_waiting_for_a_declared_outcome(worker: Worker, one: OneSession) -> None:
    one.record("task_complete")
    worker.at(25.0, lambda: one.declare("DONE: all well"))
    result = wait(worker, state=["done"])
    assert 25.0 <= result["elapsed"] < 25.0 + 2 * POLL
    assert result["sessions"][0]["progress"]["outcome_text"] == "all well"


def test_a_turn_counts_that_was_not_over_before(worker: Worker, one: OneSession) -> None:
    one.record("task_complete")
    worker.at(20.0, lambda: one.record("task_started"))
    worker.at(30.0, lambda: one.record("turn_aborted"))
    assert 30.0 <= wait(worker, state=["turn"])["elapsed"] < 30.0 + 2 * POLL


def test_the_time_out(worker: Worker, one: OneSession) -> None:
    with pytest.raises(OptioError) as raised:
        wait(worker, timeout=20)
    assert str(raised.value) == (
        "session one did not reach the state idle within 20 s: one is working. Raise timeout, or look at the session in its terminal."
    )
    details = raised.value.details
    assert (details["condition_met"], details["timed_out"]) == (False, True)
    assert details["elapsed"] == pytest.approx(20, abs=POLL)
    assert [entry["activity"] for entry in details["sessions"]] == ["working"]  # type: ignore[attr-defined]


def test_a_time_out_of_nothing_looks_once_more_and_sleeps_not_at_all(worker: Worker, one: OneSession) -> None:
    with pytest.raises(OptioError, match="did not reach the state idle within 0 s"):
        wait(worker, timeout=0)
    assert worker.now == 0


@pytest.mark.parametrize(
    ("state", "spoils", "said"),
    [
        ("idle", lambda one: one.end("7"), "one is not running (finished, exit status 7)"),
        ("turn", lambda one: one.end("0"), "one is not running (finished, exit status 0)"),
        ("done", lambda one: one.end("1"), "one is not running (finished, exit status 1)"),
        ("done", lambda one: one.end("0"), "one is not running (finished, exit status 0) and ended without declaring its task done"),
        *((state, lambda one: one.limit(), f"one is limited ({LIMITED})") for state in ("done", "idle")),
        ("done", lambda one: one.record("task_complete", error="401 Unauthorized"), "one is failed (401 Unauthorized)"),
    ],
)
def test_what_can_no_longer_come_is_not_waited_for(
    worker: Worker, one: OneSession, state: str, spoils: Callable[[OneSession], None], said: str
) -> None:
    worker.at(12.0, lambda: spoils(one))
    with pytest.raises(OptioError) as raised:
        wait(worker, state=[state])
    assert raised.value.cause == f"session one cannot reach the state {state} without input: {said}"
    assert raised.value.details["timed_out"] is False
    assert 12.0 <= worker.now < 12.0 + 2 * POLL
    # and it is known at the first look too
    looked = len(worker.looks)
    with pytest.raises(OptioError, match="without input"):
        wait(worker, state=[state])
    assert len(worker.looks) == looked + 1


def test_a_limit_ends_a_wait_with_a_remedy(worker: Worker, one: OneSession) -> None:
    worker.at(12.0, one.limit)
    with pytest.raises(OptioError, match="after the limit is reset") as raised:
        wait(worker, state=["done"], timeout=28800)
    assert worker.now < 12.0 + 2 * POLL
    entry: dict[str, Any] = raised.value.details["sessions"][0]  # type: ignore[index]
    assert (entry["activity"], entry["turn"], entry["error"]) == ("limited", "failed", "You have hit it")
    assert entry["usage_limit"] == {"used_percent": 100.0, "resets_at": 2_000_000_000, "window_minutes": 300}


def test_a_limit_can_be_waited_for(worker: Worker, one: OneSession) -> None:
    worker.at(12.0, one.limit)
    assert 12.0 <= wait(worker, state=["limited", "idle"])["elapsed"] < 12.0 + 2 * POLL


def test_a_turn_that_a_limit_ends_has_ended(worker: Worker, one: OneSession) -> None:
    worker.at(12.0, one.limit)
    assert 12.0 <= wait(worker, state=["turn"])["elapsed"] < 12.0 + 2 * POLL
    # there will not be another one by itself
    with pytest.raises(OptioError, match="cannot reach the state turn without input: one is limited"):
        wait(worker, state=["turn"])


def test_the_next_turn_ends_a_limit(worker: Worker, one: OneSession) -> None:
    one.limit()
    worker.at(12.0, lambda: one.record("task_started"))
    worker.at(20.0, lambda: one.record("task_complete"))
    # somebody else may end a session at its limit, so the wait goes on
    assert 20.0 <= wait(worker, state=["idle", "exited"])["elapsed"] < 20.0 + 2 * POLL


def test_a_session_that_is_removed_meanwhile_has_ended(worker: Worker, one: OneSession) -> None:
    def remove() -> None:
        shutil.rmtree(one.task)
        del worker.sessions["one"]

    worker.at(10.0, remove)
    result = wait(worker, state=["exited"])
    assert result["elapsed"] < 10.0 + 2 * POLL
    assert [(entry["name"], entry["status"], entry["activity"]) for entry in result["sessions"]] == [("one", "absent", None)]


def test_an_absent_session_is_an_error_with_a_remedy(worker: Worker, one: OneSession) -> None:
    with pytest.raises(OptioError) as raised:
        wait(worker, sessions=["one", "two", "three"])
    assert raised.value.subject == "session two, three"
    assert "Launch it first" in raised.value.remedy


@pytest.fixture
def three(worker: Worker, one: OneSession) -> list[OneSession]:
    others = [worker.session(name) for name in ("two", "three")]
    for session in others:
        session.record("task_started")
    return [one, *others]


NAMES = ["three", "one", "two"]


def test_all_of_several(worker: Worker, three: list[OneSession]) -> None:
    for moment, session in zip((30.0, 10.0, 20.0), three):
        worker.at(moment, lambda session=session: session.record("task_complete"))  # type: ignore[misc]
    result = wait(worker, sessions=NAMES)
    assert 30.0 <= result["elapsed"] < 30.0 + 2 * POLL
    assert [entry["name"] for entry in result["sessions"]] == NAMES and all(entry["condition_met"] for entry in result["sessions"])


def test_any_of_several(worker: Worker, three: list[OneSession]) -> None:
    worker.at(5.0, lambda: three[0].end("1"))
    worker.at(10.0, lambda: three[1].record("task_complete"))
    result = wait(worker, sessions=NAMES, mode="any")
    assert 10.0 <= result["elapsed"] < 10.0 + 2 * POLL
    assert [entry["condition_met"] for entry in result["sessions"]] == [False, False, True]


def test_a_failing_session_does_not_stop_the_others(worker: Worker, three: list[OneSession]) -> None:
    worker.at(5.0, lambda: three[0].end("1"))
    worker.at(10.0, lambda: three[1].record("task_complete"))
    worker.at(15.0, lambda: three[2].record("task_complete"))
    with pytest.raises(OptioError, match="one is not running") as raised:
        wait(worker, sessions=NAMES)
    assert 15.0 <= worker.now < 15.0 + 2 * POLL
    assert [entry["condition_met"] for entry in raised.value.details["sessions"]] == [True, False, True]  # type: ignore[attr-defined]


def test_check_mode_returns_how_it_is(worker: Worker, one: OneSession) -> None:
    result = wait(worker, check=True, state=["turn"])
    assert (result["condition_met"], result["elapsed"], worker.now) == (False, 0.0, 0)
    one.end("1")
    result = wait(worker, check=True)
    assert result["condition_met"] is False and "without input" in result["warnings"][0]


def test_the_controller_disconnects(worker: Worker, one: OneSession, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_wait, "ControllerWatch", lambda: Reader(worker, until=25.0))
    with pytest.raises(OptioError, match="the wait for session one was canceled because the controller disconnected"):
        wait(worker, timeout=10_000)
    assert worker.now < 25.0 + 2 * POLL


def test_an_answer_that_is_not_understood_is_asked_for_again(worker: Worker, one: OneSession) -> None:
    worker.at(10.0, lambda: setattr(worker, "odd", session_wait.PATIENCE - 1))
    worker.at(20.0, lambda: one.record("task_complete"))
    assert wait(worker)["condition_met"]
    one.record("task_started")
    worker.at(worker.now + 10.0, lambda: setattr(worker, "odd", session_wait.PATIENCE))
    with pytest.raises(ProbeError):
        wait(worker)
