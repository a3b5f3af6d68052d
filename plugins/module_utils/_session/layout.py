# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every path of a session."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass

from .._core.errors import OptioError
from .._core.paths import COPY_ROOT

#: sun_path holds 108 bytes with its end mark
SOCKET_PATH_LIMIT = 107
#: the directory of the sockets of all sessions that root launches
RUNTIME_ROOT = "/run/optio-codex"
#: where root keeps the sockets that a web server may connect to, which finds them by the session's name alone
WEB_ROOT = "/run/optio-codex-web"
#: the origins of a session's workdir: made by the session, named by the user or cloned, or that of a session of the Python
#: package optio-codex, whose home is in its workdir
OWN, PROJECT, PACKAGE = ORIGINS = ("own", "project", "package")
#: prefixes of unit names: the first unit holds tmux, codex and its children, the others ttyd
SESSION_UNIT, TERMINAL_UNIT, WATCH_UNIT = "optio-codex@", "optio-ttyd@", "optio-ttyd-watch@"


@dataclass(frozen=True)
class SessionPaths:
    """The paths of one session: ``task`` is the session's directory, ``workdir`` is what codex works on.

    The agent owns the workdir. Everything of the session is in its own directory; a workdir that the user named, and a
    clone, get no file of the session. Only a workdir of the session's own making has the paths that the Python package
    optio-codex uses: a link to the home, the logs, and an AGENTS.md that names the real one.
    """

    name: str
    task: str
    workdir: str
    runtime: str
    #: the session runs on the tmux server that the Python package optio-codex gave it
    adopted: bool = False
    #: one of ORIGINS
    origin: str = OWN
    #: a file or directory of the agent is in the place of the link to the home
    link_blocked: bool = False

    @property
    def home(self) -> str:
        """HOME of codex."""
        return f"{self.workdir}/home" if self.origin == PACKAGE else f"{self.task}/home"

    @property
    def home_link(self) -> str | None:
        """The link to the home in a workdir of the session's own making; it is made for others and never followed."""
        return f"{self.workdir}/home" if self.origin == OWN else None

    @property
    def agent(self) -> str:
        """HOME of the commands that codex runs, writable for them."""
        return f"{self.task}/agent"

    @property
    def codex_home(self) -> str:
        """CODEX_HOME of the session."""
        return f"{self.home}/.codex"

    @property
    def config(self) -> str:
        """The session's codex configuration."""
        return f"{self.codex_home}/config.toml"

    @property
    def codex_link(self) -> str:
        """The session's link to codex."""
        return f"{self.home}/.local/bin/codex"

    @property
    def codex_path(self) -> str:
        """The path by which codex is executed: unique to the session."""
        if self.home_link and not self.link_blocked:
            return f"{self.home_link}/.local/bin/codex"
        return self.codex_link

    @property
    def instructions(self) -> str:
        """The AGENTS.md that codex loads: in full, in a trusted workdir or not."""
        return f"{self.codex_home}/AGENTS.md"

    @property
    def instructions_copy(self) -> str:
        """The same text where the agent's commands can read it."""
        return f"{self.agent}/AGENTS.md"

    @property
    def instructions_pointer(self) -> str | None:
        """The AGENTS.md that names the copy, in a workdir of the session's own making."""
        return f"{self.workdir}/AGENTS.md" if self.origin == OWN else None

    @property
    def log_dir(self) -> str:
        """The directory of the logs that the agent reads and writes."""
        return self.agent if self.origin == PROJECT else self.workdir

    @property
    def log(self) -> str:
        """The log that the agent and the launcher write for the caller."""
        return f"{self.log_dir}/optio.log"

    @property
    def log_old(self) -> str:
        """The logs of earlier runs, one after the other."""
        return f"{self.log_dir}/optio.log.old"

    @property
    def log_aside(self) -> str:
        """The last run's log while the next one starts, on the log's own file system."""
        return f"{self.home}/.optio.log"

    @property
    def resume_log(self) -> str:
        """One line for each start, for the agent to see that it was resumed."""
        return f"{self.log_dir}/resume.log"

    @property
    def logs(self) -> tuple[str, ...]:
        """Every log that the agent reads or writes."""
        return (self.log, self.log_old, self.resume_log)

    @property
    def record(self) -> str:
        """The session's record: one ``name=value`` a line, for the shell and for Python."""
        return f"{self.task}/session"

    @property
    def environment(self) -> str:
        """The variables codex gets, 0600, never on a command line."""
        return f"{self.task}/environment"

    @property
    def launcher(self) -> str:
        """The script that runs codex in the pane."""
        return f"{self.task}/launch.sh"

    @property
    def exit_status(self) -> str:
        """The exit status of codex, written by the launcher where the agent's log cannot forge it."""
        return f"{self.task}/exit"

    @property
    def last_screen(self) -> str:
        """The text of the screen when codex ended with an error."""
        return f"{self.task}/screen"

    @property
    def events(self) -> str:
        """The directory of the program that reports the session to a web server's page and to a webhook, with its state."""
        return f"{self.task}/events"

    @property
    def prompt_mark(self) -> str:
        """Present once the launcher was about to start codex with a prompt, which is then never repeated."""
        return f"{self.task}/prompt"

    @property
    def record_copy(self) -> str:
        """The directory of a copy of the record, outside of the session's directory: root's where root launches."""
        return f"{COPY_ROOT}/{self.name}" if self.in_runtime_root else f"{os.path.dirname(self.task)}/.records/{self.name}"

    @property
    def stopped_mark(self) -> str:
        """Present if the session was ended by request, so that the end is not taken for codex's own."""
        return f"{self.task}/stopped"

    @property
    def login_mark(self) -> str:
        """The digest of the login that has a copy outside of the worker; it stays as long as the home does."""
        return f"{self.task}/login"

    @property
    def restored_mark(self) -> str:
        """Which snapshot the workdir was made from: the SHA-256 of its manifest."""
        return f"{self.task}/restored"

    @property
    def terminal(self) -> str:
        """The terminal's process: pid, start time in clock ticks since boot, and port (0 for a unix socket)."""
        return f"{self.task}/terminal"

    @property
    def terminal_log(self) -> str:
        """The output of ttyd."""
        return f"{self.task}/ttyd.log"

    @property
    def watch(self) -> str:
        """The process of the second, read-only terminal."""
        return f"{self.task}/watch"

    @property
    def watch_log(self) -> str:
        """The output of the second ttyd."""
        return f"{self.task}/watch.log"

    @property
    def web(self) -> str:
        """The directory of the sockets that a web server may connect to."""
        return f"{WEB_ROOT}/{self.name}"

    @property
    def tmux_socket(self) -> str:
        """The socket of the session's own tmux server."""
        if self.adopted:
            return package_socket(self.workdir)
        return f"{self.runtime}/tmux.sock"

    @property
    def terminal_socket(self) -> str:
        """The socket of the browser terminal."""
        return f"{self.runtime}/ttyd.sock"

    @property
    def web_status(self) -> str:
        """The file in that directory with the activity of the session."""
        return f"{self.web}/status.json"

    def web_socket(self, writable: bool) -> str:
        """Return the socket of the browser terminal for a web server; its name shows the access it grants."""
        return f"{self.web}/{'type' if writable else 'watch'}.sock"

    def web_path(self, writable: bool) -> str:
        """Return the one URL path that such a terminal answers, so that no other session's socket can stand in for it."""
        return f"/{'type' if writable else 'watch'}/{self.name}"

    @property
    def tag(self) -> str:
        """The value of TAG_VARIABLE in every process of the session; no other task's value begins with it."""
        return f"{self.task}:"

    @property
    def records(self) -> tuple[str, ...]:
        """The files of the task directory that are not the workdir."""
        return (
            *(self.record, self.environment, self.launcher, self.stopped_mark, self.restored_mark, self.prompt_mark),
            *(self.exit_status, f"{self.task}/.exit", f"{self.task}/.prompt", self.last_screen, f"{self.task}/.screen"),
            *(self.terminal, self.terminal_log, self.watch, self.watch_log, self.events),
        )

    @property
    def in_runtime_root(self) -> bool:
        """Whether the sockets are exactly in root's directory, because root acts on this answer."""
        return self.runtime == f"{RUNTIME_ROOT}/{self.name}"

    @property
    def unit_instance(self) -> str:
        """The instance in the names of the session's units: one user may use one name below several directories."""
        return self.name if self.in_runtime_root else f"{self.name}-{hashlib.sha256(os.fsencode(self.task)).hexdigest()[:12]}"

    def directories(self) -> tuple[str, ...]:
        """Return the directories of codex's home and of the home of its commands, parents first."""
        own = (*(f"{self.home}/{name}" for name in (".codex", ".config", ".local", ".local/share", ".local/bin", ".cache")),)
        agent = (*(f"{self.agent}/{name}" for name in (".config", ".local", ".local/share", ".cache")),)
        return (self.home, *own, self.agent, *agent)

    def variables(self) -> dict[str, str]:
        """Return the variables that keep codex inside its own home."""
        return {
            "HOME": self.home,
            "CODEX_HOME": self.codex_home,
            "XDG_CONFIG_HOME": f"{self.home}/.config",
            "XDG_DATA_HOME": f"{self.home}/.local/share",
            "XDG_CACHE_HOME": f"{self.home}/.cache",
        }

    def command_variables(self) -> dict[str, str]:
        """Return the variables that keep the commands that codex runs out of codex's home."""
        return {
            "HOME": self.agent,
            "XDG_CONFIG_HOME": f"{self.agent}/.config",
            "XDG_DATA_HOME": f"{self.agent}/.local/share",
            "XDG_CACHE_HOME": f"{self.agent}/.cache",
        }


def package_socket(workdir: str) -> str:
    """Return the tmux socket of a session that the Python package optio-codex launched in a workdir."""
    return f"/tmp/optio-cx-{hashlib.sha256(os.fsencode(workdir)).hexdigest()[:16]}.sock"


def runtime_digest(name: str) -> str:
    """Return the name of an unprivileged session's socket directory."""
    return hashlib.sha256(name.encode()).hexdigest()[:12]


def task_layout(name: str, root: str, workdir: str | None, runtime_root: str | None, origin: str = OWN) -> SessionPaths:
    """Return a session's paths.

    ``root`` is the absolute directory of all task directories. ``runtime_root`` (``/run/optio-codex`` for root) holds
    one directory of sockets a session; without it they lie below ``root`` under a short digest of the name, because
    a home, a name of 64 characters and the socket's own name together would pass the limit of a socket path.
    """
    task = f"{root}/{name}"
    runtime = f"{runtime_root}/{name}" if runtime_root else f"{root}/.run/{runtime_digest(name)}"
    layout = SessionPaths(name, task, workdir or f"{task}/workdir", runtime, origin=origin)
    for socket in (layout.tmux_socket, layout.terminal_socket):
        length = len(os.fsencode(socket))
        if length > SOCKET_PATH_LIMIT:
            raise OptioError(
                f"socket {socket}",
                f"the path of socket {socket} has {length} bytes, more than the {SOCKET_PATH_LIMIT} of a Unix socket",
                "Set sessions_dir to a shorter directory",
            )
    return layout
