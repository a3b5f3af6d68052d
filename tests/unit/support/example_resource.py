# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The smallest subject with every feature of the frame: a file that should exist."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from ansible_collections.optio.codex.plugins.module_utils._core import paths
from ansible_collections.optio.codex.plugins.module_utils._core.errors import OptioError, ProbeError
from ansible_collections.optio.codex.plugins.module_utils._core.host import Host
from ansible_collections.optio.codex.plugins.module_utils._core.plan import Action, Plan
from ansible_collections.optio.codex.plugins.module_utils._core.probe import Section, compose
from ansible_collections.optio.codex.plugins.module_utils._core.probed_resource import ProbedResource
from ansible_collections.optio.codex.plugins.module_utils._core.resource import ArgumentSpec, Params

BODY = r"""
expand "$path"
emit path "$REPLY"
if [ -e "$REPLY" ]; then emit there 1; else emit there 0; fi
emit home "$HOME"
emit mood "${OPTIO_MOOD:-}"
emit other "${OTHER:-}"
cat
"""


class MarkResource(ProbedResource[Section, Params]):
    """Creates ``path``; ``obstacle`` names something that keeps it from doing so."""

    name = "mark"
    masked_options = ("environment",)
    specification = ArgumentSpec(
        argument_spec={
            "path": {"type": "str", "required": True},
            "secret": {"type": "str", "no_log": True},
            "obstacle": {"type": "str"},
            "user": {"type": "str"},
            "environment": {"type": "dict"},
        },
        required_together=[["secret", "obstacle"]],
    )

    def __init__(self) -> None:
        self.calls: list[str] = []

    def parse_options(self, params: Params) -> Params:
        self.calls.append("parse")
        return params

    def validate(self, options: Params) -> None:
        paths.validate_path("path", options["path"])

    def probe_script(self, options: Params) -> str:
        self.calls.append("script")
        return compose(BODY, {"path": options["path"]}, options["user"])

    def parse_probe(self, sections: Sequence[Section], options: Params) -> Section:
        if sections[0].get("there") not in ("0", "1"):
            raise ProbeError("it is neither there nor not")
        return sections[0]

    def plan(self, observed: Section, options: Params) -> Plan:
        self.calls.append("plan")
        if options["path"] == "/never":
            raise OptioError("/never", "/never is never right", "Choose another path")
        result = {name: observed.get(name) for name in ("path", "home", "mood", "other")}
        result["said"] = f"the secret is {options['secret']}"
        actions = () if observed.flag("there") else (Action("create", observed.get("path")),)
        return Plan(actions, result, ("mind the mark",) if options["obstacle"] == "warn" else ())

    def unmet_requirements(self, observed: Section, options: Params, plan: Plan) -> list[OptioError]:
        if not plan or options["obstacle"] in (None, "warn"):
            return []
        return [OptioError(options["obstacle"], f"{options['obstacle']} is missing", "Install it")]

    @contextmanager
    def lock(self, observed: Section, options: Params, host: Host) -> Iterator[None]:
        self.calls.append("lock")
        yield
        self.calls.append("unlock")

    def apply(self, plan: Plan, observed: Section, options: Params, host: Host) -> Mapping[str, Any]:
        self.calls.append("apply")
        with open(plan.actions[0].target, "x", encoding="utf-8"):
            pass
        return {"made": os.path.basename(plan.actions[0].target)}
