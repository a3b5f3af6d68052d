# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sessions saved and restored on a real file system, and files that nobody has reason to trust."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import tarfile
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from unit.release_kit import member, pack
from unit.session_kit import options

from ansible_collections.optio.codex.plugins.module_utils._core import safe_open as below
from ansible_collections.optio.codex.plugins.module_utils._launch import module as session
from ansible_collections.optio.codex.plugins.module_utils._transfer import snapshot as session_snapshot
from ansible_collections.optio.codex.plugins.module_utils._transfer import snapshot_archive
from ansible_collections.optio.codex.plugins.module_utils._transfer import snapshot_tree
from ansible_collections.optio.codex.plugins.module_utils._core.errors import OptioError
from ansible_collections.optio.codex.plugins.module_utils._core.host import LocalHost
from ansible_collections.optio.codex.plugins.module_utils._core.runner import converge
from ansible_collections.optio.codex.plugins.module_utils._transfer.snapshot import SUBJECT

OLD, NEW = "01a20f61-0240-7a21-bc56-635829b3bf62", "01a20f61-0e7a-7df0-aa23-3787d5e0d4fe"
ROLLOUT = f"home/.codex/sessions/2026/11/24/rollout-2026-11-24T21-05-45-{NEW}.jsonl"
CONTENT = {
    "src/main.c": "int main;\n",
    "src/main.o": "object",
    ".git/config": "[core]\n",
    "node_modules/x/index.js": "x",
    "home/.codex/auth.json": "secret",
    "home/.codex/config.toml": "model = 'm'\n",
    "home/.codex/state_5.sqlite": "db",
    "home/.codex/shell_snapshots/1.sh": "export KEY=hunter2\n",
    ROLLOUT: '{"a": 1}\n{"b": 2}\n{"hal',
    f"home/.codex/sessions/2026/11/25/rollout-2026-11-25T01-00-00-{OLD}.jsonl": '{"c": 3}\n',
}


class Host(LocalHost):
    """This machine, with the warnings kept."""

    def __init__(self) -> None:
        super().__init__()
        self.warnings: list[str] = []

    def warn(self, text: str) -> None:
        self.warnings.append(text)


class Place:
    """A root of sessions, one of which has been at work."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.root = base / "root"
        self.task = self.root / "one"
        self.work = self.task / "workdir"
        self.path = base / "one.tar.gz"
        self.host = Host()
        for name, text in CONTENT.items():
            (self.work / name).parent.mkdir(parents=True, exist_ok=True)
            (self.work / name).write_text(text)
        (self.work / "src/main.c").chmod(0o755)
        (self.task / "session").write_text(
            f"name=one\nworkdir={self.work}\ncodex=/cache/releases/0.169.0-x86_64-unknown-linux-musl/bin/codex\n"
        )
        (self.task / "exit").write_text("0 1795554346\n")
        (self.task / "environment").write_text("export KEY=hunter2\n")

    def run(self, *, check: bool = False, **given: Any) -> dict[str, Any]:
        params = options(SUBJECT, **{"name": "one", "root": str(self.root), "path": str(self.path), **given})
        return converge(SUBJECT, params, self.host, check, True)

    def restore(self, name: str = "two", **given: Any) -> dict[str, Any]:
        return self.run(name=name, state="restored", **given)

    def members(self) -> dict[str, bytes]:
        with tarfile.open(self.path) as archive:
            return {one.name: archive.extractfile(one).read() for one in archive if one.isreg()}  # type: ignore[union-attr]

    def everything(self, name: str) -> dict[str, tuple[str, int]]:
        found = {}
        for path in sorted((self.root / name).rglob("*")):
            kind = os.readlink(path) if path.is_symlink() else path.read_text() if path.is_file() else "directory"
            found[str(path.relative_to(self.root / name))] = (kind, path.lstat().st_mode & 0o7777)
        return found


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setenv("HOME", str(tmp_path))
    return Place(tmp_path)


def test_taken_and_taken_again(place: Place) -> None:
    predicted = place.run(check=True)
    assert not place.path.exists() and predicted["sha256"] is None
    taken = place.run()
    unknown = ("size", "sha256", "unstable_count")
    assert {name: value for name, value in taken.items() if name not in unknown} == {
        name: value for name, value in predicted.items() if name not in unknown
    }
    assert taken["changed"] and taken["session_id"] == NEW and taken["version"] == "0.169.0" and taken["status"] == "finished"
    data = place.path.read_bytes()
    assert (taken["size"], taken["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())
    assert place.path.stat().st_mode & 0o7777 == 0o600
    members = place.members()
    manifest = json.loads(members.pop("manifest.json"))
    assert sorted(members) == sorted(
        f"workdir/{name}"
        for name in CONTENT
        if not name.startswith((".git", "node_mod", "home/.codex/auth", "home/.codex/s")) or "rollout" in name
    )
    assert members[f"workdir/{ROLLOUT}"] == b'{"a": 1}\n{"b": 2}\n', "the line being written is left out"
    assert taken["files"] == len(members) == manifest["files"]
    assert manifest["session_id"] == NEW and manifest["workdir"] == str(place.work)
    assert taken["excluded"][".git"] == taken["excluded"]["home/.codex/auth.json"] == 1
    assert b"hunter2" not in gzip.decompress(data)
    again = place.run()
    assert not again["changed"] and again["sha256"] == taken["sha256"] and again["size"] == taken["size"]
    (place.work / "src/main.c").write_text("int more;\n")
    changed = place.run()
    assert changed["changed"] and changed["diff"]["before"].startswith(f"{place.path}: snapshot of 20")
    assert not place.host.warnings
    assert sorted(path.name for path in place.base.iterdir()) == ["one.tar.gz", "root"]


def test_options_decide_what_is_in_it(place: Place) -> None:
    taken = place.run(exclude=["*.o", "/home/.codex/config.toml"], include_git=True, credentials=True)
    names = set(place.members())
    assert {"workdir/.git/config", "workdir/home/.codex/auth.json"} < names
    assert not {"workdir/src/main.o", "workdir/home/.codex/config.toml"} & names
    assert "refresh token" in taken["warnings"][0]
    assert place.run()["changed"], "without the repository it is another snapshot"
    assert place.run(force=True)["changed"]


def test_restored_elsewhere_and_again(place: Place) -> None:
    taken = place.run(include_git=True)
    predicted = place.restore(check=True)
    assert not (place.root / "two").exists()
    made = place.restore(checksum=f"sha256:{taken['sha256']}")
    assert made["actions"] == predicted["actions"] and made["session_id"] == predicted["session_id"] == NEW
    assert made["status"] == "stopped" and made["sha256"] == taken["sha256"] and made["files"] == taken["files"]
    assert made["origin"]["name"] == "one" and made["origin"]["status"] == "finished"
    after = place.everything("two")
    assert after["workdir/src/main.c"] == (CONTENT["src/main.c"], 0o700)
    assert after["workdir/src/main.o"] == (CONTENT["src/main.o"], 0o600)
    assert after["workdir/.git/config"][0] == "[core]\n"
    assert {mode for kind, mode in after.values() if kind == "directory"} == {0o700}
    assert (place.root / "two/workdir/src/main.o").stat().st_mtime_ns // 10**9 == (place.work / "src/main.o").stat().st_mtime_ns // 10**9
    again = place.restore()
    assert not again["changed"] and again["sha256"] == taken["sha256"] and place.everything("two") == after
    (place.work / "src/main.c").write_text("other")
    place.run()
    with pytest.raises(OptioError, match="session two: is stopped and was not made from this snapshot"):
        place.restore()
    assert place.everything("two") == after


def test_the_session_module_goes_on_with_it(place: Place) -> None:
    place.run()
    place.restore()
    (place.base / "codex").write_text("#!/bin/sh\n")
    (place.base / "codex").chmod(0o755)
    params = options(session.SUBJECT, name="two", root=str(place.root), resume=True, codex_dir=str(place.base))
    plan = converge(session.SUBJECT, params, place.host, True, True)
    work = place.root / "two/workdir"
    assert ("link", f"{work}/home/.local/bin/codex") in [(action["kind"], action["target"]) for action in plan["actions"]]
    assert plan["session_id"] == NEW
    observed = session.SUBJECT.observe_on(place.host, params)
    launcher = next(a.payload.text for a in session.SUBJECT.plan(observed, params).actions if a.target.endswith("launch.sh"))
    assert f"codex resume {NEW} -C {work}" in launcher
    told = converge(session.SUBJECT, options(session.SUBJECT, name="two", root=str(place.root)), place.host, True, True)
    assert told["status"] == "stopped" and not told["changed"], "without resume it is an ended session"
    gone = converge(session.SUBJECT, options(session.SUBJECT, name="two", root=str(place.root), state="absent"), place.host, False, True)
    assert gone["changed"] and sorted(path.name for path in (place.root / "two").iterdir()) == ["workdir"]


def test_credentials_come_only_when_asked_for(place: Place) -> None:
    place.run(credentials=True)
    place.restore()
    assert not (place.root / "two/workdir/home/.codex/auth.json").exists()
    assert "refresh token" in place.restore("three", credentials=True)["warnings"][0]
    assert (place.root / "three/workdir/home/.codex/auth.json").read_text() == "secret"


def test_an_empty_workdir_is_filled_and_another_refused(place: Place) -> None:
    place.run()
    given = place.base / "given"
    given.mkdir()
    assert place.restore(workdir=str(given))["workdir"] == str(given)
    assert (given / "src/main.c").exists() and not (place.root / "two/workdir").exists()
    full = place.base / "full"
    full.mkdir()
    (full / ".hidden").write_text("mine")
    with pytest.raises(OptioError, match="full: is not empty"):
        place.restore("three", workdir=str(full))
    assert [path.name for path in full.iterdir()] == [".hidden"]
    with pytest.raises(OptioError, match="session one: is finished"):
        place.restore("one")


def test_what_is_not_there(place: Place) -> None:
    with pytest.raises(OptioError, match=r"one\.tar\.gz: no such file"):
        place.restore()
    predicted = place.restore(check=True)
    assert predicted["changed"] and "no such file" in predicted["warnings"][0]
    with pytest.raises(OptioError, match="session none: has no workdir"):
        place.run(name="none")
    assert "has no workdir" in place.run(name="none", check=True)["warnings"][0]
    with pytest.raises(OptioError, match="Create its parent directory first"):
        place.run(path=str(place.base / "no/one.tar.gz"))
    with pytest.raises(OptioError, match="would hold itself"):
        place.run(path=f"{place.work}/one.tar.gz")
    (place.base / "inside").symlink_to(place.work)
    with pytest.raises(OptioError, match="would hold itself"):
        place.run(path=f"{place.base}/inside/one.tar.gz")


def test_another_file_is_not_replaced(place: Place) -> None:
    place.path.write_text("my thesis")
    with pytest.raises(OptioError, match=r"is no snapshot of a session: .* Give another path, or set force"):
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
    real = below.Below.open
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

    monkeypatch.setattr(below.Below, "open", meddle)
    size_when_seen = os.path.getsize(big)
    taken = place.run()
    assert sorted(taken["unstable"]) == ["big", "src/main.c", "src/main.o"] and taken["unstable_count"] == 3
    assert "changed or vanished" in place.host.warnings[0]
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
    assert place.run()["unstable"] == ["big"]
    assert place.members()["workdir/big"] == b"x" * 10 + bytes(snapshot_archive.CHUNK * 3 - 10)


def test_a_directory_that_becomes_a_link(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    (place.base / "secret").mkdir()
    (place.base / "secret/main.c").write_text("root:x:0")
    real = snapshot_tree.survey

    def swap(*given: Any) -> Any:
        seen = real(*given)
        if not (place.work / "src").is_symlink():
            (place.work / "src").rename(place.work / "old")
            (place.work / "src").symlink_to(place.base / "secret")
        return seen

    params = options(SUBJECT, name="one", root=str(place.root), path=str(place.path))
    monkeypatch.setattr(session_snapshot, "survey", swap)
    observed = SUBJECT.observe_on(place.host, params)
    SUBJECT.apply(SUBJECT.plan(observed, params), observed, params, place.host)
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
    assert sorted(path.name for path in place.base.iterdir()) == ["one.tar.gz", "root"]
    assert not (place.root / "two").exists()


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


GOOD = {"format": 1, "session_id": NEW, "files": 1, "bytes": 1, "fingerprint": "0"}


def manifest(**changes: Any) -> tuple[tarfile.TarInfo, bytes]:
    return member("manifest.json", json.dumps({**GOOD, **changes}).encode())


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
        ([manifest(), member("workdir/a", b"x"), member("workdir/a/b", b"y")], "goes through a file"),
        ([manifest(), member("workdir/a", b"x"), member("workdir/a", b"y")], "occurs twice"),
        ([manifest(), member("workdir/f", b"x", pax_headers={"comment": "x" * (3 << 20)})], "headers are larger"),
        ([manifest(format=2)], "is a snapshot of format 2, and this version reads 1"),
        ([manifest(format="1")], "its manifest has no format"),
        ([member("manifest.json", b"[]")], "its manifest has no format"),
        ([member("manifest.json", b"{")], "is no snapshot of a session"),
        ([member("manifest.json", b"[" * 5000)], "is no snapshot of a session"),
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
        (b"", "is no snapshot"),
        (b"\x7fELF and no archive", "is no snapshot"),
        (gzip.compress(b"no tar at all " * 100), "is no snapshot"),
        (pack(manifest(), member("workdir/f", os.urandom(1 << 20)))[:-300_000], "ends early"),
        (pack(manifest(), member("workdir/f", b"x")) + b"more", "something follows"),
    ],
    ids=["nothing", "a program", "text", "half", "more"],
)
def test_what_is_no_archive(place: Place, data: bytes, reason: str) -> None:
    place.path.write_bytes(data)
    with pytest.raises(OptioError, match=reason):
        place.restore()
    assert not (place.root / "two").exists()


@pytest.mark.parametrize(("limit", "value"), [("MOST_ENTRIES", 3), ("LARGEST_SNAPSHOT", 1 << 10)])
def test_a_bomb_is_refused(place: Place, monkeypatch: pytest.MonkeyPatch, limit: str, value: int) -> None:
    files = [member(f"workdir/{number}", bytes(1 << 19)) for number in range(5)]
    place.path.write_bytes(pack(manifest(), *files))
    monkeypatch.setattr(snapshot_archive, limit, value)
    with pytest.raises(OptioError, match=r"unpacks to more than|more than 4 members"):
        place.restore()
    assert not (place.root / "two").exists()


def test_a_wrong_checksum(place: Place) -> None:
    place.run()
    with pytest.raises(OptioError, match=r"expected is sha256:0000.* Take the snapshot again"):
        place.restore(checksum=f"sha256:{'0' * 64}", workdir=str(place.base / "new/given"))
    assert not (place.root / "two").exists()
    assert sorted(path.name for path in place.base.iterdir()) == ["one.tar.gz", "root"]
    with pytest.raises(OptioError, match="is not of the form sha256"):
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
