# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One change of a task at a time, by a lock of the kernel's that dies with its owner."""

from __future__ import annotations

import fcntl
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

from . import files
from .errors import OptioError
from .host import Host
from .layout import TaskLayout

#: seconds; a launch that waits for codex holds the lock for its own ready_timeout at most
LOCK_TIMEOUT = 120.0


@contextmanager
def task_lock(layout: TaskLayout, user: str | None, host: Host) -> Iterator[None]:
    """Hold the lock of one task: one byte, which its name decides, of the lock file that all tasks of a root share.

    A file a task would have to be removed with the task while another run waits for it.
    """
    root = os.path.dirname(layout.task)
    with host.acting_as(user):
        files.make_directory(root)
        try:
            descriptor = os.open(f"{root}/.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise files.failure(f"{root}/.lock", error) from error
    offset = zlib.crc32(layout.name.encode())
    try:
        _acquire(descriptor, offset, layout, host)
        yield
    finally:
        os.close(descriptor)


def _acquire(descriptor: int, offset: int, layout: TaskLayout, host: Host) -> None:
    deadline = host.monotonic() + LOCK_TIMEOUT
    while True:
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, offset)
        except OSError:
            if host.monotonic() >= deadline:
                raise OptioError(
                    f"session {layout.name}",
                    f"another run has been changing it for {LOCK_TIMEOUT:g} s",
                    "Wait for that run to end, then run again",
                ) from None
            host.sleep(0.05)
        else:
            return
