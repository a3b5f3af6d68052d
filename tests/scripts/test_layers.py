# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The structure of ``plugins``: packages that import only lower ones, and no cycles. Files and functions are short everywhere."""

from __future__ import annotations

import ast
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest

PLUGINS = Path(__file__).resolve().parents[2] / "plugins"
MODULE_UTILS = PLUGINS / "module_utils"
COLLECTION = ("ansible_collections", "optio", "codex", "plugins")

#: each package may import itself and the packages of the rows above its own
LAYERS = (
    *(("_core",), ("_archive",), ("_codex",), ("_release",), ("_session",)),
    ("_launch", "_monitor", "_transfer", "_credential", "_dispatch"),
)
LEVELS = {package: level for level, row in enumerate(LAYERS) for package in row}
#: the arrows between packages of one row, each with the reason why it is allowed
SIDEWAYS: dict[tuple[str, str], str] = {
    ("_launch", "_monitor"): "a launch installs the program that reports the activity of a session as session_info does",
}

LONGEST_FILE = 500  # lines
LONGEST_FUNCTION = 50  # lines
#: files that may be longer, each with the reason why
LONG_FILES = {
    "modules/session.py": "nearly all of it is the documentation of the module's options and results",
}

#: Violations that still exist. The set must be exact: a change that fixes one also deletes its line. None may be added.
KNOWN: frozenset[str] = frozenset()

Modules = Mapping[str, ast.Module]
Check = Callable[[Modules], Iterator[str]]


@cache
def parse_directory(directory: Path) -> dict[str, ast.Module]:
    """Return the syntax tree of each Python file, by its path relative to the directory."""
    return {path.relative_to(directory).as_posix(): ast.parse(path.read_text("utf-8")) for path in sorted(directory.rglob("*.py"))}


def imported_modules(path: str, tree: ast.Module, paths: Collection[str]) -> Iterator[tuple[int, str]]:
    """Yield the line and the file of every import of a collection's file, also inside functions and ``TYPE_CHECKING``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            candidates = [tuple(alias.name.split(".")) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            module = tuple(node.module.split(".")) if node.module else ()
            if node.level:
                parents = (*COLLECTION, *path.split("/"))
                module = (*parents[: len(parents) - node.level], *module)
            candidates = [file for alias in node.names for file in (module, (*module, alias.name))]
        else:
            continue
        for candidate in dict.fromkeys(candidates):
            relative = "/".join(candidate[len(COLLECTION) :])
            if candidate[: len(COLLECTION)] == COLLECTION and f"{relative}.py" in paths:
                yield node.lineno, f"{relative}.py"


def package_of(path: str) -> str:
    """Return the package of a file of ``module_utils``, or "" for any other file."""
    parts = path.split("/")
    return parts[1] if parts[0] == "module_utils" and len(parts) > 2 else ""


def is_allowed(importer: str, imported: str) -> bool:
    """Return whether one package may import another one."""
    if importer == imported or (importer, imported) in SIDEWAYS:
        return True
    return LEVELS.get(imported, len(LAYERS)) < LEVELS[importer]


def misplaced_files(modules: Modules) -> Iterator[str]:
    for path in modules:
        if path.startswith("module_utils/") and package_of(path) not in LEVELS:
            yield f"{path} is not in a package of LAYERS"


def filled_inits(modules: Modules) -> Iterator[str]:
    for path, tree in modules.items():
        if path.endswith("/__init__.py") and tree.body:
            yield f"{path} is not empty"


def upward_imports(modules: Modules) -> Iterator[str]:
    for path, tree in modules.items():
        importer = package_of(path)
        for _line, imported in imported_modules(path, tree, modules):
            if importer in LEVELS and not is_allowed(importer, package_of(imported)):
                yield f"{path} imports {imported}"


def import_cycles(modules: Modules) -> Iterator[str]:
    """Yield each group of files that import one another, directly or through others."""
    arrows = {path: {file for _line, file in imported_modules(path, tree, modules)} for path, tree in modules.items()}
    reached = {path: reachable(arrows, path) for path in arrows}
    cyclic = [path for path, files in reached.items() if path in files]
    groups = {tuple(sorted(other for other in reached[path] if path in reached[other])) for path in cyclic}
    yield from (f"cycle: {' '.join(group)}" for group in sorted(groups))


def reachable(arrows: Mapping[str, set[str]], start: str) -> set[str]:
    """Return every file that one imports, directly or through others."""
    visited: set[str] = set()
    queue = list(arrows[start])
    while queue:
        path = queue.pop()
        if path not in visited:
            visited.add(path)
            queue.extend(arrows[path])
    return visited


def long_functions(modules: Modules) -> Iterator[str]:
    for path, tree in modules.items():
        for node in ast.walk(tree):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and (node.end_lineno or 0) - node.lineno >= LONGEST_FUNCTION:
                yield f"{path}: {node.name} is longer than {LONGEST_FUNCTION} lines"


def long_files(directory: Path) -> Iterator[str]:
    for path in sorted(directory.rglob("*.py")):
        name = path.relative_to(directory).as_posix()
        if name not in LONG_FILES and len(path.read_text("utf-8").splitlines()) > LONGEST_FILE:
            yield f"{name} is longer than {LONGEST_FILE} lines"


CHECKS: tuple[Check, ...] = (misplaced_files, filled_inits, upward_imports, import_cycles, long_functions)


def violations(directory: Path) -> set[str]:
    """Return every violation in a directory that is laid out as ``plugins``."""
    modules = parse_directory(directory)
    return {text for check in CHECKS for text in check(modules)} | set(long_files(directory))


def test_there_are_only_the_known_violations() -> None:
    current = violations(PLUGINS)
    assert sorted(current - KNOWN) == [], "new violations"
    assert sorted(KNOWN - current) == [], "fixed violations: delete them from KNOWN"


def test_the_packages_are_those_of_the_layers() -> None:
    assert {path.name for path in MODULE_UTILS.iterdir() if path.is_dir() and path.name != "__pycache__"} == set(LEVELS)
    assert all(package.startswith("_") for package in LEVELS)


def test_exceptions_are_needed() -> None:
    modules = parse_directory(PLUGINS)
    arrows = {
        (package_of(path), package_of(imported))
        for path, tree in modules.items()
        for _line, imported in imported_modules(path, tree, modules)
    }
    assert set(SIDEWAYS) <= arrows
    for name in LONG_FILES:
        assert len((PLUGINS / name).read_text("utf-8").splitlines()) > LONGEST_FILE


@pytest.mark.parametrize("directory", ["tests", "scripts", "molecule"])
def test_tests_and_scripts_have_the_same_limits(directory: str) -> None:
    root = PLUGINS.parent / directory
    assert sorted([*long_functions(parse_directory(root)), *long_files(root)]) == []


PREFIX = "ansible_collections.optio.codex.plugins.module_utils"
UPWARD = "module_utils/_core/a.py imports module_utils/_session/layout.py"
SIDEWAYS_IMPORT = "module_utils/_monitor/info.py imports module_utils/_launch/plan.py"
CASES = {
    "absolute": (f"from {PREFIX}._session.layout import x", UPWARD),
    "module": (f"from {PREFIX}._session import layout", UPWARD),
    "plain": (f"import {PREFIX}._session.layout", UPWARD),
    "relative": ("from .._session.layout import x", UPWARD),
    "relative module": ("from .._session import layout", UPWARD),
    "in a function": ("def f():\n    from .._session.layout import x", UPWARD),
    "for types": ("if TYPE_CHECKING:\n    from .._session import layout", UPWARD),
    "cycle": ("from . import b", "cycle: module_utils/_core/a.py module_utils/_core/b.py"),
    "long function": ("def f():\n" + "    x()\n" * 50, "module_utils/_core/a.py: f is longer than 50 lines"),
    "long method": ("class A:\n  def f():\n" + "    x()\n" * 50, "module_utils/_core/a.py: f is longer than 50 lines"),
    "long file": ("x()\n" * 501, "module_utils/_core/a.py is longer than 500 lines"),
}


def write_tree(directory: Path, texts: Mapping[str, str]) -> None:
    for name, text in texts.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Return a directory without a violation."""
    names = ("_core/__init__.py", "_core/a.py", "_session/layout.py", "_launch/plan.py", "_monitor/info.py")
    write_tree(tmp_path, {f"module_utils/{name}": "" for name in names})
    write_tree(tmp_path, {"module_utils/_core/b.py": "from .a import x", "module_utils/_session/lock.py": "from .._core.b import x"})
    write_tree(tmp_path, {"modules/session.py": f"from {PREFIX}._launch.plan import x\n" * 501})
    return tmp_path


def test_allowed_code_has_no_violation(tree: Path) -> None:
    write_tree(tree, {"module_utils/_core/a.py": "def f():\n" + "    x()\n" * 49 + "import os, ansible.module_utils.basic\n" * 450})
    assert violations(tree) == set()


@pytest.mark.parametrize(("text", "expected"), CASES.values(), ids=CASES)
def test_each_violation_is_found(tree: Path, text: str, expected: str) -> None:
    write_tree(tree, {"module_utils/_core/a.py": text})
    assert violations(tree) == {expected}


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("module_utils/a.py", "", "module_utils/a.py is not in a package of LAYERS"),
        ("module_utils/core/a.py", "", "module_utils/core/a.py is not in a package of LAYERS"),
        ("module_utils/_core/__init__.py", "from .a import x", "module_utils/_core/__init__.py is not empty"),
        ("module_utils/_monitor/info.py", "import os; from .._launch import plan", SIDEWAYS_IMPORT),
        ("module_utils/_monitor/info.py", "from ...modules import session", "module_utils/_monitor/info.py imports modules/session.py"),
    ],
)
def test_each_misplaced_file_is_found(tree: Path, name: str, text: str, expected: str) -> None:
    write_tree(tree, {name: text})
    assert violations(tree) == {expected}
