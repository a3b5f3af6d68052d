# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads below a directory that another user can write to: never through a link, never from a device or a pipe."""

from __future__ import annotations

import errno
import os
import stat

#: a directory, and no link to one
DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
#: a pipe without a writer must not hang the reader
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class SafeDirectory:
    """Opens files by their path relative to one directory, part by part."""

    def __init__(self, top: str, follow: bool = True) -> None:
        """``follow`` is whether the last part of ``top`` may be a symbolic link."""
        self._top = os.open(top, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | (0 if follow else os.O_NOFOLLOW))

    def __enter__(self) -> SafeDirectory:
        return self

    def __exit__(self, *_exception: object) -> None:
        os.close(self._top)

    def open(self, path: str) -> int:
        """Return the descriptor of a regular file; raise OSError when there is none that no link leads to."""
        *parents, name = path.split("/")
        if ".." in parents or name in ("", ".", ".."):
            raise OSError(errno.EINVAL, "is not a path to a file", path)
        directory = os.dup(self._top)
        try:
            for part in parents:
                below = os.open(part, DIRECTORY, dir_fd=directory)
                os.close(directory)
                directory = below
            descriptor = os.open(name, _FILE, dir_fd=directory)
        finally:
            os.close(directory)
        return _regular(descriptor, path)

    def remove_empty(self, name: str) -> bool:
        """Remove a directory or a file of this user that is empty; return whether it was there."""
        try:
            seen = os.stat(name, dir_fd=self._top, follow_symlinks=False)
            if seen.st_uid != os.geteuid():
                return False
            if stat.S_ISDIR(seen.st_mode):
                os.rmdir(name, dir_fd=self._top)
                return True
            if stat.S_ISREG(seen.st_mode) and not seen.st_size:
                os.unlink(name, dir_fd=self._top)
                return True
        except OSError:
            # it is not empty, or gone by now
            pass
        return False

    def names(self) -> list[str]:
        """Return the names in the directory."""
        return os.listdir(self._top)


def open_regular(path: str, follow: bool = False, flags: int = os.O_RDONLY) -> int:
    """Return the descriptor of a regular file; raise OSError for anything else. ``follow`` is whether a link may lead there."""
    link = 0 if follow else os.O_NOFOLLOW
    return _regular(os.open(path, flags | link | os.O_NONBLOCK | os.O_CLOEXEC, 0o600), path)


def _regular(descriptor: int, path: str) -> int:
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "is not a regular file", path)
    return descriptor


def whole_lines(descriptor: int) -> int:
    """Return how many bytes of a file that is being appended to are whole lines."""
    end = os.fstat(descriptor).st_size
    step = 1 << 16
    while end:
        start = max(0, end - step)
        found = os.pread(descriptor, end - start, start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0
