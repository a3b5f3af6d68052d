# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The changes that a module is about to make: actions with before and after, computed without changing anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .errors import OptioError

ABSENT = "absent"
#: a value that check mode cannot know without the network or without the change itself
UNKNOWN = "unknown"


@dataclass(frozen=True)
class Action:
    """One change of one object.

    ``kind`` is the verb (``create``, ``write``, ``link``, ``start`` ...), ``target`` the path, unit or session it
    changes, ``before`` and ``after`` one line or a whole text each, as the diff shows them.
    """

    kind: str
    target: str
    before: str = ABSENT
    after: str = "present"
    #: data that the execution needs and that is never shown, such as a file's text, which may contain a secret
    payload: Any = field(default=None, repr=False)

    def as_result(self) -> dict[str, str]:
        """Return the two keys that modules list under ``actions``."""
        return {"kind": self.kind, "target": self.target}


@dataclass(frozen=True)
class Plan:
    """An ordered list of actions, the values the module returns, and warnings for the user."""

    actions: tuple[Action, ...] = ()
    result: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    #: False where acting only completes the answer (a measurement), so that nothing of the worker's state changes
    changes: bool = True

    def __bool__(self) -> bool:
        return bool(self.actions)

    def actions_of_kind(self, kind: str) -> tuple[Action, ...]:
        """Return the actions of one kind, in order."""
        return tuple(action for action in self.actions if action.kind == kind)

    def diff(self) -> dict[str, str]:
        """Return Ansible's ``before``/``after`` texts, one entry for each action's target."""
        return {"before": _render(self.actions, "before"), "after": _render(self.actions, "after")}


def _render(actions: Sequence[Action], side: str) -> str:
    lines: list[str] = []
    for action in actions:
        text: str = getattr(action, side)
        if "\n" in text:
            lines.append(f"{action.target}: |")
            lines.extend(f"  {line}" if line else "" for line in text.rstrip("\n").split("\n"))
        else:
            lines.append(f"{action.target}: {text}")
    return "".join(f"{line}\n" for line in lines)


def module_result(plan: Plan, diff: bool) -> dict[str, Any]:
    """Return the result of a module for a plan, whether it was executed or only predicted."""
    result: dict[str, Any] = dict(plan.result)
    result["changed"] = bool(plan) and plan.changes
    if plan.changes:
        result["actions"] = [action.as_result() for action in plan.actions]
    if plan.warnings:
        result["warnings"] = list(plan.warnings)
    if diff and plan and plan.changes:
        result["diff"] = plan.diff()
    return result


def check_mode_result(plan: Plan, unmet: Sequence[OptioError], diff: bool) -> dict[str, Any]:
    """Return the module's result for a plan that is only predicted, its unmet requirements as warnings."""
    result = module_result(plan, diff)
    if unmet:
        result["warnings"] = [*result.get("warnings", []), *map(str, unmet)]
    return result
