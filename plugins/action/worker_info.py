# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Answers ``optio.codex.worker_info`` from a probe, and compares the releases of codex and ttyd in the same round trip."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.parsing.convert_bool import boolean

from ansible_collections.optio.codex.plugins.module_utils._core.errors import OptioError, ProbeError
from ansible_collections.optio.codex.plugins.module_utils._core.plan import check_mode_result
from ansible_collections.optio.codex.plugins.module_utils._core.probe import Section, answers, compose
from ansible_collections.optio.codex.plugins.module_utils._monitor.worker_info import RESOURCE
from ansible_collections.optio.codex.plugins.module_utils._release.module import CODEX_RELEASE, TTYD_RELEASE, ReleaseResource
from ansible_collections.optio.codex.plugins.plugin_utils._action_session import SessionAction

RELEASES = (CODEX_RELEASE, TTYD_RELEASE)
PUBLISHED = (*(release.name for release in RELEASES), "user")
#: the options of a release that are not one of its module
_CHECKSUMS = "checksums"


class ActionModule(SessionAction):
    """The action of the module of the same name."""

    resource = RESOURCE

    #: the output of the probe; the resource reads its first answer
    _printed = ""

    def _probe(self, script: str, prefix: str) -> str:
        wanted = [release for release in RELEASES if self._given(release) is not None]
        if not wanted:
            return super()._probe(script, prefix)
        scripts = [script, *(self._release_script(release) for release in wanted)]
        self._printed = super()._probe("".join(f"(\n{one}\n)\n" for one in scripts), prefix)
        return self._printed

    def complete(self, result: dict[str, Any]) -> None:
        """Add the results of the modules of the releases in check mode."""
        super().complete(result)
        wanted = [release for release in RELEASES if self._given(release) is not None]
        if not wanted or not self._printed or result.get("failed"):
            return
        try:
            _own, *seen = answers(self._printed)
        except ProbeError:
            return
        if len(seen) != len(wanted):
            return
        planned = {release.name: self._planned(release, sections, result) for release, sections in zip(wanted, seen, strict=True)}
        result.update(planned)
        result["pending"] = [release.tool.name for release in wanted if not _is_right(planned[release.name])]
        if not result["pending"] and boolean(self._task.args.get("publish", False), strict=False):
            # with the result of this task, because a task of its own costs more than the statistics
            workers = {str(self._variables.get("inventory_hostname")): {name: result.get(name) for name in PUBLISHED}}
            result["ansible_stats"] = {"data": {"codex_stats": {"workers": workers}}, "per_host": False, "aggregate": True}

    def _given(self, release: ReleaseResource) -> Mapping[str, Any] | None:
        given = self._task.args.get(release.name)
        return given if isinstance(given, Mapping) else None

    def _options(self, release: ReleaseResource, scope: str, machine: str = "") -> dict[str, Any]:
        given = {name: value for name, value in (self._given(release) or {}).items() if value not in (None, "")}
        digests = given.pop(_CHECKSUMS, None) or {}
        if machine in digests:
            given.setdefault("checksum", digests[machine])
        given.setdefault("scope", scope)
        validated = ArgumentSpecValidator(**release.specification.to_kwargs()).validate(given)
        if validated.error_messages:
            raise OptioError(release.name, "; ".join(validated.error_messages), "See the documentation of the module")
        params: dict[str, Any] = validated.validated_parameters
        release.validate(params)
        return params

    def _release_script(self, release: ReleaseResource) -> str:
        try:
            own = release.probe_script(self._options(release, "user"))
            user = str(self._task.args.get("user") or "")
            if user in ("", "root") or (self._given(release) or {}).get("scope"):
                return own
            # whether the task runs as root is known on the worker
            return f'if [ "$(id -u)" = 0 ]; then\n{release.probe_script(self._options(release, "system"))}\nelse\n{own}\nfi'
        except OptioError:
            # the module itself reports it
            return compose(":", {})

    def _planned(self, release: ReleaseResource, sections: list[Section], result: Mapping[str, Any]) -> dict[str, Any] | None:
        try:
            params = self._options(release, result["cache_scope"], result["platform"]["machine"])
            observed = release.parse_probe(sections, params)
            plan = release.plan(observed, params)
            answer = check_mode_result(plan, release.unmet_requirements(observed, params, plan), False)
        except (OptioError, ProbeError):
            return None
        return {name: value for name, value in answer.items() if name != "diff"}


def _is_right(planned: Mapping[str, Any] | None) -> bool:
    return planned is not None and not planned.get("changed") and not planned.get("warnings")
