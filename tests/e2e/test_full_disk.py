# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The disk fills in the midst of a turn: the truth, errors that name it, nothing half-done, and all is there afterwards."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from e2e.chaos import ALL_GONE, SHELL, TURN
from e2e.sessions import USER, WORKERS, Result, Workers

pytestmark = pytest.mark.battery

DISK = f"/home/{USER}/small"
SIZE = "24m"
FULL = "no space left on device. Free space on that filesystem and run again"
STATE_FILES = ("session", "environment", "launch.sh", "terminal")


class Disk:
    """A small file system for sessions, on both workers."""

    def __init__(self, workers: Workers) -> None:
        self.workers = workers

    def each(self, script: str) -> list[str]:
        """Return what a script prints on each worker, with the session ``full`` at hand."""
        prelude = f"name=full; {SHELL}\ntask={DISK}/$name\n"
        return [self.workers.shell(worker, prelude + script) for worker in WORKERS]

    def mounted(self, script: str) -> None:
        """Run what may change the file systems of each worker; a plain shell in a container may not."""
        for node in self.workers.fleet.workers:
            subprocess.run(["podman", "exec", "--privileged", node.container, "sh", "-c", script], check=True, timeout=30)

    def fill(self) -> None:
        self.each(f"as_user dd if=/dev/zero of={DISK}/fill bs=4k 2>/dev/null")

    def free(self) -> None:
        self.each(f"rm {DISK}/fill")

    def state(self) -> list[str]:
        """Return everything that is on record of the session on each worker."""
        return self.each(f"cd $task; for file in {' '.join(STATE_FILES)}; do echo $file; cat $file; done; ls")

    def look(self) -> list[Result]:
        return list(self.workers.info("full", sessions_dir=DISK).values())

    def refused(self, name: str = "full", **options: Any) -> None:
        """Check that a launch is refused for the disk alone."""
        run = self.workers.play(self.workers.task(name, sessions_dir=DISK, prompt=TURN, **options))
        assert [FULL in record.result["msg"] for record in run.records] == [True] * len(WORKERS), run.output[-3000:]


@pytest.fixture
def disk(workers: Workers) -> Iterator[Disk]:
    found = Disk(workers)
    found.mounted(f"mkdir -p {DISK} && mount -t tmpfs -o size={SIZE},uid=1000,gid=1000,mode=700 tmpfs {DISK}")
    try:
        yield found
    finally:
        found.mounted(f"umount -l {DISK} && rmdir {DISK}")


def test_a_disk_that_fills_in_the_midst_of_a_turn(workers: Workers, disk: Disk) -> None:
    options: dict[str, Any] = {"sessions_dir": DISK, "prompt": TURN}
    workers.session("full", **options)
    disk.each("until [ -e $task/workdir/waiting ]; do sleep 0.1; done")
    before = disk.look()
    assert all(entry["session_id"] and entry["activity"] == "working" for entry in before)
    disk.fill()
    assert [(entry["status"], entry["activity"]) for entry in disk.look()] == [("running", "working")] * len(WORKERS)

    recorded = disk.state()
    disk.refused("another")
    disk.refused(state="restarted")
    assert disk.state() == recorded and {entry["pid"] for entry in disk.look()} == {entry["pid"] for entry in before}
    assert disk.each(f"ls -d {DISK}/another /run/optio-codex/another; pgrep -af '[a]nother/'") == [""] * len(WORKERS)

    disk.each(f'end "$(codex)"; {ALL_GONE}')
    recorded = disk.state()
    for _time in range(2):
        # its exit status had no room
        assert [(entry["status"], entry["terminal"]) for entry in disk.look()] == [("lost", "dead")] * len(WORKERS)
        disk.refused(resume="always")
    assert disk.state() == recorded

    disk.free()
    resumed = workers.session("full", resume="always", **options)
    assert all(result["resumed"] for result in resumed.values())
    message = {"optio.codex.session_message": {"name": "full", "user": USER, "sessions_dir": DISK, "text": "SAY: still here"}}
    wait = {"optio.codex.session_wait": {"name": "full", "user": USER, "sessions_dir": DISK, "state": "idle", "timeout": 60}}
    assert workers.play(wait, message, wait).results
    after = disk.look()
    assert {entry["message"] for entry in after} == {"still here"}
    assert {entry["session_id"] for entry in after} == {entry["session_id"] for entry in before}
    assert disk.each("cat $task/workdir/count.txt") == ["begun\nwent on\n"] * len(WORKERS)

    disk.fill()
    stopped = workers.session("full", state="stopped", sessions_dir=DISK)
    assert {result["status"] for result in stopped.values()} == {"stopped"}
    assert disk.each("tagged; ls $task/workdir/count.txt") == [f"{DISK}/full/workdir/count.txt\n"] * len(WORKERS)
    workers.session("full", state="absent", sessions_dir=DISK)
    assert disk.each("ls -A $task; ls -d $runtime") == ["agent\nhome\nworkdir\n"] * len(WORKERS)
