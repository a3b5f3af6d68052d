# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The interface of a module to the runner on the worker and to the action plugin on the controller."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from .errors import OptioError
from .plan import Plan

if TYPE_CHECKING:
    from .host import Host

MASK = "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"

Params = Mapping[str, Any]
Observed = TypeVar("Observed")
#: the result of ``parse_options``: ``Params``, or a type of the module's own
Options = TypeVar("Options")


@dataclass(frozen=True)
class ArgumentSpec:
    """A module's options, in the shapes of AnsibleModule."""

    argument_spec: Mapping[str, Mapping[str, Any]]
    mutually_exclusive: Sequence[Sequence[str]] = ()
    required_together: Sequence[Sequence[str]] = ()
    required_one_of: Sequence[Sequence[str]] = ()
    required_if: Sequence[Sequence[Any]] = ()

    def to_kwargs(self) -> dict[str, Any]:
        """Return the keyword arguments that AnsibleModule and ArgumentSpecValidator share."""
        return {
            "argument_spec": {name: dict(option) for name, option in self.argument_spec.items()},
            "mutually_exclusive": [list(names) for names in self.mutually_exclusive],
            "required_together": [list(names) for names in self.required_together],
            "required_one_of": [list(names) for names in self.required_one_of],
            "required_if": [list(rule) for rule in self.required_if],
        }


class Resource(Generic[Observed, Options]):
    """Observe, plan, apply for one module; only ``apply`` and ``lock`` touch the worker."""

    name: str
    specification: ArgumentSpec
    #: options of dictionaries whose values may be secrets: they are masked where the options are shown
    masked_options: Sequence[str] = ()

    def masked(self, params: Params) -> dict[str, Any]:
        """Return the options as ``invocation`` shows them."""
        result = dict(params)
        for option in self.masked_options:
            value = result.get(option)
            if value:
                # before the validation it may be of another type
                result[option] = dict.fromkeys(value, MASK) if isinstance(value, Mapping) else MASK
        return result

    def secrets(self, params: Params) -> set[str]:
        """Return secret values in the options that AnsibleModule does not know: they are removed from every output."""
        return set()

    def expand_items(self, params: Params) -> list[Params] | None:
        """Return the options of each object that one call names; None where it names one, as most modules do."""
        return None

    def parse_options(self, params: Params) -> Options:
        """Return one object's options as the methods below take them, by default unchanged; called once for each object."""
        return cast(Options, params)

    def validate(self, options: Options) -> None:
        """Raise OptioError for options that are invalid on every worker."""

    def observe(self, host: Host, options: Options) -> Observed:
        """Return the state that the worker itself observes."""
        raise NotImplementedError

    def plan(self, observed: Observed, options: Options) -> Plan:
        """Return the necessary actions, purely; raise OptioError if that is not possible.

        Messages that are errors in a real run and warnings in check mode (a missing tmux) belong to ``unmet_requirements``.
        """
        raise NotImplementedError

    def unmet_requirements(self, observed: Observed, options: Options, plan: Plan) -> list[OptioError]:
        """Return the errors that would make ``apply`` fail: raised before a real run, warnings in check mode."""
        return []

    def lock(self, observed: Observed, options: Options, host: Host) -> AbstractContextManager[Any]:
        """Return the lock to hold while the worker is observed again and changed."""
        return nullcontext()

    def apply(self, plan: Plan, observed: Observed, options: Options, host: Host) -> Mapping[str, Any]:
        """Execute the plan; return the values it adds to the result. A failure undoes the changes of this call."""
        raise NotImplementedError
