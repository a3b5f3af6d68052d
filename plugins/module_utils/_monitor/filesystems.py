# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filesystems that sessions need, and the problems that would only appear when a session is launched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .._core.errors import OptioError, ProbeError
from .._core.mounts import Mount, parse_mount
from .._core.probe import Section

#: in the order in which problems are reported
SESSIONS, RUNTIME = "sessions_dir", "runtime_dir"
#: bytes below which a filesystem counts as full: a session's files and codex's databases, or units and sockets
LEAST_SPACE = {SESSIONS: 1 << 20, RUNTIME: 128 << 10}
LEAST_INODES = 16

#: shell: ``filesystem_facts`` prints the state of the filesystem of the sessions in ``$root``, and of the one in which systemd
#: keeps their units and root their sockets; by the functions of ``SHELL_MOUNT``, after ``worker_facts``
SHELL_FILESYSTEMS = rf"""
one_filesystem() {{
  emit "$1" "$2"
  existing "$2"; _existing=$REPLY
  if [ -d "$_existing" ] && [ -w "$_existing" ] && [ -x "$_existing" ]; then emit "$1_writable" 1; fi
  # free blocks for users and for root, their size, inodes and free inodes
  emit "$1_space" "$(stat -f -c '%a %f %S %c %d' "$_existing")"
  mount_line "$_existing"; emit "$1_mount" "$REPLY"
}}
filesystem_facts() {{
  one_filesystem {SESSIONS} "$root"
  if [ "$privileged" = 1 ]; then one_filesystem {RUNTIME} /run
  elif [ "$user_manager" = 1 ]; then one_filesystem {RUNTIME} "/run/user/$uid"
  fi
}}
"""


@dataclass(frozen=True)
class Filesystem:
    """One directory, existing or not, and the filesystem that contains it or its nearest existing parent."""

    name: str
    path: str
    writable: bool = True
    mount: Mount | None = None
    #: bytes and inodes that are free for the user, None if unknown or unlimited
    available: int | None = None
    inodes: int | None = None

    def as_result(self) -> dict[str, Any]:
        """Return the values as ``worker_info`` returns them."""
        return {
            "path": self.path,
            "mount_point": self.mount.point if self.mount else None,
            "type": self.mount.type if self.mount else None,
            "network": self.mount.network if self.mount else None,
            "read_only": self.mount.read_only if self.mount else None,
            "available_mib": None if self.available is None else self.available >> 20,
        }


@dataclass(frozen=True)
class Problem:
    """A problem of a worker; sessions cannot be launched if it is ``blocking``."""

    error: OptioError
    blocking: bool = True

    def as_result(self) -> dict[str, Any]:
        """Return the values as ``worker_info`` returns them."""
        error = self.error
        return {"object": error.subject, "cause": error.cause, "remedy": error.remedy, "blocking": self.blocking}


def parse_filesystems(facts: Section) -> list[Filesystem]:
    """Return the output of ``filesystem_facts``."""
    is_root = facts.get("uid") == "0"
    return [_parse(facts, name, is_root) for name in (SESSIONS, RUNTIME) if facts.get(name)]


def _parse(facts: Section, name: str, is_root: bool) -> Filesystem:
    space = facts.get(f"{name}_space").split()
    if space and (len(space) != 5 or not all(value.isdigit() for value in space)):
        raise ProbeError(f"stat -f printed {' '.join(space)[:80]!r}")
    available = inodes = None
    if space:
        for_users, for_root, size, total, free = map(int, space)
        available = (for_root if is_root else for_users) * size
        # btrfs and others do not limit inodes
        inodes = free if total else None
    mount = parse_mount(facts.get(f"{name}_mount"))
    return Filesystem(name, facts.get(name), facts.flag(f"{name}_writable"), mount, available, inodes)


def find_problems(filesystems: list[Filesystem], worker: Mapping[str, Any]) -> list[Problem]:
    """Return the problems of the filesystems; ``worker`` has the keys ``user`` and ``privileged``."""
    return [problem for one in filesystems for problem in (_unusable(one, worker), _network(one)) if problem]


def _unusable(one: Filesystem, worker: Mapping[str, Any]) -> Problem | None:
    title = "the sessions directory" if one.name == SESSIONS else "the directory of units and sockets"
    elsewhere = ", or set sessions_dir to a directory on another filesystem" if one.name == SESSIONS else ""
    place = one.mount.point if one.mount else one.path
    if one.mount and one.mount.read_only:
        cause = f"{title} {one.path} is on a filesystem that is mounted read-only at {place}"
        return _problem(one, cause, f"Remount it read-write (mount -o remount,rw {place}){elsewhere}")
    if one.available is not None and one.available < LEAST_SPACE[one.name]:
        cause = f"{title} {one.path} is on a full filesystem: {place} has {one.available >> 10} KiB left"
        return _problem(one, cause, f"Free space in {place} (df, du){elsewhere}")
    if one.inodes is not None and one.inodes < LEAST_INODES:
        cause = f"{title} {one.path} is on a full filesystem: {place} has {one.inodes} inodes left"
        return _problem(one, cause, f"Remove files in {place} (df -i){elsewhere}")
    # root creates the directories in /run, also for a session of another user
    if one.name == RUNTIME or one.writable:
        return None
    cause = f"{title} {one.path} cannot be created or written by user {worker['user']}"
    owner = f"Change the owner or the permissions of its nearest existing directory for user {worker['user']}"
    if worker["user"] == "root":
        owner = "Check its mount and attributes (NFS with root_squash, lsattr)"
    return _problem(one, cause, f"{owner}, or set sessions_dir to a directory that this user can write")


def _network(one: Filesystem) -> Problem | None:
    if one.name != SESSIONS or one.mount is None or not one.mount.network:
        return None
    cause = (
        f"the sessions directory {one.path} is on a network filesystem ({one.mount.type} at {one.mount.point}), where the SQLite "
        "databases of codex can be locked or damaged"
    )
    return _problem(one, cause, "Set sessions_dir to a directory on a local filesystem", blocking=False)


def _problem(one: Filesystem, cause: str, remedy: str, blocking: bool = True) -> Problem:
    return Problem(OptioError(one.path, cause, remedy), blocking)
