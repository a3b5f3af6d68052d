# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of session_info, and that it only ever looks."""

from __future__ import annotations

from typing import Any

import pytest
from unit.session_kit import FakeHost, options

from ansible_collections.optio.codex.plugins.module_utils._core.errors import OptioError
from ansible_collections.optio.codex.plugins.module_utils._core.plan import module_result
from ansible_collections.optio.codex.plugins.module_utils._core.probe import Section
from ansible_collections.optio.codex.plugins.module_utils._monitor.session_info import SUBJECT


def asked(**given: Any) -> dict[str, Any]:
    return options(SUBJECT, **given)


@pytest.mark.parametrize(
    "given", [{}, {"name": "", "root": "", "user": ""}, {"name": "a", "root": "~/x", "history": "5", "transcript": "3", "sizes": "yes"}]
)
def test_options(given: dict[str, Any]) -> None:
    params = asked(**given)
    SUBJECT.check(params)
    assert SUBJECT.script(params).startswith("\nLC_ALL=C") == (not given.get("user"))


@pytest.mark.parametrize(
    ("given", "cause"), [({"name": "a/b"}, "has a character"), ({"root": "x"}, "is relative"), ({"transcript": -1}, "less than nothing")]
)
def test_options_that_are_refused(given: dict[str, Any], cause: str) -> None:
    with pytest.raises(OptioError, match=cause):
        SUBJECT.check(asked(**given))


def test_variables_are_quoted() -> None:
    script = SUBJECT.script(asked(root="/a b'$(touch /x)"))
    assert """root='/a b'"'"'$(touch /x)'\n""" in script


def test_it_changes_nothing() -> None:
    worker = Section("worker", {"system": "Linux", "user": "alice", "node": "w", "root": "/r"})
    host = FakeHost()
    observed = SUBJECT.observe([worker], asked())
    plan = SUBJECT.plan(observed, asked())
    assert module_result(plan, diff=True) == {"sessions": [], "changed": False}
    assert SUBJECT.apply(plan, observed, asked(), host) == {}
    assert host.calls == []


def test_a_worker_that_is_no_linux() -> None:
    worker = Section("worker", {"system": "Darwin", "user": "alice", "node": "w", "root": "/r"})
    with pytest.raises(OptioError, match="sessions need Linux"):
        SUBJECT.observe([worker], asked())
