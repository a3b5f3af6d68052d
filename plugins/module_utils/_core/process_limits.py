# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Why a process cannot be started although its program is in order: the limits on the number of processes."""

from __future__ import annotations

import os
import pwd
import re
import resource
from dataclasses import dataclass

from .errors import OptioError

CGROUPS = "/sys/fs/cgroup"
#: characters of the files that are read
_LARGEST = 4096
#: how a program reports that it cannot start a thread or a process
_EXHAUSTED = ("os error 11", "Resource temporarily unavailable", "Cannot fork", "can't fork")
#: what dash, busybox and bash print as /bin/sh when they give up
_FORK_FAILED = re.compile(r"^/bin/sh: (?:(?:line )?\d+: )?(?:Cannot fork|can't fork|fork: Resource)", re.MULTILINE)


@dataclass(frozen=True)
class ProcessLimits:
    """The limits that apply to this process; ``limit`` is RLIMIT_NPROC, ``cgroup`` has reached its ``pids_max``.

    ``is_full`` is whether it has no room for a process now; otherwise it has refused one before.
    """

    user: str
    limit: int | None = None
    cgroup: str = ""
    pids_max: str = ""
    is_full: bool = False


def read_limits() -> ProcessLimits:
    """Return the limits of this process."""
    uid = os.geteuid()
    try:
        user = pwd.getpwuid(uid).pw_name
    except KeyError:
        user = str(uid)
    soft = resource.getrlimit(resource.RLIMIT_NPROC)[0]
    # the kernel does not apply it to root
    limit = None if uid == 0 or soft == resource.RLIM_INFINITY else soft
    return ProcessLimits(user, limit, *_full_cgroup())


def _full_cgroup() -> tuple[str, str, bool]:
    """Return the innermost cgroup whose limit of processes is reached, or was reached before, that limit, and whether it is now.

    Programs end when they cannot start a thread, so that there is room again.
    """
    before: tuple[str, str, bool] = ("", "", False)
    for line in _read("/proc/self/cgroup").splitlines():
        _number, _colon, rest = line.partition(":")
        controllers, _colon, path = rest.partition(":")
        if controllers and "pids" not in controllers.split(","):
            continue
        root = f"{CGROUPS}/pids" if controllers else CGROUPS
        path = path.rstrip("/")
        while True:
            most, current = (_read(f"{root}{path}/pids.{name}").strip() for name in ("max", "current"))
            if most.isdigit() and current.isdigit():
                if int(current) >= int(most):
                    return path or "/", most, True
                if not before[0] and _has_refused(f"{root}{path}"):
                    before = path or "/", most, False
            # a container sees its own cgroup as the root, and with cgroup v1 by another path than its own
            if not path:
                break
            path = path.rpartition("/")[0]
    return before


def _has_refused(cgroup: str) -> bool:
    words = _read(f"{cgroup}/pids.events").split()
    return "max" in words[:-1] and words[words.index("max") + 1] != "0"


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            return stream.read(_LARGEST)
    except OSError:
        return ""


def is_exhausted(output: str) -> bool:
    """Return whether a program reports that it cannot start a thread or a process."""
    return any(text in output for text in _EXHAUSTED)


def is_fork_failure(errors: str) -> bool:
    """Return whether a shell reports that it could not run a command, so that the rest of its output may be wrong."""
    return bool(_FORK_FAILED.search(errors))


def process_limit_error(subject: str, limits: ProcessLimits | None = None) -> OptioError:
    """Return the error for a process that the kernel did not create (EAGAIN); ``subject`` is the program."""
    limits = limits or read_limits()
    if limits.cgroup:
        reason = f"cgroup {limits.cgroup} has reached its limit of {limits.pids_max} processes and threads (pids.max)"
        remedy = "End some of its processes, or raise TasksMax of the systemd unit or the pids limit of the container"
    elif limits.limit is not None:
        reason = f"user {limits.user} has reached the limit of {limits.limit} processes and threads (RLIMIT_NPROC)"
        remedy = f"End some processes of {limits.user}, or raise nproc in /etc/security/limits.conf or LimitNPROC of the systemd unit"
    else:
        reason = "the process table of the worker is full"
        remedy = "End some processes, or raise kernel.pid_max and kernel.threads-max (sysctl) and the pids limit of the container"
    return OptioError(subject, f"{subject} cannot be started: {reason}", remedy)
