# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Workers, tasks and sessions as a probe would show them, and a host that only writes down what it is asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.optio.codex.plugins.module_utils.host import Completed
from ansible_collections.optio.codex.plugins.module_utils.layout import TaskLayout
from ansible_collections.optio.codex.plugins.module_utils.plan import Plan
from ansible_collections.optio.codex.plugins.module_utils.session_plan import SessionWish, record_text
from ansible_collections.optio.codex.plugins.module_utils.subject import Subject
from ansible_collections.optio.codex.plugins.module_utils.task_probe import Pane, Session, TaskView, Worker, Workspace

FIXTURES = Path(__file__).parent / "fixtures"
CODEX = "/var/cache/optio-codex/bin/releases/0.169.0-x86_64-unknown-linux-musl/bin/codex"
WORKER = Worker(
    system="Linux",
    machine="x86_64",
    node="worker1",
    user="alice",
    home="/home/alice",
    path="/usr/local/bin:/usr/bin:/bin",
    privileged=False,
    systemd=False,
    tmux="/usr/bin/tmux",
    git="/usr/bin/git",
    codex=CODEX,
    ttyd="/usr/bin/ttyd",
)
TASK = "/home/alice/.local/share/optio-codex/review"
LAYOUT = TaskLayout("review", TASK, f"{TASK}/workdir", "/home/alice/.local/share/optio-codex/.run/0123456789ab")
PANE = Pane(launcher=11, server=10, dead=False, in_mode=False, created=1795343648, codex=12)
#: everything that a launch makes, as it is afterwards
MADE = Workspace(
    task_kind="directory",
    workdir_kind="directory",
    workdir_filled=True,
    home_kind="directory",
    home_complete=True,
    link=CODEX,
    config_kind="other",
)


def options(subject: Subject[Any], **given: Any) -> dict[str, Any]:
    """Return a module's options with its defaults, as a run gets them; wrong ones fail the test."""
    validated = ArgumentSpecValidator(**subject.specification.rules()).validate(given)
    assert not validated.error_messages, validated.error_messages
    return dict(validated.validated_parameters)


def record_of(wish: SessionWish, layout: TaskLayout = LAYOUT, worker: Worker = WORKER) -> dict[str, str]:
    """Return the record that a launch by ``wish`` leaves, as the probe reads it."""
    text = record_text(TaskView(worker, layout, Workspace(), Session()), wish)
    lines = [*text.splitlines(), "started=1795343648"]
    return dict(line.partition("=")[::2] for line in lines)


def session_of(status: str, wish: SessionWish, layout: TaskLayout = LAYOUT, **changes: Any) -> Session:
    """Return a session of one status, launched by ``wish``, its terminal alive exactly while it runs."""
    if status == "absent":
        return replace(Session(runtime=layout.runtime), **changes)
    running = status == "running"
    seen = Session(
        record=record_of(wish, layout),
        runtime=layout.runtime,
        runtime_kind="directory",
        pane=PANE if running else None,
        exit_status={"finished": 7, "stopped": 143}.get(status),
        ended=None if running or status == "lost" else 1795343700,
        stopped=status == "stopped",
        terminal_pid=20 if running else None,
        terminal_alive=running,
        terminal_socket=running,
    )
    return replace(seen, **changes)


def view_of(session: Session, files: Workspace = MADE, worker: Worker = WORKER, layout: TaskLayout = LAYOUT) -> TaskView:
    """Return a probe's whole view."""
    return TaskView(worker, layout, files, session)


def rendered(plan: Plan) -> str:
    """Return a plan's diff as one text for a golden file."""
    sides = plan.diff()
    return f"--- before\n{sides['before']}+++ after\n{sides['after']}"


@dataclass(frozen=True)
class Call:
    """One command that the host was asked to run or to start."""

    argv: tuple[str, ...]
    stdin: str | None = None
    environment: Mapping[str, str] | None = None
    cwd: str | None = None
    privileged: bool = False
    spawned: bool = False


Answer = Callable[[Call], "Completed | None"]


@dataclass
class FakeHost:
    """A host of which nothing runs; its clock moves only while somebody sleeps.

    ``answer`` may return what a command leaves; any other ends well and says nothing.
    """

    answer: Answer = lambda call: None
    root: bool = False
    pid: int = 4242
    now: float = 0.0
    calls: list[Call] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    acted: list[str | None] = field(default_factory=list)

    def probe(self, script: str) -> str:
        raise AssertionError("nothing is to be probed here")

    def run(
        self,
        argv: Sequence[str],
        *,
        stdin: str | None = None,
        environment: Mapping[str, str] | None = None,
        cwd: str | None = None,
        timeout: float = 60,
        privileged: bool = False,
    ) -> Completed:
        call = Call(tuple(argv), stdin, environment, cwd, privileged)
        self.calls.append(call)
        return self.answer(call) or Completed(0, "", "")

    def spawn(self, argv: Sequence[str], *, environment: Mapping[str, str], cwd: str, log: str) -> int:
        self.calls.append(Call(tuple(argv), environment=environment, cwd=cwd, spawned=True))
        return self.pid

    @contextmanager
    def acting_as(self, user: str | None) -> Iterator[None]:
        self.acted.append(user)
        yield

    @contextmanager
    def privileged(self) -> Iterator[None]:
        yield

    def is_root(self) -> bool:
        return self.root

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def warn(self, text: str) -> None:
        self.warnings.append(text)

    def argvs(self) -> list[list[str]]:
        """Return the command lines in order."""
        return [list(call.argv) for call in self.calls]
