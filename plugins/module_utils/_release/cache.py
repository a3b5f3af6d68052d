# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The cache of a worker: the release trees, their manifests, and the links to the current ones.

``<cache>/releases/<release>/`` is a tree, ``<cache>/releases/<release>.manifest`` records its verification and the state of its
files then, ``<cache>/<tool>`` is a relative link to the entrypoint in a tree. Everything is written in scratch
on the same filesystem, under the cache's lock, and appears by rename.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace

from .._core import files
from .._core.errors import OptioError
from .._core.locks import Clock, acquire, open_lock
from .manifest import MANIFEST_SUFFIX, FileState, ReleaseManifest, sha256_of

RELEASES = "releases"
SCRATCH_PREFIX = ".scratch-"
#: of the files that ``files`` renames into place
REPLACING_PREFIX = ".optio-"
LOCK_NAME = ".lock"
#: seconds that a run waits for another run on the same cache
LOCK_TIMEOUT = 1800.0
MAKING_TRIES = 100


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
        """Return the manifest of a release."""
        return f"{self.releases}/{release}{MANIFEST_SUFFIX}"

    def link(self, tool: str) -> str:
        """Return the link to the tool's current entrypoint."""
        return f"{self.path}/{tool}"

    def link_target(self, release: str, entrypoint: str) -> str:
        """Return the target of the link for a release: relative, so that the cache can be moved or mounted."""
        return f"{RELEASES}/{release}/{entrypoint}"

    @contextmanager
    def locked(self, host: Clock) -> Iterator[None]:
        """Hold the cache's lock, which dies with its owner; make the cache first and take it back if nothing came.

        Raises OptioError when another run holds it for LOCK_TIMEOUT seconds.
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
            # without the lock, the directories just made are still empty
            files.remove_empty(made)
            raise

    def _make(self, path: str) -> list[str]:
        # a chmod afterwards would come too late for a run that is killed between the two
        mask = os.umask(0)
        try:
            for _attempt in range(MAKING_TRIES):
                try:
                    return files.make_directory(path, self.directory_mode)
                except OptioError as error:
                    # another run may have removed its own empty directories meanwhile
                    if not isinstance(error.__cause__, FileNotFoundError):
                        raise
            return files.make_directory(path, self.directory_mode)
        finally:
            os.umask(mask)

    def _acquire(self, host: Clock) -> int:
        while True:
            descriptor = self._open_lock()
            try:
                acquire(descriptor, f"cache {self.path}", self.lock_file, host, LOCK_TIMEOUT, flock=True)
            except BaseException:
                os.close(descriptor)
                raise
            # its last owner may have removed the file, and a third run may hold its successor
            if _same_file(descriptor, self.lock_file):
                return descriptor
            os.close(descriptor)

    def _open_lock(self) -> int:
        while True:
            try:
                return open_lock(self.lock_file)
            except OptioError as error:
                if not isinstance(error.__cause__, FileNotFoundError):
                    raise
                # the run before this one removed the empty cache
                self._make(self.path)

    def _sweep(self) -> None:
        # only the lock's holder has scratch, and has none yet, so these belong to a run that was killed
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
        """Yield a private directory on the cache's filesystem, which is always removed; first remove the remains of killed runs.

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

    def publish(
        self, release: str, scratch: str, tree: str, manifest: ReleaseManifest, check: Callable[[str], None] = lambda path: None
    ) -> ExitStack:
        """Put a complete ``tree`` of ``scratch`` in the release's place; return what undoes that when closed.

        ``check`` raises an error unless the program, whose path it gets, runs from there.

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
            check(f"{place}/{manifest.entrypoint}")
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

    def revalidate(self, release: str, manifest: ReleaseManifest) -> ReleaseManifest | None:
        """Return the manifest as it should be now, None unless every file has the verified bytes and permissions.

        A cache that was copied, restored or baked into an image has other inodes or times and needs no download.
        """
        states: dict[str, FileState] = {}
        for path, verified in manifest.files.items():
            whole = f"{self.tree(release)}/{path}"
            try:
                now = FileState.from_path(whole)
                if (now.size, now.mode) != (verified.size, verified.mode) or not os.path.isfile(whole):
                    return None
                if sha256_of(whole) != manifest.digests[path]:
                    return None
            except OSError:
                return None
            states[path] = now
        return replace(manifest, files=states)

    def record(self, release: str, manifest: ReleaseManifest) -> ExitStack:
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

    def remove_all(self, paths: list[str], scratch: str) -> None:
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
