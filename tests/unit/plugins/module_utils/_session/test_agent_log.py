# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The grammar of optio.log, by the shell that looks for it and the parser that reads it."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.optio.codex.plugins.module_utils._core.probe import Section, compose, parse
from ansible_collections.optio.codex.plugins.module_utils._session.agent_log import SHELL_LOG, TAIL, Log, parse_log
from ansible_collections.optio.codex.plugins.module_utils._session.probe_files import SHELL_FILES
from ansible_collections.optio.codex.tests.unit.support import shells

#: (what the log holds, what differs from a log without entries)
LOGS: list[tuple[str, dict[str, Any]]] = [
    ("", {}),
    ("hello\n", {"line": "hello"}),
    ("STATUS: working\n", {"line": "STATUS: working", "status": "working", "newest": "STATUS"}),
    (
        "STATUS: [60%] writing the test\n",
        {"line": "STATUS: [60%] writing the test", "status": "writing the test", "percent": 60, "newest": "STATUS"},
    ),
    ("STATUS: 5% begun\nSTATUS: more\n", {"line": "STATUS: more", "status": "more", "percent": 5, "newest": "STATUS"}),
    ("STATUS: 999% too much\n", {"line": "STATUS: 999% too much", "status": "too much", "percent": 100, "newest": "STATUS"}),
    ("STATUS: 50%\n", {"line": "STATUS: 50%", "percent": 50, "newest": "STATUS"}),
    ("STATUS: 3 of 5% done\n", {"line": "STATUS: 3 of 5% done", "status": "3 of 5% done", "newest": "STATUS"}),
    ("STATUS:\n", {"line": "STATUS:", "newest": "STATUS"}),
    ("DONE\n", {"line": "DONE", "outcome": "done", "newest": "DONE"}),
    ("DONE: all well", {"line": "DONE: all well", "outcome": "done", "outcome_text": "all well", "newest": "DONE"}),
    ("ERROR: codex is 7\n", {"line": "ERROR: codex is 7", "outcome": "error", "outcome_text": "codex is 7", "newest": "ERROR"}),
    ("ERROR\nDONE\n", {"line": "DONE", "outcome": "done", "newest": "DONE"}),
    # a status takes an outcome back, and nothing else does
    ("DONE\nSTATUS: again\n", {"line": "STATUS: again", "status": "again", "newest": "STATUS"}),
    (
        "DONE\nDELIVERABLE: a\nATTENTION: look\n",
        {"line": "ATTENTION: look", "outcome": "done", "deliverables": ("a",), "attention": "look", "newest": "ATTENTION"},
    ),
    (
        "DELIVERABLE: a b\nDELIVERABLE: c\nDELIVERABLE: a b\n",
        {"line": "DELIVERABLE: a b", "deliverables": ("a b", "c"), "newest": "DELIVERABLE"},
    ),
    # another line is newer than the entry
    ("DONE: all well\nbye\n", {"line": "bye", "outcome": "done", "outcome_text": "all well"}),
    # not of the grammar
    ("DONE with it\ndone\n DONE\nDONEXT: x\n", {"line": "DONEXT: x"}),
    ("STATUS: \x1b[31mred\tand\x07 more\r\n", {"line": "STATUS: [31mredand more", "status": "[31mredand more", "newest": "STATUS"}),
    ("STATUS: grün 漢\n", {"line": "STATUS: grün 漢", "status": "grün 漢", "newest": "STATUS"}),
    # of what is long ago, nothing
    ("DONE\n" + "x\n" * TAIL, {"line": "x"}),
    # the launcher's lines are not the agent's word, and their time is not the agent's either
    ("DONE: codex exited\n", {"line": "DONE: codex exited", "changed": None}),
    ("ERROR: codex exited 143\n", {"line": "ERROR: codex exited 143", "changed": None}),
    (
        "STATUS: 90%\nDONE: codex exited\n",
        {"line": "DONE: codex exited", "percent": 90, "newest": "STATUS", "changed": None},
    ),
    (
        "ERROR: no network\nDONE: codex exited\n",
        {"line": "DONE: codex exited", "outcome": "error", "outcome_text": "no network", "newest": "ERROR", "changed": None},
    ),
    # of an earlier end of codex, in a log that goes on
    ("DONE: codex exited\nSTATUS: more\n", {"line": "STATUS: more", "status": "more", "newest": "STATUS"}),
    (
        "DONE: codex exited with care\n",
        {"line": "DONE: codex exited with care", "outcome": "done", "outcome_text": "codex exited with care", "newest": "DONE"},
    ),
]


def read(program: str, path: Path) -> Log:
    answer = shells.run(program, compose(f"{SHELL_FILES}{SHELL_LOG}reading {shlex.quote(str(path))} log_facts", {}))
    return parse_log(parse(answer)[0])


@pytest.mark.parametrize("program", shells.SHELLS)
def test_logs(program: str, tmp_path: Path) -> None:
    for text, message in LOGS:
        path = tmp_path / "optio.log"
        path.write_bytes(text.encode())
        assert read(program, path) == Log(**{"changed": int(path.stat().st_mtime), **message}), text[:80]
    assert read(program, tmp_path / "none") == Log()


@pytest.mark.parametrize("program", shells.SHELLS)
def test_a_log_that_is_none(program: str, tmp_path: Path) -> None:
    path = tmp_path / "optio.log"
    path.write_bytes(b"\xff\xfe\0" * 100_000 + b"\nSTATUS: \xff 5%\n" + b"y" * 3_000_000)
    log = read(program, path)
    assert log.line is not None and len(log.line) <= 4000
    log.line.encode()
    path.write_bytes(b"STATUS: \xff\n")
    assert read(program, path).status == "\ufffd"


@pytest.mark.parametrize(
    ("line", "exit_file", "changed"),
    [
        ("DONE", "0 300 200", 250),
        ("DONE: codex exited", "0 300 200", 200),
        ("ERROR: codex exited 7", "7 300 200", 200),
        # of a launcher that does not record it, and of one that found no log
        ("DONE: codex exited", "0 300", None),
        ("DONE: codex exited", "0 300 ", None),
        ("DONE: codex exited", "", None),
        ("DONE: codex exited", "0 300 9999999999999999999999", None),
    ],
)
def test_when_the_agent_changed_the_log(line: str, exit_file: str, changed: int | None) -> None:
    assert parse_log(Section("session", {"log": line, "log_changed": "250", "exit": exit_file})).changed == changed


def test_a_result_names_every_entry() -> None:
    assert Log(percent=5, deliverables=("a",)).as_result() == {
        **{"percent": 5, "status": None, "attention": None, "deliverables": ["a"]},
        **{"outcome": None, "outcome_text": None},
    }
