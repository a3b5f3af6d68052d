# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The copy of a session's record, and the note of its prompt, outside of the session's directory.

A session whose directory is removed stays known, and its prompt is not given again. Where root launches, both are root's.
"""

from __future__ import annotations

import os
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import Any

from .._core import files
from .._core.executor import Undo
from .._core.host import Host
from .._core.paths import COPY_ROOT
from .layout import SessionPaths

#: the note of the prompt: a launch that gives it has begun, or codex runs with it
LAUNCHING, GIVEN = "launching", "given"


class RecordCopy:
    """Writes and removes the copy of one session's record, as the session's user or as root."""

    def __init__(self, host: Host, layout: SessionPaths) -> None:
        self._host = host
        self._layout = layout
        self._path = layout.record_copy

    def write(self, text: str, prompt: str | None) -> Undo:
        """Write the record's text and, unless ``prompt`` is None, the note: LAUNCHING or GIVEN. Return the undo of both."""
        record, note = f"{self._path}/record", f"{self._path}/prompt"
        group = os.getegid()
        with self._acting():
            made = files.make_directory(COPY_ROOT, 0o755) if self._layout.in_runtime_root else []
            made += files.make_directory(self._path, 0o750)
            before = {path: files.read_text(path) for path in (record, note)}
            if prompt is not None:
                self._write(note, f"{prompt} {self._layout.task}\n", group)
            self._write(record, text, group)
            if self._layout.in_runtime_root:
                os.chown(self._path, 0, group)

        def undo() -> None:
            with self._acting():
                for path, earlier in before.items():
                    if earlier is None:
                        files.remove(path)
                    else:
                        self._write(path, earlier, group)
                files.remove_empty(made)

        return undo

    def _write(self, path: str, text: str, group: int) -> None:
        files.write_text(path, text, 0o640, follow=False)
        if self._layout.in_runtime_root:
            # the session's user may read it
            os.chown(path, 0, group)

    def remove(self) -> None:
        """Remove the copy and the note, and the directory of all copies with the last of them."""
        with self._acting():
            files.remove(self._path)
            with suppress(OSError):
                os.rmdir(os.path.dirname(self._path))

    def _acting(self) -> AbstractContextManager[Any]:
        return self._host.privileged() if self._layout.in_runtime_root else nullcontext()
