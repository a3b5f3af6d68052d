# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Writes every result as one JSON line, so that tests read what users see and not how it is drawn."""

from __future__ import annotations

import json
import os
from typing import Any

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: recorder
type: aggregate
short_description: results as JSON lines
description: Appends one JSON object for each result to the file that RECORDER_FILE names.
"""


class CallbackModule(CallbackBase):
    """The callback that Ansible loads."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "recorder"
    CALLBACK_NEEDS_ENABLED = True

    def v2_runner_on_ok(self, result: Any) -> None:
        """Record a task that went well."""
        self._record("ok", result)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        """Record a task that failed."""
        self._record("failed", result)

    def v2_runner_on_unreachable(self, result: Any) -> None:
        """Record a host that was not reached."""
        self._record("unreachable", result)

    def _record(self, status: str, result: Any) -> None:
        # the dumped result is the one that callbacks may show: no_log is already applied
        shown = json.loads(self._dump_results(result._result, indent=None, keep_invocation=True))
        record = {"status": status, "host": result._host.get_name(), "task": result._task.get_name(), "result": shown}
        with open(os.environ["RECORDER_FILE"], "a", encoding="utf-8") as stream:
            stream.write(json.dumps(record) + "\n")
