# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The action of the modules that return sessions: it knows how the worker was reached, and the worker does not."""

from __future__ import annotations

import shlex
from typing import Any

from ansible_collections.optio.codex.plugins.module_utils._session.command_line import (
    SshTarget,
    attach_command,
    tunnel_command,
)
from ansible_collections.optio.codex.plugins.plugin_utils._action_base import ProbeAction


class SessionAction(ProbeAction):
    """Gives ``attach_command`` and ``tunnel_command`` the address, user, port and key of the connection in use."""

    def complete(self, result: dict[str, Any]) -> None:
        """Rewrite the two commands of every running session in the result."""
        destination = self._destination()
        sessions = result.get("sessions") if isinstance(result.get("sessions"), list) else [result]
        for session in sessions or []:
            if destination is None or not session.get("attach_command"):
                continue
            port = session.get("port")
            terminal = {"listen": "tcp" if port else "unix", "address": session.get("address"), "port": port}
            user, socket = str(session["user"]), session.get("terminal_socket")
            session["attach_command"] = attach_command(destination, user, str(session["tmux_socket"]))
            if session.get("tunnel_command"):
                session["tunnel_command"] = tunnel_command(destination, user, terminal, str(socket))

    def _destination(self) -> SshTarget | None:
        """Return how a person reaches the worker; None where the module's own answer has to do."""
        transport = self._connection.transport.rpartition(".")[2]
        if transport == "local":
            return SshTarget(None)
        if transport not in ("ssh", "paramiko", "paramiko_ssh"):
            return None
        key = self._option("private_key_file")
        options = [word for name in ("ssh_common_args", "ssh_extra_args") for word in self._words(name)]
        return SshTarget(
            host=str(self._option("host") or self._option("remote_addr")),
            user=self._option("remote_user") or None,
            port=int(self._option("port") or 0) or None,
            options=(*(("-i", str(key)) if key else ()), *options),
        )

    def _words(self, name: str) -> list[str]:
        try:
            return shlex.split(self._option(name) or "")
        except ValueError:
            return []

    def _option(self, name: str) -> Any:
        try:
            return self._connection.get_option(name)
        except KeyError:
            return None
