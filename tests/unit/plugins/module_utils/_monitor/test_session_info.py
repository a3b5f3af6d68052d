# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of session_info, and that it only ever looks."""

from __future__ import annotations

import shlex
import subprocess
from typing import Any

import pytest

from ansible_collections.optio.codex.plugins.module_utils._core.errors import OptioError, ProbeError
from ansible_collections.optio.codex.plugins.module_utils._core.plan import module_result
from ansible_collections.optio.codex.plugins.module_utils._core.probe import BEGIN, END, Section
from ansible_collections.optio.codex.plugins.module_utils._monitor.session_info import RESOURCE
from ansible_collections.optio.codex.tests.unit.support.session_builders import FakeHost, options


def asked(**given: Any) -> dict[str, Any]:
    return options(RESOURCE, **given)


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"name": "", "sessions_dir": "", "user": ""},
        {"sessions": ["a", "b"]},
        {"name": "a", "sessions_dir": "~/x", "scrollback_lines": "5", "transcript_entries": "3", "include_disk_usage": "yes"},
    ],
)
def test_options(given: dict[str, Any]) -> None:
    params = asked(**given)
    RESOURCE.validate(params)
    assert RESOURCE.probe_script(params).startswith("\nLC_ALL=C") == (not given.get("user"))


@pytest.mark.parametrize(
    ("given", "cause"),
    [
        ({"name": "a/b"}, "has a character"),
        ({"sessions": ["a", "a/b"]}, "has a character"),
        ({"sessions": []}, "^sessions must not be empty"),
        ({"sessions_dir": "x"}, "is relative"),
        ({"all_users": True, "user": "a"}, "^user cannot be used with all_users"),
        ({"all_users": True, "transcript_entries": 1}, "^transcript_entries cannot be used with all_users"),
        ({"transcript_entries": -1}, "^transcript_entries must be 0 or greater, got -1"),
    ],
)
def test_options_that_are_refused(given: dict[str, Any], cause: str) -> None:
    with pytest.raises(OptioError, match=cause):
        RESOURCE.validate(asked(**given))


@pytest.mark.parametrize(
    ("given", "names"),
    [({}, ""), ({"name": ""}, ""), ({"name": "a"}, "a"), ({"sessions": "a,b,a"}, "a b"), ({"sessions": ["b", "", "a"]}, "b a")],
)
def test_one_probe_of_the_requested_sessions(given: dict[str, Any], names: str) -> None:
    assert f"\nonly={shlex.quote(names)}\n" in RESOURCE.probe_script(asked(**given))


def test_variables_are_quoted() -> None:
    script = RESOURCE.probe_script(asked(sessions_dir="/a b'$(touch /x)"))
    assert """root='/a b'"'"'$(touch /x)'\n""" in script


def test_it_changes_nothing() -> None:
    worker = Section("worker", {"system": "Linux", "user": "alice", "node": "w", "root": "/r"})
    host = FakeHost()
    observed = RESOURCE.parse_probe([worker], asked())
    plan = RESOURCE.plan(observed, asked())
    assert module_result(plan, diff=True) == {"sessions": [], "changed": False}
    assert RESOURCE.apply(plan, observed, asked(), host) == {}
    assert host.calls == []


def test_a_worker_without_linux() -> None:
    worker = Section("worker", {"system": "Darwin", "user": "alice", "node": "w", "root": "/r"})
    with pytest.raises(OptioError, match="sessions require Linux"):
        RESOURCE.parse_probe([worker], asked())


def test_all_users_are_asked_in_one_probe() -> None:
    """Each user has an answer, and a directory that was found by two paths is there once."""
    answer = ""
    for user, names in (("root", ("one",)), ("alice", ("two", "one")), ("alice", ("two",))):
        sessions = "".join(f"@session\nname={name}\nworkdir=/srv/{user}/{name}/workdir\n" for name in names)
        answer += f"{BEGIN}\nsystem=Linux\nuser={user}\nroot=/srv/{user}\nprivileged=1\n{sessions}{END}\n"
    found = RESOURCE.parse_answer(answer, asked(all_users=True))
    assert [(entry["name"], entry["user"]) for entry in found] == [("one", "alice"), ("one", "root"), ("two", "alice")]
    with pytest.raises(ProbeError, match="not complete"):
        RESOURCE.parse_answer("sudo: a password is required", asked(all_users=True))


def test_a_plain_user_has_one_answer_with_all_users() -> None:
    """The script is the one for all users; without root it runs the probe once."""
    script = RESOURCE.probe_script(asked(all_users=True, sessions_dir="/nowhere")).replace("$(id -u)", "1000")
    done = subprocess.run(["/bin/sh"], input=script, capture_output=True, text=True, timeout=30, check=True)
    assert RESOURCE.parse_answer(done.stdout, asked(all_users=True)) == []
    assert done.stdout.count(BEGIN) == 1 and "\nroot=/nowhere\n" in done.stdout
