# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The exact command lines of tmux and ttyd, and the commands with which a person reaches a session."""

from __future__ import annotations

import json
import shlex
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from .layout import SessionPaths
from .tmux_settings import COLUMNS, ROWS, TMUX_SESSION, VIEWER_TERM, WATCHER_TERM, tmux_settings

#: the first message of a session with auto_start
AUTO_START_PROMPT = "Read AGENTS.md and execute the task it describes"
RESUME_NOTICE = "System: you have been resumed"


def auto_start_prompt(path: str | None) -> str:
    """Return the prompt that starts the task of the AGENTS.md at ``path``, None for the workdir's own."""
    return AUTO_START_PROMPT if path is None else f"Read {path} and execute the task it describes"


def resume_notice(refreshed: str | None) -> str:
    """Return the message that resumes a conversation; ``refreshed`` is the path of instructions that have changed."""
    if refreshed is None:
        return RESUME_NOTICE
    return f"{RESUME_NOTICE}. Your instructions have changed. Read {refreshed} again; what it says now is what counts"


def environment_file(variables: Mapping[str, str]) -> str:
    """Return the text that the launcher reads its variables from."""
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in sorted(variables.items()))


def tmux(socket: str, *arguments: str) -> list[str]:
    """Return a tmux command line for one server, deaf to the operator's own configuration."""
    return ["tmux", "-S", socket, "-f", "/dev/null", *arguments]


def tmux_start(layout: SessionPaths) -> list[str]:
    """Return the command that starts a session's server with codex in its one pane.

    The history limit holds only for panes made after it.
    """
    return tmux(
        layout.tmux_socket,
        *("start-server", ";", "set-option", "-g", "history-limit", "50000", ";"),
        *("new-session", "-d", "-s", TMUX_SESSION, "-x", str(COLUMNS), "-y", str(ROWS), "-c", layout.workdir),
        *("/bin/sh", layout.launcher),
        *(word for command in tmux_settings(layout.name) for word in (";", *command)),
    )


#: a terminal's options that its record has only where they are set
LATER = ("group", "tls_certificate", "tls_key", "tls_client_ca")


@dataclass(frozen=True)
class TerminalOptions:
    """How the browser terminal listens: on a unix socket, or on an address and a port."""

    listen: str = "unix"
    address: str = "127.0.0.1"
    port: int = 0
    writable: bool = False
    max_clients: int = 16
    auth_header: str | None = None
    #: of the web server that may connect to the sockets
    group: str | None = None
    #: files of the worker: with the third only who shows a certificate of that authority gets in
    tls_certificate: str | None = None
    tls_key: str | None = None
    tls_client_ca: str | None = None
    #: the additional terminal, which is read-only
    second: bool = False

    def as_record(self) -> dict[str, Any]:
        """Return the options as the session's record keeps them."""
        return {
            "listen": self.listen,
            "address": self.address if self.listen == "tcp" else None,
            "port": self.port or None,
            "writable": self.writable,
            "max_clients": self.max_clients,
            "auth_header": self.auth_header,
            # a record of before there were these must not differ from one without
            **{name: value for name in LATER if (value := getattr(self, name))},
        }

    @property
    def is_for_watchers(self) -> bool:
        """Whether a web server shows it to users without the right to type, who do not change the session's size."""
        return bool(self.group) and not self.writable

    @property
    def watchers(self) -> TerminalOptions | None:
        """The second, read-only terminal, in addition to a writable one for a web server."""
        return replace(self, writable=False, second=True) if self.group and self.writable else None


def terminal_place(layout: SessionPaths, terminal: TerminalOptions) -> tuple[str, str]:
    """Return the socket of a terminal, and the URL path of its page without the slash at the end."""
    if terminal.group:
        return layout.web_socket(terminal.writable), layout.web_path(terminal.writable)
    return layout.terminal_socket, ""


def ttyd_start(program: str, layout: SessionPaths, terminal: TerminalOptions, node: str) -> list[str]:
    """Return the command that shows a session of the worker ``node`` in the browser; without ``-O`` any web page could connect."""
    socket, path = terminal_place(layout, terminal)
    where = ["-i", socket]
    if terminal.listen == "tcp":
        where = ["-i", terminal.address, "-p", str(terminal.port)]
    # the group is the directory's; ttyd's own option would need to look it up, and a static ttyd may not be able to
    first = ["/bin/sh", "-c", 'umask 007; exec "$0" "$@"'] if terminal.group else []
    argv = [*first, program, *where, *(["-b", path] if path else []), "-O", "-m", str(terminal.max_clients)]
    # ttyd takes a value as JSON if it begins like JSON
    argv += ["-t", "disableLeaveAlert=true", "-t", f"titleFixed={json.dumps(f'{layout.name} on {node}')}"]
    argv += ["-T", WATCHER_TERM if terminal.is_for_watchers else VIEWER_TERM]
    if terminal.writable:
        argv.append("-W")
    if terminal.auth_header:
        argv += ["-H", terminal.auth_header]
    if terminal.tls_certificate and terminal.tls_key:
        argv += ["-S", "-C", terminal.tls_certificate, "-K", terminal.tls_key]
        argv += ["-A", terminal.tls_client_ca] if terminal.tls_client_ca else []
    # 256 colors also in a watcher's terminal
    attach = ["-2", "attach-session", *([] if terminal.writable else ["-r"]), "-t", TMUX_SESSION]
    return [*argv, "--", *tmux(layout.tmux_socket, *attach)]


@dataclass(frozen=True)
class SshTarget:
    """How a person reaches a worker by ssh; ``host`` None means that this is the worker itself."""

    host: str | None
    user: str | None = None
    port: int | None = None
    options: tuple[str, ...] = ()

    def ssh(self, *options: str, user: str | None = None) -> list[str]:
        """Return the ssh command up to the destination."""
        login = user or self.user
        port = ["-p", str(self.port)] if self.port and self.port != 22 else []
        return ["ssh", *options, *self.options, *port, f"{login}@{self.host}" if login else str(self.host)]


def attach_command(destination: SshTarget, session_user: str, tmux_socket: str) -> str:
    """Return the command that shows a session in one's own terminal."""
    attach = tmux(tmux_socket, "attach-session", "-t", TMUX_SESSION)
    login = destination.user
    if login and login not in (session_user, "root"):
        # the server refuses every user but its own and root
        attach = ["sudo", "-u", session_user, *attach]
    if destination.host is None:
        return shlex.join(attach)
    return shlex.join([*destination.ssh("-t"), *attach])


def tunnel_command(destination: SshTarget, session_user: str, terminal: Mapping[str, Any], socket: str) -> str | None:
    """Return the command that brings a session's terminal to a port of one's own machine, None where none is needed."""
    if destination.host is None and terminal.get("listen") == "tcp":
        return None
    far_end = f"{terminal.get('address')}:{terminal.get('port')}" if terminal.get("listen") == "tcp" else socket
    forward = f"127.0.0.1:{tunnel_port(f'{destination.host}:{destination.port}{far_end}')}:{far_end}"
    # sshd opens the far end as the login user, and only the session's user and root may
    login = destination.user if destination.user in (session_user, "root") else session_user
    if destination.host is None:
        return shlex.join(["ssh", "-N", "-L", forward, f"{login}@localhost"])
    return shlex.join(destination.ssh("-N", "-L", forward, user=login))


def tunnel_port(key: str) -> int:
    """Return the local port of a session's tunnel: the same at every call, one of 10000 so that ten seldom collide."""
    return 17000 + zlib.crc32(key.encode()) % 10000
