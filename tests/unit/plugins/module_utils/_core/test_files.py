# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Small files: whole or not at all, and errors that say what to do."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.optio.codex.plugins.module_utils._core import files
from ansible_collections.optio.codex.plugins.module_utils._core.errors import OptioError


def broken(number: int) -> Any:
    def fail(*_arguments: Any, **_options: Any) -> None:
        raise OSError(number, os.strerror(number))

    return fail


@pytest.mark.parametrize("content", [b"", b"a\r\nb\rc\n", "ü".encode(), b"\xff\xfe bytes\x00"])
def test_any_bytes_survive_a_round_trip(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    text = files.read_text(str(path))
    assert text is not None
    files.write_text(str(path), text)
    assert path.read_bytes() == content


def test_no_file_is_none(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert files.read_text(str(tmp_path / "none")) is None
    assert files.read_text(str(tmp_path / "file" / "below")) is None


def test_a_directory_read_as_a_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OptioError, match="is a directory"):
        files.read_text(str(tmp_path))


def test_a_file_is_replaced_with_its_mode_through_a_link(tmp_path: Path) -> None:
    real = tmp_path / "real"
    real.write_text("old")
    real.chmod(0o644)
    link = tmp_path / "link"
    link.symlink_to("real")
    before = real.stat().st_ino
    files.write_text(str(link), "new", 0o640)
    assert link.is_symlink()
    assert (real.read_text(), stat.S_IMODE(real.stat().st_mode)) == ("new", 0o640)
    assert real.stat().st_ino != before
    files.write_text(str(tmp_path / "fresh"), "x")
    assert stat.S_IMODE((tmp_path / "fresh").stat().st_mode) == 0o600


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_root_leaves_a_file_to_its_owner(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    os.chown(path, 65534, 65533)
    files.write_text(str(path), "new")
    assert (path.stat().st_uid, path.stat().st_gid) == (65534, 65533)


@pytest.mark.parametrize("step", ["rename", "fsync", "fchmod"])
def test_a_failed_write_leaves_the_old_file_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    monkeypatch.setattr(os, step, broken(errno.ENOSPC))
    with pytest.raises(OptioError, match=r"no space left on device. Free space"):
        files.write_text(str(path), "new")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["file"]


def test_a_missing_directory_is_an_error(tmp_path: Path) -> None:
    for write in (files.write_text, files.replace_link):
        with pytest.raises(OptioError, match="Create its parent directory first"):
            write(str(tmp_path / "none" / "file"), "x")


def test_a_link_replaces_any_file(tmp_path: Path) -> None:
    path = tmp_path / "link"
    for target in ("first", "second"):
        files.replace_link(str(path), target)
        assert os.readlink(path) == target
    path.unlink()
    path.write_text("a file")
    files.replace_link(str(path), "third")
    assert os.readlink(path) == "third"
    assert os.listdir(tmp_path) == ["link"]


def test_a_link_in_the_place_of_a_directory_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "directory").mkdir()
    with pytest.raises(OptioError, match="is a directory"):
        files.replace_link(str(tmp_path / "directory"), "target")
    assert os.listdir(tmp_path) == ["directory"]


def test_directories_are_made_with_their_parents(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "c"
    assert files.make_directory(str(path)) == [str(tmp_path / "a"), str(tmp_path / "a" / "b"), str(path)]
    assert {stat.S_IMODE(one.stat().st_mode) for one in (path, path.parent)} == {0o700}
    assert files.make_directory(str(path)) == []


def test_a_directory_that_another_run_makes_is_not_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.mkdir

    def raced(path: str, mode: int = 0o777) -> None:
        real(path, mode)
        if path.endswith("/a"):
            raise FileExistsError(errno.EEXIST, "File exists", path)

    monkeypatch.setattr(os, "mkdir", raced)
    assert files.make_directory(str(tmp_path / "a" / "b")) == [str(tmp_path / "a" / "b")]


@pytest.mark.parametrize("kind", ["file", "dangling link"])
def test_another_file_in_place_of_a_directory_is_an_error(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "x"
    if kind == "file":
        path.touch()
    else:
        path.symlink_to("nowhere")
    with pytest.raises(OptioError, match=r"is not a directory. Move it away"):
        files.make_directory(str(path / "below"))


def test_directories_below_another_are_made_with_their_parents(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "top").symlink_to("real")
    top = str(tmp_path / "top")
    # the user's own link above them is followed
    assert files.make_below(top, f"{top}/a/b") == [f"{top}/a", f"{top}/a/b"]
    assert files.make_below(top, f"{top}/a/b") == []
    assert stat.S_IMODE((tmp_path / "real/a/b").stat().st_mode) == 0o700


@pytest.mark.parametrize("place", ["a", "a/b", "a/b/c"])
@pytest.mark.parametrize("kind", ["link", "dangling link", "file"])
def test_nothing_is_made_where_a_link_leads(tmp_path: Path, place: str, kind: str) -> None:
    top, outside = tmp_path / "top", tmp_path / "outside"
    outside.mkdir()
    (top / place).parent.mkdir(parents=True)
    if kind == "file":
        (top / place).touch()
    else:
        (top / place).symlink_to(outside if kind == "link" else outside / "missing")
    before = sorted(top.rglob("*"))
    with pytest.raises(OptioError, match=rf"{place} is not a directory. Move it away"):
        files.make_below(str(top), f"{top}/a/b/c")
    assert list(outside.iterdir()) == [] and sorted(top.rglob("*")) == before


@pytest.mark.parametrize("place", ["a", "a/b"])
def test_nothing_is_made_where_a_directory_becomes_a_link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    """Between the look at a directory and the use of it."""
    top, outside = tmp_path / "top", tmp_path / "outside"
    outside.mkdir()
    (top / place).mkdir(parents=True)
    real = os.open

    def raced(path: Any, *arguments: Any, **options: Any) -> int:
        descriptor = real(path, *arguments, **options)
        if os.path.basename(path) == os.path.basename(place):
            (top / place).rename(tmp_path / "moved")
            (top / place).symlink_to(outside)
        return descriptor

    monkeypatch.setattr(os, "open", raced)
    files.make_below(str(top), f"{top}/a/b/c")
    assert (top / place).is_symlink() and list(outside.iterdir()) == []


def test_removal_takes_files_links_and_trees_but_no_target(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "sub").mkdir(parents=True)
    (tree / "sub" / "file").touch()
    link = tmp_path / "link"
    link.symlink_to(tree)
    assert files.remove(str(link))
    assert (tree / "sub" / "file").exists()
    assert files.remove(str(tree / "sub" / "file"))
    assert files.remove(str(tree))
    assert not files.remove(str(tree))
    assert os.listdir(tmp_path) == []


def test_what_cannot_be_removed_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr(os, "unlink", broken(errno.EACCES))
    monkeypatch.setattr(os, "getuid", lambda: 1000)
    with pytest.raises(OptioError, match=r"permission denied. Run as the owner, or set become: true"):
        files.remove(str(tmp_path / "file"))


@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        (errno.EDQUOT, "quota"),
        (errno.EROFS, "writable filesystem"),
        (errno.ENOTDIR, "choose another path"),
        (errno.EIO, "Check that path"),
    ],
)
def test_every_cause_has_a_remedy(number: int, remedy: str) -> None:
    error = files.failure("/x", OSError(number, os.strerror(number)))
    assert error.subject == "/x"
    assert error.cause == f"/x: {os.strerror(number).lower()}"
    assert remedy in error.remedy


@pytest.mark.parametrize("number", [errno.EACCES, errno.EPERM])
@pytest.mark.parametrize(
    ("uid", "effective", "remedy"),
    [
        (1000, 1000, "Run as the owner, or set become: true"),
        (0, 1000, "Allow the session's user to access that path, or choose another path"),
        (0, 0, "Check its mount, attributes and security policy (NFS with root_squash, lsattr, SELinux), or choose another path"),
    ],
)
def test_become_is_not_a_remedy_for_root(monkeypatch: pytest.MonkeyPatch, number: int, uid: int, effective: int, remedy: str) -> None:
    monkeypatch.setattr(os, "getuid", lambda: uid)
    monkeypatch.setattr(os, "geteuid", lambda: effective)
    assert files.failure("/x", OSError(number, os.strerror(number))).remedy == remedy


def test_two_trees_change_places_at_once(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    for path in (one, other):
        path.mkdir()
        (path / "name").write_text(path.name)
    assert files.exchange(str(one), str(other))
    assert ((one / "name").read_text(), (other / "name").read_text()) == ("other", "one")
    assert not files.exchange(str(one), str(tmp_path / "none"))
    assert (one / "name").read_text() == "other"
