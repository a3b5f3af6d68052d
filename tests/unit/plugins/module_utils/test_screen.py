# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every recorded screen, and what it must be taken for."""

from __future__ import annotations

import pytest
from unit.session_kit import FIXTURES

from ansible_collections.optio.codex.plugins.module_utils import screen

SCREENS = FIXTURES / "screens"
READY, MENU, LOADING = "ready", "menu", "loading"
#: what each recorded state shows: whether codex takes input, waits for a choice or is still starting; and if it works
EXPECTED = {
    "approval": (MENU, False),
    "dead-key": (READY, False),
    "failed-turn": (READY, False),
    "fresh-turn": (READY, False),
    "idle": (READY, False),
    "in-progress": (READY, True),
    "interrupted": (READY, False),
    "loading": (LOADING, False),
    "login": (MENU, False),
    "model-nag": (MENU, False),
    "queued": (READY, True),
    # no release says that it works while it writes its answer
    "streaming": (READY, False),
    "tool-call": (READY, False),
    "trust": (MENU, False),
    "working": (READY, True),
}
RECORDED = sorted(path.name.removesuffix(".txt") for path in SCREENS.glob("*.txt"))


def text_of(name: str) -> str:
    return (SCREENS / f"{name}.txt").read_text()


def test_both_releases_are_recorded() -> None:
    assert {name.partition("-")[0] for name in RECORDED} == {"0.142.5", "0.169.0"}
    assert {name.partition("-")[2] for name in RECORDED} == set(EXPECTED)


@pytest.mark.parametrize("name", RECORDED)
def test_recorded_screens(name: str) -> None:
    kind, working = EXPECTED[name.partition("-")[2]]
    shown = text_of(name)
    assert screen.is_ready(shown) == screen.has_composer(shown) == (kind == READY)
    assert screen.is_menu(shown) == (kind == MENU)
    assert screen.is_working(shown) == working


@pytest.mark.parametrize("name", RECORDED)
def test_queued_messages(name: str) -> None:
    assert screen.queued_lines(text_of(name)) == (["SAY: steered"] if name.endswith("-queued") else [])


FOOTER = "\n\n  stand-in default · /home/agent/work\n"


@pytest.mark.parametrize(
    ("shown", "composer", "menu"),
    [
        ("", False, False),
        ("$ \n", False, False),
        ("› ", True, False),
        ("›", True, False),
        # what the user said is marked like the composer, and the composer comes last
        ("› 1. first do this\n\n• Done\n\n› Explain this codebase", True, False),
        ("› hello\n\n› 12. Twelfth choice", False, True),
        # an answer that quotes with ">" is no menu, and is indented anyway
        ("› hello\n> a quotation", True, False),
        ("  > 1. listed\n› ", True, False),
        ("     loading\n› Ask Codex", False, False),
        ("│ model:     loading   /model to change │\n› Ask", False, False),
        ("› loading a file", True, False),
    ],
)
def test_made_up_screens(shown: str, composer: bool, menu: bool) -> None:
    assert (screen.has_composer(shown), screen.is_menu(shown)) == (composer, menu)
    # codex takes input once the line below the composer names model and directory
    assert not screen.is_ready(shown)
    assert screen.is_ready(shown + FOOTER) == composer
    assert not screen.is_ready(FOOTER + shown)


def test_a_summary_is_the_last_lines_that_say_something() -> None:
    assert screen.summary("first\n\nsecond  \n   \n  ⣿⣿⡿ ╭──╮ 12\nthird\n\n", 2) == "second\nthird"
    assert screen.summary(" \n\n") == ""
