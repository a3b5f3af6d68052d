# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""AGENTS.md: the host protocol, what to do when resumed, the task, and what writes it where."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from ansible_collections.optio.codex.plugins.module_utils._core.errors import OptioError
from ansible_collections.optio.codex.plugins.module_utils._session.agents_md import (
    LIMIT,
    agents_text,
    copy_action,
    plan_instructions,
    pointer_line,
    validate_instructions,
)
from ansible_collections.optio.codex.plugins.module_utils._session.command_line import RESUME_NOTICE
from ansible_collections.optio.codex.plugins.module_utils._session.layout import PACKAGE, PROJECT, SessionPaths
from ansible_collections.optio.codex.plugins.module_utils._session.probe_files import TEXT_LIMIT
from ansible_collections.optio.codex.plugins.module_utils._session.state import Workspace
from ansible_collections.optio.codex.tests.unit.support.session_builders import LAYOUT, MADE

IN_PROJECT = replace(LAYOUT, origin=PROJECT, workdir="/srv/project")
IN_PACKAGE = replace(LAYOUT, origin=PACKAGE)
TEXT = agents_text("Do it.", True, LAYOUT)
OVERRIDE = f"{LAYOUT.codex_home}/AGENTS.override.md"


@pytest.mark.parametrize("layout", [LAYOUT, IN_PROJECT])
def test_the_task_alone(layout: SessionPaths) -> None:
    assert agents_text("\r\nDo it.\r\n\r\nThen rest.\n\n", False, layout) == "Do it.\n\nThen rest.\n"


@pytest.mark.parametrize("word", ["STATUS", "DELIVERABLE", "ATTENTION", "DONE", "ERROR"])
def test_every_keyword_of_the_log_is_documented(word: str) -> None:
    assert re.search(rf"^- `{word}", TEXT, re.MULTILINE)


def test_the_protocol_goes_before_the_task() -> None:
    headings = [line for line in TEXT.splitlines() if line.startswith("#")]
    assert headings == ["# Your host", "## When you are resumed", "# Your task"]
    assert TEXT.startswith("# Your host\n\n") and TEXT.endswith("# Your task\n\nDo it.\n")
    for message in (RESUME_NOTICE, "optio.log", "optio.log.old", "resume.log", "REFRESHED:"):
        assert message in TEXT
    assert len(TEXT) < 32 * 1024 / 10, "most of what codex reads is the task's"


def test_the_logs_are_named_as_the_agent_finds_them() -> None:
    names = re.findall(r"[`>] ?([^` ]*(?:optio|resume)\.log[.a-z]*)", TEXT)
    assert set(names) == {"optio.log", "optio.log.old", "resume.log"}
    assert agents_text("Do it.", True, IN_PACKAGE) == TEXT
    elsewhere = agents_text("Do it.", True, IN_PROJECT)
    found = re.findall(r"[`>] ?([^` ]*(?:optio|resume)\.log[.a-z]*)", elsewhere)
    assert set(found) == {f"{LAYOUT.agent}/{name}" for name in names} and len(found) == len(names)


def test_a_workdir_of_its_own_names_the_copy_that_the_commands_can_read() -> None:
    line = pointer_line(LAYOUT)
    assert LAYOUT.instructions_copy in line and LAYOUT.instructions not in line and "\n" not in line


#: (the layout, what is there, what is done: kind, target, before)
PLANS: dict[str, tuple[SessionPaths, Workspace, list[tuple[str, str, str]]]] = {
    "nothing is there": (
        LAYOUT,
        MADE,
        [
            ("write", LAYOUT.instructions, "absent"),
            ("publish", LAYOUT.instructions_copy, "as the agent left it"),
            ("publish", f"{LAYOUT.workdir}/AGENTS.md", "absent"),
        ],
    ),
    "all is there": (LAYOUT, replace(MADE, instructions=TEXT, pointer=pointer_line(LAYOUT)), []),
    "the line is gone": (LAYOUT, replace(MADE, instructions=TEXT), [("publish", f"{LAYOUT.workdir}/AGENTS.md", "absent")]),
    # it is the agent's by now, a link and a directory too
    "the line is another": (LAYOUT, replace(MADE, instructions=TEXT, pointer="# Notes"), []),
    "no file is in its place": (LAYOUT, replace(MADE, instructions=TEXT, pointer=""), []),
    "another text": (
        LAYOUT,
        replace(MADE, instructions="Old.\n", pointer=pointer_line(LAYOUT)),
        [("write", LAYOUT.instructions, "Old.\n"), ("publish", LAYOUT.instructions_copy, "as the agent left it")],
    ),
    "it is silenced": (
        LAYOUT,
        replace(MADE, instructions=TEXT, pointer="", override=True),
        [("remove", OVERRIDE, "hides the instructions")],
    ),
    "a project": (
        IN_PROJECT,
        MADE,
        [("write", LAYOUT.instructions, "absent"), ("publish", LAYOUT.instructions_copy, "as the agent left it")],
    ),
    "a project where all is there": (IN_PROJECT, replace(MADE, instructions=agents_text("Do it.", True, IN_PROJECT)), []),
}


@pytest.mark.parametrize("case", PLANS)
def test_what_writes_the_instructions(case: str) -> None:
    layout, seen, expected = PLANS[case]
    text = agents_text("Do it.", True, layout)
    actions = plan_instructions(layout, seen, text)
    assert [(action.kind, action.target, action.before) for action in actions] == expected
    assert {action.payload.text for action in actions if action.payload} <= {text, f"{pointer_line(LAYOUT)}\n"}
    assert plan_instructions(layout, seen, None) == [], "unset instructions leave everything alone"


@pytest.mark.parametrize("layout", [LAYOUT, IN_PROJECT])
def test_only_files_are_replaced(layout: SessionPaths) -> None:
    blocked = replace(MADE, instructions_blocked=True)
    with pytest.raises(OptioError, match=r"/home/\.codex/AGENTS\.md is not a file\. Move it away"):
        plan_instructions(layout, blocked, TEXT)
    assert plan_instructions(layout, blocked, None) == []


def test_the_copy_has_the_same_text_after_the_agent_changed_it() -> None:
    action = copy_action(IN_PROJECT, TEXT)
    assert (action.kind, action.target, action.payload.text) == ("publish", IN_PROJECT.instructions_copy, TEXT)


def test_a_text_that_is_compared_is_read_whole() -> None:
    assert LIMIT <= TEXT_LIMIT
    for text in (None, "x" * (LIMIT // 2), "\udce9" * (LIMIT // 2)):
        validate_instructions(text)
    for text in ("x" * (LIMIT // 2 + 1), "ü" * (LIMIT // 4 + 1)):
        with pytest.raises(OptioError, match=f"instructions must have at most {LIMIT // 2} bytes, got"):
            validate_instructions(text)
    assert len(agents_text("x" * (LIMIT // 2), True, IN_PROJECT)) < TEXT_LIMIT
