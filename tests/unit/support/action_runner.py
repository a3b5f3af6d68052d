# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Action plugins on the real ActionBase, over a connection that runs commands here and distorts them as others do."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from ansible.parsing.dataloader import DataLoader
from ansible.plugins.shell.sh import ShellModule
from ansible.template import Templar

HOST = {"inventory_hostname": "worker"}


class Connection:
    """Runs commands on this machine; ``distort`` changes what they print, on a ``terminal`` to one stream."""

    transport = "standin"
    become = None
    allow_executable = True
    has_native_async = False
    always_pipeline_modules = False
    has_pipelining = True
    terminal = False

    def __init__(self, pipelining: bool, distort: Callable[[bytes], bytes] = bytes) -> None:
        self._shell = ShellModule()
        self.pipelining = pipelining
        self.distort = distort
        self.commands: list[str] = []
        self.inputs: list[bytes | None] = []

    def get_option(self, name: str) -> Any:
        return {"pipelining": self.pipelining, "remote_user": "worker"}[name]

    def is_pipelining_enabled(self, wrap_async: bool = False) -> bool:
        return self.pipelining and not wrap_async

    def exec_command(self, cmd: str, in_data: bytes | None = None, sudoable: bool = True) -> tuple[int, bytes, bytes]:
        self.commands.append(cmd)
        self.inputs.append(in_data)
        errors = subprocess.STDOUT if self.terminal else subprocess.PIPE
        argv = ["/bin/sh", "-c", cmd]
        done = subprocess.run(argv, input=in_data or b"", stdout=subprocess.PIPE, stderr=errors, timeout=30, check=False, cwd="/")
        return done.returncode, self.distort(done.stdout), done.stderr or b""


class MitogenConnection(Connection):
    """mitogen replaces the connection by one that has no notion of pipelining."""

    @property
    def has_pipelining(self) -> bool:  # type: ignore[override]
        raise AttributeError("'Connection' object has no attribute 'has_pipelining'")

    def is_pipelining_enabled(self, wrap_async: bool = False) -> bool:
        raise AttributeError("'Connection' object has no attribute 'is_pipelining_enabled'")


def action_arguments(connection: Any, **task: Any) -> dict[str, Any]:
    """Return what the constructor of an action plugin takes, with a task of these attributes."""
    values = {"async_val": 0, "check_mode": False, "diff": False, "environment": None, **task}
    loader = DataLoader()
    return {
        "task": SimpleNamespace(**values),
        "connection": connection,
        "play_context": SimpleNamespace(executable="/bin/sh", remote_user="worker", pipelining=getattr(connection, "pipelining", False)),
        "loader": loader,
        "templar": Templar(loader=loader),
        "shared_loader_obj": None,
    }
