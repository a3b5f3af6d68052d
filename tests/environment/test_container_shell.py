# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The shell that stays open, with a shell of this machine in the place of the container's."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from subprocess import TimeoutExpired

import container_shell
import pytest

PODMAN = """#!/bin/sh
echo "$*" >>"$STUB_CALLS"
[ "$5" != gone ] || exit 125
shift 5
exec "$@"
"""


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return the file with the calls of a podman that runs the command here; the container ``gone`` does not run."""
    podman = tmp_path / "bin" / "podman"
    podman.parent.mkdir()
    podman.write_text(PODMAN)
    podman.chmod(0o755)
    monkeypatch.setenv("PATH", f"{podman.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("STUB_CALLS", str(tmp_path / "calls"))
    monkeypatch.setattr(container_shell, "SHELLS", {})
    yield tmp_path / "calls"
    container_shell.close_all()


def count(calls: Path) -> int:
    return len(calls.read_text().splitlines())


@pytest.mark.parametrize(
    ("script", "text", "expected"),
    [
        ("echo out; echo err >&2", "", (0, "out\n", "err\n")),
        ("printf 'no end'; exit 3", "", (3, "no end", "")),
        ("cat", 'it\'s $HOME\n`a` "b"', (0, 'it\'s $HOME\n`a` "b"', "")),
        ("cat", "", (0, "", "")),
        ("printf 'begin \\nend x 1\\n'", "", (0, "begin \nend x 1\n", "")),
        ("kill -9 $$", "", (137, "", None)),
        ("if true; then\n  echo 'two lines'\nfi", "", (0, "two lines\n", "")),
    ],
)
def test_a_script(calls: Path, script: str, text: str, expected: tuple[int, str, str | None]) -> None:
    for _again in range(2):
        done = container_shell.run("box", script, text=text)
        assert (done.returncode, done.stdout) == expected[:2]
        assert expected[2] in (None, done.stderr)
    assert count(calls) == 1


def test_more_than_a_pipe_holds_on_both_streams(calls: Path) -> None:
    done = container_shell.run("box", "head -c 300000 /dev/zero | tr '\\0' x; head -c 300000 /dev/zero | tr '\\0' y >&2")
    assert (len(done.stdout), len(done.stderr)) == (300000, 300000)
    assert container_shell.output("box", "wc -c", text="z" * 300000).strip() == "300000"


def test_a_shell_that_was_ended_is_started_again(calls: Path) -> None:
    assert container_shell.run("box", "echo one; kill -9 $PPID").stdout == "one\n"
    assert container_shell.output("box", "echo two") == "two\n"
    assert count(calls) == 2


def test_a_container_that_does_not_run(calls: Path) -> None:
    assert container_shell.run("gone", "echo one").returncode == 125
    with pytest.raises(AssertionError, match="container gone runs no shell"):
        container_shell.output("gone", "echo one")


def test_a_script_that_takes_too_long(calls: Path) -> None:
    with pytest.raises(TimeoutExpired):
        container_shell.run("box", "sleep 60", timeout=0.2)
    assert container_shell.output("box", "echo two") == "two\n"


def test_a_failed_command_is_an_error_of_the_output(calls: Path) -> None:
    with pytest.raises(AssertionError, match="oh no"):
        container_shell.output("box", "echo oh no >&2; false; true")


def test_a_shell_in_use_makes_no_other_thread_wait(calls: Path, tmp_path: Path) -> None:
    held = threading.Thread(
        target=container_shell.run, args=("box", f"touch {tmp_path}/held; until [ -e {tmp_path}/go ]; do sleep 0.02; done")
    )
    held.start()
    while not (tmp_path / "held").exists():
        pass
    assert container_shell.output("box", "echo two") == "two\n"
    (tmp_path / "go").touch()
    held.join(30)
    assert not held.is_alive() and count(calls) == 2
