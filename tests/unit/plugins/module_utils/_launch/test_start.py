# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The steps of a launch and of an end: their order, their limits, and what each failure takes back."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest

from ansible_collections.optio.codex.plugins.module_utils._core.errors import OptioError
from ansible_collections.optio.codex.plugins.module_utils._core.process_limits import ProcessLimits
from ansible_collections.optio.codex.plugins.module_utils._launch import start
from ansible_collections.optio.codex.plugins.module_utils._launch.spec import SessionSpec
from ansible_collections.optio.codex.plugins.module_utils._launch.start import SETTLED, TERMINAL_TIMEOUT
from ansible_collections.optio.codex.plugins.module_utils._session.command_line import TerminalOptions, ttyd_start
from ansible_collections.optio.codex.plugins.module_utils._session.layout import SessionPaths
from ansible_collections.optio.codex.plugins.module_utils._session.state import Worker
from ansible_collections.optio.codex.plugins.module_utils._session.supervisor import NoLingering
from ansible_collections.optio.codex.tests.unit.support.fake_machine import IDLE, STEP, TRUST, Bench, Process, answering
from ansible_collections.optio.codex.tests.unit.support.session_builders import FIXTURES, MADE, WORKER, session_of, view_of


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(tmp_path, monkeypatch)


# the start


def test_a_start_waits_for_input(bench: Bench) -> None:
    bench.screens = ["", "› Ask\n     loading\n", IDLE]
    bench.steps().start(STEP)
    assert bench.machine.events == ["start session"]
    assert len(bench.host.calls) == 3


def test_a_folder_that_is_not_trusted_is_gone_on_in(bench: Bench) -> None:
    """The question is answered once, and again only when that has shown nothing for long."""
    question = (FIXTURES / "screens/0.169.0-restricted.txt").read_text()
    bench.screens = ["", question, question, IDLE]
    bench.steps().start(STEP)
    keys = ["send-keys", "-t", "optio:", "Enter"]
    assert [argv[-4:] == keys for argv in bench.host.argvs()].count(True) == 1
    bench.screens = [*[question] * 100, IDLE]
    bench.steps().start(STEP)
    assert [argv[-4:] == keys for argv in bench.host.argvs()].count(True) == 3
    bench.screens = [question]
    with pytest.raises(OptioError, match=r"waits for a choice|took no input"):
        bench.steps(ready_timeout=5).start(STEP)


def test_a_question_after_the_first_composer_is_answered(bench: Bench) -> None:
    question = (FIXTURES / "screens/0.169.0-restricted.txt").read_text()
    bench.screens = [IDLE, question, question, IDLE]
    steps = bench.steps()
    steps.start(STEP)
    steps.check_running()
    assert [argv[-1] for argv in bench.host.argvs() if "send-keys" in argv] == ["Enter"]
    assert steps.answered == [{"question": "folder_access", "name": bench.layout.workdir, "detail": "restricted"}]


@pytest.mark.parametrize(
    ("looks", "later", "prompted", "answers"),
    [(200, 10, True, True), (200, 200, True, False), (10, 10, True, False), (200, 10, False, False)],
)
def test_a_slow_codex_asks_later(bench: Bench, looks: int, later: int, prompted: bool, answers: bool) -> None:
    """A question before a prompt is awaited as long as the start took, and not after a quick one."""
    question = (FIXTURES / "screens/0.169.0-restricted.txt").read_text()
    bench.screens = [*[""] * looks, IDLE, *[IDLE] * later, question, question, IDLE]
    steps = bench.steps()
    steps.start(STEP)
    if prompted:
        Path(bench.layout.prompt_mark).touch()
    steps.check_running()
    assert bool(steps.answered) == answers


def test_a_conversation_that_began_has_no_question_before_it(bench: Bench) -> None:
    bench.screens = [*[""] * 200, IDLE]
    steps = bench.steps()
    steps.start(STEP)
    Path(bench.layout.prompt_mark).touch()
    rollout = Path(bench.layout.codex_home, "sessions/2026/11/30/rollout-2026-11-30T10-00-00-01a202d2-04bc-7371-ae76-9a22157469e5.jsonl")
    rollout.parent.mkdir(parents=True)
    rollout.touch()
    begin = bench.host.now
    steps.check_running()
    assert bench.host.now == begin


@pytest.mark.parametrize(("ready_timeout", "shown"), [(0, "0.169.0-restricted"), (30.0, "0.169.0-approval"), (30.0, "0.169.0-idle")])
def test_nothing_else_is_answered_after_the_start(bench: Bench, ready_timeout: float, shown: str) -> None:
    bench.screens = [(FIXTURES / f"screens/{shown}.txt").read_text()]
    steps = bench.steps(ready_timeout=ready_timeout)
    steps.check_running()
    assert not [argv for argv in bench.host.argvs() if "send-keys" in argv] and not steps.answered


def test_a_successor_that_only_codex_knows_is_declined(bench: Bench) -> None:
    question = (FIXTURES / "screens/0.169.0-model-nag.txt").read_text()
    bench.screens = ["", question, question, IDLE]
    steps = bench.steps()
    steps.start(STEP)
    assert [argv[-4:] for argv in bench.host.argvs() if "send-keys" in argv] == [["send-keys", "-t", "optio:", "2"]]
    assert steps.answered == [{"question": "model_migration", "name": None, "detail": None}]


def test_a_user_whose_systemd_cannot_linger_gets_a_detached_process(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_given: object) -> None:
        raise NoLingering("Access denied")

    bench.screens = [IDLE]
    monkeypatch.setattr(bench.recorded_supervisor, "start_session", refused)
    steps = bench.steps()
    steps.start(replace(STEP, payload={"memory_max": "2G"}))
    assert steps.launched == {"supervisor": "detached", "unenforced": "memory_max"}
    linger, limit = bench.host.warnings
    assert "cannot linger after a logout (Access denied). Run loginctl enable-linger alice as root" in linger
    assert "memory_max has no effect" in limit
    # what was started is what is ended and repaired
    steps.stop(STEP)
    assert "stop session" not in bench.machine.events


def test_a_start_that_does_not_wait(bench: Bench) -> None:
    bench.steps(ready_timeout=0).start(STEP)
    assert bench.host.calls == []


def test_a_composer_alone_will_do_when_it_stays(bench: Bench) -> None:
    bench.screens = ["› Ask Codex\n"]
    bench.steps().start(STEP)
    assert SETTLED < bench.host.now < SETTLED + 1


def test_a_menu_that_is_drawn_for_a_moment_is_none(bench: Bench) -> None:
    bench.screens = [TRUST, TRUST, "", IDLE]
    bench.steps().start(STEP)


@pytest.mark.parametrize(
    ("shown", "timeout", "cause", "after"),
    [
        (TRUST, 30.0, "codex waits for a choice before it takes any input", SETTLED),
        ("", 5.0, r"codex took no input within 5 s; its screen showed: \(nothing\)", 5.0),
        ("just some text\n", 0.5, "codex took no input within 0.5 s; its screen showed: just some text", 0.5),
    ],
)
def test_a_failed_start_stops_its_processes(bench: Bench, shown: str, timeout: float, cause: str, after: float) -> None:
    bench.screens = [shown]
    bench.has_codex()
    with pytest.raises(OptioError, match=cause) as raised:
        bench.steps(ready_timeout=timeout).start(STEP)
    assert "screen" in raised.value.details
    assert bench.machine.running() == []
    assert bench.machine.events[-2:] == ["stop session", "release"]
    assert not os.path.exists(bench.layout.stopped_mark)
    assert bench.host.now >= after


def test_a_supervisor_that_fails(bench: Bench) -> None:
    bench.recorded_supervisor.fails = "session"
    with pytest.raises(OptioError, match="tmux of session review did not start"):
        bench.steps().start(STEP)
    assert bench.machine.events == ["start session", "kill tmux", "stop session", "release"]


def test_codex_that_ends_at_once(bench: Bench) -> None:
    Path(bench.layout.exit_status).write_text("2 1795343700\n")
    bench.screens = ["error: unexpected argument '--x' found\n"]
    with pytest.raises(OptioError, match="codex ended with exit status 2 while starting; its screen showed: error: unexpected"):
        bench.steps().start(STEP)
    assert not os.path.exists(bench.layout.exit_status)


EXHAUSTED = "ERROR: failed to start: Resource temporarily unavailable (os error 11)\n"


@pytest.mark.parametrize(
    ("limits", "payload", "cause", "remedy"),
    [
        (ProcessLimits("alice", None, "/", "24", True), {}, r"codex cannot be started: cgroup / has reached its limit of 24", "pids limit"),
        (ProcessLimits("alice", None, "/", "24"), {}, r"codex cannot be started: cgroup / has reached its limit of 24", "pids limit"),
        (ProcessLimits("alice"), {"tasks_max": "10"}, r"codex has reached its limit of 10 .*\(tasks_max\)", "Raise tasks_max"),
    ],
)
def test_codex_that_cannot_start_a_thread(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, limits: ProcessLimits, payload: dict[str, str], cause: str, remedy: str
) -> None:
    monkeypatch.setattr(start, "read_limits", lambda: limits)
    Path(bench.layout.exit_status).write_text("1 1795343700\n")
    bench.screens = [EXHAUSTED]
    with pytest.raises(OptioError, match=f"session review did not start: {cause}") as raised:
        bench.steps().start(replace(STEP, payload=payload))
    assert remedy in raised.value.remedy


@pytest.mark.parametrize(
    ("status", "exit_status", "ready_timeout", "refused"),
    [
        ("running", None, 30.0, False),
        ("finished", 0, 30.0, False),
        ("finished", 1, 30.0, True),
        ("lost", None, 30.0, True),
        ("lost", None, 0, False),
    ],
)
def test_session_that_is_gone_after_its_launch(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, status: str, exit_status: int | None, ready_timeout: float, refused: bool
) -> None:
    monkeypatch.setattr(start, "read_limits", lambda: ProcessLimits("alice"))
    after = session_of(status, SessionSpec(), bench.layout, exit_status=exit_status)
    with pytest.raises(OptioError, match="could not start a process, right after its start") if refused else nullcontext():
        bench.steps(ready_timeout=ready_timeout).check_launched(after)


def test_taking_a_start_back_ends_it(bench: Bench) -> None:
    undo = bench.steps().start(STEP)
    bench.has_codex()
    Path(bench.layout.log).write_text("ERROR: codex exited 143\n")
    undo()
    assert "SIGTERM 12" in bench.machine.events
    # there was none before, as the probe saw it
    assert not os.path.exists(bench.layout.log)
    assert sorted(os.listdir(bench.layout.task)) == ["workdir"]


# the end


def test_codex_goes_first_and_everything_with_it(bench: Bench) -> None:
    bench.has_codex()
    steps = bench.steps(view=view_of(session_of("running", SessionSpec(), bench.layout), MADE, WORKER, bench.layout))
    steps.stop(STEP)
    assert steps.killed == [{"pid": 14, "command": "sleep 61"}]
    events = bench.machine.events
    assert bench.machine.running() == []
    assert events[0] == "SIGTERM 12", "codex alone, so that it can save its state"
    assert events.index("SIGTERM 12") < events.index("kill tmux") < events.index("SIGTERM 14") < events.index("SIGKILL 14")
    # a program that gave its tag away is found by its parent
    assert "SIGTERM 13" in events
    assert events[-1] == "stop session"
    assert os.path.exists(bench.layout.stopped_mark)


@pytest.mark.parametrize("timeout", [0.2, 15.0])
def test_a_codex_that_does_not_listen_is_killed_in_time(bench: Bench, timeout: float) -> None:
    bench.has_codex(ended_by=(signal.SIGKILL,))
    bench.steps(stop_timeout=timeout).stop(STEP)
    assert bench.machine.events[:2] == ["SIGTERM 12", "SIGKILL 12"]
    assert timeout <= bench.host.now < timeout + 6


def test_what_survives_is_named(bench: Bench) -> None:
    bench.has_codex()
    bench.machine.table[13].ended_by = ()
    with pytest.raises(OptioError, match=r"processes of session review survived SIGKILL: 13 \(sleep 60\)"):
        bench.steps().stop(STEP)


def test_an_end_on_record_is_not_made_a_stop(bench: Bench) -> None:
    Path(bench.layout.exit_status).write_text("0 1795343700\n")
    bench.steps().stop(STEP)
    assert not os.path.exists(bench.layout.stopped_mark)


def test_nothing_to_end(bench: Bench) -> None:
    os.rmdir(bench.layout.workdir)
    os.rmdir(bench.layout.task)
    os.rmdir(bench.layout.runtime)
    bench.steps().stop(STEP)
    assert not os.path.exists(bench.layout.task)


def test_forgetting_leaves_the_workdir(bench: Bench) -> None:
    for path in bench.layout.records:
        Path(path).write_text("")
    bench.steps().forget(STEP)
    assert os.listdir(bench.layout.task) == ["workdir"]


# the terminal


def test_a_terminal_is_waited_for_and_recorded(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = answering(monkeypatch, 3)
    bench.machine.table[20] = Process(("ttyd",))
    Path(bench.layout.terminal_socket).write_text("left by a dead one")
    undo = bench.steps().open(TerminalOptions())
    assert len(asked) == 4
    argv = ttyd_start("/usr/bin/ttyd", bench.layout, TerminalOptions(), bench.view.worker.node)
    assert bench.machine.events == [f"start {' '.join(argv)}"]
    assert Path(bench.layout.terminal).read_text() == "20 99 0\n"
    assert not os.path.exists(bench.layout.terminal_socket)
    undo()
    assert bench.machine.events[1:] == ["stop terminal", "SIGTERM 20"]
    assert not os.path.exists(bench.layout.terminal)


def test_a_port_is_chosen_once(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = answering(monkeypatch)
    bench.machine.table[20] = Process(("ttyd",))
    options = TerminalOptions("tcp")
    bench.steps().open(options)
    port = asked[0].port
    assert port and Path(bench.layout.terminal).read_text() == f"20 99 {port}\n"
    again = replace(bench.view, session=replace(bench.view.session, terminal_port=port))
    bench.steps(view=again).open(options)
    assert asked[1].port == port


def test_a_taken_port_starts_nothing(bench: Bench) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        options = TerminalOptions("tcp", port=other.getsockname()[1])
        for step in (bench.steps().open, bench.steps().check_terminal):
            with pytest.raises(OptioError, match="address already in use"):
                step(options)
    assert bench.machine.events == []


@pytest.mark.parametrize(
    ("pid", "alive", "after"),
    [
        # it ended at once, and systemd has no number for it any more
        (0, False, 0.0),
        (20, False, 0.0),
        # it runs and never serves
        (20, True, TERMINAL_TIMEOUT),
    ],
)
def test_a_terminal_that_does_not_serve(bench: Bench, monkeypatch: pytest.MonkeyPatch, pid: int, alive: bool, after: float) -> None:
    answering(monkeypatch, 10**6)
    bench.machine.table[20] = Process(("ttyd",), alive=alive)
    bench.recorded_supervisor.terminal_pid = pid

    def start(layout: SessionPaths, worker: Worker, argv: Sequence[str], *, second: bool) -> int:
        Path(layout.terminal_log).write_text("[2026/11/22 10:00:00:0000] E: cannot bind\n")
        return pid

    monkeypatch.setattr(bench.recorded_supervisor, "start_terminal", start)
    with pytest.raises(OptioError, match=r"ttyd did not serve terminal .*: cannot bind"):
        bench.steps().open(TerminalOptions())
    assert bench.machine.running() == []
    assert "stop terminal" in bench.machine.events
    assert not os.path.exists(bench.layout.terminal)
    assert after <= bench.host.now < after + 3


def test_closing_ends_no_process_that_only_has_the_number(bench: Bench) -> None:
    bench.machine.table[20] = Process(("somebody else's",))
    dead = replace(bench.view, session=replace(bench.view.session, terminal_pid=20, terminal_alive=False))
    bench.steps(view=dead).close(STEP)
    assert bench.machine.events == ["stop terminal"]
    assert bench.machine.running() == [20]
