# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import random
import unicodedata
from collections.abc import Mapping

import pytest

from ansible_collections.optio.codex.plugins.plugin_utils._table import MARKS, Column, cell, fitting, screen_width, table, width

WORKER = Column("worker", minimum=8)
TASK = Column("task", minimum=6)
TOKENS = Column("tokens", priority=2, right=True)
VERSION = Column("version", priority=3)
WORDS = Column("words", title="LAST WORDS", priority=1, minimum=12, flexible=True)
ALL = (WORKER, TASK, TOKENS, VERSION, WORDS)
ROW = {"worker": "w1", "task": "fix-1412", "tokens": 120, "version": "0.169.0", "words": "The test is written and passes."}

#: (screen, lines)
SCREENS: list[tuple[int, list[str]]] = [
    (
        80,
        [
            "WORKER  TASK      TOKENS  VERSION  LAST WORDS",
            "w1      fix-1412     120  0.169.0  The test is written and passes.",
        ],
    ),
    (
        50,
        [
            "WORKER  TASK      TOKENS  VERSION  LAST WORDS",
            "w1      fix-1412     120  0.169.0  The test is wr…",
        ],
    ),
    # the version first, then the tokens, then the words
    (40, ["WORKER  TASK      TOKENS  LAST WORDS", "w1      fix-1412     120  The test is w…"]),
    (31, ["WORKER  TASK      LAST WORDS", "w1      fix-1412  The test is…"]),
    (26, ["WORKER  TASK", "w1      fix-1412"]),
    # names are shortened last
    (15, ["WORKER  TASK", "w1      fix-14…"]),
    # and not more than this
    (5, ["WORKER  TASK", "w1      fix-1…"]),
]


@pytest.mark.parametrize(("screen", "lines"), SCREENS)
def test_columns_that_fit(screen: int, lines: list[str]) -> None:
    assert table(ALL, [ROW], screen) == lines


def test_empty_columns_are_omitted_and_names_are_not() -> None:
    assert table(ALL, [{"worker": "w1", "version": None, "words": ""}, {}], 80) == ["WORKER  TASK", "w1", ""]


def test_header_without_rows() -> None:
    assert table(ALL, [], 80) == ["WORKER  TASK"]


def test_wide_characters_and_numbers_are_aligned() -> None:
    rows = [{"worker": "漢字", "task": "é", "tokens": 7}, {"worker": "w", "task": "e\u0301", "tokens": 1234567}]
    assert table(ALL, rows, 80) == ["WORKER  TASK   TOKENS", "漢字    é           7", "w       e\u0301     1234567"]


#: (text, columns)
WIDTHS = [
    ("", 0),
    ("abc", 3),
    ("é", 1),
    ("e\u0301", 1),
    ("漢字", 4),
    ("ｱ", 1),
    ("Ａ", 2),
    ("😀", 2),
    ("하", 2),
    # the same syllable in its parts
    ("\u1112\u1161", 2),
    ("…", 1),
]


@pytest.mark.parametrize(("text", "columns"), WIDTHS)
def test_width(text: str, columns: int) -> None:
    assert width(text) == columns


#: (what is in a cell, what is shown)
CELLS: list[tuple[object, str]] = [
    (None, ""),
    (0, "0"),
    (False, "False"),
    (" two\n\nlines\t ", "two lines"),
    # cursor movement, title, 8-bit control, bell, delete
    ("\x1b[2Ja\x1b]0;title\x07b\x9b1mc\x7f", "[2Ja ]0;title b 1mc"),
    # text direction, zero width, line separator, private use, surrogate, not assigned
    ("a\u202eb\u200bc\u2028d\ue000e\udcfff\u0378g", "a b c d e f g"),
    # an emoji of several, with a selector
    ("👩\u200d💻 ❤\ufe0f", "👩 💻 ❤"),
    # a mark does not combine with what is before the cell, and marks are not piled up
    ("\u0301a\u0301 \u0301b", "a\u0301 b"),
    ("e" + "\u0301" * 500 + "x", "e" + "\u0301" * MARKS + "x"),
]


@pytest.mark.parametrize(("value", "shown"), CELLS)
def test_cell(value: object, shown: str) -> None:
    assert cell(value) == shown


@pytest.mark.parametrize(
    ("text", "columns", "shown"),
    [
        ("abcdef", 6, "abcdef"),
        ("abcdef", 5, "abcd…"),
        ("ab cdef", 4, "ab…"),
        ("漢字漢字", 8, "漢字漢字"),
        ("漢字漢字", 7, "漢字漢…"),
        ("漢字漢字", 6, "漢字…"),
        ("e\u0301e\u0301e\u0301", 2, "e\u0301…"),
        ("abc", 1, "…"),
        ("abc", 0, ""),
    ],
)
def test_fitting(text: str, columns: int, shown: str) -> None:
    assert fitting(text, columns) == shown
    assert width(shown) <= columns


def test_a_long_text_takes_no_longer_than_a_short_one() -> None:
    """Cut letter by letter from its end, it would take hours."""
    assert fitting("x" * 10**6, 20) == "x" * 19 + "…"


def test_no_line_is_wider_than_the_screen_and_none_has_a_control_character() -> None:
    """On random screens, with random names and texts, down to the widths that names keep."""
    letters = "ab 漢😀é\u0301\u0300\x1b\n\t\u202e\u200d\ufe0f\u1112\u1161"
    chooser = random.Random(1)

    def text(longest: int) -> str:
        return "".join(chooser.choice(letters) for _place in range(chooser.randrange(longest)))

    for _round in range(300):
        screen = chooser.randrange(20, 160)
        rows = [{column.key: text(60) for column in ALL} for _row in range(3)]
        lines = table(ALL, rows, screen)
        assert len(lines) == 4
        for line in lines:
            assert width(line) <= screen, (screen, rows)
            assert not any(unicodedata.category(letter) in ("Cc", "Cf", "Zl", "Zp") for letter in line)


@pytest.mark.parametrize(
    ("environment", "columns"),
    [
        ({}, 120),
        ({"COLUMNS": "200"}, 200),
        ({"COLUMNS": "20"}, 40),
        ({"CI": "true"}, 120),
        ({"CI": "true", "COLUMNS": "100"}, 100),
        ({"AWX_ISOLATED_DATA_DIR": "/runner"}, 120),
    ],
)
def test_screen_width_without_a_terminal(environment: Mapping[str, str], columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CI", "AWX_ISOLATED_DATA_DIR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("sys.__stdout__", None)
    assert screen_width(environment) == columns
