# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lines at the end of a terminal: what is on the screen after each step."""

from __future__ import annotations

import io
import os
import re
import time
from typing import Any

import pytest

from ansible_collections.optio.codex.plugins.plugin_utils._live_lines import LiveLines

_CONTROL = re.compile(r"\x1b\[(\d+)A\x1b\[J")


class Terminal(io.StringIO):
    """A terminal that knows how to move up and to clear what is below."""

    def screen(self) -> list[str]:
        lines = [""]
        rest = self.getvalue()
        while rest:
            text, control, rest = _split(rest)
            *whole, last = (lines[-1] + text).split("\n")
            lines[-1:] = [*whole, last]
            if control:
                assert last == "", "the cursor is not at the beginning of a line"
                del lines[-1 - int(control) :]
                lines.append("")
        assert lines[-1] == "" and not any("\x1b" in line for line in lines)
        return lines[:-1]


def _split(text: str) -> tuple[str, str, str]:
    found = _CONTROL.search(text)
    return (text[: found.start()], found.group(1), text[found.end() :]) if found else (text, "", "")


class Display:
    """Ansible's, as far as it matters here."""

    def __init__(self, terminal: Terminal) -> None:
        self.terminal = terminal

    def display(self, msg: str, **_options: Any) -> None:
        self.terminal.write(f"{msg}\n")


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("LINES", "8")
    monkeypatch.setattr(time, "strftime", lambda _format: "10:00:00")
    return Terminal()


def test_lines_are_below_the_output_and_vanish(terminal: Terminal) -> None:
    display = Display(terminal)
    live = LiveLines(display, terminal)
    live.begin("w1", "Launch")
    live.begin("worker-2", "Launch")
    assert terminal.screen() == ["w1        10:00:00  Launch", "worker-2  10:00:00  Launch"]
    display.display("a warning")
    display.display("two\nlines")
    assert terminal.screen() == ["a warning", "two", "lines", "w1        10:00:00  Launch", "worker-2  10:00:00  Launch"]
    live.end("w1")
    assert terminal.screen() == ["a warning", "two", "lines", "worker-2  10:00:00  Launch"]
    live.end("worker-2")
    live.end("never there")
    display.display("the end")
    assert terminal.screen() == ["a warning", "two", "lines", "the end"]


def test_progress_of_a_worker_replaces_its_text(terminal: Terminal) -> None:
    display = Display(terminal)
    live = LiveLines(display, terminal)
    live.begin("w1", "Install")
    display.display("[w1] codex: 20 of 60 MB", stderr=True, screen_only=True)
    display.display("[w2] codex: 20 of 60 MB", stderr=True, screen_only=True)
    display.display("[w1] is logged too")
    assert terminal.screen() == ["[w2] codex: 20 of 60 MB", "[w1] is logged too", "w1      10:00:00  codex: 20 of 60 MB"]
    live.clear()
    assert terminal.screen() == ["[w2] codex: 20 of 60 MB", "[w1] is logged too"]


def test_more_workers_than_lines_and_names_without_control_characters(terminal: Terminal) -> None:
    live = LiveLines(Display(terminal), terminal)
    for number in range(1, 10):
        live.begin(f"w{number}", f"\x1b[2J{'long ' * 20}")
    lines = terminal.screen()
    assert len(lines) == 5 and lines[-1] == "and 5 more" and all(len(line) <= 39 for line in lines)


def test_a_forked_process_draws_nothing(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    display = Display(terminal)
    live = LiveLines(display, terminal)
    live.begin("w1", "Launch")
    before = terminal.getvalue()
    monkeypatch.setattr(os, "getpid", lambda: -1)
    display.display("by a worker's process")
    assert terminal.getvalue() == f"{before}by a worker's process\n"
