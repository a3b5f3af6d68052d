# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which worker gets which session: by tables, and as rules that hold for thousands of random fleets."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest

from ansible_collections.optio.codex.plugins.module_utils._core.errors import OptioError
from ansible_collections.optio.codex.plugins.module_utils._dispatch.assignment import (
    ASSIGNED,
    LAUNCHED,
    PENDING,
    REMOVED,
    UNREACHABLE,
    Candidate,
    Entry,
    Placement,
    Request,
    assign,
    named,
)

NOW = 1_800_000_000
BEFORE = Entry("w1", NOW - 50, NOW - 40)


def request(name: str, *labels: str, memory: int = 0, disk: int = 0) -> Request:
    return Request(name, frozenset(labels), memory, disk)


def worker(name: str, *labels: str, **given: Any) -> Candidate:
    sessions = given.pop("sessions", {})
    return Candidate(name, frozenset(labels), sessions, **{"max_sessions": 10, **given})


def placed(*requests: Request, ledger: Mapping[str, Entry] | None = None, workers: Any = (), **given: Any) -> dict[str, Placement]:
    return {one.name: one for one in assign(requests, ledger or {}, workers, NOW, **given)}


def where(placements: Mapping[str, Placement]) -> dict[str, str]:
    return {name: one.entry.worker if one.entry else one.reason or "" for name, one in placements.items()}


RUNNING = dict.fromkeys("ab", "running")


@pytest.mark.parametrize(
    ("requests", "workers", "expected"),
    [
        # spread evenly, in the order of the inventory
        ("abcde", [worker("w1"), worker("w2")], {"a": "w1", "b": "w2", "c": "w1", "d": "w2", "e": "w1"}),
        # sessions of other lists and of nobody's list count, ended ones do not
        ("cd", [worker("w1", sessions=RUNNING), worker("w2", sessions={"x": "finished"})], {"c": "w2", "d": "w2"}),
        ("c", [worker("w1", sessions={"x": "unknown"}), worker("w2", sessions={"x": "stopped", "y": "lost"})], {"c": "w2"}),
        # equal numbers: the most memory, then the most disk space
        ("c", [worker("w1", memory_mib=500), worker("w2", memory_mib=600)], {"c": "w2"}),
        ("c", [worker("w1", memory_mib=500, disk_mib=1), worker("w2", memory_mib=500, disk_mib=2)], {"c": "w2"}),
        # full workers
        ("cd", [worker("w1", max_sessions=1), worker("w2", max_sessions=0)], {"c": "w1", "d": "w1: 1 of 1 sessions; w2: 0 of 0 sessions"}),
        ("c", [worker("w1", obstacle="codex is not installed"), worker("w2", sessions=RUNNING)], {"c": "w2"}),
        ("c", [worker("w1", obstacle="codex is not installed")], {"c": "w1: codex is not installed"}),
        ("c", [], {"c": "no worker was reached"}),
    ],
)
def test_the_least_loaded_worker(requests: str, workers: list[Candidate], expected: dict[str, str]) -> None:
    assert where(placed(*map(request, requests), workers=workers)) == expected


def test_memory_and_disk_are_reserved_by_each_session() -> None:
    workers = [worker("w1", memory_mib=1000, disk_mib=5000), worker("w2", memory_mib=3000, disk_mib=100)]
    found = placed(*(request(name, memory=600, disk=1000) for name in "abc"), workers=workers)
    # of each worker its own lack, of w1 what the first session left
    reason = "w1: 400 MiB of memory, 600 needed; w2: 100 MiB of disk space, 1000 needed"
    assert where(found) == {"a": "w1", "b": reason, "c": reason}
    # a worker that does not report them has enough
    assert where(placed(request("a", memory=600, disk=600), workers=[worker("w1")])) == {"a": "w1"}


def test_labels_and_the_sessions_that_need_them_first() -> None:
    workers = [worker("w1", "gpu", max_sessions=1), worker("w2", max_sessions=1)]
    # in the order of the list alone, the first session would take the only worker of the second
    assert where(placed(request("any"), request("train", "gpu"), workers=workers)) == {"any": "w2", "train": "w1"}
    assert where(placed(request("a", "tpu"), workers=workers)) == {"a": "no worker has the label tpu"}
    found = placed(request("a", "gpu", "big"), workers=workers, unreached=["w3"])
    assert where(found) == {"a": "no worker that was reached has all labels of big, gpu"}


def test_many_reasons_are_cut() -> None:
    workers = [worker(f"w{number}", max_sessions=0) for number in range(9)] + [
        worker(f"x{number}", obstacle=f"reason {number}") for number in range(9)
    ]
    expected = "w0, w1, w2 and 6 others: 0 of 0 sessions; x0: reason 0; x1: reason 1; 7 other reasons"
    assert where(placed(request("a"), workers=workers)) == {"a": expected}
    assert named(["a", "b", "c", "d"]) == "a, b, c, d"


@pytest.mark.parametrize(
    ("entry", "workers", "unreached", "state", "reason"),
    [
        (BEFORE, [worker("w1", sessions={"a": "running"}), worker("w2")], [], LAUNCHED, None),
        (BEFORE, [worker("w1", sessions={"a": "finished"}), worker("w2")], [], LAUNCHED, None),
        # full, another label, a new obstacle: it stays
        (BEFORE, [worker("w1", sessions={"a": "running"}, max_sessions=0, obstacle="x"), worker("w2")], [], LAUNCHED, None),
        (BEFORE, [worker("w1"), worker("w2")], [], REMOVED, "the session was removed"),
        (BEFORE, [worker("w2")], ["w1"], UNREACHABLE, "w1 was not reached"),
        (BEFORE, [worker("w2")], [], UNREACHABLE, "w1 is not in the inventory"),
        (BEFORE, [worker("w1"), worker("w2", sessions={"a": "running"})], [], REMOVED, "the session was removed"),
        (Entry("w1", NOW - 50), [worker("w1"), worker("w2")], [], ASSIGNED, None),
        (Entry("w1", NOW - 50), [worker("w1", sessions={"a": "running"})], [], LAUNCHED, None),
        (Entry("w1", NOW - 50), [worker("w2")], ["w1"], UNREACHABLE, "w1 was not reached"),
    ],
)
def test_a_session_stays_on_its_worker(
    entry: Entry, workers: list[Candidate], unreached: list[str], state: str, reason: str | None
) -> None:
    found = placed(request("a", "gone"), ledger={"a": entry}, workers=workers, unreached=unreached)["a"]
    assert (found.state, found.reason, found.entry) == (state, reason, entry)


def test_a_session_that_exists_without_an_entry_stays_where_it_is() -> None:
    found = placed(request("a"), workers=[worker("w1"), worker("w2", sessions={"a": "finished"})])["a"]
    assert (found.state, found.entry, found.status) == (LAUNCHED, Entry("w2", NOW, NOW), "finished")
    # of several, the one that runs
    workers = [worker("w1", sessions={"a": "finished"}), worker("w2", sessions={"a": "running"})]
    assert where(placed(request("a"), workers=workers)) == {"a": "w2"}


def test_assigned_sessions_that_do_not_run_yet_are_counted() -> None:
    """Of this list, and of one that another run is about to launch."""
    ledger = {"a": Entry("w1", NOW - 5), "x": Entry("w1", NOW - 5), "y": Entry("gone", NOW - 5), "z": Entry("w2", NOW - 5, NOW)}
    found = placed(request("a"), request("b"), request("c"), ledger=ledger, workers=[worker("w1"), worker("w2")])
    assert where(found) == {"a": "w1", "b": "w2", "c": "w2"}
    # one that runs by now is counted once
    workers = [worker("w1", sessions={"x": "running"}, max_sessions=2)]
    assert where(placed(request("b"), ledger={"x": ledger["x"]}, workers=workers)) == {"b": "w1"}


def test_rerun() -> None:
    workers = [worker("w1", sessions={"x": "running"}), worker("w2", sessions={"a": "finished"})]
    ledger = {"a": Entry("w2", 1, 2), "b": Entry("w1", 1, 2), "c": Entry("gone", 1, 2)}
    found = placed(*map(request, "abc"), ledger=ledger, workers=workers, rerun=["a", "b", "c"])
    # one that ended is replaced on its worker, one that was removed may go anywhere
    assert found["a"] == Placement("a", ASSIGNED, Entry("w2", NOW), "finished")
    assert found["b"] == Placement("b", ASSIGNED, Entry("w1", NOW))
    assert found["c"].state == ASSIGNED and found["c"].entry == Entry("w2", NOW)


@pytest.mark.parametrize(
    ("rerun", "message"),
    [
        ("d", "rerun contains d, which is not in sessions. Add it to sessions, or remove it from rerun."),
        (
            "a",
            "rerun contains a, but this session is running on w2. Stop it first (the playbook optio.codex.stop), or remove a from rerun.",
        ),
        (
            "b",
            "rerun contains b, but its worker w9 was not reached, so the session may be running there. "
            "Make w9 reachable, remove it from the inventory, or remove b from rerun.",
        ),
    ],
)
def test_a_rerun_of_what_may_run_is_refused(rerun: str, message: str) -> None:
    workers = [worker("w1"), worker("w2", sessions={"a": "running"})]
    with pytest.raises(OptioError) as raised:
        placed(request("a"), request("b"), ledger={"b": Entry("w9", 1, 2)}, workers=workers, unreached=["w9"], rerun=[rerun])
    assert str(raised.value) == message


LABELS = ("gpu", "big", "arm")
STATUSES = ("running", "finished", "stopped", "lost", "unknown")


def random_fleet(seed: int) -> tuple[list[Request], dict[str, Entry], list[Candidate], list[str]]:
    draw = random.Random(seed)
    names = [f"s{number}" for number in range(draw.randrange(1, 9))]
    candidates, unreached = [], []
    for number in range(draw.randrange(0, 6)):
        if draw.random() < 0.2:
            unreached.append(f"w{number}")
            continue
        sessions = {name: draw.choice(STATUSES) for name in (*names, "other") if draw.random() < 0.15}
        labels = [label for label in LABELS if draw.random() < 0.6]
        free = [draw.choice([None, draw.randrange(0, 3000)]) for _number in range(2)]
        obstacle = "x" if draw.random() < 0.1 else None
        candidates.append(Candidate(f"w{number}", frozenset(labels), sessions, free[0], free[1], draw.randrange(0, 5), obstacle))
    workers = [*(one.name for one in candidates), *unreached, "gone"]
    ledger = {
        name: Entry(draw.choice(workers), NOW - 9, draw.choice([None, NOW - 5])) for name in (*names, "dropped") if draw.random() < 0.3
    }
    requests = [
        Request(name, frozenset(label for label in LABELS if draw.random() < 0.2), draw.randrange(0, 1500), draw.randrange(0, 1500))
        for name in names
    ]
    return requests, ledger, candidates, unreached


@pytest.mark.parametrize("block", range(8))
def test_rules_of_every_assignment(block: int) -> None:
    """Four thousand fleets: a session of the ledger never moves, a new one is on a worker that fits, one that is pending fits nowhere."""
    for seed in range(block * 500, (block + 1) * 500):
        requests, ledger, candidates, unreached = random_fleet(seed)
        placements = assign(requests, ledger, candidates, NOW, unreached)
        by_name, by_request = {one.name: one for one in candidates}, {one.name: one for one in requests}
        assert [one.name for one in placements] == [one.name for one in requests], seed
        active = {one.name: sum(status in ("running", "unknown") for status in one.sessions.values()) for one in candidates}
        new: Counter[str] = Counter()
        for one in placements:
            wanted = by_request[one.name]
            entry = ledger.get(wanted.name)
            if entry is not None:
                assert one.entry is not None and one.entry.worker == entry.worker and one.state != PENDING, seed
            elif one.state == ASSIGNED:
                assert one.entry is not None
                chosen = by_name[one.entry.worker]
                new[chosen.name] += 1
                assert wanted.labels <= chosen.labels and not chosen.obstacle, seed
                assert active[chosen.name] + new[chosen.name] <= chosen.max_sessions, seed
                assert chosen.memory_mib is None or wanted.memory_mib <= chosen.memory_mib, seed
            elif one.state == LAUNCHED:
                assert one.entry is not None and wanted.name in by_name[one.entry.worker].sessions, seed
            else:
                assert one.state == PENDING and one.reason, seed
        # the next run with the same view moves nothing
        kept = {one.name: one.entry for one in placements if one.entry is not None}
        again = {one.name: one.entry for one in assign(requests, kept, candidates, NOW + 60, unreached)}
        assert {name: again[name] for name in kept} == kept, seed
