# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What keeps a session's processes: exact commands, and which of the two it is."""

from __future__ import annotations

from dataclasses import replace

import pytest
from unit.session_kit import LAYOUT, WORKER, Call, FakeHost, session_of, view_of

from ansible_collections.optio.codex.plugins.module_utils.command_line import tmux_start
from ansible_collections.optio.codex.plugins.module_utils.errors import OptioError
from ansible_collections.optio.codex.plugins.module_utils.host import Completed
from ansible_collections.optio.codex.plugins.module_utils.session_plan import SessionWish
from ansible_collections.optio.codex.plugins.module_utils.supervisor import (
    INHERITED,
    Detached,
    Systemd,
    inherited_environment,
    server_environment,
    supervisor_for,
)

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
TTYD = ["/usr/bin/ttyd", "-i", LAYOUT.terminal_socket, "--", "tmux"]


def test_which_one() -> None:
    roots = replace(LAYOUT, runtime=f"/run/optio-codex/{LAYOUT.name}")
    systemd = replace(WORKER, privileged=True, systemd=True)
    for worker, layout, name in (
        (WORKER, LAYOUT, "detached"),
        (replace(WORKER, privileged=True), roots, "detached"),
        (systemd, roots, "systemd"),
        # one that its own user launched: a unit of its name is another session's
        (systemd, LAYOUT, "detached"),
    ):
        view = view_of(session_of("running", SessionWish(), layout), worker=worker, layout=layout)
        assert supervisor_for(FakeHost(), view).name == name


@pytest.mark.parametrize("name", INHERITED)
def test_what_a_session_takes_over(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
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
    keeper = Detached(host)
    keeper.start_session(LAYOUT, WORKER)
    assert keeper.start_terminal(LAYOUT, WORKER, TTYD) == host.pid
    keeper.stop_terminal(LAYOUT)
    keeper.stop_session(LAYOUT)
    assert host.calls == [
        Call(tuple(tmux_start(LAYOUT)), environment=SERVER, cwd=LAYOUT.workdir),
        Call(tuple(TTYD), environment=SERVER, cwd="/", spawned=True),
    ]


def test_detached_tmux_that_does_not_start() -> None:
    host = FakeHost(lambda call: Completed(1, "", "lost server"))
    with pytest.raises(OptioError, match="session review: tmux did not start: lost server"):
        Detached(host).start_session(LAYOUT, WORKER)


# systemd


def test_systemd_starts_a_session() -> None:
    host = FakeHost()
    Systemd(host).start_session(LAYOUT, replace(WORKER, tmux="/opt/tmux"))
    assert host.argvs() == [
        ["systemctl", "stop", SESSION_UNIT],
        ["systemctl", "reset-failed", SESSION_UNIT],
        [
            *("systemd-run", "--quiet", "--collect", f"--unit={SESSION_UNIT}"),
            *("--property=Type=forking", "--property=User=alice", "--property=KillMode=control-group"),
            *("--property=TimeoutStopSec=10", "--property=SuccessExitStatus=143", "--property=OOMPolicy=continue"),
            "--property=Description=codex session review",
            *("--", "/usr/bin/env", "-i", *ASSIGNMENTS, "/opt/tmux", *tmux_start(LAYOUT)[1:]),
        ],
    ]
    assert all(call.privileged for call in host.calls)


def test_systemd_starts_a_terminal() -> None:
    host = FakeHost(lambda call: Completed(0, "4711\n", "") if "show" in call.argv else None)
    assert Systemd(host).start_terminal(LAYOUT, WORKER, TTYD) == 4711
    assert host.argvs() == [
        ["systemctl", "stop", TERMINAL_UNIT],
        ["systemctl", "reset-failed", TERMINAL_UNIT],
        [
            *("systemd-run", "--quiet", "--collect", f"--unit={TERMINAL_UNIT}"),
            *("--property=Type=exec", "--property=User=alice"),
            *(f"--property=BindsTo={SESSION_UNIT}", f"--property=After={SESSION_UNIT}"),
            "--property=TimeoutStopSec=10",
            "--property=Description=browser terminal of codex session review",
            *("--", "/usr/bin/env", "-i", *ASSIGNMENTS),
            *("/bin/sh", "-c", 'exec "$@" >"$0" 2>&1', LAYOUT.terminal_log, *TTYD),
        ],
        ["systemctl", "show", "--value", "--property=MainPID", TERMINAL_UNIT],
    ]
    assert all(call.privileged for call in host.calls)


def test_systemd_stops() -> None:
    host = FakeHost()
    Systemd(host).stop_terminal(LAYOUT)
    Systemd(host).stop_session(LAYOUT)
    assert host.argvs() == [
        ["systemctl", "stop", TERMINAL_UNIT],
        ["systemctl", "reset-failed", TERMINAL_UNIT],
        ["systemctl", "stop", SESSION_UNIT],
        ["systemctl", "reset-failed", SESSION_UNIT],
    ]


@pytest.mark.parametrize("unit", [SESSION_UNIT, TERMINAL_UNIT])
def test_a_unit_that_does_not_start(unit: str) -> None:
    host = FakeHost(lambda call: Completed(1, "", "Failed to start") if "systemd-run" in call.argv else None)
    with pytest.raises(OptioError, match=f"session review: {unit} did not start: Failed to start"):
        if unit == SESSION_UNIT:
            Systemd(host).start_session(LAYOUT, WORKER)
        else:
            Systemd(host).start_terminal(LAYOUT, WORKER, TTYD)


def test_a_terminal_that_has_gone_already() -> None:
    host = FakeHost(lambda call: Completed(0, "0\n", "") if "show" in call.argv else None)
    assert Systemd(host).start_terminal(LAYOUT, WORKER, TTYD) == 0
