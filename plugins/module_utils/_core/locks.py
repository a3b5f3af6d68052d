# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One change at a time to the files of a directory, by a lock of the kernel's that dies with its owner."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

from . import files
from .errors import OptioError
from .host import Host

#: what is done under the lock takes milliseconds; seconds
TIMEOUT = 30.0


@contextmanager
def directory_lock(directory: str, host: Host) -> Iterator[None]:
    """Make a directory where it is missing, and hold its lock."""
    files.make_directory(directory)
    path = f"{directory}/.optio-codex.lock"
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise files.failure(path, error) from error
    busy = OptioError(directory, f"another run has held its lock for {TIMEOUT:g} s", "Wait for that run to end, then run again")
    try:
        acquire(descriptor, path, host, TIMEOUT, busy)
        yield
    finally:
        os.close(descriptor)


def acquire(descriptor: int, path: str, host: Host, timeout: float, busy: OptioError, *place: int) -> None:
    """Lock an open file, or the length and offset of it in ``place``; raise ``busy`` when others hold it for ``timeout`` seconds."""
    deadline = host.monotonic() + timeout
    while True:
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, *place)
        except (BlockingIOError, PermissionError):
            if host.monotonic() >= deadline:
                raise busy from None
            host.sleep(0.05)
        except OSError as error:
            # a network file system without locks
            raise OptioError(path, f"cannot be locked: {error.strerror}", "Choose a directory on a local file system") from error
        else:
            return
