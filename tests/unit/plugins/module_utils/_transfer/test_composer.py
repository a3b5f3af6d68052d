# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Messages, commands and keys, and the proof that they arrived, against a tmux and a codex that are made up."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.optio.codex.plugins.module_utils._core.errors import OptioError
from ansible_collections.optio.codex.plugins.module_utils._core.host import Completed
from ansible_collections.optio.codex.plugins.module_utils._session.layout import SessionPaths
from ansible_collections.optio.codex.plugins.module_utils._transfer import composer as conversation
from ansible_collections.optio.codex.plugins.module_utils._transfer.composer import MARK, Composer, Message, message_of
from ansible_collections.optio.codex.tests.unit.support.session_builders import FIXTURES, Call, FakeHost

OLD, NEW, HELPER = (f"01a202d2-04b{digit}-7371-ae76-9a22157469e5" for digit in "cde")
FOOTER = "\n\n  stand-in default · /home/agent/work\n"


def screen_of(name: str) -> str:
    return (FIXTURES / "screens" / f"{name}.txt").read_text()


class Codex:
    """What stands behind the pane: a composer, what is above it, and what a key that submits makes it do after a while."""

    def __init__(self, base: Path) -> None:
        self.layout = SessionPaths("review", str(base), str(base / "w"), "/run/s")
        self.sessions = base / "home/.codex/sessions/2026/11/22"
        self.sessions.mkdir(parents=True)
        self.above = ""
        #: a whole screen in the place of the composer's
        self.screen: str | None = None
        self.composer = ""
        self.pasted = ""
        self.taken = ""
        self.delay = 0.0
        self.clears = True
        self.ended = False
        self.on_submit: Callable[[], None] = lambda: self.take(NEW)
        self.keys: list[str] = []
        self.host = FakeHost(self.answer)
        self.submitted: float | None = None

    def take(self, uuid: str, role: str = "user") -> None:
        """Take what is in the composer for a message, and record it."""
        self.empty()
        self.say(uuid, self.taken, role)

    def empty(self) -> None:
        self.taken, self.composer = self.composer.strip(), ""

    def answer(self, call: Call) -> Completed | None:
        if self.ended:
            return Completed(1, "", "no server running")
        if self.submitted is not None and self.host.now >= self.submitted + self.delay:
            self.submitted = None
            self.on_submit()
        if "load-buffer" in call.argv:
            self.pasted = call.stdin or ""
        if "paste-buffer" in call.argv:
            self.composer += self.pasted
        if "send-keys" in call.argv:
            self.press(call.argv[call.argv.index("send-keys") + 3 :])
        if "capture-pane" in call.argv:
            return Completed(0, self.drawn("-e" in call.argv), "")
        return None

    def press(self, keys: tuple[str, ...]) -> None:
        if "C-u" in keys:
            self.composer = "" if self.clears else self.composer
        else:
            self.keys.extend(keys)
            self.submitted = self.host.now

    def drawn(self, styled: bool) -> str:
        if self.screen is not None:
            return self.screen
        held = self.composer.replace("\n", "\n  ") or ("\x1b[2mAsk Codex\x1b[0m" if styled else "Ask Codex")
        return f"{self.above}\n\n› {held}{FOOTER}"

    def say(self, uuid: str, text: str, role: str = "user") -> None:
        """Write a message into a rollout."""
        payload = {"type": "message", "role": role, "content": [{"type": "input_text", "text": text}]}
        with (self.sessions / f"rollout-2026-11-22T10-00-00-{uuid}.jsonl").open("a") as stream:
            stream.write(json.dumps({"type": "response_item", "payload": payload}) + "\n")

    @property
    def conversation(self) -> Composer:
        return Composer(self.host, self.layout)

    def deliver(self, text: str, timeout: float = 20.0, *, queue: bool = False) -> dict[str, Any]:
        return self.conversation.deliver(message_of(text, queue=queue, version="0.169.0"), timeout)


RECORDED = {"delivery": "recorded", "prefix": None, "composer": None}
QUEUED = {**RECORDED, "delivery": "queued"}


@pytest.fixture
def codex(tmp_path: Path) -> Codex:
    return Codex(tmp_path)


# what is typed


@pytest.mark.parametrize(
    ("text", "queue", "version", "prefix"),
    [
        ("hello", False, "0.142.5", ""),
        ("hello", True, None, ""),
        ("!ls", False, "0.142.5", MARK),
        ("!ls", False, None, MARK),
        ("  \n!ls", False, "0.168.9", MARK),
        ("!ls", False, "0.169.0", ""),
        ("!ls", True, "0.170.0-alpha.1", ""),
        ("!ls", True, "1.0.0", ""),
        ("!" * 2000, False, "0.169.0", ""),
        ("/quit", False, "0.142.5", ""),
        ("/quit", True, "0.142.5", MARK),
        ("/quit", True, "0.169.0", MARK),
        ("/" * 998, False, "0.169.0", ""),
        ("/" * 999, False, "0.169.0", MARK),
        ("x" * 2000, True, "0.169.0", ""),
    ],
)
def test_what_keeps_a_text_from_being_a_command(text: str, queue: bool, version: str | None, prefix: str) -> None:
    message = message_of(text, queue=queue, version=version)
    assert message == Message(prefix + text.strip(), "Tab" if queue else "Enter", prefix)


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("hello", ("\nhell", "o\n")),
        ("y", ("\n", "y\n")),
        ("/tmp/a.png", ("\n/tmp/a.pn", "g\n")),
        ("x" * 998, ("\n" + "x" * 997, "x\n")),
        ("x" * 999, ("\n", "x" * 999)),
        ("two\nlines", ("\ntwo\nline", "s\n")),
    ],
)
def test_pieces_of_a_message(text: str, pieces: tuple[str, ...]) -> None:
    assert Message(text).pastes() == pieces


@pytest.mark.parametrize(
    ("text", "recorded"),
    [
        ("hello", "hello"),
        ("two\r\nlines\rand\n\n", "two\nlines\nand"),
        ("\n\n  indented  \n  more  \n", "indented  \n  more"),
        ("quotes ' \" $HOME é😀 \t שלום", "quotes ' \" $HOME é😀 \t שלום"),
        ("x" * 200_000, "x" * 200_000),
    ],
)
def test_the_first_message_makes_the_rollout(codex: Codex, text: str, recorded: str) -> None:
    codex.delay = 1.0
    assert codex.deliver(text) == RECORDED
    assert codex.taken == recorded
    assert 1.0 <= codex.host.now < 1.2


# the proof


def test_a_later_message_is_looked_for_after_the_earlier_ones(codex: Codex) -> None:
    codex.say(OLD, "again")
    codex.delay = 0.5
    codex.on_submit = lambda: codex.take(OLD)
    assert codex.deliver("again") == RECORDED
    assert codex.host.now >= 0.5, "the earlier message of the same text proves nothing"


def test_a_helper_of_codex_has_a_newer_rollout(codex: Codex) -> None:
    codex.say(OLD, "before")
    codex.say(HELPER, "do a part of it")
    codex.on_submit = lambda: codex.take(OLD)
    assert codex.deliver("hello") == RECORDED


@pytest.mark.parametrize("release", ["0.142.5", "0.169.0"])
def test_a_message_that_waits_for_the_turn(codex: Codex, release: str) -> None:
    codex.screen = screen_of(f"{release}-in-progress")

    def queue() -> None:
        codex.screen = screen_of(f"{release}-queued")

    codex.on_submit = queue
    assert codex.deliver("SAY: steered") == QUEUED
    assert codex.keys == ["Enter"]
    # one that was waiting before proves nothing
    codex.on_submit = lambda: None
    with pytest.raises(OptioError, match="neither recorded nor queued"):
        codex.deliver("SAY: steered", 3.0)


def test_a_message_that_waits_while_another_goes(codex: Codex) -> None:
    codex.above = "• Queued follow-up inputs\n  ↳ before"

    def queue() -> None:
        codex.empty()
        codex.above = "• Queued follow-up inputs\n  ↳ a       very long"

    codex.on_submit = queue
    assert codex.deliver("a\tvery long line\nand another", queue=True) == QUEUED
    assert codex.keys == ["Tab"]


def test_a_queue_that_has_no_room_left(codex: Codex) -> None:
    above = "\n".join(["• Queued follow-up inputs", *["  ↳ waits"] * 40])
    codex.above = above
    with pytest.raises(OptioError, match="not delivered"):
        codex.on_submit = lambda: None
        codex.deliver("hello", 1.0)
    codex.on_submit = codex.empty
    assert codex.deliver("hello") == QUEUED


@pytest.mark.parametrize(
    ("queued", "before", "first", "new"),
    [
        (["one"], [], "one", True),
        (["one"], ["one"], "one", False),
        (["one", "one"], ["one"], "one", True),
        (["other"], [], "one", False),
        # a narrow window shows the beginnings alone
        (["the same"], ["the same and A"], "the same and B", False),
        (["the same", "the same"], ["the same and A"], "the same and B", True),
        # and a wide one more than before
        (["the same and A", "the same and B"], ["the same"], "the same and B", False),
        (["other", "the same and B"], ["other"], "the same and B", True),
    ],
)
def test_what_waits_in_a_window_of_another_width(queued: list[str], before: list[str], first: str, new: bool) -> None:
    assert conversation._has_new(queued, before, first) == new


@pytest.mark.parametrize("text", ["SAY: hello", "x" * 2000])
def test_a_message_in_the_composer_does_not_wait(codex: Codex, text: str) -> None:
    """The same text has waited all along, and a window that has grown shows it."""

    def grow() -> None:
        codex.above = f"• Queued follow-up inputs\n  ↳ {text[:80]}"
        codex.composer = f"[Pasted Content {len(text)} chars]" if len(text) > 1000 else codex.composer

    codex.on_submit = grow
    with pytest.raises(OptioError, match="not delivered"):
        codex.deliver(text, 3.0)


def test_a_message_that_stays_in_the_composer_is_removed_again(codex: Codex) -> None:
    codex.on_submit = lambda: codex.say(NEW, "something else")
    with pytest.raises(OptioError, match="did not accept the message within 2 s, so it was removed from the composer") as raised:
        codex.deliver("hello", 2.0)
    assert 2.0 <= codex.host.now < 2.5
    assert codex.composer == ""
    assert "  hello" in raised.value.cause


@pytest.mark.parametrize("queue", [False, True])
@pytest.mark.parametrize("lost", [1, 2, 3])
def test_a_key_that_codex_drops_is_pressed_again(codex: Codex, lost: int, queue: bool) -> None:
    def drop() -> None:
        if len(codex.keys) > lost:
            codex.take(NEW)

    codex.on_submit = drop
    assert codex.deliver("hello", queue=queue) == RECORDED
    assert codex.keys == ["Tab" if queue else "Enter"] * (lost + 1)


def test_the_key_is_pressed_four_times_at_most(codex: Codex) -> None:
    codex.on_submit = lambda: None
    with pytest.raises(OptioError, match="did not accept the message within 60 s"):
        codex.deliver("hello", 60.0)
    assert codex.keys == ["Enter"] * 4


@pytest.mark.parametrize("screen", ["", "0.169.0-approval"])
def test_no_key_is_pressed_again_once_the_message_has_left_the_composer(codex: Codex, screen: str) -> None:
    def leave() -> None:
        codex.empty()
        codex.screen = screen_of(screen) if screen else None

    codex.on_submit = leave
    with pytest.raises(OptioError, match="may still do so"):
        codex.deliver("hello", 20.0)
    assert codex.keys == ["Enter"]


def test_a_message_that_left_the_composer_may_still_arrive(codex: Codex) -> None:
    codex.on_submit = codex.empty
    with pytest.raises(OptioError, match="neither recorded nor queued the message within 2 s, and may still do so"):
        codex.deliver("hello", 2.0)


def test_a_message_that_cannot_be_removed_may_still_arrive(codex: Codex) -> None:
    codex.on_submit = lambda: None
    codex.clears = False
    with pytest.raises(OptioError, match="may still do so"):
        codex.deliver("hello", 2.0)


def test_codexs_own_text_proves_nothing(codex: Codex) -> None:
    codex.on_submit = lambda: codex.take(NEW, "assistant")
    with pytest.raises(OptioError, match="neither recorded nor queued"):
        codex.deliver("hello", 1.0)


def test_codex_ends_meanwhile(codex: Codex) -> None:
    def end() -> None:
        codex.ended = True

    codex.on_submit = end
    codex.delay = 0.5
    with pytest.raises(OptioError, match=r"codex in session .* has ended"):
        codex.deliver("hello")


# the composer


@pytest.mark.parametrize("held", ["half typed", "several\n\nlines", "1. a number"])
def test_earlier_text_in_the_composer_is_reported_and_not_sent(codex: Codex, held: str) -> None:
    codex.composer = held
    assert codex.deliver("hello") == {**RECORDED, "composer": held}
    assert codex.taken == "hello"


@pytest.mark.parametrize("name", ["0.142.5-approval", "0.169.0-approval", "0.142.5-login", "0.169.0-login", "0.169.0-trust"])
def test_a_choice_takes_no_message(codex: Codex, name: str) -> None:
    codex.screen = screen_of(name)
    with pytest.raises(OptioError, match="waits for a choice and accepts no message"):
        codex.deliver("1")
    with pytest.raises(OptioError, match="waits for a choice and accepts no message"):
        codex.conversation.command("/status", 1.0)
    # not a key was pressed
    assert not [argv for argv in codex.host.argvs() if {"send-keys", "paste-buffer", "load-buffer"} & set(argv)]


def test_something_else_covers_the_composer(codex: Codex) -> None:
    codex.screen = "/ T R A N S C R I P T / /\n\n  q to quit\n"
    with pytest.raises(OptioError, match="has shown no composer for 2 s") as raised:
        codex.deliver("hello", 2.0)
    assert "q to quit" in raised.value.cause and codex.pasted == ""


# commands


@pytest.mark.parametrize(("text", "typed"), [("!ls", "!ls"), ("  /status\r\n", "/status")])
def test_a_command_leaves_no_record(codex: Codex, text: str, typed: str) -> None:
    codex.composer = "half"
    codex.on_submit = codex.empty
    done = codex.conversation.command(text, 5.0)
    assert codex.taken == typed and codex.keys == ["Enter"]
    assert done == {"delivery": "typed", "composer": "half", "screen": "› Ask Codex\n  stand-in default · /home/agent/work"}


def test_a_command_that_codex_does_not_know(codex: Codex) -> None:
    codex.on_submit = lambda: None
    with pytest.raises(OptioError, match="did not run the command, now removed from the composer"):
        codex.conversation.command("/nonsense", 5.0)
    assert codex.composer == ""


# keys


def test_keys_are_pressed_when_the_screen_stands_still(codex: Codex) -> None:
    shown = iter(f"› {number}. Choice\n" for number in range(1, 100))
    drawn: list[float] = []

    def move() -> None:
        drawn.append(codex.host.now)
        codex.screen = next(shown)
        # it draws for a while
        if len(drawn) % 3:
            codex.submitted = codex.host.now

    codex.on_submit = move
    codex.delay = 0.1
    assert codex.conversation.press(["Down", "Up", "Enter"]) == {"delivery": "pressed", "screen": "› 9. Choice"}
    assert codex.keys == ["Down", "Up", "Enter"]
    assert all(drawn[third] - drawn[third - 1] >= conversation.QUIET for third in (3, 6))


def test_a_screen_that_never_stands_still(codex: Codex) -> None:
    def draw(call: Call) -> Completed | None:
        return Completed(0, f"words {len(codex.host.calls)}\n", "") if "capture-pane" in call.argv else None

    codex.host.answer = draw
    codex.conversation.press(["Down"])
    assert conversation.RESTLESS <= codex.host.now < conversation.RESTLESS + 0.1


def test_a_key_ends_codex(codex: Codex) -> None:
    def end() -> None:
        codex.ended = True

    codex.on_submit = end
    assert codex.conversation.press(["C-c"]) == {"delivery": "pressed", "screen": None}
    codex.ended = False
    with pytest.raises(OptioError, match="ended after the key C-c, before Enter y"):
        codex.conversation.press(["C-c", "Enter", "y"])


def test_a_command_that_ends_codex_while_its_terminal_stays(codex: Codex) -> None:
    def end() -> None:
        # 0.142.5 leaves the messages of the conversation on the screen, each behind the mark of the composer
        codex.screen = f"› an earlier message\n\n• Done\nTo continue this session, run codex resume {NEW}\n"
        exit_status = Path(codex.layout.exit_status)
        exit_status.parent.mkdir(parents=True, exist_ok=True)
        exit_status.write_text("0 1795343700\n")

    codex.on_submit = end
    assert "codex resume" in str(codex.conversation.command("/quit", 10)["screen"])


def test_no_text_is_in_a_command_line(codex: Codex) -> None:
    codex.deliver("hunter2")
    assert codex.taken == "hunter2"
    assert not any("hunter" in word for argv in codex.host.argvs() for word in argv)


# whether anything runs


def event(codex: Codex, uuid: str, kind: str) -> None:
    with (codex.sessions / f"rollout-2026-11-22T10-00-00-{uuid}.jsonl").open("a") as stream:
        stream.write(json.dumps({"type": "event_msg", "payload": {"type": kind}}) + "\n")


@pytest.mark.parametrize(
    ("events", "screen", "idle"),
    [
        ([], None, True),
        (["task_started"], None, False),
        (["task_started", "task_complete"], None, True),
        (["task_started", "turn_aborted"], None, True),
        (["task_started", "task_complete", "task_started"], None, False),
        # it has just been made, or is damaged
        (["token_count"], None, False),
        (["task_started", "task_complete"], "0.142.5-in-progress", False),
        (["task_started", "task_complete"], "0.169.0-queued", False),
    ],
)
def test_whether_it_is_idle(codex: Codex, events: list[str], screen: str | None, idle: bool) -> None:
    for kind in events:
        event(codex, OLD, kind)
    codex.screen = None if screen is None else screen_of(screen)
    assert codex.conversation.is_idle() is idle


def test_what_begins_between_two_looks(codex: Codex) -> None:
    event(codex, OLD, "task_complete")
    sleep = codex.host.sleep

    def slow(seconds: float) -> None:
        sleep(seconds)
        event(codex, OLD, "task_started")
        event(codex, OLD, "task_complete")

    codex.host.sleep = slow  # type: ignore[method-assign]
    assert codex.conversation.is_idle() is False
