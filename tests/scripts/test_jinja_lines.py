# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The variables of roles stay short: rules are functions in ``plugins/plugin_utils`` with tables of cases."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MOST = 200
#: an expression, or a statement with the text up to its end
_JINJA = re.compile(r"\{%-?\s*for\b.*?\{%-?\s*endfor\s*-?%\}|\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)
_COMMENT = re.compile(r"^\s*#.*$", re.MULTILINE)


def jinja_lines(text: str) -> int:
    """Return the number of lines that have a part of an expression or a statement."""
    code = _COMMENT.sub("", text)
    spans = [(code.count("\n", 0, found.start()), code.count("\n", 0, found.end())) for found in _JINJA.finditer(code)]
    return len({line for first, last in spans for line in range(first, last + 1)})


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("a: b\n", 0),
        ('# a: "{{ b }}"\n', 0),
        ('a: "{{ b }}/{{ c }}"\n', 1),
        ("a: >-\n  {{ b\n     | c }}\nd: e\n", 2),
        ("a: >-\n  {% for b in c %}\n  text\n  {{ b }}\n  {% endfor %}\n", 4),
    ],
)
def test_count(text: str, lines: int) -> None:
    assert jinja_lines(text) == lines


def test_roles_have_few_lines_of_jinja() -> None:
    counted = {path.parts[-3]: jinja_lines(path.read_text("utf-8")) for path in sorted((ROOT / "roles").glob("*/vars/*.yml"))}
    assert sum(counted.values()) <= MOST, counted
