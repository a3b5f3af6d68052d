# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A task on this machine, as files and a tmux server make it, and what the probe of it says."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.optio.codex.plugins.module_utils._core.probe import parse
from ansible_collections.optio.codex.plugins.module_utils._session.layout import runtime_digest
from ansible_collections.optio.codex.plugins.module_utils._session.probe import parse_task, task_script
from ansible_collections.optio.codex.plugins.module_utils._session.state import ObservedSession
from ansible_collections.optio.codex.tests.unit.support import shells

EVERY_SHELL = pytest.mark.parametrize("name", shells.SHELLS)
#: what depends on what is there, and no more on the shell than the others
ONE_SHELL = pytest.mark.parametrize("name", ["dash"])


def plain_user(base: Path) -> Path:
    """Return a directory for PATH with an ``id`` that takes the user for a plain one, whoever runs the tests."""
    programs = base / "plain"
    programs.mkdir(exist_ok=True)
    (programs / "id").write_text('#!/bin/sh\n[ "$1" = -un ] && echo me && exit\necho 1000\n')
    (programs / "id").chmod(0o755)
    return programs


class Task:
    """A task below a root of its own, and a home in which nothing is installed."""

    def __init__(self, base: Path) -> None:
        self.home = base / "home"
        self.root = base / "ro ot"
        self.task = self.root / "review"
        self.workdir = self.task / "workdir"
        self.runtime = self.root / ".run" / runtime_digest("review")
        self.home.mkdir()

    def look(self, name: str, *, variables: dict[str, str] | None = None, **options: Any) -> ObservedSession:
        """Return what a shell sees of the task."""
        given = {"root": str(self.root), "workdir": None, "codex_dir": None, "ttyd_dir": None, "user": None, "sweep": False}
        environment = {"HOME": str(self.home), "PATH": os.environ["PATH"], **(variables or {})}
        script = task_script("review", **{**given, **options})
        return parse_task(parse(shells.run(name, script, environment=environment)), "review")

    def record(self, **fields: str) -> None:
        self.task.mkdir(parents=True, exist_ok=True)
        lines = {"name": "review", "workdir": str(self.workdir), "runtime": str(self.runtime), **fields}
        (self.task / "session").write_text("".join(f"{key}={value}\n" for key, value in lines.items()))

    def rollout(self, name: str) -> Path:
        path = self.task / "home" / ".codex" / "sessions" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}\n")
        return path


@contextmanager
def tmux_server(task: Task) -> Iterator[int]:
    """Give the pid of a tmux server with a launcher that has one child, which runs."""
    task.runtime.mkdir(0o700, parents=True)
    task.task.mkdir(exist_ok=True)
    socket = str(task.runtime / "tmux.sock")
    argv = ["tmux", "-S", socket, "-f", "/dev/null"]
    launcher = task.task / "launch.sh"
    launcher.write_text(f"sleep 60 & echo $! >'{task.runtime}/child'; wait\n")
    subprocess.run([*argv, "new-session", "-d", "-s", "optio", "/bin/sh", str(launcher)], check=True, timeout=10)
    try:
        shown = subprocess.run([*argv, "display-message", "-p", "#{pid}"], check=True, timeout=10, capture_output=True)
        pid = int(shown.stdout)
        # until then the shell may not have opened its script, which a test may move
        child = task.runtime / "child"
        while not (child.exists() and child.read_text().endswith("\n")):
            assert Path(f"/proc/{pid}").exists()
        yield pid
    finally:
        subprocess.run([*argv, "kill-server"], check=False, timeout=10)


def until(look: Callable[[], ObservedSession], holds: Callable[[ObservedSession], object]) -> ObservedSession:
    """Return the first view of which something holds: a pane takes a moment to execute its program."""
    deadline = time.monotonic() + 10
    while not holds(view := look()):
        assert time.monotonic() < deadline, view
    return view
