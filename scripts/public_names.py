#!/usr/bin/env python
# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes tests/scripts/public-names.txt: every name of the collection that a play, an inventory or a survey may contain.

``write`` writes the list. ``check`` fails when the list is not up to date, and when it has changed without a changelog fragment.
"""

from __future__ import annotations

import argparse
import ast
import re
import subprocess
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
LIST = "tests/scripts/public-names.txt"
FRAGMENTS = ("changelogs/fragments", "changelogs/changelog.yaml")

#: keys of an option or a returned value that hold those inside it
_INNER_KEYS = ("options", "suboptions", "contains")
_TASK_LISTS = ("block", "rescue", "always", "tasks", "pre_tasks", "post_tasks", "handlers")
_SET_FACT = ("ansible.builtin.set_fact", "set_fact")
_DEFAULTED = re.compile(r"\b([a-z]\w*)\s*\|\s*default\(")
_COMMENT = re.compile(r"^\s*#.*$", re.MULTILINE)

Document = Mapping[str, Any]


class GitError(Exception):
    """The tree has no history that the list can be compared with."""


def text_of(value: object) -> str:
    """Return a value of YAML as YAML writes it."""
    return str(value).lower() if isinstance(value, bool) else str(value) or '""'


def option_names(prefix: str, options: Mapping[str, Any], parents: str = "") -> Iterator[str]:
    """Yield an option or a returned value with its type, its choices and aliases, then those inside it."""
    for key, option in options.items():
        name = f"{parents}{key}"
        kind = "/".join(str(option[part]) for part in ("type", "elements") if part in option)
        yield f"{prefix} {name}: {kind or 'str'}"
        choices = option.get("choices") or ()
        yield from (f"{prefix} {name} choice {text_of(choice)}" for choice in choices)
        yield from (f"{prefix} {name} alias {alias}" for alias in option.get("aliases") or ())
        for inner in _INNER_KEYS:
            yield from option_names(prefix, option.get(inner) or {}, f"{name}.")


def string_constants(body: Iterable[ast.stmt]) -> dict[str, str]:
    """Return the strings that are assigned to names."""
    return {
        node.targets[0].id: node.value.value
        for node in body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    }


def fragment_options(root: Path, name: str) -> dict[str, Any]:
    """Return the options of a documentation fragment of this collection, such as ``optio.codex.location.one``."""
    namespace, _separator, rest = name.partition(".codex.")
    if namespace != "optio":
        return {}
    file, *part = rest.split(".")
    path = root / "plugins" / "doc_fragments" / f"{file}.py"
    (fragment,) = (node for node in ast.parse(path.read_text("utf-8")).body if isinstance(node, ast.ClassDef))
    document = yaml.safe_load(string_constants(fragment.body)[part[0].upper() if part else "DOCUMENTATION"])
    options: dict[str, Any] = document.get("options") or {}
    return options


def merged(options: Mapping[str, Any], base: Mapping[str, Any]) -> dict[str, Any]:
    """Return options with what they do not have themselves from a base, as Ansible merges fragments."""
    result = {**base, **options}
    for name in options.keys() & base.keys():
        result[name] = {**base[name], **options[name]}
    return result


def documented_options(root: Path, document: Document) -> dict[str, Any]:
    """Return the options of a plugin's documentation with those of its fragments."""
    options: dict[str, Any] = document.get("options") or {}
    extends = document.get("extends_documentation_fragment") or []
    for fragment in [extends] if isinstance(extends, str) else extends:
        options = merged(options, fragment_options(root, fragment))
    return options


def module_options(root: Path, name: str) -> dict[str, Any]:
    """Return the options of a module of this collection."""
    texts = string_constants(ast.parse((root / "plugins" / "modules" / f"{name}.py").read_text("utf-8")).body)
    return documented_options(root, yaml.safe_load(texts["DOCUMENTATION"]))


def plugin_names(root: Path, kind: str, directory: str) -> Iterator[str]:
    """Yield the plugins of a kind with their options and returned values."""
    for path in sorted((root / "plugins" / directory).glob("[!_]*.py")):
        texts = string_constants(ast.parse(path.read_text("utf-8")).body)
        document: Document = yaml.safe_load(texts["DOCUMENTATION"])
        yield f"{kind} {path.stem}"
        yield from option_names(f"{kind} {path.stem} option", documented_options(root, document))
        yield from option_names(f"{kind} {path.stem} return", yaml.safe_load(texts.get("RETURN", "")) or {})


def tasks_of(document: object) -> Iterator[Document]:
    """Yield the plays and tasks of a file, also those in blocks."""
    for task in document if isinstance(document, list) else ():
        if isinstance(task, dict):
            yield task
            for key in _TASK_LISTS:
                yield from tasks_of(task.get(key))


def task_names(prefix: str, paths: Iterable[Path], documentation: str = "") -> Iterator[str]:
    """Yield the tags of the tasks of some files, and the documented variables among those that they set."""
    for path in paths:
        for task in tasks_of(yaml.safe_load(path.read_text("utf-8"))):
            tags = task.get("tags") or []
            yield from (f"{prefix} tag {tag}" for tag in ([tags] if isinstance(tags, str) else tags) if tag not in ("always", "never"))
            variables = [task.get("register"), *(name for key in _SET_FACT for name in task.get(key) or ())]
            yield from (f"{prefix} result {name}" for name in variables if name and re.search(rf"\b{name}\b", documentation))


def role_specs(root: Path) -> dict[str, Document]:
    """Return the entry points of each role with their argument specs."""
    return {
        path.parent.parent.name: yaml.safe_load(path.read_text("utf-8"))["argument_specs"]
        for path in sorted(root.glob("roles/*/meta/argument_specs.yml"))
    }


def role_names(root: Path, specs: Mapping[str, Document]) -> Iterator[str]:
    """Yield the roles with their entry points, variables, tags and results."""
    for role, entries in specs.items():
        yield f"role {role}"
        for entry, spec in entries.items():
            yield f"role {role} entry {entry}"
            yield from option_names(f"role {role} entry {entry} variable", spec.get("options") or {})
        directory = root / "roles" / role
        documentation = "".join(path.read_text("utf-8") for path in (directory / "meta" / "argument_specs.yml", directory / "README.md"))
        yield from task_names(f"role {role}", sorted(directory.glob("tasks/*.yml")), documentation)


def playbook_names(root: Path, role_variables: Collection[str]) -> Iterator[str]:
    """Yield the playbooks with their tags and with the variables that no role has."""
    for path in sorted(root.glob("playbooks/*.yml")):
        yield f"playbook {path.stem}"
        variables = set(_DEFAULTED.findall(_COMMENT.sub("", path.read_text("utf-8"))))
        yield from (f"playbook {path.stem} variable {name}" for name in variables if name not in role_variables and "__" not in name)
        yield from task_names(f"playbook {path.stem}", [path])


def common_names(root: Path, names: Collection[str]) -> Iterator[str]:
    """Yield the variables that every role accepts and that no playbook names: those of PLAYBOOK_VARIABLES in the code."""
    path = root / "plugins" / "plugin_utils" / "_role_options.py"
    for node in ast.parse(path.read_text("utf-8")).body if path.exists() else ():
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "PLAYBOOK_VARIABLES":
            variables = ast.literal_eval(node.value)
            yield from (f"variable {name}" for name in variables if not any(line.endswith(f" variable {name}") for line in names))


def public_names(root: Path) -> list[str]:
    """Return every public name of a collection, sorted."""
    specs = role_specs(root)
    role_variables = {name for entries in specs.values() for spec in entries.values() for name in spec.get("options") or ()}
    groups: Document = yaml.safe_load((root / "meta" / "runtime.yml").read_text("utf-8")).get("action_groups") or {}
    names = {f"action_group {group} {module}" for group, modules in groups.items() for module in modules}
    for kind, directory in (("module", "modules"), ("filter", "filter"), ("lookup", "lookup"), ("callback", "callback")):
        names.update(plugin_names(root, kind, directory))
    names.update(role_names(root, specs))
    names.update(playbook_names(root, role_variables))
    names.update(common_names(root, names))
    return sorted(names)


def changes(old_names: Iterable[str], new_names: Iterable[str]) -> list[str]:
    """Return the removed names after ``-`` and the new ones after ``+``."""
    old, new = set(old_names), set(new_names)
    return [*(f"- {name}" for name in sorted(old - new)), *(f"+ {name}" for name in sorted(new - old))]


def requires_fragment(old_names: Iterable[str], new_names: Iterable[str], changed_paths: Iterable[str]) -> bool:
    """Return whether names have changed and none of the changed files is a changelog fragment."""
    has_fragment = any(path == name or path.startswith(f"{name}/") for path in changed_paths for name in FRAGMENTS)
    return bool(changes(old_names, new_names)) and not has_fragment


def git(root: Path, *arguments: str) -> str:
    """Return what a git command prints; raise GitError when it fails."""
    try:
        result = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise GitError(f"git {' '.join(arguments[:2])} failed") from error
    return result.stdout


def base_commit(root: Path) -> str:
    """Return the commit to compare with: where the branch left origin/main, else the newest one that changed a fragment."""
    try:
        return git(root, "merge-base", "HEAD", "origin/main").strip()
    except GitError:
        commit = git(root, "log", "-1", "--format=%H", "--", *FRAGMENTS).strip()
    if not commit:
        raise GitError("no commit has a changelog fragment")
    return commit


def undocumented_changes(root: Path, names: Iterable[str]) -> list[str]:
    """Return the changes of the names since the base commit, unless a changelog fragment has changed too.

    Raises GitError without a git repository, or when the list is newer than the base commit.
    """
    if not (root / ".git").exists():
        raise GitError("this is not a git repository")
    base = base_commit(root)
    old_names = git(root, "show", f"{base}:{LIST}").splitlines()
    untracked = git(root, "ls-files", "--others", "--exclude-standard", "--", *FRAGMENTS)
    changed_paths = git(root, "diff", "--name-only", base, "--", *FRAGMENTS).splitlines() + untracked.splitlines()
    return changes(old_names, names) if requires_fragment(old_names, names, changed_paths) else []


def check(root: Path) -> int:
    """Print what is wrong with the list; return the exit status."""
    names = public_names(root)
    path = root / LIST
    differences = changes(path.read_text("utf-8").splitlines() if path.exists() else [], names)
    if differences:
        print(*differences, f"{LIST} is not up to date. Run scripts/public_names.py write.", sep="\n", file=sys.stderr)
        return 1
    try:
        differences = undocumented_changes(root, names)
    except GitError as error:
        print(f"skipped the comparison with an earlier list: {error}")
        return 0
    if differences:
        print(*differences, "Public names have changed. Add a fragment to changelogs/fragments.", sep="\n", file=sys.stderr)
    return 1 if differences else 0


def main(argv: list[str] | None = None) -> int:
    """Parse the command line and run its command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--root", type=Path, default=ROOT, help="the collection (this one)")
    parser.add_argument("command", choices=["write", "check"])
    arguments = parser.parse_args(argv)
    if arguments.command == "check":
        return check(arguments.root)
    (arguments.root / LIST).write_text("\n".join(public_names(arguments.root)) + "\n", "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
