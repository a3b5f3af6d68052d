# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Private variables of roles (``<role>__<name>``) are used by their role alone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
_PRIVATE = re.compile(r"\b(codex_[a-z0-9_]*?)__[a-z0-9_]+")

#: the private variables that a playbook passes to the role of its import, so that an extra variable cannot replace them
PASSED = {
    "provision": {"codex_worker__publishes"},
    "launch": {"codex_session__state", "codex_session__explains_copies"},
    "resume": {"codex_session__state", "codex_session__only_existing", "codex_session__forced"},
    "stop": {"codex_session__state"},
    "teardown": {"codex_session__state", "codex_session__purge_default"},
}


def private_variables(text: str) -> set[tuple[str, str]]:
    """Return each private variable in a text with the role that owns it."""
    return {(match.group(1), match.group(0)) for match in _PRIVATE.finditer(text)}


def foreign_variables(roles: Path) -> Iterator[str]:
    """Yield each private variable of another role that a file of a role names."""
    for path in sorted(roles.rglob("*")):
        if path.is_file():
            name = path.relative_to(roles)
            for owner, variable in sorted(private_variables(path.read_text("utf-8"))):
                if owner != name.parts[0]:
                    yield f"{name}: {variable}"


def passed_variables(playbook: Path) -> set[str]:
    """Return the private variables that a playbook passes to the role that owns them."""
    found: set[str] = set()
    for play in yaml.safe_load(playbook.read_text("utf-8")):
        for task in play.get("tasks", ()):
            imported: dict[str, Any] = task.get("ansible.builtin.import_role", {})
            role = str(imported.get("name", "")).rpartition(".")[2]
            found.update(variable for variable in task.get("vars", {}) if (role, variable) in private_variables(variable))
    return found


def test_no_role_uses_a_private_variable_of_another_one() -> None:
    assert list(foreign_variables(ROOT / "roles")) == []


@pytest.mark.parametrize("playbook", sorted((ROOT / "playbooks").glob("*.yml")), ids=lambda path: path.stem)
def test_playbooks_only_pass_private_variables(playbook: Path) -> None:
    named = {variable for _role, variable in private_variables(playbook.read_text("utf-8"))}
    assert named == passed_variables(playbook) == PASSED.get(playbook.stem, set())


@pytest.mark.parametrize("variable", sorted(set().union(*PASSED.values())))
def test_variables_that_playbooks_pass_have_a_default(variable: str) -> None:
    role = variable.partition("__")[0]
    assert variable in yaml.safe_load((ROOT / "roles" / role / "vars" / "main.yml").read_text("utf-8"))


def test_a_foreign_variable_is_found(tmp_path: Path) -> None:
    tasks = tmp_path / "codex_gateway" / "tasks" / "main.yml"
    tasks.parent.mkdir(parents=True)
    tasks.write_text("when: codex_gateway__own and codex_nginx_public and codex_nginx__site_name\n")
    assert list(foreign_variables(tmp_path)) == ["codex_gateway/tasks/main.yml: codex_nginx__site_name"]


def test_a_variable_of_another_role_is_not_passed(tmp_path: Path) -> None:
    playbook = tmp_path / "playbook.yml"
    imported = {"ansible.builtin.import_role": {"name": "optio.codex.codex_session"}}
    variables = {"codex_session__state": "started", "codex_worker__options": {}, "codex_session_name": "one"}
    playbook.write_text(yaml.safe_dump([{"tasks": [{**imported, "vars": variables}, {"vars": {"codex_session__all": True}}]}]))
    assert passed_variables(playbook) == {"codex_session__state"}


def undefined_variables(role: Path) -> set[str]:
    """Return the private variables that a role reads, and that none of its files sets."""
    texts = [path.read_text("utf-8") for path in role.rglob("*") if path.suffix in (".yml", ".j2")]
    used = {variable for text in texts for _owner, variable in private_variables(text)}
    return used - {name for text in texts for name in re.findall(r"(?m)^\s*(?:register: )?(codex_\w+__\w+)(?::|$)", text)}


@pytest.mark.parametrize("role", sorted((ROOT / "roles").iterdir()), ids=lambda path: path.name)
def test_a_role_defines_the_private_variables_that_it_reads(role: Path) -> None:
    assert undefined_variables(role) == set()


def test_a_variable_that_is_not_defined_is_found(tmp_path: Path) -> None:
    (tmp_path / "main.yml").write_text('codex_a__one: "{{ codex_a__two }}"\nregister: codex_a__three\nwhen: codex_a__three\n')
    assert undefined_variables(tmp_path) == {"codex_a__two"}
