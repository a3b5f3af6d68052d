# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One change of a task at a time, by a lock of the kernel's that dies with its owner."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

from .._core import files
from .._core.locks import acquire
from .._core.errors import OptioError
from .._core.host import Host
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
    subject, cause = f"session {layout.name}", f"another run has been changing it for {LOCK_TIMEOUT:g} s"
    busy = OptioError(subject, cause, "Wait for that run to end, then run again")
    try:
        acquire(descriptor, f"{root}/.lock", host, LOCK_TIMEOUT, busy, 1, zlib.crc32(layout.name.encode()))
        yield
    finally:
        os.close(descriptor)
