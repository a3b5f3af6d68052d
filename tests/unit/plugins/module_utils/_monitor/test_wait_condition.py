# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The condition of a wait: its options, and the states that meet it."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.optio.codex.plugins.module_utils._core.errors import OptioError
from ansible_collections.optio.codex.plugins.module_utils._monitor import session_wait
from ansible_collections.optio.codex.plugins.module_utils._monitor.session_wait import RESOURCE, is_met, is_unreachable
from ansible_collections.optio.codex.tests.unit.support.session_builders import options

ID = "01a202d2-04bc-7371-ae76-9a22157469e5"


def _named(given: dict[str, Any]) -> dict[str, Any]:
    return given if {"name", "sessions"} & set(given) else {"name": "one", **given}


@pytest.mark.parametrize(
    ("given", "cause"),
    [
        ({"name": ""}, "^name must not be empty"),
        ({"sessions": []}, "^sessions must not be empty"),
        ({"sessions": [""]}, "^sessions must not be empty"),
        ({"name": "a/b"}, "has a character"),
        ({"sessions": ["one", "a/b"]}, "has a character"),
        ({"sessions_dir": "x"}, "is relative"),
        ({"state": []}, "^state must not be empty"),
        ({"timeout": -1}, r"^timeout must be 0 or greater, got -1\.0\. Set 0"),
        ({"timeout": "nan"}, "^timeout must be 0 or greater, got nan"),
    ],
)
def test_options_that_are_refused(given: dict[str, Any], cause: str) -> None:
    with pytest.raises(OptioError, match=cause):
        RESOURCE.validate(RESOURCE.parse_options(options(RESOURCE, **_named(given))))


def test_names_from_a_survey() -> None:
    condition = RESOURCE.parse_options(options(RESOURCE, sessions="one,two,one", state="done,exited"))
    assert (condition.names, condition.states) == (("one", "two"), ("done", "exited"))
    assert RESOURCE.probe_script(condition).count("\nonly='one two'\n") == 1


@pytest.mark.parametrize(
    ("given", "message"),
    [({}, "one of the following is required: name, sessions"), ({"name": "a", "sessions": ["b"]}, "mutually exclusive: name|sessions")],
)
def test_exactly_one_of_name_and_sessions(given: dict[str, Any], message: str) -> None:
    validated = ArgumentSpecValidator(**RESOURCE.specification.to_kwargs()).validate(given)
    assert [message in text for text in validated.error_messages] == [True]


#: (status, activity, the states in which it is, the states alone that it can no longer reach)
ANY: list[tuple[str, str | None, set[str], set[str]]] = [
    ("running", "starting", set(), set()),
    ("running", "working", set(), set()),
    ("running", "waiting", {"waiting"}, set()),
    ("running", "idle", {"idle"}, set()),
    ("running", "done", {"idle", "done"}, set()),
    ("running", "failed", {"idle"}, {"done"}),
    ("running", "limited", {"limited"}, {"idle", "done", "turn", "waiting"}),
    ("running", "unknown", set(), set()),
    ("finished", "done", {"done", "exited"}, set(session_wait.STATES)),
    ("finished", "ended", {"exited"}, set(session_wait.STATES)),
    ("finished", "failed", {"exited"}, set(session_wait.STATES)),
    ("stopped", None, {"exited"}, set(session_wait.STATES)),
    ("lost", None, {"exited"}, set(session_wait.STATES)),
    ("absent", None, {"exited"}, set(session_wait.STATES)),
]


@pytest.mark.parametrize(("status", "activity", "within", "hopeless"), ANY)
def test_the_states(status: str, activity: str | None, within: set[str], hopeless: set[str]) -> None:
    entry = {"name": "one", "status": status, "activity": activity, "turns_ended": 2, "session_id": ID}
    assert {state for state in session_wait.STATES if is_met(entry, [state], entry)} == within
    assert {state for state in session_wait.STATES if is_unreachable(entry, [state])} == hopeless
    assert is_met(entry, session_wait.STATES, entry) == bool(within)


@pytest.mark.parametrize(
    ("first", "now", "met"),
    [
        ((ID, 2), (ID, 2), False),
        ((ID, 2), (ID, 3), True),
        ((None, 0), (ID, 1), True),
        ((ID, 5), ("new", 1), True),
        ((ID, 5), ("new", 0), False),
    ],
)
def test_the_end_of_a_turn(first: tuple[str | None, int], now: tuple[str, int], met: bool) -> None:
    entries = [{"status": "running", "activity": "working", "session_id": key, "turns_ended": ended} for key, ended in (first, now)]
    assert is_met(entries[1], ["turn"], entries[0]) is met
