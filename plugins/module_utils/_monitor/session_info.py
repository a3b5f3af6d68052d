# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module ``session_info``: every session of a worker, or one, as it is now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .._core.errors import OptioError, UnknownObservation
from .._core.host import Host
from .._session.layout import check_name, check_path
from .._core.plan import Plan
from .._core.probe import Section, parse
from .._codex.rollout import transcript
from .session_list import list_script, parse_sessions
from .._core.resource import Params, Specification, Subject


class SessionInfoSubject(Subject["list[dict[str, Any]]"]):
    """What the worker says of its sessions; nothing is ever changed."""

    name = "session_info"
    specification = Specification(
        argument_spec={
            "name": {"type": "str"},
            "user": {"type": "str"},
            "root": {"type": "str"},
            "screen": {"type": "bool", "default": False},
            "history": {"type": "int", "default": 0},
            "transcript": {"type": "int", "default": 0},
            "sizes": {"type": "bool", "default": False},
        }
    )

    def check(self, params: Params) -> None:
        if params.get("name"):
            check_name(params["name"])
        check_path("root", params.get("root") or None)
        for option in ("history", "transcript"):
            if (params.get(option) or 0) < 0:
                raise OptioError(f"{option} {params[option]}", "is less than nothing", "Give 0 or more")

    def script(self, params: Params) -> str:
        history = str(params["history"]) if params.get("history") else ""
        only = [params["name"]] if params.get("name") else []
        return list_script(params, only, history=history, sizes=bool(params.get("sizes")))

    def observe(self, sections: Sequence[Section], params: Params) -> list[dict[str, Any]]:
        if params.get("transcript"):
            raise UnknownObservation("a transcript is read by Python")
        return parse_sessions(sections, bool(params.get("screen")))

    def observe_on(self, host: Host, params: Params) -> list[dict[str, Any]]:
        count = params.get("transcript") or 0
        sessions = self.observe(parse(host.probe(self.script(params))), {**params, "transcript": 0})
        if count:
            with host.acting_as(params.get("user") or None):
                for session in sessions:
                    session["transcript"] = transcript(session["rollout"], count) if session["rollout"] else []
        return sessions

    def plan(self, observed: list[dict[str, Any]], params: Params) -> Plan:
        return Plan(result={"sessions": observed}, changes=False)

    def apply(self, plan: Plan, observed: list[dict[str, Any]], params: Params, host: Host) -> Mapping[str, Any]:
        return {}


SUBJECT = SessionInfoSubject()
