# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""User ids of the users that are made for sessions: each is used once, so that no user inherits the files of an earlier one."""

from __future__ import annotations

import grp
import os
import pwd
import re
import stat
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress

from .._core import files
from .._core.errors import OptioError
from .._core.locks import Clock, acquire
from .._core.paths import COPY_ROOT
from .user_processes import ids_of_processes
from .user_traces import owners

#: the defaults of login.defs
LOGIN_DEFS, UID_MIN, UID_MAX = "/etc/login.defs", 1000, 60000
#: no session is named like this, and its copy of the record is in the same directory
MARK = f"{COPY_ROOT}/.next_uid"
_SETTING = re.compile(r"^\s*(UID_MIN|UID_MAX)\s+(\d{1,10})\s*$", re.MULTILINE)
_DIGITS = 10


def uid_range(text: str) -> tuple[int, int]:
    """Return the lowest and highest id of a user by the text of login.defs."""
    found = {name: int(value) for name, value in _SETTING.findall(text)}
    return found.get("UID_MIN", UID_MIN), found.get("UID_MAX", UID_MAX)


def next_ids(mark: int | None, taken: Collection[int], limits: tuple[int, int], count: int, in_use: Callable[[int], bool]) -> list[int]:
    """Return ids that were never used, upwards from the mark; purely, but for ``in_use``.

    Without a mark, they are above every id of the range that is taken. Raise OptioError at the end of the range.
    """
    low, high = limits
    start = mark if mark is not None else max((uid for uid in taken if low <= uid <= high), default=low - 1) + 1
    ids: list[int] = []
    candidate = max(start, low)
    while len(ids) < count:
        if candidate > high:
            raise OptioError(
                "user ids",
                f"no user id is left for a session's user: {MARK} is at {start}, and UID_MAX of {LOGIN_DEFS} is {high}",
                f"Raise UID_MAX in {LOGIN_DEFS}. An id that a session's user had is not used again, because files of it may be left",
            )
        if candidate not in taken and not in_use(candidate):
            ids.append(candidate)
        candidate += 1
    return ids


def parse_mark(text: str) -> int | None:
    """Return the next id of a mark, None for an empty one; raise OptioError for anything else."""
    if not text:
        return None
    if not re.match(r"\d{1,10}\n\Z", text):
        remedy = "Write a number above every user id that a session ever had on this worker, and a line break"
        raise OptioError(MARK, f"{MARK} does not contain a number", remedy)
    return int(text)


def observed_ids(count: int) -> list[int]:
    """Return the ids that would be reserved now, without a change."""
    try:
        with open(MARK, encoding="ascii", errors="replace") as stream:
            text = stream.read(64)
    except FileNotFoundError:
        text = ""
    except OSError as error:
        raise files.failure(MARK, error) from error
    return _next(text, count)


def reserve_ids(count: int, clock: Clock) -> list[int]:
    """Return ids for new users after they were recorded as used, so that no other run gets them, now or later."""
    with _mark(clock) as descriptor:
        ids = _next(os.pread(descriptor, 64, 0).decode("ascii", "replace"), count)
        if ids:
            # one write of one length, so that a run that is killed leaves the old number or the new one
            os.pwrite(descriptor, f"{ids[-1] + 1:0{_DIGITS}d}\n".encode(), 0)
            os.ftruncate(descriptor, _DIGITS + 1)
            os.fsync(descriptor)
    return ids


def _next(text: str, count: int) -> list[int]:
    settings = files.read_text(LOGIN_DEFS) or ""
    # a group or an earlier user with that id would share files with the new user
    taken = {entry.pw_uid for entry in pwd.getpwall()} | {group.gr_gid for group in grp.getgrall()} | ids_of_processes() | owners()
    return next_ids(parse_mark(text), taken, uid_range(settings), count, _is_known)


def _is_known(uid: int) -> bool:
    # a directory service may have users that it does not list
    with suppress(KeyError):
        return bool(pwd.getpwuid(uid))
    with suppress(KeyError):
        return bool(grp.getgrgid(uid))
    return False


@contextmanager
def _mark(clock: Clock) -> Iterator[int]:
    files.make_directory(COPY_ROOT, 0o755)
    try:
        descriptor = os.open(MARK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise files.failure(MARK, error) from error
    try:
        state = os.fstat(descriptor)
        if not stat.S_ISREG(state.st_mode) or state.st_uid != 0 or state.st_mode & 0o022:
            raise OptioError(MARK, f"{MARK} is not a file that only root can write", "Check it and its directory on the worker")
        acquire(descriptor, "the user ids of sessions", MARK, clock, 30.0, flock=True)
        yield descriptor
    finally:
        os.close(descriptor)
