# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Answers ``optio.codex.credential`` from a probe if nothing has to change."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ansible_collections.optio.codex.plugins.module_utils._core.batch import SESSIONS
from ansible_collections.optio.codex.plugins.module_utils._credential.module import RESOURCE
from ansible_collections.optio.codex.plugins.plugin_utils._action_base import ProbeAction


class ActionModule(ProbeAction):
    """The action of the module of the same name."""

    resource = RESOURCE

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Turn each auth.json that is a dictionary into one text, then answer or ship.

        Otherwise Ansible would mask each of its values, such as "chatgpt", everywhere in a result.
        """
        args = _with_text(self._task.args)
        if isinstance(args.get(SESSIONS), list):
            args[SESSIONS] = [_with_text(entry) if isinstance(entry, dict) else entry for entry in args[SESSIONS]]
        self._task.args = args
        return super().run(tmp, task_vars)


def _with_text(options: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(options)
    if isinstance(result.get("auth_json"), dict):
        # vault-encrypted values are not strings before ansible-core 2.19
        result["auth_json"] = json.dumps(result["auth_json"], default=str)
    return result
