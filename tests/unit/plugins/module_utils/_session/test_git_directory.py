# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The git directory of a workdir: found where git finds it, refused where the agent could have led it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from ansible_collections.optio.codex.plugins.module_utils._core.errors import OptioError
from ansible_collections.optio.codex.plugins.module_utils._session import git_directory
from ansible_collections.optio.codex.plugins.module_utils._session.git_directory import (
    GitAccess,
    find_git_directory,
    open_git_directory,
)


class Place:
    """Repositories: a plain one with a subdirectory, one with two worktrees, and one with a submodule."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.plain, self.main, self.tree, self.other, self.super = (base / name for name in ("plain", "main", "tree", "other", "super"))
        self.make(self.plain)
        (self.plain / "services/a").mkdir(parents=True)
        self.make(self.main)
        for tree in (self.tree, self.other):
            self.git("worktree", "add", "-q", "-b", tree.name, str(tree), cwd=self.main)
        self.make(self.super)
        self.git("submodule", "add", "-q", str(self.plain), "vendor/my lib", cwd=self.super)
        self.module = self.super / "vendor/my lib"
        self.module_git = self.super / ".git/modules/vendor/my lib"

    def make(self, path: Path) -> None:
        path.mkdir()
        self.git("init", "-q", "-b", "main", cwd=path)
        self.git("commit", "-q", "--allow-empty", "-m", "one", cwd=path)

    def git(self, *arguments: str, cwd: Path) -> str:
        identity = ("-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false", "-c", "protocol.file.allow=always")
        done = subprocess.run(["git", *identity, *arguments], cwd=cwd, check=True, capture_output=True, text=True, timeout=30)
        return done.stdout.strip()

    def access(self, workdir: Path, *, climbs: bool = True) -> GitAccess:
        return open_git_directory(find_git_directory(str(workdir), climbs))

    def named(self, workdir: Path) -> dict[str, str]:
        """Return the entries by their paths below the base."""
        return {os.path.relpath(path, self.base): access for path, access in self.access(workdir).entries.items()}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    return Place(tmp_path)


def whole(path: str) -> dict[str, str]:
    return {path: "write", **{f"{path}/{name}": "read" for name in ("config", "hooks", "commondir")}}


def test_a_clone(place: Place) -> None:
    assert place.named(place.plain) == place.named(place.plain / "services/a") == whole("plain/.git")
    # the file that closes the place of another configuration changes nothing for git
    assert (place.plain / ".git/commondir").read_text() == ".\n"
    assert place.git("rev-parse", "--git-common-dir", "--show-toplevel", cwd=place.plain / "services/a").split("\n")[1] == str(place.plain)
    place.git("commit", "-q", "--allow-empty", "-m", "two", cwd=place.plain)
    assert place.git("status", "--porcelain", "--ignored", cwd=place.plain) == ""


def test_a_worktree(place: Place) -> None:
    (place.main / ".git/logs/.codex").mkdir()
    own = "main/.git/worktrees/tree"
    shared = {f"main/.git/{name}": "write" for name in ("objects", "refs", "logs")}
    assert place.named(place.tree) == {own: "write", f"{own}/commondir": "read", **shared}
    assert not (place.main / ".git/commondir").exists()


def test_a_worktree_of_a_bare_repository(place: Place) -> None:
    bare = place.base / "bare.git"
    place.git("clone", "-q", "--bare", str(place.plain), str(bare), cwd=place.base)
    place.git("worktree", "add", "-q", "-b", "x", str(place.base / "of-bare"), cwd=bare)
    own = "bare.git/worktrees/of-bare"
    shared = {f"bare.git/{name}": "write" for name in ("objects", "refs")}
    # where there are no logs, git makes none
    found = {**place.named(place.base / "of-bare"), "bare.git/logs": "write"}
    assert found == {own: "write", f"{own}/commondir": "read", **shared, "bare.git/logs": "write"}


def test_a_submodule(place: Place) -> None:
    assert place.named(place.module) == whole("super/.git/modules/vendor/my lib")
    place.git("commit", "-q", "--allow-empty", "-m", "two", cwd=place.module)
    assert place.git("status", "--porcelain", cwd=place.super) == 'A  .gitmodules\nAM "vendor/my lib"'


def test_the_submodules_of_a_clone(place: Place) -> None:
    expected = {**whole("super/.git"), "super/.git/modules": "read", **whole("super/.git/modules/vendor/my lib")}
    assert place.named(place.super) == expected
    (place.module_git / "commondir").write_text("/elsewhere\n")
    assert place.named(place.super) == {**whole("super/.git"), "super/.git/modules": "read"}


def test_more_submodules_than_are_listed(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(git_directory, "MOST_LINKED", 0)
    assert place.named(place.super) == {**whole("super/.git"), "super/.git/modules": "read"}
    assert place.named(place.main)["main/.git/worktrees"] == "read"


def test_the_worktrees_of_a_clone(place: Place) -> None:
    place.git("worktree", "add", "-q", "-b", "inside", "inside", cwd=place.main)
    (place.main / ".git/worktrees/broken").mkdir()
    closed = {f"main/.git/worktrees/{name}": "read" for name in ("tree", "other", "broken")}
    assert place.named(place.main) == {**whole("main/.git"), "main/.git/worktrees": "write", **closed}


def test_a_path_that_codex_would_read_as_a_pattern(place: Place) -> None:
    place.make(place.base / "a[b]")
    with pytest.raises(OptioError, match=r"contains '\*', .* so codex would read it as a pattern"):
        place.access(place.base / "a[b]")
    # one that a command has made does not prevent the next launch
    (place.main / ".git/worktrees/a*").mkdir()
    assert place.named(place.main) == {**whole("main/.git"), "main/.git/worktrees": "read"}


def test_configuration_of_one_worktree(place: Place) -> None:
    place.git("config", "extensions.worktreeConfig", "true", cwd=place.main)
    for workdir, path in ((place.tree, "main/.git/worktrees/tree"), (place.main, "main/.git")):
        assert place.named(workdir)[f"{path}/config.worktree"] == "read" and (place.base / path / "config.worktree").read_text() == ""


def test_created_files_are_removed(place: Place) -> None:
    shutil.rmtree(place.plain / ".git/hooks")
    before = sorted((place.plain / ".git").iterdir())
    access = place.access(place.plain)
    assert sorted(map(os.path.basename, access.created)) == ["commondir", "hooks"]
    access.undo()
    assert sorted((place.plain / ".git").iterdir()) == before
    # a failure does it too
    (place.plain / ".git/config.worktree").symlink_to("/etc/passwd")
    with pytest.raises(OptioError, match=r"config\.worktree is not a file"):
        place.access(place.plain)
    assert not (place.plain / ".git/hooks").exists()


def test_an_empty_directory_of_a_killed_sandbox_is_passed_over(place: Place) -> None:
    (place.plain / "services/a/.git").mkdir()
    assert place.named(place.plain / "services/a") == whole("plain/.git")


@pytest.mark.parametrize("climbs", [True, False])
def test_a_workdir_without_a_repository(place: Place, climbs: bool) -> None:
    workdir = place.base if climbs else place.plain / "services/a"
    with pytest.raises(OptioError, match=r"is not in a git repository, so git_writable has nothing to open\. Set repository"):
        place.access(workdir, climbs=climbs)


def _link(place: Place) -> None:
    (place.plain / ".git").rename(place.base / "moved")
    (place.plain / ".git").symlink_to("../moved")


def _names(target: str) -> Callable[[Place], None]:
    def change(place: Place) -> None:
        shutil.rmtree(place.plain / ".git")
        (place.plain / ".git").write_text(f"gitdir: {target}\n")

    return change


def _fake_worktree(place: Place) -> None:
    """A git directory of the agent's own, which names another repository as the common one."""
    fake = place.plain / "fake/worktrees/x"
    fake.mkdir(parents=True)
    (fake / "HEAD").write_text("ref: refs/heads/main\n")
    (fake / "commondir").write_text(f"{place.main}/.git\n")
    (fake / "gitdir").write_text(f"{place.plain}/.git\n")
    _names("fake/worktrees/x")(place)


def _closed_by(path: str, cause: str) -> Callable[[Place], None]:
    def change(place: Place) -> None:
        target = place.plain / ".git" / path
        shutil.rmtree(target) if target.is_dir() else target.unlink(missing_ok=True)
        if cause == "link":
            target.symlink_to(place.base)
        elif cause == "directory":
            target.mkdir()
        else:
            target.write_text(cause)

    return change


REFUSED: dict[str, tuple[Callable[[Place], None], str]] = {
    "a link": (_link, r"plain/\.git is a symbolic link or a special file"),
    "no git directory": (_names("/nowhere"), "names /nowhere, which is not a git directory"),
    "no name": (lambda place: (_names("x")(place), (place.plain / ".git").write_text(""))[0], "does not name a git directory"),
    "another repository": (_names("../main/.git"), "main/.git, which does not belong to this directory"),
    "another worktree": (_names("../main/.git/worktrees/tree"), "worktrees/tree, which does not belong to this directory"),
    "another submodule": (_names("../super/.git/modules/vendor/my lib"), "vendor/my lib, which does not belong to this directory"),
    "a worktree of the agent's own": (_fake_worktree, "commondir names .*main/.git, so git reads its configuration there"),
    "a common directory": (_closed_by("commondir", "../evil\n"), "commondir names .*evil, so git reads its configuration there"),
    "a common directory by a link": (_closed_by("commondir", "link"), r"commondir cannot be read"),
    "hooks by a link": (_closed_by("hooks", "link"), "hooks is not a directory"),
    "a configuration by a link": (_closed_by("config", "link"), "config is not a file"),
    "a configuration that is a directory": (_closed_by("config", "directory"), "config is not a file"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(place: Place, case: str) -> None:
    change, message = REFUSED[case]
    change(place)
    with pytest.raises(OptioError, match=message):
        place.access(place.plain)


@pytest.mark.parametrize("workdir", ["plain", "tree", "super/vendor/my lib"])
def test_a_repository_of_another_user_is_refused(place: Place, workdir: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    with pytest.raises(OptioError, match=r"belongs to another user than the session.* Set user to its owner"):
        place.access(place.base / workdir)


def test_a_configuration_without_an_end(place: Place) -> None:
    (place.module_git / "config").write_text("[core]\n" + "#" * git_directory.MOST_BYTES)
    with pytest.raises(OptioError, match="has more than 1048576 bytes"):
        place.access(place.module)


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("[core]\n\tworktree = ../x\n", "x"),
        ('[Core] WorkTree="../a \\"b\\" c"\n', 'a "b" c'),
        ('[core "sub"]\nworktree = ../x\n[other]\nworktree = ../y\n', None),
        ("", None),
    ],
)
def test_the_directory_that_a_configuration_names(tmp_path: Path, text: str, target: str | None) -> None:
    (tmp_path / "git").mkdir()
    (tmp_path / "git/config").write_text(text)
    assert git_directory._worktree_of(str(tmp_path / "git")) == (target and str(tmp_path / target))
