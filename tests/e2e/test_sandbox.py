# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The sandbox preflight tells a worker on which sandboxed commands would fail, and what to do about it."""

from __future__ import annotations

import os
from collections.abc import Iterator

import fleet as fleets
import pytest
import yaml
from e2e.sessions import CACHE, USER, Workers
from integration.runs import Controller

WORKER = "unprivileged"


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workers]:
    """A trixie container without privileges, where the bundled bwrap works and the system's does not."""
    scratch = tmp_path_factory.mktemp("sandbox")
    inventory = scratch / "inventory.yml"
    name = f"sandbox-{os.getpid()}"
    fleet = fleets.up(name, [fleets.WorkerSpec(WORKER, "trixie-ready")], inventory)
    try:
        variables = yaml.safe_load(inventory.read_text(encoding="utf-8"))["all"]["vars"]
        found = Workers(Controller(inventory, scratch), fleet, variables)
        found.provision(["0.142.5"])
        yield found
    finally:
        fleets.down(name)


def test_verdict_is_found_kept_and_renewed_when_a_system_bwrap_breaks_it(worker: Workers) -> None:
    """The bundled bwrap works; the distribution's, once installed, wins and fails; removed, all is well again."""
    look = {"optio.codex.worker_info": {"user": USER}}
    unknown = worker.play(look, options=["--check"])
    assert unknown.results[0]["sandbox"]["verdict"] == "unknown" and unknown.shipped == []
    first = worker.play(look)
    assert first.results[0]["sandbox"] == {"verdict": "ok", "cause": None, "remedy": None, "output": None}
    assert first.shipped == ["worker_info"]
    assert worker.play(look).shipped == [], "a kept verdict needs no Python"

    worker.shell(WORKER, "apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq bubblewrap")
    # a failure is tried again each time: its remedy may be one that no key of the verdict shows
    for _again in range(2):
        run = worker.play(look)
        sandbox = run.results[0]["sandbox"]
        assert sandbox["verdict"] == "failed" and run.shipped == ["worker_info"]
        assert "bwrap cannot mount /proc" in sandbox["cause"] and "the system's bwrap" in sandbox["cause"]
        assert "remove the package bubblewrap" in sandbox["remedy"]
        assert run.results[0]["tools"]["bwrap"] == "/usr/bin/bwrap"
    assert worker.shell(WORKER, f"{CACHE}/0.142.5-x86_64-unknown-linux-musl/bin/codex sandbox -- /bin/true || echo broken", user=USER)

    worker.shell(WORKER, "rm /usr/bin/bwrap")
    assert worker.play(look).results[0]["sandbox"]["verdict"] == "ok"
