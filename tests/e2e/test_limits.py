# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Limits of a session that its kernel holds it to: what needs more memory or processes is refused, and the session goes on."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import Any

import fleet as fleets
import pytest
import yaml
from containers.playbook_runner import Controller
from e2e.sessions import Workers, is_idle

pytestmark = pytest.mark.battery

LIMITED = "limited"
#: takes memory until it is told that there is none, or is killed
GREEDY = "python3 -c 'x = bytearray(1 << 30); print(len(x))'"
#: as many threads as it can have at once
PROLIFIC = (
    "python3 -c 'import threading as t, time; "
    r"""exec("n = 0\ntry:\n while n < 2000:\n  t.Thread(target=time.sleep, args=(1,), daemon=True).start(); n += 1\n"""
    r"""except RuntimeError: pass\nprint(\"threads:\", n)")'"""
)


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workers]:
    """A worker whose systemd has the kernel's controllers; with a view of all control groups it would find none of its own."""
    name = f"limits-{os.getpid()}"
    scratch = tmp_path_factory.mktemp("limits")
    inventory = scratch / "inventory.yml"
    fleet = fleets.up(name, [fleets.WorkerSpec(LIMITED, "bookworm-systemd-ready", options=("--cgroupns=private",))], inventory)
    try:
        variables = yaml.safe_load(inventory.read_text(encoding="utf-8"))["all"]["vars"]
        found = Workers(Controller(inventory, scratch), fleet, variables)
        found.provision(("0.142.5",))
        yield found
    finally:
        fleets.down(name)


def test_a_session_cannot_have_more_than_its_limits(limited: Workers) -> None:
    limits: dict[str, Any] = {"memory_max": "600M", "cpu_quota": "150%", "tasks_max": "400"}
    launched = limited.session("bounded", prompt=f"RUN: {GREEDY}\nRUN: {PROLIFIC}\nRUN: echo after", **limits)[LIMITED]
    if launched["unenforced_limits"] and os.getuid() != 0:
        pytest.skip("the containers of a user of this machine have not all of the kernel's controllers")
    assert launched["supervisor"] == "systemd" and launched["unenforced_limits"] == []
    seen = limited.until("bounded", lambda entry: is_idle(entry) and "Done: after" in entry["screen"], "done with its turn")[LIMITED]
    assert seen["status"] == "running" and seen["pid"] == launched["pid"]
    assert "1073741824" not in seen["screen"], "a command had more memory than the session may have"
    (threads,) = re.findall(r"^ *(?:•|└)?.*\bthreads: (\d+)", seen["screen"], re.MULTILINE)[-1:]
    assert 0 < int(threads) < 400, "a command had more threads than the session may have"
    assert limited.shell(LIMITED, "systemctl show --value -p MemoryMax -p TasksMax -p CPUQuotaPerSecUSec optio-codex@bounded").split() == [
        "1.500000s",
        "629145600",
        "400",
    ]
    tasks = limited.shell(LIMITED, "systemctl show --value -p TasksCurrent optio-codex@bounded").strip()
    assert 0 < int(tasks) <= 400
    peak = limited.shell(LIMITED, "cat /sys/fs/cgroup/*/system.slice/*/optio-codex@bounded.service/memory.max_usage_in_bytes 2>/dev/null")
    assert not peak or int(peak) <= 629145600

    # another limit is a difference, and an unbounded one has all that there is
    drifted = limited.session("bounded", memory_max="700M", cpu_quota="150%", tasks_max="400")[LIMITED]
    assert [entry["option"] for entry in drifted["drift"]] == ["memory_max"]
    limited.session("free", prompt=f"RUN: {GREEDY}\nRUN: {PROLIFIC}")
    limited.until("free", lambda entry: is_idle(entry) and "1073741824" in entry["screen"] and "threads: 2000" in entry["screen"], "done")
    # too few for codex itself
    starved = limited.play(limited.task("starved", tasks_max="10")).records[0].result
    assert "session starved did not start: codex has reached its limit of 10 processes and threads (tasks_max)" in starved["msg"]
    for name in ("bounded", "free"):
        limited.session(name, state="absent")
        assert limited.traces(LIMITED, name) == []
