# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What codex's screen says: whether it takes input, what it waits for. Recorded from 0.142.5 and 0.169.0."""

from __future__ import annotations

import re

#: the composer, and every menu, marks its line with this; the login menu alone has a plain ">"
_CURSOR = re.compile(r"^(?:› ?|> (?=\d+\. ))(.*)$")
_MENU_ENTRY = re.compile(r"\d+\. ")
_LOADING = re.compile(r"^(?:\s+|│ model:\s+)loading\b", re.MULTILINE)
_WORKING = re.compile(r"^[•◦] .*\(\d+[^()]*esc to interrupt\)", re.MULTILINE)
_QUEUED = re.compile(r"^\s*↳ ", re.MULTILINE)


def _cursor_line(screen: str) -> str | None:
    found = None
    for line in screen.splitlines():
        match = _CURSOR.match(line)
        if match:
            found = match.group(1)
    return found


def is_ready(screen: str) -> bool:
    """Return whether codex shows its composer: the last marked line, and no entry of a menu."""
    line = _cursor_line(screen)
    return line is not None and not _MENU_ENTRY.match(line) and not _LOADING.search(screen)


def is_menu(screen: str) -> bool:
    """Return whether codex waits for a choice: a trust or approval prompt, a login or an announcement."""
    line = _cursor_line(screen)
    return line is not None and bool(_MENU_ENTRY.match(line))


def is_working(screen: str) -> bool:
    """Return whether codex says that it works; 0.169 does not while it writes its answer."""
    return bool(_WORKING.search(screen))


def queued_lines(screen: str) -> list[str]:
    """Return the first line of each message that waits for the running turn."""
    return [line.strip()[1:].strip() for line in screen.splitlines() if _QUEUED.match(line)]


def summary(screen: str, lines: int = 12) -> str:
    """Return the last lines that show something, for an error message."""
    shown = [line.rstrip() for line in screen.splitlines() if line.strip()]
    return "\n".join(shown[-lines:])
