# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every recorded screen, and what it must be taken for."""

from __future__ import annotations

import pytest

from ansible_collections.optio.codex.plugins.module_utils._codex import screen
from ansible_collections.optio.codex.tests.unit.support.session_builders import FIXTURES

SCREENS = FIXTURES / "screens"
READY, MENU, LOADING = "ready", "menu", "loading"
#: what each recorded state shows: whether codex takes input, waits for a choice or is still starting; and if it works
EXPECTED = {
    "approval": (MENU, False),
    "dead-key": (READY, False),
    "declared": (READY, False),
    "failed-turn": (READY, False),
    "fresh-turn": (READY, False),
    "idle": (READY, False),
    "in-progress": (READY, True),
    "interrupted": (READY, False),
    "limit": (READY, False),
    "limit-after-tool": (READY, False),
    "limit-question": (MENU, False),
    "loading": (LOADING, False),
    "login": (MENU, False),
    "model-nag": (MENU, False),
    "near-limit": (READY, False),
    "queued": (READY, True),
    "restricted": (MENU, False),
    # without animations
    "still": (READY, True),
    # no release says that it works while it writes its answer
    "streaming": (READY, False),
    "tool-call": (READY, False),
    "trust": (MENU, False),
    "working": (READY, True),
}
#: other sizes than the usual one, in directories of their own
SIZES = ("80x24", "161x47", "226x67")
RELEASES = [f"{size}{release}" for size in ("", *(f"{size}/" for size in SIZES)) for release in ("0.142.5", "0.169.0")]


def names(suffix: str) -> list[str]:
    """Return the recordings of a kind: ``[<size>/]<release>-<state>``."""
    return sorted(str(path.relative_to(SCREENS)).removesuffix(suffix) for path in SCREENS.rglob(f"*{suffix}"))


RECORDED = names(".txt")


def text_of(name: str) -> str:
    return (SCREENS / f"{name}.txt").read_text()


def test_both_releases_are_recorded() -> None:
    # scripts/qualify.py adds others, in one size
    assert {name.partition("-")[0] for name in RECORDED} >= set(RELEASES)
    assert {name.partition("-")[2] for name in RECORDED} == set(EXPECTED)


@pytest.mark.parametrize("name", RECORDED)
def test_recorded_screens(name: str) -> None:
    kind, working = EXPECTED[name.partition("-")[2]]
    shown = text_of(name)
    assert screen.is_ready(shown) == screen.has_composer(shown) == (kind == READY)
    assert screen.is_menu(shown) == (kind == MENU)
    assert screen.is_working(shown) == working
    assert screen.is_restricted_question(shown) == name.endswith("-restricted")
    assert screen.is_limit_question(shown) == name.endswith("-limit-question")
    assert screen.shows_reached_limit(shown) == (name.partition("-")[2] in ("limit", "limit-after-tool", "limit-question"))
    assert screen.keep_model_key(shown) == ("2" if name.endswith("-model-nag") else None)


def test_only_the_answer_that_goes_on_without_trust_is_given() -> None:
    shown = text_of("0.169.0-restricted")
    for other in ("1. Trust and continue", "2. Back to Agent Command Center"):
        assert not screen.is_restricted_question(shown.replace("1. Open restricted", other))
    assert not screen.is_restricted_question(shown.replace("Folder access", "Trust this folder?"))


#: by screen, the question in it
QUESTIONS = {
    "0.142.5-approval": "Would you like to run the following command? $ id -un",
    "0.142.5-limit-question": "Switch to gpt-5.4-mini for lower credit usage?",
    "0.142.5-login": "or connect an API key for usage-based billing",
    "0.142.5-trust": "Do you trust the contents of this directory?",
    "0.169.0-approval": "Would you like to run the following command? $ id -un",
    "0.169.0-limit-question": "Switch to gpt-6-luna for lower credit usage?",
    "0.169.0-login": "Choose how you want to use Codex.",
    "0.169.0-trust": "Trust this folder?",
    "0.169.0-restricted": "will not change saved trust.",
}


@pytest.mark.parametrize("name", RECORDED)
def test_the_question_of_a_menu(name: str) -> None:
    asked = screen.menu_question(text_of(name))
    assert (asked is not None) is screen.is_menu(text_of(name))
    assert asked == QUESTIONS.get(name, asked)


#: recorded titles of both releases with the items of TITLE_ITEMS, with and without animations, and others
TITLES = {
    "Ready": "ready",
    "Working": "working",
    "Thinking": "working",
    "\u280b Working": "working",
    "[ ! ] Action Required": "waiting",
    "[ . ] Action Required": "waiting",
    "workdir": None,
    "Stand-in | workdir": None,
    "": None,
}


@pytest.mark.parametrize("title", TITLES)
def test_the_state_in_a_title(title: str) -> None:
    assert screen.title_kind(title) == TITLES[title]


ENDS = {
    "Error: thread/start failed: model not found (code -32603)\n": "Error: thread/start failed: model not found (code -32603)",
    "error: unexpected argument '--no-daemon' found\n\nUsage: codex [OPTIONS]\n": "error: unexpected argument '--no-daemon' found",
    "thread 'main' (71) panicked at core/src/a.rs:1:2:\n": "thread 'main' (71) panicked at core/src/a.rs:1:2:",
    "Error: first\nError: second\n\n\n": "Error: second",
    "› Ask Codex to do anything\n\n  stand-in default · /srv\n": None,
    "• Error: said by the agent\n": None,
}


@pytest.mark.parametrize("shown", ENDS)
def test_the_error_that_ended_codex(shown: str) -> None:
    assert screen.exit_error(shown) == ENDS[shown]


@pytest.mark.parametrize("name", RECORDED)
def test_queued_messages(name: str) -> None:
    assert screen.queued_lines(text_of(name)) == (["SAY: steered"] if name.endswith("-queued") else [])


#: how the errors of recorded turns begin and end
ERRORS = {
    "limit": ("You", " try again at May 18th, 2033 3:33 AM."),
    "dead-key": ("unexpected status 401 Unauthorized: ", "/v1/responses"),
    "failed-turn": ("We", " may cause temporary errors."),
}


@pytest.mark.parametrize("name", [name for name in RECORDED if name.partition("-")[2] in ERRORS])
def test_an_error_is_whole_in_any_width(name: str) -> None:
    error = screen.error_line(text_of(name)) or ""
    start, end = ERRORS[name.partition("-")[2]]
    assert error.startswith(start) and error.endswith(end)


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
    # below a menu it never stands, so that above it a number was typed
    assert screen.is_ready(shown + FOOTER) == (composer or menu)
    assert not screen.is_ready(FOOTER + shown)


def test_a_line_below_the_composer_may_be_broken() -> None:
    shown = "› 1. typed\n\n  a-model-of-a-very-long-name default ·\n  /home/agent/work\n"
    assert screen.is_ready(shown) and not screen.is_menu(shown)
    assert screen.composer(shown) == "1. typed"


def test_a_summary_is_the_last_lines_with_words() -> None:
    assert screen.summary("first\n\nsecond  \n   \n  ⣿⣿⡿ ╭──╮ 12\nthird\n\n", 2) == "second\nthird"
    assert screen.summary(" \n\n") == ""


# with colors


#: what a recorded composer holds, by the scenario and, where they differ, by the release
TYPED = {
    "empty": "",
    "text": "half typed\n\n  1. and more",
    "number": "1. a number",
    "shell": "!ls",
    "pasted": "[Pasted Content 1500 chars]",
    "list": "look at @nowhere",
    "queue": "",
}
STYLED = names(".ansi")


def styled_of(name: str) -> str:
    return (SCREENS / f"{name}.ansi").read_text()


def test_both_releases_are_recorded_with_colors() -> None:
    releases = {name.partition("-")[0] for name in STYLED}
    assert releases >= set(RELEASES)
    assert sorted(f"{release}-composer-{what}" for release in releases for what in TYPED) == STYLED


@pytest.mark.parametrize("name", STYLED)
def test_recorded_composers(name: str) -> None:
    what = name.rpartition("-")[2]
    shown = styled_of(name)
    assert screen.composer(shown) == TYPED[what]
    assert screen.has_composer(screen.plain(shown)) and not screen.is_menu(screen.plain(shown))
    assert "\x1b" not in screen.plain(shown)
    assert screen.queue_is_cut(screen.plain(shown)) == (what == "queue")


@pytest.mark.parametrize("name", [name for name in STYLED if name.endswith("-queue")])
def test_a_queue_longer_than_the_screen(name: str) -> None:
    waiting = screen.queued_lines(screen.plain(styled_of(name)))
    assert waiting == [f"message {number}" for number in range(len(waiting))] and 3 < len(waiting) <= 14


@pytest.mark.parametrize(
    ("shown", "held"),
    [
        ("", None),
        ("$ ", None),
        ("\x1b[1m› \x1b[0m1. Yes\n  2. No\n", None),
        ("\x1b[1m› \x1b[0mhello", "hello"),
        # tmux 3.5 writes what 3.3 does in fewer or in more codes
        ("\x1b[1m›\x1b[0m \x1b[2mAsk Codex\x1b[0m\n", ""),
        ("\x1b[1m›\x1b[0;2m Ask Codex\n", ""),
        ("› \x1b[38;5;2mgreen\x1b[39m", "green"),
        ("› \x1b[38;2;2;2;2mgreen\x1b[39m", "green"),
        ("› \x1b[2;38;5;22mAsk Codex", ""),
        ("› \x1b[2m\x1b[22mtyped", "typed"),
        ("\x1b[2mfaint before\x1b[0m\n›\n  \x1b[36msecond line\x1b[39m\n\n  m \x1b[2m·\x1b[0m /w\n", "second line"),
        ("› \x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\\x1b(B", "link"),
        ("›", ""),
        ("!", "!"),
        ("› hello\n! ls", "!ls"),
        ("›\n  several\n\n  lines\n\n  m · ~/w\n  and a hint", "several\n\nlines"),
    ],
)
def test_made_up_composers(shown: str, held: str | None) -> None:
    assert screen.composer(shown) == held


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("• Working (3s • esc to interrupt)", "◦ Working (1m 04s • esc to interrupt)", True),
        ("◦ Running id", "• Running id", True),
        ("• Running id", "• Ran id", False),
        ("› 1. Yes", "› 2. No", False),
        ("it took (3s)", "it took (4s)", False),
    ],
)
def test_what_moves_by_itself(one: str, other: str, same: bool) -> None:
    assert (screen.steady(one) == screen.steady(other)) == same


@pytest.mark.parametrize(
    ("shown", "waiting"),
    [
        ("  ↳ said\n› ", []),
        ("• Queued follow-up inputs\n  ↳ one\n    ↳ of it\n  ↳ two\n    alt + ↑ edit\n\n› \n  ↳ typed", ["one", "two"]),
        ("• Messages to be submitted after\n  ↳ a\n\n• Queued follow-up inputs\n  ↳ b\n› ", ["a", "b"]),
    ],
)
def test_made_up_queues(shown: str, waiting: list[str]) -> None:
    assert screen.queued_lines(shown) == waiting
