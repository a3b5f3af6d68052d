# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plans to start, restart, resume and end a session: pure functions over one observed session."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from .._core.errors import OptioError
from .._core.executor import FileText
from .._core.paths import TAG_VARIABLE, expand
from .._core.plan import Action, Plan
from .._session.agents_md import copy_action, pointer_line
from .._session.codex_options import EXCLUDED
from .._session.command_line import TerminalOptions, auto_start_prompt, environment_file, resume_notice, terminal_place
from .._session.layout import SESSION_UNIT, SessionPaths, package_socket
from .._session.limits import LIMITS, unenforced_limits, unenforced_warning
from .._session.project_trust import TRUSTED, launch_trust, recorded, trust_of_launch
from .._session.record import describe, options_of_record, record_text, terminal_of_record
from .._session.record_copy import GIVEN as GIVEN_NOTE
from .._session.record_copy import LAUNCHING
from .._session.state import GIVEN, NOT_GIVEN, ObservedSession, Session
from .._session.terminal import group_obstacles, plan_close, plan_open
from .._session.workspace import file_warnings, missing_programs, plan_files, plan_home_link, plan_removal
from .acknowledged import predicted_answers, recorded_answers
from .launcher import launcher_payload
from .permissions import has_profile, recorded_profile
from .repair import refuse_blocked_runtime, removals, repairs, warnings_of
from .resume import ALWAYS, recorded_resumes, resume_decision
from .spec import SessionSpec, find_drift, recorded_options
from .watcher import Watch, network_variables, plan_watcher, webhook_warnings

#: once they are closed
_NO_TERMINALS: Mapping[str, Any] = {"terminal_alive": False, "watch_alive": False, "terminal_pid": None, "watch_pid": None}


def plan_started(view: ObservedSession, spec: SessionSpec, inherited: Mapping[str, str]) -> Plan:
    """Return the plan that leaves a session running: all of a new one, the terminal of a live one, a resume of an ended one.

    A session that ended by itself, or that ``resume`` excludes, is only reported. No prompt is given twice.
    """
    session = view.session
    _refuse_name_taken(view)
    if spec.keep_options and session.on_record:
        spec = as_recorded(view, spec)
    if session.status == "running":
        return _plan_live(view, spec, inherited)
    if session.status == "absent" or session.incomplete:
        spec = _with_auto_start(view, spec)
        return _launched(view, spec, _plan_launch(view, spec, inherited))
    decision = resume_decision(session, view.layout.name, spec.resume, session.now or 0)
    if decision.resumes:
        return plan_resumed(view, replace(spec, resumed_at=decision.resumed_at), inherited)
    result = {"drift": [], "resumed": False, "unenforced_limits": [], **recorded_values(session)}
    warnings = (*warnings_of(view), *filter(None, [decision.warning]))
    return Plan((), {**describe(view, session.status, terminal_of_record(session)), **result}, warnings)


def plan_restarted(view: ObservedSession, spec: SessionSpec, inherited: Mapping[str, str]) -> Plan:
    """Return the plan that ends a session and resumes its conversation with the requested options; a new one is launched."""
    if view.session.status != "running":
        return plan_started(view, replace(spec, resume=ALWAYS), inherited)
    _refuse_name_taken(view)
    if spec.keep_options:
        spec = as_recorded(view, spec)
    return _with_drift(plan_resumed(view, spec, inherited), find_drift(view, spec))


def _plan_live(view: ObservedSession, spec: SessionSpec, inherited: Mapping[str, str]) -> Plan:
    session, layout = view.session, view.layout
    terminal = terminal_of_record(session)
    drift = find_drift(view, spec)
    if drift and spec.restart_on_drift:
        return _with_drift(plan_resumed(view, spec, inherited), drift)
    # an adopted session's terminal belongs to the Python package
    mended = repairs(session, layout, terminal_place(layout, terminal)[0])
    closed = any(action.kind == "close" for action in mended)
    seen = replace(view, session=replace(session, **_NO_TERMINALS)) if closed else view
    # a launch that was ended before its last step
    completed = [] if session.record.get("started") or session.adopted else [Action("complete", layout.record, "launch begun", "launched")]
    linked = plan_home_link(view) if view.workspace.workdir_kind == "directory" else ()
    actions = () if layout.adopted else (*linked, *completed, *mended, *plan_open(seen, terminal, spec.web_group))
    warnings = tuple(
        f"session {layout.name}: {entry['option']} is {entry['current']!r}, not {entry['requested']!r}; a live session "
        "keeps its options. Set restart_on_drift: true or state: restarted to apply the new ones"
        for entry in drift
    )
    result = {"drift": drift, "resumed": False, "unenforced_limits": unenforced_limits(session), **recorded_values(session)}
    return Plan(actions, {**describe(view, "running", terminal), **result}, (*warnings, *file_warnings(view)))


def recorded_values(session: Session) -> dict[str, Any]:
    """Return the values of a session's launch that are in its record."""
    return {"acknowledged": recorded_answers(session), "permission_profile": recorded_profile(session), **recorded(session)}


def _with_drift(plan: Plan, drift: list[dict[str, Any]]) -> Plan:
    return replace(plan, result={**plan.result, "drift": drift})


def plan_resumed(view: ObservedSession, spec: SessionSpec, inherited: Mapping[str, str]) -> Plan:
    """Return what ends the rest of a session, if it runs all of it, and launches it again with its conversation."""
    layout, session_id = view.layout, view.session.session_id
    if spec.keep_options and view.session.adopted:
        raise OptioError(
            f"session {layout.name}",
            f"session {layout.name} was launched by the Python package optio-codex, which did not record its options",
            "Set the options, and omit keep_options",
        )
    # remains of the last run would end this one's log, or hold its port
    ends = plan_stopped(view, terminal_of_record(view.session), remove_record=False).actions
    view = _ended(view, ends) if ends else view
    given = view.session.prompt_given != NOT_GIVEN
    spec = replace(spec, resumed_at=spec.resumed_at or recorded_resumes(view.session))
    if session_id:
        text = spec.files.text(layout)
        refreshed = layout.instructions_copy if text is not None and text != view.workspace.instructions else None
        spec = replace(spec, codex=replace(spec.codex, resume_id=session_id, prompt=None if spec.quiet else resume_notice(refreshed)))
    elif given:
        spec = replace(spec, codex=replace(spec.codex, prompt=None))
    else:
        spec = _with_auto_start(view, spec)
    actions = (*ends, *_plan_launch(view, spec, inherited))
    warnings = () if session_id or spec.quiet else (_new_conversation_warning(view, given),)
    return _launched(view, spec, actions, warnings, resumed=bool(session_id))


def _with_auto_start(view: ObservedSession, spec: SessionSpec) -> SessionSpec:
    """Return the spec with the prompt that ``auto_start`` stands for; without instructions it is the project's AGENTS.md."""
    if not spec.auto_start:
        return spec
    layout, seen = view.layout, view.workspace
    instructed = spec.files.instructions is not None or seen.instructions is not None
    by_name = not instructed or (layout.instructions_pointer is not None and seen.pointer in (None, pointer_line(layout)))
    return replace(spec, codex=replace(spec.codex, prompt=auto_start_prompt(None if by_name else layout.instructions_copy)))


def _new_conversation_warning(view: ObservedSession, prompt_given: bool) -> str:
    name, layout, session = view.layout.name, view.layout, view.session
    text = f"session {name} has no conversation to resume; starting a new one"
    if session.archived_id:
        command = f"CODEX_HOME={shlex.quote(layout.codex_home)} {shlex.quote(layout.codex_link)} unarchive {session.archived_id}"
        cause = f"conversation {session.archived_id} is archived"
        return f"{text}, because {cause}. To resume it, stop the session, run {command} and launch again"
    if not prompt_given:
        return text
    return f"{text} without the prompt, which an earlier launch may have given. Send it with optio.codex.session_message if codex lost it"


def _ended(view: ObservedSession, ends: tuple[Action, ...]) -> ObservedSession:
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
    view: ObservedSession, spec: SessionSpec, actions: tuple[Action, ...], warnings: tuple[str, ...] = (), *, resumed: bool = False
) -> Plan:
    # without units nothing can hold a session to them; whether the kernel does with one is seen when it runs
    without = list(spec.limits) if view.supervisor == "detached" else []
    if without:
        warnings = (*warnings, unenforced_warning(view.layout.name, without))
    warnings = (*warnings, *webhook_warnings(view.layout.name, spec.webhook))
    trust, trust_warnings = trust_of_launch(view, spec.codex, actions)
    described = {**describe(view, "running", spec.terminal), "exit_status": None, "ended_at": None}
    answers = {
        "acknowledged": predicted_answers(view, spec.files.config, spec.codex.trust),
        "permission_profile": has_profile(spec.codex, view.layout),
    }
    more = {"drift": [], "resumed": resumed, "unenforced_limits": without, **answers, **trust}
    # a prompt is given once codex runs
    given = {"prompt_given": GIVEN} if spec.codex.prompt and not resumed else {}
    return Plan(actions, {**described, **more, **given}, (*warnings, *trust_warnings, *file_warnings(view)))


def as_recorded(view: ObservedSession, spec: SessionSpec) -> SessionSpec:
    """Return the wish with the options that the session was launched with in place of those given."""
    options = options_of_record(view.session)
    if options is None:
        raise OptioError(
            f"session {view.layout.name}",
            f"the record of session {view.layout.name}, {view.layout.record}, is damaged, so the options of its launch are unknown",
            "Set the options again, and omit keep_options",
        )
    known = {"terminal", "writable_roots", EXCLUDED, *LIMITS}
    names = [name for name in recorded_options(spec) if name in options and name not in known]
    limits = {name: str(options[name]) for name in LIMITS if options.get(name)}
    roots = tuple(str(root) for root in options.get("writable_roots") or ())
    # the configuration is not written again, but the command line replaces this part of it
    policy = {**spec.codex.shell_environment, **({"exclude": options[EXCLUDED]} if options.get(EXCLUDED) else {})}
    codex = replace(spec.codex, **{name: options[name] for name in names}, writable_roots=roots, shell_environment=policy)
    return replace(spec, codex=codex, terminal=terminal_of_record(view.session), limits=limits)


def refuse_foreign_session(view: ObservedSession) -> None:
    """Raise OptioError where the session's sockets are another user's."""
    if view.session.runtime_foreign:
        raise OptioError(
            f"session {view.layout.name}",
            f"session {view.layout.name} cannot use its sockets: {view.layout.runtime} belongs to another user's session",
            "Set user to that user, or choose another name: the names of sessions that root launches are unique on a worker",
        )


def _refuse_name_taken(view: ObservedSession) -> None:
    session, layout = view.session, view.layout
    refuse_foreign_session(view)
    if session.adoptable is not None:
        raise OptioError(
            f"session {layout.name}",
            f"session {layout.name} cannot start: the Python package optio-codex runs one in {layout.workdir}, "
            f"on {package_socket(layout.workdir)}",
            "Set adopt: true to manage that one, or choose another name or workdir",
        )
    if session.pane_foreign or (session.pane is not None and not session.on_record):
        socket = package_socket(layout.workdir) if session.adopted else layout.tmux_socket
        raise OptioError(
            f"session {layout.name}",
            f"session {layout.name} is not on record in {layout.task}, but runs on {socket}",
            "Choose another name, or set the sessions_dir and workdir that it was launched with",
        )


def _refuse_runtime_of_root(view: ObservedSession) -> None:
    layout = view.layout
    if layout.in_runtime_root and not view.worker.privileged:
        raise OptioError(
            f"session {layout.name}",
            f"session {layout.name} was launched by root, and only root can remove {layout.runtime}",
            "Set become: true for this task, and set user to the session's user",
        )


def _plan_launch(view: ObservedSession, spec: SessionSpec, inherited: Mapping[str, str]) -> tuple[Action, ...]:
    layout, session = view.layout, view.session
    refuse_blocked_runtime(view)
    variables = session_variables(view, spec, inherited)
    roots = tuple(expand(root, view.worker.home) for root in spec.codex.writable_roots)
    trusted = layout.home_link is not None and launch_trust(view, spec.codex.trust, ()) == TRUSTED
    actions = plan_files(view, spec.files, trusted)
    text = spec.files.text(layout) or view.workspace.instructions
    if text and not any(action.target == layout.instructions_copy for action in actions):
        actions.append(copy_action(layout, text))
    watch = Watch(bool(spec.terminal.group), spec.webhook, network_variables(variables), spec.keep_options and session.on_record)
    watching = plan_watcher(view, watch)
    watched = any(action.kind == "watch" for action in watching)
    launcher = launcher_payload(view, replace(spec.codex, writable_roots=roots), actions, watched)
    refreshed = [os.path.basename(action.target) for action in actions if action.target == layout.instructions]
    actions.extend(_plan_logs(view, refreshed if spec.codex.resume_id else [], keeps_log=spec.quiet))
    if session.runtime_kind == "absent":
        actions.append(Action("create_runtime", layout.runtime, after="directory 0700 for sockets"))
    actions.extend(removals(view))
    has_screen = os.path.basename(layout.last_screen) in session.state_files
    for path, seen in (
        (layout.exit_status, session.exit_status is not None),
        (layout.last_screen, has_screen),
        (layout.stopped_mark, session.stopped),
    ):
        if seen and os.path.basename(path) not in session.damaged:
            actions.append(Action("remove", path, "present", "absent"))
    # before the launcher, whose sandbox closes directories that exist
    actions.extend(watching)
    record = record_text(view, recorded_options(spec), resumed_at=spec.resumed_at, continued=spec.quiet)
    given = session.prompt_given != NOT_GIVEN
    if given and not session.prompt_mark:
        actions.append(Action("write", layout.prompt_mark, "absent", "mark of a prompt that was given", FileText("")))
    for path, content, mode in (
        (layout.environment, FileText(environment_file(variables)), 0o600),
        (layout.launcher, launcher, 0o700),
        (layout.record, FileText(record), 0o600),
    ):
        before = "present" if session.on_record and os.path.basename(path) not in session.damaged else "absent"
        if not (path == layout.environment and session.on_record and spec.keep_options):
            actions.append(Action("write", path, before, f"file {mode:04o}", content))
    note = GIVEN_NOTE if given else LAUNCHING if spec.codex.prompt else None
    actions.append(Action("copy", layout.record_copy, "present" if session.prompt_copied else "absent", "copy of the record", payload=note))
    before = session.status if session.on_record else "absent"
    actions.append(Action("start", layout.tmux_socket, before, "running", payload=spec.limits))
    dead = {} if session.terminal_alive else {"terminal_pid": session.terminal_pid, "watch_pid": session.watch_pid}
    without = replace(view, session=replace(session, **{**_NO_TERMINALS, **dead}))
    actions.extend(plan_open(without, spec.terminal, spec.web_group))
    return tuple(actions)


def _plan_logs(view: ObservedSession, refreshed: list[str], keeps_log: bool = False) -> list[Action]:
    """Return the actions that start a new log for a run, so that an earlier outcome does not count, and note the start.

    With ``keeps_log`` the run continues the log.
    """
    layout, logs = view.layout, view.workspace.logs
    actions = []
    if os.path.basename(layout.log) in logs and not keeps_log:
        actions.append(Action("rotate", layout.log, "log of the run before", f"absent, added to {layout.log_old}"))
    names = f" REFRESHED:{','.join(refreshed)}" if refreshed else ""
    before = "log" if os.path.basename(layout.resume_log) in logs else "absent"
    actions.append(Action("append", layout.resume_log, before, f"one line more, of this start{names}", payload=tuple(refreshed)))
    return actions


def session_variables(view: ObservedSession, spec: SessionSpec, inherited: Mapping[str, str]) -> dict[str, str]:
    """Return codex's environment: the isolated home, the worker's variables, and the user's additions and removals."""
    variables = {
        **inherited,
        **{"PATH": view.worker.path or "/usr/local/bin:/usr/bin:/bin", "SHELL": "/bin/sh"},
        **{"USER": view.worker.user, "LOGNAME": view.worker.user},
        **_identity_variables(spec.codex.git_identity),
        **spec.environment,
    }
    kept = {name: value for name, value in variables.items() if name not in spec.unset_environment}
    return {**kept, **view.layout.variables(), TAG_VARIABLE: view.layout.tag}


def _identity_variables(identity: Mapping[str, str] | None) -> dict[str, str]:
    roles = ("AUTHOR", "COMMITTER") if identity else ()
    return {f"GIT_{role}_{key.upper()}": text for role in roles for key, text in (identity or {}).items()}


def plan_stopped(view: ObservedSession, terminal: TerminalOptions, remove_record: bool) -> Plan:
    """Return the plan that ends a session, and with ``remove_record`` removes all but the workdir's files."""
    session, layout = view.session, view.layout
    # units are found by the name alone, so this could end another user's session
    refuse_foreign_session(view)
    if session.pane_foreign:
        if session.on_record:
            _refuse_name_taken(view)
        # the session of this name was launched from another root; of this one nothing is left
        return Plan((), describe(view, "absent", terminal))
    actions = plan_close(view, terminal)
    status = session.status
    if session.pane is not None or session.leftovers or any(unit.startswith(SESSION_UNIT) for unit in session.units):
        before = "running" if session.status == "running" else "processes left behind"
        actions.append(Action("stop", layout.tmux_socket, before, "stopped"))
        # a session that ended by itself keeps its status
        status = "stopped" if session.exit_status is None else status
        status = status if session.on_record else "absent"
    if remove_record:
        if session.on_record or session.state_files or session.prompt_copied:
            actions.append(Action("forget", layout.record, "present", "absent"))
        for path, is_there in ((layout.web, session.web_group), (layout.runtime, session.runtime_kind == "directory")):
            if is_there:
                _refuse_runtime_of_root(view)
                actions.append(Action("remove_runtime", path, "directory", "absent"))
    return Plan(tuple(actions), describe(view, "absent" if remove_record else status, terminal))


def launch_obstacles(view: ObservedSession, spec: SessionSpec, plan: Plan) -> list[OptioError]:
    """Return the errors that would make a launch fail and that only the worker's owner can fix."""
    errors = []
    if plan.actions_of_kind("start"):
        errors.extend(missing_programs(view, spec.files))
        if not view.worker.tmux:
            errors.append(OptioError("tmux", "tmux is not on the worker's PATH", "Install the package tmux"))
        if view.session.several_compressed:
            errors.append(_several_compressed(view.layout))
    if plan.actions_of_kind("open") and not view.worker.ttyd:
        where = f"in {view.worker.ttyd_dir}/ttyd" if view.worker.ttyd_dir else "in a cache or on the PATH of the worker"
        errors.append(OptioError("ttyd", f"ttyd was not found {where}", "Run optio.codex.ttyd_release first, or set ttyd_dir"))
    return [*errors, *group_obstacles(view, plan.actions)]


def _several_compressed(layout: SessionPaths) -> OptioError:
    cause = (
        f"session {layout.name} cannot be resumed, because several rollouts in {layout.codex_home}/sessions are compressed and the "
        "worker cannot read which one is the session's conversation"
    )
    remedy = (
        "Run zstd -d --rm for the rollout to resume, or move all of them elsewhere to start a new conversation without the prompt, "
        "then run again"
    )
    return OptioError(f"session {layout.name}", cause, remedy)


def plan_purged(view: ObservedSession, terminal: TerminalOptions, discard_login: bool = False) -> Plan:
    """Return the plan that ends a session and removes its files; in a workdir that it did not create, only the session's own.

    Raise OptioError if that would destroy the only copy of a login.
    """
    ended = plan_stopped(view, terminal, remove_record=True)
    if view.session.pane_foreign:
        return ended
    return replace(ended, actions=(*ended.actions, *plan_removal(view, discard_login)))
