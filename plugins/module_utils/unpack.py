# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A release's bytes made into a tree, in one pass and without trust in what the archive says."""

from __future__ import annotations

import os
import posixpath
import re
import tarfile
import zlib
from collections.abc import Callable
from typing import IO

from . import files
from .fetch import CHUNK, Body, SourceError

#: bytes and members of an unpacked release
LARGEST_TREE = 4 << 30
MOST_MEMBERS = 20_000
#: bytes of headers between two members
LARGEST_HEADER = 1 << 20
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_GZIP_MAGIC = b"\x1f\x8b"


class ArchiveError(Exception):
    """The bytes are not an archive of the shape that a release has."""


def unpack(body: Body, tree: str, prefix: str) -> None:
    """Unpack the members below ``prefix`` of a gzip tar archive into the new directory ``tree``, then verify the body.

    Raises SourceError when the bytes are not the expected ones, or are and hold what no release may hold.
    """
    _complete(body, tree, lambda: _Extraction(tree, prefix).run(body))


def store(body: Body, path: str) -> None:
    """Write a body that is the executable itself to the new file ``path``, then verify it."""
    os.mkdir(os.path.dirname(path), 0o755)
    os.chmod(os.path.dirname(path), 0o755)

    def copy() -> None:
        with _create(path, 0o755) as target:
            while data := body.read():
                target.write(data)
            _settle(target)

    _complete(body, path, copy)


def _complete(body: Body, path: str, extract: Callable[[], None]) -> None:
    """Verify the whole body even when its archive is odd: a wrong digest tells more than what it led to."""
    odd: Exception | None = None
    try:
        extract()
    except (ArchiveError, tarfile.TarError, zlib.error, EOFError, ValueError) as error:
        odd = error
    except OSError as error:
        raise files.failure(str(error.filename or path), error) from error
    body.verify()
    if odd is not None:
        raise SourceError(body.name, f"its archive is refused: {odd}", "Check which file the checksum was taken of")


class _Gunzip:
    """The unpacked bytes of a body; ``ceiling`` bounds them, so that a bomb ends before it fills memory or disk."""

    def __init__(self, body: Body) -> None:
        self.produced = 0
        self.ceiling = LARGEST_HEADER
        self._body = body
        self._decoder = zlib.decompressobj(wbits=31)
        self._pending = b""

    def read(self, size: int) -> bytes:
        """Return up to ``size`` bytes, none at the end."""
        while True:
            if self._decoder.eof:
                rest = self._decoder.unused_data or self._body.read(CHUNK)
                if rest[:1] and not _GZIP_MAGIC.startswith(rest[:2]):
                    return b""
                if not rest:
                    return b""
                self._decoder, self._pending = zlib.decompressobj(wbits=31), rest
            if not self._pending:
                self._pending = self._body.read(CHUNK)
                if not self._pending:
                    raise ArchiveError("its gzip data ends early")
            data = self._decoder.decompress(self._pending, size)
            self._pending = self._decoder.unconsumed_tail
            if data:
                self.produced += len(data)
                if self.produced > self.ceiling + CHUNK:
                    raise ArchiveError("its headers are larger than any release's")
                return data


class _Extraction:
    """One pass over an archive."""

    def __init__(self, tree: str, prefix: str) -> None:
        self._tree = tree
        self._prefix = prefix
        self._links: set[str] = set()
        self._size = 0

    def run(self, body: Body) -> None:
        self._directory("")
        source = _Gunzip(body)
        # the pass-through mode: decompression is ours, because tarfile's has no bound
        with tarfile.open(fileobj=source, mode="r|", bufsize=CHUNK) as archive:  # type: ignore[call-overload]
            count = 0
            while True:
                source.ceiling = source.produced + LARGEST_HEADER
                member = archive.next()
                if member is None:
                    break
                archive.members = []
                count += 1
                if count > MOST_MEMBERS:
                    raise ArchiveError(f"it has more than {MOST_MEMBERS} members")
                self._size += max(member.size, 0)
                if self._size > LARGEST_TREE:
                    raise ArchiveError(f"it unpacks to more than {LARGEST_TREE} bytes")
                source.ceiling = source.produced + member.size + LARGEST_HEADER
                self._member(archive, member)
        self._confine_links()

    def _member(self, archive: tarfile.TarFile, member: tarfile.TarInfo) -> None:
        name = _checked_name(member)
        inside = name.startswith(self._prefix + "/")
        path = name[len(self._prefix) + 1 :] if inside else ""
        if member.isdir():
            if inside:
                self._directory(path)
        elif member.issym():
            if inside:
                self._link(path, member.linkname)
        elif member.isreg() and not member.issparse():
            content = archive.extractfile(member)
            if content is None:
                raise tarfile.ReadError(f"{member.name} has no content")
            if inside:
                self._file(path, member, content)
            else:
                _copy(content, None, member)
        else:
            raise ArchiveError(f"{name} is neither a file, a directory nor a symbolic link")

    def _directory(self, path: str) -> None:
        current = self._tree
        for part in ["", *path.split("/")] if path else [""]:
            current = f"{current}/{part}" if part else current
            if current in self._links:
                raise ArchiveError(f"{path} goes through a symbolic link")
            try:
                os.mkdir(current, 0o755)
                os.chmod(current, 0o755)
            except FileExistsError:
                if not os.path.isdir(current):
                    raise ArchiveError(f"{path} goes through a file") from None

    def _file(self, path: str, member: tarfile.TarInfo, content: IO[bytes]) -> None:
        self._directory(posixpath.dirname(path))
        try:
            with _create(f"{self._tree}/{path}", 0o755 if member.mode & 0o111 else 0o644) as target:
                _copy(content, target, member)
                _settle(target)
        except FileExistsError:
            raise ArchiveError(f"{path} occurs twice") from None

    def _link(self, path: str, target: str) -> None:
        if target.startswith("/") or _CONTROL.search(target):
            raise ArchiveError(f"the symbolic link {path} leads out of it")
        self._directory(posixpath.dirname(path))
        try:
            os.symlink(target, f"{self._tree}/{path}")
        except FileExistsError:
            raise ArchiveError(f"{path} occurs twice") from None
        self._links.add(f"{self._tree}/{path}")

    def _confine_links(self) -> None:
        # nothing was written through a link, so looking once at the end is enough
        root = os.path.realpath(self._tree)
        for link in self._links:
            real = os.path.realpath(link)
            if not real.startswith(f"{root}/") or not os.path.exists(real):
                raise ArchiveError(f"the symbolic link {os.path.relpath(link, self._tree)} leads out of it or nowhere")


def _checked_name(member: tarfile.TarInfo) -> str:
    name = member.name
    parts = name.split("/")
    if not name or name.startswith("/") or ".." in parts or _CONTROL.search(name):
        raise ArchiveError(f"the member {name!r} lies outside it")
    if member.mode & 0o6000:
        raise ArchiveError(f"{name} is set-user-ID or set-group-ID")
    return "/".join(part for part in parts if part not in ("", "."))


def _copy(content: IO[bytes], target: IO[bytes] | None, member: tarfile.TarInfo) -> None:
    copied = 0
    while data := content.read(CHUNK):
        copied += len(data)
        if target is not None:
            target.write(data)
    if copied != member.size:
        raise ArchiveError(f"{member.name} ends early")


def _create(path: str, mode: int) -> IO[bytes]:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    # the umask must not take the right to execute from a shared cache
    os.fchmod(descriptor, mode)
    return os.fdopen(descriptor, "wb", buffering=0)


def _settle(target: IO[bytes]) -> None:
    os.fsync(target.fileno())
