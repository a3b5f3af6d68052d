# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One seed for one session at a time: the plan by a table, the taking by many processes at once."""

from __future__ import annotations

import fcntl
import multiprocessing
import os
from multiprocessing.synchronize import Barrier, Semaphore
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.optio.codex.plugins.module_utils._core.errors import OptioError
from ansible_collections.optio.codex.plugins.module_utils._core.host import LocalHost
from ansible_collections.optio.codex.plugins.module_utils._core.locks import directory_lock
from ansible_collections.optio.codex.plugins.module_utils._core.probe import parse
from ansible_collections.optio.codex.plugins.module_utils._core.runner import converge
from ansible_collections.optio.codex.plugins.module_utils._credential.lease import (
    RESOURCE,
    Holder,
    Lease,
    LeaseFile,
    parse_lease,
    plan_lease,
    plan_release,
)
from ansible_collections.optio.codex.tests.unit.support import shells
from ansible_collections.optio.codex.tests.unit.support.session_builders import FakeHost, options

NOW, TTL = 1_800_000_000, 1000
MINE, OTHER = Holder("worker1", "review", "alice"), Holder("worker2", "fix")
PATH = "/srv/seeds/abc.lease"
TAKERS = 12
#: whatever Python's default is, for a test whose module has no importable name
FORK = multiprocessing.get_context("fork")


def seen(holder: Holder | None, left: int) -> LeaseFile:
    return LeaseFile(PATH, NOW, Lease(holder, NOW - 100, NOW + left) if holder else None)


@pytest.mark.parametrize(
    ("holder", "left", "force", "kind"),
    [
        (None, 0, False, "take"),
        (MINE, TTL, False, None),
        (MINE, TTL // 2 + 1, False, None),
        (MINE, TTL // 2, False, "renew"),
        (MINE, -1, False, "renew"),
        # a shorter ttl, or a clock that was set back
        (MINE, TTL + 1, False, "renew"),
        (OTHER, 0, False, "take"),
        (OTHER, -5000, False, "take"),
        (OTHER, 1, True, "take"),
        # the same session's name on another worker, or of another user, is another session
        (Holder("worker2", "review", "alice"), 0, False, "take"),
    ],
)
def test_the_plan(holder: Holder | None, left: int, force: bool, kind: str | None) -> None:
    actions = plan_lease(seen(holder, left), "abc", MINE, TTL, force)
    assert [action.kind for action in actions] == ([kind] if kind else [])
    for action in actions:
        kept = parse_lease(action.payload.text.splitlines(), PATH)
        assert (kept.holder, kept.expires) == (MINE, NOW + TTL)
        assert kept.acquired == (NOW - 100 if kind == "renew" else NOW)


@pytest.mark.parametrize(
    "holder", [OTHER, Holder("worker1", "fix", "alice"), Holder("worker1", "review"), Holder("worker3", "review", "alice")]
)
def test_a_seed_that_another_one_has_is_refused_by_name(holder: Holder) -> None:
    with pytest.raises(OptioError) as raised:
        plan_lease(seen(holder, 1), "abc", MINE, TTL, False)
    assert str(raised.value).startswith(
        f"login abc is held by {holder} since 2027-01-15 07:58:20 UTC, until 2027-01-15 08:00:01 UTC. Use another login for this session,"
    )
    assert raised.value.details == {"holder": vars(holder), "expires_at": NOW + 1}


@pytest.mark.parametrize(
    ("holder", "force", "released"), [(None, False, False), (MINE, False, True), (OTHER, False, False), (OTHER, True, True)]
)
def test_only_the_holder_releases(holder: Holder | None, force: bool, released: bool) -> None:
    assert bool(plan_release(seen(holder, 10), MINE, force)) is released


def params(directory: Path, host: str = "worker1", **given: Any) -> dict[str, Any]:
    return options(RESOURCE, name="abc", session="review", **{"lease_dir": str(directory), "host": host, **given})


def run(given: dict[str, Any], check: bool = False, on: LocalHost | None = None) -> dict[str, Any]:
    RESOURCE.validate(given)
    return converge(RESOURCE, given, on or LocalHost(), check, True)


def test_taken_kept_and_released(tmp_path: Path) -> None:
    leases = tmp_path / "new/leases"
    assert run(params(leases), check=True)["changed"] and not leases.exists()
    taken = run(params(leases))
    assert taken["changed"] and taken["holder"] == {"host": "worker1", "session": "review", "user": ""}
    assert taken["expires_at"] - taken["acquired_at"] == 604800 and taken["previous_holder"] is None
    path = leases / "abc.lease"
    assert path.stat().st_mode & 0o777 == 0o600 and leases.stat().st_mode & 0o777 == 0o700
    again = run(params(leases))
    assert not again["changed"] and {**taken, "changed": False, "actions": []} == {**again, "diff": taken["diff"]}
    assert not run(params(leases, "worker2", state="absent"))["changed"] and path.exists()
    released = run(params(leases, state="absent"))
    assert released["changed"] and released["holder"] is None and not path.exists()
    assert not run(params(leases, state="absent"))["changed"]


def test_an_expired_lease_is_taken_over_with_a_warning(tmp_path: Path) -> None:
    path = tmp_path / "abc.lease"
    path.write_text(Lease(OTHER, 1, 2).text())
    done = run(params(tmp_path))
    assert done["previous_holder"] == vars(OTHER) and done["holder"]["host"] == "worker1"
    assert "was held by session fix on worker2, 1970-01-01 00:00:01 UTC to" in done["warnings"][0]


@pytest.mark.parametrize("text", ["", "host=a\n", "host=a\nsession=b\nacquired=x\nexpires=1\n", "{}\n"])
def test_a_damaged_lease_is_not_taken_over(tmp_path: Path, text: str) -> None:
    path = tmp_path / "abc.lease"
    path.write_text(text)
    with pytest.raises(OptioError, match="is not a lease file of this module"):
        run(params(tmp_path))
    path.unlink()
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OptioError, match="is not a file"):
        run(params(tmp_path))


@pytest.mark.parametrize(
    "odd",
    [
        *({"name": "../x"}, {"name": ".x"}, {"name": ""}, {"host": "a\nb"}, {"host": ""}),
        *({"ttl": 0}, {"session": "a/b"}, {"lease_dir": "x"}),
    ],
)
def test_odd_options_are_refused(tmp_path: Path, odd: dict[str, Any]) -> None:
    with pytest.raises(OptioError):
        run({**params(tmp_path), **odd})


class _Waiter(LocalHost):
    """Reports that it waits for the lock, once."""

    def __init__(self, waiting: Semaphore) -> None:
        super().__init__()
        self.waiting: Semaphore | None = waiting

    def sleep(self, seconds: float) -> None:
        if self.waiting:
            self.waiting.release()
            self.waiting = None
        super().sleep(seconds)


def _take(directory: Path, host: str, start: Barrier, waiting: Semaphore, answers: multiprocessing.Queue[Any]) -> None:
    start.wait()
    try:
        answers.put((host, run(params(directory, host), on=_Waiter(waiting))["holder"]["host"]))
    except OptioError as error:
        holder: Any = error.details["holder"]
        answers.put((host, holder["host"]))


def test_of_many_at_once_one_gets_it(tmp_path: Path) -> None:
    """Real processes, all through their first look before the first has written."""
    start: Barrier = FORK.Barrier(TAKERS)
    waiting = FORK.Semaphore(0)
    answers: multiprocessing.Queue[Any] = FORK.Queue()
    takers = [FORK.Process(target=_take, args=(tmp_path, f"w{number}", start, waiting, answers)) for number in range(TAKERS)]
    # no taker gets further than the first look until all have looked
    descriptor = os.open(tmp_path / ".optio-codex.lock", os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.lockf(descriptor, fcntl.LOCK_EX)
    for taker in takers:
        taker.start()
    for _taker in takers:
        assert waiting.acquire(timeout=25)
    os.close(descriptor)
    message = [answers.get(timeout=60) for _taker in takers]
    for taker in takers:
        taker.join()
    holder = parse_lease((tmp_path / "abc.lease").read_text().splitlines(), "").holder.host
    assert {named for _host, named in message} == {holder} and len({host for host, _named in message}) == TAKERS


def test_a_lock_that_is_never_released_is_reported(tmp_path: Path) -> None:
    start = FORK.Event()
    stop = FORK.Event()
    holder = FORK.Process(target=_hold, args=(tmp_path, start, stop))
    holder.start()
    start.wait(30)
    with pytest.raises(OptioError, match=r"another run has held the lock .* of .* for 30 s"), directory_lock(str(tmp_path), FakeHost()):
        raise AssertionError("two have the lock")
    stop.set()
    holder.join()
    with directory_lock(str(tmp_path), FakeHost()):
        pass


def _hold(directory: Path, start: Any, stop: Any) -> None:
    with directory_lock(str(directory), LocalHost()):
        start.set()
        stop.wait(30)


@pytest.mark.parametrize("name", shells.SHELLS)
def test_the_probe_in_any_shell(tmp_path: Path, name: str) -> None:
    run(params(tmp_path))
    given = params(tmp_path)
    assert RESOURCE.parse_probe(parse(shells.run(name, RESOURCE.probe_script(given))), given).lease
    shells.shellcheck(RESOURCE.probe_script(given), "SC2154")
