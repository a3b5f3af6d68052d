# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The action of the modules that return sessions: it knows how the worker was reached, and the worker does not."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleConnectionFailure, AnsibleError

from ansible_collections.optio.codex.plugins.module_utils._session.command_line import (
    SshTarget,
    attach_command,
    tunnel_command,
)
from ansible_collections.optio.codex.plugins.module_utils._session.layout import WEB_ROOT
from ansible_collections.optio.codex.plugins.plugin_utils._action_base import COLLECTION, ProbeAction
from ansible_collections.optio.codex.plugins.plugin_utils._unreached import UNREACHED

#: variables of the role codex_gateway; a host that has one has a gateway
GATEWAY_VARIABLES = ("codex_gateway_server_name", "codex_gateway_users", "codex_gateway_auth_request_url", "codex_gateway_listen_port")
#: the names of a host without codex_gateway_server_name, the first that is set
HOST_VARIABLES = ("ansible_host", "inventory_hostname")


def gateway_address(values: Mapping[str, Any]) -> str:
    """Return the address of a gateway, from variables of its role and the names of its host; an empty text if it has no name."""
    given = values.get("codex_gateway_server_name") or []
    names = re.split(r"[,\s]+", given) if isinstance(given, str) else [str(name) for name in given]
    hosts = [name for name in (*names, *values["hosts"]) if name and name != "*"]
    port = str(values.get("codex_gateway_listen_port") or 443)
    if not hosts:
        return ""
    host = f"[{hosts[0]}]" if ":" in hosts[0] and not hosts[0].startswith("[") else hosts[0]
    return f"https://{host}" + ("" if port == "443" else f":{port}")


class SessionAction(ProbeAction):
    """Gives ``attach_command`` and ``tunnel_command`` the address, user, port and key of the connection in use."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._variables: dict[str, Any] = {}

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the module's result, with the addresses that the host's variables determine."""
        self._variables = task_vars or {}
        try:
            return super().run(tmp, task_vars)
        except AnsibleConnectionFailure as error:
            if not self._reports_connections():
                raise
            return {"changed": False, UNREACHED: True, "msg": str(error), "sessions": []}

    def _reports_connections(self) -> bool:
        """Return whether the role shows workers that were not reached in its table, and ends them by role_end after it."""
        role = getattr(self._task, "_role", None)
        return bool(self._task.ignore_unreachable) and str(getattr(role, "_role_collection", None)) == COLLECTION

    def complete(self, result: dict[str, Any]) -> None:
        """Rewrite the two commands of every running session in the result, and add its address on the gateway."""
        destination = self._destination()
        sessions = result.get("sessions") if isinstance(result.get("sessions"), list) else [result]
        gateway = self._gateway()
        for session in sessions or []:
            if "terminal_socket" in session:
                served = bool(session.get("attach_command")) and str(session["terminal_socket"] or "").startswith(f"{WEB_ROOT}/")
                session["gateway_url"] = f"{gateway}/type/{session['name']}/" if gateway and served else None
            if destination is None or not session.get("attach_command"):
                continue
            port = session.get("port")
            terminal = {"listen": "tcp" if port else "unix", "address": session.get("address"), "port": port}
            user, socket = str(session["user"]), session.get("terminal_socket")
            session["attach_command"] = attach_command(destination, user, str(session["tmux_socket"]))
            if session.get("tunnel_command"):
                session["tunnel_command"] = tunnel_command(destination, user, terminal, str(socket))

    def _gateway(self) -> str:
        """Return the address of the worker's gateway by the variables of the host, an empty text if it has none."""
        if not self._variables.keys() & {*GATEWAY_VARIABLES}:
            return ""
        given = {name: self._variables.get(name) for name in ("codex_gateway_server_name", "codex_gateway_listen_port")}
        hosts = [self._variables.get(name) or "" for name in HOST_VARIABLES]
        try:
            values = self._templar.template({**given, "hosts": hosts})
        except AnsibleError:
            # the role codex_gateway reports it
            return ""
        return gateway_address(values)

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
