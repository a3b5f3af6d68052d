# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which worker gets which session: pure functions."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from .._core.errors import OptioError

#: states of a placement
ASSIGNED, LAUNCHED, PENDING, REMOVED, UNREACHABLE = STATES = ("assigned", "launched", "pending", "removed", "unreachable")
#: statuses of sessions that use a worker's memory, as session_info returns them; a session in an unknown state may run
_ACTIVE = ("running", "unknown")
#: workers that a reason names
MOST_NAMED = 3


@dataclass(frozen=True)
class Request:
    """One session of the list: its name, and its requirements."""

    name: str
    labels: frozenset[str] = frozenset()
    #: of free memory and of free disk space
    memory_mib: int = 0
    disk_mib: int = 0


@dataclass(frozen=True)
class Candidate:
    """One worker that was inspected."""

    name: str
    labels: frozenset[str] = frozenset()
    #: the statuses of its sessions by their names
    sessions: Mapping[str, str] = field(default_factory=dict)
    #: free; None if the worker does not report it
    memory_mib: int | None = None
    disk_mib: int | None = None
    #: running sessions at most
    max_sessions: int = 1
    #: why it cannot run any session
    obstacle: str | None = None


@dataclass(frozen=True)
class Entry:
    """One line of the ledger; times in seconds since 1970 of the host that keeps the ledger."""

    worker: str
    assigned_at: int
    #: None until the session is known to exist
    launched_at: int | None = None


@dataclass(frozen=True)
class Placement:
    """The decision about one session of the list."""

    name: str
    state: str
    entry: Entry | None = None
    #: of the session on its worker
    status: str | None = None
    reason: str | None = None


class _Room:
    """The room of a worker while sessions are assigned to it."""

    def __init__(self, candidate: Candidate, place: int) -> None:
        self.candidate, self._place = candidate, place
        self.count = sum(status in _ACTIVE for status in candidate.sessions.values())
        self.memory, self.disk = candidate.memory_mib, candidate.disk_mib

    def reserve(self, request: Request) -> None:
        self.count += 1
        self.memory = None if self.memory is None else self.memory - request.memory_mib
        self.disk = None if self.disk is None else self.disk - request.disk_mib

    def load(self) -> tuple[int, int, int, int]:
        """Return the key by which the least loaded worker is the first."""
        return (self.count, -(self.memory or 0), -(self.disk or 0), self._place)

    def lack(self, request: Request) -> str | None:
        """Return why a session does not fit."""
        if self.candidate.obstacle:
            return self.candidate.obstacle
        if self.count >= self.candidate.max_sessions:
            return f"{self.count} of {self.candidate.max_sessions} sessions"
        for free, needed, what in ((self.memory, request.memory_mib, "memory"), (self.disk, request.disk_mib, "disk space")):
            if free is not None and free < needed:
                return f"{max(free, 0)} MiB of {what}, {needed} needed"
        return None


def assign(
    requests: Sequence[Request],
    ledger: Mapping[str, Entry],
    candidates: Sequence[Candidate],
    now: int,
    unreached: Collection[str] = (),
    rerun: Collection[str] = (),
) -> list[Placement]:
    """Return the decision about each session, in the order of the list.

    A session of the ledger stays on its worker. A session that exists on a worker stays there too. The others go to the
    least loaded workers that fit, those with the fewest possible workers first. ``unreached`` are the workers of the
    inventory that were not inspected. A session of ``rerun`` is assigned again, to its own worker if it exists; the status
    of the placement is then that of the session to remove. Raises OptioError if it may be running.
    """
    rooms = {candidate.name: _Room(candidate, place) for place, candidate in enumerate(candidates)}
    _check_rerun(requests, ledger, candidates, unreached, rerun)
    placed: dict[str, Placement] = {}
    for request in requests:
        entry = ledger.get(request.name)
        if request.name in rerun or entry is None:
            entry = _existing(request.name, candidates, now, entry)
        if entry is None:
            continue
        if request.name in rerun:
            rooms[entry.worker].reserve(request)
            status = rooms[entry.worker].candidate.sessions[request.name]
            placed[request.name] = Placement(request.name, ASSIGNED, replace(entry, launched_at=None), status)
        else:
            placed[request.name] = _kept(request, entry, rooms, unreached)
    named = {request.name for request in requests}
    for name, entry in ledger.items():
        # another list may be about to launch it
        if name not in named and entry.launched_at is None and entry.worker in rooms:
            rooms[entry.worker].count += name not in rooms[entry.worker].candidate.sessions
    for request in sorted((one for one in requests if one.name not in placed), key=lambda one: _choices(one, rooms)):
        placed[request.name] = _placed(request, rooms, unreached, now)
    return [placed[request.name] for request in requests]


def _choices(request: Request, rooms: Mapping[str, _Room]) -> int:
    return sum(request.labels <= room.candidate.labels for room in rooms.values())


def _existing(name: str, candidates: Sequence[Candidate], now: int, known: Entry | None) -> Entry | None:
    """Return a new entry for a session that exists: if on several workers, on that of the ledger, or where it runs."""
    workers = [candidate for candidate in candidates if name in candidate.sessions]
    workers.sort(key=lambda one: (known is None or one.name != known.worker, one.sessions[name] not in _ACTIVE))
    return Entry(workers[0].name, now, now) if workers else None


def _kept(request: Request, entry: Entry, rooms: Mapping[str, _Room], unreached: Collection[str]) -> Placement:
    room = rooms.get(entry.worker)
    if room is None:
        reason = f"{entry.worker} was not reached" if entry.worker in unreached else f"{entry.worker} is not in the inventory"
        return Placement(request.name, UNREACHABLE, entry, None, reason)
    status = room.candidate.sessions.get(request.name)
    if status is not None:
        return Placement(request.name, LAUNCHED, entry, status)
    if entry.launched_at is not None:
        return Placement(request.name, REMOVED, entry, None, "the session was removed")
    room.reserve(request)
    return Placement(request.name, ASSIGNED, entry)


def _placed(request: Request, rooms: Mapping[str, _Room], unreached: Collection[str], now: int) -> Placement:
    labeled = [room for room in rooms.values() if request.labels <= room.candidate.labels]
    fitting = [room for room in labeled if room.lack(request) is None]
    if not fitting:
        return Placement(request.name, PENDING, reason=_pending_reason(request, labeled, rooms, unreached))
    chosen = min(fitting, key=_Room.load)
    chosen.reserve(request)
    return Placement(request.name, ASSIGNED, Entry(chosen.candidate.name, now))


def _pending_reason(request: Request, labeled: Sequence[_Room], rooms: Mapping[str, _Room], unreached: Collection[str]) -> str:
    if not rooms:
        return "no worker was reached"
    if not labeled:
        labels = ", ".join(sorted(request.labels))
        which = "worker that was reached" if unreached else "worker"
        return f"no {which} has {'all labels of' if len(request.labels) > 1 else 'the label'} {labels}"
    by_lack: dict[str, list[str]] = {}
    for room in labeled:
        by_lack.setdefault(room.lack(request) or "", []).append(room.candidate.name)
    parts = [f"{named(workers)}: {lack}" for lack, workers in sorted(by_lack.items(), key=lambda item: -len(item[1]))]
    hidden = f"; {len(parts) - MOST_NAMED} other reasons" if len(parts) > MOST_NAMED + 1 else ""
    return "; ".join(parts if not hidden else parts[:MOST_NAMED]) + hidden


def named(names: Sequence[str]) -> str:
    """Return names as text: all of a few, the first ones of many."""
    if len(names) <= MOST_NAMED + 1:
        return ", ".join(names)
    return f"{', '.join(names[:MOST_NAMED])} and {len(names) - MOST_NAMED} others"


def _check_rerun(
    requests: Sequence[Request],
    ledger: Mapping[str, Entry],
    candidates: Sequence[Candidate],
    unreached: Collection[str],
    rerun: Collection[str],
) -> None:
    known = {request.name for request in requests}
    for name in rerun:
        if name not in known:
            raise OptioError("rerun", f"rerun contains {name}, which is not in sessions", "Add it to sessions, or remove it from rerun")
        for candidate in candidates:
            if candidate.sessions.get(name) in _ACTIVE:
                raise OptioError(
                    "rerun",
                    f"rerun contains {name}, but this session is {candidate.sessions[name]} on {candidate.name}",
                    f"Stop it first (the playbook optio.codex.stop), or remove {name} from rerun",
                )
        entry = ledger.get(name)
        if entry is not None and entry.worker in unreached:
            raise OptioError(
                "rerun",
                f"rerun contains {name}, but its worker {entry.worker} was not reached, so the session may be running there",
                f"Make {entry.worker} reachable, remove it from the inventory, or remove {name} from rerun",
            )
