# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module ``session_dispatch``: assigns sessions to workers, and keeps the assignments on one host."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import Any

from .._core import files
from .._core.errors import OptioError
from .._core.host import Host
from .._core.locks import directory_lock
from .._core.paths import SHELL_DIRECTORIES, validate_name, validate_path
from .._core.plan import Action, Plan
from .._core.probe import Section, compose
from .._core.probed_resource import ProbedResource
from .._core.resource import ArgumentSpec, Params
from .assignment import ASSIGNED, LAUNCHED, Candidate, Entry, Placement, Request, assign
from .ledger import ledger_text, parse_ledger

DIRECTORY = "~/.local/share/optio-codex/dispatch"
DEFAULT_NAME = "default"
MEMORY_MIB, DISK_MIB, MAX_SESSIONS = 512, 1024, 10
#: bytes; some 100,000 sessions
MOST = 16 << 20

_SHELL = f"""
expand "$ledger_dir"; trim
emit ledger_dir "$REPLY"
emit now "$(date +%s)"
file=$REPLY/$name.json
if [ -L "$file" ]; then emit odd_kind 1
elif [ -f "$file" ]; then emit kept 1; {{ head -c {MOST} "$file"; echo; }} | sed 's/^/ledger+/'
elif [ -e "$file" ]; then emit odd_kind 1
fi
"""


@dataclass(frozen=True)
class LedgerFile:
    """The ledger as its host has it, and the time of that host."""

    path: str
    now: int
    exists: bool = False
    entries: Mapping[str, Entry] = field(default_factory=dict)


def plan_ledger(seen: LedgerFile, entries: Mapping[str, Entry]) -> list[Action]:
    """Return an action for each session whose entry changes; purely. Each has the whole new text."""
    text = ledger_text(entries)
    actions = []
    for name in sorted({*seen.entries, *entries}):
        before, after = seen.entries.get(name), entries.get(name)
        if before != after:
            kind = "forget" if after is None else "record" if before and before.worker == after.worker else "assign"
            actions.append(Action(kind, name, _shown(before), _shown(after), payload=text))
    return actions


def _shown(entry: Entry | None) -> str:
    return "absent" if entry is None else f"{entry.worker}, {ASSIGNED if entry.launched_at is None else LAUNCHED}"


def requests_of(params: Params) -> list[Request]:
    """Return the option ``sessions``."""
    return [Request(one["name"], frozenset(one["labels"]), one["memory_mib"], one["disk_mib"]) for one in params["sessions"]]


def candidates_of(params: Params) -> list[Candidate]:
    """Return the option ``workers``."""
    return [
        Candidate(
            **{"name": one["name"], "labels": frozenset(one["labels"]), "sessions": one["sessions"] or {}},
            **{"memory_mib": one["memory_available_mib"], "disk_mib": one["disk_available_mib"]},
            **{"max_sessions": one["max_sessions"], "obstacle": one["obstacle"] or None},
        )
        for one in params["workers"]
    ]


class DispatchResource(ProbedResource[LedgerFile, Params]):
    """One ledger, on the host that keeps it."""

    name = "session_dispatch"
    specification = ArgumentSpec(
        argument_spec={
            "name": {"type": "str", "default": DEFAULT_NAME},
            "sessions": {
                **{"type": "list", "elements": "dict"},
                "options": {
                    "name": {"type": "str", "required": True},
                    "labels": {"type": "list", "elements": "str", "default": []},
                    "memory_mib": {"type": "int", "default": MEMORY_MIB},
                    "disk_mib": {"type": "int", "default": DISK_MIB},
                },
            },
            "workers": {
                **{"type": "list", "elements": "dict", "default": []},
                "options": {
                    "name": {"type": "str", "required": True},
                    "labels": {"type": "list", "elements": "str", "default": []},
                    "sessions": {"type": "dict", "default": {}},
                    "memory_available_mib": {"type": "int"},
                    "disk_available_mib": {"type": "int"},
                    "max_sessions": {"type": "int", "default": MAX_SESSIONS},
                    "obstacle": {"type": "str"},
                },
            },
            "unreached": {"type": "list", "elements": "str", "default": []},
            "rerun": {"type": "list", "elements": "str", "default": []},
            "launched": {"type": "list", "elements": "str"},
            "ledger_dir": {"type": "str", "default": DIRECTORY},
        },
        mutually_exclusive=[("sessions", "launched")],
        required_one_of=[("sessions", "launched")],
    )

    def validate(self, params: Params) -> None:
        validate_path("ledger_dir", params["ledger_dir"] or None)
        validate_name(params["name"])
        for option in ("sessions", "workers"):
            names = [one["name"] for one in params[option] or ()]
            for name, count in Counter(names).items():
                if count > 1:
                    raise OptioError(option, f"{option} contains {name} {count} times", f"Use each name once in {option}")
        for one in params["sessions"] or ():
            validate_name(one["name"])
            for option in ("memory_mib", "disk_mib"):
                if one[option] < 0:
                    subject = f"{option} of session {one['name']}"
                    raise OptioError(option, f"{subject} must be 0 or greater, got {one[option]}", "Set it in MiB")
        for one in params["workers"]:
            if one["max_sessions"] < 0:
                cause = f"max_sessions of worker {one['name']} must be 0 or greater, got {one['max_sessions']}"
                raise OptioError("max_sessions", cause, "Set the number of sessions that the worker may run")

    def probe_script(self, params: Params) -> str:
        return compose(SHELL_DIRECTORIES + _SHELL, {"ledger_dir": params["ledger_dir"] or DIRECTORY, "name": params["name"]})

    def parse_probe(self, sections: Sequence[Section], params: Params) -> LedgerFile:
        facts = sections[0]
        path = f"{facts.get('ledger_dir')}/{params['name']}.json"
        if facts.flag("odd_kind"):
            raise OptioError(path, f"{path} is not a file", "Move it away, or set another ledger_dir")
        kept = facts.flag("kept")
        return LedgerFile(path, facts.number("now") or 0, kept, parse_ledger(facts.text("ledger") or "", path) if kept else {})

    def plan(self, observed: LedgerFile, params: Params) -> Plan:
        if params["launched"] is not None:
            return self._plan_launched(observed, params["launched"])
        candidates = candidates_of(params)
        placements = assign(requests_of(params), observed.entries, candidates, observed.now, params["unreached"], params["rerun"])
        entries = {one.name: one.entry for one in placements if one.entry is not None}
        for one in placements:
            if one.state == LAUNCHED and one.entry is not None and one.entry.launched_at is None:
                entries[one.name] = replace(one.entry, launched_at=observed.now)
        actions = plan_ledger(observed, entries)
        shown = [_result(replace(one, entry=entries.get(one.name))) for one in placements]
        return Plan(tuple(actions), {"path": observed.path, "sessions": shown}, _warnings(observed, placements, candidates))

    @staticmethod
    def _plan_launched(observed: LedgerFile, names: Sequence[str]) -> Plan:
        entries = dict(observed.entries)
        for name in names:
            # another run may have dropped the session from the list
            if name in entries and entries[name].launched_at is None:
                entries[name] = replace(entries[name], launched_at=observed.now)
        known = [Placement(name, ASSIGNED if one.launched_at is None else LAUNCHED, one) for name, one in sorted(entries.items())]
        return Plan(tuple(plan_ledger(observed, entries)), {"path": observed.path, "sessions": [_result(one) for one in known]})

    def lock(self, observed: LedgerFile, params: Params, host: Host) -> AbstractContextManager[Any]:
        return directory_lock(observed.path.rpartition("/")[0], host)

    def apply(self, plan: Plan, observed: LedgerFile, params: Params, host: Host) -> Mapping[str, Any]:
        files.write_text(observed.path, plan.actions[0].payload, follow=False)
        return {}


def _result(placement: Placement) -> dict[str, Any]:
    entry = placement.entry
    return {
        **{"name": placement.name, "state": placement.state, "worker": entry.worker if entry else None},
        **{"status": placement.status, "reason": placement.reason},
        **{"assigned_at": entry.assigned_at if entry else None, "launched_at": entry.launched_at if entry else None},
    }


def _warnings(seen: LedgerFile, placements: Sequence[Placement], candidates: Sequence[Candidate]) -> tuple[str, ...]:
    warnings = []
    found = [one.name for one in placements if one.state == LAUNCHED and one.name not in seen.entries]
    if found and not seen.exists:
        warnings.append(
            f"{seen.path} did not exist, but {len(found)} of the sessions do. If the ledger is on another host or in another directory, "
            "sessions that were removed may be launched again. Set the same host and ledger_dir in each run."
        )
    for one in placements:
        others = [candidate.name for candidate in candidates if one.name in candidate.sessions and one.entry]
        if one.entry and len(others) > 1:
            warnings.append(f"session {one.name} exists on {', '.join(others)}. Only that on {one.entry.worker} is dispatched.")
    return tuple(warnings)


RESOURCE = DispatchResource()
