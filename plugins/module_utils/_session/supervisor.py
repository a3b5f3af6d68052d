# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Supervision of a session's processes: units of the system's or of the user's systemd, or detached processes.

Either way they live on when the connection that started them ends.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Protocol

from .._core import files
from .._core.errors import OptioError
from .._core.host import Completed, Host
from .._core.locks import held, open_lock
from .._core.paths import TAG_VARIABLE
from .command_line import tmux_start
from .layout import SESSION_UNIT, TERMINAL_UNIT, WATCH_UNIT, SessionPaths
from .limits import LIMITS
from .state import ObservedSession, Worker

#: seconds that systemd leaves to a unit's processes before it kills them
STOP_TIMEOUT = 10
#: seconds that a user's systemd gets to come back
MANAGER_TIMEOUT = 10.0
#: seconds; the lock is held while systemd starts one unit, and other sessions of the user may wait in a row
LOCK_TIMEOUT = 600.0
#: holds a file for each user whose systemd runs without a login
LINGERING = "/var/lib/systemd/linger"
#: starts tmux and waits until the server's parent has ended. tmux becomes a daemon in two steps, and systemd would take the process of
#: the first step, if it still runs, for the main one and end the unit with it. ``$0`` is the socket, the arguments are the command.
DAEMON_START = """"$@" || exit
pid=$("$1" -S "$0" display-message -p '#{pid}' 2>/dev/null) tries=0
while [ "$pid" ] && [ $tries -lt 500 ]; do
  parent=$(sed -n 's/^PPid:[[:space:]]*//p' "/proc/$pid/status" 2>/dev/null)
  case $(cat "/proc/$parent/comm" 2>/dev/null) in tmux*) sleep 0.02; tries=$((tries + 1)) ;; *) break ;; esac
done
exit 0"""
#: variables of the worker that codex may need and that name no identity
INHERITED = (
    *("LANG", "LC_ALL", "LC_CTYPE", "TZ", "TERMINFO", "SSL_CERT_FILE", "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS"),
    *("http_proxy", "https_proxy", "no_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY"),
)


def inherited_environment(removed: Sequence[str]) -> dict[str, str]:
    """Return the variables that a session inherits from the module's environment, with a UTF-8 locale."""
    found = {name: os.environ[name] for name in INHERITED if os.environ.get(name)}
    # tmux and ttyd draw boxes as question marks without a UTF-8 locale, and Ansible may run modules with LC_ALL=C
    found.pop("LC_ALL", None)
    found.setdefault("LANG", "C.UTF-8")
    if "utf" not in found["LANG"].lower():
        found["LANG"] = "C.UTF-8"
    return {name: value for name, value in found.items() if name not in removed}


def server_environment(layout: SessionPaths, worker: Worker) -> dict[str, str]:
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
    """Starts the two processes of a session and removes their units."""

    name: str

    def unit_of(self, layout: SessionPaths) -> str | None:
        """Return the name of the unit that holds tmux, codex and its children; None without units."""

    def start_session(self, layout: SessionPaths, worker: Worker, limits: Mapping[str, str]) -> None:
        """Start tmux with codex in it, held to limits as far as that is possible here."""

    def start_terminal(self, layout: SessionPaths, worker: Worker, argv: Sequence[str], *, second: bool = False) -> int:
        """Start a ttyd, the session's own or the second; return its pid."""

    def stop_terminal(self, layout: SessionPaths, *, second: bool = False) -> None:
        """Take the terminal's unit away, where there is one."""

    def stop_session(self, layout: SessionPaths) -> None:
        """Take the session's unit and all of its processes away, where there is one."""

    def release(self) -> None:
        """Undo settings that the user's last session no longer needs."""


class Detached:
    """Processes in sessions of their own, without a supervisor; tmux detaches itself."""

    name = "detached"

    def __init__(self, host: Host) -> None:
        self._host = host

    def unit_of(self, layout: SessionPaths) -> str | None:
        return None

    def start_session(self, layout: SessionPaths, worker: Worker, limits: Mapping[str, str]) -> None:
        argv = tmux_start(layout)
        done = self._host.run(argv, environment=server_environment(layout, worker), cwd=layout.workdir, timeout=30)
        if done.rc != 0:
            raise _not_started(layout, "tmux", done.message)

    def start_terminal(self, layout: SessionPaths, worker: Worker, argv: Sequence[str], *, second: bool = False) -> int:
        environment = server_environment(layout, worker)
        return self._host.spawn(argv, environment=environment, cwd="/", log=layout.watch_log if second else layout.terminal_log)

    def stop_terminal(self, layout: SessionPaths, *, second: bool = False) -> None:
        pass

    def stop_session(self, layout: SessionPaths) -> None:
        pass

    def release(self) -> None:
        pass


class Systemd:
    """Transient units of the system manager, run as the session's user; they leave no file behind."""

    name = "systemd"

    def __init__(self, host: Host) -> None:
        self._host = host

    def unit_of(self, layout: SessionPaths) -> str | None:
        return self.session_unit(layout)

    @staticmethod
    def session_unit(layout: SessionPaths) -> str:
        """Return the name of the unit that holds tmux, codex and its children."""
        return f"{SESSION_UNIT}{layout.unit_instance}.service"

    @staticmethod
    def terminal_unit(layout: SessionPaths, second: bool = False) -> str:
        """Return the name of the unit that holds a ttyd."""
        return f"{WATCH_UNIT if second else TERMINAL_UNIT}{layout.unit_instance}.service"

    def start_session(self, layout: SessionPaths, worker: Worker, limits: Mapping[str, str]) -> None:
        properties = {
            "Type": "forking",
            # TERM for codex itself too when the host goes down: it saves its state
            "KillMode": "control-group",
            "TimeoutStopSec": str(STOP_TIMEOUT),
            "SuccessExitStatus": "143",
            # one runaway tool command must not take the agent with it
            "OOMPolicy": "continue",
            "Description": f"codex session {layout.name}",
            **{LIMITS[limit][0]: value for limit, value in limits.items()},
        }
        argv = ["/bin/sh", "-c", DAEMON_START, layout.tmux_socket, worker.tmux, *tmux_start(layout)[1:]]
        self._run_unit(self.session_unit(layout), properties, argv, layout, worker)

    def start_terminal(self, layout: SessionPaths, worker: Worker, argv: Sequence[str], *, second: bool = False) -> int:
        unit = self.terminal_unit(layout, second)
        session = self.session_unit(layout)
        properties = {
            "Type": "exec",
            "BindsTo": session,
            "After": session,
            "TimeoutStopSec": str(STOP_TIMEOUT),
            "Description": f"browser terminal of codex session {layout.name}{', read-only' if second else ''}",
        }
        # the shell opens the log as the session's user; systemd would open it as root, through any link
        logged = ["/bin/sh", "-c", 'exec "$@" >"$0" 2>&1', layout.watch_log if second else layout.terminal_log, *argv]
        self._run_unit(unit, properties, logged, layout, worker)
        shown = self._ask("systemctl", "show", "--value", "--property=MainPID", unit)
        return int(shown.stdout.strip() or 0)

    def stop_terminal(self, layout: SessionPaths, *, second: bool = False) -> None:
        self._stop(self.terminal_unit(layout, second))

    def stop_session(self, layout: SessionPaths) -> None:
        self._stop(self.session_unit(layout))

    def release(self) -> None:
        pass

    def _ask(self, program: str, *arguments: str, timeout: float = STOP_TIMEOUT + 20) -> Completed:
        return self._host.run([program, *arguments], timeout=timeout, privileged=True)

    def _identity(self, worker: Worker) -> Mapping[str, str]:
        return {"User": worker.user}

    def _stop(self, unit: str) -> None:
        self._ask("systemctl", "stop", unit)
        self._ask("systemctl", "reset-failed", unit)

    def _run_unit(self, unit: str, properties: Mapping[str, str], argv: Sequence[str], layout: SessionPaths, worker: Worker) -> None:
        environment = [f"{name}={value}" for name, value in server_environment(layout, worker).items()]
        # a unit of that name that failed or lingers would refuse the new one
        self._stop(unit)
        done = self._ask(
            *("systemd-run", "--quiet", "--collect", f"--unit={unit}"),
            *(f"--property={name}={value}" for name, value in {**self._identity(worker), **properties}.items()),
            *("--", "/usr/bin/env", "-i", *environment, *argv),
            timeout=60,
        )
        if done.rc != 0:
            raise _not_started(layout, unit, done.message)


class UserSystemd(Systemd):
    """Transient units of the user's own manager, which lingers as long as one of the user's sessions runs.

    Without lingering it ends when the user logs out, and ends every unit. A mark next to the user's sessions records that the
    collection enabled lingering, so that nothing else is undone.
    """

    name = "systemd-user"

    def __init__(self, host: Host, worker: Worker) -> None:
        super().__init__(host)
        self._user, self._uid = worker.user, worker.uid
        self._mark = f"{worker.home}/.local/share/optio-codex/.linger"

    def start_session(self, layout: SessionPaths, worker: Worker, limits: Mapping[str, str]) -> None:
        with self._locked():
            self._let_linger()
            super().start_session(layout, worker, limits)

    def release(self) -> None:
        """Take lingering back when the collection has set it and the last session of the user is gone."""
        if not os.path.exists(self._mark):
            return
        with self._locked():
            listed = self._ask("systemctl", "list-units", "--plain", "--no-legend", f"{SESSION_UNIT}*")
            if listed.rc == 0 and listed.stdout.strip():
                return
            if self._loginctl("disable-linger").rc == 0:
                files.remove(self._mark)

    def _let_linger(self) -> None:
        if os.path.exists(f"{LINGERING}/{self._user}"):
            return
        # before enabling, so that a run that is killed in between is undone later
        files.write_text(self._mark, "")
        done = self._loginctl("enable-linger")
        if done.rc != 0:
            files.remove(self._mark)
            raise NoLingering(done.message)
        # a manager that was about to end after a logout comes back
        deadline = self._host.monotonic() + MANAGER_TIMEOUT
        while self._ask("systemctl", "is-system-running").stdout.strip() in ("", "stopping", "offline", "unknown"):
            if self._host.monotonic() >= deadline:
                raise NoLingering(f"the user's systemd does not run within {MANAGER_TIMEOUT:g} s")
            self._host.sleep(0.1)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        files.make_directory(os.path.dirname(self._mark))
        path = f"{self._mark}.lock"
        with held(open_lock(path), f"the lingering of user {self._user}", path, self._host, LOCK_TIMEOUT):
            yield

    def _loginctl(self, verb: str) -> Completed:
        # as root where the module is root's; a user may ask for its own where polkit allows it
        return self._host.run(["loginctl", "--no-ask-password", verb, self._user], privileged=True)

    def _ask(self, program: str, *arguments: str, timeout: float = STOP_TIMEOUT + 20) -> Completed:
        argv = ["/usr/bin/env", f"XDG_RUNTIME_DIR=/run/user/{self._uid}", program, "--user", *arguments]
        return self._host.run(argv, timeout=timeout)

    def _identity(self, worker: Worker) -> Mapping[str, str]:
        return {}


class NoLingering(Exception):
    """The user's systemd would end with the user's last login."""


def supervisor_of(name: str, host: Host, view: ObservedSession) -> Supervisor:
    """Return the supervisor of a name: the system's systemd, the user's, or none."""
    if name == Systemd.name:
        return Systemd(host)
    return UserSystemd(host, view.worker) if name == UserSystemd.name else Detached(host)


def _not_started(layout: SessionPaths, what: str, message: str) -> OptioError:
    cause = f"{what} of session {layout.name} did not start: {message}"
    return OptioError(f"session {layout.name}", cause, "Fix this on the worker and run again")
