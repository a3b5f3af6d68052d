# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What keeps a session's processes: exact commands, and which of the two it is."""

from __future__ import annotations

import hashlib
import os
import re
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from ansible_collections.optio.codex.plugins.module_utils._core.errors import OptioError
from ansible_collections.optio.codex.plugins.module_utils._core.host import Completed
from ansible_collections.optio.codex.plugins.module_utils._launch.spec import SessionSpec
from ansible_collections.optio.codex.plugins.module_utils._session import supervisor
from ansible_collections.optio.codex.plugins.module_utils._session.command_line import tmux_start
from ansible_collections.optio.codex.plugins.module_utils._session.layout import SessionPaths
from ansible_collections.optio.codex.plugins.module_utils._session.state import Session, Worker
from ansible_collections.optio.codex.plugins.module_utils._session.supervisor import (
    DAEMON_START,
    INHERITED,
    Detached,
    NoLingering,
    Systemd,
    UserSystemd,
    inherited_environment,
    server_environment,
    supervisor_of,
)
from ansible_collections.optio.codex.tests.unit.support.session_builders import LAYOUT, WORKER, Call, FakeHost, session_of, view_of

SERVER = {
    "PATH": WORKER.path,
    "HOME": WORKER.home,
    "USER": "alice",
    "LOGNAME": "alice",
    "SHELL": "/bin/sh",
    "LANG": "C.UTF-8",
    "OPTIO_CODEX_TASK": f"{LAYOUT.task}:",
}
ASSIGNMENTS = [f"{name}={value}" for name, value in SERVER.items()]
SESSION_UNIT, TERMINAL_UNIT = "optio-codex@review.service", "optio-ttyd@review.service"
DIGEST = hashlib.sha256(LAYOUT.task.encode()).hexdigest()[:12]
TTYD = ["/usr/bin/ttyd", "-i", LAYOUT.terminal_socket, "--", "tmux"]


ROOTS = replace(LAYOUT, runtime=f"/run/optio-codex/{LAYOUT.name}")
ROOT = replace(WORKER, privileged=True, systemd=True)
MANAGED = replace(WORKER, user_manager=True, uid=1000)


@pytest.mark.parametrize(
    ("worker", "layout", "name"),
    [
        (WORKER, LAYOUT, "detached"),
        (replace(WORKER, privileged=True), ROOTS, "detached"),
        (ROOT, ROOTS, "systemd"),
        (replace(ROOT, user_manager=True), ROOTS, "systemd"),
        (MANAGED, LAYOUT, "systemd-user"),
        # one that its own user launched: a unit of its name is another session's
        (ROOT, LAYOUT, "detached"),
        (replace(ROOT, user_manager=True), LAYOUT, "systemd-user"),
        # one of root's that its user launches again
        (MANAGED, ROOTS, "detached"),
    ],
)
def test_what_keeps_the_next_launch(worker: Worker, layout: SessionPaths, name: str) -> None:
    view = view_of(session_of("absent", SessionSpec(), layout), worker=worker, layout=layout)
    assert view.supervisor == view.recorded_supervisor == name
    assert supervisor_of(view.supervisor, FakeHost(), view).name == name


@pytest.mark.parametrize(
    ("recorded", "units", "layout", "name"),
    [
        # whatever the worker has become since
        ("detached", (), LAYOUT, "detached"),
        ("systemd", (), ROOTS, "systemd"),
        ("systemd-user", (), LAYOUT, "systemd-user"),
        # a record is its user's own file, and root's units are not
        ("systemd", (), LAYOUT, "detached"),
        ("systemd-user", (), ROOTS, "detached"),
        ("nonsense", (), LAYOUT, "detached"),
        # no record: by the units that are there
        ("", ("optio-codex@review.service",), ROOTS, "systemd"),
        ("", ("optio-codex@review-0.service",), LAYOUT, "systemd-user"),
    ],
)
@pytest.mark.parametrize("worker", [WORKER, ROOT, MANAGED])
def test_what_keeps_a_session_goes_by_its_record(
    recorded: str, units: tuple[str, ...], layout: SessionPaths, name: str, worker: Worker
) -> None:
    record = {"supervisor": recorded} if recorded else {}
    view = view_of(Session(record=record, units=units), worker=worker, layout=layout)
    assert view.recorded_supervisor == name


@pytest.mark.parametrize("name", INHERITED)
def test_variables_that_a_session_inherits(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for known in INHERITED:
        monkeypatch.delenv(known, raising=False)
    assert inherited_environment(()) == {"LANG": "C.UTF-8"}
    monkeypatch.setenv(name, "de_DE.UTF-8")
    monkeypatch.setenv("OPENAI_API_KEY", "hunter2")
    found = inherited_environment(())
    # LC_ALL would override everything, and Ansible may set it to C
    assert found.get(name) == (None if name == "LC_ALL" else "de_DE.UTF-8")
    assert "hunter2" not in found.values()
    assert name not in inherited_environment((name,))


@pytest.mark.parametrize(("given", "lang"), [("C", "C.UTF-8"), ("", "C.UTF-8"), ("de_DE.utf8", "de_DE.utf8"), ("de_DE", "C.UTF-8")])
def test_boxes_need_a_utf8_locale(given: str, lang: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANG", given)
    assert inherited_environment(())["LANG"] == lang


def test_the_servers_environment_holds_no_secret_and_the_tag() -> None:
    assert server_environment(LAYOUT, WORKER) == SERVER
    assert server_environment(LAYOUT, replace(WORKER, path=""))["PATH"] == "/usr/local/bin:/usr/bin:/bin"


# detached


def test_detached_commands() -> None:
    host = FakeHost()
    recorded_supervisor = Detached(host)
    recorded_supervisor.start_session(LAYOUT, WORKER, {})
    assert recorded_supervisor.start_terminal(LAYOUT, WORKER, TTYD) == host.pid
    recorded_supervisor.stop_terminal(LAYOUT)
    recorded_supervisor.stop_session(LAYOUT)
    assert host.calls == [
        Call(tuple(tmux_start(LAYOUT)), environment=SERVER, cwd=LAYOUT.workdir),
        Call(tuple(TTYD), environment=SERVER, cwd="/", spawned=True),
    ]


def test_detached_tmux_that_does_not_start() -> None:
    host = FakeHost(lambda call: Completed(1, "", "lost server"))
    with pytest.raises(OptioError, match="tmux of session review did not start: lost server"):
        Detached(host).start_session(LAYOUT, WORKER, {})


# systemd


def test_systemd_starts_a_session() -> None:
    host = FakeHost()
    Systemd(host).start_session(ROOTS, replace(WORKER, tmux="/opt/tmux"), {})
    assert host.argvs() == [
        ["systemctl", "stop", SESSION_UNIT],
        ["systemctl", "reset-failed", SESSION_UNIT],
        [
            *("systemd-run", "--quiet", "--collect", f"--unit={SESSION_UNIT}"),
            *("--property=User=alice", "--property=Type=forking", "--property=KillMode=control-group"),
            *("--property=TimeoutStopSec=10", "--property=SuccessExitStatus=143", "--property=OOMPolicy=continue"),
            "--property=Description=codex session review",
            *("--", "/usr/bin/env", "-i", *ASSIGNMENTS),
            *("/bin/sh", "-c", DAEMON_START, ROOTS.tmux_socket, "/opt/tmux", *tmux_start(ROOTS)[1:]),
        ],
    ]
    assert all(call.privileged for call in host.calls)


#: becomes a daemon as tmux does, but the process of the first step takes its time
SLOW_TMUX = """#!{python}
import os, sys, time
place = os.path.dirname(__file__)
if "display-message" in sys.argv:
    sys.exit(print(open(place + "/pid").read()))
if "fails" in sys.argv:
    sys.exit(3)
if os.fork() == 0:
    if os.fork() == 0:
        os.setsid()
        with open(place + "/new", "w") as stream:
            stream.write(str(os.getpid()))
        os.rename(place + "/new", place + "/pid")
        time.sleep(30)
    time.sleep(0.5)
    os._exit(0)
while not os.path.exists(place + "/pid"):
    time.sleep(0.01)
"""


def test_unit_is_started_only_when_tmux_has_become_a_daemon(tmp_path: Path) -> None:
    """Else systemd would take the process that has not ended for the main one."""
    tmux = tmp_path / "tmux"
    tmux.write_text(SLOW_TMUX.format(python=sys.executable))
    tmux.chmod(0o755)
    start = ["/bin/sh", "-c", DAEMON_START, "/run/socket", str(tmux)]
    subprocess.run([*start, "new-session"], check=True, timeout=20, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    server = int((tmp_path / "pid").read_text())
    try:
        parent = re.search(r"^PPid:\s+(\d+)$", Path(f"/proc/{server}/status").read_text(), re.MULTILINE)
        assert parent and Path(f"/proc/{parent.group(1)}/comm").read_text() != "tmux\n"
    finally:
        os.kill(server, signal.SIGKILL)
    assert subprocess.run([*start, "fails"], check=False, timeout=20).returncode == 3


def test_systemd_starts_a_terminal() -> None:
    host = FakeHost(lambda call: Completed(0, "4711\n", "") if "show" in call.argv else None)
    assert Systemd(host).start_terminal(ROOTS, WORKER, TTYD) == 4711
    assert host.argvs() == [
        ["systemctl", "stop", TERMINAL_UNIT],
        ["systemctl", "reset-failed", TERMINAL_UNIT],
        [
            *("systemd-run", "--quiet", "--collect", f"--unit={TERMINAL_UNIT}"),
            *("--property=User=alice", "--property=Type=exec"),
            *(f"--property=BindsTo={SESSION_UNIT}", f"--property=After={SESSION_UNIT}"),
            "--property=TimeoutStopSec=10",
            "--property=Description=browser terminal of codex session review",
            *("--", "/usr/bin/env", "-i", *ASSIGNMENTS),
            *("/bin/sh", "-c", 'exec "$@" >"$0" 2>&1', ROOTS.terminal_log, *TTYD),
        ],
        ["systemctl", "show", "--value", "--property=MainPID", TERMINAL_UNIT],
    ]
    assert all(call.privileged for call in host.calls)


def test_systemd_stops() -> None:
    host = FakeHost()
    Systemd(host).stop_terminal(ROOTS)
    Systemd(host).stop_session(ROOTS)
    assert host.argvs() == [
        ["systemctl", "stop", TERMINAL_UNIT],
        ["systemctl", "reset-failed", TERMINAL_UNIT],
        ["systemctl", "stop", SESSION_UNIT],
        ["systemctl", "reset-failed", SESSION_UNIT],
    ]


@pytest.mark.parametrize("unit", [SESSION_UNIT, TERMINAL_UNIT])
def test_a_unit_that_does_not_start(unit: str) -> None:
    host = FakeHost(lambda call: Completed(1, "", "Failed to start") if "systemd-run" in call.argv else None)
    with pytest.raises(OptioError, match=f"{unit} of session review did not start: Failed to start"):
        if unit == SESSION_UNIT:
            Systemd(host).start_session(ROOTS, WORKER, {})
        else:
            Systemd(host).start_terminal(ROOTS, WORKER, TTYD)


def test_a_terminal_that_has_gone_already() -> None:
    host = FakeHost(lambda call: Completed(0, "0\n", "") if "show" in call.argv else None)
    assert Systemd(host).start_terminal(ROOTS, WORKER, TTYD) == 0


def test_limits_are_properties_of_the_unit() -> None:
    host = FakeHost()
    Systemd(host).start_session(ROOTS, WORKER, {"memory_max": "2G", "cpu_quota": "150%", "tasks_max": "500"})
    given = [word.removeprefix("--property=") for word in host.argvs()[-1] if "=" in word]
    assert {"MemoryMax=2G", "CPUQuota=150%", "TasksMax=500"} <= set(given)
    # tmux does not know of limits
    Detached(FakeHost()).start_session(LAYOUT, WORKER, {"memory_max": "2G"})


# the user's own systemd


class Login:
    """A user's systemd and logind, as far as they are asked."""

    def __init__(self, base: Path, patch: pytest.MonkeyPatch) -> None:
        self.lingering = base / "linger"
        self.lingering.mkdir()
        patch.setattr(supervisor, "LINGERING", str(self.lingering))
        self.allowed = True
        self.states = ["running"]
        self.units: list[str] = []
        self.host = FakeHost(self.answer)
        self.worker = replace(MANAGED, home=str(base))
        self.mark = base / ".local/share/optio-codex/.linger"

    def answer(self, call: Call) -> Completed | None:
        words = call.argv[2:] if call.argv[0] == "/usr/bin/env" else call.argv
        if words[0] == "loginctl":
            assert call.privileged
            if not self.allowed:
                return Completed(1, "", "Could not enable linger: Access denied")
            file = self.lingering / words[-1]
            file.touch() if words[2] == "enable-linger" else file.unlink()
            return None
        assert not call.privileged and words[1] == "--user" and call.argv[1] == "XDG_RUNTIME_DIR=/run/user/1000"
        if words[0] == "systemd-run":
            self.units += [word.removeprefix("--unit=") for word in words if word.startswith("--unit=")]
        if words[2] == "stop":
            self.units = [unit for unit in self.units if unit != words[3]]
        if words[2] == "is-system-running":
            return Completed(1, f"{self.states.pop(0) if len(self.states) > 1 else self.states[0]}\n", "")
        return Completed(0, "".join(f"{unit} loaded active\n" for unit in self.units), "") if words[2] == "list-units" else None

    def recorded_supervisor(self) -> UserSystemd:
        return UserSystemd(self.host, self.worker)

    @property
    def lingers(self) -> bool:
        return (self.lingering / "alice").exists()


@pytest.fixture
def login(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Login:
    return Login(tmp_path, monkeypatch)


def test_a_users_units(login: Login) -> None:
    login.recorded_supervisor().start_session(LAYOUT, login.worker, {})
    words = list(login.host.argvs()[-1])
    assert words[:5] == ["/usr/bin/env", "XDG_RUNTIME_DIR=/run/user/1000", "systemd-run", "--user", "--quiet"]
    assert f"--unit=optio-codex@review-{DIGEST}.service" in words
    assert not any(word.startswith("--property=User") for word in words)
    login.recorded_supervisor().start_terminal(LAYOUT, login.worker, TTYD)
    assert f"--property=BindsTo=optio-codex@review-{DIGEST}.service" in login.host.argvs()[-2]


def other(name: str) -> SessionPaths:
    return replace(LAYOUT, name=name, task=LAYOUT.task.replace("review", name))


def test_lingering_lasts_as_long_as_the_last_session(login: Login) -> None:
    for name in ("one", "two"):
        login.recorded_supervisor().start_session(other(name), login.worker, {})
        assert login.lingers and login.mark.exists()
    for name, lingers in (("one", True), ("two", False)):
        login.recorded_supervisor().stop_session(other(name))
        login.recorded_supervisor().release()
        assert (login.lingers, login.mark.exists()) == (lingers, lingers)
    asked = [call.argv[2] for call in login.host.calls if call.argv[0] == "loginctl"]
    assert asked == ["enable-linger", "disable-linger"]


def test_lingering_that_others_have_set_stays(login: Login) -> None:
    (login.lingering / "alice").touch()
    login.recorded_supervisor().start_session(LAYOUT, login.worker, {})
    login.recorded_supervisor().stop_session(LAYOUT)
    login.recorded_supervisor().release()
    assert login.lingers and not login.mark.exists()
    assert not [call for call in login.host.calls if call.argv[0] == "loginctl"]


def test_a_user_who_may_not_linger(login: Login) -> None:
    login.allowed = False
    with pytest.raises(NoLingering, match="Access denied"):
        login.recorded_supervisor().start_session(LAYOUT, login.worker, {})
    assert not login.mark.exists() and login.units == []


@pytest.mark.parametrize(("states", "waits"), [(["stopping", "", "running"], 0.2), (["starting"], 0), (["degraded"], 0)])
def test_a_manager_that_was_about_to_end_comes_back(login: Login, states: list[str], waits: float) -> None:
    login.states = states
    login.recorded_supervisor().start_session(LAYOUT, login.worker, {})
    assert login.host.now == pytest.approx(waits)


def test_a_manager_that_does_not_come_back(login: Login) -> None:
    login.states = ["stopping"]
    with pytest.raises(NoLingering, match="does not run within 10 s"):
        login.recorded_supervisor().start_session(LAYOUT, login.worker, {})
    login.recorded_supervisor().release()
    assert not login.lingers and not login.mark.exists()
