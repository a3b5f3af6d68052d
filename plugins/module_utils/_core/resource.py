# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What every module gives to the two that run it: the runner on the worker, the action plugin on the controller."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from .errors import OptioError
from .plan import Plan
from .probe import Section, parse

if TYPE_CHECKING:
    from .host import Host

MASK = "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"

Observed = TypeVar("Observed")
Params = Mapping[str, Any]


@dataclass(frozen=True)
class Specification:
    """A module's options, in the shapes of AnsibleModule."""

    argument_spec: Mapping[str, Mapping[str, Any]]
    mutually_exclusive: Sequence[Sequence[str]] = ()
    required_together: Sequence[Sequence[str]] = ()
    required_one_of: Sequence[Sequence[str]] = ()
    required_if: Sequence[Sequence[Any]] = ()

    def rules(self) -> dict[str, Any]:
        """Return the keyword arguments that AnsibleModule and ArgumentSpecValidator share."""
        return {
            "argument_spec": {name: dict(option) for name, option in self.argument_spec.items()},
            "mutually_exclusive": [list(names) for names in self.mutually_exclusive],
            "required_together": [list(names) for names in self.required_together],
            "required_one_of": [list(names) for names in self.required_one_of],
            "required_if": [list(rule) for rule in self.required_if],
        }


class Subject(Generic[Observed]):
    """Observe, plan, apply for one module; only ``apply`` and ``lock`` touch the worker."""

    name: str
    specification: Specification
    #: options of dictionaries whose values may be secrets: they are masked where the options are shown
    hidden: Sequence[str] = ()

    def shown(self, params: Params) -> dict[str, Any]:
        """Return the options as ``invocation`` shows them."""
        result = dict(params)
        for option in self.hidden:
            if result.get(option):
                result[option] = dict.fromkeys(result[option], MASK)
        return result

    def entries(self, params: Params) -> list[Params] | None:
        """Return the options of each object that one call names; None where it names one, as most modules do."""
        return None

    def script_each(self, entries: Sequence[Params]) -> str:
        """Return one probe of many objects; where ``entries`` may return some and an action plugin looks at them."""
        raise NotImplementedError

    def observe_each(self, answer: str, entries: Sequence[Params]) -> list[Observed]:
        """Return what that probe's answer says of each; raise UnknownObservation when it is odd."""
        raise NotImplementedError

    def check(self, params: Params) -> None:
        """Raise OptioError for options that are wrong whatever the worker looks like."""

    def script(self, params: Params) -> str:
        """Return the probe, a complete POSIX shell script."""
        raise NotImplementedError

    def observe(self, sections: Sequence[Section], params: Params) -> Observed:
        """Return what the probe's answer says; raise UnknownObservation when it is odd."""
        raise NotImplementedError

    def observe_on(self, host: Host, params: Params) -> Observed:
        """Return what the worker itself sees; a subject that no shell can observe overrides this and has no probe."""
        return self.observe(parse(host.probe(self.script(params))), params)

    def plan(self, observed: Observed, params: Params) -> Plan:
        """Return what must be done, purely; raise OptioError when it cannot be done.

        Messages that are errors in a real run and warnings in check mode (a missing tmux) belong to ``preconditions``.
        """
        raise NotImplementedError

    def preconditions(self, observed: Observed, params: Params, plan: Plan) -> list[OptioError]:
        """Return what would make ``apply`` fail: raised before a real run, warned of in check mode."""
        return []

    def lock(self, observed: Observed, params: Params, host: Host) -> AbstractContextManager[Any]:
        """Return the lock to hold while the worker is observed again and changed."""
        return nullcontext()

    def apply(self, plan: Plan, observed: Observed, params: Params, host: Host) -> Mapping[str, Any]:
        """Carry out the plan; return what it adds to the result. A failure undoes what this call did."""
        raise NotImplementedError
