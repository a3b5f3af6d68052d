# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filesystems that sessions need: what a shell reports of them, and which problems they have."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.optio.codex.plugins.module_utils._core.errors import ProbeError
from ansible_collections.optio.codex.plugins.module_utils._core.mounts import MOUNTINFO, Mount
from ansible_collections.optio.codex.plugins.module_utils._core.probe import Section, parse
from ansible_collections.optio.codex.plugins.module_utils._monitor.filesystems import (
    LEAST_SPACE,
    RUNTIME,
    SESSIONS,
    Filesystem,
    find_problems,
    parse_filesystems,
)
from ansible_collections.optio.codex.plugins.module_utils._monitor.worker_info import RESOURCE, WorkerView
from ansible_collections.optio.codex.tests.unit.support import shells
from ansible_collections.optio.codex.tests.unit.support.mount_namespaces import needs_mounts

HOME = Filesystem(SESSIONS, "/home/agent/x", mount=Mount("/home", "ext4"), available=1 << 30, inodes=1000)
RUN = Filesystem(RUNTIME, "/run", writable=False, mount=Mount("/run", "tmpfs"), available=1 << 30, inodes=1000)
AGENT = {"user": "agent", "privileged": True}
PARAMS = {"user": None, "sessions_dir": None, "codex_dir": None, "check_sandbox": False}
ELSEWHERE = "or set sessions_dir to a directory on another filesystem"

#: by name: the filesystem, its causes, parts of their remedies, and whether each is blocking
CASES: dict[str, tuple[Filesystem, list[tuple[str, str, bool]]]] = {
    "in order": (HOME, []),
    "runtime directory of root": (RUN, []),
    "unknown": (Filesystem(SESSIONS, "/x"), []),
    "read-only home": (
        replace(HOME, writable=False, mount=Mount("/home", "ext4", read_only=True)),
        [("/home/agent/x is on a filesystem that is mounted read-only at /home", f"mount -o remount,rw /home), {ELSEWHERE}", True)],
    ),
    "read-only /run": (
        replace(RUN, mount=Mount("/", "ext4", read_only=True)),
        [("/run is on a filesystem that is mounted read-only at /", "rw /)", True)],
    ),
    "full home": (
        replace(HOME, available=(1 << 20) - 1),
        [("on a full filesystem: /home has 1023 KiB left", f"Free space in /home (df, du), {ELSEWHERE}", True)],
    ),
    "full /run": (replace(RUN, available=0), [("/run is on a full filesystem: /run has 0 KiB left", "Free space in /run (df, du)", True)]),
    "small /run": (replace(RUN, available=LEAST_SPACE[RUNTIME]), []),
    "no inodes": (replace(RUN, inodes=3), [("/run is on a full filesystem: /run has 3 inodes left", "Remove files in /run (df -i)", True)]),
    "no limit of inodes": (replace(RUN, inodes=None), []),
    "foreign home": (
        replace(HOME, writable=False),
        [("/home/agent/x cannot be created or written by user agent", "Change the owner or the permissions", True)],
    ),
    "NFS": (
        replace(HOME, mount=Mount("/home", "nfs4")),
        [("is on a network filesystem (nfs4 at /home), where the SQLite databases", "Set sessions_dir to a directory on a local", False)],
    ),
    "full NFS": (
        replace(HOME, available=0, mount=Mount("/home", "nfs4")),
        [("on a full filesystem", "Free space", True), ("is on a network filesystem", "local filesystem", False)],
    ),
    "/run on NFS": (replace(RUN, mount=Mount("/", "nfs4")), []),
}


@pytest.mark.parametrize("name", CASES)
def test_each_problem_has_its_remedy(name: str) -> None:
    filesystem, expected = CASES[name]
    problems = find_problems([filesystem], AGENT)
    assert len(problems) == len(expected)
    for problem, (cause, remedy, blocking) in zip(problems, expected):
        assert problem.error.subject == filesystem.path
        assert cause in problem.error.cause
        assert remedy in problem.error.remedy
        assert "become" not in problem.error.remedy
        assert problem.blocking is blocking
        assert problem.as_result() == {
            "object": filesystem.path,
            "cause": problem.error.cause,
            "remedy": problem.error.remedy,
            "blocking": blocking,
        }


def test_root_without_access() -> None:
    (problem,) = find_problems([replace(HOME, writable=False)], {"user": "root", "privileged": True})
    assert "NFS with root_squash" in problem.error.remedy


@pytest.mark.parametrize(("uid", "available"), [("0", 20 * 4096), ("1000", 10 * 4096)])
def test_free_space_is_that_of_the_user(uid: str, available: int) -> None:
    facts = {"uid": uid, "sessions_dir": "/x", "sessions_dir_space": "10 20 4096 0 0", "sessions_dir_writable": "1"}
    assert parse_filesystems(Section("worker", facts)) == [Filesystem(SESSIONS, "/x", available=available)]


@pytest.mark.parametrize("space", ["1 2 3", "1 2 3 4 x", "-1 2 3 4 5"])
def test_an_odd_answer(space: str) -> None:
    with pytest.raises(ProbeError, match="stat -f printed"):
        parse_filesystems(Section("worker", {"sessions_dir": "/x", "sessions_dir_space": space}))


def look(interpreter: str, home: Path, mounts: str = "", mountinfo: str = MOUNTINFO, **options: Any) -> WorkerView:
    params = {**PARAMS, **options}
    prefix = ("unshare", "-m", "sh", "-c", f'{mounts} exec "$0" "$@"') if mounts else ()
    environment = {"HOME": str(home), "PATH": os.environ["PATH"]}
    script = RESOURCE.probe_script(params).replace(MOUNTINFO, mountinfo)
    return RESOURCE.parse_probe(parse(shells.run(interpreter, script, environment=environment, prefix=prefix)), params)


@pytest.mark.parametrize("interpreter", shells.SHELLS)
def test_this_worker(interpreter: str, tmp_path: Path) -> None:
    view = look(interpreter, tmp_path)
    sessions = view.result["filesystems"][SESSIONS]
    assert sessions["path"] == f"{tmp_path}/.local/share/optio-codex"
    free = os.statvfs(tmp_path)
    assert abs((sessions["available_mib"] << 20) - free.f_bavail * free.f_frsize) < 64 << 20 or os.geteuid() == 0
    assert (sessions["read_only"], sessions["network"]) == (False, False)
    assert view.problems == ()
    assert RESOURCE.plan(view, PARAMS).warnings == ()


@needs_mounts
@pytest.mark.parametrize("interpreter", shells.SHELLS)
def test_a_full_run_and_a_read_only_home(interpreter: str, tmp_path: Path) -> None:
    mounts = f"""mount -t tmpfs -o ro x {tmp_path} || exit; mount -t tmpfs -o size=64k y /run || exit
    dd if=/dev/zero of=/run/fill bs=4k 2>/dev/null;"""
    view = look(interpreter, tmp_path, mounts)
    causes = [problem.error.cause for problem in view.problems]
    assert causes == [
        f"the sessions directory {tmp_path}/.local/share/optio-codex is on a filesystem that is mounted read-only at {tmp_path}",
        "the directory of units and sockets /run is on a full filesystem: /run has 0 KiB left",
    ]
    assert [problem["blocking"] for problem in view.result["problems"]] == [True, True]


@pytest.mark.parametrize("interpreter", shells.SHELLS)
def test_a_home_on_nfs(interpreter: str, tmp_path: Path) -> None:
    """With a table of mounts in which every filesystem is NFS: sessions can be launched, and the warning has the remedy."""
    table = re.sub(r" - \S+ ", " - nfs4 ", Path(MOUNTINFO).read_text("utf-8"))
    (tmp_path / "mountinfo").write_text(table, "utf-8")
    view = look(interpreter, tmp_path, mountinfo=str(tmp_path / "mountinfo"))
    [problem] = view.result["problems"]
    assert problem["object"] == f"{tmp_path}/.local/share/optio-codex"
    assert "is on a network filesystem (nfs4 at " in problem["cause"] and "SQLite databases of codex" in problem["cause"]
    assert problem["remedy"] == "Set sessions_dir to a directory on a local filesystem"
    assert problem["blocking"] is False
    [warning] = RESOURCE.plan(view, PARAMS).warnings
    assert problem["remedy"] in warning


def test_a_network_filesystem_is_a_warning(tmp_path: Path) -> None:
    view = look("dash", tmp_path)
    problems = tuple(find_problems([replace(HOME, available=0, mount=Mount("/home", "nfs4"))], AGENT))
    plan = RESOURCE.plan(replace(view, problems=problems), PARAMS)
    assert len(plan.warnings) == 1
    assert "network filesystem (nfs4 at /home)" in plan.warnings[0]
