# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The manifest of a release: its verification, and the state of its files then."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field

from .._core.errors import ProbeError

FORMAT = "optio-manifest 1"
#: the verified part of a release: its archive, all of its files, its required files, or its
#: only executable
DOWNLOAD, CONTENTS, PROGRAMS, EXECUTABLE = "download", "contents", "programs", "executable"
#: what stated the digest: the registry's metadata, its signature, the table of this collection, the user
INTEGRITY, SIGNATURE, TABLE, CHECKSUM = "integrity", "signature", "table", "checksum"
#: how much each is worth; the digest of a user is a decision of the site
RANKS = {INTEGRITY: 1, SIGNATURE: 2, TABLE: 3, CHECKSUM: 4}
#: the suffix of the manifest next to a release's tree
MANIFEST_SUFFIX = ".manifest"


@dataclass(frozen=True)
class FileState:
    """How one file looked: size in bytes, mtime in whole seconds, inode, permissions in octal digits."""

    size: int
    mtime: int
    inode: int
    mode: str

    @classmethod
    def from_path(cls, path: str) -> FileState:
        """Return how the file looks now."""
        seen = os.lstat(path)
        return cls(seen.st_size, int(seen.st_mtime), seen.st_ino, f"{stat.S_IMODE(seen.st_mode):o}")

    def line(self) -> str:
        """Return the four values as ``stat -c '%s %Y %i %a'`` prints them."""
        return f"{self.size} {self.mtime} {self.inode} {self.mode}"


@dataclass(frozen=True)
class ReleaseManifest:
    """The verification of a release, and the state of its files then.

    ``verified`` is the part that ``sha256`` belongs to (of ``programs``: the executable). ``files`` and ``digests`` (SHA-256) are
    by relative path. ``sha512`` is that of the archive, if it was expected. ``verified_by`` is a key of ``RANKS``.
    """

    version: str
    target: str
    entrypoint: str
    verified: str
    sha256: str
    source: str
    files: Mapping[str, FileState] = field(default_factory=dict)
    digests: Mapping[str, str] = field(default_factory=dict)
    sha512: str = ""
    verified_by: str = ""

    def render(self) -> str:
        """Return the text of the file, which a probe only has to print."""
        lines = [
            FORMAT,
            f"version {self.version}",
            f"target {self.target}",
            f"entrypoint {self.entrypoint}",
            f"verified {self.verified} {self.sha256}",
            f"source {self.source}",
        ]
        lines += [f"sha512 {self.sha512}"] if self.sha512 else []
        lines += [f"verified_by {self.verified_by}"] if self.verified_by else []
        lines += [f"file {state.line()} {self.digests[path]} {path}" for path, state in sorted(self.files.items())]
        return "".join(f"{line}\n" for line in lines)

    def damage(self, seen: Mapping[str, FileState]) -> str | None:
        """Return the first difference from the verified files, None if there is none."""
        for path, state in self.files.items():
            now = seen.get(path)
            if now is None:
                return f"{path} is missing"
            for name in ("size", "mode", "mtime", "inode"):
                if getattr(now, name) != getattr(state, name):
                    return f"{path} has {name} {getattr(now, name)}, verified was {getattr(state, name)}"
        return None


def parse_manifest(lines: list[str]) -> ReleaseManifest | None:
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
    except (KeyError, ValueError, ProbeError):
        return None
    if entrypoint not in listed:
        return None
    stated = (values.get("sha512", ""), values.get("verified_by", ""))
    return ReleaseManifest(version, target, entrypoint, verified, sha256, source, listed, digests, *stated)


def parse_file(line: str) -> tuple[str, FileState]:
    """Return the path, relative to its tree, and the state that ``stat -c '%s %Y %i %a %n'`` printed."""
    try:
        size, mtime, inode, mode, path = line.split(" ", 4)
        state = FileState(int(size), int(mtime), int(inode), mode)
    except ValueError as error:
        raise ProbeError(f"stat printed {line[:80]!r}") from error
    return path[2:] if path.startswith("./") else path, state


def survey(tree: str, known: Mapping[str, str] | None = None) -> tuple[dict[str, FileState], dict[str, str]]:
    """Return the state of every file of a tree and its SHA-256, by relative path, without directories.

    Files in ``known`` (the digests of bytes that were just written) are not read again.
    """
    states: dict[str, FileState] = {}
    digests: dict[str, str] = {}
    for directory, _directories, names in os.walk(tree):
        for name in names:
            path = os.path.join(directory, name)
            relative = os.path.relpath(path, tree)
            states[relative] = FileState.from_path(path)
            digests[relative] = (known or {}).get(relative) or sha256_of(path)
    return states, digests


def tree_digest(digests: Mapping[str, str]) -> str:
    """Return one SHA-256 for all files of a tree: of the output of ``sha256sum`` for them, in the order of their paths."""
    listing = "".join(f"{digest}  {path}\n" for path, digest in sorted(digests.items()))
    return hashlib.sha256(listing.encode()).hexdigest()


def sha256_of(path: str) -> str:
    """Return the lower-case hex SHA-256 of a file."""
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        while data := stream.read(1 << 18):
            digest.update(data)
    return digest.hexdigest()
