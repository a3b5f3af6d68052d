# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A message and the proof that it arrived, against a tmux and a codex that are made up."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from unit.session_kit import FIXTURES, LAYOUT, Call, FakeHost, options, session_of, view_of

from ansible_collections.optio.codex.plugins.module_utils.errors import OptioError
from ansible_collections.optio.codex.plugins.module_utils.host import Completed
from ansible_collections.optio.codex.plugins.module_utils.layout import TaskLayout
from ansible_collections.optio.codex.plugins.module_utils.session_message import SUBJECT, deliver
from ansible_collections.optio.codex.plugins.module_utils.session_plan import SessionWish

OLD, NEW = "01a202d2-04bc-7371-ae76-9a22157469e5", "01a202d2-04bd-7371-ae76-9a22157469e5"


def screen_of(name: str) -> str:
    return (FIXTURES / "screens" / f"{name}.txt").read_text()


class Codex:
    """What stands behind the pane: the screen it shows, and what Enter makes it do after a while."""

    def __init__(self, base: Path) -> None:
        self.layout = TaskLayout("review", str(base), str(base / "w"), "/run/s")
        self.sessions = base / "w/home/.codex/sessions/2026/11/22"
        self.sessions.mkdir(parents=True)
        self.screen = screen_of("0.169.0-idle")
        self.typed = ""
        self.delay = 0.0
        self.on_enter: Callable[[], None] = lambda: None
        self.host = FakeHost(self.answer)
        self.entered: float | None = None

    def answer(self, call: Call) -> Completed | None:
        if self.entered is not None and self.host.now >= self.entered + self.delay:
            self.entered = None
            self.on_enter()
        if "load-buffer" in call.argv:
            self.typed = call.stdin or ""
        if call.argv[-1] == "Enter":
            self.entered = self.host.now
        if "capture-pane" in call.argv:
            return Completed(0, self.screen, "")
        if "display-message" in call.argv:
            return Completed(0, "0\n", "")
        return None

    def say(self, uuid: str, text: str, role: str = "user") -> None:
        """Write a message into a rollout."""
        payload = {"type": "message", "role": role, "content": [{"type": "input_text", "text": text}]}
        with (self.sessions / f"rollout-2026-11-22T10-00-00-{uuid}.jsonl").open("a") as stream:
            stream.write(json.dumps({"type": "response_item", "payload": payload}) + "\n")

    def deliver(self, text: str, timeout: float = 20.0) -> str:
        return deliver(self.host, self.layout, text, timeout)


@pytest.fixture
def codex(tmp_path: Path) -> Codex:
    return Codex(tmp_path)


@pytest.mark.parametrize(
    ("text", "typed"),
    [
        ("hello", "hello"),
        ("two\r\nlines\rand\n\n", "two\nlines\nand"),
        ("\n\n  indented\n", "  indented"),
        ("quotes ' \" $HOME é😀", "quotes ' \" $HOME é😀"),
    ],
)
def test_the_first_message_makes_the_rollout(codex: Codex, text: str, typed: str) -> None:
    codex.on_enter = lambda: codex.say(NEW, codex.typed)
    codex.delay = 1.0
    assert codex.deliver(text) == "recorded"
    assert codex.typed == typed
    assert 1.0 <= codex.host.now < 1.2


def test_a_later_message_is_looked_for_after_the_earlier_ones(codex: Codex) -> None:
    codex.say(OLD, "again")
    codex.delay = 0.5
    codex.on_enter = lambda: codex.say(OLD, "again")
    assert codex.deliver("again") == "recorded"
    assert codex.host.now >= 0.5, "the earlier message of the same text proves nothing"


def test_a_message_may_begin_a_new_conversation(codex: Codex) -> None:
    codex.say(OLD, "before")
    codex.on_enter = lambda: codex.say(NEW, "hello")
    assert codex.deliver("hello") == "recorded"


@pytest.mark.parametrize("release", ["0.142.5", "0.169.0"])
def test_a_message_that_waits_for_the_turn(codex: Codex, release: str) -> None:
    codex.screen = screen_of(f"{release}-in-progress")

    def queue() -> None:
        codex.screen = screen_of(f"{release}-queued")

    codex.on_enter = queue
    assert codex.deliver("SAY: steered") == "queued"
    # one that was waiting before proves nothing
    codex.on_enter = lambda: None
    with pytest.raises(OptioError, match="did not take it up within 3 s"):
        codex.deliver("SAY: more", 3.0)


def test_nothing_proves_it(codex: Codex) -> None:
    codex.on_enter = lambda: codex.say(NEW, "something else")
    with pytest.raises(OptioError, match="typed but codex did not take it up within 2 s") as raised:
        codex.deliver("hello", 2.0)
    assert 2.0 <= codex.host.now < 2.2
    assert "stand-in default" in raised.value.cause
    assert "may still stand in the composer" in raised.value.remedy


def test_what_codex_says_itself_proves_nothing(codex: Codex) -> None:
    codex.on_enter = lambda: codex.say(NEW, "hello", role="assistant")
    with pytest.raises(OptioError, match="did not take it up"):
        codex.deliver("hello", 1.0)


@pytest.mark.parametrize("name", ["0.142.5-approval", "0.169.0-approval", "0.142.5-login", "0.169.0-login", "0.169.0-trust"])
def test_a_choice_takes_no_message(codex: Codex, name: str) -> None:
    codex.screen = screen_of(name)
    with pytest.raises(OptioError, match="codex waits for a choice and takes no message"):
        codex.deliver("1")
    # not a key was pressed
    assert not [argv for argv in codex.host.argvs() if {"send-keys", "paste-buffer", "load-buffer"} & set(argv)]


@pytest.mark.parametrize("text", ["!ls", "  /status"])
def test_a_command_leaves_no_record(codex: Codex, text: str) -> None:
    assert codex.deliver(text) == "typed"
    assert codex.host.argvs()[-1][-1] == "Enter"


def test_the_order_of_keys(codex: Codex) -> None:
    codex.on_enter = lambda: codex.say(NEW, "hello")
    codex.deliver("hello")
    commands = [argv[5] for argv in codex.host.argvs()]
    assert commands[:5] == ["display-message", "capture-pane", "load-buffer", "paste-buffer", "send-keys"]
    assert not any("hello" in word for argv in codex.host.argvs() for word in argv)


# the module


def asked(**given: Any) -> dict[str, Any]:
    return options(SUBJECT, **{"name": "review", "text": "hello", **given})


@pytest.mark.parametrize(
    ("given", "cause"),
    [
        ({"text": ""}, "is empty"),
        ({"text": " \n\t"}, "is empty"),
        ({"text": "a\0b"}, "holds a NUL or an ESC"),
        ({"text": "a\x1b[201~b"}, "holds a NUL or an ESC"),
        ({"text": "!rm -rf /"}, "begins with '!', and codex would run it as a command"),
        ({"text": "\n  /quit"}, "begins with '/'"),
        ({"name": "a/b"}, "has a character"),
        ({"root": "x"}, "is relative"),
    ],
)
def test_messages_that_are_refused(given: dict[str, Any], cause: str) -> None:
    with pytest.raises(OptioError) as refusal:
        SUBJECT.check(asked(**given))
    assert cause in refusal.value.cause


@pytest.mark.parametrize("given", [{"text": "a ! b / c"}, {"text": "!ls", "command": True}, {"text": "/status", "command": True}])
def test_messages_that_are_not(given: dict[str, Any]) -> None:
    SUBJECT.check(asked(**given))


LAUNCHED = SessionWish()


@pytest.mark.parametrize("status", ["absent", "finished", "stopped", "lost"])
def test_nobody_would_read_it(status: str) -> None:
    with pytest.raises(OptioError, match="does not exist in" if status == "absent" else f"is {status}, so nobody would read"):
        SUBJECT.plan(view_of(session_of(status, LAUNCHED)), asked())


def test_the_plan_shows_no_text() -> None:
    plan = SUBJECT.plan(view_of(session_of("running", LAUNCHED)), asked(text="hunter2\n"))
    assert [action.kind for action in plan.actions] == ["send"]
    assert "hunter2" not in f"{plan}{plan.diff()}"
    assert plan.result == {"name": "review", "session": LAYOUT.tmux_socket, "characters": 8, "delivery": None}


def test_a_run_tells_the_proof(codex: Codex) -> None:
    codex.on_enter = lambda: codex.say(NEW, "hello")
    view = view_of(session_of("running", LAUNCHED), layout=replace(codex.layout))
    params = asked(user="")
    assert SUBJECT.apply(SUBJECT.plan(view, params), view, params, codex.host) == {"delivery": "recorded"}
    assert codex.host.acted == [None]
