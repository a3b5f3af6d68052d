# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ends a role on a worker: with an error, or as Ansible ends a worker that was not reached."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.optio.codex.plugins.plugin_utils._unreached import cause, is_unreached

OPTIONS = {"asked": {"type": "list", "elements": "raw"}, "msg": {"type": "str"}}


class ActionModule(ActionBase):
    """The action of the module of the same name; it has no part on the worker."""

    _requires_connection = False
    _supports_check_mode = True
    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return an unreachable worker, an error, or nothing."""
        result: dict[str, Any] = {**super().run(tmp, task_vars), "changed": False}
        _validation, args = self.validate_argument_spec(argument_spec=OPTIONS)
        asked = [registered for registered in args["asked"] or () if isinstance(registered, Mapping)]
        for registered in filter(is_unreached, asked):
            return {**result, "unreachable": True, "msg": cause(registered)}
        failed = [cause(registered) for registered in asked if registered.get("failed")]
        message = " ".join(filter(None, [*failed, args["msg"]]))
        return {**result, "failed": True, "msg": message} if message else result
