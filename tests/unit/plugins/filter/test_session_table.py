# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.optio.codex.plugins.filter.session_table import duration, session_table

NOW = 1_800_000_000.0
RUNNING = {
    "name": "fix-1412",
    "status": "running",
    "activity": "working",
    "started": NOW - 7384,
    "version": "0.169.0",
    "terminal": "running",
    "attach": "ssh -t agent@w1 tmux -S /run/s attach",
    "tunnel": "ssh -N -L 127.0.0.1:17001:/run/s/ttyd.sock agent@w1",
    "url": None,
    "exit_status": None,
    "ended": None,
}
FINISHED = {
    **RUNNING,
    "name": "docs",
    "status": "finished",
    "activity": None,
    "attach": None,
    "tunnel": None,
    "terminal": "dead",
    "exit_status": 0,
    "ended": NOW - 42,
}


def test_table_of_several_workers() -> None:
    assert session_table({"w1": [FINISHED, RUNNING], "worker-2": []}, now=NOW) == [
        "WORKER    SESSION   STATUS        ACTIVITY  AGE    VERSION",
        "w1        docs      finished (0)            42s    0.169.0",
        "w1        fix-1412  running       working   2h03m  0.169.0",
        "worker-2  -         no sessions",
        "",
        "w1/fix-1412",
        "  terminal: ssh -t agent@w1 tmux -S /run/s attach",
        "  browser:  ssh -N -L 127.0.0.1:17001:/run/s/ttyd.sock agent@w1",
        "            then http://127.0.0.1:17001/",
    ]


def test_commands_can_be_left_out() -> None:
    assert session_table({"w1": [RUNNING]}, commands=False, now=NOW)[1:] == ["w1      fix-1412  running  working   2h03m  0.169.0"]


def test_terminal_that_needs_no_tunnel_is_shown_by_its_url() -> None:
    local = {**RUNNING, "tunnel": None, "url": "http://127.0.0.1:7681/"}
    lines = session_table({"localhost": [local]}, now=NOW)
    assert lines[0].endswith("URL")
    assert lines[-1] == "  browser:  http://127.0.0.1:7681/"


def test_dead_terminal_of_a_live_session_is_told() -> None:
    assert "running, no terminal" in session_table({"w1": [{**RUNNING, "terminal": "dead"}]}, now=NOW)[1]


def test_results_of_the_session_module_have_neither_age_nor_activity() -> None:
    launched = {key: value for key, value in RUNNING.items() if key not in ("activity", "started", "terminal")}
    assert session_table({"w1": [launched]}, commands=False, now=NOW) == [
        "WORKER  SESSION   STATUS   VERSION",
        "w1      fix-1412  running  0.169.0",
    ]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-5, "0s"), (0, "0s"), (59.9, "59s"), (60, "1m00s"), (3599, "59m59s"), (3600, "1h00m"), (90_000, "1d01h")],
)
def test_duration(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize("wrong", [[RUNNING], "text", None])
def test_anything_but_workers_is_refused(wrong: Any) -> None:
    with pytest.raises(AnsibleFilterError, match="dictionary of workers"):
        session_table(wrong)
