# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module ``session``: one codex session started, stopped or gone."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

from .._session import log_rotation
from .._core import processes
from .._codex.config import base_config
from .._core.errors import OptioError, UnknownObservation
from .._core.host import Host
from .._session.layout import TaskLayout
from .._core.plan import Plan
from .._core.probe import Section, answers
from .._session.project_trust import AUTO, NONE, TRUSTED, UNTRUSTED, Decision, read_project, recorded
from .adopt import adoption_obstacles, plan_adopted
from .._core.batch import ManySessions, with_sessions
from .plan import (
    SessionWish,
    check_wish,
    describe,
    launch_obstacles,
    plan_restarted,
    plan_started,
    plan_stopped,
    terminal_of_record,
    unenforced_limits,
)
from .apply import SessionSteps
from .._core.executor import Handler, carry_out
from .._core.resource import Params, Specification
from .._session.supervisor import LIMITS, inherited_environment
from .._session.lock import task_lock
from .._session.probe import TaskView, parse_task, sections_of_tasks, tasks_script
from .._session.ttyd import check_terminal
from .._session.workspace import CONTENT_OPTIONS, PLACE_OPTIONS, check_place, file_handlers, place_script, place_variables

TERMINAL_OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "listen": {"type": "str", "choices": ["unix", "tcp"], "default": "unix"},
    "address": {"type": "str", "default": "127.0.0.1"},
    "port": {"type": "int", "default": 0},
    "writable": {"type": "bool", "default": False},
    "max_clients": {"type": "int", "default": 16},
    "auth_header": {"type": "str"},
    "group": {"type": "str"},
    "tls_certificate": {"type": "str"},
    "tls_key": {"type": "str", "no_log": False},
    "tls_client_ca": {"type": "str"},
}
STATES = ("started", "restarted", "stopped", "absent")
LAUNCH_OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "ttyd": {"type": "str"},
    "prompt": {"type": "str"},
    "auto_start": {"type": "bool", "default": False},
    "resume": {"type": "bool", "default": False},
    "keep_options": {"type": "bool", "default": False},
    "recreate": {"type": "bool", "default": False},
    "adopt": {"type": "bool", "default": False},
    "model": {"type": "str"},
    "approval_policy": {"type": "str", "choices": ["never", "on-request"], "default": "never"},
    "sandbox": {
        "type": "str",
        "choices": ["read-only", "workspace-write", "danger-full-access"],
        "default": "workspace-write",
    },
    "writable_roots": {"type": "list", "elements": "str", "default": []},
    "network_access": {"type": "bool", "default": False},
    "environment": {"type": "dict", "default": {}},
    "environment_remove": {"type": "list", "elements": "str", "default": []},
    "trust": {"type": "str", "choices": [AUTO, TRUSTED, UNTRUSTED, NONE], "default": AUTO},
    **{name: {"type": "str"} for name in LIMITS},
    "terminal": {"type": "dict", "options": TERMINAL_OPTIONS, "apply_defaults": True},
    "ready_timeout": {"type": "float", "default": 30.0},
    "stop_timeout": {"type": "float", "default": 15.0},
}


def _is_launch(params: Params) -> bool:
    return params["state"] in ("started", "restarted")


def _sweeps(params: Params) -> bool:
    return params["state"] != "started" or bool(params["resume"])


def _variables(params: Params) -> dict[str, str]:
    return place_variables(params, sweep=_sweeps(params))


def _by_user(entries: Sequence[Params]) -> list[tuple[str | None, list[Params]]]:
    grouped: dict[str | None, list[Params]] = {}
    for params in entries:
        grouped.setdefault(params.get("user") or None, []).append(params)
    return list(grouped.items())


def _keep_log(layout: TaskLayout, host: Host) -> None:
    try:
        log_rotation.keep(layout)
    except OptioError as error:
        # the session runs, and the next start tries again
        host.warn(f"the log of the run before stays in {layout.log_aside}: {error}")


class SessionSubject(ManySessions[TaskView]):
    """One session: its files, its processes, its terminal."""

    name = "session"
    hidden = ("environment", "config")
    one = Specification(
        argument_spec={
            **PLACE_OPTIONS,
            **CONTENT_OPTIONS,
            **LAUNCH_OPTIONS,
            "state": {"type": "str", "choices": list(STATES), "default": "started"},
        }
    )
    specification = with_sessions(one)

    def check(self, params: Params) -> None:
        check_place(params)
        wish = SessionWish.of(params)
        check_wish(wish)
        check_terminal(wish.terminal)
        base_config(wish.files.config)

    def script(self, params: Params) -> str:
        return place_script(params, sweep=_sweeps(params))

    def observe(self, sections: Sequence[Section], params: Params) -> TaskView:
        return parse_task(sections, params["name"])

    def script_each(self, entries: Sequence[Params]) -> str:
        # what is the same for all tasks of a user is sent and asked once
        return "".join(f"(\n{tasks_script([_variables(params) for params in own], user)})\n" for user, own in _by_user(entries))

    def observe_each(self, answer: str, entries: Sequence[Params]) -> list[TaskView]:
        found = [section for sections in answers(answer) for section in sections_of_tasks(sections)]
        asked = [params for _user, own in _by_user(entries) for params in own]
        if len(found) != len(asked):
            raise UnknownObservation(f"the worker tells of {len(found)} of {len(asked)} tasks")
        views = {id(params): self.observe([section], params) for params, section in zip(asked, found)}
        return [views[id(params)] for params in entries]

    def observe_on(self, host: Host, params: Params) -> TaskView:
        view = super().observe_on(host, params)
        if not view.workspace.project_config:
            return view
        with host.acting_as(params.get("user") or None):
            project = tuple(read_project(view.layout.workdir) or ())
        return replace(view, workspace=replace(view.workspace, project=project))

    def plan(self, observed: TaskView, params: Params) -> Plan:
        plan = self._plan(observed, params)
        return replace(plan, result={**plan.result, "stubborn": []})

    def _plan(self, observed: TaskView, params: Params) -> Plan:
        if not _is_launch(params):
            terminal = terminal_of_record(observed.session)
            return plan_stopped(observed, terminal, remove_record=params["state"] == "absent")
        wish = SessionWish.of(params)
        if wish.adopt and not observed.session.record:
            return plan_adopted(observed, params["state"])
        launch = plan_restarted if params["state"] == "restarted" else plan_started
        return launch(observed, wish, inherited_environment(wish.environment_remove))

    def preconditions(self, observed: TaskView, params: Params, plan: Plan) -> list[OptioError]:
        wish = SessionWish.of(params)
        adopts = wish.adopt and _is_launch(params)
        return [*(adoption_obstacles(observed) if adopts else ()), *launch_obstacles(observed, wish, plan)]

    def lock(self, observed: TaskView, params: Params, host: Host) -> AbstractContextManager[Any]:
        return task_lock(observed.layout, params.get("user") or None, host)

    def apply(self, plan: Plan, observed: TaskView, params: Params, host: Host) -> Mapping[str, Any]:
        steps = SessionSteps(
            host,
            observed,
            ready_timeout=params["ready_timeout"],
            stop_timeout=params["stop_timeout"],
        )
        with host.acting_as(params.get("user") or None):
            decision = Decision(plan, observed.layout)
            handlers = self._handlers(steps, observed, host, decision)
            if plan.having("start"):
                steps.check_launch(plan)
                plan = self._end_first(plan, observed, params, steps, handlers)
                carry_out(plan, handlers, lambda: steps.note_launch(decision.record()))
            else:
                carry_out(plan, handlers)
                steps.release()
            if plan.having("rotate"):
                _keep_log(observed.layout, host)
        if decision.warning:
            host.warn(decision.warning)
        if steps.stubborn:
            killed = ", ".join(f"{process['pid']} ({process['command']})" for process in steps.stubborn)
            host.warn(f"session {observed.layout.name}: did not end by itself and was killed: {killed}")
        resumed = {"resumed": plan.result["resumed"]} if plan.having("start") else {}
        return {**self._seen_after(params, host), **resumed, "stubborn": steps.stubborn}

    def _end_first(self, plan: Plan, observed: TaskView, params: Params, steps: SessionSteps, handlers: Mapping[str, Handler]) -> Plan:
        """End what a restart ends, and return the rest of the plan by what was said until then."""
        ends = tuple(action for action in plan.actions if action.kind in ("close", "stop"))
        carry_out(replace(plan, actions=ends), handlers)
        said = steps.said_since() if plan.having("stop") else None
        if said:
            session = replace(observed.session, session_id=said[-42:-6], rollout=said)
            plan = self._plan(replace(observed, session=session), params)
        return replace(plan, actions=tuple(action for action in plan.actions if action not in ends))

    def _handlers(self, steps: SessionSteps, observed: TaskView, host: Host, decision: Decision) -> dict[str, Handler]:
        for_files = file_handlers(host, observed.layout)
        return {
            **for_files,
            "write": decision.writing(for_files["write"]),
            "create_runtime": steps.create_runtime,
            "reconnect": steps.reconnect,
            "remove_runtime": steps.remove_runtime,
            "start": steps.start,
            "open": lambda action: steps.open(action.payload),
            "rotate": lambda _action: log_rotation.set_aside(observed.layout),
            "append": lambda action: log_rotation.note_start(action.target, time.time(), action.payload),
            "close": steps.close,
            "stop": steps.stop,
            "forget": steps.forget,
        }

    def _seen_after(self, params: Params, host: Host) -> Mapping[str, Any]:
        """Return what the worker says now: pids and ports, and that nothing is left of what should be gone."""
        after = self.observe_on(host, params)
        session = after.session
        if _is_launch(params):
            described = describe(after, session.status, terminal_of_record(session))
            return {**described, "unenforced_limits": unenforced_limits(session), **recorded(session)}
        if session.status == "running" or session.leftovers or session.units:
            left = [*filter(None, [processes.named(session.leftovers)]), *session.units]
            raise OptioError(f"session {after.layout.name}", f"is not gone: {', '.join(left)} remain", "Run again with -vvv and look")
        return {}


SUBJECT = SessionSubject()
