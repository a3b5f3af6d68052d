# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a subject gives when a module leaves it out."""

from __future__ import annotations

from typing import Any

from ansible_collections.optio.codex.plugins.module_utils._core.host import LocalHost
from ansible_collections.optio.codex.plugins.module_utils._core.plan import Plan
from ansible_collections.optio.codex.plugins.module_utils._core.probed_resource import ProbedResource
from ansible_collections.optio.codex.plugins.module_utils._core.resource import ArgumentSpec, Params, Resource


def test_rules_are_fresh_lists_that_ansible_may_change() -> None:
    specification = ArgumentSpec(
        {"a": {"type": "str"}, "b": {"type": "str"}},
        mutually_exclusive=(("a", "b"),),
        required_together=(("a", "b"),),
        required_one_of=(("a", "b"),),
        required_if=(("a", "x", ("b",)),),
    )
    rules = specification.to_kwargs()
    assert rules == {
        "argument_spec": {"a": {"type": "str"}, "b": {"type": "str"}},
        "mutually_exclusive": [["a", "b"]],
        "required_together": [["a", "b"]],
        "required_one_of": [["a", "b"]],
        "required_if": [["a", "x", ("b",)]],
    }
    rules["argument_spec"]["a"]["type"] = "int"
    rules["mutually_exclusive"].append(["c"])
    assert specification.to_kwargs()["argument_spec"]["a"] == {"type": "str"}
    assert specification.to_kwargs()["mutually_exclusive"] == [["a", "b"]]


def test_the_optional_steps_do_nothing() -> None:
    subject: Resource[Any, Any] = Resource()
    params = {"path": "/x"}
    assert subject.parse_options(params) is params
    subject.validate({})
    assert subject.unmet_requirements(None, {}, Plan()) == []
    with subject.lock(None, {}, LocalHost()):
        pass


def test_a_resource_observes_by_its_probe() -> None:
    class Host(LocalHost):
        def probe(self, script: str) -> str:
            return f"optio-probe-begin\nran={script}\noptio-probe-end\n"

    class Probing(ProbedResource[str, Params]):
        def probe_script(self, options: Any) -> str:
            return str(options["script"])

        def parse_probe(self, sections: Any, options: Any) -> str:
            return str(sections[0].get("ran"))

    assert Probing().observe(Host(), {"script": "this"}) == "this"
