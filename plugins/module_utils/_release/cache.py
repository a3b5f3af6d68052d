# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a worker's cache holds: the release trees, what was verified of each, the links to the current ones.

``<cache>/releases/<release>/`` is a tree, ``<cache>/releases/<release>.manifest`` says what was verified and how its
files looked then, ``<cache>/<tool>`` is a relative link to the entrypoint in a tree. Everything is written in scratch
on the same filesystem, under the cache's lock, and appears by rename.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import stat
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import Protocol

from .._core import files
from .._core.errors import OptioError, UnknownObservation

FORMAT = "optio-manifest 1"
#: what was verified of a release: the archive it came in, all of its files, those that it cannot do without, or only
#: the executable that is all there is
DOWNLOAD, CONTENTS, PROGRAMS, EXECUTABLE = "download", "contents", "programs", "executable"
RELEASES = "releases"
#: of the file beside a release's tree
MANIFEST_SUFFIX = ".manifest"
SCRATCH_PREFIX = ".scratch-"
#: of the files that ``files`` renames into place
REPLACING_PREFIX = ".optio-"
LOCK_NAME = ".lock"
#: seconds that a run waits for another one that fills the same cache
LOCK_PATIENCE = 1800.0
LOCK_POLL = 0.1
MAKING_TRIES = 100


class Waiting(Protocol):
    """The part of a Host that waiting for a lock needs."""

    def monotonic(self) -> float:
        """Return seconds of a clock that never jumps."""

    def sleep(self, seconds: float) -> None:
        """Wait."""


@dataclass(frozen=True)
class FileState:
    """How one file looked: size in bytes, mtime in whole seconds, inode, permissions in octal digits."""

    size: int
    mtime: int
    inode: int
    mode: str

    @classmethod
    def of(cls, path: str) -> FileState:
        """Return how the file looks now."""
        seen = os.lstat(path)
        return cls(seen.st_size, int(seen.st_mtime), seen.st_ino, f"{stat.S_IMODE(seen.st_mode):o}")

    def line(self) -> str:
        """Return the four values as ``stat -c '%s %Y %i %a'`` prints them."""
        return f"{self.size} {self.mtime} {self.inode} {self.mode}"


@dataclass(frozen=True)
class Manifest:
    """What was verified of a release and how its files looked then.

    ``verified`` says of what ``sha256`` is (of ``programs``: of the executable). ``files`` and ``digests`` (SHA-256) are
    by relative path.
    """

    version: str
    target: str
    entrypoint: str
    verified: str
    sha256: str
    source: str
    files: Mapping[str, FileState] = field(default_factory=dict)
    digests: Mapping[str, str] = field(default_factory=dict)

    def render(self) -> str:
        """Return the text beside the tree, which a probe only has to print."""
        lines = [
            FORMAT,
            f"version {self.version}",
            f"target {self.target}",
            f"entrypoint {self.entrypoint}",
            f"verified {self.verified} {self.sha256}",
            f"source {self.source}",
        ]
        lines += [f"file {state.line()} {self.digests[path]} {path}" for path, state in sorted(self.files.items())]
        return "".join(f"{line}\n" for line in lines)

    def damage(self, seen: Mapping[str, FileState]) -> str | None:
        """Return what is wrong with the files seen now, None when each is as it was verified."""
        for path, state in self.files.items():
            now = seen.get(path)
            if now is None:
                return f"{path} is missing"
            for name in ("size", "mode", "mtime", "inode"):
                if getattr(now, name) != getattr(state, name):
                    return f"{path} has {name} {getattr(now, name)}, verified was {getattr(state, name)}"
        return None


def parse_manifest(lines: list[str]) -> Manifest | None:
    """Return the manifest, None when the text is none that this code wrote whole."""
    if not lines or lines[0] != FORMAT:
        return None
    values: dict[str, str] = {}
    listed: dict[str, FileState] = {}
    digests: dict[str, str] = {}
    try:
        for line in lines[1:]:
            name, _space, value = line.partition(" ")
            if name == "file":
                *state, digest, path = value.split(" ", 5)
                listed[path] = parse_file(" ".join([*state, path]))[1]
                digests[path] = digest
            else:
                values[name] = value
        verified, sha256 = values["verified"].split(" ")
        version, target, entrypoint, source = (values[name] for name in ("version", "target", "entrypoint", "source"))
    except (KeyError, ValueError, UnknownObservation):
        return None
    if entrypoint not in listed:
        return None
    return Manifest(version, target, entrypoint, verified, sha256, source, listed, digests)


def parse_file(line: str) -> tuple[str, FileState]:
    """Return the path, relative to its tree, and the state that ``stat -c '%s %Y %i %a %n'`` printed."""
    try:
        size, mtime, inode, mode, path = line.split(" ", 4)
        state = FileState(int(size), int(mtime), int(inode), mode)
    except ValueError as error:
        raise UnknownObservation(f"stat printed {line[:80]!r}") from error
    return path[2:] if path.startswith("./") else path, state


def survey(tree: str, known: Mapping[str, str] | None = None) -> tuple[dict[str, FileState], dict[str, str]]:
    """Return how every file of a tree looks now and its SHA-256, by relative path; directories are no part of it.

    What is in ``known`` (the digests of bytes that were just written) is not read again.
    """
    states: dict[str, FileState] = {}
    digests: dict[str, str] = {}
    for directory, _directories, names in os.walk(tree):
        for name in names:
            path = os.path.join(directory, name)
            relative = os.path.relpath(path, tree)
            states[relative] = FileState.of(path)
            digests[relative] = (known or {}).get(relative) or sha256_of(path)
    return states, digests


def tree_digest(digests: Mapping[str, str]) -> str:
    """Return one SHA-256 for all files of a tree: of what ``sha256sum`` prints of them, in the order of their paths."""
    listing = "".join(f"{digest}  {path}\n" for path, digest in sorted(digests.items()))
    return hashlib.sha256(listing.encode()).hexdigest()


def sha256_of(path: str) -> str:
    """Return the lower-case hex SHA-256 of a file."""
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        while data := stream.read(1 << 18):
            digest.update(data)
    return digest.hexdigest()


@dataclass(frozen=True)
class Cache:
    """The paths of one cache; ``shared`` ones can be read and executed by every user of the worker."""

    path: str
    shared: bool = False

    @property
    def releases(self) -> str:
        """The directory of all trees."""
        return f"{self.path}/{RELEASES}"

    @property
    def lock_file(self) -> str:
        """What runs that change the cache lock."""
        return f"{self.path}/{LOCK_NAME}"

    @property
    def directory_mode(self) -> int:
        """The permissions of the directories that are made."""
        return 0o755 if self.shared else 0o700

    def tree(self, release: str) -> str:
        """Return the directory of a release."""
        return f"{self.releases}/{release}"

    def manifest(self, release: str) -> str:
        """Return the file that says what was verified of a release."""
        return f"{self.releases}/{release}{MANIFEST_SUFFIX}"

    def link(self, tool: str) -> str:
        """Return the link to the tool's current entrypoint."""
        return f"{self.path}/{tool}"

    def link_target(self, release: str, entrypoint: str) -> str:
        """Return what the link holds for a release: relative, so that the cache can be moved or mounted."""
        return f"{RELEASES}/{release}/{entrypoint}"

    @contextmanager
    def locked(self, host: Waiting) -> Iterator[None]:
        """Hold the cache's lock, which dies with its owner; make the cache first and take it back if nothing came.

        Raises OptioError when another run holds it for LOCK_PATIENCE seconds.
        """
        made = self._make(self.path)
        try:
            descriptor = self._acquire(host)
            try:
                yield
            finally:
                self._tidy(made)
                os.close(descriptor)
        except BaseException:
            # when the lock itself could not be had, what was made is empty still
            files.remove_empty(made)
            raise

    def _make(self, path: str) -> list[str]:
        # a chmod afterwards would come too late for a run that is killed between the two
        mask = os.umask(0)
        try:
            for last in (False,) * MAKING_TRIES + (True,):
                try:
                    return files.make_directory(path, self.directory_mode)
                except OptioError as error:
                    # another run may have taken its own empty directories back meanwhile
                    if last or not isinstance(error.__cause__, FileNotFoundError):
                        raise
            raise AssertionError("the last try returns or raises")
        finally:
            os.umask(mask)

    def _acquire(self, host: Waiting) -> int:
        deadline = host.monotonic() + LOCK_PATIENCE
        while True:
            descriptor = self._open_lock()
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                # its last owner may have removed the file, and a third run may hold its successor
                if _same_file(descriptor, self.lock_file):
                    return descriptor
            except OSError as error:
                if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                    os.close(descriptor)
                    raise files.failure(self.lock_file, error) from error
                if host.monotonic() >= deadline:
                    os.close(descriptor)
                    raise OptioError(
                        f"cache {self.path}",
                        f"another run has been changing it for {LOCK_PATIENCE:g} s",
                        f"See which process holds {self.lock_file} (fuser names it) and end it if it hangs",
                    ) from None
                host.sleep(LOCK_POLL)
            os.close(descriptor)

    def _open_lock(self) -> int:
        while True:
            try:
                return os.open(self.lock_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            except FileNotFoundError:
                # the run before this one removed the empty cache
                self._make(self.path)
            except OSError as error:
                raise files.failure(self.lock_file, error) from error

    def _sweep(self) -> None:
        # only the lock's holder has scratch, and has none yet, so what is here belongs to a run that was killed
        for directory in (self.path, self.releases):
            for entry in os.listdir(directory) if os.path.isdir(directory) else ():
                if entry.startswith((SCRATCH_PREFIX, REPLACING_PREFIX)):
                    files.remove(f"{directory}/{entry}")

    def _tidy(self, made: list[str]) -> None:
        files.remove_empty([self.releases])
        self._remove_unused(made)

    def _remove_unused(self, directories: list[str]) -> None:
        if directories and os.path.isdir(self.path) and os.listdir(self.path) == [LOCK_NAME]:
            os.unlink(self.lock_file)
            files.remove_empty(directories)

    @contextmanager
    def scratch(self) -> Iterator[str]:
        """Give a private directory on the cache's filesystem, removed whatever happens; first remove what killed runs left.

        Call it while the lock is held. The name tells a probe whose it is.
        """
        self._sweep()
        try:
            path = tempfile.mkdtemp(prefix=f"{SCRATCH_PREFIX}{os.getpid()}-", dir=self.path)
        except OSError as error:
            raise files.failure(self.path, error) from error
        try:
            yield path
        finally:
            files.remove(path)

    def publish(self, release: str, scratch: str, tree: str, manifest: Manifest) -> ExitStack:
        """Put a complete ``tree`` of ``scratch`` in the release's place; return what undoes that when closed.

        Call ``pop_all`` on the result once everything else has been done too.
        """
        place = self.tree(release)
        undo = ExitStack()
        try:
            if self._make(self.releases):
                undo.callback(files.remove_empty, [self.releases])
            if os.path.lexists(place) and files.exchange(tree, place):
                undo.callback(files.exchange, tree, place)
            else:
                self._put(tree, place, scratch, undo)
            # a tree without its own manifest counts as damaged, so dying between the two is safe
            undo.enter_context(self.record(release, manifest))
        except BaseException:
            undo.close()
            raise
        return undo

    @staticmethod
    def _put(tree: str, place: str, scratch: str, undo: ExitStack) -> None:
        if os.path.lexists(place):
            old = f"{scratch}/replaced"
            _rename(place, old)
            undo.callback(_rename, old, place)
        _rename(tree, place)
        undo.callback(files.remove, place)

    def recognise(self, release: str, manifest: Manifest) -> Manifest | None:
        """Return the manifest as it should be now, None unless every file has the verified bytes and permissions.

        A cache that was copied, restored or baked into an image has other inodes or times and needs no download.
        """
        states: dict[str, FileState] = {}
        for path, verified in manifest.files.items():
            whole = f"{self.tree(release)}/{path}"
            try:
                now = FileState.of(whole)
                if (now.size, now.mode) != (verified.size, verified.mode) or not os.path.isfile(whole):
                    return None
                if sha256_of(whole) != manifest.digests[path]:
                    return None
            except OSError:
                return None
            states[path] = now
        return replace(manifest, files=states)

    def record(self, release: str, manifest: Manifest) -> ExitStack:
        """Replace a release's manifest; return what undoes that when closed."""
        path = self.manifest(release)
        before = files.read_text(path)
        undo = ExitStack()
        undo.callback(_restore, path, before, self._record_mode())
        try:
            files.write_text(path, manifest.render(), self._record_mode())
        except BaseException:
            undo.close()
            raise
        return undo

    def _record_mode(self) -> int:
        return 0o644 if self.shared else 0o600

    def set_link(self, tool: str, target: str) -> None:
        """Make the tool's link point at ``target`` by one rename."""
        files.replace_link(self.link(tool), target)

    def withdraw(self, paths: list[str], scratch: str) -> None:
        """Remove all of ``paths`` (links, trees, records of this cache) or, when one resists, none."""
        with ExitStack() as undo:
            for number, path in enumerate(paths):
                aside = f"{scratch}/{number}"
                _rename(path, aside)
                undo.callback(_rename, aside, path)
            undo.pop_all()

    def remove_empty(self, own: bool) -> None:
        """Remove the directories that an emptied cache leaves; ``own`` when their place was this collection's choice.

        Call it while the lock is held.
        """
        files.remove_empty([self.releases])
        self._remove_unused([os.path.dirname(self.path), self.path] if own else [])


def _same_file(descriptor: int, path: str) -> bool:
    try:
        there = os.stat(path)
    except FileNotFoundError:
        return False
    return os.path.samestat(os.fstat(descriptor), there)


def _restore(path: str, text: str | None, mode: int) -> None:
    if text is None:
        files.remove(path)
    else:
        files.write_text(path, text, mode)


def _rename(source: str, target: str) -> None:
    try:
        os.rename(source, target)
    except OSError as error:
        raise files.failure(target, error) from error
