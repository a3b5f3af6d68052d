# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""All sessions of a worker in one probe: what is on record, and what codex does."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from unit import shell
from unit.session_kit import FIXTURES, WORKER, options, session_of

from ansible_collections.optio.codex.plugins.module_utils._session.command_line import TerminalOptions
from ansible_collections.optio.codex.plugins.module_utils._core.errors import UnknownObservation
from ansible_collections.optio.codex.plugins.module_utils._session.layout import TaskLayout, package_socket, runtime_digest
from ansible_collections.optio.codex.plugins.module_utils._session.agent_log import Log
from ansible_collections.optio.codex.plugins.module_utils._core.probe import Section, parse
from ansible_collections.optio.codex.plugins.module_utils._codex.rollout import Conversation
from ansible_collections.optio.codex.plugins.module_utils._monitor.session_info import SUBJECT
from ansible_collections.optio.codex.plugins.module_utils._monitor.session_list import FRESH, PROMPTED, Times, activity, parse_sessions
from ansible_collections.optio.codex.plugins.module_utils._launch.plan import SessionWish, record_text
from ansible_collections.optio.codex.plugins.module_utils._session.probe import Session, TaskView, Workspace

LAUNCHED = SessionWish()
RUNNING = session_of("running", LAUNCHED)
SAID = "01a202d2-04bc-7371-ae76-9a22157469e5"
ROLLOUT = f"/w/home/.codex/sessions/2026/11/22/rollout-2026-11-22T10-00-00-{SAID}.jsonl"
NOW, BEFORE = 1795343650, 1795343600


def screen_of(name: str) -> str:
    return (FIXTURES / "screens" / f"{name}.txt").read_text()


#: (a conversation is on record, how its last turn stands, what the screen shows, what codex does)
ACTIVITIES: list[tuple[bool, str | None, str, str]] = [
    (False, None, "", "starting"),
    (False, None, "0.169.0-loading", "starting"),
    (False, None, "0.142.5-loading", "starting"),
    (False, None, "0.169.0-idle", "idle"),
    (False, None, "0.142.5-login", "waiting"),
    (False, None, "0.169.0-trust", "waiting"),
    (False, None, "0.169.0-model-nag", "waiting"),
    (False, None, "0.142.5-working", "working"),
    (True, None, "0.169.0-idle", "working"),
    (True, "open", "0.169.0-working", "working"),
    # no release says so while it writes its answer
    (True, "open", "0.169.0-streaming", "working"),
    (True, "open", "0.142.5-streaming", "working"),
    (True, "open", "0.142.5-approval", "waiting"),
    (True, "complete", "0.169.0-tool-call", "idle"),
    (True, "failed", "0.142.5-failed-turn", "failed"),
    (True, "failed", "0.169.0-dead-key", "failed"),
    # somebody has said something else meanwhile
    (True, "failed", "0.142.5-working", "working"),
    (True, "interrupted", "0.169.0-interrupted", "idle"),
    # the next turn has begun and is not on record yet
    (True, "complete", "0.142.5-working", "working"),
    # the user's settings may hide the line by which the composer is known
    (True, "complete", "", "idle"),
]


TALKING = replace(RUNNING, rollout=ROLLOUT, session_id=SAID)


@pytest.mark.parametrize(("said", "turn", "shown", "expected"), ACTIVITIES)
def test_what_codex_does(said: bool, turn: str | None, shown: str, expected: str) -> None:
    session = TALKING if said else RUNNING
    assert activity(session, Conversation(turn), Log(), screen_of(shown) if shown else "", Times(begun=said)) == expected


@pytest.mark.parametrize(("shown", "expected"), [("0.169.0-idle", "idle"), ("0.169.0-working", "working"), ("", "working")])
def test_a_rollout_that_tells_nothing_leaves_it_to_the_screen(shown: str, expected: str) -> None:
    assert activity(TALKING, Conversation(), Log(), screen_of(shown) if shown else "", Times(fresh=False)) == expected


#: (how the last turn of an earlier launch stands, what the screen shows, whether there is a prompt, what codex does)
AGAIN: list[tuple[str, str, bool, str]] = [
    ("failed", "", False, "starting"),
    ("complete", "0.169.0-loading", False, "starting"),
    ("open", "0.169.0-idle", False, "idle"),
    ("failed", "0.142.5-idle", False, "idle"),
    ("complete", "0.169.0-idle", True, "starting"),
    ("complete", "0.169.0-working", True, "working"),
    ("open", "0.169.0-trust", True, "waiting"),
]


@pytest.mark.parametrize(("turn", "shown", "prompted", "expected"), AGAIN)
def test_a_rollout_of_an_earlier_launch_tells_nothing_of_this_one(turn: str, shown: str, prompted: bool, expected: str) -> None:
    times = Times(begun=False, prompted=prompted)
    seen = activity(TALKING, Conversation(turn, NOW), Log(outcome="done", changed=NOW), screen_of(shown) if shown else "", times)
    assert seen == expected


def test_a_prompt_is_begun_with_before_codex_is_idle() -> None:
    idle = screen_of("0.169.0-idle")
    assert activity(RUNNING, Conversation(), Log(), idle, Times(begun=False, prompted=True)) == "starting"
    assert activity(RUNNING, Conversation(), Log(), idle, Times(begun=False)) == "idle"


#: (the outcome in the log, when it was written, when the last turn began, how that ended, what follows)
DECLARED: list[tuple[str | None, int | None, int | None, str, str]] = [
    ("done", NOW, NOW, "complete", "done"),
    ("done", NOW, BEFORE, "complete", "done"),
    ("error", NOW, BEFORE, "complete", "failed"),
    (None, NOW, BEFORE, "complete", "idle"),
    ("done", NOW, BEFORE, "interrupted", "done"),
    # of the turn before, so that it says nothing of this one
    ("done", BEFORE, NOW, "complete", "idle"),
    ("error", BEFORE, NOW, "complete", "idle"),
    # a turn that failed, and one that is under way, are nearer than what was declared
    ("done", NOW, BEFORE, "failed", "failed"),
    ("done", NOW, BEFORE, "open", "working"),
    ("done", None, NOW, "complete", "done"),
    ("done", NOW, None, "complete", "done"),
]


@pytest.mark.parametrize(("outcome", "changed", "began", "turn", "expected"), DECLARED)
def test_what_the_agent_declared(outcome: str | None, changed: int | None, began: int | None, turn: str, expected: str) -> None:
    seen = activity(TALKING, Conversation(turn, began), Log(outcome=outcome, changed=changed), screen_of("0.169.0-idle"), Times())
    assert seen == expected


@pytest.mark.parametrize(("exit_status", "expected"), [(0, "done"), (1, "failed"), (143, "failed")])
def test_one_that_ended_by_itself_is_as_its_exit_status_says(exit_status: int, expected: str) -> None:
    session = session_of("finished", LAUNCHED, rollout=ROLLOUT, exit_status=exit_status)
    # what the agent wrote itself, and a turn that was cut off, do not count
    assert activity(session, Conversation("open"), Log(outcome="done"), "", Times()) == expected


@pytest.mark.parametrize("status", ["absent", "stopped", "lost"])
def test_of_one_that_was_ended_nobody_knows(status: str) -> None:
    session = session_of(status, LAUNCHED, rollout=ROLLOUT)
    assert activity(session, Conversation("open"), Log(outcome="done"), screen_of("0.169.0-working"), Times()) is None


# the script, on real directories


class Home:
    """A home with a root of sessions, and a tmux for one of them."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.root = base / "root"
        self.root.mkdir()

    def session(self, name: str, wish: SessionWish = LAUNCHED, **changes: str) -> TaskLayout:
        layout = TaskLayout(name, f"{self.root}/{name}", f"{self.root}/{name}/workdir", f"{self.root}/.run/{runtime_digest(name)}")
        os.makedirs(layout.workdir)
        view = TaskView(WORKER, layout, Workspace(), Session())
        lines = dict(line.partition("=")[::2] for line in f"{record_text(view, wish)}started=1795343648\n".splitlines())
        Path(layout.record).write_text("".join(f"{key}={value}\n" for key, value in {**lines, **changes}.items()))
        return layout

    def look(self, program: str, /, **given: Any) -> list[dict[str, Any]]:
        """Return what a shell sees of all sessions."""
        params = options(SUBJECT, **{"root": str(self.root), **given})
        SUBJECT.check(params)
        environment = {"HOME": str(self.base), "PATH": os.environ["PATH"]}
        answer = shell.run(program, SUBJECT.script(params), environment=environment)
        plan = SUBJECT.plan(SUBJECT.observe(parse(answer), params), params)
        assert not plan.actions and not plan.changes
        return list(plan.result["sessions"])


@pytest.fixture
def home(open_path: Path) -> Home:
    return Home(open_path)


@pytest.fixture
def live(home: Home) -> Iterator[TaskLayout]:
    """Give a session in whose pane a recorded screen stands."""
    layout = home.session("live")
    os.makedirs(layout.runtime, 0o700)
    shown = FIXTURES / "screens/0.169.0-idle.txt"
    argv = ["tmux", "-S", layout.tmux_socket, "-f", "/dev/null"]
    # the launcher's one child is codex
    script = f"seq 1 99; cat '{shown}'; sleep 60 & echo $! >'{layout.task}/child'; wait"
    Path(layout.launcher).write_text(f"{script}\n")
    pane = ["new-session", "-d", "-s", "optio", "-x", "200", "-y", "50", "/bin/sh", layout.launcher]
    subprocess.run([*argv, *pane], check=True, timeout=10, env={**os.environ, "LANG": "C.UTF-8"})
    server = int(subprocess.run([*argv, "display-message", "-p", "#{pid}"], check=True, capture_output=True, timeout=10).stdout)
    try:
        while not Path(f"{layout.task}/child").exists():
            assert Path(f"/proc/{server}").exists()
        yield layout
    finally:
        subprocess.run([*argv, "kill-server"], check=False, timeout=10)


EVERY_SHELL = pytest.mark.parametrize("name", shell.SHELLS)


@EVERY_SHELL
def test_no_sessions(home: Home, name: str) -> None:
    assert home.look(name) == []
    (home.root / "files").write_text("")
    (home.root / "workspace").mkdir()
    shutil.rmtree(home.root / "workspace")
    assert home.look(name) == home.look(name, root=str(home.root / "none")) == home.look(name, root="") == []


@EVERY_SHELL
def test_sessions_of_every_kind(home: Home, name: str, live: TaskLayout) -> None:
    finished = home.session("finished")
    Path(finished.exit_status).write_text("7 1795343700\n")
    Path(finished.log).write_text("STATUS: 50%\nERROR: codex\texited 7\n")
    stopped = home.session("a-stopped")
    Path(stopped.exit_status).write_text("143 1795343700\n")
    Path(stopped.stopped_mark).write_text("")
    home.session("lost", SessionWish(terminal=TerminalOptions("tcp", port=7681)))
    found = {entry["name"]: entry for entry in home.look(name)}
    assert list(found) == ["a-stopped", "finished", "live", "lost"]
    assert {name: (entry["status"], entry["activity"]) for name, entry in found.items()} == {
        "a-stopped": ("stopped", None),
        "finished": ("finished", "failed"),
        "live": ("running", "idle"),
        "lost": ("lost", None),
    }
    entry = found["live"]
    assert (entry["started"], entry["terminal"], entry["session"]) == (1795343648, "dead", live.tmux_socket)
    assert entry["pid"] == int(Path(f"{live.task}/child").read_text())
    assert "attach-session" in entry["attach"] and "screen" not in entry
    entry = found["finished"]
    # control characters of the agent's own making do not reach the caller
    assert (entry["exit_status"], entry["ended"], entry["log"]) == (7, 1795343700, "ERROR: codexexited 7")
    assert found["lost"]["port"] == 7681 and found["lost"]["socket"] is None
    home.session("adopted", adopted="1")
    # its terminal is for whoever launched it
    assert [entry["terminal"] for entry in home.look(name, name="adopted")] == [None]
    assert [entry["name"] for entry in home.look(name, name="finished")] == ["finished"]
    assert home.look(name, name="none") == []


@EVERY_SHELL
def test_an_adopted_session_is_seen_where_it_runs(home: Home, name: str) -> None:
    layout = home.session("adopted", adopted="1")
    socket = package_socket(layout.workdir)
    codex = f"echo here; exec env CODEX_HOME='{layout.codex_home}' sleep 60"
    subprocess.run(["tmux", "-S", socket, "-f", "/dev/null", "new-session", "-d", "-s", "optio", codex], check=True, timeout=10)
    try:
        deadline = time.monotonic() + 10
        while (entry := home.look(name, screen=True)[0])["status"] != "running" or "here" not in entry["screen"]:
            assert time.monotonic() < deadline, entry
        assert (entry["session"], entry["terminal"], entry["tunnel"]) == (socket, None, None)
        assert socket in entry["attach"]
    finally:
        subprocess.run(["tmux", "-S", socket, "kill-server"], check=False, timeout=10)
        Path(socket).unlink()


@EVERY_SHELL
def test_the_screen_on_request(home: Home, name: str, live: TaskLayout) -> None:
    home.session("lost")
    shown, lost = home.look(name, screen=True)
    recorded = screen_of("0.169.0-idle")
    assert shown["screen"].splitlines()[-3:] == [line.rstrip() for line in recorded.rstrip("\n").splitlines()[-3:]]
    assert lost["screen"] is None
    assert "\n3\n" not in shown["screen"]
    longer = home.look(name, screen=True, history=500)[0]["screen"]
    assert longer.startswith("1\n2\n3\n") and longer.endswith(shown["screen"][-200:])


@pytest.mark.parametrize(("release", "name"), [("0.142.5", "dash"), ("0.169.0", "busybox")])
def test_the_last_turn_of_recorded_conversations(home: Home, name: str, live: TaskLayout, release: str) -> None:
    directory = Path(live.codex_home) / "sessions/2026/11/22"
    directory.mkdir(parents=True)
    path = directory / f"rollout-2026-11-22T10-00-00-{SAID}.jsonl"
    for conversation, expected in (("in-progress", "working"), ("tool-call", "idle"), ("interrupted", "idle"), ("approval", "working")):
        shutil.copy(FIXTURES / "rollouts" / f"{release}-{conversation}.jsonl", path)
        (entry,) = home.look(name)
        assert (entry["activity"], entry["updated"], entry["session_id"]) == (expected, int(path.stat().st_mtime), SAID), conversation
        assert entry["rollout"] == str(path) and entry["sizes"]["rollout"] == path.stat().st_size
    os.utime(path, (1795343649, 1795343649))
    (entry,) = home.look(name)
    assert (entry["activity"], entry["updated"], entry["turn"]) == ("idle", 1795343649, "open"), "of an earlier launch"
    with open(live.launcher, "a") as stream:
        stream.write(f"  {live.codex_link} --ask-for-approval never -- 'say hello'\n")
    assert home.look(name)[0]["activity"] == "starting", "the prompt is still to come"


@EVERY_SHELL
def test_a_workdir_of_its_own(home: Home, name: str) -> None:
    elsewhere = home.base / "else where"
    elsewhere.mkdir()
    (elsewhere / "optio.log").write_text("DONE")
    home.session("one", workdir=str(elsewhere))
    (entry,) = home.look(name)
    assert (entry["workdir"], entry["log"]) == (str(elsewhere), "DONE")


def test_the_script_by_shellcheck() -> None:
    params = options(SUBJECT, name="it-is", root="~/x", screen=True, history=5)
    shell.shellcheck(SUBJECT.script(params), "SC2012", "SC2154")


@EVERY_SHELL
def test_a_damaged_record_hides_no_other_session(home: Home, name: str) -> None:
    home.session("good")
    Path(home.session("bad").record).write_text("\0garbage\n")
    found = {entry["name"]: entry for entry in home.look(name)}
    assert set(found) == {"good", "bad"} and found["bad"]["workdir"] == f"{home.root}/bad/workdir"
    assert found["bad"]["status"] == "lost"


# the parser


def sections(**fields: str) -> list[Section]:
    worker = Section("worker", {"system": "Linux", "user": "alice", "node": "w", "root": "/r"})
    return [worker, Section("session", {"name": "one", "workdir": "/w", **fields})]


@pytest.mark.parametrize("field", ["name", "workdir"])
def test_a_record_without_its_name_is_not_understood(field: str) -> None:
    with pytest.raises(UnknownObservation, match="the probe gave session"):
        parse_sessions(sections(**{field: ""}), False)


@pytest.mark.parametrize(("age", "expected"), [(0, "starting"), (PROMPTED - 1, "starting"), (PROMPTED, "idle")])
def test_a_prompt_that_was_lost_is_not_waited_for(age: int, expected: str) -> None:
    seen = sections(prompted="1", pane=f"11 10 0 0 {NOW}")
    seen[0].fields["now"] = str(NOW + age)
    seen[1].lines["screen"] = screen_of("0.169.0-idle").splitlines()
    assert parse_sessions(seen, False)[0]["activity"] == expected


@pytest.mark.parametrize(("age", "expected"), [(0, "working"), (FRESH, "idle")])
def test_a_damaged_rollout_is_no_work(age: int, expected: str) -> None:
    seen = sections(rollout=ROLLOUT, updated=str(NOW), pane=f"11 10 0 0 {BEFORE}")
    seen[0].fields["now"] = str(NOW + age)
    seen[1].lines["screen"] = screen_of("0.169.0-idle").splitlines()
    assert parse_sessions(seen, False)[0]["activity"] == expected


def test_what_is_not_known_is_none() -> None:
    (entry,) = parse_sessions(sections(), False)
    assert (entry["started"], entry["updated"], entry["log"], entry["version"]) == (None, None, None, None)
