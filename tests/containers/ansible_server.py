# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A process that has imported Ansible and forks a run of ansible-playbook for each job: a run takes a third of the processor time.

As a program, it reads jobs from standard input and prints the process ID of each run. ``Server`` is its client.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: what nearly every run would import
IMPORTS = (
    *(f"ansible.plugins.{name}" for name in ("strategy.linear", "connection.ssh", "shell.sh", "action.normal", "callback.default")),
    *("ansible.executor.playbook_executor", "ansible.executor.task_queue_manager", "ansible.executor.module_common"),
)
ACTIONS = "ansible_collections.optio.codex.plugins.action"
#: seconds between two looks at a run
TICK = 0.02


def serve() -> None:
    """Fork a run for each job; the run is a child of a process that writes its exit status to a file."""
    from ansible.cli.playbook import PlaybookCLI
    from ansible.plugins.loader import init_plugin_loader

    init_plugin_loader()
    warnings.filterwarnings("ignore", message="AnsibleCollectionFinder has already been configured")
    for name in IMPORTS:
        importlib.import_module(name)
    for path in (Path(__file__).resolve().parents[2] / "plugins" / "action").glob("[!_]*.py"):
        importlib.import_module(f"{ACTIONS}.{path.stem}")
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        if os.fork() == 0:
            supervise(json.loads(line), PlaybookCLI.cli_executor)


def supervise(job: Mapping[str, Any], run: Any) -> None:
    """Run a job in a child, print its process ID, and write its exit status when it has ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    child = os.fork()
    if child == 0:
        os.environ.clear()
        os.environ.update(job["environment"])
        os.chdir(job["directory"])
        output = os.open(job["output"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        for source, target in ((os.open(os.devnull, os.O_RDONLY), 0), (output, 1), (output, 2)):
            os.dup2(source, target)
        code: Any = 0
        try:
            sys.argv = list(job["argv"])
            run(job["argv"])
        except SystemExit as end:
            code = end.code or 0
        finally:
            with contextlib.suppress(Exception):
                sys.stdout.flush()
                sys.stderr.flush()
            # not the handlers of the server's own end
            os._exit(code if isinstance(code, int) else 1)
    os.write(1, f"{child}\n".encode())
    _pid, status = os.waitpid(child, 0)
    partial = f"{job['status']}.new"
    Path(partial).write_text(str(os.waitstatus_to_exitcode(status)), encoding="utf-8")
    os.rename(partial, job["status"])
    os._exit(0)


@dataclass
class ServedProcess:
    """A run of the server, with the methods of ``subprocess.Popen`` that the tests use."""

    pid: int
    status: Path

    def poll(self) -> int | None:
        """Return the exit status, None as long as the process runs."""
        return int(self.status.read_text(encoding="utf-8")) if self.status.exists() else None

    def wait(self, timeout: float = 60.0) -> int:
        """Return the exit status when the process has ended; raise TimeoutExpired if it does not end in time."""
        deadline = time.monotonic() + timeout
        while (code := self.poll()) is None:
            if time.monotonic() > deadline:
                raise subprocess.TimeoutExpired("ansible-playbook", timeout)
            time.sleep(TICK)
        return code

    def kill(self) -> None:
        """Kill the process, if it still runs."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)

    def send_signal(self, number: int) -> None:
        """Send a signal to the process."""
        os.kill(self.pid, number)


class Server:
    """A running server; its environment is that of all runs."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        command = [sys.executable, str(Path(__file__).resolve())]
        self._process = subprocess.Popen(
            command, env=dict(environment), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, bufsize=1
        )

    def start(self, argv: Sequence[str], directory: Path, output: Path, environment: Mapping[str, str]) -> ServedProcess:
        """Start a run of ansible-playbook with these variables; Ansible's configuration is that of the server."""
        status = directory / "status"
        status.unlink(missing_ok=True)
        job = {
            "argv": list(argv),
            "directory": str(directory),
            "output": str(output),
            "status": str(status),
            "environment": dict(environment),
        }
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        return ServedProcess(int(self._process.stdout.readline()), status)


if __name__ == "__main__":
    serve()
