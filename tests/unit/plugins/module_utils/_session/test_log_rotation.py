# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A session's logs from one start to the next: no byte lost, no link followed."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from ansible_collections.optio.codex.plugins.module_utils._core.errors import OptioError
from ansible_collections.optio.codex.plugins.module_utils._session import log_rotation
from ansible_collections.optio.codex.plugins.module_utils._session.layout import OWN, PACKAGE, PROJECT, SessionPaths, task_layout

NOT_TEXT = b"STATUS: caf\xe9 \x00 \xff\n"


@pytest.fixture(params=[OWN, PROJECT, PACKAGE])
def layout(tmp_path: Path, request: pytest.FixtureRequest) -> SessionPaths:
    paths = replace(task_layout("t", "/t", str(tmp_path / "work"), None, request.param), task=str(tmp_path / "task"))
    for directory in (paths.workdir, paths.home, paths.agent):
        os.makedirs(directory)
    return paths


def written(path: str) -> bytes | None:
    return Path(path).read_bytes() if os.path.isfile(path) else None


LOGS: dict[str, tuple[bytes | None, bytes | None, bytes | None, bytes | None]] = {
    # log, log of earlier runs, log left half-way by a run that was killed, all of them afterwards
    "the first": (b"DONE\n", None, None, b"DONE\n"),
    "a later one": (b"DONE\n", b"ERROR\n", None, b"ERROR\nDONE\n"),
    "bytes": (NOT_TEXT, NOT_TEXT, None, NOT_TEXT * 2),
    "no line end": (b"DON", b"E", None, b"EDON"),
    "no log": (None, b"DONE\n", None, b"DONE\n"),
    "an interrupted one": (b"3", b"1", b"2", b"123"),
    "an interrupted first one": (b"3", None, b"2", b"23"),
    "an interrupted one alone": (None, b"1", b"2", b"12"),
    "large": (b"x" * 3_000_000, b"y", None, b"y" + b"x" * 3_000_000),
}


@pytest.mark.parametrize("case", LOGS)
def test_every_byte_is_kept(layout: SessionPaths, case: str) -> None:
    log, old, aside, expected = LOGS[case]
    for path, text in ((layout.log, log), (layout.log_old, old), (layout.log_aside, aside)):
        if text is not None:
            Path(path).write_bytes(text)
    log_rotation.rotate(layout)
    assert written(layout.log) is None
    log_rotation.keep(layout)
    assert (written(layout.log_old), written(layout.log_aside)) == (expected, None)


@pytest.mark.parametrize("old", [None, b"1"])
def test_what_a_dying_process_appends_is_kept(layout: SessionPaths, old: bytes | None) -> None:
    if old:
        Path(layout.log_old).write_bytes(old)
    with open(layout.log, "ab", buffering=0) as late:
        late.write(b"2")
        log_rotation.rotate(layout)
        late.write(b"3")
        log_rotation.keep(layout)
    assert written(layout.log_old) == (old or b"") + b"23"


def test_what_comes_while_it_is_copied_is_kept(layout: SessionPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    Path(layout.log_old).write_bytes(b"1")
    unlink = os.unlink
    with open(layout.log, "ab", buffering=0) as late:
        late.write(b"2")
        log_rotation.rotate(layout)

        def unlinked(path: str) -> None:
            unlink(path)
            late.write(b"3")

        monkeypatch.setattr(os, "unlink", unlinked)
        log_rotation.keep(layout)
    assert written(layout.log_old) == b"123"


def test_a_start_that_fails_puts_it_back(layout: SessionPaths) -> None:
    Path(layout.log).write_bytes(b"DONE\n")
    undo = log_rotation.rotate(layout)
    undo()
    assert (written(layout.log), written(layout.log_aside)) == (b"DONE\n", None)


def test_a_full_disk_leaves_both(layout: SessionPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    Path(layout.log_old).write_bytes(b"1")
    Path(layout.log).write_bytes(b"2" * 10)
    log_rotation.rotate(layout)
    write, calls = os.write, []

    def full(descriptor: int, chunk: bytes) -> int:
        calls.append(chunk)
        if len(calls) > 1:
            raise OSError(28, "No space left on device")
        return write(descriptor, chunk[:4])

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(OptioError, match="no space left on device"):
            log_rotation.keep(layout)
    assert (written(layout.log_old), written(layout.log_aside)) == (b"1", b"2" * 10)
    log_rotation.keep(layout)
    assert written(layout.log_old) == b"1" + b"2" * 10


@pytest.mark.parametrize("which", ["log", "log_old", "log_aside", "resume_log"])
def test_no_link_of_the_agents_is_followed(layout: SessionPaths, tmp_path: Path, which: str) -> None:
    victim = tmp_path / "authorized_keys"
    victim.write_bytes(b"mine\n")
    for path in (layout.log, layout.log_old):
        Path(path).write_bytes(b"theirs\n")
    path = getattr(layout, which)
    if os.path.lexists(path):
        os.unlink(path)
    os.symlink(victim, path)
    if which == "resume_log":
        with pytest.raises(OptioError, match=r"resume\.log is not a file"):
            log_rotation.note_start(path, 0, ())
    else:
        log_rotation.rotate(layout)
        log_rotation.keep(layout)
        assert not os.path.lexists(layout.log) and not os.path.islink(layout.log_old)
        assert b"mine" not in (written(layout.log_old) or b"")
    assert victim.read_bytes() == b"mine\n"


@pytest.mark.parametrize(
    ("refreshed", "line"),
    [
        ((), "2026-11-22T10:34:08Z"),
        (("AGENTS.md",), "2026-11-22T10:34:08Z REFRESHED:AGENTS.md"),
        (("a", "b"), "2026-11-22T10:34:08Z REFRESHED:a,b"),
    ],
)
def test_a_line_a_start(layout: SessionPaths, refreshed: tuple[str, ...], line: str) -> None:
    undo_first = log_rotation.note_start(layout.resume_log, 1795343648.9, refreshed)
    assert written(layout.resume_log) == f"{line}\n".encode()
    undo = log_rotation.note_start(layout.resume_log, 1795343700, ())
    assert (written(layout.resume_log) or b"").splitlines()[1:] == [b"2026-11-22T10:35:00Z"]
    undo()
    assert written(layout.resume_log) == f"{line}\n".encode()
    undo_first()
    assert written(layout.resume_log) is None


def test_a_log_that_is_too_large_takes_the_place_of_the_earlier_ones(layout: SessionPaths) -> None:
    Path(layout.log_old).write_bytes(b"1")
    Path(layout.log).touch()
    os.truncate(layout.log, 10 << 30)
    log_rotation.rotate(layout)
    log_rotation.keep(layout)
    assert os.path.getsize(layout.log_old) == 10 << 30 and os.stat(layout.log_old).st_blocks == 0
    assert not os.path.lexists(layout.log_aside)


def test_a_second_name_of_another_file_is_not_written_to(layout: SessionPaths, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_bytes(b"1")
    for path in (layout.log_old, layout.resume_log):
        os.link(other, path)
    Path(layout.log).write_bytes(b"2")
    log_rotation.rotate(layout)
    log_rotation.keep(layout)
    assert (written(layout.log_old), other.read_bytes()) == (b"2", b"1")
    with pytest.raises(OptioError, match="is a second name of another file"):
        log_rotation.note_start(layout.resume_log, 0, ())
    assert other.read_bytes() == b"1"


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("DONE: counted\nERROR: codex exited 1\n", "DONE: counted\n"),
        ("ERROR: codex exited 125\n", ""),
        ("x" * 200 + "\nDONE: codex exited\n", "x" * 200 + "\n"),
        ("DONE: counted\n", None),
        ("I say ERROR: codex exited 1\n", None),
        ("ERROR: codex exited 1\nSTATUS: more\n", None),
        ("", None),
    ],
)
def test_end_of_a_run_that_did_not_begin_is_withdrawn(layout: SessionPaths, text: str, left: str | None) -> None:
    log = Path(layout.log)
    log.write_text(text)
    os.utime(log, (1795343700, 1795343700))
    log_rotation.withdraw_end(layout, "1 1795343600 1795343500\n")
    assert log.read_text() == (text if left is None else left)
    assert log.stat().st_mtime == (1795343700 if left is None else 1795343500)


def test_end_is_not_withdrawn_from_a_file_of_others(layout: SessionPaths, tmp_path: Path) -> None:
    other, text = tmp_path / "other", "ERROR: codex exited 1\n"
    other.write_text(text)
    os.symlink(other, layout.log)
    log_rotation.withdraw_end(layout, "")
    os.unlink(layout.log)
    os.link(other, layout.log)
    log_rotation.withdraw_end(layout, "1 2 x\n")
    assert other.read_text() == text
    os.unlink(layout.log)
    log_rotation.withdraw_end(layout, "")
    assert not os.path.lexists(layout.log)
