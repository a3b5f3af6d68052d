# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What keeps a session's processes: a systemd unit each for tmux and ttyd, or detached processes.

Either way they live on when the connection that started them ends.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Protocol

from .command_line import tmux_start
from .errors import OptioError
from .host import Host
from .layout import TAG_VARIABLE, TaskLayout
from .task_probe import TaskView, Worker

#: seconds that systemd leaves to a unit's processes before it kills them
STOP_TIMEOUT = 10
#: variables of the worker that codex may need and that name no identity
INHERITED = (
    *("LANG", "LC_ALL", "LC_CTYPE", "TZ", "TERMINFO", "SSL_CERT_FILE", "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS"),
    *("http_proxy", "https_proxy", "no_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY"),
)


def inherited_environment(removed: Sequence[str]) -> dict[str, str]:
    """Return what a session takes over from the module's own environment, a UTF-8 locale at least."""
    found = {name: os.environ[name] for name in INHERITED if os.environ.get(name)}
    # tmux and ttyd draw boxes as question marks without a UTF-8 locale, and Ansible may run modules with LC_ALL=C
    found.pop("LC_ALL", None)
    found.setdefault("LANG", "C.UTF-8")
    if "utf" not in found["LANG"].lower():
        found["LANG"] = "C.UTF-8"
    return {name: value for name, value in found.items() if name not in removed}


def server_environment(layout: TaskLayout, worker: Worker) -> dict[str, str]:
    """Return the environment of the tmux server and of ttyd: it stays readable in their command lines, so no secrets."""
    return {
        "PATH": worker.path or "/usr/local/bin:/usr/bin:/bin",
        "HOME": worker.home,
        "USER": worker.user,
        "LOGNAME": worker.user,
        "SHELL": "/bin/sh",
        "LANG": "C.UTF-8",
        TAG_VARIABLE: layout.tag,
    }


class Supervisor(Protocol):
    """Starts the two processes of a session and takes away what keeps them."""

    name: str

    def unit_of(self, layout: TaskLayout) -> str | None:
        """Return the name of the unit that holds tmux, codex and what it starts; None where there is no unit."""

    def start_session(self, layout: TaskLayout, worker: Worker) -> None:
        """Start tmux with codex in it."""

    def start_terminal(self, layout: TaskLayout, worker: Worker, argv: Sequence[str]) -> int:
        """Start ttyd; return its pid."""

    def stop_terminal(self, layout: TaskLayout) -> None:
        """Take the terminal's unit away, where there is one."""

    def stop_session(self, layout: TaskLayout) -> None:
        """Take the session's unit and all of its processes away, where there is one."""


class Detached:
    """Processes in sessions of their own, without a supervisor; tmux detaches itself."""

    name = "detached"

    def __init__(self, host: Host) -> None:
        self._host = host

    def unit_of(self, layout: TaskLayout) -> str | None:
        return None

    def start_session(self, layout: TaskLayout, worker: Worker) -> None:
        argv = tmux_start(layout)
        done = self._host.run(argv, environment=server_environment(layout, worker), cwd=layout.workdir, timeout=30)
        if done.rc != 0:
            raise _not_started(layout, "tmux", done.message)

    def start_terminal(self, layout: TaskLayout, worker: Worker, argv: Sequence[str]) -> int:
        environment = server_environment(layout, worker)
        return self._host.spawn(argv, environment=environment, cwd="/", log=layout.terminal_log)

    def stop_terminal(self, layout: TaskLayout) -> None:
        pass

    def stop_session(self, layout: TaskLayout) -> None:
        pass


class Systemd:
    """Transient units of the system manager, run as the session's user; they leave no file behind."""

    name = "systemd"

    def __init__(self, host: Host) -> None:
        self._host = host

    def unit_of(self, layout: TaskLayout) -> str | None:
        return self.session_unit(layout)

    @staticmethod
    def session_unit(layout: TaskLayout) -> str:
        """Return the name of the unit that holds tmux, codex and what it starts."""
        return f"optio-codex@{layout.name}.service"

    @staticmethod
    def terminal_unit(layout: TaskLayout) -> str:
        """Return the name of the unit that holds ttyd."""
        return f"optio-ttyd@{layout.name}.service"

    def start_session(self, layout: TaskLayout, worker: Worker) -> None:
        properties = {
            "Type": "forking",
            "User": worker.user,
            # TERM for codex itself too when the host goes down: it saves its state
            "KillMode": "control-group",
            "TimeoutStopSec": str(STOP_TIMEOUT),
            "SuccessExitStatus": "143",
            # one runaway tool command must not take the agent with it
            "OOMPolicy": "continue",
            "Description": f"codex session {layout.name}",
        }
        argv = [worker.tmux, *tmux_start(layout)[1:]]
        self._run_unit(self.session_unit(layout), properties, argv, layout, worker)

    def start_terminal(self, layout: TaskLayout, worker: Worker, argv: Sequence[str]) -> int:
        unit = self.terminal_unit(layout)
        session = self.session_unit(layout)
        properties = {
            "Type": "exec",
            "User": worker.user,
            "BindsTo": session,
            "After": session,
            "TimeoutStopSec": str(STOP_TIMEOUT),
            "Description": f"browser terminal of codex session {layout.name}",
        }
        # the shell opens the log as the session's user; systemd would open it as root, through any link
        logged = ["/bin/sh", "-c", 'exec "$@" >"$0" 2>&1', layout.terminal_log, *argv]
        self._run_unit(unit, properties, logged, layout, worker)
        shown = self._host.run(["systemctl", "show", "--value", "--property=MainPID", unit], privileged=True)
        return int(shown.stdout.strip() or 0)

    def stop_terminal(self, layout: TaskLayout) -> None:
        self._stop(self.terminal_unit(layout))

    def stop_session(self, layout: TaskLayout) -> None:
        self._stop(self.session_unit(layout))

    def _stop(self, unit: str) -> None:
        self._host.run(["systemctl", "stop", unit], timeout=STOP_TIMEOUT + 20, privileged=True)
        self._host.run(["systemctl", "reset-failed", unit], privileged=True)

    def _run_unit(self, unit: str, properties: Mapping[str, str], argv: Sequence[str], layout: TaskLayout, worker: Worker) -> None:
        environment = [f"{name}={value}" for name, value in server_environment(layout, worker).items()]
        # a unit of that name that failed or lingers would refuse the new one
        self._stop(unit)
        done = self._host.run(
            [
                *("systemd-run", "--quiet", "--collect", f"--unit={unit}"),
                *(f"--property={name}={value}" for name, value in properties.items()),
                *("--", "/usr/bin/env", "-i", *environment, *argv),
            ],
            timeout=60,
            privileged=True,
        )
        if done.rc != 0:
            raise _not_started(layout, unit, done.message)


def supervisor_for(host: Host, view: TaskView) -> Supervisor:
    """Return systemd's system manager where root can use it, detached processes elsewhere."""
    return Systemd(host) if view.supervised else Detached(host)


def _not_started(layout: TaskLayout, what: str, message: str) -> OptioError:
    return OptioError(f"session {layout.name}", f"{what} did not start: {message}", "Mend that on the worker and run again")
