# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The definitions for AWX in examples/awx agree with the playbooks, the roles, and the modules of awx.awx."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import public_names
import pytest
import yaml
from awx_definitions import AWX, CREDENTIAL_TYPE, TEMPLATES, asked, load
from awx_definitions import QUESTIONS as QUESTION_LIST

ROOT = Path(__file__).resolve().parents[2]
PLAYBOOKS = sorted(path.stem for path in (ROOT / "playbooks").glob("*.yml"))
#: other roles whose variables a playbook accepts, by its own documentation
MORE_ROLES = {"dispatch": ["codex_session"], "upgrade": ["codex_worker"]}
#: the types of questions for a type of a variable without choices
QUESTIONS = {
    "str": {"text", "textarea"},
    "path": {"text"},
    "int": {"integer"},
    "float": {"integer", "float"},
    "list": {"text", "textarea", "multiselect"},
    "dict": {"textarea"},
    "bool": {"multiplechoice"},
}
#: the values of a variable whose option documents them without a list of choices
VALUES = {
    "codex_mirror_platforms": ["x86_64", "aarch64", "armv7l"],
    "codex_artifacts_platforms": ["x86_64", "aarch64", "armv7l"],
    "codex_artifacts_tools": ["codex", "ttyd", "xterm"],
}
_FIELD = re.compile(r"{{ (?:tower\.filename\.)?(\w+) }}")


def label(template: dict[str, Any]) -> str:
    return str(template["playbook"])


def imported(playbook: str) -> Iterator[tuple[str, str]]:
    """Yield the roles that a playbook imports, each with its entry point."""
    for task in public_names.tasks_of(yaml.safe_load((ROOT / f"playbooks/{playbook}.yml").read_text("utf-8"))):
        role = task.get("ansible.builtin.import_role")
        if role:
            yield role["name"].removeprefix("optio.codex."), role.get("tasks_from", "main")


@cache
def variables_of(playbook: str) -> dict[str, Any]:
    """Return the variables of a playbook with their options."""
    specs = public_names.role_specs(ROOT)
    roles = [*imported(playbook), *((role, "main") for role in MORE_ROLES.get(playbook, ()))]
    result = {name: option for role, entry in roles for name, option in specs[role].get(entry, {}).get("options", {}).items()}
    names = (ROOT / public_names.LIST).read_text("utf-8").splitlines()
    own = {name.split()[3] for name in names if name.startswith(f"playbook {playbook} variable ")}
    return {**result, **dict.fromkeys(own), "codex_user": {"type": "str"}}


def all_variables() -> dict[str, Any]:
    return {name: option for playbook in PLAYBOOKS for name, option in variables_of(playbook).items()}


def test_each_playbook_has_a_template() -> None:
    assert sorted(template["playbook"] for template in TEMPLATES) == PLAYBOOKS
    assert all((AWX / "project" / f"{template['playbook']}.yml").exists() for template in TEMPLATES)
    assert len({template["name"] for template in TEMPLATES}) == len(TEMPLATES)
    keys = {"name", "description", "playbook", "credential", "required", "optional"}
    assert not [template for template in TEMPLATES if template.keys() - keys]


@pytest.mark.parametrize("template", TEMPLATES, ids=label)
def test_the_survey_asks_for_variables_of_the_playbook(template: dict[str, Any]) -> None:
    names = asked(template)
    assert names and len(set(names)) == len(names)
    assert not sorted(set(names) - set(variables_of(template["playbook"])))
    assert not sorted(set(names) - {question["variable"] for question in QUESTION_LIST})


def test_each_question_is_asked_once() -> None:
    variables = [question["variable"] for question in QUESTION_LIST]
    assert len(set(variables)) == len(variables)
    assert set(variables) == {name for template in TEMPLATES for name in asked(template)}


@pytest.mark.parametrize("question", QUESTION_LIST, ids=lambda question: question["variable"])
def test_the_answer_has_the_type_of_the_variable(question: dict[str, Any]) -> None:
    name, option = question["variable"], all_variables()[question["variable"]] or {"type": "list"}
    # a default would hide the variable of the inventory
    assert not question.keys() - {"variable", "question_name", "question_description", "type", "choices", "min", "max"}
    assert not option.get("no_log"), "secrets belong in the credential type"
    choices = option.get("choices") or VALUES.get(name)
    if option["type"] == "bool":
        choices = ["true", "false"]
    if choices:
        assert question["type"] == ("multiselect" if option["type"] == "list" else "multiplechoice")
        assert question["choices"] == choices
    else:
        assert question["type"] in QUESTIONS[option["type"]]


def test_the_choices_of_states_are_those_that_the_module_accepts() -> None:
    lines = (ROOT / public_names.LIST).read_text("utf-8").splitlines()
    prefix = "role codex_session entry wait variable codex_session_wait_state choice "
    (question,) = (question for question in QUESTION_LIST if question["variable"] == "codex_session_wait_state")
    assert sorted(question["choices"]) == sorted(line.removeprefix(prefix) for line in lines if line.startswith(prefix))


def test_a_required_answer_is_one_without_which_the_playbook_fails() -> None:
    required = {template["playbook"]: template["required"] for template in TEMPLATES if "required" in template}
    assert required == {
        "launch": ["codex_session_name"],
        "dispatch": ["codex_dispatch_sessions"],
        "upgrade": ["codex_worker_codex_version"],
    }


def test_the_credential_type_sets_secrets_of_the_collection() -> None:
    fields = {field["id"]: field for field in CREDENTIAL_TYPE["inputs"]["fields"]}
    injectors = CREDENTIAL_TYPE["injectors"]
    assert set(injectors) == {"env", "file", "extra_vars"} and CREDENTIAL_TYPE["kind"] == "cloud"
    templates = [template for injector in injectors.values() for template in injector.values()]
    assert {_FIELD.fullmatch(template)[1] for template in templates} == set(fields)  # type: ignore[index]
    assert not sorted(set(injectors["extra_vars"]) - set(all_variables()))
    # every secret of the roles, except for a key that is a path, and passwords of one of two tools
    secrets = {name for name, option in all_variables().items() if option and option.get("no_log")}
    others = {"codex_gateway_tls_key", "codex_worker_codex_url_password", "codex_worker_ttyd_url_password"}
    assert secrets - others <= set(injectors["extra_vars"])
    assert all(field.get("secret") for field in fields.values() if field["id"] != "download_username")


def test_the_files_of_the_credential_type_are_named_as_awx_wants() -> None:
    injectors = CREDENTIAL_TYPE["injectors"]
    names = {name.removeprefix("template.") for name in injectors["file"]}
    used = set(re.findall(r"tower\.filename\.(\w+)", str(injectors["env"])))
    assert used == names
    assert all(re.fullmatch(r"[A-Z_]+", name) for name in injectors["env"])


def awx_tasks() -> Iterator[tuple[str, dict[str, Any]]]:
    for path in sorted(AWX.glob("tasks/*.yml")):
        for task in public_names.tasks_of(load(path)):
            for key, arguments in task.items():
                if key.startswith("awx.awx."):
                    yield key.removeprefix("awx.awx."), arguments


def test_the_arguments_are_options_of_the_modules() -> None:
    options: dict[str, list[str]] = load(Path(__file__).with_name("awx_options.yml"))
    used: dict[str, set[str]] = {}
    for module, arguments in awx_tasks():
        used.setdefault(module, set()).update(arguments)
    assert used == {module: set(names) for module, names in options.items()}
