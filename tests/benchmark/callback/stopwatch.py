# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Writes when each task of a run began and each host answered, one JSON object a line."""

from __future__ import annotations

import json
import os
import time
from typing import Any

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: stopwatch
type: aggregate
short_description: times of tasks and results as JSON lines
description: Appends one JSON object for each event to the file that STOPWATCH_FILE names.
"""


class CallbackModule(CallbackBase):
    """The callback that Ansible loads."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "stopwatch"
    CALLBACK_NEEDS_ENABLED = True

    def v2_playbook_on_start(self, playbook: Any) -> None:
        """Mark the end of Ansible's own start."""
        self._note("start", "")

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        """Mark the beginning of a task."""
        self._note("task", task.get_name())

    def v2_runner_on_ok(self, result: Any) -> None:
        """Mark a host's answer."""
        self._note("ok", result._task.get_name())

    def v2_runner_on_skipped(self, result: Any) -> None:
        """Mark a task that a host did not need."""
        self._note("skipped", result._task.get_name())

    def v2_playbook_on_stats(self, stats: Any) -> None:
        """Mark the end of the last task."""
        self._note("end", "")

    def _note(self, event: str, name: str) -> None:
        with open(os.environ["STOPWATCH_FILE"], "a", encoding="utf-8") as stream:
            stream.write(json.dumps({"event": event, "name": name, "time": time.time()}) + "\n")
