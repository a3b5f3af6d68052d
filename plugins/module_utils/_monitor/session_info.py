# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module ``session_info``: the current state of all sessions, or of some, of a worker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .._codex.rollout import transcript
from .._core.errors import OptioError, ProbeError
from .._core.host import Host
from .._core.paths import validate_name, validate_path
from .._core.plan import Plan
from .._core.probe import Section, answers, parse
from .._core.probed_resource import ProbedResource
from .._core.resource import ArgumentSpec, Params
from .session_list import list_script, parse_sessions, unknown_warnings


class SessionInfoResource(ProbedResource["list[dict[str, Any]]", Params]):
    """The sessions of one user of a worker. It changes nothing."""

    name = "session_info"
    specification = ArgumentSpec(
        argument_spec={
            "name": {"type": "str"},
            "sessions": {"type": "list", "elements": "str"},
            "user": {"type": "str"},
            "all_users": {"type": "bool", "default": False},
            "sessions_dir": {"type": "str"},
            "include_screen": {"type": "bool", "default": False},
            "scrollback_lines": {"type": "int", "default": 0},
            "transcript_entries": {"type": "int", "default": 0},
            "include_disk_usage": {"type": "bool", "default": False},
        },
        mutually_exclusive=[["name", "sessions"]],
    )

    def validate(self, params: Params) -> None:
        if params.get("sessions") is not None and not _names(params):
            raise OptioError("sessions", "sessions must not be empty", "Set the names of the sessions, or omit it for all sessions")
        if params.get("all_users") and (params.get("user") or params.get("transcript_entries")):
            option = "user" if params.get("user") else "transcript_entries"
            raise OptioError(option, f"{option} cannot be used with all_users", f"Omit {option}, or set all_users to false")
        for name in _names(params):
            validate_name(name)
        validate_path("sessions_dir", params.get("sessions_dir") or None)
        for option in ("scrollback_lines", "transcript_entries"):
            if (params.get(option) or 0) < 0:
                raise OptioError(option, f"{option} must be 0 or greater, got {params[option]}", "Set 0 or a number above it")

    def probe_script(self, params: Params) -> str:
        history = str(params["scrollback_lines"]) if params.get("scrollback_lines") else ""
        return list_script(
            _names(params),
            user=params.get("user") or None,
            sessions_dir=params.get("sessions_dir") or None,
            history=history,
            disk_usage=bool(params.get("include_disk_usage")),
            all_users=bool(params.get("all_users")),
        )

    def parse_answer(self, answer: str, params: Params) -> list[dict[str, Any]]:
        if not params.get("all_users"):
            return super().parse_answer(answer, params)
        found = answers(answer)
        if not found:
            raise ProbeError("the probe's answer is not complete")
        entries = [entry for sections in found for entry in self.parse_probe(sections, params)]
        # a directory may have been found by two paths
        by_place = {entry["session_dir"]: entry for entry in reversed(entries)}
        return sorted(by_place.values(), key=lambda entry: (entry["name"], entry["user"]))

    def parse_probe(self, sections: Sequence[Section], params: Params) -> list[dict[str, Any]]:
        if params.get("transcript_entries"):
            raise ProbeError("a transcript is read by the module")
        return parse_sessions(sections, bool(params.get("include_screen")))

    def observe(self, host: Host, params: Params) -> list[dict[str, Any]]:
        count = params.get("transcript_entries") or 0
        sessions = self.parse_probe(parse(host.probe(self.probe_script(params))), {**params, "transcript_entries": 0})
        if count:
            with host.acting_as(params.get("user") or None):
                for session in sessions:
                    session["transcript"] = transcript(session["rollout"], count) if session["rollout"] else []
        return sessions

    def plan(self, observed: list[dict[str, Any]], params: Params) -> Plan:
        return Plan(result={"sessions": observed}, warnings=unknown_warnings(observed), changes=False)

    def apply(self, plan: Plan, observed: list[dict[str, Any]], params: Params, host: Host) -> Mapping[str, Any]:
        return {}


def _names(params: Params) -> list[str]:
    """Return the names of the requested sessions, empty for all."""
    names = [params["name"]] if params.get("name") else params.get("sessions") or []
    return list(dict.fromkeys(name for name in names if name))


RESOURCE = SessionInfoResource()
