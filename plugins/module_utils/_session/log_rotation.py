# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A workdir's logs from one start to the next: ``optio.log`` set aside without loss, one line a start in ``resume.log``.

The agent writes in the workdir from inside a sandbox, and this code runs outside of it: it follows no link there.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Sequence
from datetime import datetime, timezone

from .._core import files
from .._core.errors import OptioError
from .._core.executor import Undo
from .._core.safe_open import open_regular
from .layout import SessionPaths

_CHUNK = 1 << 20
#: bytes of a log that are added to the earlier ones; a larger log takes their place
LARGEST = 64 << 20
#: the line that the launcher adds at codex's end, and bytes that it may have
_END = re.compile(rb"(?:\A|\n)((?:DONE: codex exited|ERROR: codex exited [0-9]{1,3})\n)\Z")
_LONGEST_END = 64


def rotate(layout: SessionPaths) -> Undo:
    """Take ``optio.log`` away by one rename, so that a ``DONE`` in it cannot end the next run.

    No line of a process that is still ending is lost: it writes to the same file under another name.
    """
    if os.path.lexists(layout.log_aside):
        # a run that was killed half-way left it
        keep(layout)
    try:
        os.rename(layout.log, layout.log_aside)
    except FileNotFoundError:
        return lambda: None
    except OSError as error:
        raise files.failure(layout.log, error) from error
    return lambda: os.rename(layout.log_aside, layout.log)


def keep(layout: SessionPaths) -> None:
    """Add the log that was set aside to ``optio.log.old``, byte by byte as it is."""
    aside, old = layout.log_aside, layout.log_old
    if not _is_file(aside):
        # a link or a pipe holds no line of its own
        files.remove(aside)
        return
    try:
        if os.lstat(aside).st_size > LARGEST or not _is_file(old) or not _append(aside, old):
            # replaces a link, a pipe or a second name of another file, and copies nothing
            if os.path.isdir(old) and not os.path.islink(old):
                files.remove(old)
            os.rename(aside, old)
    except OSError as error:
        raise files.failure(old, error) from error


def _is_file(path: str) -> bool:
    try:
        return stat.S_ISREG(os.lstat(path).st_mode)
    except FileNotFoundError:
        return False


def _append(source: str, target: str) -> bool:
    """Add a log to another and remove it; return whether the other one has only this name, so that it can grow."""
    reading = open_regular(source)
    try:
        writing = open_regular(target, flags=os.O_WRONLY | os.O_APPEND)
        try:
            size, links = os.fstat(writing).st_size, os.fstat(writing).st_nlink
            if links != 1 or size > LARGEST:
                return False
            try:
                _copy(reading, writing)
            except OSError:
                # the source is still complete, so remove the partial copy
                os.ftruncate(writing, size)
                raise
            os.unlink(source)
            # lines appended between the last read and the removal of the name
            _copy(reading, writing)
            return True
        finally:
            os.close(writing)
    finally:
        os.close(reading)


def _copy(reading: int, writing: int) -> None:
    left = LARGEST
    while left > 0:
        chunk = os.read(reading, _CHUNK)
        if not chunk:
            return
        _write(writing, chunk)
        left -= len(chunk)


def _write(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


def note_start(path: str, seconds: float, refreshed: Sequence[str]) -> Undo:
    """Add one start to ``resume.log``: its time, and the files that the agent should read again."""
    line = datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    if refreshed:
        line += f" REFRESHED:{','.join(refreshed)}"
    existed = os.path.lexists(path)
    if existed and not _is_file(path):
        raise OptioError(path, f"{path} is not a file", "Move it away, because the session's starts are recorded there")
    try:
        descriptor = open_regular(path, flags=os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        try:
            size = os.fstat(descriptor).st_size
            if os.fstat(descriptor).st_nlink != 1:
                raise OptioError(
                    path, f"{path} is a second name of another file", "Remove it, because the session's starts are recorded there"
                )
            try:
                _write(descriptor, f"{line}\n".encode())
            except OSError:
                # remove a partial line, and a file without any
                os.ftruncate(descriptor, size)
                if not existed:
                    os.unlink(path)
                raise
        finally:
            os.close(descriptor)
    except OSError as error:
        raise files.failure(path, error) from error
    return lambda: os.truncate(path, size) if existed else os.unlink(path)


def withdraw_end(layout: SessionPaths, exit_status: str) -> None:
    """Remove the line that the launcher added to a log at codex's end, for a run that did not begin.

    ``exit_status`` is the text of that file, which has the time when the log was changed before.
    """
    changed = exit_status.split()[2:3]
    try:
        descriptor = open_regular(layout.log, flags=os.O_RDWR)
    except OSError:
        return
    try:
        status = os.fstat(descriptor)
        start = max(0, status.st_size - _LONGEST_END)
        line = _END.search(os.pread(descriptor, _LONGEST_END, start))
        # the agent may have made another name for a file of the user
        if line and status.st_nlink == 1:
            os.ftruncate(descriptor, start + line.start(1))
            if changed and changed[0].isdigit() and len(changed[0]) < 19:
                os.utime(descriptor, (status.st_atime, int(changed[0])))
    finally:
        os.close(descriptor)
