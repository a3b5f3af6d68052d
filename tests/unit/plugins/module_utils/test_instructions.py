# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""AGENTS.md: the host protocol, what to do when resumed, the task."""

from __future__ import annotations

import re

import pytest

from ansible_collections.optio.codex.plugins.module_utils._session.command_line import RESUME_NOTICE
from ansible_collections.optio.codex.plugins.module_utils._session.agents_md import MARK, agents_text

#: of codex's own: what is beyond is not read
LIMIT = 32 * 1024


def test_the_task_alone() -> None:
    assert agents_text("\r\nDo it.\r\n\r\nThen rest.\n\n", False) == f"{MARK}\n\nDo it.\n\nThen rest.\n"


@pytest.mark.parametrize("word", ["STATUS", "DELIVERABLE", "ATTENTION", "DONE", "ERROR"])
def test_every_word_of_the_log_is_told(word: str) -> None:
    assert re.search(rf"^- `{word}", agents_text("Do it.", True), re.MULTILINE)


def test_the_protocol_goes_before_the_task() -> None:
    text = agents_text("Do it.", True)
    headings = [line for line in text.splitlines() if line.startswith("#")]
    assert headings == ["# Your host", "## When you are resumed", "# Your task"]
    assert text.startswith(f"{MARK}\n\n") and text.endswith("# Your task\n\nDo it.\n")
    for told in (RESUME_NOTICE, "optio.log", "optio.log.old", "resume.log", "REFRESHED:"):
        assert told in text
    assert len(text) < LIMIT / 10, "most of what codex reads is the task's"
