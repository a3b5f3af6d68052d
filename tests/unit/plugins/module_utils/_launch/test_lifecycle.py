# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sessions launched, adopted, repaired, ended and rolled back for real."""

from __future__ import annotations

import os
import re
import shutil
import signal
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.optio.codex.plugins.module_utils._core import processes
from ansible_collections.optio.codex.plugins.module_utils._core.errors import OptioError
from ansible_collections.optio.codex.plugins.module_utils._launch import start as session_start
from ansible_collections.optio.codex.plugins.module_utils._launch import stop as session_stop
from ansible_collections.optio.codex.plugins.module_utils._session.layout import package_socket
from ansible_collections.optio.codex.tests.unit.support.local_session import Lab, laboratory, until

SAID = "01a202d2-04bc-7371-ae76-9a22157469e5"


@pytest.fixture
def lab(open_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    # a menu is taken for one at once; nothing draws one for a moment here
    monkeypatch.setattr(session_start, "SETTLED", 0.05)
    monkeypatch.setattr(session_stop, "REMAINDER_TIMEOUT", 0.2)
    with laboratory(open_path, monkeypatch) as lab:
        yield lab
        assert lab.warnings == []


def kinds(result: dict[str, Any]) -> list[str]:
    return [action["kind"] for action in result["actions"]]


def mode_of(path: str) -> int:
    return stat.S_IMODE(os.stat(path).st_mode)


def test_a_whole_life(lab: Lab) -> None:
    check_mode_result = lab.run(check=True, **lab.mode(""), prompt="Do it")
    assert lab.snapshot() == {} and lab.alive() == []

    launched = lab.run(**lab.mode(""), prompt="Do it")
    assert launched["status"] == "running"
    assert set(launched) == set(check_mode_result)
    assert (launched["actions"], launched["diff"]) == (check_mode_result["actions"], check_mode_result["diff"])
    assert kinds(launched)[-2:] == ["start", "open"]
    assert lab.called[-2:] == ["--", "Do it"]
    assert processes.arguments(launched["pid"])[0] == f"{lab.layout.workdir}/home/.local/bin/codex"
    assert os.readlink(f"{lab.layout.workdir}/home") == lab.layout.home
    layout = lab.layout
    private = (layout.environment, layout.record, layout.config, layout.terminal)
    assert [mode_of(path) for path in private] == [0o600] * 4
    assert [mode_of(path) for path in (layout.task, layout.workdir, layout.home, layout.runtime)] == [0o700] * 4
    for pid in lab.alive():
        assert "hunter2" not in " ".join(processes.arguments(pid))
    assert "hunter2" not in str(launched)

    before = lab.snapshot()
    again = lab.run(**lab.mode(""), prompt="Do it")
    assert not again["changed"] and again["pid"] == launched["pid"]
    assert {**again, "changed": True, "actions": launched["actions"], "diff": launched["diff"]} == launched
    assert lab.snapshot() == before

    stopped = lab.run(state="stopped")
    assert (stopped["status"], kinds(stopped)) == ("stopped", ["close", "stop"])
    assert lab.alive() == []
    assert not os.path.exists(layout.log), "the end was asked for, so it is no error of codex"
    again = lab.run(state="stopped")
    assert (again["changed"], again["status"], again["exit_status"]) == (False, "stopped", 143)

    # whatever the options, an ended session is left as it is
    assert not lab.run(prompt="Do it", resume="never")["changed"]
    assert lab.called.count("Do it") == 1

    gone = lab.run(state="absent")
    assert (gone["status"], kinds(gone)) == ("absent", ["forget", "remove_runtime"])
    left = lab.snapshot()
    assert {path.split("/")[1] for path in left if "/" in path} == {"workdir", "home", "agent"}
    assert not lab.run(state="absent")["changed"]


def test_a_dead_terminal_is_repaired_and_codex_does_not_notice(lab: Lab) -> None:
    launched = lab.run()
    before = lab.snapshot()
    terminal = int(Path(lab.layout.terminal).read_text().split()[0])
    os.kill(terminal, signal.SIGKILL)
    until(lambda: not processes.is_running(terminal))
    # it listens where it did, whatever is asked of the next launch
    repaired = lab.run(writable_roots=["/tmp"], terminal={**lab.params["terminal"], "listen": "tcp"})
    assert kinds(repaired) == ["open"]
    assert (repaired["pid"], repaired["terminal_socket"]) == (launched["pid"], launched["terminal_socket"])
    assert [entry["option"] for entry in repaired["drift"]] == ["writable_roots", "terminal"]
    assert set(lab.snapshot()) == set(before)
    assert not lab.run()["changed"]


def test_a_terminal_that_cannot_be_repaired_leaves_the_session_alone(lab: Lab) -> None:
    launched = lab.run()
    terminal = int(Path(lab.layout.terminal).read_text().split()[0])
    os.kill(terminal, signal.SIGKILL)
    until(lambda: not processes.is_running(terminal))
    (lab.programs / "broken").write_text("")
    with pytest.raises(OptioError, match=r"ttyd did not serve terminal .*: no such device"):
        lab.run()
    assert processes.is_running(launched["pid"])
    assert terminal not in lab.alive()


@pytest.mark.slow
@pytest.mark.parametrize("state", ["stopped", "restarted"])
def test_a_session_of_the_package_is_ended_where_it_runs(lab: Lab, state: str) -> None:
    layout, socket = lab.layout, package_socket(lab.layout.workdir)
    os.makedirs(layout.workdir)
    home = f"{layout.workdir}/home/.codex"
    pane = f"exec env CODEX_HOME='{home}' /bin/sh -c 'setsid sleep 60 & wait'"
    subprocess.run(["tmux", "-S", socket, "-f", "/dev/null", "new-session", "-d", "-s", "optio", pane], check=True, timeout=10)
    until(lambda: len(processes.package_pids(home, socket)) >= 3)
    package = processes.package_pids(home, socket)
    assert kinds(lab.run(adopt=True)) == ["write"]
    ended = lab.run(state=state)
    assert ended["actions"][0] == {**ended["actions"][0], "kind": "stop", "target": socket}
    assert not [pid for pid in package if processes.is_running(pid)] and not os.path.exists(socket)
    assert (ended["status"], ended["tmux_socket"]) == {"stopped": ("stopped", socket), "restarted": ("running", layout.tmux_socket)}[state]
    lab.run(state="absent")
    assert lab.alive() == []


FAILURES = {
    "dies": "codex ended with exit status 7 while starting; its screen showed: bad config",
    "menu": "codex waits for a choice before it takes any input; its screen showed: ",
    "no ttyd": r"ttyd did not serve terminal .*: no such device",
}


@pytest.mark.parametrize("failure", FAILURES)
def test_a_launch_that_fails_leaves_nothing(lab: Lab, failure: str) -> None:
    if failure == "no ttyd":
        (lab.programs / "broken").write_text("")
    with pytest.raises(OptioError, match=FAILURES[failure]) as raised:
        lab.run(**lab.mode(failure), ready_timeout=10)
    assert "hunter2" not in f"{raised.value}{raised.value.details}"
    # not even the directories; another task of this root could be using .run by now
    assert lab.snapshot() == {}
    assert lab.alive() == []


def test_codex_that_ends_right_after_it_was_ready_did_not_start(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """0.169.0 draws its composer before it begins a conversation, which fails if it cannot make another process."""
    opened = session_start.SessionSteps.open

    def open_late(steps: session_start.SessionSteps, *given: Any) -> Any:
        finish(lab, 3)
        return opened(steps, *given)

    monkeypatch.setattr(session_start.SessionSteps, "open", open_late)
    with pytest.raises(OptioError, match="codex ended with exit status 3 right after its start"):
        lab.run(**lab.mode("ends"))
    assert lab.snapshot() == {} and lab.alive() == []


@pytest.mark.slow
def test_a_resume_that_fails_leaves_the_session_as_it_ended(lab: Lab) -> None:
    lab.run(**lab.mode("ends"))
    finish(lab, 3)
    before = lab.snapshot()
    with pytest.raises(OptioError, match="exit status 7"):
        lab.run(**lab.mode("dies"), resume="always")
    after = lab.snapshot()
    # what codex wrote in its workdir stays, and what it said of its end
    for snapshot in (before, after):
        del snapshot["one/workdir/called"]
        # of a terminal that has ended nothing is needed
        for path in (lab.layout.tmux_socket, lab.layout.terminal_socket, lab.layout.terminal, lab.layout.terminal_log):
            snapshot.pop(path.removeprefix(f"{lab.root}/"), None)
    assert after == before
    assert before["one/workdir/optio.log"] == "ERROR: codex exited 3\n"
    assert lab.run()["status"] == "finished"
    assert lab.alive() == []


def finish(lab: Lab, status: int) -> None:
    (Path(lab.layout.workdir) / "end").write_text(f"{status}\n")
    until(lambda: os.path.exists(lab.layout.exit_status) and not lab.alive())
    (Path(lab.layout.workdir) / "end").unlink()


@pytest.mark.slow
@pytest.mark.parametrize("status", [0, 3])
def test_one_that_ends_by_itself_and_goes_on(lab: Lab, status: int) -> None:
    lab.run(**lab.mode("ends"), prompt="Do it")
    finish(lab, status)
    ended = lab.run(prompt="Do it")
    assert (ended["changed"], ended["status"], ended["exit_status"]) == (False, "finished", status)
    assert Path(lab.layout.log).read_text() == ("DONE: codex exited\n" if status == 0 else f"ERROR: codex exited {status}\n")
    assert lab.run(state="stopped")["status"] == "finished"
    kept = Path(lab.layout.last_screen)
    assert "\nError: no model\n" in kept.read_text() if status else not kept.exists()
    info = lab.look()
    assert (info["error"], bool(info["screen"])) == (("Error: no model", True) if status else (None, False))
    # of the end of another run
    lab.run(**lab.mode("ends"), resume="always")
    assert not kept.exists()
    finish(lab, 0)
    assert not kept.exists()

    say_something(lab)
    resumed = lab.run(resume="always", prompt="Do it")
    assert (resumed["status"], resumed["exit_status"], resumed["session_id"]) == ("running", None, SAID)
    calls = lab.called
    assert calls.count("Do it") == 1
    assert calls[calls.index("resume") :][:4] == ["resume", SAID, "-C", lab.layout.workdir]
    assert calls[-2:] == ["--", "System: you have been resumed"]


def say_something(lab: Lab) -> None:
    """Leave the rollout that codex begins with the first message."""
    sessions = Path(lab.layout.codex_home) / "sessions/2026/11/22"
    sessions.mkdir(parents=True)
    (sessions / f"rollout-2026-11-22T10-00-00-{SAID}.jsonl").write_text("{}\n")


def starts(lab: Lab) -> list[str]:
    """Return the lines of resume.log without their times."""
    return [line.partition("Z")[2] for line in Path(lab.layout.resume_log).read_text().splitlines()]


@pytest.mark.slow
def test_a_resume_gives_the_run_a_log_of_its_own(lab: Lab) -> None:
    lab.run(**lab.mode("ends"), instructions="Do it")
    finish(lab, 0)
    say_something(lab)
    for instructions, refreshed in (("Do it", ""), ("Do that", " REFRESHED:AGENTS.md"), ("Do that", "")):
        lab.run(**lab.mode("ends"), instructions=instructions, resume="always")
        assert not os.path.exists(lab.layout.log), "the last run's DONE would end this one"
        assert starts(lab)[-1] == refreshed
        finish(lab, 3)
        assert Path(lab.layout.log).read_text() == "ERROR: codex exited 3\n"
    assert Path(lab.layout.log_old).read_text() == "DONE: codex exited\n" + "ERROR: codex exited 3\n" * 2
    assert starts(lab) == ["", "", " REFRESHED:AGENTS.md", ""]


@pytest.mark.slow
def test_a_resume_without_a_conversation_is_a_start_with_a_warning(lab: Lab) -> None:
    lab.run(**lab.mode("ends"))
    finish(lab, 3)
    fresh = lab.run(resume="always", prompt="Do it", instructions="New")
    assert (fresh["status"], fresh["resumed"], lab.called[-1]) == ("running", False, "Do it")
    assert "has no conversation to resume" in fresh["warnings"][0]
    # who reads AGENTS.md for the first time needs no hint
    assert starts(lab) == ["", ""]


@pytest.mark.slow
@pytest.mark.parametrize("how", [{"state": "restarted"}, {"restart_on_drift": True}])
def test_a_restart_goes_on_with_other_options(lab: Lab, how: dict[str, Any]) -> None:
    launched = lab.run(**lab.mode(""), prompt="Do it")
    say_something(lab)
    asked = {**lab.mode(""), "model": "m", "prompt": "Do it", **how}
    check_mode_result = lab.run(check=True, **asked)
    assert lab.run()["pid"] == launched["pid"]
    restarted = lab.run(**asked)
    assert (restarted["actions"], restarted["diff"]) == (check_mode_result["actions"], check_mode_result["diff"])
    assert kinds(restarted)[:2] == ["close", "stop"] and kinds(restarted)[-2:] == ["start", "open"]
    assert not processes.is_running(launched["pid"])
    assert (restarted["status"], restarted["resumed"]) == ("running", True)
    assert [entry["option"] for entry in restarted["drift"]] == ["model"]
    assert (lab.called.count("Do it"), lab.called.count("resume"), lab.called.count("m")) == (1, 1, 1)
    # nothing differs any more
    again = lab.run(**{**asked, "state": "started", "restart_on_drift": True})
    assert (again["changed"], again["pid"], again["drift"]) == (False, restarted["pid"], [])


@pytest.mark.slow
def test_a_restart_that_fails_leaves_a_stopped_session(lab: Lab) -> None:
    lab.run(**lab.mode(""))
    say_something(lab)
    with pytest.raises(OptioError, match="exit status 7"):
        lab.run(**lab.mode("dies"), state="restarted")
    assert lab.alive() == []
    assert lab.run(resume="never")["status"] == "stopped"
    assert lab.run(**lab.mode(""))["resumed"]


@pytest.mark.slow
def test_a_resume_keeps_the_options_of_the_launch(lab: Lab) -> None:
    excluded = {"model_provider": "local", "shell_environment_policy": {"exclude": ["SECRET_*"]}}
    lab.run(**lab.mode("ends"), model="m", writable_roots=["/srv"], sandbox="workspace-write", config=excluded)
    finish(lab, 0)
    say_something(lab)
    before = Path(lab.layout.environment).read_text()
    lab.run(resume="always", keep_options=True, environment={}, sandbox="read-only")
    last = lab.called[len(lab.called) - 1 - lab.called[::-1].index("resume") :]
    assert last[last.index("--model") + 1] == "m" and "--sandbox" not in last
    # the command line replaces this part of the configuration, which still has it
    assert 'shell_environment_policy.exclude=["SECRET_*", "CODEX_HOME"]' in last
    profile = next(word for word in last if word.startswith("permissions."))
    assert 'extends = ":workspace"' in profile and '"/srv" = "write"' in profile
    assert Path(lab.layout.environment).read_text() == before
    # the configuration is not compared, nor is this part of it
    same = {"model": "m", "writable_roots": ["/srv"], "sandbox": "workspace-write"}
    assert lab.run(**same, config={**excluded, "shell_environment_policy": {"exclude": ["A"]}}, check=True)["drift"] == []
    (Path(lab.layout.record)).write_text("name=one\noptions=[]\n")
    # the copy of the record knows them
    assert not lab.run(keep_options=True, check=True)["drift"]
    shutil.rmtree(lab.layout.record_copy)
    with pytest.raises(OptioError, match=r"the record of session one, \S+, is damaged"):
        lab.run(keep_options=True)


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["deaf", "strays"])
def test_an_end_leaves_no_process(lab: Lab, mode: str) -> None:
    launched = lab.run(**lab.mode(mode))
    below = processes.descendants(launched["pid"])
    if mode == "strays":
        until(lambda: len(processes.descendants(launched["pid"])) == 3)
        below = processes.descendants(launched["pid"])
        # one of them gave the tag away
        assert len(set(below) - set(lab.alive())) == 1
    stopped = lab.run(state="stopped", stop_timeout=0.1)
    assert lab.alive() == []
    # its own child is as deaf
    killed = [launched["pid"], *below] if mode == "deaf" else []
    assert [process["pid"] for process in stopped["killed_processes"]] == killed
    if killed:
        assert stopped["killed_processes"][0]["command"].startswith(lab.layout.codex_path)
        assert f"were killed: {killed[0]} ({lab.layout.codex_path}" in lab.warnings.pop()
    assert [pid for pid in [launched["pid"], *below] if processes.is_running(pid)] == []


@pytest.mark.slow
@pytest.mark.parametrize("state", ["stopped", "absent"])
def test_what_a_killed_sandbox_leaves_goes_with_its_session(lab: Lab, state: str) -> None:
    lab.run()
    left = [Path(root, name) for root in (lab.layout.workdir, lab.layout.agent) for name in (".git", ".codex", ".agents", ".aws")]
    for path in left:
        path.mkdir()
    lab.run(state=state)
    assert [path for path in left if path.exists()] == []


@pytest.mark.parametrize("place", ["home", "home/.local", "agent/.cache"])
def test_a_directory_of_the_homes_that_leads_elsewhere_is_not_used(lab: Lab, open_path: Path, place: str) -> None:
    victim = open_path / "victim"
    victim.mkdir()
    link = Path(lab.layout.task, place)
    link.parent.mkdir(parents=True)
    link.symlink_to(victim)
    with pytest.raises(OptioError, match=f"{re.escape(str(link))} is a symbolic link"):
        lab.run(instructions="Do it.")
    assert list(victim.iterdir()) == [] and lab.alive() == []


HALF_DEAD = {
    "no task directory": ["task"],
    "no workdir": ["workdir"],
    "no launcher, no variables": ["launcher", "environment"],
    "no sockets": ["runtime"],
    "no task directory and no sockets": ["task", "runtime"],
}


@pytest.mark.slow
@pytest.mark.parametrize("state", ["stopped", "absent"])
@pytest.mark.parametrize("missing", HALF_DEAD)
def test_an_end_of_a_half_removed_session(lab: Lab, missing: str, state: str) -> None:
    launched = lab.run()
    for part in HALF_DEAD[missing]:
        path = getattr(lab.layout, part)
        shutil.rmtree(path) if os.path.isdir(path) else os.unlink(path)
    check_mode_result = lab.run(check=True, state=state)
    ended = lab.run(state=state)
    assert kinds(check_mode_result) == kinds(ended) and "stop" in kinds(ended)
    # the copy of the record tells of a session whose directory is gone
    assert ended["status"] == state
    assert lab.alive() == [] and not processes.is_running(launched["pid"])
    assert not lab.run(state=state)["changed"]
    if state == "absent":
        assert not os.path.exists(lab.layout.runtime) and not os.path.exists(lab.layout.record)


@pytest.mark.slow
def test_a_session_that_lost_its_processes(lab: Lab) -> None:
    lab.run()
    processes.send(lab.alive(), signal.SIGKILL)
    until(lambda: not lab.alive())
    assert lab.run(resume="never")["status"] == "lost"
    # the socket files outlive their servers
    assert set(kinds(lab.run(state="absent"))) == {"close", "forget", "remove_runtime"}
    assert not lab.run(state="absent")["changed"]


def test_a_launch_that_fails_leaves_a_given_workdir_as_it_was(lab: Lab, open_path: Path) -> None:
    project = open_path / "project"
    project.mkdir()
    (project / "README").write_text("mine")
    with pytest.raises(OptioError, match="exit status 7"):
        lab.run(**lab.mode("dies"), workdir=str(project), instructions="Do it")
    # "called" is codex's own
    assert sorted(path.name for path in project.iterdir()) == ["README", "called"]


def test_a_worker_without_tmux(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    few = lab.programs / "few"
    few.mkdir()
    for tool in ("sh", "id", "uname", "readlink", "sed", "find", "sort", "tail", "cut", "cat"):
        (few / tool).symlink_to(shutil.which(tool) or "")
    monkeypatch.setenv("PATH", str(few))
    check_mode_result = lab.run(check=True)
    assert check_mode_result["warnings"] == ["tmux is not on the worker's PATH. Install the package tmux."]
    with pytest.raises(OptioError, match="tmux is not on the worker's PATH"):
        lab.run()
    assert lab.snapshot() == {}


def test_a_message_of_the_sessions_own_socket_names_it(lab: Lab) -> None:
    launched = lab.run()
    assert re.fullmatch(rf"{lab.root}/\.run/[0-9a-f]{{12}}/tmux\.sock", launched["tmux_socket"])
    assert launched["terminal_socket"] == launched["tmux_socket"].replace("tmux.sock", "ttyd.sock")


@pytest.mark.slow
@pytest.mark.parametrize("state", ["stopped", "absent"])
def test_a_sandbox_that_its_codex_has_left_is_ended(lab: Lab, state: str) -> None:
    """bwrap that is killed while it makes a sandbox leaves a process that has no tag and waits for ever."""
    lab.run()
    if state == "absent":
        # found after the session has ended, too
        lab.run(state="stopped")
    argv = ["bwrap", "-c", "read line", "--bind", lab.layout.agent, lab.layout.agent]
    stray = subprocess.Popen(argv, executable="/bin/sh", env={}, stdin=subprocess.PIPE)
    try:
        # the shell may still have the command line of its parent
        until(lambda: processes.arguments(stray.pid) == argv)
        assert lab.run(state=state)["changed"] and stray.wait(10) == -signal.SIGKILL
        assert not lab.run(state=state)["changed"]
    finally:
        stray.kill()
        stray.wait()
