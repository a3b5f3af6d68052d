# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plans: what they return, and their diffs."""

from __future__ import annotations

from ansible_collections.optio.codex.plugins.module_utils._core.plan import Action, Plan, module_result

CREATE = Action("create", "/a")
WRITE = Action("write", "/b", "one\n\ntwo\n", "one\nthree")
PLAN = Plan((CREATE, WRITE), {"path": "/a"}, ("mind it",))


def test_an_empty_plan_changes_nothing() -> None:
    assert not Plan()
    assert module_result(Plan(result={"version": "1"}), diff=True) == {"version": "1", "changed": False, "actions": []}


def test_a_plan_is_changed_lists_its_actions_and_warns() -> None:
    assert PLAN
    assert module_result(PLAN, diff=False) == {
        "path": "/a",
        "changed": True,
        "actions": [{"kind": "create", "target": "/a"}, {"kind": "write", "target": "/b"}],
        "warnings": ["mind it"],
    }


def test_the_diff_shows_lines_and_texts() -> None:
    assert module_result(PLAN, diff=True)["diff"] == {
        "before": "/a: absent\n/b: |\n  one\n\n  two\n",
        "after": "/a: present\n/b: |\n  one\n  three\n",
    }


def test_the_result_is_a_copy() -> None:
    values = {"path": "/a"}
    module_result(Plan(result=values), diff=False)
    assert values == {"path": "/a"}


def test_actions_are_found_by_kind() -> None:
    assert PLAN.actions_of_kind("write") == (WRITE,)
    assert PLAN.actions_of_kind("stop") == ()
