# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The process that waits for this module's result: a module that waits must not outlive its connection."""

from __future__ import annotations

import os
import select
import sys

from .processes import parent_and_start

#: Ansible sets it for a module that runs on its own, asynchronously
ASYNC_VARIABLE = "ANSIBLE_ASYNC_DIR"
#: more ancestors than any real connection has
DEPTH = 32


class ControllerWatch:
    """The reader of this module's answer, and the processes between it and this one."""

    def __init__(self, descriptor: int | None = None) -> None:
        self._descriptor = sys.stdout.fileno() if descriptor is None else descriptor
        # an asynchronous module is cut off from its caller on purpose, and has a time limit of its own
        self._between = [] if ASYNC_VARIABLE in os.environ else between()

    def is_gone(self) -> bool:
        """Return whether the process that reads the result has ended.

        sshd closes the pipe with the connection; behind a sudo with a pipe of its own the end of sshd is the sign.
        """
        poll = select.poll()
        poll.register(self._descriptor, 0)
        if any(event & (select.POLLERR | select.POLLHUP) for _descriptor, event in poll.poll(0)):
            return True
        return any(parent_and_start(pid)[1] != started for pid, started in self._between)


def between() -> list[tuple[int, int | None]]:
    """Return pid and start time of this process's ancestors, without the last: a daemon that may be restarted."""
    found: list[tuple[int, int | None]] = []
    pid = os.getppid()
    while pid > 1 and len(found) < DEPTH:
        above, started = parent_and_start(pid)
        found.append((pid, started))
        pid = above
    return found[:1] if len(found) < 3 else found[:-1]
