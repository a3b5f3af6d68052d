# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Mounts: the shell that finds the mount of a path, and the parser of its line in ``/proc/self/mountinfo``."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

from .errors import ProbeError

MOUNTINFO = "/proc/self/mountinfo"

#: shell: ``mount_line PATH`` sets REPLY to the line in /proc/self/mountinfo of the mount that contains a file or directory,
#: '' if it is unknown. The kernel itself names the mount of an open file, so bind mounts and mounts over mounts are exact.
#: ``existing PATH`` sets REPLY to the path, or to its nearest parent that exists
SHELL_MOUNT = rf"""
mount_line() {{
  _mount='' _place=$1 REPLY=''
  # a named pipe would block, and with /. only a directory can be opened
  if [ -d "$_place" ]; then _place=$_place/.; elif ! [ -f "$_place" ]; then return; fi
  {{ while read -r _key _value; do [ "$_key" != mnt_id: ] || _mount=$_value; done </proc/self/fdinfo/9; }} 9<"$_place"
  [ -z "$_mount" ] || REPLY=$(grep "^$_mount " {MOUNTINFO})
}}
existing() {{ REPLY=$1; while [ -n "$REPLY" ] && [ ! -e "$REPLY" ]; do REPLY=${{REPLY%/*}}; done; REPLY=${{REPLY:-/}}; }}
"""

_ESCAPED = re.compile(r"\\([0-7]{3})")
#: types of filesystems that other machines can write to at the same time
_NETWORK_TYPES = frozenset(
    "9p afs beegfs ceph cifs coda fuse.glusterfs fuse.sshfs gpfs lustre ncpfs nfs nfs4 smb3 smbfs".split()  # noqa: SIM905
)


@dataclass(frozen=True)
class Mount:
    """One mount: its mount point, the type of its filesystem, and whether it is read-only or has noexec."""

    point: str
    type: str
    read_only: bool = False
    noexec: bool = False

    @property
    def network(self) -> bool:
        """Return whether the filesystem is on another machine."""
        return self.type in _NETWORK_TYPES


def parse_mount(line: str) -> Mount | None:
    """Return the mount that a line of /proc/self/mountinfo describes, None for an empty line."""
    if not line:
        return None
    # id, parent, device, root, mount point, options, optional fields; then type, source and options of the filesystem
    own, _separator, filesystem = line.partition(" - ")
    fields, rest = own.split(" "), filesystem.split(" ")
    if len(fields) < 6 or len(rest) < 3:
        raise ProbeError(f"mountinfo has {line[:80]!r}")
    options = fields[5].split(",")
    point = _ESCAPED.sub(lambda match: chr(int(match.group(1), 8)), fields[4])
    return Mount(point, rest[0], "ro" in options or "ro" in rest[2].split(","), "noexec" in options)


def mount_of(path: str) -> Mount | None:
    """Return the mount that contains an existing path, None if it is unknown."""
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
        try:
            with open(f"/proc/self/fdinfo/{descriptor}", encoding="utf-8") as stream:
                numbers = [line.split()[1] for line in stream if line.startswith("mnt_id:")]
        finally:
            os.close(descriptor)
        with open(MOUNTINFO, encoding="utf-8", errors="surrogateescape") as stream:
            for line in stream:
                if numbers and line.startswith(f"{numbers[0]} "):
                    return parse_mount(line.rstrip("\n"))
    except OSError:
        return None
    return None
