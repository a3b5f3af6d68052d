# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of session_info, and that it only ever looks."""

from __future__ import annotations

import shlex
from typing import Any

import pytest

from ansible_collections.optio.codex.plugins.module_utils._core.errors import OptioError
from ansible_collections.optio.codex.plugins.module_utils._core.plan import module_result
from ansible_collections.optio.codex.plugins.module_utils._core.probe import Section
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


def test_a_worker_that_is_no_linux() -> None:
    worker = Section("worker", {"system": "Darwin", "user": "alice", "node": "w", "root": "/r"})
    with pytest.raises(OptioError, match="sessions require Linux"):
        RESOURCE.parse_probe([worker], asked())
