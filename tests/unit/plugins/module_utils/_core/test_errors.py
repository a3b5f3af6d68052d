# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.optio.codex.plugins.module_utils._core.errors import OptioError

PLUGINS = Path(__file__).resolve().parents[5] / "plugins"
#: a cause that begins with its verb does not name its object
VERB_FIRST = re.compile(
    r"(?:is|are|was|were|has|have|had|holds?|does|do|did|can|cannot|must|needs?|lacks?|names?|takes?|leads?|lies|leaves"
    r"|belongs?|runs?|would|could|may|only)\b"
)


def text_of(node: ast.expr) -> str | None:
    """Return a text as it is written, with each expression in braces; None for another expression."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else f"{{{ast.unparse(part)}}}" for part in node.values)
    if isinstance(node, ast.BinOp):
        return text_of(node.left)
    return None


def errors_of(tree: ast.AST) -> Iterator[tuple[int, str | None, str]]:
    """Yield the line, the subject and the cause of every ``OptioError(...)`` whose cause is written there."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "OptioError" and len(node.args) > 1:
            cause = text_of(node.args[1])
            if cause is not None:
                yield node.lineno, text_of(node.args[0]), cause


def verb_first_causes(directory: Path) -> list[str]:
    return [
        f"{path.relative_to(directory)}:{line}: {cause}"
        for path in sorted(directory.rglob("*.py"))
        for line, subject, cause in errors_of(ast.parse(path.read_text("utf-8")))
        if VERB_FIRST.match(cause) and (subject is None or subject not in cause)
    ]


def test_every_cause_names_its_object() -> None:
    causes = verb_first_causes(PLUGINS)
    assert not causes, "write a clause that names its object:\n" + "\n".join(causes)


@pytest.mark.parametrize(
    ("call", "begins"),
    [
        ('OptioError("x", "is empty", "Set it")', True),
        ('OptioError("x", f"has {n} characters", "Shorten it")', True),
        ('OptioError("x", "cannot be " + verb, "Set it")', True),
        ('OptioError("x", "x is empty", "Set it")', False),
        ('OptioError("x", f"{x} is empty", "Set it")', False),
        ('OptioError("x", "issue", "Set it")', False),
        ('OptioError(x, "is empty", "Set it")', True),
        ('OptioError("name", "name must be set", "Set it")', False),
        ('OptioError(f"user {x}", f"only root can act as user {x}", "Set it")', False),
        ('OptioError(f"user {x!r}", f"has no home, user {x}", "Set it")', True),
        ('ValueError("x", "is empty", "Set it")', False),
    ],
)
def test_a_cause_that_begins_with_its_verb_is_found(tmp_path: Path, call: str, begins: bool) -> None:
    (tmp_path / "a.py").write_text(f"raise {call}")
    assert bool(verb_first_causes(tmp_path)) is begins


def test_the_message_is_the_cause_and_the_remedy() -> None:
    error = OptioError("history", "history must be 0 or greater, got -3", "Set 0 or more", rc=1)
    assert str(error) == "history must be 0 or greater, got -3. Set 0 or more."
    assert (error.subject, error.details) == ("history", {"rc": 1})
