# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A plan carried out, and taken back wherever it fails."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from ansible_collections.optio.codex.plugins.module_utils._core.errors import OptioError
from ansible_collections.optio.codex.plugins.module_utils._core.executor import FileText, execute
from ansible_collections.optio.codex.plugins.module_utils._core.plan import Action, Plan


def snapshot(root: Path) -> dict[str, tuple[str, int]]:
    """Return what lies below a directory: link targets, texts, permission bits."""
    found = {}
    for path in sorted(root.rglob("*")):
        kind = f"-> {os.readlink(path)}" if path.is_symlink() else path.read_text() if path.is_file() else "directory"
        found[str(path.relative_to(root))] = (kind, path.lstat().st_mode & 0o7777)
    return found


def plan_in(root: Path) -> Plan:
    return Plan(
        (
            Action("create", f"{root}/made/deep"),
            Action("create", f"{root}/home", payload=(f"{root}/home", f"{root}/home/.config", f"{root}/there")),
            Action("write", f"{root}/new", payload=FileText("new\n", 0o700)),
            Action("write", f"{root}/old", payload=FileText("changed\n")),
            Action("link", f"{root}/made/link", payload="/a"),
            Action("link", f"{root}/link", payload="/b"),
            Action("write", f"{root}/made/deep/file", payload=FileText("x")),
            Action("remove", f"{root}/there/kept"),
            Action("remove", f"{root}/nothing"),
            Action("special", "special"),
        )
    )


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "there").mkdir(0o750)
    (tmp_path / "there" / "kept").write_text("kept")
    (tmp_path / "there" / "kept").chmod(0o604)
    (tmp_path / "old").write_text("old\n")
    (tmp_path / "old").chmod(0o640)
    (tmp_path / "link").symlink_to("/before")
    return tmp_path


def test_a_plan_that_succeeds(root: Path) -> None:
    seen: list[str] = []
    execute(plan_in(root), {"special": lambda action: seen.append(action.target)})
    after = snapshot(root)
    assert seen == ["special"]
    assert after["new"] == ("new\n", 0o700)
    assert after["old"] == ("changed\n", 0o600)
    assert after["link"][0] == "-> /b"
    assert after["made/link"][0] == "-> /a"
    assert after["home/.config"] == after["made/deep"] == ("directory", 0o700)
    assert after["there"] == ("directory", 0o750)
    assert "there/kept" not in after


def test_a_link_in_the_place_of_a_file_is_replaced(root: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    victim = tmp_path_factory.mktemp("outside") / "victim"
    victim.write_text("mine\n")
    (root / "file").symlink_to(victim)
    execute(Plan((Action("write", f"{root}/file", payload=FileText("ours\n")),)), {})
    assert victim.read_text() == "mine\n" and not (root / "file").is_symlink() and (root / "file").read_text() == "ours\n"


def test_a_link_in_the_place_of_a_home_is_not_followed(root: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = tmp_path_factory.mktemp("outside")
    (root / "home").mkdir()
    (root / "home/.local").symlink_to(outside)
    homes = (f"{root}/home", f"{root}/home/.local/share", f"{root}/agent")
    with pytest.raises(OptioError, match=r"/home/\.local is not a directory"):
        execute(Plan((Action("create", f"{root}/home", payload=homes),)), {})
    assert list(outside.iterdir()) == []


@pytest.mark.parametrize("number", range(11))
def test_a_failure_anywhere_takes_everything_back(root: Path, number: int) -> None:
    before = snapshot(root)
    actions = plan_in(root).actions
    undone: list[str] = []

    def special(action: Action) -> Callable[[], None]:
        return lambda: undone.append(action.target)

    def fail(action: Action) -> None:
        raise KeyError(action.target)

    plan = Plan((*actions[:number], Action("fail", "boom"), *actions[number:]))
    with pytest.raises(KeyError, match="boom"):
        execute(plan, {"special": special, "fail": fail})
    assert snapshot(root) == before
    assert undone == (["special"] if number == 10 else [])


def test_steps_are_taken_back_last_first_and_in_spite_of_each_other() -> None:
    undone: list[str] = []

    def handler(action: Action) -> Callable[[], None]:
        def undo() -> None:
            undone.append(action.target)
            raise ValueError("the undoing failed")

        return undo

    def fail(action: Action) -> None:
        # Ctrl-C counts too
        raise KeyboardInterrupt

    plan = Plan((Action("do", "1"), Action("do", "2"), Action("do", "3"), Action("fail", "")))
    with pytest.raises(KeyboardInterrupt):
        execute(plan, {"do": handler, "fail": fail})
    assert undone == ["3", "2", "1"]


def test_a_tree_that_is_removed_stays_so(root: Path) -> None:
    def fail(action: Action) -> None:
        raise KeyError

    with pytest.raises(KeyError):
        execute(Plan((Action("remove", f"{root}/there"), Action("fail", ""))), {"fail": fail})
    assert "there" not in snapshot(root)


def test_a_handler_given_takes_the_place_of_the_usual_one(root: Path) -> None:
    before = snapshot(root)
    execute(Plan((Action("write", f"{root}/new"),)), {"write": lambda action: None})
    assert snapshot(root) == before


def test_what_another_run_has_put_into_a_shared_parent_stays(tmp_path: Path) -> None:
    def fail(_action: Action) -> None:
        (tmp_path / "shared/other").mkdir()
        raise KeyError("broken")

    with pytest.raises(KeyError):
        execute(Plan((Action("create", f"{tmp_path}/shared/own/deep"), Action("fail", "x"))), {"fail": fail})
    assert [path.name for path in tmp_path.rglob("*")] == ["shared", "other"]
