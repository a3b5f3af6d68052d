# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A smoke run on the oldest and on the newest ansible-core that the collection supports."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from containers.playbook_runner import Controller, Run
from fleet import Fleet, dev_cache

#: the oldest is what meta/runtime.yml requires; each with the oldest minor version of Python that it runs on
OLDEST, NEWEST = ("2.17", 10), ("2.21", 12)
READY = {"codex_hosts": "ready"}


def interpreter(oldest_minor: int) -> str | None:
    """Return a Python of this minor version or a newer one, None if the machine has none."""
    if sys.version_info >= (3, oldest_minor):
        return sys.executable
    # pyenv's own programs only work for a version that is selected
    places = [Path("/usr/bin"), Path("/usr/local/bin"), *sorted((Path.home() / ".pyenv" / "versions").glob("3.*/bin"))]
    for minor in range(oldest_minor, 20):
        for place in places:
            if (program := place / f"python3.{minor}").exists():
                return str(program)
    return None


@pytest.fixture(scope="module", params=[OLDEST, NEWEST], ids=lambda core: core[0])
def programs(request: pytest.FixtureRequest) -> Path:
    """The programs of an ansible-core in a virtual environment that is kept."""
    version, minor = request.param
    place: Path = dev_cache() / "ansible-core" / version
    if not (place / "bin" / "ansible-playbook").exists():
        python = interpreter(minor)
        if python is None:
            pytest.skip(f"ansible-core {version} requires Python 3.{minor}, which this machine does not have")
        subprocess.run([python, "-m", "venv", "--clear", str(place)], check=True)
        subprocess.run([str(place / "bin/pip"), "install", "-q", f"ansible-core=={version}.*"], check=True)
    return place / "bin"


@pytest.fixture
def core(traps: Fleet, tmp_path: Path, programs: Path) -> Controller:
    """Ansible of this version with the fleet's inventory."""
    return Controller(traps.inventory, tmp_path, programs)


def message(run: Run) -> str:
    return str(run.failure["msg"])


@pytest.mark.parametrize(
    "name", ["provision", "launch", "wait", "status", "verify", "stop", "collect", "credential_save", "resume", "teardown"]
)
def test_a_playbook_on_a_worker_without_sessions(core: Controller, name: str) -> None:
    """In check mode, with variables as AWX sends them."""
    given: dict[str, Any] = {
        **READY,
        "codex_session_name": "one, two",
        "codex_session_tasks_max": "",
        "codex_session_network_access": "true",
    }
    if name in ("wait", "verify", "collect", "credential_save", "resume"):
        given |= {"codex_session_name": "", "codex_session_all": "true"}
    run = core.playbook(name, given, "--check", "--diff")
    assert run.results and f"[core {core.programs.parent.name}." in run.output


def test_mistakes(core: Controller) -> None:
    assert message(core.playbook("launch", {**READY, "codex_session_sandox": 1})).startswith("codex_session_sandox is not a variable of")
    assert message(core.playbook("launch", {**READY, "codex_session_name": "a", "codex_user": "nix"}, "-b")).startswith(
        "1 of 1 sessions failed."
    )
    assert "match no host of the inventory" in core.playbook("stop", {"codex_hosts": "nix"}).output


def test_a_module_that_changes_something(core: Controller) -> None:
    """Check, do, check again, do again, and back."""
    script = "mkdir -p /tmp/bin; printf '#!/bin/sh\\n' >/tmp/bin/codex; chmod 755 /tmp/bin/codex"
    core.play([{"ansible.builtin.raw": script}])
    workspace: dict[str, Any] = {"name": "one", "codex_dir": "/tmp/bin", "instructions": "Do it"}
    tasks = [{"optio.codex.workspace": workspace, "check_mode": check} for check in (True, False, True, False)]
    tasks += [{"optio.codex.workspace": {"name": "one", "state": "absent"}, "check_mode": False}]
    run = core.play(tasks)
    assert [result["changed"] for result in run.results] == [True, True, False, False, True]
    assert run.shipped == ["workspace", "workspace"]
