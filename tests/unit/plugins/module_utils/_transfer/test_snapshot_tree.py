# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What goes into a snapshot and what stays out, and reading below a directory that somebody else writes to."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from ansible_collections.optio.codex.plugins.module_utils._core.errors import OptioError
from ansible_collections.optio.codex.plugins.module_utils._core.safe_open import SafeDirectory, whole_lines
from ansible_collections.optio.codex.plugins.module_utils._transfer import snapshot_tree
from ansible_collections.optio.codex.plugins.module_utils._transfer.snapshot_tree import PREFIX, Exclusions, Part, scan, validate_exclude


def part(directory: Path) -> Part:
    """Return a directory as a workdir of which nothing is the session's."""
    return Part(str(directory), PREFIX)


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [
        ("*.o", "main.o", True),
        ("*.o", "src/deep/main.o", True),
        ("*.o", "main.c", False),
        ("build", "build", True),
        ("build", "src/build", True),
        ("/build", "build", True),
        ("/build", "src/build", False),
        ("build/", "src/build", True),
        ("src/*.o", "src/main.o", True),
        ("src/*.o", "src/deep/main.o", False),
        ("/src/*/main.o", "src/deep/main.o", True),
        ("data/[ab]?", "data/a1", True),
        ("data/[ab]?", "data/c1", False),
        ("Build", "build", False),
        (".git", "vendor/lib/.git", True),
        ("node_modules", "web/node_modules", True),
        ("home/.codex/*.sqlite-*", "home/.codex/state_5.sqlite-wal", True),
        ("home/.codex/tmp", "other/home/.codex/tmp", False),
    ],
)
def test_files_that_a_pattern_excludes(pattern: str, path: str, matches: bool) -> None:
    label = path.partition("/")[0] if path.startswith(("home/", "agent/")) else ""
    assert (Exclusions([pattern], True, True).patterns(label).match(path) is not None) is matches


HOMES = (
    *("home/.codex/auth.json", "home/.codex/shell_snapshots", "home/.local/bin/codex", "home/.cache"),
    *("agent/.cache", "agent/.npm", "agent/.cargo/registry", "agent/.local/share/pnpm", "agent/go/pkg"),
)


def test_files_that_are_always_excluded_and_never() -> None:
    homes, work = Exclusions().patterns("home"), Exclusions().patterns("")
    for path in HOMES:
        assert homes.match(path) is not None, path
        assert work.match(path) is None, f"{path} is the project's"
    for path in ("a/.git", "home/x/node_modules"):
        assert homes.match(path) is not None and work.match(path) is not None, path
    for path in (
        *("home/.codex/sessions", "home/.codex/config.toml", "home/.codex/history.jsonl", "AGENTS.md", ".gitignore", "tmp"),
        *("agent/.gitconfig", "agent/.local/share/uv", "agent/.cargo/bin", "agent/.config"),
    ):
        assert homes.match(path) is None, path
    more = Exclusions([], True, True).patterns("home")
    assert more.match(".git") is None and more.match("home/.codex/auth.json") is None


@pytest.mark.parametrize("pattern", ["", " ", "/", "../other", "a/./b", "src/**/x", "a//b"])
def test_patterns_that_could_never_match(pattern: str) -> None:
    with pytest.raises(
        OptioError, match=r"exclude must (contain names and paths relative to the workdir|not contain '\*\*' or an empty part), got "
    ):
        validate_exclude([pattern])


def test_a_workdir_with_everything_in_it(tmp_path: Path) -> None:
    work, outside = tmp_path / "work", tmp_path / "outside"
    outside.mkdir()
    for directory in ("src/deep", "node_modules/left-pad", "empty"):
        (work / directory).mkdir(parents=True)
    (work / "src/deep/file").write_text("12345")
    (work / "src/tool").write_text("#!/bin/sh\n")
    (work / "src/tool").chmod(0o4755)
    (work / "node_modules/left-pad/index.js").write_text("x")
    for name, target in (
        *(("in", "src/tool"), ("absolute", str(work / "src/deep")), ("dangling", "later"), ("top", ".")),
        *(("out", "../outside"), ("system", "/etc/passwd"), ("twice", "src/deep/../../../outside")),
    ):
        (work / name).symlink_to(target)
    os.mkfifo(work / "pipe")
    (work / "bad\nname").write_text("x")
    (work / os.fsdecode(b"bad\xff")).write_text("x")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(work / "sock"))
        found = scan([part(work)], Exclusions())
    links = {entry.path: entry.target for entry in found.entries if entry.target}
    assert links == {"in": "src/tool", "absolute": "src/deep", "dangling": "later", "top": "."}
    assert {entry.path: entry.size for entry in found.entries if not entry.target and entry.size} == {"src/deep/file": 5, "src/tool": 10}
    assert {entry.path for entry in found.entries} >= {"empty", "src", "src/deep"}
    assert {entry.mode for entry in found.entries if entry.path == "src/tool"} == {0o755}
    assert found.excluded == {"node_modules": 1}
    reasons = {entry["path"]: entry["reason"] for entry in found.skipped}
    assert {path for path, reason in reasons.items() if "leads out" in reason} == {"out", "system", "twice"}
    assert {path for path, reason in reasons.items() if "neither a file" in reason} == {"pipe", "sock"}
    assert {path for path, reason in reasons.items() if "name" in reason} == {"'bad\\nname'", "'bad\\udcff'"}
    assert found.files == 2 and found.size == 15


@pytest.mark.parametrize(
    "change",
    [
        lambda work: (work / "file").write_text("other"),
        lambda work: (work / "file").chmod(0o600),
        lambda work: (work / "more").mkdir(),
        lambda work: (work / "file").rename(work / "elsewhere"),
        lambda work: os.utime(work / "file", (1, 1)),
    ],
)
def test_a_change_is_seen(tmp_path: Path, change: object) -> None:
    (tmp_path / "file").write_text("text")
    (tmp_path / "file").chmod(0o644)
    before = scan([part(tmp_path)], Exclusions()).fingerprint
    assert scan([part(tmp_path)], Exclusions()).fingerprint == before
    assert callable(change)
    change(tmp_path)
    assert scan([part(tmp_path)], Exclusions()).fingerprint != before


@pytest.mark.parametrize(("limit", "value"), [("MOST_ENTRIES", 2), ("LARGEST_SNAPSHOT", 5)])
def test_more_than_a_snapshot_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, value: int) -> None:
    for name in "abc":
        (tmp_path / name).write_text("xx")
    scan([part(tmp_path)], Exclusions())
    monkeypatch.setattr(snapshot_tree, limit, value)
    with pytest.raises(OptioError, match="Set exclude to omit files"):
        scan([part(tmp_path)], Exclusions())


def test_only_files_and_never_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "in/deep").mkdir(parents=True)
    (tmp_path / "in/deep/file").write_text("good")
    (tmp_path / "secret").write_text("bad")
    (tmp_path / "in/link").symlink_to("../secret")
    (tmp_path / "in/way").symlink_to("deep")
    os.mkfifo(tmp_path / "in/pipe")
    (tmp_path / "over").symlink_to("in")
    with pytest.raises(OSError):
        SafeDirectory(str(tmp_path / "over"), follow=False)
    with SafeDirectory(str(tmp_path / "over")) as below:
        with os.fdopen(below.open("deep/file")) as stream:
            assert stream.read() == "good"
        for path in ("link", "way/file", "pipe", "deep", "none", "../secret", "deep/../../secret", "", "deep/..", "/etc/passwd"):
            with pytest.raises(OSError):
                below.open(path)


@pytest.mark.parametrize(
    ("text", "whole"),
    [(b"", 0), (b"half", 0), (b"one\n", 4), (b"one\nhal", 4), (b"one\n" + b"x" * 200_000, 4), (b"y" * 70_000 + b"\nx", 70_001)],
)
def test_whole_lines(tmp_path: Path, text: bytes, whole: int) -> None:
    (tmp_path / "file").write_bytes(text)
    with (tmp_path / "file").open("rb") as stream:
        assert whole_lines(stream.fileno()) == whole
