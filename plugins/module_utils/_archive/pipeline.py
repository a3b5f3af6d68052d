# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading ahead and writing behind: a download, its decompression and its files each get a thread of their own.

zlib, hashlib, sockets and files all release the interpreter's lock, so the slowest of the three sets the pace. The queues
between them are bounded.
"""

from __future__ import annotations

import hashlib
import os
import queue
import threading
from typing import Protocol

#: chunks between two threads
DEPTH = 16
#: bytes after which the kernel is asked to start writing
STRIDE = 8 << 20
#: files that wait for their fsync at once
MOST_OPEN = 64


class Reader(Protocol):
    """A source that is read ahead."""

    def read(self) -> bytes:
        """Return the next bytes, none at the end."""

    def close(self) -> None:
        """Close the connection."""


class ReadAhead:
    """The chunks of a reader, fetched by a thread that also closes it; an error comes where its chunk would."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._chunks: queue.Queue[bytes | BaseException] = queue.Queue(DEPTH)
        self._ended = False
        self._abandoned = False
        # a connection that hangs must not keep the module from ending
        self._thread = threading.Thread(target=self._fetch, daemon=True)

    def __enter__(self) -> ReadAhead:
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._abandoned = True
        while self._thread.is_alive() and not self._ended:
            try:
                self._take(self._chunks.get(timeout=0.1))
            except queue.Empty:
                return

    def read(self) -> bytes:
        """Return the next chunk, empty at the end; raise the reader's error."""
        if self._ended:
            return b""
        chunk = self._chunks.get()
        self._take(chunk)
        if isinstance(chunk, BaseException):
            raise chunk
        return chunk

    def _take(self, chunk: bytes | BaseException) -> None:
        self._ended = isinstance(chunk, BaseException) or not chunk

    def _fetch(self) -> None:
        chunk: bytes | BaseException = b"."
        while chunk and not self._abandoned:
            try:
                chunk = self._reader.read()
            except BaseException as error:
                self._chunks.put(error)
                break
            self._chunks.put(chunk)
        self._reader.close()


class WriteBehind:
    """New files, written and hashed by a thread while their bytes are still being made.

    ``finish`` returns the SHA-256 of each by its path, once all are on the disk. The first error of the thread comes at
    the next call.
    """

    def __init__(self) -> None:
        self._jobs: queue.Queue[tuple[str, int, bytes] | None] = queue.Queue(DEPTH)
        self._digests: dict[str, str] = {}
        self._error: BaseException | None = None
        self._path, self._descriptor = "", -1
        self._durable, self._ended = True, False
        self._thread = threading.Thread(target=self._work, daemon=True)

    def __enter__(self) -> WriteBehind:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        if not self._ended:
            # a failed tree is removed
            self._durable = False
            if self._descriptor >= 0:
                self.close()
            self._end()

    def open(self, path: str, mode: int) -> None:
        """Create the file that the next writes go to; raise FileExistsError if it exists."""
        self._check()
        self._path = path
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
        # the umask must not take the right to execute from a shared cache
        os.fchmod(self._descriptor, mode)

    def write(self, data: bytes) -> None:
        """Append to the file that was opened last."""
        self._check()
        self._jobs.put((self._path, self._descriptor, data))

    def close(self) -> None:
        """End the file that was opened last."""
        self._jobs.put((self._path, self._descriptor, b""))
        self._descriptor = -1

    def finish(self) -> dict[str, str]:
        """Wait until everything is on the disk; return the digests."""
        self._end()
        self._check()
        return self._digests

    def _end(self) -> None:
        self._ended = True
        self._jobs.put(None)
        self._thread.join()

    def _check(self) -> None:
        if self._error is not None:
            raise self._error

    def _work(self) -> None:
        waiting: list[int] = []
        digest, count = hashlib.sha256(), 0
        while True:
            job = self._jobs.get()
            if job is None:
                break
            path, descriptor, data = job
            try:
                if not data:
                    waiting.append(descriptor)
                    self._digests[path] = digest.hexdigest()
                    digest, count = hashlib.sha256(), 0
                    if len(waiting) >= MOST_OPEN:
                        _settle(waiting)
                elif self._error is None:
                    count = _append(descriptor, data, count)
                    digest.update(data)
            except OSError as error:
                error.filename = path
                self._error = self._error or error
        try:
            _settle(waiting, self._durable and self._error is None)
        except OSError as error:
            self._error = self._error or error


def _append(descriptor: int, data: bytes, count: int) -> int:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
    before, count = count, count + len(data)
    if before // STRIDE != count // STRIDE:
        # starts writing dirty pages without waiting, so that the final fsync has little left to do
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    return count


def _settle(descriptors: list[int], durable: bool = True) -> None:
    """Close all; ``durable``: once their bytes are on the disk."""
    first: OSError | None = None
    while descriptors:
        descriptor = descriptors.pop(0)
        try:
            if durable:
                os.fsync(descriptor)
        except OSError as error:
            first = first or error
        finally:
            os.close(descriptor)
    if first is not None:
        raise first
