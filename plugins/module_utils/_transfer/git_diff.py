# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The changes in a workdir's repository, found without running anything that the repository names.

A writer of ``.git/config`` can make git run commands: hooks, filters, text converters, a file system monitor,
the fetch of a missing object. So git works in a new repository with a configuration and an index of its own; of the
old one it reads the objects and the name of a commit. The comparison is one of the new index with that commit, so that
git looks at no more of a submodule than its commit.
"""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from .._core import files
from .._core.errors import OptioError
from .._core.host import Host
from .._session.state import ObservedSession
from .own_files import OwnFiles, own_names

#: seconds for all commands of one difference, and for the look-up of a name in the repository
GIT_LIMIT, NAME_LIMIT = 120.0, 20.0
#: bytes of an untracked file, and of a tracked file
LARGEST_UNTRACKED, LARGEST_TRACKED = 16 << 20, 1 << 30
#: bytes of one allocation of git, which takes the size of an object from the object
LARGEST_ALLOCATION = "2g"
OUTPUT = "changes.diff"
_COMMIT_LENGTHS = {40: "sha1", 64: "sha256"}
#: what git reads in every directory of a workdir
_READ_BY_GIT = (".gitignore", ".gitattributes", ".gitmodules")
#: git has a socket there, and does not open it
_HARMLESS = (stat.S_IFREG, stat.S_IFDIR, stat.S_IFSOCK)
#: settings that apply even if another file were read
_OVERRIDES = ("-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "-c", "gc.auto=0")


class DiffError(Exception):
    """The reason for a missing diff."""


@dataclass(frozen=True)
class Difference:
    """``path`` is a file in a directory of its own, which the caller removes.

    ``left_out`` are files that are too large, and files that are the session's own by their inode.
    """

    commit: str | None
    directory: str
    left_out: tuple[str, ...]

    @property
    def path(self) -> str:
        """The difference, in the form that ``git apply`` takes."""
        return f"{self.directory}/{OUTPUT}"


def find_repository(workdir: str) -> str | None:
    """Return the git directory of a workdir, None when there is none; raise DiffError when it may be elsewhere."""
    directory = f"{workdir}/.git"
    if not os.path.lexists(directory):
        return None
    for path in (directory, f"{directory}/objects"):
        if os.path.realpath(path) != path or not os.path.isdir(path):
            raise DiffError(f"{os.path.relpath(path, workdir)} is not a directory of the workdir")
    return directory


def take_difference(host: Host, view: ObservedSession, repository: str, base: str) -> Difference:
    """Write the diff between the commit ``base`` and the workdir; raise DiffError if git fails."""
    # not in the workdir or /tmp: a sandboxed agent can write there, and so could configure git
    try:
        scratch = tempfile.mkdtemp(prefix=".optio-diff-", dir=view.layout.task)
    except OSError as error:
        raise DiffError(f"{view.layout.task}: {(error.strerror or str(error)).lower()}") from error
    try:
        return _Git(host, view, repository, scratch).difference(base)
    except OSError as error:
        files.remove(scratch)
        raise DiffError((error.strerror or str(error)).lower()) from error
    except BaseException:
        files.remove(scratch)
        raise


class _Git:
    """Runs git between a workdir and a repository of its own."""

    def __init__(self, host: Host, view: ObservedSession, repository: str, scratch: str) -> None:
        self._host = host
        self._git = view.worker.git
        self._workdir = view.layout.workdir
        self._own_names = own_names(view.layout)
        self._own_files = OwnFiles(view.layout)
        self._repository = repository
        self._scratch = scratch
        self._own = f"{scratch}/git"
        self._deadline = host.monotonic() + GIT_LIMIT
        self._environment: Mapping[str, str] = {
            **{"PATH": view.worker.path or "/usr/bin:/bin", "HOME": scratch, "XDG_CONFIG_HOME": scratch, "LC_ALL": "C"},
            **{"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_ATTR_NOSYSTEM": "1"},
            **{"GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0", "GIT_NO_LAZY_FETCH": "1", "GIT_ALLOW_PROTOCOL": "none"},
            "GIT_ALLOC_LIMIT": LARGEST_ALLOCATION,
        }

    def difference(self, base: str) -> Difference:
        if not self._git:
            raise DiffError("git is not on the worker's PATH")
        self._refuse_odd_files(self._repository)
        self._refuse_odd_files(self._workdir, _READ_BY_GIT)
        commit = self._commit(base)
        object_format = _COMMIT_LENGTHS[len(commit)] if commit else "sha1"
        self._run(["init", "--quiet", "--bare", "--template=", f"--object-format={object_format}", self._own], own=False)
        os.makedirs(f"{self._own}/objects/info", exist_ok=True)
        files.write_text(f"{self._own}/objects/info/alternates", f"{self._repository}/objects\n")
        os.makedirs(f"{self._own}/info", exist_ok=True)
        files.write_text(f"{self._own}/info/exclude", "".join(f"/{name}\n" for name in self._own_names))
        tree = commit or self._run(["hash-object", "-w", "-t", "tree", "--stdin"], stdin="").strip()
        self._run(["read-tree", tree])
        left_out = self._update_index()
        what = ["diff", "--cached", "--binary", "--no-ext-diff", "--no-textconv", "--no-color"]
        self._run([*what, f"--output={self._scratch}/{OUTPUT}", tree, "--"])
        return Difference(commit, self._scratch, left_out)

    def _refuse_odd_files(self, top: str, only: Collection[str] = ()) -> None:
        """Raise DiffError for a pipe or a device below a directory, also behind a link: git would wait for it, or read on and on.

        ``only`` are the names of the files that git reads there; without them, it may read all.
        """
        device = os.stat(self._workdir).st_dev
        for directory, directories, names in os.walk(top):
            self._time_left()
            for path in (f"{directory}/{name}" for name in (*directories, *names) if not only or name in only):
                try:
                    status = os.stat(path)
                except OSError:
                    # git cannot open it either
                    continue
                # another filesystem may be /proc
                if status.st_dev != device or stat.S_IFMT(status.st_mode) not in _HARMLESS:
                    raise DiffError(f"{os.path.relpath(path, self._workdir)} is not a file or directory of the workdir")

    def _time_left(self) -> float:
        left = self._deadline - self._host.monotonic()
        if left <= 0:
            raise DiffError(f"the comparison took longer than {GIT_LIMIT:g} s")
        return left

    def _commit(self, base: str) -> str | None:
        # a name is looked up, no object is read: the repository's own configuration could have a missing one fetched
        place = [f"--git-dir={self._repository}", f"--work-tree={self._workdir}"]
        commit = self._run([*place, "rev-parse", "--verify", "--quiet", base], own=False, unknown_ok=True).strip()
        if len(commit) in _COMMIT_LENGTHS:
            return commit
        if base != "HEAD":
            raise DiffError(f"it has no commit {base}")
        return None

    def _update_index(self) -> tuple[str, ...]:
        """Bring the own index to the state of the workdir; return the files that are not compared."""
        tracked = [path for path in self._run(["ls-files", "-z"]).split("\0") if path]
        untracked: list[str] = []
        left_out: list[str] = []
        for path in self._run(["ls-files", "--others", "--exclude-standard", "-z"]).split("\0"):
            # another repository's directory ends in a slash; an ignore file of the agent's can list the session's names again
            if path and not path.endswith("/") and path.partition("/")[0] not in self._own_names:
                (untracked if self._is_small(path) and not self._is_own(path) else left_out).append(path)
        # git takes no path through a link, and of a directory that has become one nothing is there any more
        reachable = {parent: self._is_reachable(parent) for parent in {os.path.dirname(path) for path in tracked}}
        self._index(["--force-remove"], [path for path in tracked if not reachable[os.path.dirname(path)]])
        present = [path for path in tracked if reachable[os.path.dirname(path)]]
        own = {path for path in present if self._is_own(path) or not self._is_small(path, LARGEST_TRACKED)}
        self._index(["--add", "--remove"], [*(path for path in present if path not in own), *untracked])
        return (*left_out, *sorted(own))

    def _index(self, options: Sequence[str], paths: Sequence[str]) -> None:
        if paths:
            self._run(["update-index", *options, "-z", "--stdin"], stdin="".join(f"{path}\0" for path in paths))

    def _is_reachable(self, parent: str) -> bool:
        path = os.path.join(self._workdir, parent).rstrip("/")
        return os.path.realpath(path) == path

    def _is_small(self, path: str, most: int = LARGEST_UNTRACKED) -> bool:
        try:
            status = os.lstat(f"{self._workdir}/{path}")
        except OSError:
            # of a file that git follows, this is a difference
            return most == LARGEST_TRACKED
        return stat.S_ISLNK(status.st_mode) or status.st_size <= most

    def _is_own(self, path: str) -> bool:
        if path.startswith("home/") and "home" in self._own_names:
            return True
        try:
            return bool(self._own_files.refusal(os.lstat(f"{self._workdir}/{path}")))
        except OSError:
            return False

    def _run(self, arguments: Sequence[str], *, stdin: str | None = None, own: bool = True, unknown_ok: bool = False) -> str:
        left = self._time_left()
        place = [f"--git-dir={self._own}", f"--work-tree={self._workdir}"] if own else []
        done = self._host.run(
            [self._git, *_OVERRIDES, *place, *arguments],
            stdin=stdin,
            environment=self._environment,
            cwd=self._workdir,
            timeout=left if own else min(left, NAME_LIMIT),
        )
        if done.rc not in ((0, 1) if unknown_ok else (0,)):
            raise DiffError(f"git failed: {done.message}")
        return done.stdout


def refuse_base(base: str) -> None:
    """Raise OptioError for a text that cannot name a commit."""
    if not base or base.startswith("-") or not base.isprintable() or ":" in base or " " in base:
        raise OptioError("diff_base", f"diff_base must be the name of a commit, got {base!r}", "Set a branch, a tag or a commit")
