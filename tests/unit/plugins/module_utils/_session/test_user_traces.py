# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files and processes of a removed user, on real directories and as real other users; the tests of removal require root."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.optio.codex.plugins.module_utils._core import processes
from ansible_collections.optio.codex.plugins.module_utils._core.host import Completed, LocalHost
from ansible_collections.optio.codex.plugins.module_utils._session import user_ids, user_processes, user_traces
from ansible_collections.optio.codex.plugins.module_utils._session.user_account import COMMENT, Account
from ansible_collections.optio.codex.plugins.module_utils._session.user_module import RESOURCE, Accounts
from ansible_collections.optio.codex.plugins.module_utils._session.user_processes import end_processes, ids_of_processes, processes_of
from ansible_collections.optio.codex.plugins.module_utils._session.user_traces import (
    Sweep,
    Traces,
    named_files,
    owners,
    remove_named,
    tops,
)
from ansible_collections.optio.codex.tests.unit.support.session_builders import options

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="makes files and processes of other users")
#: no account has them
#: of this process alone, because other tests run beside it
UID = 50000 + 2 * (os.getpid() % 5000)
OTHER = UID + 1


def make(path: Path, uid: int, text: str = "x") -> Path:
    path.write_text(text)
    os.chown(path, uid, uid)
    return path


def make_directory(path: Path, uid: int, mode: int = 0o755) -> Path:
    path.mkdir()
    path.chmod(mode)
    os.chown(path, uid, uid)
    return path


def sweep(top: Path, removes: bool = True) -> Traces:
    traces = Traces()
    Sweep({UID}, LocalHost(), traces, removes).run(str(top))
    return traces


def test_what_the_user_owns_goes_and_nothing_else(tmp_path: Path) -> None:
    outside = make(tmp_path / "outside", 0)
    top = make_directory(tmp_path / "top", 0, 0o1777)
    make(top / "file", UID)
    make(top / "line\nbreak \udcff", UID)
    own = make_directory(top / "own", UID, 0)
    make(make_directory(own / "below", UID, 0) / "deep", UID)
    os.mkfifo(own / "pipe")
    os.chown(own / "pipe", UID, UID)
    (own / "link").symlink_to(outside)
    os.chown(own / "link", UID, UID, follow_symlinks=False)
    (top / "directory link").symlink_to(tmp_path)
    os.chown(top / "directory link", UID, UID, follow_symlinks=False)
    theirs = make_directory(top / "theirs", OTHER, 0o777)
    kept = make(theirs / "kept", OTHER)
    make(theirs / "dropped", UID)
    roots_link = top / "link of root"
    roots_link.symlink_to(own)

    found = sweep(top, removes=False)
    assert (
        set(map(os.path.basename, found.found)) == {"file", "line\nbreak \udcff", "own", "directory link", "dropped"} and found.left == []
    )
    assert kept.exists() and (own / "below/deep").exists()
    assert sweep(top).left == []
    assert sorted(os.listdir(top)) == ["link of root", "theirs"] and os.listdir(theirs) == ["kept"] and outside.read_text() == "x"
    assert sweep(top).found == []


def test_other_users_files_are_left_and_named(tmp_path: Path) -> None:
    """A file of another user in a directory of the user, as a process of root may have made it."""
    top = make_directory(tmp_path / "top", 0)
    own = make_directory(top / "own", UID)
    make(own / "gone", UID)
    make(own / "log", 0)
    assert sweep(top).left == [{"path": str(own), "reason": "directory not empty"}]
    assert os.listdir(own) == ["log"]


def test_limits_are_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    top = make_directory(tmp_path / "top", 0)
    deep = top
    for _level in range(12):
        deep = make_directory(deep / "d", UID)
    monkeypatch.setattr(user_traces, "DEPTH_LIMIT", 5)
    assert "more than 5 levels deep" in [entry["reason"] for entry in sweep(top).left]
    monkeypatch.setattr(user_traces, "ENTRY_LIMIT", 3)
    many = make_directory(tmp_path / "many", 0)
    for number in range(10):
        make(many / str(number), UID)
    assert "not all of it was looked at" in sweep(many).left[0]["reason"]
    monkeypatch.setattr(user_traces, "TIME_LIMIT", -1.0)
    assert sweep(many).left and len(os.listdir(many)) == 7
    assert sweep(tmp_path / "absent").left == []


def test_a_deep_tree_goes(tmp_path: Path) -> None:
    top = make_directory(tmp_path / "top", 0)
    deep = top
    for _level in range(150):
        deep = make_directory(deep / "d", UID)
    assert sweep(top).left == [] and os.listdir(top) == []


def test_files_by_the_name_of_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = make_directory(tmp_path / "spool", 0)
    monkeypatch.setattr(user_traces, "NAMED", (f"{spool}/{{name}}", f"{tmp_path}/none/{{name}}", f"{spool}/../spool/{{name}}"))
    make(spool / "codex-a", 0)
    make(spool / "codex-ab", 0)
    make_directory(spool / "codex-d", 0)
    traces = Traces()
    assert named_files("codex-a") == [f"{spool}/codex-a"] and named_files("codex-d") == []
    remove_named("codex-a", traces)
    assert sorted(os.listdir(spool)) == ["codex-ab", "codex-d"] and traces.left == []


def test_owners_of_files_are_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(user_traces, "SHARED", (str(tmp_path),))
    make(tmp_path / "x", UID)
    assert UID in owners()


PLACES = (
    *("/tmp", "/var/tmp", "/dev/shm", "/dev/mqueue", "/run/lock", "/run/user", f"/run/user/{UID}"),
    *("/var/mail", "/var/spool/mail", "/var/spool/cron", "/var/spool/at"),
)


# the user id differs between the processes of a test run
@pytest.mark.parametrize("path", PLACES, ids=[path.replace(str(UID), "UID") for path in PLACES])
def test_places_in_which_a_user_can_leave_files(path: str) -> None:
    assert os.path.realpath(path) in tops(UID)


@pytest.mark.parametrize(
    "path", ["/var/spool/cron/crontabs", "/var/spool/cron/tabs", "/var/spool/cron", "/var/mail", "/var/lib/systemd/linger"]
)
def test_places_in_which_daemons_look_for_a_name(path: str) -> None:
    assert f"{path}/{{name}}" in user_traces.NAMED


def sleep() -> None:
    time.sleep(60)


def escape() -> None:
    """Ignore SIGTERM, and move on to a new process in a session of its own, again and again."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    end = time.monotonic() + 60
    while time.monotonic() < end:
        if os.fork():
            os._exit(0)
        os.setsid()


@pytest.fixture
def started() -> Iterator[list[int]]:
    made: list[int] = []
    yield made
    for pid in processes_of({UID, OTHER}):
        os.kill(pid, signal.SIGKILL)
    for pid in made:
        os.waitpid(pid, 0)


def start(started: list[int], uid: int, work: Callable[[], None]) -> None:
    """Start a process of a user that runs nothing of the user's own files, which the user may not reach."""
    seen, ready = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
        os.close(ready)
        try:
            work()
        finally:
            os._exit(0)
    started.append(pid)
    os.close(ready)
    # until then it is root's
    os.read(seen, 1)
    os.close(seen)


@pytest.mark.slow
def test_every_process_of_the_user_ends(started: list[int]) -> None:
    """Also one that ignores SIGTERM and moves on faster than it can be listed; another user's stays."""
    for work in (sleep, escape, escape):
        start(started, UID, work)
    start(started, OTHER, sleep)
    time.sleep(0.5)
    assert processes_of({UID}) and UID in ids_of_processes()
    begun = time.monotonic()
    assert end_processes(UID, {UID}, LocalHost()) == [] and time.monotonic() - begun < 10
    time.sleep(0.3)
    assert not processes_of({UID}) and processes_of({OTHER})


@pytest.mark.slow
def test_processes_that_no_list_has_end_too(started: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    """One that forks faster than the processes are listed is in no list."""
    for work in (sleep, escape, escape):
        start(started, UID, work)
    with monkeypatch.context() as patch:
        patch.setattr(user_processes, "processes_of", lambda ids: {})
        assert end_processes(UID, {UID}, LocalHost()) == []
    # a killed process is gone once it has run again
    deadline = time.monotonic() + 10
    while processes_of({UID}):
        assert time.monotonic() < deadline
    assert not any(processes_of({UID}) for _look in range(20))


class LoggingHost(LocalHost):
    """Runs no command, and tells which it was asked for and how many processes the user had then."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[str, int]] = []

    def run(self, argv: Sequence[str], **_options: Any) -> Completed:
        self.asked.append((" ".join(argv[:2]), len(processes_of({UID}))))
        return Completed(0, "", "")


@pytest.fixture
def spool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the spool of a worker with one shared directory and one spool."""
    made = make_directory(tmp_path / "spool", 0)
    monkeypatch.setattr(user_traces, "SHARED", (str(make_directory(tmp_path / "shared", 0, 0o1777)),))
    monkeypatch.setattr(user_traces, "SPOOLS", (str(made),))
    monkeypatch.setattr(user_traces, "NAMED", (f"{made}/{{name}}",))
    return made


def test_a_user_that_is_cleared_leaves_nothing(spool: Path, tmp_path: Path, started: list[int]) -> None:
    """Neither a file, a crontab of root's, a job of at, nor a process; it is locked before the process is ended."""
    start(started, UID, sleep)
    make(tmp_path / "shared/file", UID)
    make(spool / "codex-a", 0)
    make(spool / "a00001", UID)
    user = Account("codex-a", UID, COMMENT, ids=frozenset({UID}), pids=tuple(started), named=(f"{spool}/codex-a",))
    host, seen = LoggingHost(), Accounts((user,))
    params = options(RESOURCE, names=["codex-a"], state="cleared")
    assert RESOURCE.apply(RESOURCE.plan(seen, params), seen, params, host) == {"uids": {"codex-a": UID}, "left": []}
    assert host.asked[0] == ("usermod --lock", 1)
    assert not processes_of({UID}) and os.listdir(spool) == os.listdir(tmp_path / "shared") == []


def test_a_new_user_gets_nothing_of_an_earlier_one(spool: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(user_ids, "COPY_ROOT", str(tmp_path / "lib"))
    monkeypatch.setattr(user_ids, "MARK", f"{tmp_path}/lib/.next_uid")
    make(spool / "codex-a", 0)
    host, params = LoggingHost(), options(RESOURCE, names=["codex-a"], state="reserved")
    seen = Accounts((Account("codex-a", named=(f"{spool}/codex-a",)),), (UID,))
    assert RESOURCE.apply(RESOURCE.plan(seen, params), seen, params, host)["left"] == []
    assert os.listdir(spool) == []


def test_no_process_of_root_is_touched(monkeypatch: pytest.MonkeyPatch) -> None:
    """The system call that ends all processes of an id is not made as root."""
    calls: list[int] = []
    monkeypatch.setattr(os, "kill", lambda pid, number: calls.append(pid))
    user_processes._kill_all(0)
    assert calls == []


def test_what_survives_is_returned(started: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    start(started, UID, sleep)
    monkeypatch.setattr(user_processes, "GRACE", 0.1)
    monkeypatch.setattr(user_processes, "LIMIT", 0.1)
    monkeypatch.setattr(processes, "send", lambda pids, number: None)
    monkeypatch.setattr(user_processes, "_kill_all", lambda uid: None)
    assert end_processes(UID, {UID}, LocalHost()) == started
