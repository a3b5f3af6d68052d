# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The argument specs of the roles are those that the documentation of the modules gives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import role_specs

ROOT = Path(__file__).resolve().parents[2]

OPTIONS: dict[str, Any] = {
    "name": {"type": "str", "description": ["The name."]},
    "mode": {"type": "str", "choices": ["a", "b"], "default": "a", "description": ["With O(mode=b), O(box.lid) counts. See RV(state)."]},
    "box": {
        "type": "dict",
        "description": ["A box."],
        "suboptions": {"lid": {"type": "bool", "description": ["O(name) and O(optio.codex.other#module:x)."]}},
    },
    "api_token": {"type": "str", "description": ["A token."]},
}
ALL = {"module": "thing", "flat": ["box"], "omit": ["name"]}


def test_the_specs_are_up_to_date() -> None:
    outdated = [path.name for path, text in role_specs.written_specs().items() if path.read_text("utf-8") != text]
    assert outdated == [], "run scripts/role_specs.py write"


@pytest.mark.parametrize("option", ["tasks_max", "network_access", "ready_timeout"])
def test_an_option_is_named_in_five_files_at_most(option: str) -> None:
    """Its documentation, where it is parsed and used, the generated specs, and a page about errors."""
    paths = (path for area in ("plugins", "roles", "docs") for path in (ROOT / area).rglob("*") if path.suffix not in (".png", ".pyc"))
    found = [str(path.relative_to(ROOT)) for path in paths if path.is_file() and option in path.read_text("utf-8")]
    assert {"plugins/doc_fragments/launch.py", "roles/codex_session/meta/argument_specs.yml"} <= set(found)
    assert len(found) <= 5, found


def test_variables_of_a_module() -> None:
    variables = role_specs.module_variables("r", ALL, {}, OPTIONS)
    assert list(variables) == ["r_mode", "r_box_lid", "r_api_token"]
    assert variables["r_mode"]["choices"] == ["a", "b"] and variables["r_mode"]["default"] == "a"
    assert variables["r_api_token"]["no_log"] and "no_log" not in variables["r_mode"]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("With O(mode=b), O(box.lid) counts.", "With O(r_mode=b), O(r_box_lid) counts."),
        ("O(name) is of the module.", "O(optio.codex.thing#module:name) is of the module."),
        ("See RV(state) and RV(state=x).", "See RV(optio.codex.thing#module:state) and RV(optio.codex.thing#module:state=x)."),
        ("O(optio.codex.other#module:x) stays, and so does V(mode).", "O(optio.codex.other#module:x) stays, and so does V(mode)."),
    ],
)
def test_references_lead_to_the_variables(text: str, wanted: str) -> None:
    assert role_specs.rewritten(text, "thing", {"mode": "r_mode", "box.lid": "r_box_lid"}) == wanted


def test_chosen_options_get_other_names_and_defaults() -> None:
    given = {"module": "thing", "options": {"mode": "thing_mode"}, "defaults": {"thing_mode": "{{ other }}"}}
    variables = role_specs.module_variables("r", given, {}, OPTIONS)
    assert list(variables) == ["r_thing_mode"] and variables["r_thing_mode"]["default"] == "{{ other }}"


def test_a_role_of_its_own_options_and_shared_ones() -> None:
    source = {
        "shared": {"group": {"one": {"type": "str", "description": ["One."]}}},
        "entries": {
            "main": {
                "short_description": "Does it",
                "description": ["It does."],
                "shared": ["group"],
                "options": {"two": {"type": "int", "description": ["Two."]}},
            }
        },
    }
    entry = role_specs.role_spec("r", source)["argument_specs"]["main"]
    assert list(entry["options"]) == ["r_one", "r_two"] and entry["short_description"] == "Does it"
