# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the module refuses, what it plans, and which way a text goes."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.optio.codex.plugins.module_utils._core.errors import OptioError
from ansible_collections.optio.codex.plugins.module_utils._core.resource import MASK
from ansible_collections.optio.codex.plugins.module_utils._launch.spec import SessionSpec
from ansible_collections.optio.codex.plugins.module_utils._transfer import message as session_message
from ansible_collections.optio.codex.plugins.module_utils._transfer.composer import MARK, Message
from ansible_collections.optio.codex.plugins.module_utils._transfer.message import LONGEST, RESOURCE
from ansible_collections.optio.codex.tests.unit.support.session_builders import LAYOUT, FakeHost, options, session_of, view_of


def asked(**given: Any) -> dict[str, Any]:
    return options(RESOURCE, **{"name": "review", **({} if "keys" in given else {"text": "hello"}), **given})


@pytest.mark.parametrize(
    ("given", "cause"),
    [
        ({"text": ""}, "must not be empty"),
        ({"text": " \n\t"}, "must not be empty"),
        ({"text": "a\0b"}, "must not contain the control character '\\x00'"),
        ({"text": "a\x1b[201~b"}, "must not contain the control character '\\x1b'"),
        ({"text": "a\x03"}, "must not contain the control character '\\x03'"),
        ({"text": "a\x85b"}, "must not contain the control character '\\x85'"),
        ({"text": "a\udcffb"}, "must not contain the control character '\\udcff'"),
        ({"text": "x" * (LONGEST + 1)}, "must not have more than 1000000 characters, got 1000001"),
        ({"name": "a/b"}, "has a character"),
        ({"sessions_dir": "x"}, "is relative"),
        ({"keys": []}, "must not be empty"),
        ({"keys": ["Enter", "Retrun"]}, "unknown key 'Retrun'"),
        ({"keys": [""]}, "unknown key ''"),
    ],
)
def test_refused_options(given: dict[str, Any], cause: str) -> None:
    with pytest.raises(OptioError) as refusal:
        RESOURCE.validate(asked(**given))
    assert cause in refusal.value.cause


@pytest.mark.parametrize(
    "given",
    [
        {"text": "a ! b / c"},
        {"text": "!ls"},
        {"text": "/status", "raw_command": True},
        {"text": "\u202e\u200b\U0001f468\u200d\tx\r\n"},
        {"text": "x" * LONGEST},
        {"keys": ["Enter", "y", "C-c"]},
    ],
)
def test_what_is_not(given: dict[str, Any]) -> None:
    RESOURCE.validate(asked(**given))


@pytest.mark.parametrize("given", [{}, {"text": "a", "keys": ["y"]}, {"text": "a", "when_busy": "wait"}])
def test_options_that_do_not_go_together(given: dict[str, Any]) -> None:
    with pytest.raises(AssertionError):
        options(RESOURCE, name="review", **given)


LAUNCHED = SessionSpec()


@pytest.mark.parametrize("status", ["absent", "finished", "stopped", "lost"])
def test_it_would_not_be_read(status: str) -> None:
    with pytest.raises(
        OptioError, match="does not exist in" if status == "absent" else f"session .* is {status} and cannot receive a message"
    ):
        RESOURCE.plan(view_of(session_of(status, LAUNCHED)), asked())


NOTHING = {"delivery": None, "prefix": None, "composer": None, "screen": None}


def test_neither_plan_nor_invocation_shows_the_text() -> None:
    params = asked(text="hunter2\n")
    plan = RESOURCE.plan(view_of(session_of("running", LAUNCHED)), params)
    assert [action.kind for action in plan.actions] == ["send"]
    assert "hunter2" not in f"{plan}{plan.diff()}{RESOURCE.masked(params)}"
    assert RESOURCE.masked(params)["text"] == MASK
    assert plan.result == {"name": "review", "tmux_socket": LAYOUT.tmux_socket, "characters": 8, **NOTHING}


def test_the_plan_shows_the_keys() -> None:
    params = asked(keys=["Down", "Enter"])
    plan = RESOURCE.plan(view_of(session_of("running", LAUNCHED)), params)
    assert plan.diff() == {"before": f"{LAYOUT.tmux_socket}: \n", "after": f"{LAYOUT.tmux_socket}: Down Enter\n"}
    assert [action.kind for action in plan.actions] == ["press"]
    assert plan.result == {"name": "review", "tmux_socket": LAYOUT.tmux_socket, "characters": None, **NOTHING}
    assert RESOURCE.masked(params) == params


@pytest.mark.parametrize(
    ("given", "done"),
    [
        ({"text": "hello"}, ("deliver", Message("hello", "Tab"), 30.0)),
        ({"text": "hello", "when_busy": "steer", "timeout": 5}, ("deliver", Message("hello"), 5.0)),
        # of which release the session's codex is tells its path in the cache
        ({"text": "!ls"}, ("deliver", Message("!ls", "Tab"), 30.0)),
        ({"text": " /ls", "when_busy": "steer"}, ("deliver", Message("/ls"), 30.0)),
        # where it can go at once it needs nothing before it
        ({"text": " /ls"}, ("deliver", Message("/ls"), 30.0)),
        ({"text": " /ls", "busy": True}, ("deliver", Message(f"{MARK}/ls", "Tab", MARK), 30.0)),
        ({"text": " !ls", "raw_command": True}, ("command", " !ls", 30.0)),
        ({"text": "/status", "raw_command": True, "timeout": 5}, ("command", "/status", 5.0)),
        ({"text": "no command", "raw_command": True}, ("deliver", Message("no command", "Tab"), 30.0)),
        ({"keys": ["y"]}, ("press", ["y"])),
    ],
)
def test_which_way_it_goes(monkeypatch: pytest.MonkeyPatch, given: dict[str, Any], done: tuple[Any, ...]) -> None:
    busy = given.get("busy", False)
    given = {name: value for name, value in given.items() if name != "busy"}

    class Recorder:
        def __init__(self, *_given: Any) -> None:
            pass

        def is_idle(self) -> bool:
            return not busy

        def __getattr__(self, name: str) -> Any:
            return lambda *arguments: {"done": (name, *arguments)}

    monkeypatch.setattr(session_message, "Composer", Recorder)
    view, params, host = view_of(session_of("running", LAUNCHED)), asked(user="alice", **given), FakeHost()
    assert RESOURCE.apply(RESOURCE.plan(view, params), view, params, host) == {"done": done}
    assert host.acted == ["alice"]
