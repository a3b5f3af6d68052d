# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module ``session``: starts, resumes, stops and removes codex sessions."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

from .._codex.rollout_files import session_id_of
from .._core import processes
from .._core.batch import BatchResource, with_sessions
from .._core.errors import OptioError
from .._core.executor import FILE_HANDLERS, Handler, execute
from .._core.host import Host
from .._core.plan import Action, Plan
from .._core.probe import Section
from .._core.resource import ArgumentSpec, Params
from .._monitor.activity_probe import UPGRADE_FACTS, has_draft, parse_activity
from .._session import log_rotation
from .._session.clone import masked_token, tokens_of
from .._session.layout import SessionPaths
from .._session.limits import unenforced_limits
from .._session.location import PLACE_OPTIONS, location_script, location_script_many, location_variables, validate_location
from .._session.lock import task_lock
from .._session.probe import ENDED, MoreFacts, parse_many, parse_task
from .._session.project_trust import read_project, recorded
from .._session.record import describe, terminal_of_record
from .._session.state import ObservedSession
from .._session.supervisor import inherited_environment
from .._session.ttyd import validate_terminal
from .._session.workspace import CONTENT_OPTIONS, file_handlers, plan_removal, refuse_links, validate_files
from .acknowledged import Questions, recorded_answers
from .adopt import adoption_obstacles, plan_adopted
from .credential import check_credential
from .launcher import LaunchDecision
from .permissions import find_access, recorded_profile
from .plan import launch_obstacles, plan_purged, plan_restarted, plan_started, plan_stopped
from .resume import ALWAYS
from .resume import AUTO as AUTO_RESUME
from .spec import LAUNCH_OPTIONS, STATES, SessionOptions, validate_spec
from .start import SessionSteps
from .upgrade import UPGRADED, plan_restored, plan_upgraded, restored_error, upgrade_spec, view_of_earlier
from .watcher import write_watcher


def _sweeps(options: SessionOptions) -> bool | str:
    """Return whether the probe looks for processes left behind; a session that runs has none to end."""
    if options.state == UPGRADED:
        return False
    if options.state != "started" or options.spec.resume == ALWAYS:
        return True
    return ENDED if options.spec.resume == AUTO_RESUME else False


def _variables(options: SessionOptions) -> dict[str, str]:
    return location_variables(options.location, sweep=_sweeps(options), web_group=options.spec.web_group, more=_more(options))


def _more(options: SessionOptions) -> MoreFacts | None:
    return UPGRADE_FACTS if options.state == UPGRADED else None


def _user(options: SessionOptions) -> str | None:
    return options.location.user


def _keep_log(layout: SessionPaths, host: Host) -> None:
    try:
        log_rotation.keep(layout)
    except OptioError as error:
        # the session runs, and the next start tries again
        host.warn(f"the log of the previous run stays in {layout.log_aside}: {error}")


class SessionResource(BatchResource[ObservedSession, SessionOptions]):
    """One session: its files, its processes, its terminal."""

    name = "session"
    masked_options = ("environment", "config")
    one = ArgumentSpec(
        argument_spec={
            **PLACE_OPTIONS,
            **CONTENT_OPTIONS,
            **LAUNCH_OPTIONS,
            "state": {"type": "str", "choices": list(STATES), "default": "started"},
        }
    )
    specification = with_sessions(one)

    def masked(self, params: Params) -> dict[str, Any]:
        return masked_token(super().masked(params))

    def secrets(self, params: Params) -> set[str]:
        return tokens_of(params)

    def parse_options(self, params: Params) -> SessionOptions:
        options = SessionOptions.from_params(params)
        return replace(options, spec=upgrade_spec(options.spec)) if options.state == UPGRADED else options

    def validate(self, options: SessionOptions) -> None:
        validate_location(options.location)
        validate_spec(options.spec)
        validate_terminal(options.spec.terminal)
        validate_files(options.spec.files)

    def probe_script(self, options: SessionOptions) -> str:
        return location_script(options.location, sweep=_sweeps(options), web_group=options.spec.web_group, more=_more(options))

    def parse_probe(self, sections: Sequence[Section], options: SessionOptions) -> ObservedSession:
        view = parse_task(sections, options.location.name)
        if options.state != UPGRADED:
            return view
        facts = sections[0]
        return replace(view, activity=parse_activity(facts, view.session, facts).activity, draft=has_draft(facts))

    def probe_script_many(self, entries: Sequence[SessionOptions]) -> str:
        functions = UPGRADE_FACTS.functions if any(map(_more, entries)) else ""
        return location_script_many(entries, _user, _variables, functions)

    def parse_probe_many(self, answer: str, entries: Sequence[SessionOptions]) -> list[ObservedSession]:
        return parse_many(answer, entries, _user, self.parse_probe)

    def observe(self, host: Host, options: SessionOptions) -> ObservedSession:
        view = super().observe(host, options)
        if not view.workspace.project_config:
            return view
        with host.acting_as(options.location.user):
            project = tuple(read_project(view.layout.workdir) or ())
        return replace(view, workspace=replace(view.workspace, project=project))

    def plan(self, observed: ObservedSession, options: SessionOptions) -> Plan:
        plan = self._plan(observed, options)
        return replace(plan, result={**plan.result, "killed_processes": []})

    def _plan(self, observed: ObservedSession, options: SessionOptions) -> Plan:
        if not options.launches:
            terminal = terminal_of_record(observed.session)
            if options.state == "absent" and options.purge:
                return plan_purged(observed, terminal, options.discard_login)
            return plan_stopped(observed, terminal, remove_record=options.state == "absent")
        spec = options.spec
        if options.state == UPGRADED:
            return plan_upgraded(observed, spec, inherited_environment(spec.unset_environment))
        if spec.adopt and not observed.session.record:
            return plan_adopted(observed, options.state)
        launch = plan_restarted if options.state == "restarted" else plan_started
        return launch(observed, spec, inherited_environment(spec.unset_environment))

    def unmet_requirements(self, observed: ObservedSession, options: SessionOptions, plan: Plan) -> list[OptioError]:
        spec = options.spec
        adopts = spec.adopt and options.launches
        return [*(adoption_obstacles(observed) if adopts else ()), *launch_obstacles(observed, spec, plan)]

    def lock(self, observed: ObservedSession, options: SessionOptions, host: Host) -> AbstractContextManager[Any]:
        return task_lock(observed.layout, options.location.user, host)

    def apply(self, plan: Plan, observed: ObservedSession, options: SessionOptions, host: Host) -> Mapping[str, Any]:
        try:
            return self._carry_out(plan, observed, options, host)
        except OptioError as error:
            if options.state != UPGRADED:
                raise
            self._put_back(error, plan, observed, options, host)
            raise

    def _put_back(self, error: OptioError, plan: Plan, observed: ObservedSession, options: SessionOptions, host: Host) -> None:
        """Put a session back on the programs that it had before its upgrade failed, and raise an error that describes both."""
        view = view_of_earlier(observed, self.observe(host, options))
        earlier = plan_restored(view, options.spec, inherited_environment(options.spec.unset_environment))
        second = None
        if not earlier and view.session.status == "running":
            # nothing was ended
            return
        try:
            self._carry_out(earlier, view, options, host)
        except OptioError as failure:
            second = failure
        raise restored_error(view.layout.name, error, plan.result["upgrade"], second) from error

    def _carry_out(self, plan: Plan, observed: ObservedSession, options: SessionOptions, host: Host) -> Mapping[str, Any]:
        steps = SessionSteps(host, observed, None, **options.timeouts)
        steps.keeps_log = options.spec.quiet
        with host.acting_as(options.location.user):
            if options.launches:
                refuse_links(observed.layout)
            questions = Questions(host, observed, options.spec.files.config)
            decision = LaunchDecision(plan, observed.layout, questions, lambda codex: find_access(host, observed, codex))
            handlers = self._handlers(steps, observed, options, host, decision)
            if plan.actions_of_kind("start"):
                steps.check_launch(plan)
                if options.awaits_input:
                    check_credential(observed, options.spec)
                plan = self._end_first(plan, observed, options, steps, handlers)
                self._launch(plan, handlers, steps, decision, host)
            else:
                execute(plan, handlers)
                steps.release()
            if plan.actions_of_kind("rotate"):
                _keep_log(observed.layout, host)
        if decision.warning:
            host.warn(decision.warning)
        if steps.killed:
            killed = ", ".join(f"{process['pid']} ({process['command']})" for process in steps.killed)
            host.warn(f"session {observed.layout.name}: processes did not end by themselves and were killed: {killed}")
        after, resumed = self.observe(host, options), {}
        if plan.actions_of_kind("start"):
            steps.check_launched(after.session)
            resumed = {"resumed": plan.result["resumed"]}
        return {**self._result_after(after, options), **resumed, "killed_processes": steps.killed}

    @staticmethod
    def _launch(plan: Plan, handlers: Mapping[str, Handler], steps: SessionSteps, decision: LaunchDecision, host: Host) -> None:
        def complete() -> None:
            steps.check_running()
            steps.record_launch(decision.record(steps.answered))

        try:
            execute(plan, handlers, complete, keeps=lambda: steps.began)
        except OptioError:
            if steps.began:
                # the prompt must not be repeated
                host.warn(
                    "codex had begun with the prompt, so the session was stopped and its conversation is kept; the next run resumes it"
                )
            raise

    def _end_first(
        self, plan: Plan, observed: ObservedSession, options: SessionOptions, steps: SessionSteps, handlers: Mapping[str, Handler]
    ) -> Plan:
        """Stop the processes that a restart replaces, and return the rest of the plan for the conversation as it is then."""
        ends = tuple(action for action in plan.actions if action.kind in ("close", "stop"))
        execute(replace(plan, actions=ends), handlers)
        said = steps.newer_rollout() if plan.actions_of_kind("stop") else None
        if said:
            session = replace(observed.session, session_id=session_id_of(said), rollout=said)
            plan = self._plan(replace(observed, session=session), options)
        return replace(plan, actions=tuple(action for action in plan.actions if action not in ends))

    def _stop(self, steps: SessionSteps, action: Action, options: SessionOptions, host: Host) -> None:
        steps.stop(action)
        if options.state == "absent" and options.purge:
            # codex may have renewed its login until then
            with host.privileged():
                plan_removal(self.observe(host, options), options.discard_login)

    def _handlers(
        self, steps: SessionSteps, observed: ObservedSession, options: SessionOptions, host: Host, decision: LaunchDecision
    ) -> dict[str, Handler]:
        for_files = file_handlers(host, observed.layout)
        return {
            **for_files,
            "write": decision.writing(FILE_HANDLERS["write"]),
            "copy": steps.copy_record,
            "complete": steps.complete,
            "create_runtime": steps.runtime.create,
            "reconnect": steps.reconnect,
            "remove_runtime": steps.runtime.remove,
            "watch": lambda action: write_watcher(action, observed.layout, host),
            "start": steps.start,
            "open": lambda action: steps.open(action.payload),
            "rotate": lambda _action: log_rotation.rotate(observed.layout),
            "append": lambda action: log_rotation.note_start(action.target, time.time(), action.payload),
            "close": steps.close,
            "stop": lambda action: self._stop(steps, action, options, host),
            "forget": steps.forget,
        }

    @staticmethod
    def _result_after(after: ObservedSession, options: SessionOptions) -> Mapping[str, Any]:
        """Return the result after the changes: pids and ports, and the check that nothing is left of a removed session."""
        session = after.session
        if options.launches:
            described = describe(after, session.status, terminal_of_record(session))
            answers = {"acknowledged": recorded_answers(session), "permission_profile": recorded_profile(session)}
            return {**described, "unenforced_limits": unenforced_limits(session), **answers, **recorded(session)}
        if session.status == "running" or session.leftovers or session.units:
            left = [*filter(None, [processes.named(session.leftovers)]), *session.units]
            cause = f"session {after.layout.name} was not removed completely: {', '.join(left)} remain"
            raise OptioError(f"session {after.layout.name}", cause, "Run the task again with -vvv")
        return {}


RESOURCE = SessionResource()
