# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The worker of the scenario, by ssh, and what is looked for on it."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from typing import Any

import pytest
import testinfra
from paths import CONNECTION, TASK, USER

#: pid and command of every process whose environment carries the task's tag
SWEEP = rf"""
for directory in /proc/[0-9]*; do
  if tr '\0' '\n' <"$directory/environ" 2>/dev/null | grep -q '^OPTIO_CODEX_TASK={TASK}:'; then
    printf '%s %s\n' "${{directory#/proc/}}" "$(tr '\0' ' ' <"$directory/cmdline")"
  fi
done
"""


@pytest.fixture(scope="session")
def host() -> Any:
    """testinfra's host, seen by the user that Ansible logs in as."""
    return testinfra.get_host(
        f"ssh://{USER}@127.0.0.1:{CONNECTION['ansible_port']}",
        ssh_identity_file=CONNECTION["ansible_ssh_private_key_file"],
        ssh_extra_args=CONNECTION["ansible_ssh_common_args"],
    )


@pytest.fixture
def tagged(host: Any) -> Callable[[], list[str]]:
    """The processes of the session, grandchildren that left its tree included."""

    def sweep() -> list[str]:
        done = host.run(f"sh -c {shlex.quote(SWEEP)}")
        assert done.rc == 0, done.stderr
        return list(done.stdout.splitlines())

    return sweep
