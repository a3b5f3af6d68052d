# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One change of a task at a time, and none that waits for another task's."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ansible_collections.optio.codex.plugins.module_utils._core.errors import OptioError
from ansible_collections.optio.codex.plugins.module_utils._session.layout import SessionPaths
from ansible_collections.optio.codex.plugins.module_utils._session.lock import LOCK_TIMEOUT, task_lock
from ansible_collections.optio.codex.tests.unit.support.session_builders import FakeHost

COLLECTIONS = Path(__file__).resolve().parents[5] / "collections"
#: another process: the locks of one process never stand in each other's way
HOLDER = """
import sys
from ansible_collections.optio.codex.plugins.module_utils._core.host import LocalHost
from ansible_collections.optio.codex.plugins.module_utils._session.layout import SessionPaths
from ansible_collections.optio.codex.plugins.module_utils._session.lock import task_lock
root, name = sys.argv[1:]
with task_lock(SessionPaths(name, f"{root}/{name}", f"{root}/{name}/w", root), None, LocalHost()):
    print("held", flush=True)
    sys.stdin.read()
"""


def layout_of(root: Path, name: str) -> SessionPaths:
    return SessionPaths(name, f"{root}/{name}", f"{root}/{name}/w", str(root))


def holding(root: Path, name: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(COLLECTIONS)}
    argv = [sys.executable, "-c", HOLDER, str(root), name]
    holder = subprocess.Popen(argv, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None and holder.stdout.readline() == "held\n"
    return holder


def test_another_run_is_waited_for_and_then_named(tmp_path: Path) -> None:
    with holding(tmp_path, "one") as holder:
        host = FakeHost()
        waiting = task_lock(layout_of(tmp_path, "one"), None, host)
        with pytest.raises(OptioError, match=r"another run has held the lock .*/\.lock of session one for 120 s"), waiting:
            raise AssertionError("two runs at once")
        assert host.now >= LOCK_TIMEOUT
        # one that waits for another task would make a fleet slow
        other = FakeHost()
        with task_lock(layout_of(tmp_path, "two"), None, other):
            assert other.now == 0
        # a run that is killed holds nothing back
        holder.send_signal(signal.SIGKILL)
        holder.wait(10)
        with task_lock(layout_of(tmp_path, "one"), None, host):
            pass


class Releasing(FakeHost):
    """A host on which the other run ends while this one waits."""

    holder: subprocess.Popen[str]

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        if self.holder.poll() is None:
            self.holder.communicate("", timeout=10)


def test_the_lock_is_had_as_soon_as_it_is_free(tmp_path: Path) -> None:
    with holding(tmp_path, "one") as holder:
        host = Releasing()
        host.holder = holder
        with task_lock(layout_of(tmp_path, "one"), None, host):
            assert 0 < host.now < 1


def test_it_leaves_one_file_for_any_number_of_tasks(tmp_path: Path) -> None:
    root = tmp_path / "new" / "root"
    for name in ("one", "two", "three"):
        host = FakeHost()
        with task_lock(layout_of(root, name), "alice", host):
            assert host.acted == ["alice"]
    assert [path.name for path in root.iterdir()] == [".lock"]
    assert (root / ".lock").stat().st_mode & 0o777 == 0o600
    assert root.stat().st_mode & 0o777 == 0o700


def test_a_link_in_the_locks_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / ".lock").symlink_to(tmp_path / "elsewhere")
    refused = task_lock(layout_of(tmp_path, "one"), None, FakeHost())
    with pytest.raises(OptioError, match=r"/\.lock: too many levels of symbolic links"), refused:
        raise AssertionError("a lock of somebody else")
    assert not (tmp_path / "elsewhere").exists()
