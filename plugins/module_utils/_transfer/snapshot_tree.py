# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What of a workdir belongs into its snapshot: the patterns that leave things out, and one look at the tree."""

from __future__ import annotations

import hashlib
import os
import stat
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import NamedTuple

from .._core import files
from .._core.errors import OptioError
from .._archive.extract import ArchiveError, checked_name

#: bytes and entries of a workdir, when it is taken and when it is restored
LARGEST_SNAPSHOT = 64 << 30
MOST_ENTRIES = 200_000
#: where the workdir is in the archive
PREFIX = "workdir"
#: what can be had again, what belongs to one place, and what holds the environment of a shell
DEFAULT_EXCLUDE = (
    *("node_modules", "__pycache__", "home/.cache", "home/.npm", "home/.local/bin/codex"),
    *(f"home/.codex/{name}" for name in ("packages", "cache", "tmp", ".tmp", "log", "shell_snapshots", "installation_id")),
    # databases that codex makes again from the rollouts: copied while they are written they would be torn
    *("home/.codex/*.sqlite", "home/.codex/*.sqlite-*", "home/.codex/models_cache.json", "home/.codex/version.json"),
    *("home/.codex/skills/.system", "home/.codex/thread-writer-locks", "home/.codex/tui-thread-reference-capabilities"),
)
CREDENTIALS = ("home/.codex/auth.json", "home/.codex/.credentials.json")
#: a directory, or the file of a worktree or submodule
_REPOSITORY = ".git"


def exclusions(user: Sequence[str], include_git: bool, credentials: bool) -> tuple[str, ...]:
    """Return every pattern that leaves something out."""
    return (
        *DEFAULT_EXCLUDE,
        *(() if include_git else (_REPOSITORY,)),
        *(() if credentials else CREDENTIALS),
        *(pattern.strip().rstrip("/") for pattern in user),
    )


def check_exclude(patterns: Sequence[str]) -> None:
    """Raise OptioError for a pattern that says something else than its author means."""
    for pattern in patterns:
        parts = pattern.strip().strip("/").split("/")
        if parts == [""] or "." in parts or ".." in parts:
            raise OptioError(f"exclude {pattern!r}", "names nothing in the workdir", "Give a name, or a path from the workdir")
        if "**" in parts or "" in parts:
            cause = "has '**' or an empty part, which match nothing"
            raise OptioError(f"exclude {pattern!r}", cause, "Give a name without '/' to match it at any depth")


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


class Entry(NamedTuple):
    """One file, directory or link; ``path`` is relative to the workdir, ``kind`` a type of tarfile's."""

    path: str
    kind: bytes
    mode: int
    size: int
    mtime_ns: int
    target: str = ""


@dataclass
class Survey:
    """What was seen of a workdir: what goes in, in order, and what stays out and why."""

    entries: list[Entry] = field(default_factory=list)
    #: how many things each pattern left out; a directory counts as one, whatever is in it
    excluded: dict[str, int] = field(default_factory=dict)
    skipped: list[dict[str, str]] = field(default_factory=list)
    size: int = 0

    @property
    def files(self) -> int:
        """The number of regular files."""
        return sum(entry.kind == tarfile.REGTYPE for entry in self.entries)

    @property
    def fingerprint(self) -> str:
        """The SHA-256 of all names, kinds, modes, sizes and times: equal for a workdir that nobody has changed."""
        digest = hashlib.sha256()
        for entry in self.entries:
            digest.update(f"{entry!r}\n".encode("utf-8", "surrogateescape"))
        return digest.hexdigest()

    def skip(self, path: str, reason: str) -> None:
        """Leave something out that no pattern names."""
        self.skipped.append({"path": path if path.isprintable() else ascii(path), "reason": reason})


def survey(workdir: str, patterns: Sequence[str]) -> Survey:
    """Look at a workdir without reading any file; raise OptioError when it is more than a snapshot holds."""
    found = Survey()
    for entry in _walk(workdir, Patterns(patterns), found):
        found.entries.append(entry)
        found.size += entry.size
        if len(found.entries) > MOST_ENTRIES or found.size > LARGEST_SNAPSHOT:
            cause = f"holds more than {MOST_ENTRIES} files or {LARGEST_SNAPSHOT >> 30} GiB"
            raise OptioError(workdir, cause, "Leave out what can be had again with exclude")
    found.skipped.sort(key=lambda entry: entry["path"])
    return found


def _walk(workdir: str, patterns: Patterns, found: Survey) -> Iterator[Entry]:
    def unreadable(error: OSError) -> None:
        path = os.path.relpath(str(error.filename), workdir) if os.path.isabs(str(error.filename)) else str(error.filename)
        if path == ".":
            raise files.failure(workdir, error) from error
        found.skip(path, (error.strerror or "cannot be read").lower())

    # by descriptors, so that no directory can become a link between the look and the step into it
    for directory, below, names, descriptor in os.fwalk(workdir, onerror=unreadable):
        base = os.path.relpath(directory, workdir)
        base = "" if base == "." else f"{base}/"
        kept = []
        below.sort()
        for name in sorted([*below, *names]):
            entry = _look(workdir, f"{base}{name}", name, descriptor, patterns, found)
            if entry is None:
                continue
            if entry.kind == tarfile.DIRTYPE:
                kept.append(name)
            yield entry
        below[:] = kept


def _look(workdir: str, path: str, name: str, descriptor: int, patterns: Patterns, found: Survey) -> Entry | None:
    pattern = patterns.match(path)
    if pattern is not None:
        found.excluded[pattern] = found.excluded.get(pattern, 0) + 1
        return None
    try:
        # what a restore would refuse is better left out when it is taken
        checked_name(tarfile.TarInfo(f"{PREFIX}/{path}"))
        status = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
        target = os.readlink(name, dir_fd=descriptor) if stat.S_ISLNK(status.st_mode) else ""
    except ArchiveError:
        found.skip(path, "has a name that a snapshot does not take")
        return None
    except OSError as error:
        found.skip(path, (error.strerror or "cannot be read").lower())
        return None
    mode = stat.S_IMODE(status.st_mode) & 0o777
    if stat.S_ISDIR(status.st_mode):
        return Entry(path, tarfile.DIRTYPE, mode, 0, 0)
    if stat.S_ISREG(status.st_mode):
        return Entry(path, tarfile.REGTYPE, mode, status.st_size, status.st_mtime_ns)
    if not stat.S_ISLNK(status.st_mode):
        found.skip(path, "is neither a file, a directory nor a symbolic link")
        return None
    inside = _inside(workdir, path, target)
    if inside is None:
        found.skip(path, "is a symbolic link that leads out of the workdir")
        return None
    return Entry(path, tarfile.SYMTYPE, 0o777, 0, 0, inside)


def _inside(workdir: str, path: str, target: str) -> str | None:
    """Return a link's text as it holds in any workdir, None when the link leads out of this one."""
    here = os.path.dirname(os.path.join(workdir, path))
    real = os.path.realpath(os.path.join(here, target))
    if real != workdir and not real.startswith(f"{workdir}/"):
        return None
    if os.path.isabs(target):
        target = os.path.relpath(target, here)
        if os.path.realpath(os.path.join(here, target)) != real:
            return None
    return target if target and target.isprintable() else None
