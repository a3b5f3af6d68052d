# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The action that prints a report: what is printed and logged, and what is written to the file."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from ansible import constants as C
from ansible.utils import color

from ansible_collections.optio.codex.plugins.action import report
from ansible_collections.optio.codex.tests.unit.support.action_runner import Connection, action_arguments


class Screen:
    """Keeps what is displayed, and what is logged."""

    def __init__(self) -> None:
        self.shown: list[str] = []
        self.logged: list[str] = []

    def display(self, text: str, screen_only: bool = False, log_only: bool = False) -> None:
        (self.logged if log_only else self.shown).append(text)
        assert screen_only != log_only


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Screen:
    kept = Screen()
    monkeypatch.setattr(report, "display", kept)
    monkeypatch.setattr(color, "ANSIBLE_COLOR", False)
    monkeypatch.setattr(C, "DEFAULT_STDOUT_CALLBACK", "default")
    return kept


def run(task: dict[str, Any] | None = None, **args: Any) -> dict[str, Any]:
    values = {"no_log": False, **(task or {})}
    arguments = action_arguments(Connection(True), args=args, action="optio.codex.report", **values)
    return dict(report.ActionModule(**arguments).run(task_vars={"inventory_hostname": "worker"}))


RED = {"text": "w1 failed", "color": "error"}

#: (lines, what is printed)
LINES: list[tuple[Any, str]] = [
    ("one\ntwo", "one\ntwo"),
    (["one", "", "  two, three"], "one\n\n  two, three"),
    ([RED, {"text": "ok"}], "w1 failed\nok"),
    (RED, "w1 failed"),
    (["a\nb\r\nc"], "a\nb\nc"),
    (["\x1b[31mred\x1b]0;title\x07", "a\u202eb\tc"], " [31mred ]0;title \na b c"),
]


@pytest.mark.parametrize(("lines", "text"), LINES)
def test_lines_are_printed_in_one_call_and_logged(screen: Screen, lines: Any, text: str) -> None:
    result = run(lines=lines)
    assert screen.shown == screen.logged == [text]
    assert "\n".join(line["text"] for line in result["lines"]) == text and not result["changed"]


def test_nothing_is_printed_without_lines(screen: Screen) -> None:
    assert run(lines=[])["lines"] == [] and screen.shown == []


def test_colors_are_on_the_screen_only(screen: Screen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(color, "ANSIBLE_COLOR", True)
    run(lines=["plain", RED])
    assert screen.shown == [f"plain\n{color.stringc('w1 failed', C.COLOR_ERROR)}"] and "\x1b[" in screen.shown[0]
    assert screen.logged == ["plain\nw1 failed"]


#: (the callback plugin for standard output, attributes of the task, whether the lines are printed)
CALLBACKS = [
    ("default", {}, True),
    ("awx_display", {}, True),
    ("community.general.dense", {}, True),
    ("json", {}, False),
    ("ansible.posix.jsonl", {}, False),
    ("optio.codex.fleet", {}, False),
    ("default", {"no_log": True}, False),
]


@pytest.mark.parametrize(("callback", "task", "printed"), CALLBACKS)
def test_documents_get_the_lines_as_a_result(
    screen: Screen, monkeypatch: pytest.MonkeyPatch, callback: str, task: dict[str, Any], printed: bool
) -> None:
    monkeypatch.setattr(C, "DEFAULT_STDOUT_CALLBACK", callback)
    assert run(task, lines="one")["lines"] == [{"text": "one", "color": ""}]
    assert screen.shown == (["one"] if printed else [])


#: (lines, what the error is about)
WRONG: list[tuple[Any, str]] = [
    ([1], "lines must be texts, or dictionaries with text and color, got int. Fix lines."),
    ({"color": "ok"}, "lines must be texts, or dictionaries with text and color, got dict. Fix lines."),
    ([{"text": "a", "color": "red"}], "lines has the unknown color 'red'. Choose from changed, error,"),
]


@pytest.mark.parametrize(("lines", "message"), WRONG)
def test_anything_else_is_an_error(screen: Screen, lines: Any, message: str) -> None:
    result = run(lines=lines)
    assert result["failed"] and result["msg"].startswith(message) and result["object"] == "lines"
    assert screen.shown == []


def test_data_is_written_to_a_file_of_the_owner(screen: Screen, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    data = {"sessions": [{"name": "a", "message": "\x1b[2J漢"}]}
    result = run(lines="one", data=data, dest="out.json")
    written = tmp_path / "out.json"
    assert result["path"] == str(written) and not result["changed"]
    assert json.loads(written.read_text("ascii")) == data and "\x1b" not in written.read_text("ascii")
    assert written.stat().st_mode & 0o777 == 0o600
    written.chmod(0o640)
    run(lines="one", data=[], dest=str(written))
    assert json.loads(written.read_text("ascii")) == [] and written.stat().st_mode & 0o777 == 0o640
    assert os.listdir(tmp_path) == ["out.json"]


def test_check_mode_writes_nothing(screen: Screen, tmp_path: Path) -> None:
    assert run({"check_mode": True}, lines="one", data=1, dest=str(tmp_path / "out.json"))["path"]
    assert screen.shown == ["one"] and not os.listdir(tmp_path)


@pytest.mark.parametrize(
    ("dest", "message"),
    [("", "is not a regular file. Set dest to the path of a file."), ("missing/out.json", "no such file or directory. Create its parent")],
)
def test_file_that_cannot_be_written(screen: Screen, tmp_path: Path, dest: str, message: str) -> None:
    result = run(lines="one", data=1, dest=str(tmp_path / dest))
    assert result["failed"] and message in result["msg"] and screen.shown == []
