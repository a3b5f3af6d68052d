# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Answers ``optio.codex.session_dispatch`` from a probe where nothing has to change."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleConnectionFailure

from ansible_collections.optio.codex.plugins.module_utils._dispatch.module import RESOURCE
from ansible_collections.optio.codex.plugins.plugin_utils._action_base import ProbeAction
from ansible_collections.optio.codex.plugins.plugin_utils._unreached import UNREACHED, cause


class ActionModule(ProbeAction):
    """The action of the module of the same name."""

    resource = RESOURCE

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the module's result; an error with the consequence if the host cannot be reached.

        That is not the worker for which the task runs, so Ansible must not end that worker before the table is shown.
        """
        try:
            return super().run(tmp, task_vars)
        except AnsibleConnectionFailure as error:
            host = self._task.delegate_to or (task_vars or {}).get("inventory_hostname")
            consequence = "the launches were not recorded" if self._task.args.get("launched") else "no session was assigned"
            reason = cause({UNREACHED: True, "msg": str(error)})
            message = f"host {host}, which stores the ledger, cannot be reached, so {consequence}. Make it reachable, and run again."
            return {"failed": True, "unreached_host": host, "msg": f"{message} {reason}"}
