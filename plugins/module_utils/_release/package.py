# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The parts of a complete release, and independent copies of a release that the worker already has.

A codex executable without the sandbox helper of its package runs and fails at the first shell command, so a package
counts only as a whole.
"""

from __future__ import annotations

import json
import os
import posixpath
import shutil
import stat
from collections.abc import Mapping
from typing import Any

from .._archive.download import CHUNK, SourceError
from .._archive.expected import ExpectedDigests
from .._archive.extract import LARGEST_TREE, MOST_MEMBERS
from .._core import files
from .._core.errors import OptioError
from .catalog import HOST, PACKAGE_FILE, Release
from .elf import HEAD_SIZE, elf_of
from .manifest import tree_digest

LAYOUT_VERSION = 1
SANDBOX_HELPER = "bwrap"


def check_tree(tree: str, release: Release, source: str) -> str:
    """Return the entrypoint, relative to ``tree``; raise SourceError unless the release is whole and for its target."""
    if not release.tool.packaged:
        _check_executable(tree, release.tool.entrypoint, release, source)
        return release.tool.entrypoint
    package = _read_package(tree, source)
    for name, wanted in (
        ("layoutVersion", LAYOUT_VERSION),
        ("version", release.version),
        ("target", release.target.name),
    ):
        if package.get(name) != wanted:
            raise _incomplete(source, f"{PACKAGE_FILE} has {name} {package.get(name)!r}, wanted is {wanted!r}")
    entrypoint = _relative(package, "entrypoint", source)
    _check_executable(tree, entrypoint, release, source)
    helper = f"{_relative(package, 'resourcesDir', source)}/{SANDBOX_HELPER}"
    _check_executable(tree, helper, release, source)
    return entrypoint


def _read_package(tree: str, source: str) -> dict[str, Any]:
    try:
        text = files.read_text(f"{tree}/{PACKAGE_FILE}")
    except OptioError as error:
        raise _incomplete(source, f"{PACKAGE_FILE} cannot be read: {error.cause.rpartition(': ')[2]}") from error
    if text is None:
        raise _incomplete(source, f"it has no {PACKAGE_FILE}")
    try:
        package = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _incomplete(source, f"{PACKAGE_FILE} is not JSON: {error}") from error
    if not isinstance(package, dict):
        raise _incomplete(source, f"{PACKAGE_FILE} is not a JSON object")
    return package


def _relative(package: dict[str, Any], name: str, source: str) -> str:
    value = package.get(name)
    if not isinstance(value, str) or not value or value.startswith("/") or ".." in value.split("/") or "\n" in value:
        raise _incomplete(source, f"{PACKAGE_FILE} has {name} {value!r}, which is not a path below the package")
    return posixpath.normpath(value)


def _check_executable(tree: str, path: str, release: Release, source: str) -> None:
    try:
        seen = os.lstat(f"{tree}/{path}")
        with open(f"{tree}/{path}", "rb") as stream:
            head = stream.read(HEAD_SIZE)
    except OSError as error:
        raise _incomplete(source, f"{path} cannot be read: {(error.strerror or str(error)).lower()}") from error
    if not stat.S_ISREG(seen.st_mode) or not seen.st_mode & 0o111:
        raise _incomplete(source, f"{path} is not an executable file")
    if elf_of(head) != release.target.elf:
        raise _incomplete(source, f"{path} is not an executable for {release.target.name}")


def _incomplete(source: str, cause: str) -> SourceError:
    return SourceError(source, f"{source} does not contain the whole release: {cause}", "Specify a source that contains it unchanged")


def assemble(tree: str, release: Release) -> None:
    """Describe programs that came one by one as the package that they belong to."""
    described = {
        "layoutVersion": LAYOUT_VERSION,
        "version": release.version,
        "target": release.target.name,
        "variant": release.tool.name,
        "entrypoint": release.tool.entrypoint,
        "resourcesDir": "codex-resources",
        "pathDir": "codex-path",
    }
    files.write_text(f"{tree}/{PACKAGE_FILE}", json.dumps(described, indent=2) + "\n", 0o644)


def check_executable(tree: str, release: Release, source: str) -> str:
    """Return the entrypoint of a tree that holds nothing else; raise SourceError unless it is for the target."""
    _check_executable(tree, release.tool.entrypoint, release, source)
    return release.tool.entrypoint


def check_contents(expected: ExpectedDigests, digests: Mapping[str, str], source: str) -> None:
    """Raise SourceError unless each file of a tree is the expected release's (SHA-256 by relative path)."""
    for path, wanted in expected.programs.items():
        found = digests.get(path)
        if found != wanted:
            said = f"has sha256:{found}" if found else "is missing"
            cause = f"{path} of {source} {said}, expected sha256:{wanted}"
            raise SourceError(source, cause, "Specify a source that contains the release unchanged")
    if expected.tree_sha256 and tree_digest(digests) != expected.tree_sha256:
        cause = f"some files of {source} are not those of the release"
        raise SourceError(source, cause, "Specify a source that contains the release unchanged")


def copy_from_host(command: str | None, release: Release, expected: ExpectedDigests, tree: str) -> str:
    """Copy the worker's own installation behind ``command`` to the new directory ``tree``; return its path.

    The copy holds no link to the original, so the operator's updater cannot change it. Raises SourceError when the
    worker has none, or an incomplete one.
    """
    if command is None:
        raise unsuitable(f"the worker's login shell finds no {release.tool.name}")
    if not expected.programs and release.tool.packaged:
        raise unsuitable(f"only the archive's digest is known, so {command} cannot be verified")
    root = _package_root(command, release) if release.tool.packaged else None
    try:
        if root is None:
            os.mkdir(tree, 0o755)
            _copy_file(os.path.realpath(command), f"{tree}/{release.tool.entrypoint}")
        else:
            _copy_tree(root, tree)
    except OSError as error:
        # an error of writing names the copy, or no file at all
        if error.filename is None or str(error.filename).startswith(tree):
            raise files.failure(str(error.filename or tree), error) from error
        raise unsuitable(f"{error.filename}: {(error.strerror or str(error)).lower()}") from error
    return root or command


def _package_root(command: str, release: Release) -> str:
    real = os.path.realpath(command)
    try:
        with open(real, "rb") as stream:
            head = stream.read(HEAD_SIZE)
    except OSError as error:
        raise unsuitable(f"{real} cannot be read: {(error.strerror or str(error)).lower()}") from error
    if elf_of(head) is not None:
        candidates = [os.path.dirname(os.path.dirname(real))]
    else:
        # npm's command is a JavaScript launcher; the program is in the package of the platform
        package = os.path.dirname(os.path.dirname(real))
        platform = f"codex-linux-{release.target.asset}"
        vendors = (
            f"{package}/node_modules/@openai/{platform}/vendor",
            f"{os.path.dirname(package)}/{platform}/vendor",
            f"{package}/vendor",
        )
        candidates = [f"{vendor}/{release.target.name}" for vendor in vendors]
    for candidate in candidates:
        if os.path.isfile(f"{candidate}/{PACKAGE_FILE}"):
            return candidate
    kind = "an executable" if elf_of(head) else "a launcher"
    raise unsuitable(f"{command} is {kind}, and the package of {release.target.name} was not found")


def _copy_tree(root: str, tree: str) -> None:
    size = count = 0
    for directory, directories, names in os.walk(root):
        copy = os.path.normpath(f"{tree}/{os.path.relpath(directory, root)}")
        os.mkdir(copy, 0o755)
        os.chmod(copy, 0o755)
        for name in directories + names:
            if "\n" in name:
                raise unsuitable(f"{root} has a file whose name has a line break")
        for name in directories:
            if os.path.islink(f"{directory}/{name}"):
                raise unsuitable(f"{directory}/{name} is a symbolic link to a directory")
        for name in names:
            count += 1
            size += os.stat(f"{directory}/{name}").st_size
            if count > MOST_MEMBERS or size > LARGEST_TREE:
                raise unsuitable(f"{root} is larger than any release")
            _copy_file(f"{directory}/{name}", f"{copy}/{name}")


def _copy_file(source: str, target: str) -> None:
    seen = os.stat(source)
    if not stat.S_ISREG(seen.st_mode):
        raise unsuitable(f"{source} is not a regular file")
    if seen.st_uid not in (0, os.geteuid()):
        # root must not run what another user can still change
        raise unsuitable(f"{source} belongs to another user")
    with open(source, "rb") as reader, open(target, "xb") as writer:
        shutil.copyfileobj(reader, writer, CHUNK)
        os.fchmod(writer.fileno(), 0o755 if seen.st_mode & 0o111 else 0o644)
        writer.flush()
        os.fsync(writer.fileno())


def unsuitable(cause: str) -> SourceError:
    """Return the failure of the source ``host``."""
    remedy = f"Install the wanted release on the worker, or remove {HOST} from sources"
    return SourceError(HOST, f"the installation of the host cannot be used: {cause}", remedy)
