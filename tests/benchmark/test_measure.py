# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How the benchmark reads a run; what it measures is no matter for tests."""

from __future__ import annotations

import select
import subprocess

import pytest
from benchmark.measure import Phase, Timing, ended, phases_of
from benchmark.pyinfra_run import nothing_changed
from benchmark.warm_run import Contender, ratios, verdict

TRACE = """
<127.0.0.1> SSH: EXEC ssh -C -o ControlMaster=auto -o Port=40001 -o User=root 127.0.0.1 '/bin/sh'
<127.0.0.1> SSH: EXEC ssh -C -o ControlMaster=auto -o Port=40002 -o User=root 127.0.0.1 '/bin/sh'
Using module file /c/ansible_collections/optio/codex/plugins/modules/codex_release.py
<127.0.0.1> SSH: EXEC ssh -C -o ControlMaster=auto -o Port=40002 -o User=root 127.0.0.1 'python'
"""


def timing(wall: float, changed: int = 0, output: str = "") -> Timing:
    return Timing(wall, wall / 2, changed, output)


def test_a_trace_shows_the_bytes_sent() -> None:
    traced = timing(1.0, output=TRACE)
    assert traced.shipped == ["codex_release"]
    assert traced.commands_per_worker(2) == 1.5


def test_phases_fill_the_whole_run() -> None:
    events = [
        {"event": "start", "name": "", "time": 11.0},
        {"event": "task", "name": "look", "time": 11.5},
        {"event": "ok", "name": "look", "time": 12.0},
        {"event": "ok", "name": "look", "time": 12.5},
        {"event": "task", "name": "install", "time": 13.0},
        {"event": "skipped", "name": "install", "time": 13.5},
        {"event": "end", "name": "", "time": 14.0},
    ]
    phases = phases_of(events, 10.0, 15.0)
    assert [phase.wall for phase in phases] == [1.0, 0.5, 1.5, 1.0, 1.0]
    assert phases[2:4] == [Phase("look", 1.5, ok=2), Phase("install", 1.0, skipped=1)]


def test_ratios_are_of_runs_of_the_same_round() -> None:
    # the medians of the columns would give A/B = 2
    timings = {"A": [timing(1), timing(4), timing(9)], "B": [timing(2), timing(1), timing(3)]}
    timings |= {"C": timings["B"], "D": timings["B"]}
    assert ratios(timings).splitlines()[2].split() == ["A/B", "3.00", "3.00"]


@pytest.mark.parametrize(("changed", "trace", "good"), [(0, "", True), (1, "", False), (0, TRACE, False)])
def test_a_warm_run_that_changes_or_sends_something_is_a_fault(changed: int, trace: str, good: bool) -> None:
    field = [Contender("A", "warm", "a.yml", True), Contender("B", "ping", "b.yml", False)]
    timings = {"A": [timing(1), timing(1, changed)], "B": [timing(1, changed=10)]}
    assert verdict(field, timings, timing(1, output=trace)) is good


def test_a_run_that_is_left_is_ended_with_its_children() -> None:
    process = subprocess.Popen(["sh", "-c", "sleep 600 & echo; wait"], start_new_session=True, stdout=subprocess.PIPE)
    output = process.stdout
    assert output is not None
    with output:
        with pytest.raises(KeyError), ended(process):
            output.readline()
            raise KeyError
        # the pipe ends when the child has gone too
        assert select.select([output], [], [], 30.0)[0]
        assert output.read() == b""


#: the end of what pyinfra 3.10.0 prints
RESULTS = "    Operation         Hosts   Success   Error   No Change   \n    Grand total       4       {}       {}       {}           \n"


@pytest.mark.parametrize(("cells", "expected"), [("--4", True), ("2-2", False), ("-22", False), ("4--", False)])
def test_whether_pyinfra_changed_something(cells: str, expected: bool) -> None:
    assert nothing_changed(RESULTS.format(*cells)) is expected
    assert not nothing_changed("--> Connecting to hosts...")
