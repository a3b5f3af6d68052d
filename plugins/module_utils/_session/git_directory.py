# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The git directory of a workdir, and the access to it that lets a sandboxed command commit.

It is found by reading, because git would run the programs that a configuration names. The agent may have written every file on the
way, so a git directory elsewhere counts only if it belongs to the user and refers to this workdir itself. Its hooks and
its configuration stay closed, and so does each file that would make git read another configuration.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable
from dataclasses import dataclass, field

from .._core.errors import OptioError
from .._core.safe_open import SafeDirectory

READ, WRITE = "read", "write"
#: bytes of a file that git itself writes
MOST_BYTES = 1 << 20
#: submodules, or worktrees, of one repository
MOST_LINKED = 50
#: directories between that of all submodules and a submodule's own
MOST_LEVELS = 8
#: of a common git directory, for a worktree
SHARED = ("objects", "refs", "logs", "reftable")
#: a git directory that is its own common directory
OWN_COMMON = ".\n"

#: codex reads a path with one of these as a pattern, for which it has no write access
PATTERN = re.compile(r"[*?\[\]]")
_SECTION = re.compile(r"\s*\[\s*([^\]\s\"]+)\s*(\"[^\"]*\")?\s*\]")
_WORKTREE = re.compile(r"\s*worktree\s*=\s*(.*?)\s*\Z", re.IGNORECASE)


@dataclass(frozen=True)
class GitDirectory:
    """The git directory of a workdir; ``common`` is another one for a linked worktree."""

    workdir: str
    path: str
    common: str


@dataclass
class GitAccess:
    """The access of each path, and the files and directories that were created to close them, parents first."""

    entries: dict[str, str] = field(default_factory=dict)
    created: list[str] = field(default_factory=list)

    def undo(self) -> None:
        """Remove the files and directories that were created."""
        for path in reversed(self.created):
            (os.rmdir if os.path.isdir(path) else os.unlink)(path)


def _refused(path: str, cause: str, remedy: str = "") -> OptioError:
    return OptioError(path, f"{path} {cause}", remedy or "Fix the repository, or omit git_writable")


def find_git_directory(workdir: str, climbs: bool) -> GitDirectory:
    """Return the git directory of a workdir, which is a real path; with ``climbs`` also one of a directory above it.

    Raises OptioError if there is none, or if this user's sandbox must not open it.
    """
    device, top = os.stat(workdir).st_dev, workdir
    while True:
        path = os.path.join(top, ".git")
        kind = _kind(path)
        if kind == "file":
            return _linked(workdir, top, path)
        if kind == "directory" and _is_git_directory(path):
            _check_owner(path)
            return GitDirectory(workdir, path, _common(path))
        if kind not in ("absent", "directory"):
            raise _refused(path, "is a symbolic link or a special file, so git_writable does not open it")
        parent = os.path.dirname(top)
        if not climbs or parent == top or os.stat(parent).st_dev != device:
            remedy = "Set repository, set workdir to a directory in a repository, or omit git_writable"
            raise _refused(workdir, "is not in a git repository, so git_writable has nothing to open", remedy)
        top = parent


def _linked(workdir: str, top: str, path: str) -> GitDirectory:
    """Return the git directory that the file ``.git`` of a worktree or a submodule names."""
    _check_owner(path)
    text = _read(top, ".git") or ""
    if not text.startswith("gitdir: "):
        raise _refused(path, "does not name a git directory")
    target = os.path.realpath(os.path.join(top, text[len("gitdir: ") :].rstrip("\r\n")))
    if not os.path.lexists(f"{target}/HEAD"):
        raise _refused(path, f"names {target}, which is not a git directory")
    _check_owner(target)
    common = _common(target)
    if common == target:
        refers = _is_git_directory(target) and _worktree_of(target) == top
    else:
        back = (_read(target, "gitdir") or "").rstrip("\n")
        refers = os.path.dirname(target) == f"{common}/worktrees" and os.path.realpath(os.path.join(target, back)) == path
    if not refers:
        cause = f"names {target}, which does not belong to this directory, so git_writable does not open it"
        raise _refused(path, cause, f"Run git worktree repair, or git submodule update --init, for {top}, or omit git_writable")
    return GitDirectory(workdir, target, common)


def _common(path: str) -> str:
    """Return the common directory of a git directory: itself, or for a linked worktree that of its main repository."""
    text = _read(path, "commondir")
    common = path if text is None else os.path.realpath(os.path.join(path, text.rstrip("\r\n")))
    if common == path:
        return path
    if os.path.dirname(path) != f"{common}/worktrees" or not _is_git_directory(common):
        raise _refused(f"{path}/commondir", f"names {common}, so git reads its configuration there", "Remove this file")
    _check_owner(common)
    return common


def _worktree_of(path: str) -> str | None:
    """Return the directory that ``core.worktree`` of a git directory names."""
    section = ""
    for line in (_read(path, "config") or "").splitlines():
        header = _SECTION.match(line)
        if header:
            section = header.group(1).lower() if not header.group(2) else ""
            line = line[header.end() :]
        found = _WORKTREE.match(line) if section == "core" else None
        if found:
            value = re.sub(r"\\(.)", r"\1", found.group(1).strip('"'))
            return os.path.realpath(os.path.join(path, value))
    return None


def open_git_directory(found: GitDirectory) -> GitAccess:
    """Return the access to a git directory; creates the files without which the sandbox could not keep them closed."""
    for path in (found.path, found.common):
        if PATTERN.search(path):
            remedy = "Use a directory without these characters, or omit git_writable"
            raise _refused(path, "contains '*', '?', '[' or ']', so codex would read it as a pattern", remedy)
    access = GitAccess()
    try:
        if found.common == found.path:
            _open_whole(access, found.path, found.workdir)
        else:
            access.entries.update({found.path: WRITE, f"{found.path}/commondir": READ})
            _close_worktree_config(access, found.path, found.common)
            _open_submodules(access, found.path, found.workdir)
            for name in SHARED:
                if _kind(f"{found.common}/{name}") != "absent":
                    access.entries[_checked(found.common, name, "directory")] = WRITE
    except BaseException:
        access.undo()
        raise
    return access


def _open_whole(access: GitAccess, path: str, workdir: str) -> None:
    access.entries[path] = WRITE
    access.entries[_checked(path, "config", "file")] = READ
    if _kind(f"{path}/hooks") == "absent":
        _create(access, f"{path}/hooks", lambda name: os.mkdir(name, 0o755))
    access.entries[_checked(path, "hooks", "directory")] = READ
    if _kind(f"{path}/commondir") == "absent":
        # otherwise a command could create it, and name a directory with a configuration of its own
        _create(access, f"{path}/commondir", lambda name: _write_new(name, OWN_COMMON))
    access.entries[_checked(path, "commondir", "file")] = READ
    _close_worktree_config(access, path, path)
    _open_submodules(access, path, workdir)
    _open_worktrees(access, path, workdir)


def _close_worktree_config(access: GitAccess, path: str, common: str) -> None:
    config = f"{path}/config.worktree"
    if _kind(config) == "absent":
        # without the extension git does not read it, and a command cannot set the extension
        if "worktreeconfig" not in (_read(common, "config") or "").lower():
            return
        _create(access, config, lambda name: _write_new(name, ""))
    access.entries[_checked(path, "config.worktree", "file")] = READ


def _open_submodules(access: GitAccess, path: str, workdir: str) -> None:
    modules = f"{path}/modules"
    if _kind(modules) == "absent":
        return
    access.entries[modules] = READ
    found = _submodules(modules) if _kind(modules) == "directory" else []
    for module in found if len(found) <= MOST_LINKED else ():
        if not PATTERN.search(module) and _read(module, "commondir") in (None, OWN_COMMON):
            _open_whole(access, module, workdir)


def _submodules(directory: str, level: int = 0) -> list[str]:
    """Return the git directories below that of all submodules; a name may contain slashes."""
    found: list[str] = []
    for name in _directories(directory):
        path = f"{directory}/{name}"
        if _is_git_directory(path):
            found.append(path)
        elif level < MOST_LEVELS and len(found) <= MOST_LINKED:
            found += _submodules(path, level + 1)
    return found


def _open_worktrees(access: GitAccess, path: str, workdir: str) -> None:
    worktrees = f"{path}/worktrees"
    if _kind(worktrees) == "absent":
        return
    names = _directories(worktrees) if _kind(worktrees) == "directory" else []
    if not names or len(names) > MOST_LINKED or any(PATTERN.search(name) for name in names):
        access.entries[worktrees] = READ
        return
    access.entries[worktrees] = WRITE
    for name in names:
        back = (_read(f"{worktrees}/{name}", "gitdir") or "/").rstrip("\n")
        if os.path.commonpath([os.path.realpath(os.path.join(f"{worktrees}/{name}", back)), workdir]) != workdir:
            # of a directory that the session does not work in
            access.entries[f"{worktrees}/{name}"] = READ


def _directories(path: str) -> list[str]:
    try:
        with os.scandir(path) as entries:
            # a sandbox that was killed leaves directories with such names
            return sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False) and not entry.name.startswith("."))
    except OSError as error:
        raise _refused(path, f"cannot be read: {(error.strerror or str(error)).lower()}") from error


def _checked(directory: str, name: str, kind: str) -> str:
    path = f"{directory}/{name}"
    if _kind(path) != kind:
        raise _refused(path, f"is not a {kind}, so git_writable could not keep it closed")
    _check_owner(path)
    return path


def _create(access: GitAccess, path: str, create: Callable[[str], object]) -> None:
    try:
        create(path)
    except OSError as error:
        raise _refused(path, f"cannot be created: {(error.strerror or str(error)).lower()}") from error
    access.created.append(path)


def _write_new(path: str, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    with os.fdopen(descriptor, "w", encoding="ascii") as stream:
        stream.write(text)


def _kind(path: str) -> str:
    try:
        mode = os.lstat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return "absent"
    except OSError as error:
        raise _refused(path, f"cannot be read: {(error.strerror or str(error)).lower()}") from error
    return "directory" if stat.S_ISDIR(mode) else "file" if stat.S_ISREG(mode) else "other"


def _is_git_directory(path: str) -> bool:
    return os.path.lexists(f"{path}/HEAD") and all(os.path.isdir(f"{path}/{name}") for name in ("objects", "refs"))


def _check_owner(path: str) -> None:
    if os.lstat(path).st_uid != os.geteuid():
        raise _refused(path, "belongs to another user than the session, so git_writable does not open it", "Set user to its owner")


def _read(directory: str, name: str) -> str | None:
    """Return the text of a file, None if there is none."""
    path = f"{directory}/{name}"
    try:
        with SafeDirectory(directory) as top:
            descriptor = top.open(name)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _refused(path, f"cannot be read: {(error.strerror or str(error)).lower()}") from error
    with os.fdopen(descriptor, "rb") as stream:
        data = stream.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise _refused(path, f"has more than {MOST_BYTES} bytes")
    return data.decode("utf-8", "surrogateescape")
