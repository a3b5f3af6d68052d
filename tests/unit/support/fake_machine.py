# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One session's steps on a made-up machine: processes that nobody starts, and real files."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.optio.codex.plugins.module_utils._core import processes
from ansible_collections.optio.codex.plugins.module_utils._core.errors import OptioError
from ansible_collections.optio.codex.plugins.module_utils._core.host import Completed
from ansible_collections.optio.codex.plugins.module_utils._core.plan import Action
from ansible_collections.optio.codex.plugins.module_utils._launch.spec import SessionSpec
from ansible_collections.optio.codex.plugins.module_utils._launch.start import SessionSteps
from ansible_collections.optio.codex.plugins.module_utils._session import ttyd
from ansible_collections.optio.codex.plugins.module_utils._session.command_line import TerminalOptions
from ansible_collections.optio.codex.plugins.module_utils._session.layout import SessionPaths
from ansible_collections.optio.codex.plugins.module_utils._session.state import ObservedSession, Worker
from ansible_collections.optio.codex.tests.unit.support.session_builders import FIXTURES, MADE, WORKER, Call, FakeHost, session_of, view_of

STEP = Action("step", "target")
IDLE = (FIXTURES / "screens/0.169.0-idle.txt").read_text()
TRUST = (FIXTURES / "screens/0.169.0-trust.txt").read_text()


@dataclass
class Process:
    """One process of the machine, and what it takes to end it."""

    argv: tuple[str, ...]
    ended_by: tuple[int, ...] = (signal.SIGTERM, signal.SIGKILL)
    tagged: bool = True
    alive: bool = True


@dataclass
class Machine:
    """Processes that nobody starts, and the order of what happens to them."""

    layout: SessionPaths
    table: dict[int, Process] = field(default_factory=dict)
    events: list[str] = field(default_factory=list)

    def install(self, patch: pytest.MonkeyPatch) -> None:
        alive = self.running
        patch.setattr(processes, "tagged", lambda tag: [pid for pid in alive() if self.table[pid].tagged and tag == self.layout.tag])
        patch.setattr(processes, "descendants", lambda pid: [other for other in alive() if pid == 11 and other != 11])
        patch.setattr(processes, "is_running", lambda pid: pid in alive())
        patch.setattr(processes, "read_stat", lambda pid: ("S", 99) if pid in alive() else ("", None))
        patch.setattr(processes, "arguments", lambda pid: list(self.table[pid].argv) if pid in alive() else [])
        patch.setattr(os, "kill", self.kill)

    def running(self) -> list[int]:
        return sorted(pid for pid, process in self.table.items() if process.alive)

    def kill(self, pid: int, number: signal.Signals) -> None:
        assert pid > 0, "a whole group"
        self.events.append(f"{signal.Signals(number).name} {pid}")
        if pid not in self.running():
            raise ProcessLookupError
        if number in self.table[pid].ended_by:
            self.table[pid].alive = False
            if pid == 12:
                # the launcher has told the end
                self.table[11].alive = False


class FakeSupervisor:
    """A supervisor that writes down what it is asked, and fails where it is told to."""

    name = "kept"

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.fails = ""
        self.terminal_pid = 20

    def unit_of(self, layout: SessionPaths) -> str | None:
        return None

    def release(self) -> None:
        self.machine.events.append("release")

    def start_session(self, layout: SessionPaths, worker: Worker, limits: Mapping[str, str]) -> None:
        self.machine.events.append("start session")
        if self.fails == "session":
            raise OptioError("session review", "tmux of session review did not start", "Fix this")

    def start_terminal(self, layout: SessionPaths, worker: Worker, argv: Sequence[str], *, second: bool = False) -> int:
        self.machine.events.append(f"start {' '.join(argv)}")
        return 21 if second else self.terminal_pid

    def stop_terminal(self, layout: SessionPaths, *, second: bool = False) -> None:
        self.machine.events.append("stop second terminal" if second else "stop terminal")

    def stop_session(self, layout: SessionPaths) -> None:
        self.machine.events.append("stop session")


class Bench:
    """Steps of one session on a made-up machine with real files."""

    def __init__(self, base: Path, patch: pytest.MonkeyPatch) -> None:
        self.layout = SessionPaths("review", f"{base}/review", f"{base}/review/workdir", f"{base}/run/review")
        for directory in (self.layout.workdir, self.layout.runtime):
            os.makedirs(directory)
        self.machine = Machine(self.layout)
        self.machine.install(patch)
        self.recorded_supervisor = FakeSupervisor(self.machine)
        self.screens: list[str] = [IDLE]
        self.host = FakeHost(self.answer)
        self.view: ObservedSession = view_of(session_of("absent", SessionSpec(), self.layout), MADE, WORKER, self.layout)

    def answer(self, call: Call) -> Completed | None:
        if "capture-pane" in call.argv:
            shown = self.screens.pop(0) if len(self.screens) > 1 else self.screens[0]
            return Completed(0 if shown else 1, shown, "")
        if "kill-server" in call.argv:
            self.machine.events.append("kill tmux")
        return None

    def steps(self, ready_timeout: float = 30.0, stop_timeout: float = 15.0, view: ObservedSession | None = None) -> SessionSteps:
        return SessionSteps(self.host, view or self.view, self.recorded_supervisor, ready_timeout=ready_timeout, stop_timeout=stop_timeout)

    def has_codex(self, **changes: Any) -> None:
        """Let codex run with its launcher and tmux, and two programs that it started."""
        layout = self.layout
        self.machine.table = {
            10: Process(("tmux", "-S", layout.tmux_socket)),
            11: Process(("/bin/sh", layout.launcher), ()),
            12: replace(Process((layout.codex_path, "--flag")), **changes),
            13: Process(("sleep", "60"), tagged=False),
            14: Process(("sleep", "61"), (signal.SIGKILL,)),
        }


def answering(patch: pytest.MonkeyPatch, after: int = 0) -> list[TerminalOptions]:
    """Let ttyd answer from the ``after``-th question on; return what it is asked for."""
    asked: list[TerminalOptions] = []

    def accepts_connections(layout: SessionPaths, terminal: TerminalOptions) -> bool:
        asked.append(terminal)
        return len(asked) > after

    patch.setattr(ttyd, "accepts_connections", accepts_connections)
    return asked
