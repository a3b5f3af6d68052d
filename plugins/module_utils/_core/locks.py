# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Locks of the kernel, which die with their owner: one run at a time changes a directory, a session or a cache."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from . import files
from .errors import OptioError

#: seconds; a change of files under the lock takes milliseconds
TIMEOUT = 30.0
INTERVAL = 0.05
#: errors of a network file system that has no locks
_UNSUPPORTED = (errno.EBADF, errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL)


class Clock(Protocol):
    """The part of a Host that waiting for a lock needs."""

    def monotonic(self) -> float:
        """Return seconds of a clock that never jumps."""

    def sleep(self, seconds: float) -> None:
        """Wait."""


@contextmanager
def directory_lock(directory: str, host: Clock) -> Iterator[None]:
    """Create a directory if it is missing, and hold its lock."""
    files.make_directory(directory)
    path = f"{directory}/.optio-codex.lock"
    with held(open_lock(path), directory, path, host):
        yield


def open_lock(path: str) -> int:
    """Return a descriptor of a lock file, which is created if it is missing."""
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise files.failure(path, error) from error


@contextmanager
def held(descriptor: int, subject: str, path: str, host: Clock, timeout: float = TIMEOUT, *place: int) -> Iterator[None]:
    """Hold the lock of an open file, or of the length and offset of it in ``place``; close the file in the end."""
    try:
        acquire(descriptor, subject, path, host, timeout, *place)
        yield
    finally:
        os.close(descriptor)


def acquire(
    descriptor: int, subject: str, path: str, host: Clock, timeout: float, *place: int, flock: bool = False, required: bool = True
) -> None:
    """Lock an open file; raise OptioError that names ``subject`` if another run holds the lock for ``timeout`` seconds.

    ``flock`` locks a directory, or a file among the threads of one process too. Without ``required`` a file system
    that has no locks is not an error.
    """
    deadline = host.monotonic() + timeout
    while True:
        try:
            if flock:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            else:
                fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, *place)
            return
        except (BlockingIOError, PermissionError):
            if host.monotonic() >= deadline:
                cause = f"another run has held the lock {path} of {subject} for {timeout:g} s"
                remedy = f"Wait for that run to end, or end it if it hangs (fuser {path} shows its process), and run again"
                raise OptioError(subject, cause, remedy) from None
        except OSError as error:
            if not required and error.errno in _UNSUPPORTED:
                return
            raise OptioError(path, f"{path} cannot be locked: {error.strerror}", "Choose a directory on a local file system") from error
        host.sleep(INTERVAL)
