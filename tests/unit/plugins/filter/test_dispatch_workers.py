# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.optio.codex.plugins.filter.dispatch_workers import dispatch_workers

INFO: dict[str, Any] = {
    "codex": {"path": "/opt/codex", "version": "0.169.0"},
    "tools": {"tmux": "/usr/bin/tmux", "ttyd": "/usr/bin/ttyd", "git": None},
    "problems": [{"cause": "slow", "blocking": False}],
    "platform": {"memory_available_mib": 2000},
    "filesystems": {"sessions_dir": {"available_mib": 5000}, "runtime_dir": None},
    "sessions": [{"name": "a", "status": "running"}, {"name": "b", "status": "finished"}],
}
WORKER = {
    **{"name": "w1", "labels": ["codex_workers", "gpu"], "sessions": {"a": "running", "b": "finished"}, "obstacle": None},
    **{"memory_available_mib": 2000, "disk_available_mib": 5000},
}


def test_a_worker_with_its_groups_and_settings() -> None:
    [found] = dispatch_workers(["w1"], [INFO], [["codex_workers"]], settings=[{"labels": ["gpu"], "max_sessions": 3}])
    assert found == {**WORKER, "max_sessions": 3}


def test_sessions_of_other_users_are_added() -> None:
    [found] = dispatch_workers(["w1"], [INFO], sessions=[[{"name": "c", "status": "running", "user": "codex-c"}]])
    assert found["sessions"] == {"a": "running", "b": "finished", "c": "running"}


def test_omitted_workers() -> None:
    infos: list[Any] = [INFO, {**INFO, "failed": True}, {"unreachable": True, "msg": "x"}, {"skipped": True}]
    assert dispatch_workers(["w1", "w2", "w3", "w4"], infos) == [{**WORKER, "labels": []}]
    bare = {**INFO, "platform": {"memory_available_mib": 0}, "filesystems": {"sessions_dir": None}, "sessions": []}
    [found] = dispatch_workers(["w1"], [bare])
    assert (found["memory_available_mib"], found["disk_available_mib"], found["sessions"]) == (None, None, {})


@pytest.mark.parametrize(
    ("change", "obstacle"),
    [
        ({"codex": {"path": None}}, "codex is not installed"),
        ({"tools": {"tmux": None, "ttyd": None}}, "tmux, ttyd are not installed"),
        ({"problems": [{"cause": "/run is full", "blocking": True}]}, "/run is full"),
    ],
)
def test_a_worker_that_cannot_run_sessions(change: dict[str, Any], obstacle: str) -> None:
    [found] = dispatch_workers(["w1"], [{**INFO, **change}])
    assert found["obstacle"] == obstacle


def test_input_that_is_not_a_list_is_refused() -> None:
    with pytest.raises(AnsibleFilterError, match="the input is not a list of names"):
        dispatch_workers("w1", [INFO])
