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

from ansible_collections.optio.codex.plugins.module_utils._core.host import Completed
from ansible_collections.optio.codex.plugins.module_utils._core.plan import Action, Plan
from ansible_collections.optio.codex.plugins.module_utils._core.resource import Resource
from ansible_collections.optio.codex.plugins.module_utils._launch.spec import SessionSpec, recorded_options
from ansible_collections.optio.codex.plugins.module_utils._session.layout import SessionPaths
from ansible_collections.optio.codex.plugins.module_utils._session.record import record_text
from ansible_collections.optio.codex.plugins.module_utils._session.state import ObservedSession, Pane, Session, Worker, Workspace

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures"
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
LAYOUT = SessionPaths("review", TASK, f"{TASK}/workdir", "/home/alice/.local/share/optio-codex/.run/0123456789ab")
PANE = Pane(launcher=11, server=10, dead=False, in_mode=False, created=1795343648, codex=12)
#: everything that a launch makes, as it is afterwards
MADE = Workspace(
    task_kind="directory",
    workdir_kind="directory",
    workdir_filled=True,
    home_kind="directory",
    home_complete=True,
    home_link=f"{TASK}/home",
    link=CODEX,
    config_kind="other",
)


def options(subject: Resource[Any, Any], **given: Any) -> dict[str, Any]:
    """Return a module's options with its defaults, as a run gets them; wrong ones fail the test."""
    validated = ArgumentSpecValidator(**subject.specification.to_kwargs()).validate(given)
    assert not validated.error_messages, validated.error_messages
    return dict(validated.validated_parameters)


def record_of(spec: SessionSpec, layout: SessionPaths = LAYOUT, worker: Worker = WORKER) -> dict[str, str]:
    """Return the record that a launch by ``spec`` leaves, as the probe reads it."""
    text = record_text(ObservedSession(worker, layout, Workspace(), Session()), recorded_options(spec))
    lines = [*text.splitlines(), "started=1795343648", f"trust={'trusted' if spec.codex.trust == 'auto' else spec.codex.trust or 'none'}"]
    return dict(line.partition("=")[::2] for line in lines)


def session_of(status: str, spec: SessionSpec, layout: SessionPaths = LAYOUT, **changes: Any) -> Session:
    """Return a session of one status, launched by ``spec``, its terminal alive exactly while it runs."""
    if status == "absent":
        return replace(Session(runtime=layout.runtime), **changes)
    running = status == "running"
    seen = Session(
        record=record_of(spec, layout),
        runtime=layout.runtime,
        runtime_kind="directory",
        pane=PANE if running else None,
        exit_status={"finished": 7, "stopped": 143}.get(status),
        ended=None if running or status == "lost" else 1795343700,
        stopped=status == "stopped",
        prompt_mark=bool(spec.codex.prompt),
        prompt_copied="given" if spec.codex.prompt else "",
        state_files=("session", "environment", "launch.sh"),
        terminal_pid=20 if running else None,
        terminal_alive=running,
        terminal_socket=running,
    )
    return replace(seen, **changes)


def view_of(session: Session, files: Workspace = MADE, worker: Worker = WORKER, layout: SessionPaths = LAYOUT) -> ObservedSession:
    """Return a probe's whole view."""
    return ObservedSession(worker, layout, files, session)


def launcher_of(plan: Plan) -> str:
    """Return the text of the launcher that a plan writes."""
    (payload,) = (action.payload for action in plan.actions if action.target.endswith("/launch.sh"))
    return str(payload.script(payload.trust).text)


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

    def converse(
        self, argv: Sequence[str], request: str, *, until: str | None, environment: Mapping[str, str], limit: int, timeout: float
    ) -> Completed:
        call = Call(tuple(argv), request, environment)
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


def after(view: ObservedSession, plan: Plan) -> ObservedSession:
    """Return the view that a probe would give once the plan is carried out, by what each action says of itself."""
    files, session = view.workspace, view.session
    for action in plan.actions:
        files = _files_after(files, view.layout, action)
        session = _session_after(session, view.layout, action)
    return ObservedSession(view.worker, view.layout, files, session)


def _files_after(files: Workspace, layout: SessionPaths, action: Action) -> Workspace:
    made: dict[tuple[str, str], dict[str, Any]] = {
        ("create", layout.task): {"task_kind": "directory"},
        ("create", layout.workdir): {"workdir_kind": "directory"},
        ("create", layout.home): {"home_kind": "directory", "home_complete": True, "workdir_filled": True},
        ("clone", layout.workdir): {"workdir_kind": "directory", "workdir_filled": True, "is_repository": True},
        ("link", layout.codex_link): {"link": action.payload},
        ("link", layout.home_link or ""): {"home_link": action.payload},
        ("publish", layout.instructions_pointer or ""): {"pointer": action.after},
        ("write", layout.config): {"config_kind": "other"},
        ("write", layout.instructions): {"instructions": action.after},
        ("remove", layout.instructions): {"instructions": None},
        ("remove", layout.home): {"home_kind": "absent", "home_complete": False, "link": None, "config_kind": "absent"},
        ("append", layout.resume_log): {"logs": tuple(dict.fromkeys((*files.logs, "resume.log")))},
        ("remove", f"{layout.codex_home}/AGENTS.override.md"): {"override": False},
    }
    if action.kind == "remove" and action.target in layout.logs:
        return replace(files, logs=tuple(name for name in files.logs if f"{layout.log_dir}/{name}" != action.target))
    if action.kind == "rotate":
        return replace(files, logs=tuple(dict.fromkeys((*files.logs[1:], "optio.log.old"))))
    if (action.kind, action.target) == ("remove", layout.task):
        return Workspace() if layout.workdir.startswith(f"{layout.task}/") else replace(Workspace(), workdir_kind=files.workdir_kind)
    return replace(files, **made.get((action.kind, action.target), {}))


def _session_after(session: Session, layout: SessionPaths, action: Action) -> Session:
    if (action.kind, action.target) == ("write", layout.record):
        fields = dict(line.partition("=")[::2] for line in action.payload.text.splitlines())
        return replace(session, record={**fields, "started": "1795343800"}, runtime=layout.runtime, state_files=("session", "launch.sh"))
    listens = action.target == layout.terminal_socket
    served = {"terminal_pid": 20, "terminal_alive": True, "terminal_socket": listens, "terminal_port": None if listens else 7681}
    ended: dict[str, Any] = {"exit_status": None, "ended": None}
    gone: dict[str, Any] = {"terminal_pid": None, "terminal_alive": False, "terminal_socket": False}
    changes: dict[str, dict[str, Any]] = {
        "create_runtime": {"runtime_kind": "directory"},
        "remove_runtime": {"runtime_kind": "absent"},
        "start": {"pane": PANE, **({"prompt_mark": True, "prompt_copied": "given"} if session.prompt_copied else {})},
        "copy": {"prompt_copied": action.payload or session.prompt_copied},
        "complete": {"record": {**session.record, "started": "1795343648"}},
        "open": {**served, "damaged": tuple(name for name in session.damaged if name != "terminal")},
        "reconnect": {"unreachable": False},
        "close": {**gone, "units": tuple(unit for unit in session.units if "ttyd" not in unit)},
        "stop": {"pane": None, "leftovers": (), "units": ()},
        "forget": {"record": {}, "stopped": False, "prompt_mark": False, "prompt_copied": "", "state_files": (), **ended, **gone},
    }
    if action.kind == "remove" and action.target == layout.exit_status:
        return replace(session, **ended)
    if action.kind == "remove" and action.target == layout.stopped_mark:
        return replace(session, stopped=False)
    if action.kind == "stop" and session.exit_status is None:
        session = replace(session, stopped=True, exit_status=143, ended=1795343800)
    return replace(session, **changes.get(action.kind, {}))
