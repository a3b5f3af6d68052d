# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tables of plain text that fit the screen, from cells that may contain anything."""

from __future__ import annotations

import os
import shutil
import textwrap
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

#: columns between two cells
GAP = 2
#: columns of a log, and the fewest of a terminal that a table adapts to
LOG_WIDTH, NARROWEST = 120, 40
#: environments in which a terminal is a log
LOGS = ("CI", "AWX_ISOLATED_DATA_DIR")
#: consecutive characters without a width that are kept
MARKS = 2
#: Hangul vowels and final consonants, which are part of the syllable before
_JAMO = (("\u1160", "\u11ff"), ("\ud7b0", "\ud7fb"))
#: they only select a font
_VARIATIONS = (("\u180b", "\u180f"), ("\ufe00", "\ufe0f"), ("\U000e0100", "\U000e01ef"))


def screen_width(environment: Mapping[str, str]) -> int:
    """Return the columns of the terminal, or of a log if there is none; the variable COLUMNS takes precedence."""
    if any(environment.get(name) for name in LOGS) and not environment.get("COLUMNS"):
        return LOG_WIDTH
    return max(NARROWEST, shutil.get_terminal_size((LOG_WIDTH, 0)).columns)


#: measured by the process that Ansible forks its workers from, because these have no terminal
SCREEN_WIDTH = screen_width(os.environ)


@dataclass(frozen=True)
class Column:
    """A column, and how it shrinks if a row is wider than the screen."""

    key: str
    #: the default is the key in capital letters
    title: str = ""
    #: 0 is never omitted; of the others, the highest number is omitted first
    priority: int = 0
    #: the width to which it can be shortened, 0 if it cannot
    minimum: int = 0
    #: shortened before another column is omitted
    flexible: bool = False
    #: aligned to the right, for numbers
    right: bool = False

    @property
    def head(self) -> str:
        """The first cell."""
        return self.title or self.key.upper()


def columns_of(letter: str) -> int:
    """Return how many columns a printable character takes on a screen."""
    if letter < "\u0300":
        return 1
    if unicodedata.category(letter) in ("Mn", "Me") or _is_in(letter, _JAMO):
        return 0
    return 2 if unicodedata.east_asian_width(letter) in "WF" else 1


def _is_in(letter: str, ranges: Sequence[tuple[str, str]]) -> bool:
    return any(first <= letter <= last for first, last in ranges)


def width(text: str) -> int:
    """Return how many columns a printable text takes on a screen."""
    return len(text) if text.isascii() else sum(map(columns_of, text))


def printable(text: str) -> str:
    """Return a text with a space for everything that a terminal would act on, and with few marks for each character."""
    if text.isascii():
        return text if text.isprintable() else "".join(letter if letter.isprintable() else " " for letter in text)
    letters: list[str] = []
    # no mark may combine with the character before the text
    marks = MARKS
    for letter in text:
        if _is_in(letter, _VARIATIONS):
            continue
        kept = letter if letter.isprintable() else " "
        marks = marks + 1 if columns_of(kept) == 0 else MARKS if kept == " " else 0
        if columns_of(kept) or marks <= MARKS:
            letters.append(kept)
    return "".join(letters)


def cell(value: object) -> str:
    """Return a value as one line of printable text, empty for None."""
    return "" if value is None else " ".join(printable(str(value)).split())


def fitting(text: str, columns: int) -> str:
    """Return a text cut to a number of columns, with an ellipsis."""
    if width(text) <= columns:
        return text
    kept, used = "", 0
    for letter in text:
        used += columns_of(letter)
        if used >= columns:
            break
        kept += letter
    return f"{kept.rstrip()}…" if columns > 0 else ""


def table(columns: Sequence[Column], rows: Sequence[Mapping[str, Any]], screen: int = SCREEN_WIDTH) -> list[str]:
    """Return a header and the rows, as lines that are not wider than ``screen`` columns.

    A row is a mapping of the columns' keys. Empty columns are omitted, except those of priority 0.
    """
    texts = [{column.key: cell(row.get(column.key)) for column in columns} for row in rows]
    # a text may be much longer than a line
    longest = max(screen, NARROWEST)
    natural = {
        column.key: min(longest, max([width(column.head), *(width(row[column.key]) for row in texts)]))
        for column in columns
        if not column.priority or any(row[column.key] for row in texts)
    }
    shown = _shown([column for column in columns if column.key in natural], natural, screen)
    widths = _widths(shown, natural, screen)
    lines = [{column.key: column.head for column in shown}, *texts]
    return [(" " * GAP).join(_padded(line[column.key], column, widths[column.key]) for column in shown).rstrip() for line in lines]


def summary(counted: Mapping[str, int], order: Iterable[str], total: int, screen: int) -> list[str]:
    """Return the lines that count ``total`` sessions, and how many are in each state, in the order of the states."""
    parts = [f"{counted[state]} {state}" for state in order if counted.get(state)]
    return textwrap.wrap(f"{total} session{'' if total == 1 else 's'}{': ' if parts else ''}{', '.join(parts)}.", screen)


def colored(lines: Sequence[str], colors: Sequence[str]) -> list[dict[str, str]]:
    """Return lines with their colors, as the option ``lines`` of the module report; ``colors`` are those of the last lines."""
    shades = [*[""] * (len(lines) - len(colors)), *colors]
    return [{"text": text, "color": color} for text, color in zip(lines, shades, strict=True)]


def _padded(text: str, column: Column, columns: int) -> str:
    kept = fitting(text, columns)
    filler = " " * (columns - width(kept))
    return filler + kept if column.right else kept + filler


def _total(widths: Mapping[str, int]) -> int:
    return sum(widths.values()) + GAP * (len(widths) - 1)


def _smallest(column: Column, natural: int) -> int:
    return min(natural, column.minimum or natural)


def _shown(columns: Sequence[Column], natural: Mapping[str, int], screen: int) -> list[Column]:
    """Return the columns that a row has room for."""
    shown = list(columns)
    while True:
        needed = {column.key: _smallest(column, natural[column.key]) if column.flexible else natural[column.key] for column in shown}
        least = max(shown, key=lambda column: column.priority)
        if _total(needed) <= screen or not least.priority:
            return shown
        shown.remove(least)


def _widths(shown: Sequence[Column], natural: Mapping[str, int], screen: int) -> dict[str, int]:
    """Return the width of each column; flexible ones are shortened first, then the widest."""
    widths = {column.key: natural[column.key] for column in shown}
    for candidates in ([column for column in shown if column.flexible], shown):
        while _total(widths) > screen:
            shrinkable = [column for column in candidates if widths[column.key] > _smallest(column, natural[column.key])]
            if not shrinkable:
                break
            widest = max(shrinkable, key=lambda column: widths[column.key])
            widths[widest.key] -= 1
    return widths
