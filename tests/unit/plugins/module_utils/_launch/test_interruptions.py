# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A module that is killed at each point of a launch: the next run completes it, and the prompt is given exactly once."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.optio.codex.plugins.module_utils._core import processes
from ansible_collections.optio.codex.tests.unit.support.local_session import Lab, RootLab, laboratory, until
from ansible_collections.optio.codex.tests.unit.support.second_user import in_namespace, needs_root

#: what changes something outside of the process, by Python's audit events
POINTS = frozenset(
    f"os.{name}" for name in ("mkdir", "rename", "remove", "rmdir", "symlink", "link", "truncate", "chmod", "chown", "kill")
) | {"subprocess.Popen", "shutil.rmtree"}
#: so many tests share the points of one launch
SHARES = 6
MOST = 400


@pytest.fixture
def lab(open_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    with laboratory(open_path, monkeypatch) as lab:
        yield lab


def run_until(lab: Lab, point: int, **given: Any) -> bool:
    """Run the module in a process that is killed before its ``point``-th change; return whether it came that far."""
    child = os.fork()
    if child == 0:
        left = point

        def count(event: str, arguments: tuple[Any, ...]) -> None:
            nonlocal left
            writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
            if event in POINTS or writes:
                left -= 1
                if left == 0:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(count)
        try:
            lab.run(**given)
        finally:
            os._exit(0)
    _pid, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


def walk(lab: Lab, share: int, **asked: Any) -> None:
    """Kill a launch at each point of a share, each time from nothing."""
    points = 0
    for point in range(1 + share, MOST, SHARES):
        killed = run_until(lab, point, **asked)
        points += killed
        # it is a launch that is completed, and not a session that is resumed
        again = lab.run(**asked, resume=("auto", "never")[point % 2])
        assert again["status"] == "running" and not again["resumed"], point
        assert not any("conversation" in warning for warning in again.get("warnings", ())), point
        assert lab.called.count("Do it") == 1, point
        unchanged = lab.run(**asked)
        assert not unchanged["changed"], (point, unchanged["actions"])
        assert "started=" in Path(lab.layout.record).read_text(), point
        lab.run(state="absent", purge=True)
        assert lab.alive() == [] and lab.snapshot() == {}, point
        if not killed:
            break
    else:
        pytest.fail("the launch has more points than that")
    assert points > 5


def asked_of(lab: Lab) -> dict[str, Any]:
    return {**lab.mode(""), "prompt": "Do it", "instructions": "All of it"}


@pytest.mark.slow
@pytest.mark.parametrize("share", range(SHARES))
def test_a_launch_that_is_killed_is_completed_by_the_next_run(lab: Lab, share: int) -> None:
    walk(lab, share, **asked_of(lab))


@pytest.mark.slow
@pytest.mark.extended
@pytest.mark.parametrize("share", range(SHARES))
def test_a_launch_in_a_clone_that_is_killed_is_completed_by_the_next_run(lab: Lab, open_path: Path, share: int) -> None:
    source = open_path / "source"
    git = ["git", "-C", str(source), "-c", "user.name=t", "-c", "user.email=t@example.com"]
    for command in (["git", "init", "-q", str(source)], [*git, "commit", "-q", "--allow-empty", "-m", "one"]):
        subprocess.run(command, check=True)
    walk(lab, share, repository={"url": str(source)}, **asked_of(lab))


@needs_root
@pytest.mark.slow
@pytest.mark.extended
@pytest.mark.parametrize("share", range(SHARES))
def test_a_launch_by_root_for_another_user_that_is_killed_is_completed_by_the_next_run(
    open_path: Path, monkeypatch: pytest.MonkeyPatch, share: int
) -> None:
    def act() -> None:
        with laboratory(open_path, monkeypatch, RootLab) as lab:
            walk(lab, share, **asked_of(lab))

    in_namespace(open_path, act)


@pytest.mark.slow
@pytest.mark.parametrize("lost", ["record", "mark", "record and mark", "home", "directory", "workdir"])
@pytest.mark.parametrize("resume", ["auto", "always"])
def test_a_prompt_is_never_given_again_after_a_loss(lab: Lab, lost: str, resume: str) -> None:
    asked: dict[str, Any] = {**lab.mode(""), "prompt": "Do it"}
    lab.run(**asked)
    called = list(lab.called)
    processes.send(lab.alive(), signal.SIGKILL)
    until(lambda: not lab.alive())
    layout = lab.layout
    paths = {
        "record": [layout.record],
        "mark": [layout.prompt_mark],
        "record and mark": [layout.record, layout.prompt_mark],
        "home": [layout.home],
        "directory": [layout.task],
        "workdir": [layout.workdir],
    }[lost]
    for path in paths:
        shutil.rmtree(path) if os.path.isdir(path) else os.unlink(path)
    again = lab.run(**asked, resume=resume)
    assert again["status"] == "running"
    assert any("without the prompt" in warning for warning in again["warnings"])
    kept = called if lost not in ("directory", "workdir") else []
    assert lab.called[: len(kept)] == kept and "Do it" not in lab.called[len(kept) :]


@pytest.mark.slow
def test_a_session_without_a_record_is_damaged_and_never_new(lab: Lab) -> None:
    asked: dict[str, Any] = {**lab.mode(""), "prompt": "Do it"}
    lab.run(**asked)
    lab.run(state="stopped")
    os.unlink(lab.layout.record)
    shutil.rmtree(lab.layout.record_copy)
    seen = lab.run(**asked, resume="never")
    assert (seen["status"], seen["changed"], seen["prompt_given"]) == ("damaged", False, "unknown")
    assert any("is gone" in warning for warning in seen["warnings"])
    assert lab.run(**asked)["status"] == "running"
    assert lab.called.count("Do it") == 1
    lab.run(state="absent", purge=True)
    assert lab.snapshot() == {}
