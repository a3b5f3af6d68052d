# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""All sessions of a worker in one probe: what is on record, and what codex does."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.optio.codex.plugins.module_utils._core.errors import ProbeError
from ansible_collections.optio.codex.plugins.module_utils._core.probe import Section, parse
from ansible_collections.optio.codex.plugins.module_utils._launch.spec import SessionSpec, recorded_options
from ansible_collections.optio.codex.plugins.module_utils._monitor.activity import PROMPTED
from ansible_collections.optio.codex.plugins.module_utils._monitor.session_info import RESOURCE
from ansible_collections.optio.codex.plugins.module_utils._monitor.session_list import parse_sessions, unknown_warnings
from ansible_collections.optio.codex.plugins.module_utils._session.command_line import TerminalOptions
from ansible_collections.optio.codex.plugins.module_utils._session.layout import (
    OWN,
    PACKAGE,
    PROJECT,
    SessionPaths,
    package_socket,
    runtime_digest,
)
from ansible_collections.optio.codex.plugins.module_utils._session.record import record_text
from ansible_collections.optio.codex.plugins.module_utils._session.state import ObservedSession, Session, Workspace
from ansible_collections.optio.codex.tests.unit.support import shells
from ansible_collections.optio.codex.tests.unit.support.codex_log import log_of
from ansible_collections.optio.codex.tests.unit.support.hostile_paths import sparse
from ansible_collections.optio.codex.tests.unit.support.local_probe import plain_user
from ansible_collections.optio.codex.tests.unit.support.session_builders import FIXTURES, WORKER, options

LAUNCHED = SessionSpec()
SAID = "01a202d2-04bc-7371-ae76-9a22157469e5"
ROLLOUT = f"/t/home/.codex/sessions/2026/11/22/rollout-2026-11-22T10-00-00-{SAID}.jsonl"
NOW, BEFORE = 1795343650, 1795343600


def screen_of(name: str) -> str:
    return (FIXTURES / "screens" / f"{name}.txt").read_text()


# the script, on real directories


class Home:
    """A home with a root of sessions, and a tmux for one of them."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.root = base / "root"
        self.root.mkdir()

    def session(self, name: str, spec: SessionSpec = LAUNCHED, **changes: str) -> SessionPaths:
        workdir, runtime = f"{self.root}/{name}/workdir", f"{self.root}/.run/{runtime_digest(name)}"
        layout = SessionPaths(name, f"{self.root}/{name}", workdir, runtime, origin=changes.get("origin", OWN))
        os.makedirs(layout.workdir)
        view = ObservedSession(WORKER, layout, Workspace(), Session())
        text = record_text(view, recorded_options(spec))
        lines = dict(line.partition("=")[::2] for line in f"{text}started=1795343648\n".splitlines())
        Path(layout.record).write_text("".join(f"{key}={value}\n" for key, value in {**lines, **changes}.items()))
        return layout

    def look(self, program: str, /, *, plain: bool = False, **given: Any) -> list[dict[str, Any]]:
        """Return what a shell sees of all sessions; ``plain`` makes it a plain user's, whoever runs the tests."""
        params = options(RESOURCE, **{"sessions_dir": str(self.root), **given})
        RESOURCE.validate(params)
        environment = {"HOME": str(self.base), "PATH": f"{plain_user(self.base)}:{os.environ['PATH']}" if plain else os.environ["PATH"]}
        answer = shells.run(program, RESOURCE.probe_script(params), environment=environment)
        plan = RESOURCE.plan(RESOURCE.parse_probe(parse(answer), params), params)
        assert not plan.actions and not plan.changes
        return list(plan.result["sessions"])


@pytest.fixture
def home(open_path: Path) -> Home:
    return Home(open_path)


@pytest.fixture
def live(home: Home) -> Iterator[SessionPaths]:
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

    def capture() -> str:
        return subprocess.run([*argv, "capture-pane", "-p"], check=True, capture_output=True, text=True, timeout=10).stdout

    try:
        child = Path(f"{layout.task}/child")
        # the shell creates the file before it writes to it, and tmux draws what it reads later than both
        while not (child.exists() and child.read_text().endswith("\n")) or "Ask Codex" not in capture():
            assert Path(f"/proc/{server}").exists()
        yield layout
    finally:
        subprocess.run([*argv, "kill-server"], check=False, timeout=10)


EVERY_SHELL = pytest.mark.parametrize("name", shells.SHELLS)


@EVERY_SHELL
def test_no_sessions(home: Home, name: str) -> None:
    assert home.look(name) == []
    (home.root / "files").write_text("")
    (home.root / "workspace").mkdir()
    shutil.rmtree(home.root / "workspace")
    assert home.look(name) == home.look(name, sessions_dir=str(home.root / "none")) == home.look(name, sessions_dir="") == []


@EVERY_SHELL
def test_sessions_of_every_kind(home: Home, name: str, live: SessionPaths) -> None:
    finished = home.session("finished")
    Path(finished.exit_status).write_text("7 1795343700\n")
    Path(finished.log).write_text("STATUS: 50%\nERROR: codex\texited 7\n")
    stopped = home.session("a-stopped")
    Path(stopped.exit_status).write_text("143 1795343700\n")
    Path(stopped.stopped_mark).write_text("")
    home.session("lost", SessionSpec(terminal=TerminalOptions("tcp", port=7681)))
    found = {entry["name"]: entry for entry in home.look(name)}
    assert list(found) == ["a-stopped", "finished", "live", "lost"]
    assert {name: (entry["status"], entry["activity"]) for name, entry in found.items()} == {
        "a-stopped": ("stopped", None),
        "finished": ("finished", "failed"),
        "live": ("running", "idle"),
        "lost": ("lost", None),
    }
    entry = found["live"]
    assert (entry["started_at"], entry["terminal"], entry["tmux_socket"]) == (1795343648, "dead", live.tmux_socket)
    assert entry["pid"] == int(Path(f"{live.task}/child").read_text())
    assert "attach-session" in entry["attach_command"] and "screen" not in entry
    entry = found["finished"]
    # control characters of the agent's own making do not reach the caller
    assert (entry["exit_status"], entry["ended_at"], entry["log"]) == (7, 1795343700, "ERROR: codexexited 7")
    assert found["lost"]["port"] == 7681 and found["lost"]["terminal_socket"] is None
    home.session("adopted", adopted="1")
    # its terminal is for whoever launched it
    assert [entry["terminal"] for entry in home.look(name, name="adopted")] == [None]
    assert [entry["name"] for entry in home.look(name, name="finished")] == ["finished"]
    assert home.look(name, name="none") == []


@EVERY_SHELL
def test_an_adopted_session_is_seen_where_it_runs(home: Home, name: str) -> None:
    layout = home.session("adopted", adopted="1", origin=PACKAGE)
    socket = package_socket(layout.workdir)
    codex = f"echo here; exec env CODEX_HOME='{layout.codex_home}' sleep 60"
    subprocess.run(["tmux", "-S", socket, "-f", "/dev/null", "new-session", "-d", "-s", "optio", codex], check=True, timeout=10)
    try:
        deadline = time.monotonic() + 10
        while (entry := home.look(name, include_screen=True)[0])["status"] != "running" or "here" not in entry["screen"]:
            assert time.monotonic() < deadline, entry
        assert (entry["tmux_socket"], entry["terminal"], entry["tunnel_command"]) == (socket, None, None)
        assert socket in entry["attach_command"]
    finally:
        subprocess.run(["tmux", "-S", socket, "kill-server"], check=False, timeout=10)
        Path(socket).unlink()


@EVERY_SHELL
def test_the_screen_on_request(home: Home, name: str, live: SessionPaths) -> None:
    home.session("lost")
    shown, lost = home.look(name, include_screen=True)
    recorded = screen_of("0.169.0-idle")
    assert shown["screen"].splitlines()[-3:] == [line.rstrip() for line in recorded.rstrip("\n").splitlines()[-3:]]
    assert lost["screen"] is None
    assert "\n3\n" not in shown["screen"]
    longer = home.look(name, include_screen=True, scrollback_lines=500)[0]["screen"]
    assert longer.startswith("1\n2\n3\n") and longer.endswith(shown["screen"][-200:])


@pytest.mark.parametrize(("release", "name"), [("0.142.5", "dash"), ("0.169.0", "busybox")])
def test_the_last_turn_of_recorded_conversations(home: Home, name: str, live: SessionPaths, release: str) -> None:
    directory = Path(live.codex_home) / "sessions/2026/11/22"
    directory.mkdir(parents=True)
    path = directory / f"rollout-2026-11-22T10-00-00-{SAID}.jsonl"
    for conversation, expected in (("in-progress", "working"), ("tool-call", "idle"), ("interrupted", "idle"), ("approval", "working")):
        shutil.copy(FIXTURES / "rollouts" / f"{release}-{conversation}.jsonl", path)
        (entry,) = home.look(name)
        assert (entry["activity"], entry["updated_at"], entry["session_id"]) == (expected, int(path.stat().st_mtime), SAID), conversation
        assert entry["rollout"] == str(path) and entry["disk_usage"]["rollout"] == path.stat().st_size
    os.utime(path, (1795343649, 1795343649))
    (entry,) = home.look(name)
    assert (entry["activity"], entry["updated_at"], entry["turn"]) == ("idle", 1795343649, "open"), "of an earlier launch"
    with open(live.launcher, "a") as stream:
        stream.write(f"  {live.codex_link} --ask-for-approval never -- 'say hello'\n")
    assert home.look(name)[0]["activity"] == "starting", "the prompt is still to come"


#: (the origin, where the log is, where codex's home is)
PLACES = [
    (OWN, "{task}/workdir", "{task}/home"),
    (PROJECT, "{task}/agent", "{task}/home"),
    (PACKAGE, "{workdir}", "{workdir}/home"),
]


#: (a recorded conversation, the activity, the percentage of the limit, the outcome)
RECORDED: list[tuple[str, str, float | None, str | None]] = [
    ("near-limit", "idle", 95, None),
    ("limit", "limited", 100, None),
    ("limit-after-tool", "limited", 100, None),
    ("after-limit", "idle", None, None),
    ("declared", "done", None, "done"),
]


@pytest.mark.parametrize(("release", "name"), [("0.142.5", "dash"), ("0.169.0", "busybox")])
def test_limits_and_outcomes_of_recorded_conversations(home: Home, name: str, live: SessionPaths, release: str) -> None:
    directory = Path(live.codex_home) / "sessions/2026/11/22"
    directory.mkdir(parents=True)
    path = directory / f"rollout-2026-11-22T10-00-00-{SAID}.jsonl"
    Path(live.log).write_text("STATUS: 50% on it\n")
    # as it was when the turn ended
    os.utime(live.log, (1795903200, 1795903200))
    for conversation, activity, percent, outcome in RECORDED:
        # the turn may have ended before the terminal of this test was begun
        recorded = (FIXTURES / "rollouts" / f"{release}-{conversation}.jsonl").read_text()
        path.write_text(re.sub(r'"completed_at": [0-9]+', f'"completed_at": {int(time.time())}', recorded))
        (entry,) = home.look(name)
        assert (entry["activity"], entry["progress"]["outcome"]) == (activity, outcome), conversation
        assert (entry["usage_limit"] or {}).get("used_percent") == percent
        assert entry["progress"]["percent"] == 50 and entry["log"] == "STATUS: 50% on it"
    assert entry["progress"]["outcome_text"] == 'all "well" in C:\\new'


@EVERY_SHELL
def test_a_session_that_a_person_has_quit(home: Home, name: str) -> None:
    layout = home.session("quit")
    log = Path(layout.log)
    for written, exit_file, expected in (
        ("DONE: codex exited\n", "0 1795343700", "ended"),
        ("STATUS: 90%\nDONE: codex exited\n", "0 1795343700 1795343690", "ended"),
        ("DONE: all well\nDONE: codex exited\n", "0 1795343700 1795343690", "done"),
        ("ERROR: no network\nDONE: codex exited\n", "0 1795343700 1795343690", "failed"),
        ("ERROR: codex exited 7\n", "7 1795343700 1795343690", "failed"),
    ):
        log.write_text(written)
        Path(layout.exit_status).write_text(f"{exit_file}\n")
        (entry,) = home.look(name)
        assert (entry["activity"], entry["ended_at"]) == (expected, 1795343700), written
        assert entry["progress"]["outcome"] == {"done": "done", "failed": "error"}.get(expected if exit_file[0] == "0" else "")


@EVERY_SHELL
def test_mcp_servers_that_could_not_be_started(home: Home, name: str, live: SessionPaths) -> None:
    pid = int(Path(f"{live.task}/child").read_text())
    os.makedirs(live.codex_home)
    log_of(Path(live.codex_home), pid).close()
    assert home.look(name)[0]["mcp_failures"] == [], "no server is configured"
    (Path(live.codex_home) / "config.toml").write_text("[mcp_servers.broken]\n")
    (entry,) = home.look(name)
    assert [failure["name"] for failure in entry["mcp_failures"]] == ["absent", "broken", "remote", "slow"]
    Path(live.exit_status).write_text("0 1795343700\n")
    assert home.look(name)[0]["mcp_failures"] == [], "codex has ended"


#: what an agent makes in the place of its log, and the line of it that is shown
LOGS: dict[str, tuple[Callable[[Path], object], str | None]] = {
    "link": (lambda log: log.symlink_to(log.parent.parent / "session"), None),
    "link to the kernel's log": (lambda log: log.symlink_to("/proc/kmsg"), None),
    "pipe": (os.mkfifo, None),
    "directory": (Path.mkdir, None),
    "10 GiB": (sparse, None),
    "file": (lambda log: log.write_text("STATUS: 50%\n"), "STATUS: 50%"),
}


@EVERY_SHELL
def test_what_an_agent_puts_in_the_place_of_its_log(home: Home, name: str) -> None:
    """Nothing that a link leads to is shown, and nothing is waited for."""
    for number, (make, _line) in enumerate(LOGS.values()):
        make(Path(home.session(f"s{number}").log))
    begun = time.monotonic()
    seen = home.look(name)
    assert [entry["log"] for entry in seen] == [line for _make, line in LOGS.values()]
    assert {entry["status"] for entry in seen} == {"lost"} and time.monotonic() - begun < 10


@EVERY_SHELL
@pytest.mark.parametrize(("origin", "log_dir", "codex"), PLACES)
def test_the_log_and_the_conversation_of_every_origin(home: Home, name: str, origin: str, log_dir: str, codex: str) -> None:
    """Each is read where the session has it, whatever lies at the other places."""
    elsewhere = home.base / "else where"
    named: dict[str, Any] = {} if origin == OWN else {"workdir": str(elsewhere)}
    layout = home.session("one", origin=origin, **named)
    workdir = Path(named.get("workdir", layout.workdir))
    places = {text.format(task=layout.task, workdir=workdir): text for text in ("{task}/workdir", "{task}/agent", "{workdir}")}
    for directory in places:
        Path(directory).mkdir(exist_ok=True)
        Path(directory, "optio.log").write_text(f"STATUS: {directory}")
    for parent in (Path(layout.task), workdir):
        (parent / "home/.codex/sessions").mkdir(parents=True)
        (parent / f"home/.codex/sessions/rollout-2026-11-22T10-00-00-{SAID}.jsonl").write_text("{}\n")
    (entry,) = home.look(name, include_disk_usage=True)
    expected = {key: text.format(task=layout.task, workdir=workdir) for key, text in (("log", log_dir), ("home", codex))}
    assert (entry["workdir"], entry["home"], entry["log_path"]) == (str(workdir), expected["home"], f"{expected['log']}/optio.log")
    assert entry["log"] == f"STATUS: {expected['log']}" and entry["rollout"].startswith(f"{expected['home']}/.codex/")
    assert entry["disk_usage"]["home"] > 0


@EVERY_SHELL
def test_a_session_that_was_removed_by_hand_is_listed(home: Home, name: str) -> None:
    """By its prompt's mark, or by the copy of its record: its prompt must not be given again."""
    marked, copied, both, foreign = (home.session(session) for session in ("marked", "copied", "both", "foreign"))
    os.unlink(marked.record)
    Path(marked.prompt_mark).write_text("1795343648\n")
    copies = home.base / "root/.records"
    for layout in (copied, both, foreign):
        (copies / layout.name).mkdir(parents=True)
        shutil.copy(layout.record, copies / layout.name / "record")
        (copies / layout.name / "prompt").write_text(f"given {layout.task}\n")
    shutil.rmtree(copied.task)
    os.unlink(both.record)
    Path(both.prompt_mark).write_text("1795343648\n")
    shutil.rmtree(foreign.task)
    record = (copies / "foreign/record").read_text()
    (copies / "foreign/record").write_text(record.replace(f"task={foreign.task}", "task=/r/foreign"))
    found = [(entry["name"], entry["status"], entry["prompt_given"]) for entry in home.look(name, plain=True)]
    assert found == [("both", "lost", "unknown"), ("copied", "lost", "unknown"), ("marked", "damaged", "unknown")]
    assert [entry["name"] for entry in home.look(name, plain=True, name="copied")] == ["copied"]


def test_the_script_by_shellcheck() -> None:
    params = options(RESOURCE, name="it-is", sessions_dir="~/x", include_screen=True, scrollback_lines=5)
    shells.shellcheck(RESOURCE.probe_script(params), "SC2012", "SC2154")


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


def test_a_record_without_its_name_is_not_understood() -> None:
    with pytest.raises(ProbeError, match="the probe gave session"):
        parse_sessions(sections(name=""), False)


@pytest.mark.parametrize(
    ("fields", "problem", "error"),
    [
        ({"workdir": ""}, None, "the probe gave session 'one' the workdir ''"),
        ({"pane": "none"}, None, "tmux listed 'none'"),
        ({"cut": "1"}, "the probe printed 'exi'", "session one could not be examined in time. Look for"),
        ({}, "the value of pane has a line break", "session one: the value of pane has a line break"),
    ],
)
def test_a_session_that_is_not_understood_hides_no_other(fields: dict[str, str], problem: str | None, error: str) -> None:
    seen = [*sections(**fields), Section("session", {"name": "two", "workdir": "/v"})]
    seen[1].problem = problem
    one, two = parse_sessions(seen, False)
    assert (one["name"], one["status"], one["activity"]) == ("one", "unknown", None)
    assert one["error"].startswith(error) and unknown_warnings([one, two]) == (one["error"],)
    assert (two["workdir"], two["status"]) == ("/v", "absent")


@pytest.mark.parametrize(("age", "expected"), [(0, "starting"), (PROMPTED - 1, "starting"), (PROMPTED, "idle")])
def test_a_prompt_that_was_lost_is_not_waited_for(age: int, expected: str) -> None:
    seen = sections(prompted="1", pane=f"11 10 0 0 {NOW}")
    seen[0].fields["now"] = str(NOW + age)
    seen[1].lines["screen"] = screen_of("0.169.0-idle").splitlines()
    assert parse_sessions(seen, False)[0]["activity"] == expected


def test_unknown_values_are_none() -> None:
    (entry,) = parse_sessions(sections(), False)
    assert (entry["started_at"], entry["updated_at"], entry["log"], entry["version"]) == (None, None, None, None)
    assert (entry["usage_limit"], entry["mcp_failures"]) == (None, [])


@pytest.mark.parametrize(("status", "expected"), [("1", f"Error: {'x' * 3992}…"), ("0", None)])
def test_the_error_that_ended_codex_has_a_bound(status: str, expected: str | None) -> None:
    seen = sections(exit=f"{status} 1795343800")
    seen[1].lines.update(screen=["› hello", f"Error: {'x' * 70000}"], record=["name=one"])
    (entry,) = parse_sessions(seen, True)
    assert (entry["status"], entry["error"], entry["screen"] is None) == ("finished", expected, expected is None)
