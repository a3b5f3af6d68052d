# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which sessions a run of the role acts on: their names, how the others are found, and where they are."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from ansible_collections.optio.codex.plugins.plugin_utils._role_selection import VERB, places, selection, session_names, waited_for

#: the verbs of the role as its tasks set them
VERBS: dict[str, dict[str, Any]] = {
    "launch": {},
    "resume": {"only_existing": True, "keep_options": True},
    "stop": {"state": "stopped"},
    "teardown": {"state": "absent"},
    "message": {"state": "message", "only_existing": True},
    "verify": {"state": "started", "requires_names": False, "only_existing": True},
}


def chosen(options: dict[str, Any], entries: list[dict[str, Any]] | None = None, verb: str = "launch") -> dict[str, Any]:
    return selection(options, entries or [], {**VERB, **VERBS[verb]})


@pytest.mark.parametrize(
    ("name", "listed", "wanted"),
    [
        ("", [], []),
        ("a", [], ["a"]),
        (" a , b\nc,,\n", [], ["a", "b", "c"]),
        ("b,a", ["a", "c"], ["b", "a", "c"]),
        ("", ["a"], ["a"]),
    ],
)
def test_names(name: str, listed: list[str], wanted: list[str]) -> None:
    assert session_names({"name": name} if name else {}, [{"name": one} for one in listed]) == wanted


@pytest.mark.parametrize(
    ("verb", "options", "finder", "is_plain"),
    [
        # only a launch, a stop and a teardown of named sessions need no search
        ("launch", {"name": "a"}, "", True),
        ("stop", {"name": "a"}, "", True),
        ("teardown", {"name": "a"}, "", True),
        ("resume", {"name": "a"}, "find_existing", False),
        ("message", {"name": "a"}, "find_existing", False),
        ("verify", {"name": "a"}, "find_existing", False),
        ("launch", {"name": "a", "credential_api_key": "k"}, "", False),
        ("launch", {"name": "a", "instructions_template": "t"}, "", False),
        # names and all together are all
        *((verb, {"name": "a", "all": True}, "find", False) for verb in VERBS),
        *((verb, {"all": True}, "find", False) for verb in VERBS),
        *((verb, {}, "find", False) for verb in VERBS),
        *((verb, {"name": "a", "user_isolation": "session"}, "find", False) for verb in VERBS),
    ],
)
def test_how_sessions_are_found(verb: str, options: dict[str, Any], finder: str, is_plain: bool) -> None:
    result = chosen(options, verb=verb)
    assert (result["finder"], result["is_plain"]) == (finder, is_plain)
    assert is_plain == (not finder and not result["prepares"])


@pytest.mark.parametrize(
    ("verb", "options", "launches", "needs_names"),
    [
        ("launch", {}, True, True),
        ("launch", {"keep_options": True}, True, False),
        ("resume", {}, True, False),
        ("stop", {}, False, False),
        ("message", {}, False, False),
    ],
)
def test_a_launch_of_new_sessions_needs_their_names(verb: str, options: dict[str, Any], launches: bool, needs_names: bool) -> None:
    result = chosen(options, verb=verb)
    assert (result["launches"], result["needs_names"]) == (launches, needs_names)


@pytest.mark.parametrize(
    ("entries", "wanted"),
    [
        ([], [["u", "/d"]]),
        ([{"name": "a"}], [["u", "/d"]]),
        ([{"name": "a", "user": "v"}, {"name": "b", "user": "v"}], [["u", "/d"], ["v", "/d"]]),
        ([{"name": "a", "sessions_dir": "/e"}, {"name": "b", "user": "u"}], [["u", "/d"], ["u", "/e"]]),
    ],
)
def test_places(entries: list[dict[str, Any]], wanted: list[list[str]]) -> None:
    assert places(["u", "/d"], entries) == wanted


def test_the_status_of_users_of_sessions_is_read_from_all_users() -> None:
    options = {"user": "u", "sessions_dir": "/d"}
    assert chosen(options)["places"] == chosen(options)["read_places"] == [["u", "/d"]]
    isolated = chosen({**options, "user_isolation": "tenant"}, [{"name": "a", "user": "v"}])
    assert isolated["places"] == [] and isolated["read_places"] == [["", "/d"], ["v", "/d"]]


def test_every_selection_can_be_carried_out() -> None:
    flags = (True, False)
    for state, requires, finds_all, existing, everything, named in product(("started", "absent", "wait"), *[flags] * 5):
        verb = {**VERB, "state": state, "requires_names": requires, "finds_all": finds_all, "only_existing": existing}
        result = selection({"all": everything, **({"name": "a"} if named else {})}, [], verb)
        # without a search, the names are all that there is
        assert result["finder"] or named or not (requires or finds_all)
        assert (result["finder"] == "find_existing") == (existing and named and not everything)


@pytest.mark.parametrize(
    ("options", "entries", "wanted"),
    [
        ({}, [{"name": "a", "instructions": "text"}], False),
        ({"instructions_template": "t.j2"}, [], True),
        ({}, [{"name": "a"}, {"name": "b", "instructions_template": "t.j2"}], True),
    ],
)
def test_templates(options: dict[str, Any], entries: list[dict[str, Any]], wanted: bool) -> None:
    assert chosen(options, entries)["has_templates"] == wanted


@pytest.mark.parametrize(
    ("options", "states", "title"),
    [
        ({}, ["idle"], "Waiting up to 300 seconds until these sessions are idle:"),
        ({"wait_mode": "all", "wait_timeout": 5.9}, ["idle"], "Waiting up to 5 seconds until these sessions are idle:"),
        (
            {"wait_mode": "any", "wait_state": ["done", "exited"], "wait_timeout": 0.0},
            ["done", "exited"],
            "Waiting up to 0 seconds until one session of each worker is done or exited:",
        ),
    ],
)
def test_waits(options: dict[str, Any], states: list[str], title: str) -> None:
    assert waited_for(options) == {"states": states, "title": title}
