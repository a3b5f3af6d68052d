# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module ``session_info``: every session of a worker, or one, as it is now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .host import Host
from .layout import SHELL_DIRECTORIES, check_name, check_path
from .plan import Plan
from .probe import Section, compose
from .session_list import SHELL_SESSION_LIST, parse_sessions
from .subject import Params, Specification, Subject
from .task_probe import SHELL_TASK, SHELL_WORKER


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
        }
    )

    def check(self, params: Params) -> None:
        if params.get("name"):
            check_name(params["name"])
        check_path("root", params.get("root") or None)

    def script(self, params: Params) -> str:
        variables = {
            "only": params.get("name") or "",
            "root": params.get("root") or "",
            "history": str(params["history"]) if params.get("history") else "",
        }
        body = f"{SHELL_DIRECTORIES}{SHELL_WORKER}{SHELL_TASK}{SHELL_SESSION_LIST}\nworker_facts\nsession_list\n"
        return compose(body, variables, params.get("user") or None)

    def observe(self, sections: Sequence[Section], params: Params) -> list[dict[str, Any]]:
        return parse_sessions(sections, bool(params.get("screen")))

    def plan(self, observed: list[dict[str, Any]], params: Params) -> Plan:
        return Plan(result={"sessions": observed}, changes=False)

    def apply(self, plan: Plan, observed: list[dict[str, Any]], params: Params, host: Host) -> Mapping[str, Any]:
        return {}


SUBJECT = SessionInfoSubject()
