# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sessions of ours in the hands of the Python package optio-codex, in its first and its newest release."""

from __future__ import annotations

import json
import sys
from typing import Any

import fleet as fleets
import pytest
from e2e import reference
from e2e.conftest import VERSIONS
from e2e.reference import Reference
from e2e.sessions import ROOT, SYSTEMD, USER, WITHOUT, WORKERS, Result, Workers, is_idle

from ansible_collections.optio.codex.plugins.module_utils import rollout


def reference_on(workers: Workers, worker: str, release: str, name: str, socket: str) -> Reference:
    """Return the package with an engine that reaches a worker as the session's user."""
    place = fleets.dev_cache() / "reference" / str(sys.implementation.cache_tag) / release
    assert place.is_dir(), f"{place} does not exist; run tests/environment/bootstrap.sh reference"
    port = next(entry.port for entry in workers.fleet.workers if entry.name == worker)
    key = fleets.dev_cache() / "ssh" / "id_ed25519"
    ssh: dict[str, Any] = {"host": "127.0.0.1", "user": USER, "key_path": str(key), "port": port}
    return Reference(place, ssh, f"{ROOT}/{name}", socket)


def said(workers: Workers, worker: str, name: str) -> list[str]:
    """Return what the user said in a session, by the rollouts that codex wrote."""
    script = f"cat {ROOT}/{name}/workdir/home/.codex/sessions/*/*/*/rollout-*.jsonl"
    lines = workers.shell(worker, script, user=USER).splitlines()
    texts = [text for line in lines if (text := rollout.user_text(json.loads(line))) is not None]
    # what codex tells of itself stands in tags
    return [text for text in texts if not text.startswith("<")]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("release", reference.VERSIONS)
def test_the_package_observes_messages_and_tears_down_a_session_of_ours(workers: Workers, release: str, version: str) -> None:
    """Given the workdir, the socket and the session's name, its functions do their work, and ours tell the truth after it."""
    name = f"theirs-{release}-{version}"
    launched = workers.session(name, version=version, prompt="SAY: hello")
    workers.until(name, is_idle, "done with its first turn")
    packages = {worker: reference_on(workers, worker, release, name, launched[worker]["session"]) for worker in WORKERS}
    for package in packages.values():
        assert package.alive()
        package.send("SAY: from the package")
    seen = workers.until(name, lambda entry: is_idle(entry) and "• from the package" in entry["screen"], "answered")
    for worker, package in packages.items():
        assert said(workers, worker, name) == ["SAY: hello", "SAY: from the package"]
        assert package.latest_session_id() == seen[worker]["session_id"]
        package.tear_down()
        assert not package.alive()
        assert workers.processes(worker, name) == []
    after = workers.info(name)
    for worker in WORKERS:
        assert_ended(after[worker])
    workers.session(name, state="absent")
    for worker in WORKERS:
        assert workers.traces(worker, name) == []


def assert_ended(entry: Result) -> None:
    """The truth of a killed codex: with a status where the launcher could write it down, lost where systemd ended that too."""
    ended = {SYSTEMD: ("lost", None), WITHOUT: ("finished", 137)}[entry["supervisor"]]
    assert (entry["status"], entry["exit_status"]) == ended
    assert entry["terminal"] == "dead" and entry["pid"] is None and entry["attach"] is None
