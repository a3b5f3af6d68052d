# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One fleet for all end-to-end tests: a worker with systemd and one without, both with the releases under test."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import fleet as fleets
import pytest
import yaml
from containers.playbook_runner import Controller
from e2e.sessions import SYSTEMD, WITHOUT, WORKERS, Workers

VERSIONS: tuple[str, ...] = ("0.142.5", "0.169.0", "0.171.0")
#: another version, that scripts/qualify.py tests, beside the newest one
CANDIDATE = os.environ.get("OPTIO_CODEX_CANDIDATE")
if CANDIDATE:
    VERSIONS = (VERSIONS[-1] if VERSIONS[-1] != CANDIDATE else VERSIONS[-2], CANDIDATE)
OLD, NEW = VERSIONS[0], VERSIONS[-1]
#: what is tested with the oldest version too in each run; the other repetitions with an older version are extended
WITH_OLDEST = ("test_session_life", "test_interop.py::test_ours", "test_upgrade", "test_permissions")
#: seconds on two processors of the modules that take longest: a module that begins last must not end long after the others
LONGEST = {
    **{"test_gateway_role": 200, "test_mirror_role": 170, "test_gateway": 170, "test_rolling_upgrade": 140, "test_chaos": 130},
    **{"test_session_resume": 130, "test_progress": 110, "test_credentials": 100, "test_side_by_side": 100, "test_workdirs": 100},
    **{"test_git": 95, "test_interop": 90, "test_session_life": 90, "test_own_users": 85, "test_events": 70, "test_gateway_page": 70},
}
#: the fleet of this process, once a test has used it
STARTED: list[Workers] = []


def _version_of(item: pytest.Item) -> str | None:
    callspec = getattr(item, "callspec", None)
    version: str | None = callspec.params.get("version") if callspec else None
    return version


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if CANDIDATE:
        others = [item for item in items if _version_of(item) not in (None, CANDIDATE)]
        config.hook.pytest_deselected(items=others)
        items[:] = [item for item in items if item not in others]
        return
    items.sort(key=lambda item: -LONGEST.get(item.path.stem, 0))
    for item in items:
        version, name = _version_of(item), item.nodeid.rpartition("/")[2]
        if version not in (None, NEW) and not (version == OLD and name.startswith(WITH_OLDEST)):
            item.add_marker(pytest.mark.extended)


@pytest.fixture(scope="session")
def workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workers]:
    """The fleet, provisioned with both releases of codex and with ttyd in the system cache."""
    name = f"e2e-{os.getpid()}"
    scratch = tmp_path_factory.mktemp("e2e")
    inventory = scratch / "inventory.yml"
    specs = [fleets.WorkerSpec(SYSTEMD, "trixie-systemd-ready"), fleets.WorkerSpec(WITHOUT, "bookworm-ready")]
    fleet = fleets.up(name, specs, inventory)
    try:
        variables = yaml.safe_load(inventory.read_text(encoding="utf-8"))["all"]["vars"]
        found = Workers(Controller(inventory, scratch), fleet, variables)
        found.provision(VERSIONS)
        STARTED.append(found)
        yield found
    finally:
        STARTED.clear()
        fleets.down(name)


@pytest.fixture(scope="module", autouse=True)
def end_of_sessions() -> Iterator[None]:
    """End the sessions that a module of tests leaves: each idle codex takes some percent of a processor."""
    yield
    for found in STARTED:
        for worker in WORKERS:
            found.shell(worker, "pkill -KILL tmux; pkill -KILL ttyd; pkill -KILL codex; systemctl reset-failed 'optio-*' 2>/dev/null")


@pytest.fixture(scope="session")
def artifacts() -> Path:
    """Where what a person may want to look at is kept: outside the work tree."""
    directory = fleets.dev_cache() / "test-artifacts"
    directory.mkdir(parents=True, exist_ok=True)
    return directory
