# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Archives from a source that nobody has reason to trust."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import tarfile
from pathlib import Path

import pytest

from ansible_collections.optio.codex.plugins.module_utils._archive import extract as module
from ansible_collections.optio.codex.plugins.module_utils._archive.download import Download, SourceError
from ansible_collections.optio.codex.plugins.module_utils._archive.expected import ExpectedDigests
from ansible_collections.optio.codex.plugins.module_utils._archive.extract import store, unpack
from ansible_collections.optio.codex.plugins.module_utils._release.package import check_tree
from ansible_collections.optio.codex.tests.unit.support.release_builders import (
    CODEX_RELEASE,
    TARGET,
    elf,
    member,
    npm_archive,
    pack,
    package,
)

PREFIX = f"package/vendor/{TARGET.name}"


def body(data: bytes, expected: bytes | None = None) -> Download:
    digest = hashlib.sha256(data if expected is None else expected).hexdigest()
    return Download("https://mirror.example/file", io.BytesIO(data), len(data), ExpectedDigests(digest))


def test_a_package_becomes_a_tree(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    mask = os.umask(0o077)
    try:
        unpack(body(npm_archive()), str(tree), PREFIX)
    finally:
        os.umask(mask)
    files = {str(path.relative_to(tree)): path for path in tree.rglob("*") if path.is_file()}
    assert {name: path.read_bytes() for name, path in files.items()} == {name: content for name, (content, _mode) in package().items()}
    assert {name: path.stat().st_mode & 0o7777 for name, path in files.items()} == {
        name: mode for name, (_content, mode) in package().items()
    }
    assert {path.stat().st_mode & 0o7777 for path in [tree, *tree.rglob("*")] if path.is_dir()} == {0o755}
    assert check_tree(str(tree), CODEX_RELEASE, "mirror") == "bin/codex"


def test_links_that_stay_inside(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    link = member(f"{PREFIX}/codex-path/rg", type=tarfile.SYMTYPE, linkname="../bin/rg")
    unpack(body(pack(member(f"{PREFIX}/bin/rg", b"rg", 0o755), link)), str(tree), PREFIX)
    assert (tree / "codex-path/rg").read_bytes() == b"rg"


def typed(name: str, kind: bytes, target: str = "") -> tuple[tarfile.TarInfo, bytes]:
    return member(name, type=kind, linkname=target)


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ([member("/etc/evil", b"x")], "outside it"),
        ([member("../evil", b"x")], "outside it"),
        ([member(f"{PREFIX}/../../../../evil", b"x")], "outside it"),
        ([member(f"{PREFIX}/new\nline", b"x")], "cannot be shown"),
        ([member(f"{PREFIX}/suid", b"x", 0o4755)], "set-user-ID"),
        ([member(f"{PREFIX}/sgid", b"x", 0o2755)], "set-user-ID"),
        ([typed(f"{PREFIX}/device", tarfile.CHRTYPE)], "neither a file"),
        ([typed(f"{PREFIX}/device", tarfile.BLKTYPE)], "neither a file"),
        ([typed(f"{PREFIX}/fifo", tarfile.FIFOTYPE)], "neither a file"),
        ([typed(f"{PREFIX}/hard", tarfile.LNKTYPE, "/etc/passwd")], "neither a file"),
        ([typed(f"{PREFIX}/link", tarfile.SYMTYPE, "/etc/passwd")], "leads out of it"),
        ([typed(f"{PREFIX}/link", tarfile.SYMTYPE, "../outside")], "leads out of it"),
        ([typed(f"{PREFIX}/link", tarfile.SYMTYPE, "nowhere")], "leads out of it or nowhere"),
        # a link whose text stays inside and whose way does not
        (
            [
                member(f"{PREFIX}/a/b/file", b"x"),
                typed(f"{PREFIX}/a/b/up", tarfile.SYMTYPE, "../.."),
                typed(f"{PREFIX}/out", tarfile.SYMTYPE, "a/b/up/../../outside"),
            ],
            "leads out of it",
        ),
        (
            [
                member(f"{PREFIX}/bin/file", b"x"),
                typed(f"{PREFIX}/link", tarfile.SYMTYPE, "bin"),
                member(f"{PREFIX}/link/file2", b"x"),
            ],
            "goes through a symbolic link",
        ),
        ([member(f"{PREFIX}/bin", b"x"), member(f"{PREFIX}/bin/codex", b"x")], "goes through a file"),
        ([member(f"{PREFIX}/a", b"x"), member(f"{PREFIX}/a", b"y")], "occurs twice"),
        ([member(f"{PREFIX}/a", b"x"), typed(f"{PREFIX}/a", tarfile.SYMTYPE, "b")], "occurs twice"),
    ],
)
def test_what_no_release_holds(tmp_path: Path, members: list[tuple[tarfile.TarInfo, bytes]], reason: str) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/outside").write_text("untouched")
    with pytest.raises(SourceError) as error:
        unpack(body(pack(*members)), str(tmp_path / "in/tree"), PREFIX)
    assert "the archive https://mirror.example/file was refused: " in error.value.cause
    assert reason in error.value.cause
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in"]
    assert (tmp_path / "in/outside").read_text() == "untouched"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "ends early"),
        (b"\x7fELF and no archive", "incorrect header check"),
        (npm_archive()[:-200], "ends early"),
        (gzip.compress(b"no tar at all " * 100), "invalid header"),
    ],
    # what is compressed carries the time, which must not be part of a test's name
    ids=["nothing", "a program", "half an archive", "text"],
)
def test_an_invalid_archive(tmp_path: Path, data: bytes, reason: str) -> None:
    with pytest.raises(SourceError) as error:
        unpack(body(data), str(tmp_path / "tree"), PREFIX)
    assert reason in error.value.cause


@pytest.mark.parametrize("position", [12, 400, -12])
def test_a_flipped_byte_changes_the_digest(tmp_path: Path, position: int) -> None:
    good = npm_archive()
    bad = bytearray(good)
    bad[position] ^= 1
    with pytest.raises(SourceError, match="expected sha256"):
        unpack(body(bytes(bad), good), str(tmp_path / "tree"), PREFIX)


def test_a_bomb_in_a_header_is_refused(tmp_path: Path) -> None:
    huge = member(f"{PREFIX}/file", b"x", pax_headers={"comment": "x" * (3 << 20)})
    with pytest.raises(SourceError, match="headers are larger"):
        unpack(body(pack(huge)), str(tmp_path / "tree"), PREFIX)


def test_a_tree_that_grows_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LARGEST_TREE", 100)
    with pytest.raises(SourceError, match="unpacks to more than 100 bytes"):
        unpack(body(npm_archive()), str(tmp_path / "tree"), PREFIX)


def test_too_many_members(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_MEMBERS", 3)
    with pytest.raises(SourceError, match="more than 3 members"):
        unpack(body(npm_archive()), str(tmp_path / "tree"), PREFIX)


def test_several_gzip_parts_are_one_archive(tmp_path: Path) -> None:
    plain = gzip.decompress(npm_archive())
    half = len(plain) // 2
    unpack(body(gzip.compress(plain[:half]) + gzip.compress(plain[half:])), str(tmp_path / "tree"), PREFIX)
    assert check_tree(str(tmp_path / "tree"), CODEX_RELEASE, "mirror") == "bin/codex"


def test_a_single_executable(tmp_path: Path) -> None:
    data = elf(text=b"ttyd")
    store(body(data), str(tmp_path / "tree/ttyd"))
    assert (tmp_path / "tree/ttyd").read_bytes() == data
    assert (tmp_path / "tree/ttyd").stat().st_mode & 0o7777 == 0o755


def test_a_full_disk_is_not_blamed_on_the_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(Exception, match=r"no space left on device\. Free space") as error:
        unpack(body(npm_archive()), str(tmp_path / "tree"), PREFIX)
    assert not isinstance(error.value, SourceError)
