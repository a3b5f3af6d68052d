# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The Python package optio-codex, the system that this collection does the work of, driven by its own functions.

The tests import :class:`Reference`. As a program, with one release of the package on its path, this carries out the
calls that it reads as JSON from standard input and prints what they returned.
"""

from __future__ import annotations

import asyncio
import hashlib
import importlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

VERSIONS = ("0.1.0", "0.4.8")
#: the name of the session in every tmux server, theirs and ours
SESSION = "optio"
TMUX = "/usr/bin/tmux"


@dataclass(frozen=True)
class Reference:
    """One release of the package; ``ssh`` is how its engine reaches the worker, ``task`` the task's directory there."""

    place: Path
    ssh: Mapping[str, Any]
    task: str
    socket: str

    @property
    def workdir(self) -> str:
        """The task's workdir, which the package puts there."""
        return f"{self.task}/workdir"

    @property
    def codex(self) -> str:
        """The launch path of codex."""
        return f"{self.workdir}/home/.local/bin/codex"

    def alive(self) -> bool:
        """Return whether the package takes the session for alive."""
        return bool(self._call("tmux_session_alive", *self._tmux))

    def send(self, text: str) -> None:
        """Send a text as the package does."""
        self._call("send_text_to_codex", *self._tmux, text)

    def latest_session_id(self) -> str | None:
        """Return the conversation that the package would resume."""
        found: str | None = self._call("read_latest_session_id")
        return found

    def tear_down(self) -> None:
        """End a session of which the engine has no handle, as after a crash of its own."""
        names = {"tmux_path": TMUX, "tmux_socket": self.socket, "tmux_session": SESSION}
        self._call("teardown_session_tree", **names, codex_path=self.codex, aggressive=False)

    def launch(self, codex_dir: str, ttyd_dir: str, config: str) -> None:
        """Launch a session, and leave it alone as an engine does that ends."""
        self._run({"launch": {"codex_dir": codex_dir, "ttyd_dir": ttyd_dir, "config": config}})

    def snapshot(self, path: str) -> None:
        """Write what the package would store as a snapshot of the workdir to a file on this machine."""
        self._run({"snapshot": path})

    @property
    def _tmux(self) -> tuple[str, str, str]:
        return TMUX, self.socket, SESSION

    def _call(self, function: str, *arguments: Any, **named: Any) -> Any:
        return self._run({"call": [function, arguments, named]})

    def _run(self, request: Mapping[str, Any]) -> Any:
        # nothing of the tests' own environment: the package would take some of it for its own
        environment = {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], "PYTHONPATH": str(self.place)}
        done = subprocess.run(
            [sys.executable, __file__],
            input=json.dumps({"ssh": self.ssh, "task": self.task, **request}),
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-4000:]
        return json.loads(done.stdout)


def reference_socket(workdir: str) -> str:
    """Return the tmux socket that the package gives a task by its workdir."""
    return f"/tmp/optio-cx-{hashlib.sha256(workdir.encode()).hexdigest()[:16]}.sock"


class _Hooks:
    """What the package's provisioning asks of its engine; with everything in place it is not much."""

    def __init__(self, host: Any) -> None:
        self._host = host

    def report_progress(self, *_arguments: Any, **_named: Any) -> None:
        """Say nothing."""


async def _launch(actions: Any, host: Any, codex_dir: str, ttyd_dir: str, config: str) -> int:
    await host.setup_workdir()
    hooks = _Hooks(host)
    codex = await actions.ensure_codex_installed(hooks, install_if_missing=False, install_dir=codex_dir)
    ttyd = await actions.ensure_ttyd_installed(hooks, install_if_missing=False, install_dir=ttyd_dir)
    await host.write_text("home/.codex/config.toml", config)
    await actions.ensure_workdir_trusted(host)
    flags = actions.build_codex_flags(model=None, sandbox_args=["--sandbox", "workspace-write"])
    _handle, _tmux, port, _socket, _name = await actions.launch_ttyd_with_codex(
        host, ttyd_path=ttyd, codex_path=codex, bind_iface="127.0.0.1", extra_env={}, codex_flags=flags
    )
    return int(port)


async def _snapshot(host: Any, path: str) -> None:
    excluded = importlib.import_module("optio_codex.snapshots").CODEX_WORKDIR_EXCLUDE_DEFAULT
    with open(path, "wb") as stream:
        async for chunk in host.archive_workdir(excluded):
            stream.write(chunk)


async def _carry_out(request: Mapping[str, Any]) -> Any:
    actions: Any = importlib.import_module("optio_codex.host_actions")
    types: Any = importlib.import_module("optio_host.types")
    host = actions.build_host(types.SSHConfig(**request["ssh"]), request["task"])
    await host.connect()
    try:
        if "launch" in request:
            return await _launch(actions, host, **request["launch"])
        if "snapshot" in request:
            return await _snapshot(host, request["snapshot"])
        function, arguments, named = request["call"]
        return await getattr(actions, function)(host, *arguments, **named)
    finally:
        await host.disconnect()


if __name__ == "__main__":
    print(json.dumps(asyncio.run(_carry_out(json.load(sys.stdin)))))
