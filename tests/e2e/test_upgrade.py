# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An upgrade under a running session: it keeps its version, its programs and its work; the next one gets the new."""

from __future__ import annotations

from typing import Any

import pytest
from e2e.conftest import NEW, OLD
from e2e.sessions import USER, WORKERS, Result, Workers, is_idle, kinds

pytestmark = pytest.mark.battery

PLACE = "/srv/upgrade"
TREES = {version: f"{PLACE}/releases/{version}-x86_64-unknown-linux-musl" for version in (OLD, NEW)}


def release(workers: Workers, version: str, check: bool = False, **options: Any) -> dict[str, Result]:
    """Provide one version in a cache of its own that all users may read; return the result by worker."""
    task = {
        "optio.codex.codex_release": {
            **{"version": version, "cache_dir": PLACE, "scope": "system", **options},
            "sources": ["{{ optio_mirror_url }}/codex"],
        }
    }
    run = workers.play(task, options=["--check"] if check else [])
    assert run.results
    return {record.host: record.result for record in run.records}


def runs_from(workers: Workers, worker: str, pid: int) -> str:
    """Return the tree that a process of codex runs from."""
    return workers.shell(worker, f"readlink /proc/{pid}/exe", user=USER).strip().removesuffix("/bin/codex")


def test_running_session_keeps_its_version_through_upgrade_and_removal(workers: Workers) -> None:
    """Upgrade with keep_releases=0 spares what runs and what could be resumed; a way back downloads nothing."""
    release(workers, OLD)
    first = workers.session("upgraded", codex_dir=PLACE)
    assert {result["version"] for result in first.values()} == {OLD}

    predicted, done = release(workers, NEW, check=True, keep_releases=0), release(workers, NEW, keep_releases=0)
    for worker in WORKERS:
        assert kinds(predicted[worker]) == kinds(done[worker]) == [("install", TREES[NEW]), ("link", f"{PLACE}/codex")]
        assert runs_from(workers, worker, first[worker]["pid"]) == TREES[OLD]

    # its sandbox helper and all that it finds beside itself are still there
    message = {"name": "upgraded", "user": USER, "text": "RUN: echo still-$((40 + 2))"}
    assert workers.play({"optio.codex.session_message": message}).results
    workers.until("upgraded", lambda entry: is_idle(entry) and "still-42" in entry["screen"], "answered")
    again = workers.session("upgraded", codex_dir=PLACE)
    assert {result["pid"] for result in again.values()} == {result["pid"] for result in first.values()}

    second = workers.session("after-upgrade", codex_dir=PLACE)
    for worker in WORKERS:
        assert second[worker]["version"] == NEW
        assert runs_from(workers, worker, second[worker]["pid"]) == TREES[NEW]

    back = release(workers, OLD, offline=True)
    assert [kinds(result) for result in back.values()] == [[("link", f"{PLACE}/codex")]] * len(WORKERS)
    release(workers, NEW, offline=True)

    workers.session("upgraded", state="stopped")
    assert not any(result["changed"] for result in release(workers, NEW, keep_releases=0).values()), "it may be resumed"
    workers.session("upgraded", state="absent")
    gone = [("remove", TREES[OLD]), ("remove", f"{TREES[OLD]}.manifest")]
    assert [kinds(result) for result in release(workers, NEW, keep_releases=0, check=True).values()] == [gone] * len(WORKERS)
    assert [kinds(result) for result in release(workers, NEW, keep_releases=0).values()] == [gone] * len(WORKERS)
    for worker in WORKERS:
        assert workers.shell(worker, f"ls -A {PLACE}/releases").split() == [
            f"{NEW}-x86_64-unknown-linux-musl{end}" for end in ("", ".manifest")
        ]
    workers.session("after-upgrade", state="absent")
