# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The developers' pages name files, functions and make targets that exist."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MODULE_UTILS = ROOT / "plugins" / "module_utils"
PAGE = "docs/docsite/rst/architecture.rst"
CONTRIBUTING = "CONTRIBUTING.md"
PAGES = (PAGE, CONTRIBUTING, "README.md")

_LITERAL = re.compile(r"``([^`]+)``|`([^`\n]+)`")
_LINK = re.compile(r"\]\(([^)#:]+)\)")
#: a file or a directory: of this repository, or of a package of module_utils
_PATH = re.compile(r"(?:_[a-z]+|plugins|roles|playbooks|tests|docs|scripts|changelogs|molecule)/[\w./-]*\Z")
#: a file and the names that it defines
_DEFINITION = re.compile(r"``([\w/.]+\.py)`` \((``\w+``(?:, ``\w+``)*)\)")


def text_of(page: str) -> str:
    return (ROOT / page).read_text("utf-8")


def literals(text: str) -> list[str]:
    """Return what a page of RST or Markdown shows as code in its text."""
    return [double or single for double, single in _LITERAL.findall(text)]


def paths_of(text: str) -> list[str]:
    """Return the paths that a page names."""
    return sorted({literal for literal in literals(text) if _PATH.match(literal)} | set(_LINK.findall(text)))


def resolve(path: str) -> Path:
    return (MODULE_UTILS if path.startswith("_") else ROOT) / path


def defined_names(path: Path) -> Iterator[str]:
    """Yield the functions, classes, methods and attributes that a Python file defines."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            yield node.name
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield node.target.id


@pytest.mark.parametrize("page", PAGES)
def test_each_path_of_a_page_exists(page: str) -> None:
    paths = paths_of(text_of(page))
    assert paths
    assert [path for path in paths if not resolve(path).exists()] == [], f"correct {page}"


def test_each_definition_is_in_its_file() -> None:
    definitions = [(path, name) for path, names in _DEFINITION.findall(text_of(PAGE)) for name in literals(names)]
    assert len(definitions) > 20
    wrong = [f"{path} does not define {name}" for path, name in definitions if name not in set(defined_names(resolve(path)))]
    assert wrong == [], f"correct {PAGE}"


def test_every_package_is_a_row_with_files() -> None:
    packages = {path.name for path in MODULE_UTILS.iterdir() if path.is_dir() and path.name != "__pycache__"}
    rows = re.findall(r"^  \* - ``(_\w+)``\n    - .+\n    - (.+)$", text_of(PAGE), re.MULTILINE)
    assert {package for package, _files in rows} == packages
    assert len(rows) == len(packages)
    assert all(path.startswith(f"{package}/") for package, files in rows for path in literals(files))


def test_the_diagram_shows_every_package() -> None:
    (image,) = re.findall(r"\.\. image:: (\S+)", text_of(PAGE))
    diagram = ((ROOT / PAGE).parent / image).read_text("utf-8")
    packages = {path.name for path in MODULE_UTILS.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert set(re.findall(r">(_\w+)<", diagram)) == packages


def test_every_target_that_is_named_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    named = {name for page in PAGES for name in re.findall(r"(?:`|^\$ |^)make ([a-z-]+)(?:`| +#)", text_of(page), re.MULTILINE)}
    assert named
    assert named <= targets


def test_a_wrong_path_is_found() -> None:
    text = "See ``_core/gone.py``, `tests/gone/` and [this](docs/gone.md), not ``sessions`` or ``roles``."
    assert paths_of(text) == ["_core/gone.py", "docs/gone.md", "tests/gone/"]
    assert not any(resolve(path).exists() for path in paths_of(text))
