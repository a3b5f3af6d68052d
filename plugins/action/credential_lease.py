# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Answers ``optio.codex.credential_lease`` from a probe where nothing has to change."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from ansible.module_utils.parsing.convert_bool import boolean

from ansible_collections.optio.codex.plugins.module_utils._core.errors import OptioError, error_result
from ansible_collections.optio.codex.plugins.module_utils._credential.lease import DIRECTORY, RESOURCE
from ansible_collections.optio.codex.plugins.plugin_utils._action_base import ProbeAction
from ansible_collections.optio.codex.plugins.plugin_utils._lasting import job_parent


class ActionModule(ProbeAction):
    """The action of the module of the same name."""

    resource = RESOURCE

    def _answer(self, task_vars: dict[str, Any]) -> dict[str, Any] | None:
        try:
            if self._connection.transport == "local":
                validate_place(self._task.args, os.environ)
        except OptioError as error:
            return {"failed": True, **error_result(error, self.resource.name)}
        return super()._answer(task_vars)


def validate_place(args: Mapping[str, Any], environ: Mapping[str, str]) -> None:
    """Raise OptioError for a lease that would go away with the job that acquires it, so that no other job would see it."""
    if args.get("state", "present") != "present" or not boolean(args.get("require_lasting") or False, strict=False):
        return
    lease_dir = str(args.get("lease_dir") or DIRECTORY)
    temporary = job_parent(os.path.expanduser(lease_dir), environ)
    if temporary is None:
        return
    raise OptioError(
        "lease_dir",
        f"lease_dir {lease_dir} is in {temporary}, which goes away with this job, so other jobs would not see the lease",
        "Store the login and its lease on a host of the inventory (codex_session_credential_host, or codex_session_credential_lease_host "
        "for the lease alone), or set codex_session_credential_lease: false if no other session uses the login",
    )
