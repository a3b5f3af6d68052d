# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The limits of a session's unit, and which of them the kernel does not enforce."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping

from .state import Session

#: a session's limits by option: the unit's property, and the controller of the kernel that enforces it
LIMITS: Mapping[str, tuple[str, str]] = {
    "memory_max": ("MemoryMax", "memory"),
    "cpu_quota": ("CPUQuota", "cpu"),
    "tasks_max": ("TasksMax", "pids"),
}
#: as systemd takes them
LIMIT_VALUES = {
    "memory_max": (re.compile(r"(\d+(\.\d+)?[KMGT]?|\d+(\.\d+)?%|infinity)\Z"), "bytes, with K, M, G or T, or a percentage of the memory"),
    "cpu_quota": (re.compile(r"\d+(\.\d+)?%\Z"), "a percentage of one CPU, such as 150%"),
    "tasks_max": (re.compile(r"(\d+%?|infinity)\Z"), "a number, or a percentage of the system's limit"),
}
_CGROUPS = "/sys/fs/cgroup"


def unenforced(limits: Iterable[str], unit: str, groups: str) -> tuple[str, ...]:
    """Return the limits that the kernel does not hold a unit to, by the ``/proc/<pid>/cgroup`` of one of its processes.

    systemd takes them without a word where it has no controller for them, as inside a container with cgroup v1.
    """
    places: dict[str, str] = {}
    for line in groups.splitlines():
        _number, controllers, path = [*line.split(":", 2), "", ""][:3]
        places.update(dict.fromkeys(controllers.split(","), path))

    def is_enforced(controller: str) -> bool:
        if controller in places:
            return unit in places[controller].split("/")
        return bool(places.get("")) and os.path.exists(f"{_CGROUPS}{places['']}/{controller}.max")

    return tuple(limit for limit in limits if not is_enforced(LIMITS[limit][1]))


def unenforced_warning(name: str, limits: Iterable[str]) -> str:
    """Return a warning about limits that have no effect."""
    return (
        f"session {name}: {', '.join(limits)} has no effect; that needs a systemd unit, and a kernel controller that its systemd may use "
        "(not in a container with cgroup v1)"
    )


def unenforced_limits(session: Session) -> list[str]:
    """Return the limits of a session's launch that it is not held to, by its record."""
    return [name for name in session.record.get("unenforced", "").split(",") if name in LIMITS]
