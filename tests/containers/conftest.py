# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A small fleet for a file of tests, and Ansible to run against it."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import container_shell
import fleet as fleets
import pytest
from containers.playbook_runner import Controller

Shell = Callable[[str, str], str]


@pytest.fixture(scope="module")
def traps(tmp_path_factory: pytest.TempPathFactory) -> Iterator[fleets.Fleet]:
    """Two workers that an unprivileged user with sudo logs in to: ``ready``, and ``nopython`` without Python."""
    name = f"traps-{os.getpid()}"
    specs = [fleets.WorkerSpec("ready", "bookworm-ready"), fleets.WorkerSpec("nopython", "bookworm-nopython")]
    inventory = tmp_path_factory.mktemp("traps") / "inventory.yml"
    fleet = fleets.up(name, specs, inventory, user="agent")
    try:
        yield fleet
    finally:
        fleets.down(name)


@pytest.fixture
def controller(traps: fleets.Fleet, tmp_path: Path) -> Controller:
    """Ansible with the fleet's inventory."""
    return Controller(traps.inventory, tmp_path)


@pytest.fixture(scope="module")
def shell(traps: fleets.Fleet) -> Shell:
    """Run a shell command on a worker as root, beside Ansible: ``shell("ready", "id")``."""
    containers = {worker.name: worker.container for worker in traps.workers}

    def run(worker: str, command: str) -> str:
        return container_shell.output(containers[worker], command, timeout=30)

    return run


@pytest.fixture(scope="module")
def numbers() -> Iterator[int]:
    """Count, for names that must differ."""
    return itertools.count()
