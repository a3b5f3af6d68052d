# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Processes of a Unix user, ended until none is left, even if they start new ones faster than they can be listed."""

from __future__ import annotations

import os
import signal
from collections.abc import Collection
from contextlib import suppress

from .._core import processes
from .._core.locks import Clock

#: seconds between SIGTERM and SIGKILL, and for SIGKILL
GRACE, LIMIT = 2.0, 15.0


def processes_of(ids: Collection[int]) -> dict[int, set[int]]:
    """Return the running processes of user ids, each with those of its ids that are among them."""
    found = {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        own = _ids_of(int(entry)) & set(ids)
        if own and int(entry) != os.getpid() and processes.is_running(int(entry)):
            found[int(entry)] = own
    return found


def ids_of_processes() -> set[int]:
    """Return the user ids that processes have now, those of containers too."""
    return set().union(*(_ids_of(int(entry)) for entry in os.listdir("/proc") if entry.isdigit()))


def _ids_of(pid: int) -> set[int]:
    # real, effective, saved and file system id
    try:
        with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as stream:
            line = next((line for line in stream if line.startswith("Uid:")), "")
    except OSError:
        return set()
    return {int(word) for word in line.split()[1:] if word.isdigit()}


def end_processes(uid: int, ids: Collection[int], clock: Clock) -> list[int]:
    """End every process of a user and of the ids of its user namespaces: SIGTERM first, SIGKILL then.

    Return the pids of the survivors.
    """
    processes.send(processes_of(ids), signal.SIGTERM)
    processes.wait_gone(lambda: list(processes_of(ids)), GRACE, clock.monotonic, clock.sleep)
    # also if none is left: a process that forks fast enough is in no list. The user may signal its user namespaces too
    _kill_all(uid)
    deadline = clock.monotonic() + LIMIT
    while True:
        left = processes_of(ids)
        if not left or clock.monotonic() >= deadline:
            return sorted(left)
        for owner in set().union(*left.values()):
            _kill_all(owner)
        # a set-user-id program has another id too
        processes.send(left, signal.SIGKILL)
        clock.sleep(0.02)


def _kill_all(uid: int) -> None:
    """Kill all processes of an id by one system call, which no process can escape by starting another one."""
    child = os.fork()
    if child == 0:
        with suppress(OSError):
            os.setgroups([])
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
            # -1 is every process that this one may signal, and as root it would be every process of the worker
            if os.getresuid() == (uid, uid, uid) and uid != 0:
                os.kill(-1, signal.SIGKILL)
        os._exit(0)
    os.waitpid(child, 0)
