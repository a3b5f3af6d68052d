# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Prints a report to the screen of Ansible, and writes its data to a file for scripts."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ansible import constants as C
from ansible.plugins.action import ActionBase
from ansible.utils.color import stringc
from ansible.utils.display import Display

from ansible_collections.optio.codex.plugins.module_utils._core import files
from ansible_collections.optio.codex.plugins.module_utils._core.errors import OptioError, error_result
from ansible_collections.optio.codex.plugins.plugin_utils._lasting import job_parent
from ansible_collections.optio.codex.plugins.plugin_utils._table import printable

#: colors of Ansible, as in ``COLOR_OK``
COLORS = ("changed", "error", "highlight", "ok", "skip", "unreachable", "verbose", "warn")
#: the last part of the name of callbacks whose output is a document
DOCUMENTS = ("json", "jsonl", "null")
#: the callback of this collection that prints the lines itself
FLEET = "optio.codex.fleet"

JOB_OPTIONS = {"stats": {"type": "dict"}, "written_path": {"type": "path"}}

Line = tuple[str, str]

display = Display()


class ActionModule(ActionBase):
    """The action of the module of the same name; it has no part on the worker."""

    _requires_connection = False
    _supports_check_mode = True
    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Print the lines and write the file; return both."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        _validation, args = self.validate_argument_spec(
            argument_spec={"lines": {"type": "raw", "required": True}, "data": {"type": "raw"}, "dest": {"type": "path"}, **JOB_OPTIONS},
            required_by={"dest": "data"},
        )
        try:
            lines = list(parse_lines(args["lines"]))
            path = os.path.abspath(args["dest"]) if args["dest"] else None
            if path and not self._task.check_mode:
                write_json(path, args["data"])
        except OptioError as error:
            return {**result, **error_result(error, "report"), "failed": True}
        if lines and not self._task.no_log and is_printed(C.DEFAULT_STDOUT_CALLBACK):
            show(lines)
        job = job_result(args["stats"], [path for path in (path, args["written_path"]) if path], os.environ)
        return {**result, **job, "changed": False, "lines": [{"text": text, "color": color} for text, color in lines], "path": path}


def job_result(stats: Mapping[str, Any] | None, paths: Iterable[str], environ: Mapping[str, str]) -> dict[str, Any]:
    """Return the keys of a result that publish statistics, and warn of files that go away with a job of AWX."""
    result: dict[str, Any] = {}
    if stats:
        result["ansible_stats"] = {"data": stats, "per_host": False, "aggregate": True}
    temporary = {path: parent for path in paths if (parent := job_parent(path, environ))}
    warnings = [
        f"{path} is in {parent}, which goes away with this job. Set a host of the inventory as the destination, or a mounted directory."
        for path, parent in temporary.items()
    ]
    return {**result, "warnings": warnings} if warnings else result


def parse_lines(given: Any) -> Iterator[Line]:
    """Return the printable text and the color of each line, an empty color for none; raise OptioError for anything else."""
    for line in given.splitlines() if isinstance(given, str) else given if isinstance(given, list) else [given]:
        text, color = (line.get("text"), line.get("color") or "") if isinstance(line, Mapping) else (line, "")
        if not isinstance(text, str):
            raise OptioError("lines", f"lines must be texts, or dictionaries with text and color, got {type(line).__name__}", "Fix lines")
        if color and color not in COLORS:
            raise OptioError("lines", f"lines has the unknown color {color!r}", f"Choose from {', '.join(COLORS)}")
        for part in text.splitlines() or [""]:
            yield printable(part), str(color)


def is_printed(callback: str) -> bool:
    """Return whether the lines are printed along with the output of a callback plugin for standard output."""
    return callback != FLEET and callback.rpartition(".")[2] not in DOCUMENTS


def colored_line(text: str, color: str) -> str:
    """Return a line in a color of Ansible, if there are colors."""
    return stringc(text, getattr(C, f"COLOR_{color.upper()}")) if color and text else text


def show(lines: list[Line]) -> None:
    """Print the lines in one call, so that nothing is printed between them, and log them without colors."""
    colored = [colored_line(text, color) for text, color in lines]
    display.display("\n".join(colored), screen_only=True)
    display.display("\n".join(text for text, _color in lines), log_only=True)


def write_json(path: str, data: Any) -> None:
    """Replace a file on the controller; a new one is only for its owner, because it may contain messages of agents."""
    if os.path.exists(path) and not os.path.isfile(path):
        raise OptioError("dest", f"dest {path} is not a regular file", "Set dest to the path of a file")
    mode = os.stat(path).st_mode & 0o777 if os.path.exists(path) else 0o600
    files.write_text(path, json.dumps(data, indent=1) + "\n", mode)
