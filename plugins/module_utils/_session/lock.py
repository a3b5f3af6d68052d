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
from .._core.host import Host
from .._core.locks import held, open_lock
from .layout import SessionPaths

#: seconds; a launch holds the lock while it waits for codex
LOCK_TIMEOUT = 120.0


@contextmanager
def task_lock(layout: SessionPaths, user: str | None, host: Host) -> Iterator[None]:
    """Hold the lock of one task: one byte, which its name decides, of the lock file that all tasks of a root share.

    A file a task would have to be removed with the task while another run waits for it.
    """
    root = os.path.dirname(layout.task)
    path = f"{root}/.lock"
    with host.acting_as(user):
        files.make_directory(root)
        descriptor = open_lock(path)
    with held(descriptor, f"session {layout.name}", path, host, LOCK_TIMEOUT, 1, zlib.crc32(layout.name.encode())):
        yield
