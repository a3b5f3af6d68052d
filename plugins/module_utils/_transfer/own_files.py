# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The session's own files, by their paths in the workdir and by their inodes.

A hard link gives one of them a second name where the agent can write, and the credential must not leave by it.
"""

from __future__ import annotations

import os
import stat

from .._core.safe_open import SafeDirectory
from .._session.agents_md import pointer_line
from .._session.layout import PACKAGE, PROJECT, SessionPaths

#: entries of the session's directory and of codex's home; with more of them, every file with a second name is refused
MOST_ENTRIES = 200_000
REASON = "is one of the session's own files"
FOREIGN = "is a second name of another user's file"
AGENTS = "AGENTS.md"


class OwnFiles:
    """The files of the session's directory and of codex's home, by device and inode.

    The home of the commands and a workdir in the session's directory are not part of them.
    """

    def __init__(self, layout: SessionPaths) -> None:
        self._layout = layout
        self._inodes: set[tuple[int, int]] = set()
        self._scanned = self._too_many = False

    def refusal(self, status: os.stat_result) -> str | None:
        """Return why a file with this status must not be copied: another name of it is not the agent's. None if it can be."""
        if not stat.S_ISREG(status.st_mode) or status.st_nlink < 2:
            return None
        if status.st_uid != os.geteuid():
            return FOREIGN
        if not self._scanned:
            self._scan()
        return REASON if self._too_many or (status.st_dev, status.st_ino) in self._inodes else None

    def _scan(self) -> None:
        self._scanned = True
        try:
            self._scan_below(self._layout.task, recursive=False)
            self._scan_below(self._layout.home, recursive=True)
        except OSError:
            self._too_many = True

    def _scan_below(self, top: str, recursive: bool) -> None:
        if not os.path.isdir(top):
            return
        count = 0
        for _directory, below, names, descriptor in os.fwalk(top):
            count += len(below) + len(names)
            if count > MOST_ENTRIES:
                self._too_many = True
                return
            for name in names:
                self._add(name, descriptor)
            if not recursive:
                return

    def _add(self, name: str, descriptor: int) -> None:
        try:
            status = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
        except OSError:
            return
        if status.st_nlink > 1:
            self._inodes.add((status.st_dev, status.st_ino))


def own_names(layout: SessionPaths) -> tuple[str, ...]:
    """Return the names in the workdir that are the session's: none where the workdir is the project's."""
    if layout.origin == PROJECT:
        return ()
    logs = tuple(map(os.path.basename, layout.logs))
    if layout.origin == PACKAGE:
        return ("home", AGENTS, *logs)
    return (*(() if layout.link_blocked else ("home",)), *((AGENTS,) if holds_pointer(layout) else ()), *logs)


def holds_pointer(layout: SessionPaths) -> bool:
    """Return whether AGENTS.md in the workdir is the line that names the instructions, and nothing else."""
    if layout.instructions_pointer is None:
        return False
    expected = f"{pointer_line(layout)}\n".encode("utf-8", "surrogateescape")
    try:
        with SafeDirectory(layout.workdir) as below, os.fdopen(below.open(AGENTS), "rb") as stream:
            return stream.read(len(expected) + 1) == expected
    except OSError:
        return False
