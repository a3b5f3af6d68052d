# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Snapshots of sessions on a real file system: what is in them, and files that change or are hostile."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.optio.codex.plugins.module_utils._core import safe_open as below
from ansible_collections.optio.codex.plugins.module_utils._core.errors import OptioError
from ansible_collections.optio.codex.plugins.module_utils._session.layout import ORIGINS, PROJECT
from ansible_collections.optio.codex.plugins.module_utils._transfer import snapshot as session_snapshot
from ansible_collections.optio.codex.plugins.module_utils._transfer import snapshot_archive, snapshot_tree
from ansible_collections.optio.codex.plugins.module_utils._transfer.snapshot import RESOURCE
from ansible_collections.optio.codex.tests.unit.support.session_builders import options
from ansible_collections.optio.codex.tests.unit.support.snapshot_place import HOME, KEPT, NEW, ROLLOUT, Place


def archived(names: set[str], origin: str) -> list[str]:
    """Return the names in the archive of what a session has by its logical names."""
    return sorted(f"workdir/{name}" if origin != PROJECT and name.startswith("home/") else name for name in names)


@pytest.mark.slow
@pytest.mark.parametrize("origin", ORIGINS)
def test_taken_and_taken_again(base: Path, origin: str) -> None:
    place = Place(base, origin)
    check_mode_result = place.run(check=True)
    assert not place.path.exists() and check_mode_result["sha256"] is None
    taken = place.run()
    unknown = ("size", "sha256", "changed_during_read_count")
    assert {name: value for name, value in taken.items() if name not in unknown} == {
        name: value for name, value in check_mode_result.items() if name not in unknown
    }
    assert taken["changed"] and taken["session_id"] == NEW and taken["version"] == "0.169.0" and taken["status"] == "finished"
    data = place.path.read_bytes()
    assert (taken["size"], taken["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())
    assert place.path.stat().st_mode & 0o7777 == 0o600
    members = place.members()
    manifest = json.loads(members.pop("manifest.json"))
    assert sorted(members) == archived(KEPT, origin)
    rollout = archived({f"home/{ROLLOUT}"}, origin)[0]
    assert members[rollout] == b'{"a": 1}\n{"b": 2}\n', "the line being written is left out"
    assert taken["file_count"] == len(members) == manifest["files"] and taken["skipped_files"] == []
    assert manifest["session_id"] == NEW and manifest["workdir"] == str(place.work)
    assert (manifest["origin"], manifest["agent"]) == (origin, str(place.agent))
    excluded = {".git", "node_modules", "home/.codex/auth.json", "home/.codex/*.sqlite", "home/.codex/shell_snapshots"}
    assert taken["excluded"] == dict.fromkeys({*excluded, "agent/.cache", "agent/.cargo/registry"}, 1)
    assert b"hunter2" not in gzip.decompress(data)
    again = place.run()
    assert not again["changed"] and again["sha256"] == taken["sha256"] and again["size"] == taken["size"]
    for changed in (place.work / "src/main.c", place.home / ".codex/config.toml", place.agent / ".gitconfig"):
        changed.write_text("int more;\n")
        result = place.run()
        assert result["changed"] and result["diff"]["before"].startswith(f"{place.path}: snapshot of 20")
        assert not place.run()["changed"]
    assert not place.host.warnings and place.left() == []


def test_nothing_of_a_project_is_taken_for_the_sessions(base: Path) -> None:
    place = Place(base, PROJECT)
    mine = {f"home/{name}": text for name, text in HOME.items()}
    mine.update({"AGENTS.md": "mine", "home/.cache/x": "x", "agent/.cache/x": "y", "agent/optio.log": "z", "home/.local/bin/codex": "c"})
    for name, text in mine.items():
        (place.work / name).parent.mkdir(parents=True, exist_ok=True)
        (place.work / name).write_text(text)
    (place.agent / "optio.log").write_text("STATUS: the session's")
    taken = place.run()
    assert {name for name in place.members() if name.startswith("workdir/")} >= {f"workdir/{name}" for name in mine}
    assert place.members()[f"workdir/home/{ROLLOUT}"] == HOME[ROLLOUT].encode(), "it is a file like any other"
    place.restore()
    work, task = place.root / "two/workdir", place.root / "two"
    assert {name: (work / name).read_text() for name in mine} == mine
    assert (task / "home" / ROLLOUT).read_text() == '{"a": 1}\n{"b": 2}\n'
    assert (task / "agent/optio.log").read_text() == "STATUS: the session's"
    assert not (task / "home/.codex/auth.json").exists() and taken["file_count"] == len(place.members()) - 1
    assert "origin=project\n" in (task / "session").read_text(), "and stays a project without its repository"
    assert not place.restore()["changed"]


def test_what_is_in_the_place_of_the_sessions_files(place: Place) -> None:
    (place.work / "home").unlink()
    (place.work / "home").mkdir()
    (place.work / "home/mine").write_text("x")
    (place.work / "AGENTS.md").write_text("my own")
    (place.agent / "optio.log").write_text("x")
    os.link(place.home / ".codex/auth.json", place.work / "leak")
    os.link(place.task / "environment", place.agent / "leak")
    os.link(place.work / "src/main.o", place.work / "twin")
    taken = place.run(include_credentials=True)
    assert {entry["path"]: entry["reason"] for entry in taken["skipped_files"]} == {
        "home": "has the name of the link to the session's home",
        "agent/optio.log": "has the name of a log of the session",
        "leak": "is one of the session's own files",
        "agent/leak": "is one of the session's own files",
    }
    names = set(place.members())
    assert {"workdir/AGENTS.md", "workdir/twin", "workdir/home/.codex/auth.json"} < names and "workdir/home/mine" not in names


def test_options_decide_what_is_in_it(place: Place) -> None:
    taken = place.run(exclude=["*.o", "/home/.codex/config.toml"], include_git=True, include_credentials=True)
    names = set(place.members())
    assert {"workdir/.git/config", "workdir/home/.codex/auth.json"} < names
    assert not {"workdir/src/main.o", "workdir/home/.codex/config.toml"} & names
    assert "refresh token" in taken["warnings"][0]
    assert place.run()["changed"], "without the repository it is another snapshot"
    assert place.run(force=True)["changed"]


def test_missing_files(place: Place) -> None:
    with pytest.raises(OptioError, match=r"one\.tar\.gz: no such file"):
        place.restore()
    check_mode_result = place.restore(check=True)
    assert check_mode_result["changed"] and "no such file" in check_mode_result["warnings"][0]
    with pytest.raises(OptioError, match="session none has no workdir"):
        place.run(name="none")
    assert "has no workdir" in place.run(name="none", check=True)["warnings"][0]
    with pytest.raises(OptioError, match="Create its parent directory first"):
        place.run(path=str(place.base / "no/one.tar.gz"))
    with pytest.raises(OptioError, match="would contain itself"):
        place.run(path=f"{place.work}/one.tar.gz")
    (place.base / "inside").symlink_to(place.work)
    for inside in (f"{place.base}/inside", place.home, f"{place.work}/home/.codex", place.agent):
        with pytest.raises(OptioError, match="would contain itself"):
            place.run(path=f"{inside}/one.tar.gz")


def test_another_file_is_not_replaced(place: Place) -> None:
    place.path.write_text("my thesis")
    with pytest.raises(OptioError, match=r"is not a snapshot of a session: .* Set another path, or set force"):
        place.run()
    assert place.path.read_text() == "my thesis"
    assert place.run(force=True)["changed"]
    place.path.unlink()
    os.mkfifo(place.path)
    with pytest.raises(OptioError, match="is not a file"):
        place.run()


def test_files_that_change_while_they_are_read(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    big = place.work / "big"
    big.write_bytes(b"x" * (snapshot_archive.CHUNK * 3))
    real = below.SafeDirectory.open
    victims: dict[str, Callable[[], object]] = {
        "big": lambda: None,
        "src/main.c": (place.work / "src/main.c").unlink,
        "src/main.o": lambda: (place.work / "src/main.o").write_text("a longer object"),
    }

    def meddle(top: Any, path: str) -> int:
        victims.pop(path, lambda: None)()
        descriptor = real(top, path)
        if path == "big":
            os.truncate(big, snapshot_archive.CHUNK)
        return descriptor

    monkeypatch.setattr(below.SafeDirectory, "open", meddle)
    size_when_seen = os.path.getsize(big)
    taken = place.run()
    assert sorted(taken["changed_during_read"]) == ["big", "src/main.c", "src/main.o"] and taken["changed_during_read_count"] == 3
    assert "changed or disappeared" in place.host.warnings[0]
    members = place.members()
    assert "workdir/src/main.c" not in members
    assert members["workdir/src/main.o"] == b"a longer object"
    assert len(members["workdir/big"]) <= size_when_seen
    place.restore()


def test_a_file_that_shrinks_keeps_its_size(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    big = place.work / "big"
    big.write_bytes(b"x" * (snapshot_archive.CHUNK * 3))
    real = snapshot_archive._Padded.read

    def shrink(padded: Any, size: int = -1) -> bytes:
        os.truncate(big, 10)
        return real(padded, size)

    monkeypatch.setattr(snapshot_archive._Padded, "read", shrink)
    assert place.run()["changed_during_read"] == ["big"]
    assert place.members()["workdir/big"] == b"x" * 10 + bytes(snapshot_archive.CHUNK * 3 - 10)


def test_a_directory_that_becomes_a_link(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    (place.base / "secret").mkdir()
    (place.base / "secret/main.c").write_text("root:x:0")
    real = snapshot_tree.scan

    def swap(*given: Any) -> Any:
        seen = real(*given)
        if not (place.work / "src").is_symlink():
            (place.work / "src").rename(place.work / "old")
            (place.work / "src").symlink_to(place.base / "secret")
        return seen

    params = options(RESOURCE, name="one", sessions_dir=str(place.root), path=str(place.path))
    monkeypatch.setattr(session_snapshot, "scan", swap)
    observed = RESOURCE.observe(place.host, params)
    RESOURCE.apply(RESOURCE.plan(observed, params), observed, params, place.host)
    assert not any(b"root:x" in content for content in place.members().values())


def test_a_full_disk_leaves_the_old_snapshot(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.run()
    before = place.path.read_bytes()
    (place.work / "src/main.c").write_text("other")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OptioError, match=r"no space left on device\. Free space"):
        place.run()
    assert place.path.read_bytes() == before
    with pytest.raises(OptioError, match=r"no space left on device"):
        place.restore()
    assert place.left() == []
    assert not (place.root / "two").exists()


@pytest.mark.slow
def test_memory_does_not_grow_with_the_files(place: Place) -> None:
    with (place.work / "huge").open("wb") as stream:
        stream.truncate(96 << 20)
    tracemalloc.start()
    place.run()
    place.restore()
    _now, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 40 << 20
    assert (place.root / "two/workdir/huge").stat().st_size == 96 << 20
