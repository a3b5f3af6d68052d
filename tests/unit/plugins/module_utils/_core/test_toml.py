# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The smaller parser says of a document what Python's own says of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.optio.codex.plugins.module_utils._codex.config import base_config
from ansible_collections.optio.codex.plugins.module_utils._core.toml import loads, parse
from ansible_collections.optio.codex.tests.unit.support import toml_reader

DOCUMENTS = [
    "",
    "# nothing but this",
    'a=1\nb.c="x"\n[t]\nx=[1,2,\n # c\n"a,]b",]\ny={a=1,"b c"="d",e.f=true}\n',
    's = """\nmulti "q" \\\n   folded\\n"""\nl = \'\'\'raw\\x\n\'\'\'\n',
    'b = """one\\\\\ntwo \\u00e9"""\n',
    "[[a]]\nn=1.5e3\n[[a]]\nn=0x1_0\n[a.b]\nc=false\n[[a.d]]\n[[a.d]]\ne=0b11\n",
    '"a.b".c=\'x\'\n[projects."/x y"]\ntrust_level="trusted"\n',
    'u="\\u00e9\\U0001F600\\\\\\""\ntab="a\tb\\t"\n',
    'e=""\nf=\'\'\ng=""""a"""\nh="""a""b"""\n',
    "\ufeffa=1",
    "x=inf\ny=+1_000\nz=-0.5\nn=-17\n",
    'w="a\\\\"\nv=["\'"]\nempty=[]\ntable={}\n',
    'mcp_servers.a.command="x"\nmcp_servers.a.args=["-c",\'\'\'a\nb\'\'\']\n[mcp_servers.b]\ncommand="y" # z\nenv={A="b"}\n',
    '[a]\r\nb="c"\r\n[ "d" . e ]\r\nf=1\r\n',
    base_config({"model_providers": {"a b": {"url": 'x"\\y'}}, "n": [[1], ["é"]], "t": [{"a": {"b": 1.5}}]}),
]
FORBIDDEN = [
    *("a=", "a", "[a", 'a="x', "a=[1", "a={b=1", "a=1\na=2", "a=x y", "a = 1 2", "=1", 'a="""x', "[a]\nb=1\n[[a]]\n", "a=1\n[a]\n"),
    *("x=" + "[" * 200, 'a="\\q"', "a=[1 2]", "a={b=1 c=2}", "a='x\ny'", "<<<<<<< HEAD\na=1\n"),
]


@pytest.mark.parametrize("text", DOCUMENTS)
def test_smaller_parser_reads_what_pythons_reads(text: str) -> None:
    wanted = toml_reader.loads(text.lstrip("\ufeff"))
    # a boolean equals a number, so the texts are compared too
    assert parse(text) == wanted and repr(parse(text)) == repr(wanted)
    assert loads(text) == wanted


@pytest.mark.parametrize("text", FORBIDDEN)
def test_unknown_syntax_is_an_error_with_its_line(text: str) -> None:
    with pytest.raises(ValueError, match=r"^line \d+ "):
        parse(text)
    with pytest.raises(ValueError):
        loads(text)


def test_dates_are_texts() -> None:
    assert parse("a=1979-05-27T07:32:00Z # x\nb=[1979-05-27 07:32:00, 07:32:00]") == {
        "a": "1979-05-27T07:32:00Z",
        "b": ["1979-05-27 07:32:00", "07:32:00"],
    }


def test_own_settings_of_the_project_are_read() -> None:
    text = (Path(__file__).resolve().parents[5] / "pyproject.toml").read_text()
    assert parse(text) == toml_reader.loads(text)
