# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The file of a snapshot: a gzip tar archive of ``manifest.json`` and then a session's directories, written in one pass."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import re
import stat
import tarfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from .._archive.download import Download, SourceError
from .._archive.expected import ExpectedDigests
from .._archive.extract import ArchiveError, Gunzip
from .._core import files
from .._core.errors import OptioError
from .._core.safe_open import SafeDirectory, whole_lines
from .._session.layout import ORIGINS, OWN
from .snapshot_tree import HOME_PREFIX, PREFIX, PROJECT_HOME_PREFIX, Entry, Part, Scan

FORMAT = 1
MANIFEST = "manifest.json"
LARGEST_MANIFEST = 256 << 10
#: a file up to this many bytes is read whole before its size is written, so it is never torn
CHUNK = 1 << 18
LEVEL = 6
#: paths that are named one by one
MOST_NAMED = 100
_HOMES = (HOME_PREFIX, PROJECT_HOME_PREFIX)
_ROLLOUT = re.compile(r"\.codex/(?:archived_)?sessions/(?:.*/)?rollout-[^/]*\.jsonl\Z")
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")
_PACKAGE = {"format": FORMAT, "package": True, "origin": OWN, "parts": [PREFIX, HOME_PREFIX]}
TAKE_AGAIN = "Take the snapshot again, or copy it again if it came from another host"


@dataclass(frozen=True)
class SnapshotManifest:
    """The description in a snapshot; ``digest`` is the SHA-256 of its text."""

    digest: str
    fields: dict[str, Any]

    @property
    def session_id(self) -> str | None:
        """The conversation to resume, None if there is none yet."""
        found = self.fields.get("session_id")
        return found if isinstance(found, str) and _ID.match(found) else None

    @property
    def of_package(self) -> bool:
        """Whether the Python package optio-codex wrote the snapshot: the workdir alone, without a manifest."""
        return self.fields.get("package") is True

    @property
    def fingerprint(self) -> str:
        """That of the session's directories when it was taken."""
        return str(self.fields.get("fingerprint"))

    @property
    def origin(self) -> str:
        """The origin of the workdir, one of ORIGINS; before snapshots recorded it, codex's home was in every workdir."""
        origin = self.text("origin")
        return origin if origin in ORIGINS else OWN

    @property
    def parts(self) -> tuple[str, ...]:
        """Where the session's directories are in it; before snapshots recorded that, it was the workdir alone."""
        parts = self.fields.get("parts", [PREFIX, HOME_PREFIX])
        return tuple(part for part in parts if isinstance(part, str)) if isinstance(parts, list) else (PREFIX,)

    def text(self, name: str) -> str | None:
        """Return one field as a text that may be shown."""
        found = self.fields.get(name)
        return found if isinstance(found, str) and found.isprintable() else None

    def count(self, name: str) -> int:
        """Return one field as a number."""
        found = self.fields.get(name)
        return found if isinstance(found, int) else 0


@dataclass
class Written:
    """The result of writing one: ``unstable`` are the files that changed or vanished while they were read."""

    size: int = 0
    sha256: str = ""
    files: int = 0
    unstable: list[str] = field(default_factory=list)


class _Sink(io.RawIOBase):
    """Counts and hashes the bytes written to a file."""

    def __init__(self, stream: BinaryIO) -> None:
        super().__init__()
        self._stream = stream
        self._digest = hashlib.sha256()
        self.size = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._stream.write(data)
        self._digest.update(data)
        self.size += len(data)
        return len(data)

    @property
    def sha256(self) -> str:
        """The SHA-256 of the bytes written so far."""
        return self._digest.hexdigest()


def write(path: str, parts: Sequence[Part], seen: Scan, manifest: dict[str, Any]) -> Written:
    """Write a snapshot of a session that was looked at to ``path``, by one rename, with mode 0600."""
    with files.replacing(path) as stream:
        return _stream(stream, parts, seen, manifest)


def _stream(stream: BinaryIO, parts: Sequence[Part], seen: Scan, manifest: dict[str, Any]) -> Written:
    sink, written = _Sink(stream), Written()
    # no time and no name in its header: equal content makes equal bytes
    packed = gzip.GzipFile(filename="", fileobj=sink, mode="wb", compresslevel=LEVEL, mtime=0)
    form: dict[str, Any] = {"mode": "w|", "format": tarfile.PAX_FORMAT, "bufsize": CHUNK}
    with ExitStack() as stack:
        tops = {
            part.prefix: stack.enter_context(SafeDirectory(part.directory, follow=part.prefix == PREFIX))
            for part in parts
            if any(entry.prefix == part.prefix for entry in seen.entries)
        }
        with packed, tarfile.open(fileobj=packed, **form) as archive:
            _add(archive, MANIFEST, json.dumps(manifest, indent=1, sort_keys=True).encode())
            for entry in seen.entries:
                _add_entry(archive, tops, entry, written)
    written.size, written.sha256 = sink.size, sink.sha256
    return written


def _member(name: str, kind: bytes = tarfile.REGTYPE, mode: int = 0o600, size: int = 0) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.mode, member.size = kind, mode, size
    return member


def _add(archive: Any, name: str, content: bytes) -> None:
    archive.addfile(_member(name, size=len(content)), io.BytesIO(content))
    archive.members = []


def _add_entry(archive: Any, tops: Mapping[str, SafeDirectory], entry: Entry, written: Written) -> None:
    member = _member(entry.member, entry.kind, entry.mode)
    member.linkname = entry.target
    if entry.kind != tarfile.REGTYPE:
        archive.addfile(member)
    else:
        member.mtime = entry.mtime_ns // 10**9
        try:
            descriptor = tops[entry.prefix].open(entry.path)
        except OSError:
            written.unstable.append(entry.shown)
            return
        with os.fdopen(descriptor, "rb", buffering=0) as content:
            if not _add_file(archive, member, content, entry):
                written.unstable.append(entry.shown)
        written.files += 1
    # the archive would keep them all
    archive.members = []


def _add_file(archive: tarfile.TarFile, member: tarfile.TarInfo, content: io.FileIO, entry: Entry) -> bool:
    """Add a file as it is now; return whether it has not changed since ``entry`` was observed."""
    whole = os.fstat(content.fileno()).st_size
    if entry.prefix in _HOMES and _ROLLOUT.match(entry.path):
        # the line that codex is writing would be half of one
        whole = whole_lines(content.fileno())
    if whole <= CHUNK:
        data = _read(content, whole)
        member.size = len(data)
        archive.addfile(member, io.BytesIO(data))
    else:
        member.size = whole
        archive.addfile(member, _Padded(content, whole))
    after = os.fstat(content.fileno())
    return (after.st_size, after.st_mtime_ns) == (entry.size, entry.mtime_ns)


def _read(content: io.FileIO, size: int) -> bytes:
    data = b""
    while len(data) < size and (more := content.read(size - len(data))):
        data += more
    return data


class _Padded(io.RawIOBase):
    """A file of constant size: if it shrinks while it is read, it ends in NULs, as in GNU tar."""

    def __init__(self, content: io.FileIO, size: int) -> None:
        super().__init__()
        self._content = content
        self._left = size

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        wanted = self._left if size < 0 else min(size, self._left)
        data = _read(self._content, wanted)
        self._left -= wanted
        return data + bytes(wanted - len(data))


@contextmanager
def opened(path: str, checksum: str | None) -> Iterator[Download]:
    try:
        # a pipe must not hang the reader
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise files.failure(path, error) from error
    with os.fdopen(descriptor, "rb") as stream:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OptioError(path, f"path {path} is not a file", "Set the path of a snapshot file")
        yield Download(path, stream, status.st_size, ExpectedDigests(checksum, max(status.st_size, 1)))


def read_manifest(path: str) -> SnapshotManifest:
    """Return a snapshot's manifest, reading no more than that; raise OptioError for a file that is none of ours."""
    with opened(path, None) as body:
        try:
            text = _first_member(Gunzip(body))
            fields = json.loads(text) if text is not None else _PACKAGE
        except (ArchiveError, SourceError, tarfile.TarError, zlib.error, EOFError, ValueError, RecursionError) as error:
            raise OptioError(path, f"{path} is not a snapshot of a session: {error}", TAKE_AGAIN) from error
    if not isinstance(fields, dict) or not isinstance(fields.get("format"), int):
        raise OptioError(path, f"{path} is not a snapshot of a session: its manifest has no format", TAKE_AGAIN)
    if fields["format"] != FORMAT:
        cause = f"{path} is a snapshot of format {fields['format']}, but this version of the collection reads format {FORMAT}"
        raise OptioError(path, cause, "Use the version of this collection that wrote it")
    return SnapshotManifest(hash_file(path) if text is None else hashlib.sha256(text).hexdigest(), fields)


def _first_member(source: Gunzip) -> bytes | None:
    """Return the text of the manifest, None for a snapshot of the package, which is the output of ``tar -c .``."""
    with tarfile.open(fileobj=source, mode="r|", bufsize=CHUNK) as archive:  # type: ignore[call-overload]
        member = archive.next()
        if member is not None and member.name.partition("/")[0] == ".":
            return None
        if member is None or member.name != MANIFEST or not member.isreg() or member.size > LARGEST_MANIFEST:
            raise ArchiveError(f"it does not begin with {MANIFEST}")
        content = archive.extractfile(member)
        return bytes(content.read()) if content is not None else b""


def hash_file(path: str) -> str:
    """Return the SHA-256 of a file."""
    with opened(path, None) as body:
        while body.read():
            pass
        return body.sha256
