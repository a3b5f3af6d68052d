# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Answers ``optio.codex.credential`` from a probe where nothing has to change."""

from __future__ import annotations

import json
from typing import Any

from ansible_collections.optio.codex.plugins.module_utils._credential.module import SUBJECT
from ansible_collections.optio.codex.plugins.plugin_utils.probe_action import ProbeAction


class ActionModule(ProbeAction):
    """The action of the module of the same name."""

    subject = SUBJECT

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Make one text of an auth.json that a template has turned into a dictionary, then answer or ship.

        Ansible would else mask each of its values by itself, also "chatgpt", wherever the word occurs in a result.
        """
        given = self._task.args.get("auth_json")
        if isinstance(given, dict):
            # values that are encrypted with Ansible's vault are no text before ansible-core 2.19
            self._task.args = {**self._task.args, "auth_json": json.dumps(given, default=str)}
        return super().run(tmp, task_vars)
