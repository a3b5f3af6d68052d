# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether somebody still waits for a module's answer."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.optio.codex.plugins.module_utils._core import controller_link as caller
from ansible_collections.optio.codex.plugins.module_utils._core.controller_link import ControllerWatch, between
from ansible_collections.optio.codex.plugins.module_utils._core.processes import is_running, parent_and_start, read_stat
from ansible_collections.optio.codex.tests.unit.support.local_session import until

DEADLINE = 20  # seconds
#: prints a line for each look: the first while its ancestors are there, the second when it has read another line
LOOKS_TWICE = """
import sys
sys.path.insert(0, {path!r})
from ansible_collections.optio.codex.plugins.module_utils._core.controller_link import ControllerWatch
seen = ControllerWatch(2)
print(seen.is_gone(), flush=True)
sys.stdin.readline()
print(seen.is_gone(), flush=True)
"""


def pipe() -> tuple[int, int]:
    return os.pipe()


def sockets() -> tuple[int, int]:
    ours, theirs = socket.socketpair()
    return theirs.detach(), ours.detach()


@pytest.fixture
def descriptors() -> Iterator[list[int]]:
    opened: list[int] = []
    yield opened
    for descriptor in opened:
        os.close(descriptor)


# sshd gives a command either, as it was built
@pytest.mark.parametrize("kind", [pipe, sockets])
def test_a_reader_that_goes_away(kind: type, descriptors: list[int]) -> None:
    theirs, ours = kind()
    descriptors.append(ours)
    seen = ControllerWatch(ours)
    assert not seen.is_gone()
    os.write(ours, b"x" * 1000)
    assert not seen.is_gone(), "an answer that is not read yet"
    os.close(theirs)
    assert seen.is_gone()


def test_a_file_never_goes_away(tmp_path: Path, descriptors: list[int]) -> None:
    descriptors.append(os.open(tmp_path / "answer", os.O_WRONLY | os.O_CREAT))
    assert not ControllerWatch(descriptors[0]).is_gone()


@pytest.mark.parametrize("asynchronous", [False, True])
def test_an_ancestor_that_ends(asynchronous: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A shell between the module and this process dies; its pipes are this process's own, so that they stay open."""
    if asynchronous:
        monkeypatch.setenv(caller.ASYNC_VARIABLE, "/tmp")
    program = LOOKS_TWICE.format(path=next(path for path in sys.path if path.endswith("collections")))
    # a background job of a shell reads nothing unless it is given something to read
    script = f'"{sys.executable}" -c "$PROGRAM" <&3 & wait'
    chain = f"exec 3<&0; /bin/sh -c '{script}'; :"
    ours, theirs = os.pipe()
    with subprocess.Popen(
        ["/bin/sh", "-c", chain],
        stdin=ours,
        stdout=subprocess.PIPE,
        env={**os.environ, "PROGRAM": program},
        text=True,
    ) as shell:
        os.close(ours)
        assert shell.stdout is not None
        assert shell.stdout.readline() == "False\n"
        between_them = int(Path(f"/proc/{shell.pid}/task/{shell.pid}/children").read_text().split()[0])
        os.kill(between_them, signal.SIGKILL)
        until(lambda: not is_running(between_them))
        os.write(theirs, b"\n")
        assert shell.stdout.readline() == f"{not asynchronous}\n"
        os.close(theirs)
        assert shell.wait(DEADLINE) == 0


#: (pid and parent of each process, this one's parent first; those whose end is the end of the connection)
CHAINS: list[tuple[list[int], list[int]]] = [
    # shell, sudo, shell, sshd of the user, sshd of the connection, and the daemon, which may be restarted
    ([50, 49, 48, 47, 46, 10], [50, 49, 48, 47, 46]),
    # where the daemon is the first process
    ([50, 47, 46], [50, 47]),
    # in a container: a shell whose parent is outside of it
    ([50], [50]),
    ([50, 49], [50]),
    ([], []),
]


@pytest.mark.parametrize(("chain", "watched"), CHAINS)
def test_who_is_between(chain: list[int], watched: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    above = dict(zip(chain, [*chain[1:], 0]))
    monkeypatch.setattr(os, "getppid", lambda: chain[0] if chain else 0)
    monkeypatch.setattr(caller, "parent_and_start", lambda pid: (above[pid], pid * 100))
    assert between() == [(pid, pid * 100) for pid in watched]


def test_a_chain_without_an_end_is_left() -> None:
    assert len(between()) <= caller.DEPTH


def test_a_zombie_has_ended() -> None:
    """A child that has ended stays listed until it is waited for."""
    with subprocess.Popen(["/bin/sh", "-c", ":"]) as child:
        until(lambda: read_stat(child.pid)[0] == "Z")
        assert parent_and_start(child.pid) == (0, None)
    assert parent_and_start(os.getpid())[0] == os.getppid()
