# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Real sessions whose state files, sockets and terminals somebody has damaged: the truth of them, and how they go on."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.optio.codex.plugins.module_utils._core import files, processes
from ansible_collections.optio.codex.plugins.module_utils._core.errors import OptioError
from ansible_collections.optio.codex.plugins.module_utils._core.host import LocalHost
from ansible_collections.optio.codex.plugins.module_utils._core.runner import converge
from ansible_collections.optio.codex.plugins.module_utils._launch import start as session_start
from ansible_collections.optio.codex.plugins.module_utils._launch import stop as session_stop
from ansible_collections.optio.codex.plugins.module_utils._launch.repair import check_environment, refuse_blocked_runtime
from ansible_collections.optio.codex.plugins.module_utils._monitor.session_info import RESOURCE as INFO
from ansible_collections.optio.codex.plugins.module_utils._session.state import Session
from ansible_collections.optio.codex.tests.unit.support.local_session import Lab, laboratory, until
from ansible_collections.optio.codex.tests.unit.support.session_builders import LAYOUT, options, view_of

#: dozens of whole sessions, each with a second of its own
pytestmark = pytest.mark.slow
SAID = "01a202d2-04bc-7371-ae76-9a22157469e5"
STATE_FILES = ("session", "exit", "terminal", "environment", "launch.sh", "stopped")


def directory(path: Path) -> None:
    path.unlink()
    path.mkdir()
    (path / "entry").touch()


DAMAGE: dict[str, Callable[[Path], object]] = {
    "empty": lambda path: path.write_bytes(b""),
    "garbage": lambda path: path.write_bytes(b"\xc2\xb2 \0\n9\xb2\n" + bytes(range(256)) * 8),
    "cut": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2 + 1]),
    "directory": directory,
    "unreadable": lambda path: path.chmod(0),
}


@pytest.fixture
def lab(open_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    monkeypatch.setattr(session_stop, "REMAINDER_TIMEOUT", 0.2)
    with laboratory(open_path, monkeypatch) as lab:
        yield lab


def info(lab: Lab) -> dict[str, Any]:
    """Return what session_info says of the one session there is."""
    (entry,) = converge(INFO, options(INFO, sessions_dir=str(lab.root)), LocalHost(), False, False)["sessions"]
    return dict(entry)


def kinds(result: dict[str, Any]) -> list[str]:
    return [action["kind"] for action in result["actions"]]


def say(workdir: str) -> None:
    sessions = Path(workdir) / "home/.codex/sessions"
    sessions.mkdir()
    (sessions / f"rollout-2026-11-22T10-00-00-{SAID}.jsonl").write_text("{}\n")


def parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def truth(entry: dict[str, Any]) -> tuple[Any, ...]:
    return entry["status"], entry["terminal"], entry["session_id"], entry["workdir"]


@pytest.mark.parametrize("name", STATE_FILES)
def test_a_state_file_of_a_live_session(lab: Lab, name: str) -> None:
    """codex is seen and left alone, a terminal on no record is put on record again, and nothing else is touched."""
    workdir = str(lab.root.parent / "somewhere else")
    launched = lab.run(workdir=workdir)
    say(lab.layout.task)
    path = Path(lab.layout.task) / name
    for kind, damage in DAMAGE.items():
        whole = path.read_bytes() if path.exists() else b""
        path.write_bytes(whole)
        damage(path)
        assert truth(info(lab)) == ("running", "running", SAID, workdir), kind
        damaged = name == "terminal" and (path.is_dir() or path.read_bytes() != whole)
        done = lab.run()
        assert (done["status"], done["pid"]) == ("running", launched["pid"]), kind
        assert kinds(done) == (["close", "open"] if damaged else []), kind
        again = lab.run()
        assert not again["changed"] and truth(info(lab)) == ("running", "running", SAID, workdir), kind
        if name != "terminal":
            files.remove(str(path))
            path.write_bytes(whole)
    ttyds = [pid for pid in lab.alive() if "--" in processes.arguments(pid)]
    assert len(ttyds) == 1, "a terminal was left behind"


@pytest.mark.parametrize("kind", ["garbage", *(pytest.param(kind, marks=pytest.mark.slow) for kind in DAMAGE if kind != "garbage")])
@pytest.mark.parametrize("name", STATE_FILES)
def test_a_state_file_of_an_ended_session(lab: Lab, name: str, kind: str) -> None:
    """Its conversation is gone on with, and its prompt is not given again."""
    lab.run(**lab.mode("ends"), prompt="Do it")
    say(lab.layout.workdir)
    (Path(lab.layout.workdir) / "end").write_text("3\n")
    until(lambda: os.path.exists(lab.layout.exit_status) and not lab.alive())
    (Path(lab.layout.workdir) / "end").unlink()
    path = Path(lab.layout.task) / name
    path.touch()
    DAMAGE[kind](path)
    status = {"stopped": "stopped", "exit": "finished" if kind == "unreadable" and os.geteuid() == 0 else "lost"}.get(name, "finished")
    assert truth(info(lab)) == (status, "dead", SAID, lab.layout.workdir)
    seen = lab.run(prompt="Do it", resume="never")
    assert (seen["status"], seen["changed"]) == (status, False)
    damaged = name == "session" and not (kind == "unreadable" and os.geteuid() == 0)
    assert [text.endswith("resumes the conversation") for text in seen.get("warnings", ())] == [True] * damaged
    resumed = lab.run(**lab.mode(""), resume="always", prompt="Do it")
    assert (resumed["status"], resumed["resumed"], resumed["session_id"]) == ("running", True, SAID)
    assert lab.called.count("Do it") == 1
    assert truth(info(lab)) == ("running", "running", SAID, lab.layout.workdir)
    assert not lab.run(**lab.mode(""), resume="always")["changed"]
    assert lab.run(state="absent")["status"] == "absent" and lab.alive() == []
    assert not (set(os.listdir(lab.layout.task)) - {"workdir", "home", "agent"})


@pytest.mark.parametrize("way", ["removed", "file", "link", "directory gone", "deaf"])
def test_a_socket_that_was_removed(lab: Lab, way: str) -> None:
    """codex runs on all the same, and is reached again without noticing."""
    # nobody has to wait as long as a busy host may need
    impatient = lab.programs / "timeout"
    impatient.write_text('#!/bin/sh\nshift 3; exec /usr/bin/timeout -s KILL 0.5 "$@"\n')
    impatient.chmod(0o755)
    launched = lab.run()
    path, runtime = Path(lab.layout.tmux_socket), Path(lab.layout.runtime)
    if way == "directory gone":
        shutil.rmtree(runtime)
    else:
        path.unlink()
    if way == "file":
        path.write_text("mine")
    if way == "link":
        path.symlink_to(runtime / "ttyd.sock")
    listener = socket.socket(socket.AF_UNIX)
    if way == "deaf":
        listener.bind(str(path))
        listener.listen()
    with listener:
        seen = info(lab)
        assert (seen["status"], seen["pid"], seen["attach_command"]) == ("running", launched["pid"], None)
        assert seen["terminal"] == ("dead" if way == "directory gone" else "running")
        check_mode_result = lab.run(check=True)
        repaired = lab.run()
    assert kinds(check_mode_result) == kinds(repaired) == ["reconnect", *(["close", "open"] if way == "directory gone" else [])]
    assert repaired["pid"] == launched["pid"] and repaired["attach_command"] == launched["attach_command"]
    assert not lab.run()["changed"]


@pytest.mark.slow
def test_a_server_that_does_not_answer_is_named_and_can_be_ended(lab: Lab) -> None:
    launched = lab.run()
    os.kill(parent(parent(launched["pid"])), signal.SIGSTOP)
    Path(lab.layout.tmux_socket).unlink()
    with pytest.raises(OptioError, match=r"the tmux server of session .* does not answer on .*, and codex runs in it"):
        lab.run()
    assert processes.is_running(launched["pid"])
    assert lab.run(state="absent")["status"] == "absent" and lab.alive() == []


@pytest.mark.parametrize("state", ["stopped", "absent"])
def test_nothing_is_kept_of_a_session_whose_directory_was_made_again(lab: Lab, state: str) -> None:
    """Somebody has removed the task's directory, and codex has made its own in it again."""
    lab.run()
    shutil.rmtree(lab.layout.task)
    os.makedirs(lab.layout.codex_home)
    # the copy of the record tells of it
    assert lab.run(state=state)["status"] == state
    assert lab.alive() == [] and set(os.listdir(lab.layout.task)) - {"stopped", "exit"} == {"home"}
    lab.run(state="absent", purge=True)
    assert lab.snapshot() == {}


def test_a_terminal_that_lost_its_socket_is_dead_and_leaves_none_behind(lab: Lab) -> None:
    launched = lab.run()
    old = int(Path(lab.layout.terminal).read_text().split()[0])
    Path(lab.layout.terminal_socket).unlink()
    assert info(lab)["terminal"] == "dead"
    assert kinds(lab.run()) == ["close", "open"]
    assert not processes.is_running(old) and info(lab)["pid"] == launched["pid"]
    assert info(lab)["terminal"] == "running" and not lab.run()["changed"]


@pytest.mark.parametrize("shift", [0, 1])
def test_a_process_that_only_has_the_terminals_number_is_neither_believed_nor_killed(lab: Lab, shift: int) -> None:
    launched = lab.run()
    terminal = int(Path(lab.layout.terminal).read_text().split()[0])
    os.kill(terminal, signal.SIGKILL)
    until(lambda: not processes.is_running(terminal))
    with subprocess.Popen(["/bin/sleep", "60"]) as innocent:
        try:
            started = (processes.read_stat(innocent.pid)[1] or 0) + shift
            Path(lab.layout.terminal).write_text(f"{innocent.pid} {started} 0\n")
            assert info(lab)["terminal"] == "dead"
            assert kinds(lab.run()) == ["open"] and info(lab)["terminal"] == "running"
            Path(lab.layout.terminal).write_text(f"{innocent.pid} {started} 0\n")
            assert lab.run(state="stopped")["status"] == "stopped" and not processes.is_running(launched["pid"])
            assert innocent.poll() is None
        finally:
            innocent.kill()


def test_a_disk_that_is_full_ends_and_changes_nothing(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """A restart would end what runs and then fail; what the first look says of the space decides."""
    monkeypatch.setattr(session_start, "ROOM", 1 << 60)
    with pytest.raises(OptioError, match=r": (no space left on device|file too large)\."):
        lab.run()
    assert lab.snapshot() == {}
    monkeypatch.setattr(session_start, "ROOM", 1)
    launched = lab.run()
    before = lab.snapshot()
    monkeypatch.setattr(session_start, "ROOM", 1 << 60)
    with pytest.raises(OptioError, match=r": (no space left on device|file too large)\."):
        lab.run(state="restarted")
    assert lab.snapshot() == before and lab.run()["pid"] == launched["pid"]


def test_a_record_that_cannot_be_completed_leaves_no_session(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_steps: object, _decided: object) -> None:
        raise OptioError(lab.layout.record, "no space left on device", "Free space")

    monkeypatch.setattr(session_start.SessionSteps, "record_launch", full)
    with pytest.raises(OptioError, match="no space left"):
        lab.run()
    assert lab.snapshot() == {} and lab.alive() == []


def test_a_first_message_that_comes_while_a_restart_begins_is_gone_on_with(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the look at the session and its end somebody has said something in its terminal."""
    lab.run()
    ended = session_start.SessionSteps.stop

    def stop(steps: session_start.SessionSteps, action: Any) -> None:
        say(lab.layout.workdir)
        ended(steps, action)

    monkeypatch.setattr(session_start.SessionSteps, "stop", stop)
    restarted = lab.run(state="restarted", prompt="Do it")
    assert (restarted["resumed"], restarted["session_id"]) == (True, SAID)
    assert "resume" in lab.called and "Do it" not in lab.called


@pytest.mark.parametrize("kind", ["empty", "garbage", "cut", "directory", "unbalanced"])
def test_variables_that_are_damaged_are_not_kept(lab: Lab, kind: str) -> None:
    """codex would start in its user's own home."""
    lab.run()
    say(lab.layout.workdir)
    lab.run(state="stopped")
    path = Path(lab.layout.environment)
    path.write_text("export A='\n") if kind == "unbalanced" else DAMAGE[kind](path)
    with pytest.raises(OptioError, match="environment, is damaged, so the variables of its launch are unknown"):
        lab.run(resume="always", keep_options=True)
    assert lab.alive() == [] and info(lab)["status"] == "stopped"
    assert lab.run(resume="always")["resumed"]


def test_variables_are_whole_when_they_keep_codex_in_its_home() -> None:
    text = "".join(f"export {name}='{value}'\n" for name, value in LAYOUT.variables().items())
    check_environment(text, LAYOUT)
    for damaged in (None, "", text[:-1], text.replace("HOME", "H0ME", 1)):
        with pytest.raises(OptioError, match="is damaged"):
            check_environment(damaged, LAYOUT)


def test_something_in_the_place_of_the_sockets_is_named() -> None:
    with pytest.raises(OptioError, match=f"{LAYOUT.runtime} is not a directory. Move it away"):
        refuse_blocked_runtime(view_of(Session(runtime=LAYOUT.runtime, runtime_kind="other")))
