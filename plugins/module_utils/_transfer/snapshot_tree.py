# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The contents of a snapshot: a session's directories, the patterns that exclude files, and one look at the trees."""

from __future__ import annotations

import hashlib
import os
import stat
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import NamedTuple

from .._archive.extract import ArchiveError, checked_name
from .._core import files
from .._core.errors import OptioError
from .._session.layout import OWN, PROJECT, SessionPaths
from .own_files import AGENTS, OwnFiles, holds_pointer

#: bytes and entries of a session, when it is taken and when it is restored
LARGEST_SNAPSHOT = 64 << 30
MOST_ENTRIES = 200_000
#: where the workdir is in the archive, and the home of the commands
PREFIX, AGENT_PREFIX = "workdir", "agent"
#: where codex's home is in the archive: a project's workdir may have a home of its own
HOME_PREFIX, PROJECT_HOME_PREFIX = f"{PREFIX}/home", "home"
#: the prefix of paths in patterns and results, for each of them
LABELS: Mapping[str, str] = {PREFIX: "", HOME_PREFIX: "home", PROJECT_HOME_PREFIX: "home", AGENT_PREFIX: "agent"}
#: reproducible directories, anywhere
_EVERYWHERE = ("node_modules", "__pycache__")
#: reproducible files, files of one worker, and files with the environment of a shell
_HOMES_EXCLUDE = (
    *("home/.cache", "home/.npm", "home/.local/bin/codex"),
    *(f"home/.codex/{name}" for name in ("packages", "cache", "tmp", ".tmp", "log", "shell_snapshots", "installation_id")),
    # databases that codex makes again from the rollouts: copied while they are written they would be torn
    *("home/.codex/*.sqlite", "home/.codex/*.sqlite-*", "home/.codex/models_cache.json", "home/.codex/version.json"),
    *("home/.codex/skills/.system", "home/.codex/thread-writer-locks", "home/.codex/tui-thread-reference-capabilities"),
    # caches of package managers
    *(f"agent/{name}" for name in (".cache", ".npm", ".cargo/registry", ".cargo/git", ".local/share/pnpm", ".local/share/Trash")),
    *(f"agent/{name}" for name in (".bun/install/cache", ".yarn/cache", ".gradle/caches", ".m2/repository", ".nuget/packages", "go/pkg")),
)
CREDENTIALS = ("home/.codex/auth.json", "home/.codex/.credentials.json")
#: bytes above which a file is skipped of which less than one in so many is stored: reading it takes minutes
_LARGE, _HOLES = 1 << 30, 16
#: a directory, or the file of a worktree or submodule
_REPOSITORY = ".git"


@dataclass(frozen=True)
class Exclusions:
    """The options that exclude files."""

    user: Sequence[str] = ()
    include_git: bool = False
    credentials: bool = False

    def patterns(self, label: str) -> Patterns:
        """Return the patterns for the directory of a label; those for the homes exclude nothing of the workdir."""
        return Patterns(
            (
                *_EVERYWHERE,
                *(_HOMES_EXCLUDE if label else ()),
                *(() if self.include_git else (_REPOSITORY,)),
                *(CREDENTIALS if label and not self.credentials else ()),
                *(pattern.strip().rstrip("/") for pattern in self.user),
            )
        )


def validate_exclude(patterns: Sequence[str]) -> None:
    """Raise OptioError for a pattern that could never match."""
    for pattern in patterns:
        parts = pattern.strip().strip("/").split("/")
        if parts == [""] or "." in parts or ".." in parts:
            cause = f"exclude must contain names and paths relative to the workdir, got {pattern!r}"
            raise OptioError("exclude", cause, "Set a name, or a path relative to the workdir")
        if "**" in parts or "" in parts:
            cause = f"exclude must not contain '**' or an empty part, got {pattern!r}"
            raise OptioError("exclude", cause, "Set a name without '/' to match it at any depth")


class Patterns:
    """The compiled form of the exclusions: those by a name alone, those by a whole path."""

    def __init__(self, patterns: Sequence[str]) -> None:
        self._names = [pattern for pattern in patterns if "/" not in pattern]
        self._paths = [(pattern, pattern.strip("/").split("/")) for pattern in patterns if "/" in pattern]

    def match(self, path: str) -> str | None:
        """Return the pattern that leaves a path out, None when none does."""
        parts = path.split("/")
        for pattern in self._names:
            if fnmatchcase(parts[-1], pattern):
                return pattern
        for pattern, wanted in self._paths:
            if len(wanted) == len(parts) and all(map(fnmatchcase, parts, wanted)):
                return pattern
        return None


@dataclass(frozen=True)
class Part:
    """A directory of a session, and its name in the archive."""

    directory: str
    prefix: str
    #: names at its top that a launch makes again
    omitted: tuple[str, ...] = ()
    #: names at its top that cannot be saved, with the reason
    refused: Mapping[str, str] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """The prefix of a path in patterns and results; the empty string for the workdir."""
        return LABELS[self.prefix]


def parts_of(layout: SessionPaths) -> list[Part]:
    """Return the directories of a session that exist: the workdir, codex's home, and the home of its commands."""
    parts = [_workdir_part(layout)]
    homes = [Part(layout.home, PROJECT_HOME_PREFIX if layout.origin == PROJECT else HOME_PREFIX)]
    # the logs of a project are there, and in a restored project those of a workdir that is not one
    logs = {} if layout.origin == PROJECT else {os.path.basename(log): "has the name of a log of the session" for log in layout.logs}
    homes.append(Part(layout.agent, AGENT_PREFIX, (os.path.basename(layout.instructions_copy),), logs))
    return parts + [part for part in homes if os.path.isdir(part.directory) and not os.path.islink(part.directory)]


def _workdir_part(layout: SessionPaths) -> Part:
    if layout.origin == PROJECT:
        return Part(layout.workdir, PREFIX)
    if layout.origin != OWN:
        return Part(layout.workdir, PREFIX, ("home",))
    pointer = (AGENTS,) if holds_pointer(layout) else ()
    if layout.link_blocked:
        return Part(layout.workdir, PREFIX, pointer, {"home": "has the name of the link to the session's home"})
    return Part(layout.workdir, PREFIX, ("home", *pointer))


class Entry(NamedTuple):
    """One file, directory or link; ``path`` is relative to its directory, ``kind`` a type of tarfile's."""

    prefix: str
    path: str
    kind: bytes
    mode: int
    size: int
    mtime_ns: int
    target: str = ""

    @property
    def member(self) -> str:
        """The name in the archive."""
        return f"{self.prefix}/{self.path}"

    @property
    def shown(self) -> str:
        """The path in results."""
        return labeled(LABELS[self.prefix], self.path)


def labeled(label: str, path: str) -> str:
    """Return the path by which patterns and results call something in the directory of a label."""
    return f"{label}/{path}" if label else path


@dataclass
class Scan:
    """One look at a session's directories: the entries to save, in order, and the others with the reasons."""

    entries: list[Entry] = field(default_factory=list)
    #: the number of entries excluded by each pattern; a directory counts as one
    excluded: dict[str, int] = field(default_factory=dict)
    skipped: list[dict[str, str]] = field(default_factory=list)
    size: int = 0

    @property
    def files(self) -> int:
        """The number of regular files."""
        return sum(entry.kind == tarfile.REGTYPE for entry in self.entries)

    @property
    def fingerprint(self) -> str:
        """The SHA-256 of all names, kinds, modes, sizes and times: equal for directories that were not changed."""
        digest = hashlib.sha256()
        for entry in self.entries:
            digest.update(f"{entry!r}\n".encode("utf-8", "surrogateescape"))
        return digest.hexdigest()

    def skip(self, path: str, reason: str) -> None:
        """Exclude an entry for another reason than a pattern."""
        self.skipped.append({"path": path if path.isprintable() else ascii(path), "reason": reason})


def scan(parts: Sequence[Part], exclusions: Exclusions, own: OwnFiles | None = None) -> Scan:
    """Look at a session's directories without reading any file; raise OptioError for more than a snapshot holds.

    ``own`` are files that a hard link in the workdir does not bring into the snapshot.
    """
    found = Scan()
    for part in parts:
        try:
            for entry in _Look(part, exclusions, own, found).entries():
                found.entries.append(entry)
                found.size += entry.size
                if len(found.entries) > MOST_ENTRIES or found.size > LARGEST_SNAPSHOT:
                    raise _too_large(parts[0].directory)
        except OSError as error:
            raise files.failure(part.directory, error) from error
    found.skipped.sort(key=lambda entry: entry["path"])
    return found


def _too_large(workdir: str) -> OptioError:
    cause = f"workdir {workdir} and the homes of its session have more than {MOST_ENTRIES} files or {LARGEST_SNAPSHOT >> 30} GiB"
    return OptioError(workdir, cause, "Set exclude to omit files that can be downloaded or built again")


class _Look:
    """One look at one directory."""

    def __init__(self, part: Part, exclusions: Exclusions, own: OwnFiles | None, found: Scan) -> None:
        self._part = part
        self._patterns = exclusions.patterns(part.label)
        # codex's home is where they are
        self._own = None if part.label == "home" else own
        self._found = found

    def entries(self) -> Iterator[Entry]:
        top = self._part.directory

        def unreadable(error: OSError) -> None:
            path = os.path.relpath(str(error.filename), top) if os.path.isabs(str(error.filename)) else str(error.filename)
            if path == ".":
                raise files.failure(top, error) from error
            self._skip(path, (error.strerror or "cannot be read").lower())

        # by descriptors, so that no directory can become a link between the look and the step into it
        for directory, below, names, descriptor in os.fwalk(top, onerror=unreadable):
            base = os.path.relpath(directory, top)
            base = "" if base == "." else f"{base}/"
            kept = []
            below.sort()
            for name in sorted([*below, *names]):
                entry = self._look(f"{base}{name}", name, descriptor)
                if entry is None:
                    continue
                if entry.kind == tarfile.DIRTYPE:
                    kept.append(name)
                yield entry
            below[:] = kept

    def _skip(self, path: str, reason: str) -> None:
        self._found.skip(labeled(self._part.label, path), reason)

    def _look(self, path: str, name: str, descriptor: int) -> Entry | None:
        part, excluded = self._part, self._found.excluded
        if path in part.omitted:
            return None
        if path in part.refused:
            self._skip(path, part.refused[path])
            return None
        pattern = self._patterns.match(labeled(part.label, path))
        if pattern is not None:
            excluded[pattern] = excluded.get(pattern, 0) + 1
            return None
        try:
            # a name that a restore would refuse is skipped now
            checked_name(tarfile.TarInfo(f"{part.prefix}/{path}"))
            status = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
            target = os.readlink(name, dir_fd=descriptor) if stat.S_ISLNK(status.st_mode) else ""
        except ArchiveError:
            self._skip(path, "has a name that a snapshot does not take")
            return None
        except OSError as error:
            self._skip(path, (error.strerror or "cannot be read").lower())
            return None
        return self._entry(path, status, target)

    def _entry(self, path: str, status: os.stat_result, target: str) -> Entry | None:
        prefix, mode = self._part.prefix, stat.S_IMODE(status.st_mode) & 0o777
        if stat.S_ISDIR(status.st_mode):
            return Entry(prefix, path, tarfile.DIRTYPE, mode, 0, 0)
        if stat.S_ISREG(status.st_mode):
            refusal = self._own.refusal(status) if self._own is not None else None
            if refusal:
                self._skip(path, refusal)
                return None
            if status.st_size > _LARGE and status.st_blocks * 512 < status.st_size // _HOLES:
                self._skip(path, "is a sparse file with almost no content")
                return None
            return Entry(prefix, path, tarfile.REGTYPE, mode, status.st_size, status.st_mtime_ns)
        if not stat.S_ISLNK(status.st_mode):
            self._skip(path, "is neither a file, a directory nor a symbolic link")
            return None
        inside = _inside(self._part.directory, path, target)
        if inside is None:
            self._skip(path, f"is a symbolic link that leads out of {self._part.label or 'the workdir'}")
            return None
        return Entry(prefix, path, tarfile.SYMTYPE, 0o777, 0, 0, inside)


def _inside(top: str, path: str, target: str) -> str | None:
    """Return a link's text as it holds wherever the directory is, None when the link leads out of it."""
    here = os.path.dirname(os.path.join(top, path))
    real = os.path.realpath(os.path.join(here, target))
    if real != top and not real.startswith(f"{top}/"):
        return None
    if os.path.isabs(target):
        target = os.path.relpath(target, here)
        if os.path.realpath(os.path.join(here, target)) != real:
            return None
    return target if target and target.isprintable() else None
