# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which limit keeps the kernel from creating a process."""

from __future__ import annotations

import os
import resource
from pathlib import Path
from subprocess import CompletedProcess as Completed

import pytest

from ansible_collections.optio.codex.plugins.module_utils._core import process_limits
from ansible_collections.optio.codex.plugins.module_utils._core.errors import OptioError
from ansible_collections.optio.codex.plugins.module_utils._core.host import LocalHost
from ansible_collections.optio.codex.plugins.module_utils._core.process_limits import ProcessLimits, process_limit_error, read_limits


@pytest.mark.parametrize(
    ("limits", "cause", "remedy"),
    [
        (ProcessLimits("agent", 64), "user agent has reached the limit of 64 processes and threads (RLIMIT_NPROC)", "LimitNPROC"),
        (ProcessLimits("agent", 64, "/a.scope", "32"), "cgroup /a.scope has reached its limit of 32 processes and threads", "TasksMax"),
        (ProcessLimits("root"), "the process table of the worker is full", "kernel.pid_max"),
    ],
)
def test_each_limit_has_its_remedy(limits: ProcessLimits, cause: str, remedy: str) -> None:
    error = process_limit_error("/x/codex", limits)
    assert error.subject == "/x/codex"
    assert error.cause.startswith(f"/x/codex cannot be started: {cause}")
    assert remedy in error.remedy


#: by text of /proc/self/cgroup and files below /sys/fs/cgroup, the cgroup that is full
CGROUPS: list[tuple[str, dict[str, str], tuple[str, str]]] = [
    ("0::/a/b\n", {"a/b/pids.max": "max", "a/b/pids.current": "9", "a/pids.max": "9", "a/pids.current": "9"}, ("/a", "9")),
    ("0::/a/b\n", {"a/b/pids.max": "5", "a/b/pids.current": "5", "a/pids.max": "9", "a/pids.current": "9"}, ("/a/b", "5")),
    ("0::/a/b\n", {"a/b/pids.max": "5", "a/b/pids.current": "4"}, ("", "")),
    ("3:cpu:/x\n2:pids:/a\n", {"pids/a/pids.max": "7", "pids/a/pids.current": "8"}, ("/a", "7")),
    ("0::/\n", {}, ("", "")),
    # of a container: with a namespace of cgroups, and without one
    ("0::/\n", {"pids.max": "24", "pids.current": "24"}, ("/", "24")),
    ("2:pids:/libpod/x\n", {"pids/pids.max": "24", "pids/pids.current": "24"}, ("/", "24")),
    ("", {}, ("", "")),
    # programs that have ended since have left room
    ("0::/a\n", {"a/pids.max": "24", "a/pids.current": "4", "a/pids.events": "max 3"}, ("/a", "24")),
    ("0::/a\n", {"a/pids.max": "24", "a/pids.current": "4", "a/pids.events": "max 0"}, ("", "")),
    ("0::/a\n", {"a/pids.max": "24", "a/pids.current": "4", "a/pids.events": "max"}, ("", "")),
]


@pytest.mark.parametrize(("own", "files", "found"), CGROUPS)
def test_the_innermost_full_cgroup(
    own: str, files: dict[str, str], found: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"{text}\n")
    read = process_limits._read
    monkeypatch.setattr(process_limits, "CGROUPS", str(tmp_path))
    monkeypatch.setattr(process_limits, "_read", lambda path: own if path == "/proc/self/cgroup" else read(path))
    limits = read_limits()
    assert (limits.cgroup, limits.pids_max) == found
    assert limits.is_full is (bool(found[0]) and not any(name.endswith("events") for name in files))


@pytest.mark.parametrize(
    ("uid", "soft", "limit"), [(os.getuid() or 1000, 64, 64), (os.getuid() or 1000, resource.RLIM_INFINITY, None), (0, 64, None)]
)
def test_the_limit_of_a_user(uid: int, soft: int, limit: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: uid)
    monkeypatch.setattr(resource, "getrlimit", lambda what: (soft, soft))
    assert read_limits().limit == limit


@pytest.mark.parametrize(
    ("errors", "failed"),
    [
        ("/bin/sh: 12: Cannot fork\n", True),
        ("x\n/bin/sh: line 3: fork: Resource temporarily unavailable\n", True),
        ("/bin/sh: can't fork: Resource temporarily unavailable\n", True),
        # bash tries again
        ("/bin/sh: fork: retry: Resource temporarily unavailable\n", False),
        ("cat: /bin/sh: Cannot fork\n", False),
        ("", False),
    ],
)
def test_shell_that_could_not_run_a_command(errors: str, failed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("subprocess.run", lambda *_arguments, **_options: Completed([], 0, b"some", errors.encode()))
    if not failed:
        assert LocalHost().probe("") == "some"
        return
    with pytest.raises(OptioError, match=r"/bin/sh cannot be started: "):
        LocalHost().probe("")


def test_a_full_process_table_is_an_error_and_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_arguments: object, **_options: object) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr("subprocess.run", full)
    with pytest.raises(OptioError, match=r"/bin/sh cannot be started: "):
        LocalHost().probe("")
    with pytest.raises(OptioError, match=r"tmux cannot be started: "):
        LocalHost().run(["tmux"])
