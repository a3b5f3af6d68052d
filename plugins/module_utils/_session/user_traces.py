# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files of a Unix user outside of its home: found, and removed, through directory handles that follow no link.

The user's processes are ended before anything is removed, so only other users can change these directories meanwhile.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice

from .._core.locks import Clock

#: directories in which every user can make files, and spools of daemons; a link to another one of them is read once
SHARED = ("/tmp", "/var/tmp", "/dev/shm", "/dev/mqueue", "/run/lock", "/run/user", "/var/crash")
SPOOLS = ("/var/mail", "/var/spool/mail", "/var/spool/cron", "/var/spool/at")
#: files that belong to a user by their name, because cron, mail and logind find them by it
NAMED = (
    *(f"{place}/{{name}}" for place in ("/var/spool/cron/crontabs", "/var/spool/cron/tabs", "/var/spool/cron")),
    *(f"{place}/{{name}}" for place in ("/var/mail", "/var/spool/mail", "/var/lib/systemd/linger")),
)
#: seconds, entries and levels that are looked at below one directory
TIME_LIMIT, ENTRY_LIMIT, DEPTH_LIMIT = 30.0, 1_000_000, 200
#: paths that are listed
LISTED = 100
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass
class Traces:
    """The topmost files and directories of some user ids, and paths that could not be read or removed, with the reason."""

    found: list[str] = field(default_factory=list)
    left: list[dict[str, str]] = field(default_factory=list)

    def leave(self, path: str, reason: str) -> None:
        """Add a path that could not be removed."""
        if len(self.left) < LISTED:
            self.left.append({"path": path, "reason": reason})


class Sweep:
    """Finds the files of user ids below one directory, and removes it if ``removes``."""

    def __init__(self, ids: Collection[int], clock: Clock, traces: Traces, removes: bool) -> None:
        self._ids, self._clock, self._traces, self._removes = ids, clock, traces, removes
        self._deadline = clock.monotonic() + TIME_LIMIT
        self._entries = 0
        self._device = 0

    def run(self, top: str) -> None:
        """Look below a directory of the worker, whose own path only root can change."""
        try:
            descriptor = os.open(top, _DIRECTORY)
        except OSError as error:
            if not isinstance(error, (FileNotFoundError, NotADirectoryError)):
                self._traces.leave(top, _reason(error))
            return
        try:
            self._device = os.fstat(descriptor).st_dev
            if not self._visit(descriptor, top, 0, owned=False):
                self._traces.leave(top, f"more than {TIME_LIMIT:g} s or {ENTRY_LIMIT} entries, so not all of it was looked at")
        finally:
            os.close(descriptor)

    def _visit(self, directory: int, path: str, depth: int, owned: bool) -> bool:
        """Handle each entry of an open directory; return False once a limit is reached."""
        for name in _names(directory):
            self._entries += 1
            if self._entries > ENTRY_LIMIT or self._clock.monotonic() > self._deadline:
                return False
            try:
                if not self._entry(directory, name, f"{path}/{name}", depth, owned):
                    return False
            except FileNotFoundError:
                # another process was faster
                continue
            except OSError as error:
                self._traces.leave(f"{path}/{name}", _reason(error))
        return True

    def _entry(self, directory: int, name: str, path: str, depth: int, owned: bool) -> bool:
        state = os.stat(name, dir_fd=directory, follow_symlinks=False)
        own = state.st_uid in self._ids
        if own and not owned and len(self._traces.found) < LISTED:
            self._traces.found.append(path)
        if not stat.S_ISDIR(state.st_mode):
            if own and self._removes:
                os.unlink(name, dir_fd=directory)
            return True
        if state.st_dev != self._device:
            if own:
                self._traces.leave(path, "another file system is mounted there")
            return True
        if depth >= DEPTH_LIMIT:
            if own or owned:
                self._traces.leave(path, f"more than {DEPTH_LIMIT} levels deep")
            return True
        # the name of the topmost directory is enough
        if own and not self._removes:
            return True
        return self._directory(directory, name, path, depth, own)

    def _directory(self, directory: int, name: str, path: str, depth: int, own: bool) -> bool:
        below = os.open(name, _DIRECTORY, dir_fd=directory)
        try:
            # it may have been replaced since it was looked at
            own = own and os.fstat(below).st_uid in self._ids
            complete = self._visit(below, path, depth + 1, owned=own)
        finally:
            os.close(below)
        if own and complete:
            os.rmdir(name, dir_fd=directory)
        return complete


def _names(directory: int) -> Iterator[str]:
    # the whole list first, because entries are removed meanwhile
    with os.scandir(directory) as entries:
        yield from [entry.name for entry in islice(entries, ENTRY_LIMIT + 1)]


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()


def tops(uid: int) -> list[str]:
    """Return the directories to look below, the user's own before the shared ones, without links to one of them."""
    return list(dict.fromkeys(os.path.realpath(path) for path in (f"/run/user/{uid}", *SHARED, *SPOOLS)))


def owners() -> set[int]:
    """Return the owners of the files that lie directly in the shared directories."""
    found = set()
    for top in tops(0):
        with suppress(OSError), os.scandir(top) as entries:
            for entry in islice(entries, ENTRY_LIMIT):
                with suppress(OSError):
                    found.add(entry.stat(follow_symlinks=False).st_uid)
    return found


def named_files(name: str) -> list[str]:
    """Return the files that daemons would use for a user of this name."""
    paths = (path.format(name=name) for path in NAMED)
    real = dict.fromkeys(f"{os.path.realpath(os.path.dirname(path))}/{name}" for path in paths)
    return [path for path in real if os.path.lexists(path) and not os.path.isdir(path)]


def remove_named(name: str, traces: Traces) -> None:
    """Remove these files; a link in the place of one is removed itself."""
    for path in named_files(name):
        try:
            os.unlink(path)
        except OSError as error:
            traces.leave(path, _reason(error))


def sweep(uid: int, ids: Collection[int], clock: Clock, traces: Traces, removes: bool) -> None:
    """Find, and remove if ``removes``, the files of user ids in the shared directories and spools."""
    for top in tops(uid):
        Sweep(ids, clock, traces, removes).run(top)
