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
from .paths import is_name
from .probed_resource import ProbedResource
from .resource import MASK, ArgumentSpec, Observed, Options, Params

Result = dict[str, Any]
SESSIONS = "sessions"


class BatchResource(ProbedResource[Observed, Options]):
    """A module that takes one session by ``name``, with the options of ``one``, or many by ``sessions``."""

    one: ArgumentSpec

    def expand_items(self, params: Params) -> list[Params] | None:
        return entries_of(self.one, params)

    def masked(self, params: Params) -> dict[str, Any]:
        result = super().masked(params)
        sessions = result.get(SESSIONS)
        if sessions:
            result[SESSIONS] = [self._masked_entry(entry) for entry in sessions] if isinstance(sessions, list) else MASK
        return result

    def _masked_entry(self, entry: Any) -> Any:
        if isinstance(entry, Mapping):
            # the value of a misspelled option may be a secret
            return self.masked({name: value if name in self.one.argument_spec else MASK for name, value in entry.items()})
        # other text may be a list that was split at its commas, with values of options
        return entry if isinstance(entry, str) and is_name(entry) else MASK


def with_sessions(one: ArgumentSpec) -> ArgumentSpec:
    """Return the options of such a module: required options of one session are optional for many."""
    needed = [[name] for name, option in one.argument_spec.items() if option.get("required")]
    spec = {name: {key: value for key, value in option.items() if key != "required"} for name, option in one.argument_spec.items()}
    return replace(
        one,
        argument_spec={**spec, SESSIONS: {"type": "list", "elements": "raw"}},
        mutually_exclusive=[*one.mutually_exclusive, ["name", SESSIONS]],
        required_one_of=[[*names, SESSIONS] for names in (*needed, *one.required_one_of)],
        required_if=[_or_sessions(rule) for rule in one.required_if],
    )


def _or_sessions(rule: Sequence[Any]) -> Sequence[Any]:
    option, value, names, *any_of = rule
    # each session may have one of the options itself; a rule that requires all options holds for the call
    return [option, value, [*names, SESSIONS], True] if any_of == [True] else rule


def entries_of(one: ArgumentSpec, params: Params) -> list[Params] | None:
    """Return the options of each session that a call names by ``sessions``, None for a call with one ``name``.

    Raises OptioError for options that the module would refuse of one session, and for two that would share a place.
    """
    given = params.get(SESSIONS)
    if given is None:
        return None
    if not given:
        raise OptioError(SESSIONS, f"{SESSIONS} is an empty list", "Name at least one session, or skip the task")
    shared = {name: value for name, value in params.items() if name not in ("name", SESSIONS) and value is not None}
    entries = [_entry(one, shared, entry, number) for number, entry in enumerate(given, 1)]
    _refuse_shared(entries)
    return entries


def _entry(one: ArgumentSpec, shared: Mapping[str, Any], given: Any, number: int) -> Params:
    own = {"name": given} if isinstance(given, str) else given
    label = f"session {number} of {SESSIONS}"
    if not isinstance(own, Mapping):
        raise OptioError(label, f"{label} is of type {type(own).__name__}", "Use a name, or a dictionary with a name")
    if not own.get("name"):
        raise OptioError(label, f"{label} has no name", "Use a name, or a dictionary with a name")
    label = f"session {own['name']}"
    # the session's option replaces those of the call that exclude it
    replaced = {name for group in one.mutually_exclusive if any(own.get(option) is not None for option in group) for name in group}
    shared = {name: value for name, value in shared.items() if name not in replaced}
    merged = combined(shared, {name: value for name, value in own.items() if value is not None})
    # an AWX survey sends '' for an unanswered question, which is only valid as text
    blank = [name for name, value in own.items() if value == "" and one.argument_spec.get(name, {}).get("type") != "str"]
    for name in blank:
        del merged[name]
    validated = ArgumentSpecValidator(**one.to_kwargs()).validate(merged)
    if validated.error_messages:
        cause = f"{label} has invalid options: {'; '.join(validated.error_messages)}"
        raise OptioError(label, cause, "Set the options that the module takes for one session")
    return {**validated.validated_parameters, SESSIONS: None}


def combined(common: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Return a session's own options over the common ones.

    The keys of ``terminal`` are combined, and those of ``repository`` and ``webhook`` unless its own has another URL, because a
    token is for the host of one URL.
    """
    merged = {**common, **own}
    for name in ("terminal", "repository", "webhook"):
        one, other = own.get(name), common.get(name)
        if isinstance(one, Mapping) and isinstance(other, Mapping) and not (name != "terminal" and "url" in one):
            merged[name] = {**other, **one}
    return merged


def _refuse_shared(entries: Sequence[Params]) -> None:
    names: set[tuple[Any, ...]] = set()
    workdirs: set[tuple[Any, ...]] = set()
    for entry in entries:
        place = (entry.get("user") or None, entry.get("sessions_dir") or None, entry["name"])
        if place in names:
            label = f"session {entry['name']}"
            raise OptioError(label, f"{label} is listed more than once in {SESSIONS}", "List each session once")
        names.add(place)
        # two clones into one directory at the same time would be in each other's way
        workdir = entry.get("workdir") if (entry.get("repository") or {}).get("url") else None
        if workdir and (place[0], workdir.rstrip("/")) in workdirs:
            label = f"session {entry['name']}"
            cause = f"{label} clones into the same workdir as another one of {SESSIONS}: {workdir}"
            raise OptioError(label, cause, "Set a workdir for each session, or omit repository from all but the first call")
        if workdir:
            workdirs.add((place[0], workdir.rstrip("/")))


def merge_results(results: Sequence[Result]) -> Result:
    """Return the result of a module for many sessions, from the result of each."""
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
        messages = " ".join(_with_name(result) for result in failed)
        answer.update(failed=True, msg=f"{len(failed)} of {len(results)} sessions failed. {messages}")
    return answer


def _with_name(result: Result) -> str:
    said = str(result["msg"])
    return said if str(result["name"]) in said else f"{result['name']}: {said}"
