# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Processes told apart exactly: by number and start, and by the tag in their environment."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ansible_collections.optio.codex.plugins.module_utils._core import processes
from ansible_collections.optio.codex.plugins.module_utils._core.paths import TAG_VARIABLE

DEADLINE = 10  # seconds
STAT = "12 (a) b (c) {state} 1 12 12 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 {started} 9 9"


@pytest.mark.parametrize(
    ("stat", "started", "alive"),
    [
        (STAT.format(state="S", started=99), 99, True),
        (STAT.format(state="R", started=99), 99, True),
        (STAT.format(state="D", started=99), 99, True),
        # a later process of the same number
        (STAT.format(state="S", started=98), 99, False),
        # where nobody reaps, a dead one stays listed
        (STAT.format(state="Z", started=99), 99, False),
        (STAT.format(state="X", started=99), 99, False),
        (STAT.format(state="S", started=99), None, False),
        ("", 99, False),
        ("12 (sh) S", 99, False),
        (STAT.format(state="S", started="x"), 99, False),
    ],
)
def test_a_line_of_proc(stat: str, started: int | None, alive: bool) -> None:
    assert processes.stat_is_alive(stat, started) == alive


def test_this_process() -> None:
    state, started = processes.read_stat(os.getpid())
    assert state and started is not None
    assert processes.is_running(os.getpid())
    assert processes.arguments(os.getpid())[0]
    # /proc/<pid> of no process
    assert processes.read_stat(2**22 + 1) == ("", None)
    assert not processes.is_running(2**22 + 1)
    assert processes.arguments(2**22 + 1) == []


@contextmanager
def running(*argv: str, **variables: str) -> Iterator[subprocess.Popen[bytes]]:
    environment = {"PATH": os.environ["PATH"], **variables}
    with subprocess.Popen(argv, env=environment, stdin=subprocess.DEVNULL, start_new_session=True) as child:
        try:
            # until it has executed the program, its environment is this one's
            until(lambda: processes.arguments(child.pid) == list(argv))
            yield child
        finally:
            child.kill()


def until(found: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE
    while not found():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.005)


def test_a_tag_is_of_one_task_alone(tmp_path: Path) -> None:
    tag = f"{tmp_path}/a:"
    with (
        running("sleep", "60", **{TAG_VARIABLE: tag}) as mine,
        running("sleep", "60", **{TAG_VARIABLE: f"{tmp_path}/ab:"}),
        running("sleep", "60", **{TAG_VARIABLE: f"{tag}x"}),
        running("sleep", "60", OTHER=f"{TAG_VARIABLE}={tag}"),
        running(sys.executable, "-c", "import time; time.sleep(60)", tag),
    ):
        assert processes.tagged(tag) == [mine.pid]
        mine.kill()
        # dead and not yet reaped
        until(lambda: processes.read_stat(mine.pid)[0] == "Z")
        assert processes.tagged(tag) == []
        assert not processes.is_running(mine.pid)


def test_a_session_of_the_package_is_known_by_its_home_and_its_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home, socket = f"{tmp_path}/home/.codex", f"{tmp_path}/optio.sock"
    program = (sys.executable, "-c", "import time; time.sleep(60)")
    with (
        running("sleep", "60", CODEX_HOME=home) as codex,
        running(*program, "-S", socket, "attach") as terminal,
        running("sleep", "60", CODEX_HOME=f"{home}2"),
        running(*program, f"-S {socket}", f"{socket}2"),
        running(*program, home),
    ):
        assert processes.package_pids(home, socket) == sorted([codex.pid, terminal.pid])
        # another user's process may name the socket, but it is not this session's
        monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
        assert processes.package_pids(home, socket) == [codex.pid]


def test_what_a_session_started_is_found_through_sessions_and_scrubbed_environments(tmp_path: Path) -> None:
    tag = f"{tmp_path}/a:"
    script = f"setsid sleep 60 & env -i sleep 61 & echo $! >{tmp_path}/scrubbed.new; mv {tmp_path}/scrubbed.new {tmp_path}/scrubbed; wait"
    with running("/bin/sh", "-c", script, **{TAG_VARIABLE: tag}) as parent:
        until((tmp_path / "scrubbed").exists)
        scrubbed = int((tmp_path / "scrubbed").read_text())
        try:
            # mv is a child too, until it has ended
            until(lambda: len(processes.descendants(parent.pid)) == 2 and scrubbed not in processes.tagged(tag))
            below = processes.descendants(parent.pid)
            assert scrubbed in below
            assert set(processes.tagged(tag)) == {parent.pid, *below} - {scrubbed}
        finally:
            processes.send([*processes.tagged(tag), scrubbed], signal.SIGKILL)


def test_signals_to_ended_processes_are_not_errors() -> None:
    with running("sleep", "60") as child:
        processes.send([2**22 + 1, child.pid], signal.SIGTERM)
        assert child.wait(DEADLINE) == -signal.SIGTERM


def test_groups_and_other_users_processes_are_not_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[int] = []

    def kill(pid: int, number: int) -> None:
        sent.append(pid)
        # another user's
        if pid == 1:
            raise PermissionError

    monkeypatch.setattr(os, "kill", kill)
    # 0 is the own group and -1 is everybody, so this is not tried with the real call
    processes.send([1, 0, -1, 2], signal.SIGTERM)
    assert sent == [1, 2]


def test_a_command_line_for_a_message() -> None:
    with running(sys.executable, "-c", "import time; time.sleep(60)", "x" * 200) as child:
        name = processes.command_name(child.pid)
        assert name.startswith(f"{sys.executable} -c import"[:80])
        assert len(name) == 80
    assert processes.command_name(2**22 + 1) == ""


@pytest.mark.parametrize(("lasting", "left"), [(0.0, []), (0.5, []), (99.0, [7])])
def test_waiting_for_an_end(lasting: float, left: list[int]) -> None:
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    assert processes.wait_gone(lambda: [7] if now[0] < lasting else [], 2, lambda: now[0], sleep) == left
    assert now[0] <= 2.1


GROUPS = {
    "unified": "0::/system.slice/system-optio\\x2dcodex.slice/optio-codex@review.service\n",
    "below it": "0::/system.slice/optio-codex@review.service/tool\n",
    "hybrid": "8:pids:/box\n9:name=systemd:/box/system.slice/optio-codex@review.service\n0::/\n",
    "a user's": "0::/user.slice/user-1000.slice/user@1000.service/app.slice/optio-codex@review.service\n",
}
OTHERS = {
    "another session": "0::/system.slice/optio-codex@review2.service\n",
    "a name that holds it": "0::/system.slice/x-optio-codex@review.service\n",
    "none": "0::/\n",
    "gone": "",
}


@pytest.mark.parametrize("case", [*GROUPS, *OTHERS])
def test_processes_of_a_unit(case: str) -> None:
    assert processes.is_inside("optio-codex@review.service", {**GROUPS, **OTHERS}[case]) == (case in GROUPS)


def test_no_process_is_in_a_unit_that_is_not_there() -> None:
    assert processes.in_unit("optio-codex@nothing-of-this-name.service") == []
