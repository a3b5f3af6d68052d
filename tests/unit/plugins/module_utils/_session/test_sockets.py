# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The directories of a session's sockets: whose they are, and that they go with it and nothing else does."""

from __future__ import annotations

import grp
import os
import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from ansible_collections.optio.codex.plugins.module_utils._core.errors import OptioError
from ansible_collections.optio.codex.plugins.module_utils._core.plan import Action
from ansible_collections.optio.codex.plugins.module_utils._launch.spec import SessionSpec
from ansible_collections.optio.codex.plugins.module_utils._launch.start import SessionSteps
from ansible_collections.optio.codex.plugins.module_utils._session import layout, runtime_dir
from ansible_collections.optio.codex.plugins.module_utils._session.command_line import TerminalOptions
from ansible_collections.optio.codex.tests.unit.support.fake_machine import STEP, Bench, Process, answering
from ansible_collections.optio.codex.tests.unit.support.session_builders import session_of


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(tmp_path, monkeypatch)


# the directory of the sockets


def sockets(bench: Bench) -> Action:
    """Return the action that is of the directory of the sockets."""
    return Action("create_runtime", bench.layout.runtime)


@pytest.fixture
def privileged(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Callable[[], SessionSteps]:
    """Give the steps of a session whose sockets are where root keeps them."""
    root = f"{os.path.dirname(bench.layout.task)}/run"
    os.rmdir(bench.layout.runtime)
    os.rmdir(root)
    for module in (runtime_dir, layout):
        monkeypatch.setattr(module, "RUNTIME_ROOT", root)
        monkeypatch.setattr(module, "WEB_ROOT", f"{root}-web")
    return bench.steps


def test_roots_directory_is_open_and_the_sessions_is_not(bench: Bench, privileged: Callable[[], SessionSteps]) -> None:
    undo = privileged().runtime.create(sockets(bench))
    assert undo is not None
    assert os.stat(bench.layout.runtime).st_mode & 0o777 == 0o700
    assert os.stat(os.path.dirname(bench.layout.runtime)).st_mode & 0o777 == 0o755
    assert os.stat(bench.layout.runtime).st_uid == os.geteuid()
    undo()
    assert not os.path.exists(os.path.dirname(bench.layout.runtime))


def test_the_last_session_takes_the_shared_directory_along(bench: Bench, privileged: Callable[[], SessionSteps]) -> None:
    privileged().runtime.create(sockets(bench))
    other = f"{os.path.dirname(bench.layout.runtime)}/other"
    os.mkdir(other)
    Path(f"{bench.layout.runtime}/tmux.sock").write_text("")
    privileged().runtime.remove(sockets(bench))
    assert os.listdir(os.path.dirname(other)) == ["other"]


@pytest.mark.parametrize("step", ["chmod", "mkdir"])
@pytest.mark.parametrize("times", [1, 2])
def test_a_shared_directory_that_another_end_takes_along_is_made_again(
    bench: Bench, privileged: Callable[[], SessionSteps], monkeypatch: pytest.MonkeyPatch, step: str, times: int
) -> None:
    root, left = os.path.dirname(bench.layout.runtime), [times]
    original = getattr(os, step)

    def after_an_end(path: str, *mode: int, **options: int) -> None:
        if left[0] and (path == root if step == "chmod" else os.path.dirname(path) == root):
            left[0] -= 1
            os.rmdir(root)
        original(path, *mode, **options)

    monkeypatch.setattr(os, step, after_an_end)
    privileged().runtime.create(sockets(bench))
    assert os.path.isdir(bench.layout.runtime) and left == [0]


def test_a_directory_that_another_user_made_first_is_not_used(bench: Bench, privileged: Callable[[], SessionSteps]) -> None:
    os.makedirs(bench.layout.runtime)
    with pytest.raises(OptioError, match="file exists"):
        privileged().runtime.create(sockets(bench))
    assert os.path.isdir(bench.layout.runtime)


def test_the_web_servers_directory_gives_its_group_to_what_is_made_in_it(bench: Bench, privileged: Callable[[], SessionSteps]) -> None:
    """A group that may go through, to names that it knows, and neither list nor write."""
    group = grp.getgrgid(os.getegid()).gr_name
    action = Action("create_runtime", bench.layout.web, payload=group)
    undo = privileged().runtime.create(action)
    assert undo is not None
    seen = os.stat(bench.layout.web)
    assert (stat.S_IMODE(seen.st_mode), seen.st_uid, seen.st_gid) == (0o2710, os.geteuid(), os.getegid())
    assert os.stat(os.path.dirname(bench.layout.web)).st_mode & 0o777 == 0o755
    # one that is there is given to the group, and not taken away again
    os.chmod(bench.layout.web, 0o700)
    assert privileged().runtime.create(action) is None
    assert stat.S_IMODE(os.stat(bench.layout.web).st_mode) == 0o2710
    undo()
    assert not os.path.exists(os.path.dirname(bench.layout.web))


def test_a_users_directory_goes_with_its_parents_when_it_is_taken_back(bench: Bench) -> None:
    os.rmdir(bench.layout.runtime)
    os.rmdir(os.path.dirname(bench.layout.runtime))
    undo = bench.steps().runtime.create(sockets(bench))
    assert undo is not None
    assert os.stat(bench.layout.runtime).st_mode & 0o777 == 0o700
    undo()
    assert not os.path.exists(os.path.dirname(bench.layout.runtime))


def test_files_of_another_session_stay(bench: Bench) -> None:
    os.rmdir(bench.layout.runtime)
    os.rmdir(os.path.dirname(bench.layout.runtime))
    undo = bench.steps().runtime.create(sockets(bench))
    other = Path(bench.layout.runtime).parent / "other"
    other.mkdir()
    assert undo is not None
    undo()
    assert other.is_dir() and not Path(bench.layout.runtime).exists()


@pytest.mark.usefixtures("privileged")
def test_a_web_servers_terminals_are_two(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """One to type in and one to watch: each is recorded and taken back for itself, and both are closed."""
    answering(monkeypatch)
    bench.machine.table = {20: Process(("ttyd",)), 21: Process(("ttyd",))}
    os.makedirs(bench.layout.web)
    terminal = TerminalOptions(writable=True, group="www-data")
    records = [Path(bench.layout.terminal), Path(bench.layout.watch)]
    watchers = terminal.watchers
    assert watchers is not None
    bench.steps().open(terminal)
    undo = bench.steps().open(watchers)
    assert [path.read_text() for path in records] == ["20 99 0\n", "21 99 0\n"]
    names = [os.path.basename(event.partition(" -i ")[2].partition(" ")[0]) for event in bench.machine.events]
    assert names == ["type.sock", "watch.sock"]

    undo()
    assert bench.machine.events[2:] == ["stop second terminal", "SIGTERM 21"]
    assert [path.exists() for path in records] == [True, False]

    for name in ("type.sock", "watch.sock"):
        Path(bench.layout.web, name).write_text("")
    bench.machine.table[21].alive = True
    session = session_of("running", SessionSpec(terminal=terminal), bench.layout, watch_pid=21, watch_alive=True)
    bench.steps(view=replace(bench.view, session=session)).close(STEP)
    assert bench.machine.running() == [] and os.listdir(bench.layout.web) == []
    assert [path.exists() for path in records] == [False, False]
