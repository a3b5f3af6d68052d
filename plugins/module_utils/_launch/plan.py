# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a session shall be, what differs from it, and what is to be done: pure functions over one view of the worker."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from .._session.command_line import (
    AUTO_START_PROMPT,
    RESUME_NOTICE,
    CodexOptions,
    Destination,
    TerminalOptions,
    attach_command,
    environment_file,
    terminal_place,
)
from .._core.errors import OptioError
from .._session.layout import SESSION_UNIT, TAG_VARIABLE, check_path, expand, package_socket
from .._core.plan import Action, Plan
from .._session.project_trust import compared, launcher_payload, recorded, trust_of_launch
from .repair import refuse_blocked_runtime, removals, repairs, warnings_of
from .._session.terminal import describe_terminal, group_obstacles, plan_close, plan_open
from .._core.executor import FileText
from .._core.resource import Params
from .._session.supervisor import LIMITS
from .._session.probe import Session, TaskView
from .._session.workspace import WorkspaceWish, missing_programs, plan_files

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
#: as systemd takes them
_LIMIT_VALUES = {
    "memory_max": (re.compile(r"(\d+(\.\d+)?[KMGT]?|\d+(\.\d+)?%|infinity)\Z"), "bytes, with K, M, G or T, or a percentage of the memory"),
    "cpu_quota": (re.compile(r"\d+(\.\d+)?%\Z"), "a percentage of one CPU, such as 150%"),
    "tasks_max": (re.compile(r"(\d+%?|infinity)\Z"), "a number, or a percentage of the system's limit"),
}
_RELEASE = re.compile(r"/releases/([^/]+?)-(?:x86_64|aarch64)-[^/]*/")
#: once they are closed
_NO_TERMINALS: Mapping[str, Any] = {"terminal_alive": False, "watch_alive": False, "terminal_pid": None, "watch_pid": None}
#: variables that isolate the session or find its processes
RESERVED = ("HOME", "CODEX_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME", TAG_VARIABLE)


@dataclass(frozen=True)
class SessionWish:
    """What a module's options ask of a session."""

    codex: CodexOptions = field(default_factory=CodexOptions)
    terminal: TerminalOptions = field(default_factory=TerminalOptions)
    files: WorkspaceWish = field(default_factory=WorkspaceWish)
    environment: Mapping[str, str] = field(default_factory=dict)
    environment_remove: tuple[str, ...] = ()
    limits: Mapping[str, str] = field(default_factory=dict)
    resume: bool = False
    adopt: bool = False
    keep_options: bool = False
    recreate: bool = False
    #: terminal.group of the call itself, whatever a record says of the terminal
    web_group: str | None = None

    @classmethod
    def of(cls, params: Params) -> SessionWish:
        """Return the wish that the options make; an empty string counts as unset, as AWX surveys send it."""
        trust = params.get("trust")
        prompt = params.get("prompt") or (AUTO_START_PROMPT if params.get("auto_start") else None)
        given_variables = params.get("environment") or {}
        codex = CodexOptions(
            approval_policy=params["approval_policy"],
            sandbox=params["sandbox"],
            writable_roots=tuple(params.get("writable_roots") or ()),
            network_access=bool(params.get("network_access")),
            model=params.get("model") or None,
            trust=None if trust == "none" else trust,
            prompt=prompt,
        )
        given = {name: value for name, value in (params.get("terminal") or {}).items() if value is not None}
        return cls(
            codex=codex,
            terminal=TerminalOptions(**given),
            files=WorkspaceWish.of(params),
            environment={name: str(value) for name, value in given_variables.items() if value is not None},
            environment_remove=tuple(params.get("environment_remove") or ()),
            limits={name: params[name].strip() for name in LIMITS if params.get(name)},
            resume=bool(params.get("resume")),
            adopt=bool(params.get("adopt")),
            keep_options=bool(params.get("keep_options")),
            recreate=bool(params.get("recreate")),
            web_group=given.get("group") or None,
        )


def check_wish(wish: SessionWish) -> None:
    """Raise OptioError for options that contradict each other or that a session cannot have."""
    codex = wish.codex
    if codex.sandbox != "workspace-write" and (codex.writable_roots or codex.network_access):
        raise OptioError(
            f"sandbox {codex.sandbox}",
            "takes neither writable_roots nor network_access",
            "Set sandbox: workspace-write, or leave those options out",
        )
    for name, value in wish.limits.items():
        pattern, form = _LIMIT_VALUES[name]
        if not pattern.match(value):
            raise OptioError(f"{name} {value}", "is no limit that systemd takes", f"Give {form}")
    for root in codex.writable_roots:
        check_path("writable_roots", root)
    if "\0" in (codex.prompt or ""):
        raise OptioError("prompt", "holds a NUL, which no command line can", "Take it out")
    for name in (*wish.environment, *wish.environment_remove):
        if not _VARIABLE.match(name):
            raise OptioError(f"environment variable {name!r}", "is no variable name", "Use letters, digits and '_'")
    for name, value in wish.environment.items():
        if "\0" in value:
            raise OptioError(f"environment variable {name}", "holds a NUL, which no variable can", "Take it out")
        if name in RESERVED:
            raise OptioError(f"environment variable {name}", "keeps the session apart from others", "Leave it out of environment")


def plan_started(view: TaskView, wish: SessionWish, inherited: Mapping[str, str]) -> Plan:
    """Return what brings a session to life: everything for a new one, the terminal alone for a live one.

    An ended session is reported as it ended; its prompt is never given twice. ``resume`` goes on with its conversation.
    """
    session = view.session
    _refuse_name_taken(view)
    if wish.keep_options and session.on_record:
        wish = _as_recorded(view, wish)
    if session.status == "running":
        return _plan_live(view, wish, inherited)
    if session.status == "absent":
        return _launched(view, wish, _plan_launch(view, wish, inherited))
    if wish.resume:
        return _plan_resumed(view, wish, inherited)
    result = {"drift": [], "resumed": False, "unenforced_limits": [], **recorded(session)}
    return Plan((), {**describe(view, session.status, terminal_of_record(session)), **result}, warnings_of(view))


def plan_restarted(view: TaskView, wish: SessionWish, inherited: Mapping[str, str]) -> Plan:
    """Return what ends a session and goes on with its conversation by the options asked; a new one is launched."""
    if view.session.status != "running":
        return plan_started(view, replace(wish, resume=True), inherited)
    _refuse_name_taken(view)
    if wish.keep_options:
        wish = _as_recorded(view, wish)
    return _with_drift(_plan_resumed(view, wish, inherited), find_drift(view, wish))


def _plan_live(view: TaskView, wish: SessionWish, inherited: Mapping[str, str]) -> Plan:
    session, layout = view.session, view.layout
    terminal = terminal_of_record(session)
    drift = find_drift(view, wish)
    if drift and wish.recreate:
        return _with_drift(_plan_resumed(view, wish, inherited), drift)
    # the terminal of an adopted session is for whoever launched it
    mended = repairs(session, layout, terminal_place(layout, terminal)[0])
    closed = any(action.kind == "close" for action in mended)
    seen = replace(view, session=replace(session, **_NO_TERMINALS)) if closed else view
    actions = () if layout.adopted else (*mended, *plan_open(seen, terminal, wish.web_group))
    warnings = tuple(
        f"session {layout.name}: {entry['option']} is {entry['running']!r}, not {entry['wanted']!r}; a live session "
        "keeps its options, so set recreate or state: restarted to go on with others"
        for entry in drift
    )
    result = {"drift": drift, "resumed": False, "unenforced_limits": unenforced_limits(session), **recorded(session)}
    return Plan(actions, {**describe(view, "running", terminal), **result}, warnings)


def _with_drift(plan: Plan, drift: list[dict[str, Any]]) -> Plan:
    return replace(plan, result={**plan.result, "drift": drift})


def _plan_resumed(view: TaskView, wish: SessionWish, inherited: Mapping[str, str]) -> Plan:
    layout, session_id = view.layout, view.session.session_id
    if wish.keep_options and view.session.adopted:
        raise OptioError(
            f"session {layout.name}",
            "was launched by the Python package optio-codex, and the options of its launch are on no record",
            "Give the options, and leave keep_options out",
        )
    # what is left of the last run would end this one's log, or hold its port
    ends = plan_stopped(view, terminal_of_record(view.session), remove_record=False).actions
    view = _ended(view, ends) if ends else view
    warning = f"session {layout.name}: nothing was ever said in it, so there is no conversation to go on with: it is started afresh"
    if session_id:
        wish = replace(wish, codex=replace(wish.codex, resume_id=session_id, prompt=RESUME_NOTICE))
    actions = (*ends, *_plan_launch(view, wish, inherited))
    return _launched(view, wish, actions, () if session_id else (warning,), resumed=bool(session_id))


def _ended(view: TaskView, ends: tuple[Action, ...]) -> TaskView:
    """Return the view that there will be once a session is ended."""
    session, log = view.session, os.path.basename(view.layout.log)
    marked = session.exit_status is None and any(action.kind == "stop" for action in ends)
    gone = replace(session, pane=None, terminal_alive=False, watch_alive=False, terminal_socket=False, leftovers=(), units=())
    if marked:
        # the package's launcher writes no exit status where ours does
        gone = replace(gone, stopped=True, exit_status=None if session.adopted else 143)
    # until it has ended the agent may still write a log
    logs = view.workspace.logs if log in view.workspace.logs or not marked else (log, *view.workspace.logs)
    # the next one is on a server of our own
    layout = replace(view.layout, adopted=False)
    return replace(view, layout=layout, session=gone, workspace=replace(view.workspace, logs=logs))


def _launched(
    view: TaskView, wish: SessionWish, actions: tuple[Action, ...], warnings: tuple[str, ...] = (), *, resumed: bool = False
) -> Plan:
    # without units nothing can hold a session to them; whether the kernel does with one is seen when it runs
    without = list(wish.limits) if view.supervisor == "detached" else []
    if without:
        warnings = (*warnings, unenforced_warning(view.layout.name, without))
    trust, told = trust_of_launch(view, wish.codex, actions)
    described = {**describe(view, "running", wish.terminal), "exit_status": None, "ended": None}
    more = {"drift": [], "resumed": resumed, "unenforced_limits": without, **trust}
    return Plan(actions, {**described, **more}, (*warnings, *told))


def unenforced_warning(name: str, limits: Iterable[str]) -> str:
    """Return what the user is told of limits that have no effect."""
    return (
        f"session {name}: {', '.join(limits)} has no effect; that needs a systemd unit, and a kernel controller that its systemd may use "
        "(not in a container with cgroup v1)"
    )


def unenforced_limits(session: Session) -> list[str]:
    """Return the limits of a session's launch that it is not held to, by its record."""
    return [name for name in session.record.get("unenforced", "").split(",") if name in LIMITS]


def _as_recorded(view: TaskView, wish: SessionWish) -> SessionWish:
    """Return the wish with the options that the session was launched with in place of those given."""
    options = _recorded(view.session)
    if options is None:
        raise OptioError(
            f"session {view.layout.name}",
            f"its record {view.layout.record} is damaged, and the options of its launch are not known any more",
            "Give the options again, and leave keep_options out",
        )
    known = {"terminal", "writable_roots", *LIMITS}
    names = [name for name in recorded_options(wish) if name in options and name not in known]
    limits = {name: str(options[name]) for name in LIMITS if options.get(name)}
    roots = tuple(str(root) for root in options.get("writable_roots") or ())
    codex = replace(wish.codex, **{name: options[name] for name in names}, writable_roots=roots)
    return replace(wish, codex=codex, terminal=terminal_of_record(view.session), limits=limits)


def refuse_foreign_session(view: TaskView) -> None:
    """Raise OptioError where the session's sockets are another user's."""
    if view.session.runtime_foreign:
        raise OptioError(
            f"session {view.layout.name}",
            f"its sockets' directory {view.layout.runtime} belongs to another user's session",
            "Set user to that user if this session is meant, else choose another name: root's are unique on a worker",
        )


def _refuse_name_taken(view: TaskView) -> None:
    session, layout = view.session, view.layout
    refuse_foreign_session(view)
    if session.adoptable is not None:
        raise OptioError(
            f"session {layout.name}",
            f"the Python package optio-codex has launched one in {layout.workdir}, on {package_socket(layout.workdir)}, and it runs",
            "Set adopt: true if that one is meant, else choose another name or workdir",
        )
    if session.pane_foreign or (session.pane is not None and not session.on_record):
        socket = package_socket(layout.workdir) if session.adopted else layout.tmux_socket
        raise OptioError(
            f"session {layout.name}",
            f"a session that is not on record in {layout.task} runs on {socket}",
            "Choose another name, or give the root and workdir that it was launched with",
        )


def _refuse_runtime_of_root(view: TaskView) -> None:
    layout = view.layout
    if layout.in_runtime_root and not view.worker.privileged:
        raise OptioError(
            f"session {layout.name}",
            f"was launched by root, who alone can remove {layout.runtime}",
            "Set become: true for this task, and user to the session's",
        )


def _plan_launch(view: TaskView, wish: SessionWish, inherited: Mapping[str, str]) -> tuple[Action, ...]:
    layout, session = view.layout, view.session
    refuse_blocked_runtime(view)
    variables = session_variables(view, wish, inherited)
    roots = tuple(expand(root, view.worker.home) for root in wish.codex.writable_roots)
    actions = plan_files(view, wish.files)
    launcher = launcher_payload(view, replace(wish.codex, writable_roots=roots), actions)
    refreshed = [os.path.basename(action.target) for action in actions if action.target == layout.instructions]
    actions.extend(_plan_logs(view, refreshed if wish.codex.resume_id else []))
    if session.runtime_kind == "absent":
        actions.append(Action("create_runtime", layout.runtime, after="directory 0700 for sockets"))
    actions.extend(removals(view))
    for path, seen in ((layout.exit_status, session.exit_status is not None), (layout.stopped_mark, session.stopped)):
        if seen and os.path.basename(path) not in session.damaged:
            actions.append(Action("remove", path, "present", "absent"))
    for path, content, mode in (
        (layout.environment, FileText(environment_file(variables)), 0o600),
        (layout.launcher, launcher, 0o700),
        (layout.record, FileText(record_text(view, wish)), 0o600),
    ):
        before = "present" if session.on_record and os.path.basename(path) not in session.damaged else "absent"
        if not (path == layout.environment and session.on_record and wish.keep_options):
            actions.append(Action("write", path, before, f"file {mode:04o}", content))
    before = session.status if session.on_record else "absent"
    actions.append(Action("start", layout.tmux_socket, before, "running", payload=wish.limits))
    dead = {} if session.terminal_alive else {"terminal_pid": session.terminal_pid, "watch_pid": session.watch_pid}
    without = replace(view, session=replace(session, **{**_NO_TERMINALS, **dead}))
    actions.extend(plan_open(without, wish.terminal, wish.web_group))
    return tuple(actions)


def _plan_logs(view: TaskView, refreshed: list[str]) -> list[Action]:
    """Return what gives a run a log of its own, whatever an earlier one has said of its end, and notes the start."""
    layout, logs = view.layout, view.workspace.logs
    actions = []
    if os.path.basename(layout.log) in logs:
        actions.append(Action("rotate", layout.log, "log of the run before", f"absent, added to {layout.log_old}"))
    names = f" REFRESHED:{','.join(refreshed)}" if refreshed else ""
    before = "log" if os.path.basename(layout.resume_log) in logs else "absent"
    actions.append(Action("append", layout.resume_log, before, f"one line more, of this start{names}", payload=tuple(refreshed)))
    return actions


def session_variables(view: TaskView, wish: SessionWish, inherited: Mapping[str, str]) -> dict[str, str]:
    """Return codex's environment: the isolated home, what the worker passes on, what the user adds and removes."""
    variables = {
        **inherited,
        **{"PATH": view.worker.path or "/usr/local/bin:/usr/bin:/bin", "SHELL": "/bin/sh"},
        **{"USER": view.worker.user, "LOGNAME": view.worker.user},
        **wish.environment,
    }
    kept = {name: value for name, value in variables.items() if name not in wish.environment_remove}
    return {**kept, **view.layout.variables(), TAG_VARIABLE: view.layout.tag}


def codex_version(path: str) -> str | None:
    """Return the version of a codex in a cache, which its path tells; None for a codex from elsewhere."""
    found = _RELEASE.search(path)
    return found.group(1) if found else None


def recorded_options(wish: SessionWish) -> dict[str, Any]:
    """Return the options that a live session is compared by; a prompt is spent once it is given."""
    options = asdict(replace(wish.codex, prompt=None, resume_id=None))
    del options["prompt"], options["resume_id"]
    options["writable_roots"] = list(wish.codex.writable_roots)
    options.update({name: wish.limits.get(name) for name in LIMITS})
    options["terminal"] = {**wish.terminal.as_record(), "port": wish.terminal.port or None}
    return options


def record_text(view: TaskView, wish: SessionWish) -> str:
    """Return the session's record; ``started`` is added when it has started."""
    options = json.dumps(recorded_options(wish), sort_keys=True)
    fields = record_fields(view, codex=view.worker.codex, supervisor=view.supervisor, options=options)
    return "".join(f"{name}={value}\n" for name, value in fields.items())


def record_fields(view: TaskView, **more: str) -> dict[str, str]:
    """Return what every record tells of a session, and more."""
    layout = view.layout
    return {"name": layout.name, "user": view.worker.user, "workdir": layout.workdir, "runtime": layout.runtime, **more}


def _recorded(session: Session) -> dict[str, Any] | None:
    try:
        options = json.loads(session.record.get("options", "{}" if session.adopted else ""))
    except ValueError:
        return None
    return options if isinstance(options, dict) else None


def find_drift(view: TaskView, wish: SessionWish) -> list[dict[str, Any]]:
    """Return the options in which a live session differs from what is asked, each with its two values."""
    if view.session.adopted:
        # what nobody wrote down cannot differ
        return []
    running = _recorded(view.session)
    if running is None:
        return [{"option": "record", "running": "damaged", "wanted": "readable"}]
    wanted = recorded_options(wish)
    running = {**running, "trust": compared(view.session, running, wish.codex.trust)}
    drift = [
        {"option": name, "running": running.get(name), "wanted": value} for name, value in wanted.items() if running.get(name) != value
    ]
    recorded_workdir = view.session.record.get("workdir")
    if recorded_workdir != view.layout.workdir:
        drift.append({"option": "workdir", "running": recorded_workdir, "wanted": view.layout.workdir})
    return drift


def plan_stopped(view: TaskView, terminal: TerminalOptions, remove_record: bool) -> Plan:
    """Return what ends a session, and with ``remove_record`` everything that it left but the workdir's files."""
    session, layout = view.session, view.layout
    # units are found by the name alone, so this could end a session that is somebody else's
    refuse_foreign_session(view)
    if session.pane_foreign:
        if session.on_record:
            _refuse_name_taken(view)
        # what runs under this name is launched from another root; of this one nothing is left
        return Plan((), describe(view, "absent", terminal))
    actions = plan_close(view, terminal)
    status = session.status
    if session.pane is not None or session.leftovers or any(unit.startswith(SESSION_UNIT) for unit in session.units):
        before = "running" if session.status == "running" else "processes left behind"
        actions.append(Action("stop", layout.tmux_socket, before, "stopped"))
        # one that ended by itself stays so, whatever it left
        status = "stopped" if session.exit_status is None else status
        status = status if session.on_record else "absent"
    if remove_record:
        if session.on_record:
            actions.append(Action("forget", layout.record, "present", "absent"))
        for path, is_there in ((layout.web, session.web_group), (layout.runtime, session.runtime_kind == "directory")):
            if is_there:
                _refuse_runtime_of_root(view)
                actions.append(Action("remove_runtime", path, "directory", "absent"))
    return Plan(tuple(actions), describe(view, "absent" if remove_record else status, terminal))


def describe(view: TaskView, status: str, terminal: TerminalOptions) -> dict[str, Any]:
    """Return the values that every session module returns for one session."""
    layout, session, worker = view.layout, view.session, view.worker
    running = status == "running"
    codex = session.record.get("codex") or worker.codex
    return {
        "name": layout.name,
        "status": status,
        "user": worker.user,
        "session": layout.tmux_socket,
        "task": layout.task,
        "workdir": layout.workdir,
        "path": layout.codex_link,
        "version": codex_version(codex),
        "supervisor": session.record.get("supervisor") or view.supervisor,
        "pid": session.pane.codex if session.pane and running else None,
        "exit_status": session.exit_status,
        "ended": session.ended,
        "session_id": session.session_id,
        "attach": attach_command(Destination(worker.node), worker.user, layout.tmux_socket)
        if running and not session.unreachable
        else None,
        **describe_terminal(view, terminal, running),
    }


def launch_obstacles(view: TaskView, wish: SessionWish, plan: Plan) -> list[OptioError]:
    """Return what would make a launch fail that only the worker's owner can mend."""
    errors = []
    if plan.having("start"):
        errors.extend(missing_programs(view, wish.files))
        if not view.worker.tmux:
            errors.append(OptioError("tmux", "is not on the worker's PATH", "Install the package tmux"))
    if plan.having("open") and not view.worker.ttyd:
        errors.append(OptioError("ttyd", "is in no cache of the worker and not on its PATH", "Run optio.codex.ttyd_release first"))
    return [*errors, *group_obstacles(view, plan.actions)]


def terminal_of_record(session: Session) -> TerminalOptions:
    """Return the terminal's options as the session was launched with them."""
    try:
        recorded = json.loads(session.record["options"]).get("terminal") or {}
        return TerminalOptions(**{name: value for name, value in recorded.items() if value is not None})
    except (KeyError, ValueError, TypeError, AttributeError):
        return TerminalOptions(listen="tcp" if session.terminal_port else "unix", port=session.terminal_port or 0)
