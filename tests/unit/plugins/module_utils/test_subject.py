# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a subject gives when a module leaves it out."""

from __future__ import annotations

from typing import Any

from ansible_collections.optio.codex.plugins.module_utils._core.host import LocalHost
from ansible_collections.optio.codex.plugins.module_utils._core.plan import Plan
from ansible_collections.optio.codex.plugins.module_utils._core.resource import Specification, Subject


def test_rules_are_fresh_lists_that_ansible_may_change() -> None:
    specification = Specification(
        {"a": {"type": "str"}, "b": {"type": "str"}},
        mutually_exclusive=(("a", "b"),),
        required_together=(("a", "b"),),
        required_one_of=(("a", "b"),),
        required_if=(("a", "x", ("b",)),),
    )
    rules = specification.rules()
    assert rules == {
        "argument_spec": {"a": {"type": "str"}, "b": {"type": "str"}},
        "mutually_exclusive": [["a", "b"]],
        "required_together": [["a", "b"]],
        "required_one_of": [["a", "b"]],
        "required_if": [["a", "x", ("b",)]],
    }
    rules["argument_spec"]["a"]["type"] = "int"
    rules["mutually_exclusive"].append(["c"])
    assert specification.rules()["argument_spec"]["a"] == {"type": "str"}
    assert specification.rules()["mutually_exclusive"] == [["a", "b"]]


def test_the_optional_steps_do_nothing() -> None:
    subject: Subject[Any] = Subject()
    subject.check({})
    assert subject.preconditions(None, {}, Plan()) == []
    with subject.lock(None, {}, LocalHost()):
        pass


def test_a_subject_observes_by_its_probe() -> None:
    class Host(LocalHost):
        def probe(self, script: str) -> str:
            return f"optio-probe-begin\nran={script}\noptio-probe-end\n"

    class Probing(Subject[str]):
        def script(self, params: Any) -> str:
            return str(params["script"])

        def observe(self, sections: Any, params: Any) -> str:
            return str(sections[0].get("ran"))

    assert Probing().observe_on(Host(), {"script": "this"}) == "this"
