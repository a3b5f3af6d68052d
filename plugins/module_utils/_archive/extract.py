# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Extracts a downloaded archive in one pass, without trusting its contents."""

from __future__ import annotations

import errno
import os
import posixpath
import tarfile
import zlib
from collections.abc import Callable
from typing import IO, Protocol

from .._core import files
from .download import CHUNK, Download, SourceError
from .pipeline import ReadAhead, WriteBehind

#: bytes and members of an unpacked release
LARGEST_TREE = 4 << 30
MOST_MEMBERS = 20_000
#: bytes of headers between two members
LARGEST_HEADER = 1 << 20
#: of a member: characters of its name, directories above it
LONGEST_NAME = 1024
DEEPEST = 64
#: errors of the filesystem for names and links that a release never contains
_ODD = (errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ, errno.ELOOP)
_GZIP_MAGIC = b"\x1f\x8b"


class ArchiveError(Exception):
    """The bytes are not an archive of the shape that a release has."""


def unpack(body: Download, tree: str, prefix: str, extraction: Callable[..., Extraction] | None = None) -> dict[str, str]:
    """Unpack the members below ``prefix`` (all when empty) of a gzip tar archive into the new directory ``tree``.

    Return the SHA-256 of each file by its relative path. Raises SourceError for unexpected bytes, or for contents that a
    release (or ``extraction``) must not have.
    """
    make = extraction or Extraction
    with ReadAhead(body) as source, WriteBehind() as files_of:
        digests = _complete(body, source, tree, lambda: make(tree, prefix, files_of).run(source))
    return {os.path.relpath(path, tree): digest for path, digest in digests.items()}


def store(body: Download, path: str) -> None:
    """Write a body that is the executable itself to the new file ``path``, then verify it."""
    os.mkdir(os.path.dirname(path), 0o755)
    os.chmod(os.path.dirname(path), 0o755)
    with ReadAhead(body) as source, WriteBehind() as target:

        def copy() -> dict[str, str]:
            target.open(path, 0o755)
            while data := source.read():
                target.write(data)
            target.close()
            return target.finish()

        _complete(body, source, path, copy)


def _complete(body: Download, source: ReadAhead, path: str, extract: Callable[[], dict[str, str]]) -> dict[str, str]:
    """Verify the whole body even if extracting it fails: a wrong digest explains the failure."""
    odd: Exception | None = None
    digests: dict[str, str] = {}
    try:
        digests = extract()
    except (ArchiveError, tarfile.TarError, zlib.error, EOFError, ValueError) as error:
        odd = error
    except RecursionError:
        odd = ArchiveError("its headers are about each other without end")
    except OSError as error:
        if error.errno not in _ODD:
            raise files.failure(str(error.filename or path), error) from error
        odd = ArchiveError(f"{(error.strerror or str(error)).lower()} for a member")
    while source.read():
        pass
    body.verify()
    if odd is not None:
        raise SourceError(body.name, f"the archive {body.name} was refused: {odd}", "Check that the checksum is that of this file")
    return digests


class ByteSource(Protocol):
    """Where compressed bytes come from."""

    def read(self) -> bytes:
        """Return the next bytes, none at the end."""


class Gunzip:
    """The unpacked bytes of a body; ``ceiling`` bounds them, so that a bomb ends before it fills memory or disk."""

    def __init__(self, source: ByteSource) -> None:
        self.produced = 0
        self.ceiling = LARGEST_HEADER
        self._source = source
        self._decoder = zlib.decompressobj(wbits=31)
        self._pending = b""

    def read(self, size: int) -> bytes:
        """Return up to ``size`` bytes, none at the end."""
        while True:
            if self._decoder.eof:
                rest = self._decoder.unused_data or self._source.read()
                if not rest:
                    return b""
                if not _GZIP_MAGIC.startswith(rest[:2]):
                    raise ArchiveError("something follows its gzip data")
                self._decoder, self._pending = zlib.decompressobj(wbits=31), rest
            if not self._pending:
                self._pending = self._source.read()
                if not self._pending:
                    raise ArchiveError("its gzip data ends early")
            data = self._decoder.decompress(self._pending, size)
            self._pending = self._decoder.unconsumed_tail
            if data:
                self.produced += len(data)
                if self.produced > self.ceiling + CHUNK:
                    raise ArchiveError(f"its headers are larger than {LARGEST_HEADER} bytes")
                return data


class Extraction:
    """One pass over an archive; subclasses adapt it to archives other than releases."""

    directory_mode = 0o755
    #: whether a link inside the tree may have a missing target
    dangling = False

    def __init__(self, tree: str, prefix: str, target: WriteBehind) -> None:
        self._tree = tree
        self._prefix = f"{prefix}/" if prefix else ""
        self._target = target
        self._links: set[str] = set()
        self._size = 0

    def limits(self) -> tuple[int, int]:
        """Return how many bytes and members are unpacked at most."""
        return LARGEST_TREE, MOST_MEMBERS

    def file_mode(self, mode: int) -> int:
        """Return the permission bits of a file that has ``mode`` in the archive."""
        return 0o755 if mode & 0o111 else 0o644

    def wants(self, path: str) -> bool:
        """Return whether a member is unpacked."""
        return True

    def run(self, body: ReadAhead) -> dict[str, str]:
        """Unpack everything; return the SHA-256 of each file by its path."""
        self._directory("")
        largest, most = self.limits()
        source = Gunzip(body)
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
                if count > most:
                    raise ArchiveError(f"it has more than {most} members")
                self._size += max(member.size, 0)
                if self._size > largest:
                    raise ArchiveError(f"it unpacks to more than {largest} bytes")
                source.ceiling = source.produced + member.size + LARGEST_HEADER
                self._member(archive, member)
            _check_end(archive)
        digests = self._target.finish()
        self._confine_links()
        return digests

    def _member(self, archive: tarfile.TarFile, member: tarfile.TarInfo) -> None:
        name = checked_name(member)
        inside = name.startswith(self._prefix) and self.wants(name[len(self._prefix) :])
        path = name[len(self._prefix) :] if inside else ""
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
                os.mkdir(current, self.directory_mode)
                os.chmod(current, self.directory_mode)
            except FileExistsError:
                if not os.path.isdir(current):
                    raise ArchiveError(f"{path} goes through a file") from None

    def _file(self, path: str, member: tarfile.TarInfo, content: IO[bytes]) -> None:
        self._directory(posixpath.dirname(path))
        try:
            self._target.open(f"{self._tree}/{path}", self.file_mode(member.mode))
        except FileExistsError:
            raise ArchiveError(f"{path} occurs twice") from None
        _copy(content, self._target, member)
        self._target.close()

    def _link(self, path: str, target: str) -> None:
        if not target or target.startswith("/") or not target.isprintable():
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
            inside = real.startswith(f"{root}/") or (self.dangling and real == root)
            if not inside or not (self.dangling or os.path.exists(real)):
                raise ArchiveError(f"the symbolic link {os.path.relpath(link, self._tree)} leads out of it or nowhere")


def _check_end(archive: tarfile.TarFile) -> None:
    # tarfile stops at the end mark, so it would miss a damaged gzip trailer and appended data
    while data := archive.fileobj.read(CHUNK):
        if data.strip(b"\0"):
            raise ArchiveError("something follows its end mark")


def checked_name(member: tarfile.TarInfo) -> str:
    """Return the normalized path of a member; raise ArchiveError for a member that must not be extracted."""
    name = member.name
    parts = name.split("/")
    if len(name) > LONGEST_NAME:
        raise ArchiveError(f"the name of a member is longer than {LONGEST_NAME} characters")
    if len(parts) > DEEPEST:
        # trees are removed recursively, so a deeper one could never be removed
        raise ArchiveError(f"the member {name!r} lies too deep")
    if not name.isprintable():
        raise ArchiveError(f"the member {name!r} has a name that cannot be shown")
    if not name or name.startswith("/") or ".." in parts:
        raise ArchiveError(f"the member {name!r} lies outside it")
    if member.mode & 0o6000:
        raise ArchiveError(f"{name} is set-user-ID or set-group-ID")
    return "/".join(part for part in parts if part not in ("", "."))


def _copy(content: IO[bytes], target: WriteBehind | None, member: tarfile.TarInfo) -> None:
    copied = 0
    while data := content.read(CHUNK):
        copied += len(data)
        if target is not None:
            target.write(data)
    if copied != member.size:
        raise ArchiveError(f"{member.name} ends early")
