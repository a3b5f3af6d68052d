# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The cache: its manifest, its lock, publishing and taking back."""

from __future__ import annotations

import fcntl
import multiprocessing
import os
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.optio.codex.plugins.module_utils._core.errors import OptioError, ProbeError
from ansible_collections.optio.codex.plugins.module_utils._release import cache as module
from ansible_collections.optio.codex.plugins.module_utils._release.cache import Cache
from ansible_collections.optio.codex.plugins.module_utils._release.manifest import (
    FileState,
    ReleaseManifest,
    parse_file,
    parse_manifest,
    survey,
)
from ansible_collections.optio.codex.tests.unit.support.release_builders import QuickHost, package, snapshot, write_tree

STATE = FileState(294277432, 1763806000, 12345, "755")
MANIFEST = ReleaseManifest(
    "0.169.0",
    "x86_64-unknown-linux-musl",
    "bin/codex",
    "download",
    "0" * 64,
    "file:///srv/a mirror/file.tgz",
    {"bin/codex": STATE, "codex-resources/a file": FileState(1, 2, 3, "644")},
    {"bin/codex": "1" * 64, "codex-resources/a file": "2" * 64},
)


def test_a_manifest_survives_writing_and_reading() -> None:
    assert parse_manifest(MANIFEST.render().splitlines()) == MANIFEST


@pytest.mark.parametrize(
    "text",
    [
        "",
        "something else\n",
        "optio-manifest 1\n",
        MANIFEST.render().replace("optio-manifest 1", "optio-manifest 2"),
        MANIFEST.render().replace("source ", "sauce "),
        MANIFEST.render().replace("verified download ", "verified "),
        MANIFEST.render().replace("file 294277432 ", "file many "),
        MANIFEST.render().replace(f" {'1' * 64} bin/codex", " bin/codex"),
        MANIFEST.render().replace("entrypoint bin/codex", "entrypoint bin/other"),
    ],
)
def test_an_invalid_manifest(text: str) -> None:
    assert parse_manifest(text.splitlines()) is None


def test_a_line_of_stat() -> None:
    assert parse_file("1 2 3 644 ./a b/c") == ("a b/c", FileState(1, 2, 3, "644"))
    with pytest.raises(ProbeError):
        parse_file("1 2 3 644")


@pytest.mark.parametrize(
    ("seen", "damage"),
    [
        ({**MANIFEST.files}, None),
        ({**MANIFEST.files, "extra": STATE}, None),
        ({"bin/codex": STATE}, "codex-resources/a file is missing"),
        ({}, "bin/codex is missing"),
        (
            {**MANIFEST.files, "bin/codex": FileState(1, STATE.mtime, STATE.inode, STATE.mode)},
            "bin/codex has size 1, verified was 294277432",
        ),
        (
            {**MANIFEST.files, "bin/codex": FileState(STATE.size, 7, STATE.inode, STATE.mode)},
            "bin/codex has mtime 7, verified was 1763806000",
        ),
        (
            {**MANIFEST.files, "bin/codex": FileState(STATE.size, STATE.mtime, 8, STATE.mode)},
            "bin/codex has inode 8, verified was 12345",
        ),
        (
            {**MANIFEST.files, "bin/codex": FileState(STATE.size, STATE.mtime, STATE.inode, "4755")},
            "bin/codex has mode 4755, verified was 755",
        ),
    ],
)
def test_damage(seen: dict[str, FileState], damage: str | None) -> None:
    assert MANIFEST.damage(seen) == damage


def filled(root: Path, name: str = "tree") -> str:
    write_tree(root / name, package())
    return str(root / name)


def manifest_of(tree: str) -> ReleaseManifest:
    return ReleaseManifest("0.1.2", "t", "bin/codex", "download", "0" * 64, "host", *survey(tree))


def test_publishing_can_be_undone_until_all_is_done(tmp_path: Path) -> None:
    cache = Cache(str(tmp_path / "cache"))
    with cache.locked(QuickHost()), cache.scratch() as scratch:
        undo = cache.publish("1-t", scratch, filled(Path(scratch)), manifest_of(f"{scratch}/tree"))
        undo.pop_all()
    before = snapshot(tmp_path)
    assert "cache/releases/1-t/bin/codex" in before
    with cache.locked(QuickHost()), cache.scratch() as scratch:
        tree = filled(Path(scratch))
        Path(tree, "bin/codex").write_bytes(b"another")
        with cache.publish("1-t", scratch, tree, manifest_of(tree)):
            assert Path(cache.tree("1-t"), "bin/codex").read_bytes() == b"another"
        with cache.publish("2-t", scratch, filled(Path(scratch), "next"), manifest_of(f"{scratch}/next")):
            assert os.path.exists(cache.manifest("2-t"))
    after = snapshot(tmp_path)
    # the manifest was written again, with the same text
    assert {name: (mode, what) for name, (mode, _inode, what) in after.items()} == {
        name: (mode, what) for name, (mode, _inode, what) in before.items()
    }
    assert after["cache/releases/1-t/bin/codex"] == before["cache/releases/1-t/bin/codex"]


@pytest.mark.parametrize("failing", ["_rename", "files.write_text"])
def test_a_publication_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str) -> None:
    def fail(*_arguments: object) -> None:
        raise OptioError("disk", "the disk is full", "Free it")

    cache = Cache(str(tmp_path / "cache"))
    monkeypatch.setattr(f"{module.__name__}.{failing}", fail)
    with pytest.raises(OptioError, match="disk"), cache.locked(QuickHost()), cache.scratch() as scratch:
        cache.publish("1-t", scratch, filled(Path(scratch)), manifest_of(f"{scratch}/tree"))
    assert snapshot(tmp_path) == {}


@pytest.mark.parametrize(("shared", "mode"), [(False, 0o700), (True, 0o755)])
def test_who_can_enter_does_not_depend_on_the_umask(tmp_path: Path, shared: bool, mode: int) -> None:
    cache = Cache(str(tmp_path / "new/cache"), shared)
    mask = os.umask(0o077)
    try:
        with cache.locked(QuickHost()), cache.scratch() as scratch:
            filled(Path(scratch))
            cache.publish("1-t", scratch, f"{scratch}/tree", manifest_of(f"{scratch}/tree")).pop_all()
            cache.set_link("codex", cache.link_target("1-t", "bin/codex"))
    finally:
        os.umask(mask)
    for path in ("new", "new/cache", "new/cache/releases"):
        assert (tmp_path / path).stat().st_mode & 0o777 == mode
    assert Path(cache.manifest("1-t")).stat().st_mode & 0o777 == (0o644 if shared else 0o600)
    assert os.readlink(cache.link("codex")) == "releases/1-t/bin/codex"


def test_scratch_of_a_killed_run_goes_with_the_next(tmp_path: Path) -> None:
    cache = Cache(str(tmp_path))
    filled(tmp_path, ".scratch-dead")
    (tmp_path / "codex").write_text("kept")
    (tmp_path / ".optio-dead").symlink_to("releases/x")
    (tmp_path / "releases").mkdir()
    (tmp_path / "releases/.optio-dead").write_text("half a manifest")
    with cache.locked(QuickHost()), cache.scratch() as scratch:
        assert sorted(os.listdir(tmp_path)) == [".lock", os.path.basename(scratch), "codex", "releases"]
        assert os.listdir(tmp_path / "releases") == []


def test_scratch_is_always_removed(tmp_path: Path) -> None:
    cache = Cache(str(tmp_path))
    with pytest.raises(RuntimeError), cache.scratch() as scratch:
        filled(Path(scratch))
        raise RuntimeError
    assert os.listdir(tmp_path) == []


def test_a_cache_that_stayed_empty_is_taken_back(tmp_path: Path) -> None:
    with Cache(str(tmp_path / "a/b/cache")).locked(QuickHost()):
        assert (tmp_path / "a/b/cache/.lock").exists()
    assert os.listdir(tmp_path) == []


def contend(path: str, barrier: Any, results: Any) -> None:
    for _round in range(30):
        barrier.wait(60)
        try:
            with Cache(path).locked(QuickHost()):
                results.put("held")
        except BaseException as error:
            results.put(repr(error))


@pytest.mark.slow
def test_runs_that_make_and_take_back_the_same_directories(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    barrier, results = context.Barrier(4), context.Queue()
    path = str(tmp_path / "a/b/cache")
    racers = [context.Process(target=contend, args=(path, barrier, results)) for _number in range(4)]
    for racer in racers:
        racer.start()
    seen = {results.get(timeout=60) for _result in range(4 * 30)}
    for racer in racers:
        racer.join(60)
    assert seen == {"held"}


def test_a_directory_that_cannot_be_made() -> None:
    with pytest.raises(OptioError, match="/proc/optio-codex"):
        Cache("/proc/optio-codex").locked(QuickHost()).__enter__()


def test_waiting_for_the_lock_ends(tmp_path: Path) -> None:
    class Clock(QuickHost):
        now = 0.0

        def monotonic(self) -> float:
            return self.now

        def sleep(self, seconds: float) -> None:
            self.now += 1000

    with (tmp_path / ".lock").open("w") as holder:
        fcntl.flock(holder, fcntl.LOCK_EX)
        with pytest.raises(OptioError, match=r"another run has held the lock .* of cache .* for 1800 s"):
            Cache(str(tmp_path)).locked(Clock()).__enter__()


def test_a_lock_file_that_was_replaced_meanwhile_is_not_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = tmp_path / ".lock"
    opened: list[int] = []
    open_lock = Cache._open_lock

    def open_and_lose(cache: Cache) -> int:
        descriptor = open_lock(cache)
        opened.append(descriptor)
        if len(opened) == 1:
            # its last owner removes the empty cache before this run has the lock
            lock.unlink()
        return descriptor

    monkeypatch.setattr(Cache, "_open_lock", open_and_lose)
    with Cache(str(tmp_path)).locked(QuickHost()), lock.open("w") as another, pytest.raises(BlockingIOError):
        fcntl.flock(another, fcntl.LOCK_EX | fcntl.LOCK_NB)
    assert len(opened) == 2


@pytest.mark.parametrize("change", ["none", "copy", "bytes", "size", "mode", "missing", "fifo", "extra"])
def test_recognizing_a_copied_cache(tmp_path: Path, change: str) -> None:
    cache = Cache(str(tmp_path))
    tree = filled(tmp_path, "releases/1-t")
    manifest = manifest_of(tree)
    path = Path(tree, "codex-path/rg")
    content = path.read_bytes()
    if change == "copy":
        Path(f"{path}.new").write_bytes(content)
        Path(f"{path}.new").chmod(0o755)
        os.utime(f"{path}.new", (1, 1))
        os.rename(f"{path}.new", path)
    elif change == "bytes":
        path.write_bytes(content[:-1] + b"!")
    elif change == "size":
        path.write_bytes(content + b"!")
    elif change == "mode":
        path.chmod(0o777)
    elif change == "extra":
        Path(tree, "extra").touch()
    elif change != "none":
        path.unlink()
        if change == "fifo":
            os.mkfifo(path, 0o755)
    recognised = cache.revalidate("1-t", manifest)
    if change in ("none", "copy", "extra"):
        assert recognised is not None
        assert recognised.damage(survey(tree)[0]) is None
        assert recognised.digests == manifest.digests
    else:
        assert recognised is None


def test_withdrawing_is_all_or_nothing(tmp_path: Path) -> None:
    cache = Cache(str(tmp_path))
    filled(tmp_path, "releases/1-t")
    before = snapshot(tmp_path)
    with cache.scratch() as scratch, pytest.raises(OptioError):
        cache.remove_all([cache.tree("1-t"), cache.manifest("1-t")], scratch)
    assert snapshot(tmp_path) == before
