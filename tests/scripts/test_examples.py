# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The examples of the documentation: YAML, modules, options, variables, playbooks and commands exist, and plays pass --syntax-check."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import public_names
import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

ROOT = Path(__file__).resolve().parents[2]
PAGES = [*sorted(ROOT.glob("docs/docsite/rst/*.rst")), ROOT / "README.md", *sorted(ROOT.glob("roles/*/README.md"))]
PLUGINS = sorted(path for kind in ("modules", "filter", "lookup") for path in ROOT.glob(f"plugins/{kind}/[!_]*.py"))

_RST_BLOCK = re.compile(r"^( *)\.\. code-block:: (yaml|console)\n\n((?:\1  .*\n|\n)+)", re.MULTILINE)
_MARKDOWN_BLOCK = re.compile(r"^```(yaml|console)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_PLAYBOOK = re.compile(r"(?<=\s)optio\.codex\.(\w+)")
_EXTRA = re.compile(r"-e\s+(?:'\{\"|'?)(\w+)")
_SPEC_KEYS = ("type", "elements", "choices", "aliases")


@dataclass(frozen=True)
class Block:
    """An example: its page, its language and its text."""

    page: str
    language: str
    text: str

    @property
    def document(self) -> Any:
        return yaml.load(self.text, Loader=UniqueKeys)


class UniqueKeys(yaml.SafeLoader):
    """Refuses a key that occurs twice in a mapping."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _value in node.value]
        twice = {key for key in keys if keys.count(key) > 1}
        if twice:
            raise yaml.YAMLError(f"keys occur twice: {sorted(twice)}")
        mapping: dict[Any, Any] = super().construct_mapping(node, deep)
        return mapping


def page_blocks(path: Path) -> Iterator[Block]:
    text, name = path.read_text("utf-8"), str(path.relative_to(ROOT))
    if path.suffix == ".md":
        yield from (Block(name, language, body) for language, body in _MARKDOWN_BLOCK.findall(text))
        return
    for indent, language, body in _RST_BLOCK.findall(text):
        width = len(indent) + 2
        yield Block(name, language, "\n".join(line[width:] for line in body.splitlines()) + "\n")


def plugin_blocks(path: Path) -> Iterator[Block]:
    text = public_names.string_constants(ast.parse(path.read_text("utf-8")).body).get("EXAMPLES")
    if text:
        yield Block(str(path.relative_to(ROOT)), "yaml", text)


BLOCKS = [block for path in PAGES for block in page_blocks(path)] + [block for path in PLUGINS for block in plugin_blocks(path)]
YAML = [block for block in BLOCKS if block.language == "yaml"]
CONSOLE = [block for block in BLOCKS if block.language == "console"]


def label(block: Block) -> str:
    return f"{Path(block.page).stem}-{BLOCKS.index(block)}"


@cache
def role_variables() -> dict[str, dict[str, Any]]:
    """Return the variables of all roles with their specs."""
    specs = public_names.role_specs(ROOT)
    return {name: option for entries in specs.values() for spec in entries.values() for name, option in (spec.get("options") or {}).items()}


@cache
def playbook_variables() -> set[str]:
    names = (ROOT / public_names.LIST).read_text("utf-8").splitlines()
    return {name.split()[3] for name in names if re.match(r"playbook \w+ variable ", name)}


def argument_spec(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the spec of documented options; nothing is required, because values with Jinja are left away."""
    return {
        name: {
            **{key: option[key] for key in _SPEC_KEYS if key in option},
            **({"options": argument_spec(inner)} if (inner := option.get("suboptions") or option.get("options")) else {}),
        }
        for name, option in options.items()
    }


def without_jinja(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_jinja(item) for key, item in value.items() if "{{" not in str(item)}
    return [without_jinja(item) for item in value if "{{" not in str(item)] if isinstance(value, list) else value


def errors(options: Mapping[str, Any], values: Mapping[str, Any]) -> list[str]:
    found: list[str] = ArgumentSpecValidator(argument_spec(options)).validate(without_jinja(dict(values))).error_messages
    return found


def variable_errors(variables: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with the variables of the collection in a file of variables."""
    ours = {name: value for name, value in variables.items() if str(name).startswith("codex_")}
    unknown = [name for name in ours if not is_variable(name) and not is_group(name, ours[name])]
    known = {name: value for name, value in ours.items() if name in role_variables()}
    return [f"{name} is not a variable" for name in unknown] + errors({name: role_variables()[name] for name in known}, known)


def is_variable(name: str) -> bool:
    return name in role_variables() or name in playbook_variables() or name == "codex_user"


def is_group(name: str, value: Any) -> bool:
    """Return whether a key is a group of an inventory."""
    return name in ("codex_workers", "codex_mirrors") and isinstance(value, dict) and "hosts" in value


def task_errors(task: Mapping[str, Any]) -> Iterator[str]:
    for name, arguments in task.items():
        match = re.fullmatch(r"optio\.codex\.(\w+)", str(name))
        if match and not (ROOT / "plugins" / "modules" / f"{match[1]}.py").exists():
            yield f"{name} is not a module"
        elif match:
            yield from errors(public_names.module_options(ROOT, match[1]), arguments or {})
    role = task.get("ansible.builtin.import_role") or task.get("ansible.builtin.include_role") or {}
    if role and not (ROOT / "roles" / str(role.get("name")).removeprefix("optio.codex.")).is_dir():
        yield f"{role} is not a role"
    yield from variable_errors(task.get("vars") or {})


def is_tasks(document: Any) -> bool:
    """Return whether a document is a list of plays or tasks, and not one of rulebooks."""
    return isinstance(document, list) and all(isinstance(item, dict) and "sources" not in item for item in document)


@pytest.mark.parametrize("block", YAML, ids=label)
def test_yaml(block: Block) -> None:
    document = block.document
    if isinstance(document, dict):
        assert not variable_errors(document)
    elif is_tasks(document):
        assert not [error for task in public_names.tasks_of(document) for error in task_errors(task)]


def play_of(document: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return a document of plays, or of tasks or handlers in a play."""
    if any("hosts" in item or "ansible.builtin.import_playbook" in item for item in document):
        return document
    return [{"name": "Example", "hosts": "localhost", "gather_facts": False, "tasks": document}]


def test_plays_pass_the_syntax_check(tmp_path: Path) -> None:
    documents = [block.document for block in YAML]
    plays = [play for document in documents if is_tasks(document) for play in play_of(document)]
    assert len(plays) > 20
    path = tmp_path / "plays.yml"
    path.write_text(yaml.safe_dump(plays), "utf-8")
    (tmp_path / "inventory").write_text("localhost ansible_connection=local\n[codex_workers]\nlocalhost\n[codex_mirrors]\nlocalhost\n")
    command = ["ansible-playbook", "-i", str(tmp_path / "inventory"), "--syntax-check", str(path)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("block", CONSOLE, ids=label)
def test_commands(block: Block) -> None:
    text = block.text.replace("\\\n", " ")
    for line in text.splitlines():
        command = line.removeprefix("$ ")
        if "ansible-playbook" in command:
            for name in _PLAYBOOK.findall(command):
                assert (ROOT / "playbooks" / f"{name}.yml").exists(), line
            assert not [name for name in _EXTRA.findall(command) if not is_variable(name)], line
        for target in re.findall(r"^make ([a-z-]+)", command):
            assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE), line
        for script in re.findall(r"(?:^|\s)((?:scripts|tests)/[\w./-]+\.(?:py|sh))", command):
            assert (ROOT / script).exists(), line
