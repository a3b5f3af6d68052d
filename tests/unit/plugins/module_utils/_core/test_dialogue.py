# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A request to a program: its answer, its limits, and that nothing of it is left."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from ansible_collections.optio.codex.plugins.module_utils._core.host import Completed, LocalHost


def converse(script: str, request: str = "", until: str | None = None, limit: int = 1 << 20, timeout: float = 10.0) -> Completed:
    environment = {"PATH": os.environ["PATH"]}
    return LocalHost().converse(["/bin/sh", "-c", script], request, until=until, environment=environment, limit=limit, timeout=timeout)


@pytest.mark.parametrize(
    ("script", "request_text", "until", "answer"),
    [
        ("cat", "one\ntwo\n", None, Completed(0, "one\ntwo\n", "")),
        ("cat; exit 3", "one", None, Completed(3, "one", "")),
        # its input stays open, and what follows the line is not waited for
        (
            "read line; printf 'first\\n'; sleep 0.1; printf 'id: 2'; sleep 0.1; echo , rest; sleep 60",
            "go\n",
            "id: 2",
            Completed(0, "first\nid: 2, rest\n", ""),
        ),
        # the line never comes
        ("read line; echo other", "go\n", "id: 2", Completed(0, "other\n", "")),
        ("exit 4", "unread\n" * 50000, None, Completed(4, "", "")),
        ("yes", "", None, Completed(125, "", "an answer of more than 1048576 bytes")),
        ("yes", "", "no", Completed(125, "", "an answer of more than 1048576 bytes")),
    ],
)
def test_answers(script: str, request_text: str, until: str | None, answer: Completed) -> None:
    assert converse(script, request_text, until) == answer


def test_a_program_that_does_not_answer_is_ended_with_its_children(tmp_path: Path) -> None:
    started = time.monotonic()
    script = f"sleep 61 & echo $! >{tmp_path}/child; cat >/dev/null; sleep 62"
    assert converse(script, timeout=2) == Completed(124, "", "no answer within 2 s")
    assert time.monotonic() - started < 10
    child = int((tmp_path / "child").read_text())
    deadline = time.monotonic() + 5
    while Path(f"/proc/{child}").exists() and Path(f"/proc/{child}/stat").read_text().split()[2] not in "ZX":
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_program_that_cannot_be_run(tmp_path: Path) -> None:
    def run(path: str) -> Completed:
        return LocalHost().converse([path], "", until=None, environment={}, limit=1, timeout=1)

    assert run(f"{tmp_path}/none") == Completed(127, "", f"{tmp_path}/none: No such file or directory")
    (tmp_path / "file").write_text("")
    assert run(f"{tmp_path}/file").rc == 126
