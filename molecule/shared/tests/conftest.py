# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The worker of the scenario, by ssh, and what is looked for on it."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import testinfra
import yaml
from paths import TASK

INVENTORY = Path(__file__).resolve().parents[3] / "tests/output/molecule/inventory.yml"
#: pid and command of every process whose environment carries the task's tag
SWEEP = rf"""
for directory in /proc/[0-9]*; do
  if tr '\0' '\n' <"$directory/environ" 2>/dev/null | grep -q '^OPTIO_CODEX_TASK={TASK}:'; then
    printf '%s %s\n' "${{directory#/proc/}}" "$(tr '\0' ' ' <"$directory/cmdline")"
  fi
done
"""


@pytest.fixture(scope="session")
def scenario() -> str:
    """The scenario's name, which is its worker's."""
    return os.environ["MOLECULE_SCENARIO_NAME"]


@pytest.fixture(scope="session")
def host(scenario: str) -> Any:
    """testinfra's host."""
    group = yaml.safe_load(INVENTORY.read_text(encoding="utf-8"))["all"]["children"]["codex_workers"]
    port, shared = group["hosts"][scenario]["ansible_port"], group["vars"]
    return testinfra.get_host(
        f"ssh://root@127.0.0.1:{port}",
        ssh_identity_file=shared["ansible_ssh_private_key_file"],
        ssh_extra_args=shared["ansible_ssh_common_args"],
    )


@pytest.fixture
def tagged(host: Any) -> Callable[[], list[str]]:
    """The processes of the session, grandchildren that left its tree included."""

    def sweep() -> list[str]:
        done = host.run(f"sh -c {shlex.quote(SWEEP)}")
        assert done.rc == 0, done.stderr
        return list(done.stdout.splitlines())

    return sweep
