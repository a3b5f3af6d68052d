# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What codex's screen says: whether it takes input, what it waits for. Recorded from 0.142.5 and 0.169.0."""

from __future__ import annotations

import re

#: the composer, and every menu, marks its line with this; the login menu alone has a plain ">"
_CURSOR = re.compile(r"^(?:› ?|> (?=\d+\. ))(.*)$")
#: below the composer, once codex knows its model: ``  <model> <effort> · <directory>``
_FOOTER = re.compile(r"^  \S.* · ")
_MENU_ENTRY = re.compile(r"\d+\. ")
_LOADING = re.compile(r"^(?:\s+|│ model:\s+)loading\b", re.MULTILINE)
_WORKING = re.compile(r"^[•◦] .*\(\d+[^()]*esc to interrupt\)", re.MULTILINE)
_WORD = re.compile(r"[^\W\d_]{2}")
_ERROR = re.compile(r"^■ (.+)$", re.MULTILINE)
_QUEUED = re.compile(r"^\s*↳ ", re.MULTILINE)


def _cursor_lines(screen: str) -> list[str]:
    """Return the last marked line, without its mark, and the lines below it; nothing when none is marked."""
    found: list[str] = []
    for line in screen.splitlines():
        match = _CURSOR.match(line)
        if match:
            found = [match.group(1)]
        elif found:
            found.append(line)
    return found


def has_composer(screen: str) -> bool:
    """Return whether codex shows its composer: the last marked line, and no entry of a menu.

    It is drawn for a moment before a login or another menu takes its place.
    """
    lines = _cursor_lines(screen)
    return bool(lines) and not _MENU_ENTRY.match(lines[0]) and not _LOADING.search(screen)


def is_ready(screen: str) -> bool:
    """Return whether codex takes input: its composer with the line below it that names model and directory."""
    return has_composer(screen) and any(_FOOTER.match(line) for line in _cursor_lines(screen)[1:])


def is_menu(screen: str) -> bool:
    """Return whether codex waits for a choice: a trust or approval prompt, a login or an announcement."""
    lines = _cursor_lines(screen)
    return bool(lines) and bool(_MENU_ENTRY.match(lines[0]))


def is_working(screen: str) -> bool:
    """Return whether codex says that it works; 0.169 does not while it writes its answer."""
    return bool(_WORKING.search(screen))


def error_line(screen: str) -> str | None:
    """Return the first line of the last error that codex shows; 0.142.5 keeps it nowhere else."""
    found = _ERROR.findall(screen)
    return str(found[-1]).strip() if found else None


def queued_lines(screen: str) -> list[str]:
    """Return the first line of each message that waits for the running turn."""
    return [line.strip()[1:].strip() for line in screen.splitlines() if _QUEUED.match(line)]


def summary(screen: str, lines: int = 12) -> str:
    """Return the last lines that hold words, for an error message; codex draws its logo in characters too."""
    shown = [line.rstrip() for line in screen.splitlines() if _WORD.search(line)]
    return "\n".join(shown[-lines:])
