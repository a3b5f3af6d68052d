# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every path of the cache and of a session, and the rules for names and paths that users give."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass

from .._core.errors import OptioError

#: world-readable, root-owned, for workers whose sessions belong to other users
SYSTEM_CACHE = "/var/cache/optio-codex/bin"
#: sun_path holds 108 bytes with its end mark
SOCKET_PATH_LIMIT = 107
NAME_LIMIT = 64
#: in the environment of every process of a session; exact where a command line is not
TAG_VARIABLE = "OPTIO_CODEX_TASK"
#: where root keeps the sockets of the sessions it launches, for whatever user
RUNTIME_ROOT = "/run/optio-codex"
#: where root keeps the sockets that a web server may connect to, which finds them by the session's name alone
WEB_ROOT = "/run/optio-codex-web"
#: the beginnings of the units' names: the one holds tmux, codex and what it starts, the others ttyd
SESSION_UNIT, TERMINAL_UNIT, WATCH_UNIT = "optio-codex@", "optio-ttyd@", "optio-ttyd-watch@"
_NAME = re.compile(r"[A-Za-z0-9._-]+\Z")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")

#: shell: ``user_cache`` and ``data_root`` set REPLY to the per-user defaults; ``trim`` drops trailing slashes
SHELL_DIRECTORIES = r"""
trim() { while :; do case $REPLY in /) return ;; */) REPLY=${REPLY%/} ;; *) return ;; esac; done; }
user_cache() {
  REPLY=${OPTIO_CODEX_CACHE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/optio-codex/bin}
  expand "$REPLY"; trim
}
data_root() { expand "${XDG_DATA_HOME:-$HOME/.local/share}/optio-codex"; trim; }
"""


def check_name(name: str) -> None:
    """Raise OptioError unless ``name`` can name a session, its directory and its units."""
    remedy = f"Use 1 to {NAME_LIMIT} characters of A-Z, a-z, 0-9, '.', '_' and '-', the first neither '.' nor '-'"
    if len(name) > NAME_LIMIT:
        raise OptioError(f"session name {name[:16]}…", f"has {len(name)} characters", remedy)
    if not _NAME.match(name):
        raise OptioError(f"session name {name!r}", "has a character that paths and units do not take", remedy)
    if name.startswith((".", "-")):
        raise OptioError(f"session name {name!r}", "would be taken for a hidden file or an option", remedy)


def check_path(option: str, path: str | None) -> None:
    """Raise OptioError unless ``path`` is None, absolute, ``~`` or ``~/…`` (the worker user's home)."""
    if path is None:
        return
    if _CONTROL.search(path):
        raise OptioError(f"{option} {path!r}", "holds a control character", "Give a path without line breaks")
    if path.startswith("~") and path != "~" and not path.startswith("~/"):
        raise OptioError(f"{option} {path}", "names another user's home", "Give the absolute path, or ~/… for the worker user's own")
    if not path.startswith(("/", "~")):
        raise OptioError(f"{option} {path}", "is relative", "Give an absolute path, or ~/… for the worker user's home")


def expand(path: str, home: str) -> str:
    """Return ``path`` with a leading ``~`` replaced by the worker user's home, without trailing slashes."""
    if path == "~":
        path = home
    elif path.startswith("~/"):
        path = f"{home}/{path[2:]}"
    return path.rstrip("/") or "/"


def archives_directory(cache: str) -> str:
    """Return where an archive is placed by hand, for a worker that downloads nothing."""
    return f"{cache}/archives"


@dataclass(frozen=True)
class TaskLayout:
    """The paths of one session: ``task`` holds what must be trusted, ``workdir`` what codex works on."""

    name: str
    task: str
    workdir: str
    runtime: str
    #: the session runs on the tmux server that the Python package optio-codex gave it
    adopted: bool = False

    @property
    def home(self) -> str:
        """HOME of the session."""
        return f"{self.workdir}/home"

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
        """The launch path of codex: unique to the session."""
        return f"{self.home}/.local/bin/codex"

    @property
    def instructions(self) -> str:
        """AGENTS.md of the session."""
        return f"{self.workdir}/AGENTS.md"

    @property
    def log(self) -> str:
        """The log that the agent and the launcher write for the caller."""
        return f"{self.workdir}/optio.log"

    @property
    def log_old(self) -> str:
        """The logs of earlier runs, one after the other."""
        return f"{self.workdir}/optio.log.old"

    @property
    def log_aside(self) -> str:
        """The last run's log while the next one starts; on the log's own file system, where git does not look."""
        return f"{self.home}/.optio.log"

    @property
    def resume_log(self) -> str:
        """One line for each start, for the agent to see that it was resumed."""
        return f"{self.workdir}/resume.log"

    @property
    def logs(self) -> tuple[str, ...]:
        """Every log of the workdir."""
        return (self.log, self.log_old, self.resume_log)

    @property
    def record(self) -> str:
        """What is known of the session: one ``name=value`` a line, for the shell and for Python."""
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
    def stopped_mark(self) -> str:
        """Present when the session was ended by request, so that nobody takes the end for codex's own."""
        return f"{self.task}/stopped"

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
        """What ttyd printed."""
        return f"{self.task}/ttyd.log"

    @property
    def watch(self) -> str:
        """The process of the second terminal, which only shows, likewise."""
        return f"{self.task}/watch"

    @property
    def watch_log(self) -> str:
        """What the second ttyd printed."""
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

    def web_socket(self, writable: bool) -> str:
        """Return the socket of the browser terminal for a web server; its name says what it gives a right to."""
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
            *(self.record, self.environment, self.launcher, self.stopped_mark, self.restored_mark),
            *(self.exit_status, f"{self.task}/.exit"),
            *(self.terminal, self.terminal_log, self.watch, self.watch_log),
        )

    @property
    def in_runtime_root(self) -> bool:
        """Whether the sockets are where root keeps them: exactly there, for root acts on what this says."""
        return self.runtime == f"{RUNTIME_ROOT}/{self.name}"

    @property
    def unit_instance(self) -> str:
        """What the names of the session's units end in: a user may have sessions of one name below several roots."""
        return self.name if self.in_runtime_root else f"{self.name}-{hashlib.sha256(os.fsencode(self.task)).hexdigest()[:12]}"

    def directories(self) -> tuple[str, ...]:
        """Return the directories of the session's isolated home, parents first."""
        return (
            self.home,
            self.codex_home,
            f"{self.home}/.config",
            f"{self.home}/.local",
            f"{self.home}/.local/share",
            f"{self.home}/.local/bin",
            f"{self.home}/.cache",
        )

    def variables(self) -> dict[str, str]:
        """Return the variables that keep codex inside its own home."""
        return {
            "HOME": self.home,
            "CODEX_HOME": self.codex_home,
            "XDG_CONFIG_HOME": f"{self.home}/.config",
            "XDG_DATA_HOME": f"{self.home}/.local/share",
            "XDG_CACHE_HOME": f"{self.home}/.cache",
        }


def package_socket(workdir: str) -> str:
    """Return the tmux socket of a session that the Python package optio-codex launched in a workdir."""
    return f"/tmp/optio-cx-{hashlib.sha256(os.fsencode(workdir)).hexdigest()[:16]}.sock"


def runtime_digest(name: str) -> str:
    """Return the name of an unprivileged session's socket directory."""
    return hashlib.sha256(name.encode()).hexdigest()[:12]


def task_layout(name: str, root: str, workdir: str | None, runtime_root: str | None) -> TaskLayout:
    """Return a session's paths.

    ``root`` is the absolute directory of all task directories. ``runtime_root`` (``/run/optio-codex`` for root) holds
    one directory of sockets a session; without it they lie below ``root`` under a short digest of the name, because
    a home, a name of 64 characters and the socket's own name together would pass the limit of a socket path.
    """
    task = f"{root}/{name}"
    runtime = f"{runtime_root}/{name}" if runtime_root else f"{root}/.run/{runtime_digest(name)}"
    layout = TaskLayout(name, task, workdir or f"{task}/workdir", runtime)
    for socket in (layout.tmux_socket, layout.terminal_socket):
        length = len(os.fsencode(socket))
        if length > SOCKET_PATH_LIMIT:
            raise OptioError(
                f"socket {socket}",
                f"its path has {length} bytes, and a unix socket takes {SOCKET_PATH_LIMIT}",
                "Set root to a shorter directory",
            )
    return layout
