# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The action of a release that takes long to download: it shows the progress of the worker while the module runs.

Versions and digests are looked up in the npm registry here, once in a run, so that every worker gets the same bytes.

The module is shipped as every other is. A copy of the open connection reads the progress file of the install in a
second thread, so that results, errors, time limits and privileges do not change.
"""

from __future__ import annotations

import copy
import secrets
from collections.abc import Sequence
from typing import Any, ClassVar

from ansible.errors import AnsibleConnectionFailure
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.utils.display import Display

from ansible_collections.optio.codex.plugins.module_utils._core.errors import OptioError, error_result
from ansible_collections.optio.codex.plugins.module_utils._core.plan import Plan
from ansible_collections.optio.codex.plugins.module_utils._core.probe import parse
from ansible_collections.optio.codex.plugins.module_utils._core.resource import Params
from ansible_collections.optio.codex.plugins.module_utils._release.catalog import NPM_ARCHIVE, UPSTREAM, is_selector
from ansible_collections.optio.codex.plugins.module_utils._release.looked_up import VERIFIED_BY_VARIABLE
from ansible_collections.optio.codex.plugins.module_utils._release.module import ReleaseResource
from ansible_collections.optio.codex.plugins.module_utils._release.progress import RUN_VARIABLE, Sample, sample_of, script
from ansible_collections.optio.codex.plugins.plugin_utils._action_base import ProbeAction
from ansible_collections.optio.codex.plugins.plugin_utils._install_progress import ON_TERMINAL, ProgressReporter, report_interval
from ansible_collections.optio.codex.plugins.plugin_utils._once import once

#: connections that run each command in a process of its own, so that two can be under way
WATCHED = ("ansible.plugins.connection.ssh", "ansible.plugins.connection.local")

display = Display()


class ReleaseAction(ProbeAction):
    """Shows the progress of a module that has something to install."""

    resource: ClassVar[ReleaseResource]

    #: the release being installed, and its cache
    _title = ""
    _cache = ""
    #: options that were looked up, the origin of the digest, and why the registry could not be asked
    _looked_up: dict[str, Any]
    _verified_by = ""
    _failure: OptioError | None = None
    _params: Params

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the module's result for the version and the digest that were looked up."""
        self._looked_up = {}
        try:
            self._choose_version(task_vars)
            result = super().run(tmp, task_vars)
        except OptioError as error:
            result = {"failed": True, **error_result(error, self.resource.name)}
            self._name_variables(result)
        if result.get("failed") and self._failure and self._failure.cause not in str(result.get("msg")):
            result["msg"] = f"{result.get('msg', '')} The controller could not look it up: {self._failure}"
        return result

    def module_args(self) -> dict[str, Any]:
        """Return the options of the task, and the looked-up version and digest."""
        options = super().module_args()
        return {**options, **self._looked_up} if self._looked_up else options

    def _choose_version(self, task_vars: dict[str, Any] | None) -> None:
        selector = self._task.args.get("version")
        if not is_selector(None if selector is None else str(selector)):
            return
        validated = ArgumentSpecValidator(**self.resource.specification.to_kwargs()).validate(self._task.args)
        if validated.error_messages:
            return
        params = validated.validated_parameters
        self.resource.validate(params)
        # these take long to import, and most tasks need none of it
        from ansible_collections.optio.codex.plugins.module_utils._archive.download import SourceError
        from ansible_collections.optio.codex.plugins.plugin_utils._release_lookup import chosen_version

        try:
            version = chosen_version(self.resource.tool, params["version"], params)
        except SourceError as failure:
            self._failure = failure
            key = f"{self.resource.name} {params['version']} {params.get('npm_registry') or ''} by a worker"
            version = once(key, lambda: self._version_by_worker(task_vars))
        self._looked_up["version"] = version

    def _version_by_worker(self, task_vars: dict[str, Any] | None) -> str:
        task, before = self._task, (self._task.check_mode, self._task.async_val)
        task.check_mode, task.async_val = True, 0
        try:
            answer = super()._ship(task_vars)
        finally:
            task.check_mode, task.async_val = before
        if answer.get("failed") or not answer.get("version"):
            cause = str(answer.get("msg") or "the worker did not return a version").rstrip(".")
            raise OptioError(f"version {self._task.args['version']}", cause, "Set an exact version")
        return str(answer["version"])

    def _plan(self, entries: Sequence[Params], many: bool) -> list[tuple[Any, Plan, list[OptioError]]]:
        [self._params] = entries
        return super()._plan(entries, many)

    def before_ship(self, plan: Plan, observed: Any) -> None:
        """Store the release to install, and look up its digest."""
        if plan.actions_of_kind("install"):
            self._title = f"{self.resource.tool.name} {plan.result['version']}"
            self._cache = observed.cache.path
            self._look_up_digest(str(plan.result["version"]), observed.platform)

    def _look_up_digest(self, version: str, platform: str) -> None:
        tool, params = self.resource.tool, self._params
        release = tool.release(version, tool.target(platform))
        if params.get("checksum") or release.known or params.get("offline"):
            return
        if params["archive"] != NPM_ARCHIVE and UPSTREAM not in params["sources"]:
            return
        from ansible_collections.optio.codex.plugins.module_utils._archive.download import SourceError
        from ansible_collections.optio.codex.plugins.plugin_utils._release_lookup import verified_digest

        try:
            found = verified_digest(release, params)
        except SourceError as failure:
            self._failure = failure
            return
        self._looked_up["checksum"], self._verified_by = found.checksum, found.verified_by

    def _ship(self, task_vars: dict[str, Any] | None) -> dict[str, Any]:
        if not self._verified_by:
            return self._ship_watched(task_vars)
        stated = {VERIFIED_BY_VARIABLE: self._verified_by}
        self._task.environment = [*(self._task.environment or ()), stated]
        try:
            return self._ship_watched(task_vars)
        finally:
            self._task.environment.remove(stated)

    def _ship_watched(self, task_vars: dict[str, Any] | None) -> dict[str, Any]:
        if not self._cache or self._task.no_log or not self._can_be_watched():
            return super()._ship(task_vars)
        run = secrets.token_hex(8)
        watch = self._watch(run, task_vars or {})
        named = {RUN_VARIABLE: run}
        self._task.environment.append(named)
        try:
            with watch:
                return super()._ship(task_vars)
        except AnsibleConnectionFailure as lost:
            if not watch.last:
                raise
            raise AnsibleConnectionFailure(
                f"{lost.message}\nThe connection was lost during an install; the last thing heard was: {watch.last}. "
                "The worker may yet finish it. Run again: the release is then found, or its cache is as it was before."
            ) from None
        finally:
            self._task.environment.remove(named)
            self._cache = ""

    def _can_be_watched(self) -> bool:
        # mitogen puts its own connections in the place of Ansible's
        if type(self._connection).__module__ not in WATCHED:
            return False
        # if each command logs in again, a firewall that counts logins would block the controller
        return self._connection.transport == "local" or any(
            "controlpersist" in (self._connection.get_option(name) or "").lower()
            for name in ("ssh_args", "ssh_common_args", "ssh_extra_args")
        )

    def _watch(self, run: str, task_vars: dict[str, Any]) -> ProgressReporter:
        # the state of a command under way (prompts, marks of success) is kept in these two
        observer = copy.copy(self)
        observer._connection = copy.copy(self._connection)
        if self._connection.become:
            observer._connection.become = copy.copy(self._connection.become)
        question = script(self._cache)

        def look() -> Sample | None:
            return sample_of(parse(observer._probe(question, "")), run)

        hosts = min(len(task_vars.get("ansible_play_batch", ())), task_vars.get("ansible_forks", 1))
        host = task_vars.get("inventory_hostname", "")
        place = f"{host} -> {self._task.delegate_to}" if self._task.delegate_to else host

        def say(line: str) -> None:
            # to standard error: standard output may be one JSON document
            display.display(f"[{place}] {line}", stderr=True, screen_only=True)

        return ProgressReporter(look, say, report_interval(ON_TERMINAL, hosts), run, self._title)
