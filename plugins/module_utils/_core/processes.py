# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The processes of a session, identified by pid with start time, and by the tag in their environment."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from .paths import TAG_VARIABLE

Finder = Callable[[], "list[int]"]
#: process states in which nothing runs any more: zombie and dead
_ENDED = ("Z", "X", "x")
#: of prctl(2): orphans below this process become its own children
_PR_SET_CHILD_SUBREAPER = 36


def stat_is_alive(stat: str, started: int | None) -> bool:
    """Return whether a ``/proc/<pid>/stat`` line is of a running process that began at ``started`` (clock ticks).

    A pid alone may belong to another process by now; if it is not reaped, a dead process stays listed.
    """
    state, start_time = parse_stat(stat)
    return bool(state) and state not in _ENDED and started is not None and start_time == started


def parse_stat(stat: str) -> tuple[str, int | None]:
    """Return state and start time of a ``/proc/<pid>/stat`` line; the name before them may hold anything."""
    words = stat.rpartition(")")[2].split()
    if len(words) < 20 or not words[19].isdigit():
        return "", None
    return words[0], int(words[19])


def read_stat(pid: int) -> tuple[str, int | None]:
    """Return state and start time of a process, an empty state when there is none."""
    return parse_stat(_stat_line(pid))


def parent_and_start(pid: int) -> tuple[int, int | None]:
    """Return parent and start time of a running process; 0 and None if it does not run."""
    line = _stat_line(pid)
    state, started = parse_stat(line)
    if state in ("", *_ENDED):
        return 0, None
    return int(line.rpartition(")")[2].split()[1]), started


def _stat_line(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stream:
            return stream.read()
    except OSError:
        return ""


def is_running(pid: int) -> bool:
    """Return whether a process runs: it exists and is not a zombie."""
    return read_stat(pid)[0] not in ("", *_ENDED)


def tagged(tag: str) -> list[int]:
    """Return the pids of every process that carries the tag and runs, this one's own children included."""
    return _pids_with("environ", f"{TAG_VARIABLE}={tag}")


def package_pids(codex_home: str, socket: str) -> list[int]:
    """Return the caller's own processes of a session that the Python package optio-codex launched, which has no tag.

    codex and its children have their home in the environment; tmux and ttyd have the socket on their command lines.
    """
    return sorted({*_pids_with("environ", f"CODEX_HOME={codex_home}"), *_pids_with("cmdline", socket)})


def sandboxes(directory: str) -> list[int]:
    """Return the caller's own processes of bwrap that bind a directory.

    codex runs some with an environment without the tag, and bwrap leaves one behind if it is killed while it makes the sandbox.
    """
    return [pid for pid in _pids_with("cmdline", directory) if os.path.basename((arguments(pid) or [""])[0]) == "bwrap"]


def _pids_with(file: str, word: str) -> list[int]:
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/{file}", "rb") as stream:
                knows = os.fsencode(word) in stream.read().split(b"\0")
                # every user can put any text on a command line
                own = file == "environ" or os.fstat(stream.fileno()).st_uid == os.geteuid()
        except OSError:
            continue
        if knows and own and is_running(int(entry)):
            found.append(int(entry))
    return sorted(found)


def descendants(pid: int) -> list[int]:
    """Return the descendants of a process, so that one with a changed environment is found too."""
    children: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            parent = parent_and_start(int(entry))[0]
            if parent:
                children.setdefault(parent, []).append(int(entry))
    found: list[int] = []
    waiting = [pid]
    while waiting:
        below = children.get(waiting.pop(), [])
        found.extend(below)
        waiting.extend(below)
    return sorted(found)


@contextmanager
def own_descendants() -> Iterator[Finder]:
    """Yield a function that finds all processes started within, even after they left their session or lost their parent.

    A child's environment and group do not matter then. A kernel without subreapers, or a Python
    without ctypes, finds only processes that still have their parents.
    """
    earlier = set(descendants(os.getpid()))
    _subreaper(True)
    try:
        yield lambda: [pid for pid in descendants(os.getpid()) if pid not in earlier and is_running(pid)]
    finally:
        _subreaper(False)


def _subreaper(on: bool) -> None:
    try:
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, int(on), 0, 0, 0)
    except (ImportError, AttributeError, OSError):
        return


def in_unit(unit: str) -> list[int]:
    """Return the pids of every process of a systemd unit, by the name of its control group, below it too."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit() and is_inside(unit, control_groups(int(entry))) and is_running(int(entry)):
            found.append(int(entry))
    return sorted(found)


def is_inside(unit: str, groups: str) -> bool:
    """Return whether a ``/proc/<pid>/cgroup`` text is of a process of the unit; systemd's own hierarchy has all of them."""
    return any(unit in line.split(":", 2)[-1].split("/") for line in groups.splitlines())


def control_groups(pid: int) -> str:
    """Return the ``/proc/<pid>/cgroup`` text of a process, nothing when it cannot be read."""
    try:
        with open(f"/proc/{pid}/cgroup", encoding="utf-8", errors="replace") as stream:
            return stream.read()
    except OSError:
        return ""


def command_name(pid: int) -> str:
    """Return a process's command line for a message, at most 80 characters."""
    return " ".join(arguments(pid))[:80]


def named(pids: Iterable[int]) -> str:
    """Return processes as messages name them."""
    return ", ".join(f"{pid} ({command_name(pid)})" for pid in pids)


def arguments(pid: int) -> list[str]:
    """Return the command line of a process, nothing when it cannot be read."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as stream:
            return stream.read().decode("utf-8", "replace").split("\0")[:-1]
    except OSError:
        return []


def send(pids: Iterable[int], number: signal.Signals) -> None:
    """Send a signal to each process that still runs; another user's process is left to the caller's wait."""
    for pid in pids:
        # 0 and the negative numbers are whole groups, the module's own first
        if pid <= 0:
            continue
        try:
            with _real_user():
                os.kill(pid, number)
        except (ProcessLookupError, PermissionError):
            continue


@contextmanager
def _real_user() -> Iterator[None]:
    """Be, while acting as a user, that user alone: the kernel also lets a process signal by its real id, still root's."""
    acted = os.geteuid()
    if os.getuid() != 0 or acted == 0:
        yield
        return
    os.setresuid(acted, acted, 0)
    try:
        yield
    finally:
        os.setresuid(0, acted, 0)


def wait_gone(find: Finder, timeout: float, clock: Callable[[], float], sleep: Callable[[float], None]) -> list[int]:
    """Wait at most ``timeout`` seconds for ``find`` to return nothing; return the remaining pids."""
    deadline = clock() + timeout
    while True:
        left = find()
        if not left or clock() >= deadline:
            return left
        sleep(0.02)
