# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The root of the project, which codex does not find below an empty ``.git`` that a sandbox keeps in the workdir."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from ansible_collections.optio.codex.plugins.module_utils._launch.project_root import SETTING, find_root, root_settings
from ansible_collections.optio.codex.plugins.module_utils._session.layout import OWN, PROJECT
from ansible_collections.optio.codex.tests.unit.support.session_builders import LAYOUT


def make(top: Path, *paths: str) -> None:
    """Make files, and directories by a slash at the end."""
    for path in paths:
        target = top / path
        (target if path.endswith("/") else target.parent).mkdir(parents=True, exist_ok=True)
        if not path.endswith("/"):
            target.write_text("x")


@pytest.mark.parametrize(
    ("paths", "root"),
    [
        (["repo/.git/HEAD", "repo/a/b/"], "repo"),
        (["repo/.git/HEAD", "repo/a/b/.git/"], "repo"),
        # a worktree, and a submodule
        (["repo/.git", "repo/a/b/.git/"], "repo"),
        (["repo/.git/HEAD", "repo/a/.git", "repo/a/b/.git/"], "repo/a"),
        (["repo/.git/HEAD", "repo/a/b/.git/HEAD"], "repo/a/b"),
        (["repo/.git/", "repo/a/b/"], None),
    ],
)
def test_root_of_a_workdir(tmp_path: Path, paths: list[str], root: str | None) -> None:
    make(tmp_path, *paths)
    assert find_root(str(tmp_path / "repo/a/b")) == (root and str(tmp_path / root))


@pytest.mark.parametrize("repository", [".git/HEAD", ".git"])
def test_marker_exists_at_the_root_alone(tmp_path: Path, repository: str) -> None:
    """Also if the project has directories of the same names further down."""
    top = tmp_path / "shop"
    make(top, repository, "shop/shop/", "shop/.git/", f"shop{top}/shop/")
    layout = replace(LAYOUT, workdir=str(top / "shop"), origin=PROJECT)
    [marker] = root_settings(layout)[SETTING]
    assert not os.path.isabs(marker)
    assert os.path.samefile(top / marker, top / "shop")
    assert not os.path.exists(top / "shop" / marker)


def test_nothing_is_set_where_codex_finds_the_root(tmp_path: Path) -> None:
    make(tmp_path, "repo/.git/HEAD", "repo/a/", "session/home/.codex/", "session/workdir/")
    task = str(tmp_path / "session")
    below = replace(LAYOUT, task=task, workdir=str(tmp_path / "repo/a"), origin=PROJECT)
    assert root_settings(below)
    assert root_settings(replace(below, workdir=str(tmp_path / "repo"))) == {}
    assert root_settings(replace(below, origin=OWN)) == {}
    config = Path(below.codex_home) / "config.toml"
    config.write_text(f'{SETTING} = ["pom.xml"]\n')
    assert root_settings(below) == {}
    config.write_text("broken =")
    assert root_settings(below)
