# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which limits of a unit the kernel enforces, by the control groups of a process."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.optio.codex.plugins.module_utils._session import limits
from ansible_collections.optio.codex.plugins.module_utils._session.state import Session

UNIT = "optio-codex@review.service"
ALL = ("memory_max", "cpu_quota", "tasks_max")


@pytest.mark.parametrize(
    ("groups", "lost"),
    [
        # cgroup v1, every controller systemd's
        (f"2:cpu,cpuacct:/system.slice/{UNIT}\n3:memory:/system.slice/{UNIT}\n4:pids:/system.slice/{UNIT}\n1:name=systemd:/{UNIT}\n", ()),
        (f"2:cpu,cpuacct:/\n3:memory:/system.slice/{UNIT}\n4:pids:/system.slice/{UNIT}\n", ("cpu_quota",)),
        # the hybrid of a container: the names alone are systemd's
        (f"9:name=systemd:/box/{UNIT}\n8:pids:/box\n4:memory:/box\n1:cpu:/box\n0::/box/{UNIT}\n", ALL),
        # cgroup v2, where a controller that is on has its file
        (f"0::/good/{UNIT}\n", ()),
        (f"0::/half/{UNIT}\n", ("cpu_quota",)),
        ("0::/\n", ALL),
        ("", ALL),
        ("nonsense\n", ALL),
    ],
)
def test_limits_that_the_kernel_does_not_know(groups: str, lost: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for directory, controllers in ((f"good/{UNIT}", ("memory", "cpu", "pids")), (f"half/{UNIT}", ("memory", "pids"))):
        (tmp_path / directory).mkdir(parents=True)
        for controller in controllers:
            (tmp_path / directory / f"{controller}.max").write_text("1")
    monkeypatch.setattr(limits, "_CGROUPS", str(tmp_path))
    assert limits.unenforced(ALL, UNIT, groups) == lost


@pytest.mark.parametrize(
    ("recorded", "lost"),
    [("", []), ("memory_max", ["memory_max"]), ("tasks_max,memory_max", ["tasks_max", "memory_max"]), ("unknown,", [])],
)
def test_limits_of_a_record(recorded: str, lost: list[str]) -> None:
    assert limits.unenforced_limits(Session(record={"unenforced": recorded})) == lost
