# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The option ``sessions``: many sessions in one call, each with options of its own over those of the task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from .errors import OptioError
from .resource import Observed, Params, Specification, Subject

Result = dict[str, Any]
SESSIONS = "sessions"


class ManySessions(Subject[Observed]):
    """A module that takes one session by ``name``, with the options of ``one``, or many by ``sessions``."""

    one: Specification

    def entries(self, params: Params) -> list[Params] | None:
        return entries_of(self.one, params)

    def shown(self, params: Params) -> dict[str, Any]:
        result = super().shown(params)
        if result.get(SESSIONS):
            result[SESSIONS] = [self.shown(entry) if isinstance(entry, Mapping) else entry for entry in result[SESSIONS]]
        return result


def with_sessions(one: Specification) -> Specification:
    """Return the options of such a module: what one session needs, each of many may bring along."""
    needed = [[name] for name, option in one.argument_spec.items() if option.get("required")]
    spec = {name: {key: value for key, value in option.items() if key != "required"} for name, option in one.argument_spec.items()}
    return replace(
        one,
        argument_spec={**spec, SESSIONS: {"type": "list", "elements": "raw"}},
        mutually_exclusive=[*one.mutually_exclusive, ["name", SESSIONS]],
        required_one_of=[[*names, SESSIONS] for names in (*needed, *one.required_one_of)],
    )


def entries_of(one: Specification, params: Params) -> list[Params] | None:
    """Return the options of each session that a call names by ``sessions``, None for a call with one ``name``.

    Raises OptioError for options that the module would refuse of one session, and for two that would share a place.
    """
    given = params.get(SESSIONS)
    if given is None:
        return None
    if not given:
        raise OptioError(SESSIONS, "is an empty list", "Name at least one session, or skip the task")
    shared = {name: value for name, value in params.items() if name not in ("name", SESSIONS) and value is not None}
    entries = [_entry(one, shared, entry, number) for number, entry in enumerate(given, 1)]
    _refuse_shared(entries)
    return entries


def _entry(one: Specification, shared: Mapping[str, Any], given: Any, number: int) -> Params:
    own = {"name": given} if isinstance(given, str) else given
    label = f"session {number} of {SESSIONS}"
    if not isinstance(own, Mapping):
        raise OptioError(label, f"is of type {type(own).__name__}", "Give a name, or a dictionary with a name")
    if not own.get("name"):
        raise OptioError(label, "has no name", "Give a name, or a dictionary with a name")
    label = f"session {own['name']}"
    merged = {**shared, **{name: value for name, value in own.items() if value is not None}}
    terminal = own.get("terminal")
    if isinstance(terminal, Mapping):
        merged["terminal"] = {**shared.get("terminal", {}), **terminal}
    # an AWX survey says '' for no answer, which only a text can hold
    blank = [name for name, value in own.items() if value == "" and one.argument_spec.get(name, {}).get("type") != "str"]
    for name in blank:
        del merged[name]
    validated = ArgumentSpecValidator(**one.rules()).validate(merged)
    if validated.error_messages:
        cause = "; ".join(validated.error_messages)
        raise OptioError(label, cause, "Give it the options that the module takes for one session")
    return {**validated.validated_parameters, SESSIONS: None}


def _refuse_shared(entries: Sequence[Params]) -> None:
    names: set[tuple[Any, ...]] = set()
    workdirs: set[tuple[Any, ...]] = set()
    for entry in entries:
        place = (entry.get("user") or None, entry.get("root") or None, entry["name"])
        if place in names:
            raise OptioError(f"session {entry['name']}", f"is there twice in {SESSIONS}", "Name each session once")
        names.add(place)
        workdir = entry.get("workdir")
        if workdir and (place[0], workdir.rstrip("/")) in workdirs:
            raise OptioError(
                f"session {entry['name']}", f"has the workdir {workdir} of another one of {SESSIONS}", "Give each session its own"
            )
        if workdir:
            workdirs.add((place[0], workdir.rstrip("/")))


def together(results: Sequence[Result]) -> Result:
    """Return what a module answers for many sessions, from what it would answer for each."""
    answer: Result = {
        "changed": any(result.get("changed") for result in results),
        SESSIONS: [{name: value for name, value in result.items() if name not in ("diff", "warnings")} for result in results],
    }
    diffs = [{"before_header": result["name"], "after_header": result["name"], **result["diff"]} for result in results if "diff" in result]
    if diffs:
        answer["diff"] = diffs
    warnings = [text for result in results for text in result.get("warnings", ())]
    if warnings:
        answer["warnings"] = warnings
    failed = [result for result in results if result.get("failed")]
    if failed:
        told = " ".join(_told(result) for result in failed)
        answer.update(failed=True, msg=f"{len(failed)} of {len(results)} sessions failed. {told}")
    return answer


def _told(result: Result) -> str:
    said = str(result["msg"])
    return said if str(result["name"]) in said else f"{result['name']}: {said}"
