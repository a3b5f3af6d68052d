# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Output that consists of progress, changes, errors and tables."""

from __future__ import annotations

DOCUMENTATION = r"""
name: fleet
type: stdout
short_description: Show only progress, changes, errors and tables
version_added: 1.0.0
description:
  - Shows one line for each worker while it is at work, with the time when its current task began, and removes the line afterwards.
    Without a terminal, and in CI and AWX, it shows the name of each task instead.
  - What remains are the names of the plays, the tables of M(optio.codex.report), the messages of M(ansible.builtin.debug), one line
    for each change, error and unreachable worker, warnings, differences, and a summary of the run. Tasks that change nothing and
    skipped tasks are not shown.
  - Results are shown with C(-v), as with the default callback plugin.
extends_documentation_fragment:
  - default_callback
  - result_format_callback
requirements:
  - set as stdout in configuration
author:
  - The optio.codex contributors (@optio-codex)
seealso:
  - module: optio.codex.report
"""

EXAMPLES = r"""
# ansible.cfg
# [defaults]
# stdout_callback = optio.codex.fleet
#
# or for one run:
# ANSIBLE_STDOUT_CALLBACK=optio.codex.fleet ansible-playbook -i inventory optio.codex.status
"""

import os
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from ansible import constants as C
from ansible.playbook.task_include import TaskInclude
from ansible.plugins.callback.default import CallbackModule as DefaultCallback

from ansible_collections.optio.codex.plugins.action.report import colored_line, parse_lines
from ansible_collections.optio.codex.plugins.plugin_utils._install_progress import on_terminal
from ansible_collections.optio.codex.plugins.plugin_utils._live_lines import LiveLines
from ansible_collections.optio.codex.plugins.plugin_utils._table import printable
from ansible_collections.optio.codex.plugins.plugin_utils._unreached import UNREACHED

REPORTS = ("optio.codex.report", "report")
MESSAGES = ("ansible.builtin.debug", "ansible.legacy.debug", "debug")
#: the parts of the summary, each with its key in Ansible's statistics and its color
SUMMARY = (
    ("changed", "changed", C.COLOR_CHANGED),
    ("failed", "failures", C.COLOR_ERROR),
    ("unreachable", "unreachable", C.COLOR_UNREACHABLE),
    ("rescued", "rescued", C.COLOR_OK),
    ("ignored", "ignored", C.COLOR_WARN),
)


def _of(result: Any) -> tuple[Any, dict[str, Any]]:
    """Return the task and the values of a result; before ansible-core 2.19, both are private."""
    task = result.task if hasattr(result, "task") else result._task
    values = result.result if hasattr(result, "result") else result._result
    return task, values


def message_lines(values: Mapping[str, Any]) -> Iterator[str]:
    """Return the lines of the message of a result, without anything that a terminal would act on."""
    message = values.get("msg")
    if message is None:
        message = values.get("module_stderr") or values.get("stderr") or values.get("censored") or "no message"
    for entry in message if isinstance(message, list) else [message]:
        for line in str(entry).splitlines():
            yield printable(line)


def is_shown_later(values: Mapping[str, Any]) -> bool:
    """Return whether the role shows that a worker was not reached after its table."""
    return bool(values.get(UNREACHED))


class CallbackModule(DefaultCallback):
    """Prints less than the default callback, and shows who is at work below it."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "optio.codex.fleet"

    def __init__(self) -> None:
        super().__init__()
        self._live = LiveLines(self._display, sys.stdout) if on_terminal(os.environ, sys.stdout.isatty()) else None

    # progress

    def v2_playbook_on_play_start(self, play: Any) -> None:
        """Show the name of the play."""
        self._play = play
        if play.get_name().strip():
            self._display.display(f"\n{play.get_name().strip()}{' (check mode)' if play.check_mode else ''}")

    def _task_start(self, task: Any, prefix: str | None = None) -> None:
        self._last_task_name = task.get_name().strip()
        if self._live is None and task.action not in (*REPORTS, "meta"):
            self._display.display(f"- {_short(task)}")

    def _print_task_banner(self, task: Any) -> None:
        """Show nothing; only changes and errors have a line."""
        self._last_task_banner = task._uuid

    def v2_runner_on_start(self, host: Any, task: Any) -> None:
        """Show that a worker is at work."""
        if self._live is not None:
            self._live.begin(host.get_name(), _short(task))

    def v2_playbook_on_include(self, included_file: Any) -> None:
        """Show nothing."""

    def v2_playbook_on_no_hosts_remaining(self) -> None:
        """Show nothing; each error has been shown."""

    # results

    def _ended(self, result: Any) -> None:
        if self._live is not None:
            self._live.end((result.host if hasattr(result, "host") else result._host).get_name())

    def _line(self, result: Any, text: str, color: str, stderr: bool = False) -> None:
        task, _values = _of(result)
        self._display.display(f"{self.host_label(result)}: {text}: {_short(task)}", color=color, stderr=stderr)

    def _details(self, result: Any, values: dict[str, Any], color: str | None = None) -> None:
        # a message is verbose always, and has been printed
        if self._display.verbosity and self._run_is_verbose(result):
            self._display.display(self._dump_results(values), color=color)

    def _printed(self, task: Any, values: dict[str, Any]) -> bool:
        """Print the lines of a report or a message, and return whether the result is one."""
        if task.action in REPORTS and isinstance(values.get("lines"), list):
            lines = list(parse_lines(values["lines"]))
            if lines:
                self._display.display("\n".join(["", *(colored_line(text, color) for text, color in lines)]), screen_only=True)
                self._display.display("\n".join(text for text, _color in lines), log_only=True)
            return True
        if task.action in MESSAGES and "msg" in values:
            for text in message_lines(values):
                self._display.display(text)
            return True
        return False

    def v2_runner_on_ok(self, result: Any) -> None:
        """Show a change, a report or a message."""
        self._ended(result)
        task, values = _of(result)
        self._handle_warnings(values)
        if isinstance(task, TaskInclude) or (task.loop and "results" in values):
            changed = values.get("changed") and not isinstance(task, TaskInclude)
        else:
            changed = not self._printed(task, values) and values.get("changed")
        if changed:
            self._line(result, "changed", C.COLOR_CHANGED)
        self._details(result, values, C.COLOR_CHANGED if changed else C.COLOR_OK)

    def v2_runner_item_on_ok(self, result: Any) -> None:
        """Show a report or a message; changes are shown once for all items."""
        task, values = _of(result)
        self._handle_warnings(values)
        self._printed(task, values)

    def v2_runner_on_skipped(self, result: Any) -> None:
        """Show nothing."""
        self._ended(result)

    def v2_runner_item_on_skipped(self, result: Any) -> None:
        """Show nothing."""

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        """Show an error, unless it is that of an item, which has been shown."""
        self._ended(result)
        task, values = _of(result)
        if not (task.loop and "results" in values) and not is_shown_later(values):
            self._error(result, "failed, ignored" if ignore_errors else "failed", C.COLOR_SKIP if ignore_errors else C.COLOR_ERROR)

    def v2_runner_item_on_failed(self, result: Any) -> None:
        """Show the error of an item."""
        if not is_shown_later(_of(result)[1]):
            self._error(result, "failed", C.COLOR_ERROR)

    def v2_runner_on_unreachable(self, result: Any) -> None:
        """Show a worker that cannot be reached."""
        self._ended(result)
        _task, values = _of(result)
        items = [item for item in values.get("results") or () if isinstance(item, dict) and item.get("unreachable")]
        if not items:
            self._error(result, "unreachable", C.COLOR_UNREACHABLE)

    def _error(self, result: Any, text: str, color: str) -> None:
        _task, values = _of(result)
        state = "unreachable" if values.get("unreachable") else text
        self._handle_warnings(values)
        stderr = self.get_option("display_failed_stderr")
        self._line(result, state, C.COLOR_UNREACHABLE if values.get("unreachable") else color, stderr=stderr)
        if self._display.verbosity:
            self._display.display(self._dump_results(values), color=color, stderr=stderr)
            return
        for line in message_lines(values):
            self._display.display(f"  {line}", color=color, stderr=stderr)

    def v2_on_file_diff(self, result: Any) -> None:
        """Show a difference after the worker and the task that it belongs to."""
        _task, values = _of(result)
        results = values.get("results") or [values]
        if any(isinstance(entry, dict) and entry.get("diff") and entry.get("changed") for entry in results):
            self._line(result, "difference", C.COLOR_VERBOSE)
        super().v2_on_file_diff(result)

    # the end

    def v2_playbook_on_stats(self, stats: Any) -> None:
        """Show how many workers were asked, and their results."""
        if self._live is not None:
            self._live.clear()
        hosts = [stats.summarize(host) for host in stats.processed]
        counted = [(name, sum(bool(host[key]) for host in hosts), color) for name, key, color in SUMMARY]
        good = sum(not host["failures"] and not host["unreachable"] for host in hosts)
        parts = [f"{good} ok", *(f"{number} {name}" for name, number, _color in counted if number)]
        color = C.COLOR_OK if good == len(hosts) else C.COLOR_ERROR
        self._display.display(f"\n{len(hosts)} {'worker' if len(hosts) == 1 else 'workers'}: {', '.join(parts)}", color=color)


def _short(task: Any) -> str:
    """Return the name of a task without that of its role."""
    return str(printable(task.get_name().strip().rpartition(" : ")[2]))
