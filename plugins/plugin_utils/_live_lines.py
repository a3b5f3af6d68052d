# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Lines at the end of a terminal that are replaced while the output above them grows."""

from __future__ import annotations

import os
import re
import shutil
import threading
import time
from collections.abc import Callable
from typing import Any, TextIO

from ansible_collections.optio.codex.plugins.plugin_utils._table import Column, table

#: lines of the terminal that are left to the output above
MARGIN = 3
COLUMNS = (Column("worker", minimum=12), Column("since", priority=1), Column("text", priority=2, minimum=12, flexible=True))
_PROGRESS = re.compile(r"\[([^] ]+)\] (.*)\Z")


class LiveLines:
    """One line for each worker at work, below everything that ``display`` prints."""

    def __init__(self, display: Any, stream: TextIO) -> None:
        self._stream = stream
        self._print: Callable[..., None] = display.display
        self._lock = threading.RLock()
        self._process = os.getpid()
        self._rows: dict[str, dict[str, str]] = {}
        self._drawn = 0
        # everything that is printed has to go through here, also from other threads
        display.display = self.display

    def begin(self, worker: str, text: str) -> None:
        """Show that a worker has begun with something."""
        with self._lock:
            self._rows[worker] = {"worker": worker, "since": time.strftime("%H:%M:%S"), "text": text}
            self._update()

    def end(self, worker: str) -> None:
        """Remove the line of a worker."""
        with self._lock:
            self._rows.pop(worker, None)
            self._update()

    def clear(self) -> None:
        """Remove all lines."""
        with self._lock:
            self._rows.clear()
            self._erase()
            self._stream.flush()

    def display(self, msg: str, *args: Any, **kwargs: Any) -> None:
        """Print a message above the lines; the progress of a worker replaces the text of its line."""
        # a process that Ansible has forked sends its messages to this one
        if os.getpid() != self._process:
            self._print(msg, *args, **kwargs)
            return
        with self._lock:
            progress = _PROGRESS.match(msg)
            if progress and progress.group(1) in self._rows and kwargs.get("screen_only"):
                self._rows[progress.group(1)]["text"] = progress.group(2)
                self._update()
                return
            self._erase()
            self._print(msg, *args, **kwargs)
            self._draw()

    def _update(self) -> None:
        self._erase()
        self._draw()

    def _erase(self) -> None:
        if self._drawn:
            self._stream.write(f"\x1b[{self._drawn}A\x1b[J")
            self._drawn = 0

    def _draw(self) -> None:
        size = shutil.get_terminal_size()
        most = max(1, size.lines - MARGIN)
        rows = list(self._rows.values())
        if len(rows) > most:
            rows = [*rows[: most - 1], {"worker": f"and {len(rows) - most + 1} more"}]
        # some terminals break a line of the full width
        lines = table(COLUMNS, rows, size.columns - 1)[1:]
        self._stream.write("".join(f"{line}\n" for line in lines))
        self._stream.flush()
        self._drawn = len(lines)
