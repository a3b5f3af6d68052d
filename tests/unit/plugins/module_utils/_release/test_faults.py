# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Hostile and broken archives, installed beside a release that is current: refused by name, and nothing has changed."""

from __future__ import annotations

import gzip
import os
import tarfile
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.optio.codex.plugins.module_utils._archive import extract as unpack
from ansible_collections.optio.codex.plugins.module_utils._core.errors import OptioError
from ansible_collections.optio.codex.plugins.module_utils._core.runner import converge
from ansible_collections.optio.codex.plugins.module_utils._release.module import CODEX_RELEASE
from ansible_collections.optio.codex.tests.unit.support.release_builders import (
    PARAMS,
    TARGET,
    VERSION,
    QuickHost,
    checksum,
    elf,
    member,
    npm_archive,
    pack,
    package,
    snapshot,
    write_tree,
)

OLD = "0.1.1"
PREFIX = f"package/vendor/{TARGET.name}"
# what is compressed carries the time, so each is made only once
OLD_ARCHIVE = npm_archive(package(OLD))
GOOD = npm_archive()
PLAIN = gzip.decompress(GOOD)
Member = tuple[tarfile.TarInfo, bytes]


class Worker:
    """A cache in which a release is current, and a mirror in a directory."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.put(OLD_ARCHIVE, OLD)
        self.install(checksum=checksum(OLD_ARCHIVE), version=OLD)

    def put(self, archive: bytes, version: str = VERSION, mirror: str = "mirror") -> None:
        path = f"{mirror}/rust-v{version}/codex-npm-linux-{TARGET.asset}-{version}.tgz"
        write_tree(self.root, {path: (archive, 0o644)})

    def install(self, *mirrors: str, **options: Any) -> dict[str, Any]:
        params = {
            **PARAMS,
            "version": VERSION,
            "cache_dir": str(self.root / "cache"),
            "sources": [f"file://{self.root}/{mirror}" for mirror in mirrors or ("mirror",)],
            **options,
        }
        return converge(CODEX_RELEASE, params, QuickHost(), False, False)

    def refusal(self, archive: bytes) -> str:
        """Return the one cause for which the release of these very bytes is refused."""
        self.put(archive)
        with pytest.raises(OptioError) as error:
            self.install(checksum=checksum(archive))
        assert error.value.subject == f"codex {VERSION} for {TARGET.name}"
        failures: Any = error.value.details["failures"]
        assert [failure["source"].partition(str(self.root))[0] for failure in failures] == ["file://"]
        return str(failures[0]["cause"])


@pytest.fixture
def worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Worker:
    monkeypatch.setattr("os.fsync", lambda descriptor: None)
    monkeypatch.setenv("HOME", str(tmp_path))
    return Worker(tmp_path)


def with_members(*members: Member) -> bytes:
    """Return a whole release that has more members: nothing but them can be the reason to refuse it."""
    files = [member(f"{PREFIX}/{path}", content, mode) for path, (content, mode) in package().items()]
    return pack(*files, *members)


def named(name: str, content: bytes = b"x", **attributes: Any) -> Member:
    return member(f"{PREFIX}/{name}", content, **attributes)


def linked(name: str, kind: bytes, target: str) -> Member:
    return member(f"{PREFIX}/{name}", type=kind, linkname=target)


def pax(**headers: str) -> Member:
    return named("file", pax_headers=headers)


def headers(kind: bytes, count: int) -> bytes:
    """Return headers of which each only says something of the next."""
    info = tarfile.TarInfo("header")
    info.type, record = kind, b"13 comment=x\n"
    info.size = len(record)
    return (info.tobuf(tarfile.USTAR_FORMAT) + record.ljust(512, b"\0")) * count


def manifest(old: bytes, new: bytes) -> bytes:
    files = package()
    text, mode = files["codex-package.json"]
    assert old in text
    return npm_archive({**files, "codex-package.json": (text.replace(old, new), mode)})


def in_place_of(path: str, *members: Member) -> bytes:
    """Return a release in which other members stand for one of its files."""
    files = [member(f"{PREFIX}/{name}", content, mode) for name, (content, mode) in package().items() if name != path]
    return pack(*files, *members)


def damaged_trailer(position: int) -> bytes:
    flipped = bytearray(GOOD)
    flipped[position] ^= 1
    return bytes(flipped)


def sparse() -> bytes:
    """Return an archive with a sparse file of the old kind: 512 of 1 MiB."""
    info, content = named("file", b"x" * 512, type=tarfile.GNUTYPE_SPARSE)
    head = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    head[386 : 386 + 24] = b"%011o\0%011o\0" % (0, 512)
    head[483 : 483 + 12] = b"%011o\0" % (1 << 20)
    head[148:156] = b" " * 8
    head[148:156] = b"%06o\0 " % sum(head)
    return gzip.compress(bytes(head) + content + bytes(1024))


EVIL: dict[str, tuple[Callable[[], bytes], str]] = {
    "hard link inside": (lambda: with_members(linked("hard", tarfile.LNKTYPE, f"{PREFIX}/bin/codex")), "hard is neither a file"),
    "pax path upwards": (lambda: with_members(pax(path=f"{PREFIX}/../../../../../evil")), "lies outside it"),
    "pax path absolute": (lambda: with_members(pax(path="/tmp/optio-codex-evil")), "'/tmp/optio-codex-evil' lies outside it"),
    "pax path with NUL": (lambda: with_members(pax(path=f"{PREFIX}/bin/a\0b")), r"bin/a\x00b' has a name that"),
    "pax link outwards": (lambda: with_members(linked("link", tarfile.SYMTYPE, "x" * 200 + "/../../../..")), "link leads out of it"),
    "pax size of less than nothing": (lambda: with_members(pax(size="-1")), "was refused: "),
    "pax size of too much": (lambda: with_members(pax(size="9" * 30)), "unpacks to more than"),
    "pax sparse": (lambda: with_members(pax(**{"GNU.sparse.map": "0,1", "GNU.sparse.size": "1048576"})), "file is neither a file"),
    "sparse": (sparse, "file is neither a file"),
    "an unknown kind": (lambda: with_members(named("file", type=b"Z")), "file is neither a file"),
    "a name with an escape sequence": (lambda: with_members(named("a\x1b[2Jb")), r"a\x1b[2Jb' has a name that"),
    "a name with a C1 control character": (lambda: with_members(named("a\x9b2Jb")), r"a\x9b2Jb' has a name that"),
    "a name with a line separator": (lambda: with_members(named("a\u2028b")), r"a\u2028b' has a name that"),
    "a name that is no UTF-8": (lambda: with_members(named("a\udcffb")), r"a\udcffb' has a name that"),
    "a name that is too long for a file": (lambda: with_members(named("a" * 300)), "file name too long"),
    "a name that is too long for a path": (lambda: with_members(named("a/" * 2500 + "a")), "longer than 1024 characters"),
    "directories too deep to be removed": (lambda: with_members(named("a/" * 400 + "a")), "too deep"),
    "a link to nothing at all": (lambda: with_members(linked("link", tarfile.SYMTYPE, "")), "link leads out of it"),
    "a link with a name too long": (lambda: with_members(linked("link", tarfile.SYMTYPE, "a" * 5000)), "file name too long"),
    "links in a circle": (
        lambda: with_members(linked("a", tarfile.SYMTYPE, "b"), linked("b", tarfile.SYMTYPE, "a")),
        "leads out of it or nowhere",
    ),
    "a directory in place of a file": (lambda: with_members(member(f"{PREFIX}/bin/codex", type=tarfile.DIRTYPE)), "goes through a file"),
    "a file in place of a directory": (lambda: with_members(member(f"{PREFIX}/bin", b"x")), "bin occurs twice"),
    "a link in place of a directory": (lambda: with_members(linked("bin", tarfile.SYMTYPE, "codex-path")), "bin occurs twice"),
    "the executable twice": (lambda: with_members(named("bin/codex", elf())), "bin/codex occurs twice"),
    "long names of long names": (lambda: gzip.compress(headers(tarfile.GNUTYPE_LONGNAME, 1000) + PLAIN), "headers"),
    "headers of headers": (lambda: gzip.compress(headers(tarfile.XHDTYPE, 1000) + PLAIN), "headers"),
    "a bomb behind the end": (lambda: gzip.compress(PLAIN + bytes(16 << 20)), "headers are larger"),
    "something behind the archive": (lambda: gzip.compress(PLAIN + b"more" * 1000), "something follows"),
    "something far behind the archive": (lambda: gzip.compress(PLAIN + bytes(1 << 19) + b"more"), "something follows"),
    "something behind the gzip data": (lambda: GOOD + b"more", "something follows"),
    "zeros behind the gzip data": (lambda: GOOD + bytes(512), "something follows"),
    "no gzip trailer": (lambda: GOOD[:-8], "ends early"),
    "half a gzip trailer": (lambda: GOOD[:-4], "ends early"),
    "a wrong CRC": (lambda: damaged_trailer(-7), "incorrect data check"),
    "a wrong length": (lambda: damaged_trailer(-3), "incorrect length check"),
    "an archive that ends in a file": (
        lambda: gzip.compress(PLAIN[: PLAIN.index(package()["bin/codex"][0]) + 600]),
        "unexpected end of data",
    ),
    "raw deflate": (lambda: zlib.compress(PLAIN), "incorrect header check"),
    "no entrypoint": (lambda: manifest(b'"entrypoint"', b'"start"'), "has entrypoint None"),
    "an entrypoint upwards": (lambda: manifest(b'"bin/codex"', b'"bin/../../codex"'), "not a path below the package"),
    "another layout": (lambda: manifest(b'"layoutVersion": 1', b'"layoutVersion": 2'), "has layoutVersion 2, wanted is 1"),
    "another platform": (lambda: manifest(TARGET.name.encode(), b"s390x-linux"), "has target 's390x-linux'"),
    "resources elsewhere": (lambda: manifest(b'"codex-resources"', b'"bin"'), "bin/bwrap cannot be read"),
    "an entrypoint that is a link": (
        lambda: in_place_of("bin/codex", linked("bin/codex", tarfile.SYMTYPE, "codex-code-mode-host")),
        "bin/codex is not an executable file",
    ),
    "an entrypoint that is a directory": (
        lambda: in_place_of("bin/codex", member(f"{PREFIX}/bin/codex", type=tarfile.DIRTYPE)),
        "bin/codex cannot be read: is a directory",
    ),
    "a manifest that is a directory": (
        lambda: in_place_of("codex-package.json", member(f"{PREFIX}/codex-package.json", type=tarfile.DIRTYPE)),
        "codex-package.json cannot be read: is a directory",
    ),
    "a manifest nested without end": (
        lambda: in_place_of("codex-package.json", named("codex-package.json", b"[" * 200_000)),
        "codex-package.json is not JSON",
    ),
}


@pytest.mark.parametrize("evil", EVIL)
def test_refused_options(worker: Worker, evil: str) -> None:
    make, cause = EVIL[evil]
    archive = make()
    before = snapshot(worker.root / "cache")
    said = worker.refusal(archive)
    assert cause in said
    assert len(said) < 2000
    assert snapshot(worker.root / "cache") == before
    # of a mirror whose digest is wrong it is not the worker's fault either
    worker.put(GOOD, mirror="second")
    done = worker.install("mirror", "second", checksum=checksum(GOOD))
    assert done["source"].startswith(f"file://{worker.root}/second")
    assert sorted(os.listdir(worker.root / "cache")) == [".lock", "codex", "releases"]


def test_a_bomb_needs_no_memory_and_leaves_nothing(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    size = 64 << 20
    bomb = with_members(named("bomb", bytes(size)), named("second", bytes(1 << 20)))
    assert len(bomb) < size / 100
    monkeypatch.setattr(unpack, "LARGEST_TREE", size + (1 << 19))
    before = snapshot(worker.root / "cache")
    tracemalloc.start()
    try:
        assert f"unpacks to more than {size + (1 << 19)} bytes" in worker.refusal(bomb)
        assert tracemalloc.get_traced_memory()[1] < size / 2
    finally:
        tracemalloc.stop()
    assert snapshot(worker.root / "cache") == before
