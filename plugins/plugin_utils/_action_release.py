# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The action of a release that takes long to download: it says how far the worker is while the module runs.

The module is shipped as every other is. A copy of the open connection looks at the file that the install keeps, in a
second thread, so that results, errors, time limits and privileges are those of a task that nobody watches.
"""

from __future__ import annotations

import copy
import secrets
from typing import Any, ClassVar

from ansible.errors import AnsibleConnectionFailure
from ansible.utils.display import Display

from ansible_collections.optio.codex.plugins.module_utils._core.plan import Plan
from ansible_collections.optio.codex.plugins.module_utils._core.probe import parse
from ansible_collections.optio.codex.plugins.module_utils._release.module import ReleaseResource
from ansible_collections.optio.codex.plugins.module_utils._release.progress import RUN_VARIABLE, Sample, sample_of, script
from ansible_collections.optio.codex.plugins.plugin_utils._action_base import ProbeAction
from ansible_collections.optio.codex.plugins.plugin_utils._install_progress import ON_TERMINAL, ProgressReporter, report_interval

#: connections that run each command in a process of its own, so that two can be under way
WATCHED = ("ansible.plugins.connection.ssh", "ansible.plugins.connection.local")

display = Display()


class ReleaseAction(ProbeAction):
    """Watches what it ships when that has something to install."""

    resource: ClassVar[ReleaseResource]

    #: what is being installed, and in which cache
    _title = ""
    _cache = ""

    def before_ship(self, plan: Plan, observed: Any) -> None:
        """Remember what will be installed."""
        if plan.actions_of_kind("install"):
            self._title = f"{self.resource.tool.name} {plan.result['version']}"
            self._cache = observed.cache.path

    def _ship(self, task_vars: dict[str, Any] | None) -> dict[str, Any]:
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
        # where each command logs in anew, a firewall that counts logins would shut the controller out
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
            # beside warnings: standard output may be one JSON document
            display.display(f"[{place}] {line}", stderr=True, screen_only=True)

        return ProgressReporter(look, say, report_interval(ON_TERMINAL, hosts), run, self._title)
