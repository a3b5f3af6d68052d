# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The grammar of optio.log, by the shell that looks for it and the parser that reads it."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest
from unit import shell

from ansible_collections.optio.codex.plugins.module_utils._session.agent_log import SHELL_LOG, TAIL, Log, parse_log
from ansible_collections.optio.codex.plugins.module_utils._core.probe import compose, parse

#: (what the log holds, what differs from a log that tells nothing)
LOGS: list[tuple[str, dict[str, Any]]] = [
    ("", {}),
    ("hello\n", {"line": "hello"}),
    ("STATUS: working\n", {"line": "STATUS: working", "status": "working"}),
    ("STATUS: [60%] writing the test\n", {"line": "STATUS: [60%] writing the test", "status": "writing the test", "percent": 60}),
    ("STATUS: 5% begun\nSTATUS: more\n", {"line": "STATUS: more", "status": "more", "percent": 5}),
    ("STATUS: 999% too much\n", {"line": "STATUS: 999% too much", "status": "too much", "percent": 100}),
    ("STATUS: 50%\n", {"line": "STATUS: 50%", "percent": 50}),
    ("STATUS: 3 of 5% done\n", {"line": "STATUS: 3 of 5% done", "status": "3 of 5% done"}),
    ("STATUS:\n", {"line": "STATUS:"}),
    ("DONE\n", {"line": "DONE", "outcome": "done"}),
    ("DONE: all well", {"line": "DONE: all well", "outcome": "done", "outcome_text": "all well"}),
    ("ERROR: codex exited 7\n", {"line": "ERROR: codex exited 7", "outcome": "error", "outcome_text": "codex exited 7"}),
    ("ERROR\nDONE\n", {"line": "DONE", "outcome": "done"}),
    # a status takes an outcome back, and nothing else does
    ("DONE\nSTATUS: again\n", {"line": "STATUS: again", "status": "again"}),
    (
        "DONE\nDELIVERABLE: a\nATTENTION: look\n",
        {"line": "ATTENTION: look", "outcome": "done", "deliverables": ("a",), "attention": "look"},
    ),
    ("DELIVERABLE: a b\nDELIVERABLE: c\nDELIVERABLE: a b\n", {"line": "DELIVERABLE: a b", "deliverables": ("a b", "c")}),
    # not of the grammar
    ("DONE with it\ndone\n DONE\nDONEXT: x\n", {"line": "DONEXT: x"}),
    ("STATUS: \x1b[31mred\tand\x07 more\r\n", {"line": "STATUS: [31mredand more", "status": "[31mredand more"}),
    ("STATUS: grün 漢\n", {"line": "STATUS: grün 漢", "status": "grün 漢"}),
    # of what is long ago, nothing
    ("DONE\n" + "x\n" * TAIL, {"line": "x"}),
]


def read(program: str, path: Path) -> Log:
    answer = shell.run(program, compose(f"{SHELL_LOG}log_facts {shlex.quote(str(path))}", {}))
    return parse_log(parse(answer)[0])


@pytest.mark.parametrize("program", shell.SHELLS)
def test_logs(program: str, tmp_path: Path) -> None:
    for text, told in LOGS:
        path = tmp_path / "optio.log"
        path.write_text(text, newline="")
        assert read(program, path) == Log(**{"changed": int(path.stat().st_mtime), **told}), text[:80]
    assert read(program, tmp_path / "none") == Log()


@pytest.mark.parametrize("program", shell.SHELLS)
def test_a_log_that_is_none(program: str, tmp_path: Path) -> None:
    path = tmp_path / "optio.log"
    path.write_bytes(b"\xff\xfe\0" * 100_000 + b"\nSTATUS: \xff 5%\n" + b"y" * 3_000_000)
    log = read(program, path)
    assert log.line is not None and len(log.line) <= 4000
    log.line.encode()
    path.write_bytes(b"STATUS: \xff\n")
    assert read(program, path).status == "\ufffd"


def test_a_result_names_every_entry() -> None:
    assert Log(percent=5, deliverables=("a",)).as_result() == {
        **{"percent": 5, "status": None, "attention": None, "deliverables": ["a"]},
        **{"outcome": None, "outcome_text": None},
    }
