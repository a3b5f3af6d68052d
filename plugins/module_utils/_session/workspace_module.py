# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module ``workspace``: a session's files without the session."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

from .._core.batch import BatchResource, with_sessions
from .._core.errors import OptioError
from .._core.executor import execute
from .._core.host import Host
from .._core.plan import Plan
from .._core.probe import Section
from .._core.resource import ArgumentSpec, Params
from .clone import masked_token, tokens_of
from .location import PLACE_OPTIONS, Location, location_script, location_script_many, location_variables, validate_location
from .lock import task_lock
from .probe import parse_many, parse_task, user_of_params
from .state import ObservedSession
from .workspace import (
    CONTENT_OPTIONS,
    WorkspaceSpec,
    file_handlers,
    file_warnings,
    missing_programs,
    plan_files,
    plan_removal,
    refuse_links,
    validate_files,
)


class WorkspaceResource(BatchResource[ObservedSession, Params]):
    """The standalone module: a task's files without a session."""

    name = "workspace"
    masked_options = ("config",)
    one = ArgumentSpec(
        argument_spec={
            **PLACE_OPTIONS,
            **CONTENT_OPTIONS,
            "discard_login": {"type": "bool", "default": False},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        }
    )
    specification = with_sessions(one)

    def masked(self, params: Params) -> dict[str, Any]:
        return masked_token(super().masked(params))

    def secrets(self, params: Params) -> set[str]:
        return tokens_of(params)

    def validate(self, params: Params) -> None:
        validate_location(Location.from_params(params))
        validate_files(WorkspaceSpec.from_params(params))

    def probe_script(self, params: Params) -> str:
        return location_script(Location.from_params(params), sweep=False)

    def parse_probe(self, sections: Sequence[Section], params: Params) -> ObservedSession:
        return parse_task(sections, params["name"])

    def probe_script_many(self, entries: Sequence[Params]) -> str:
        return location_script_many(entries, user_of_params, lambda params: location_variables(Location.from_params(params), sweep=False))

    def parse_probe_many(self, answer: str, entries: Sequence[Params]) -> list[ObservedSession]:
        return parse_many(answer, entries, user_of_params, self.parse_probe)

    def plan(self, observed: ObservedSession, params: Params) -> Plan:
        if params["state"] == "absent":
            if observed.session.status != "absent":
                raise OptioError(
                    f"session {params['name']}",
                    f"session {params['name']} is {observed.session.status}, so its files cannot be removed",
                    "Remove the session first (optio.codex.session with state: absent)",
                )
            actions = plan_removal(observed, params["discard_login"])
        else:
            actions = plan_files(observed, WorkspaceSpec.from_params(params))
        layout = observed.layout
        result = {
            **{"name": layout.name, "session_dir": layout.task, "workdir": layout.workdir, "home": layout.home},
            **{"codex_home": layout.codex_home, "codex_path": layout.codex_path},
        }
        return Plan(tuple(actions), result, file_warnings(observed))

    def unmet_requirements(self, observed: ObservedSession, params: Params, plan: Plan) -> list[OptioError]:
        if params["state"] == "absent" or not plan:
            return []
        return missing_programs(observed, WorkspaceSpec.from_params(params))

    def lock(self, observed: ObservedSession, params: Params, host: Host) -> AbstractContextManager[Any]:
        return task_lock(observed.layout, params.get("user") or None, host)

    def apply(self, plan: Plan, observed: ObservedSession, params: Params, host: Host) -> Mapping[str, Any]:
        with host.acting_as(params.get("user") or None):
            if params["state"] != "absent":
                refuse_links(observed.layout)
            execute(plan, file_handlers(host, observed.layout))
        return {}


RESOURCE = WorkspaceResource()
