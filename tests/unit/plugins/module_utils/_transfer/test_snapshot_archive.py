# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Archives that no snapshot is, hostile and damaged ones."""

from __future__ import annotations

import gzip
import os
import tarfile

import pytest

from ansible_collections.optio.codex.plugins.module_utils._core.errors import OptioError
from ansible_collections.optio.codex.plugins.module_utils._transfer import snapshot_restore
from ansible_collections.optio.codex.tests.unit.support.release_builders import member, pack
from ansible_collections.optio.codex.tests.unit.support.snapshot_place import Place, manifest


def typed(name: str, kind: bytes, target: str = "") -> tuple[tarfile.TarInfo, bytes]:
    return member(name, type=kind, linkname=target)


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ([manifest(), member("/etc/evil", b"x")], "outside it"),
        ([manifest(), member("workdir/../../evil", b"x")], "outside it"),
        ([manifest(), member("../evil", b"x")], "outside it"),
        ([manifest(), member("workdir/new\nline", b"x")], "cannot be shown"),
        ([manifest(), member("workdir/" + "d/" * 70 + "f", b"x")], "lies too deep"),
        ([manifest(), member("workdir/suid", b"x", 0o4755)], "set-user-ID"),
        ([manifest(), member("workdir/sgid", b"x", 0o2755)], "set-user-ID"),
        ([manifest(), typed("workdir/device", tarfile.CHRTYPE)], "neither a file"),
        ([manifest(), typed("workdir/disk", tarfile.BLKTYPE)], "neither a file"),
        ([manifest(), typed("workdir/pipe", tarfile.FIFOTYPE)], "neither a file"),
        ([manifest(), typed("workdir/hard", tarfile.LNKTYPE, "/etc/passwd")], "neither a file"),
        ([manifest(), typed("workdir/link", tarfile.SYMTYPE, "/etc/passwd")], "leads out of it"),
        ([manifest(), typed("workdir/link", tarfile.SYMTYPE, "../../../one")], "leads out of it"),
        ([manifest(), typed("workdir/link", tarfile.SYMTYPE, ".."), member("workdir/link/session", b"x")], "goes through a symbolic link"),
        (
            [
                *(manifest(), member("workdir/a/b/f", b"x"), typed("workdir/a/b/up", tarfile.SYMTYPE, "../..")),
                typed("workdir/out", tarfile.SYMTYPE, "a/b/up/../../x"),
            ],
            "leads out of it",
        ),
        ([manifest(), typed("workdir/home", tarfile.SYMTYPE, "src"), member("workdir/home/x", b"x")], "workdir/home is not a directory"),
        ([manifest(), member("workdir/home", b"x")], "workdir/home is not a directory"),
        ([manifest(), typed("workdir/home/x", tarfile.SYMTYPE, "../src")], "leads out of it"),
        ([manifest(), typed("agent/x", tarfile.SYMTYPE, "../home/.codex/auth.json")], "leads out of it"),
        ([manifest(origin="project"), typed("workdir/x", tarfile.SYMTYPE, "../home/.codex")], "leads out of it"),
        ([manifest(origin="project"), typed("home/.codex", tarfile.SYMTYPE, "/root/.codex")], "leads out of it"),
        ([manifest(), member("workdir/a", b"x"), member("workdir/a/b", b"y")], "goes through a file"),
        ([manifest(), member("workdir/a", b"x"), member("workdir/a", b"y")], "occurs twice"),
        ([manifest(), member("workdir/f", b"x", pax_headers={"comment": "x" * (3 << 20)})], "headers are larger"),
        ([manifest(format=2)], "is a snapshot of format 2, but this version of the collection reads format 1"),
        ([manifest(format="1")], "its manifest has no format"),
        ([member("manifest.json", b"[]")], "its manifest has no format"),
        ([member("manifest.json", b"{")], "is not a snapshot of a session"),
        ([member("manifest.json", b"[" * 5000)], "is not a snapshot of a session"),
        ([member("manifest.json", b" " * (1 << 20))], "does not begin with manifest.json"),
        ([typed("manifest.json", tarfile.SYMTYPE, "/etc/passwd")], "does not begin with manifest.json"),
        ([member("workdir/f", b"x"), manifest()], "does not begin with manifest.json"),
    ],
)
def test_what_no_snapshot_holds(place: Place, members: list[tuple[tarfile.TarInfo, bytes]], reason: str) -> None:
    place.path.write_bytes(pack(*members))
    before = sorted(str(path) for path in place.base.rglob("*"))
    with pytest.raises(OptioError) as raised:
        place.restore()
    assert reason in raised.value.cause and raised.value.subject == str(place.path)
    assert [path for path in sorted(str(path) for path in place.base.rglob("*")) if not path.endswith(".lock")] == before


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "is not a snapshot"),
        (b"\x7fELF and no archive", "is not a snapshot"),
        (gzip.compress(b"no tar at all " * 100), "is not a snapshot"),
        (pack(manifest(), member("workdir/f", os.urandom(1 << 20)))[:-300_000], "ends early"),
        (pack(manifest(), member("workdir/f", b"x")) + b"more", "something follows"),
    ],
    ids=["nothing", "a program", "text", "half", "more"],
)
def test_an_invalid_archive(place: Place, data: bytes, reason: str) -> None:
    place.path.write_bytes(data)
    with pytest.raises(OptioError, match=reason):
        place.restore()
    assert not (place.root / "two").exists()


@pytest.mark.parametrize(("limit", "value"), [("MOST_ENTRIES", 3), ("LARGEST_SNAPSHOT", 1 << 10)])
def test_a_bomb_is_refused(place: Place, monkeypatch: pytest.MonkeyPatch, limit: str, value: int) -> None:
    files = [member(f"workdir/{number}", bytes(1 << 19)) for number in range(5)]
    place.path.write_bytes(pack(manifest(), *files))
    monkeypatch.setattr(snapshot_restore, limit, value)
    with pytest.raises(OptioError, match=r"unpacks to more than|more than 4 members"):
        place.restore()
    assert not (place.root / "two").exists()


def test_a_wrong_checksum(place: Place) -> None:
    place.run()
    with pytest.raises(OptioError, match=r"expected sha256:0000.* Take the snapshot again"):
        place.restore(checksum=f"sha256:{'0' * 64}", workdir=str(place.base / "new/given"))
    assert not (place.root / "two").exists()
    assert place.left() == []
    with pytest.raises(OptioError, match="checksum must have the form sha256"):
        place.restore(checksum="md5:1")


def test_odd_times_and_links_are_taken_as_they_are(place: Place) -> None:
    odd = [member("workdir/future", b"x", mtime=1 << 40), member("workdir/nan", b"x", pax_headers={"mtime": "nan"})]
    links = [
        typed("workdir/later", tarfile.SYMTYPE, "not/yet"),
        typed("workdir/self", tarfile.SYMTYPE, "self"),
        typed("workdir/top", tarfile.SYMTYPE, "."),
    ]
    place.path.write_bytes(pack(manifest(session_id="; rm -rf /"), *odd, *links))
    made = place.restore()
    assert made["session_id"] is None
    work = place.root / "two/workdir"
    assert os.readlink(work / "later") == "not/yet" and (work / "top/future").read_text() == "x"
