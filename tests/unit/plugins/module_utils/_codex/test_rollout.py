# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""codex's own record of a conversation, as both releases write it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.optio.codex.plugins.module_utils._codex import rollout, rollout_files
from ansible_collections.optio.codex.tests.unit.support.session_builders import FIXTURES

ROLLOUTS = FIXTURES / "rollouts"
RECORDED = sorted(path for path in ROLLOUTS.glob("*.jsonl") if not path.name.endswith("-stdout.jsonl"))
#: what the recorder said in each, and how the last turn stands
SAID = {
    "after-limit": (["LIMIT: 100 20\nSAY: hello", "SAY: again"], "task_complete"),
    "approval": (["ASK: id -un"], "task_started"),
    "dead-key": (["FAIL: 401"], "task_complete"),
    "declared": (['SAY: It works.\nSAY: DONE: all "well" in C:\\new\nSAY: Goodbye'], "task_complete"),
    "exec": (["RUN: echo proof > proof.txt; cat proof.txt"], "task_complete"),
    "failed-turn": (["FAIL: 500"], "task_complete"),
    "fresh-turn": (["SAY: hello"], "task_complete"),
    "in-progress": (["RUN: sleep 6; echo slept"], "task_started"),
    "interrupted": (["RUN: sleep 20"], "turn_aborted"),
    "limit": (["LIMIT: 100 20\nSAY: hello"], "task_complete"),
    "limit-after-tool": (["RUN: echo begun\nLIMIT: 100 100"], "task_complete"),
    "near-limit": (["LIMIT: 20 95\nSAY: hello"], "task_complete"),
    "queued": (["RUN: sleep 6; echo slept", "SAY: steered"], "task_complete"),
    "tool-call": (["RUN: echo proof > proof.txt; cat proof.txt"], "task_complete"),
}


def said(path: Path) -> list[str]:
    texts = (rollout.user_text(entry) for entry in rollout.appended(str(path), 0))
    return [text for text in texts if text is not None and not text.startswith(("<", "# AGENTS.md"))]


def last_turn(path: Path) -> str | None:
    events = [entry["payload"].get("type") for entry in rollout.appended(str(path), 0) if entry.get("type") == "event_msg"]
    turns = [event for event in events if event in (rollout.TURN_STARTED, "task_complete", "turn_aborted")]
    return turns[-1] if turns else None


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.name)
def test_recorded_conversations(path: Path) -> None:
    texts, turn = SAID[path.name.partition("-")[2].removesuffix(".jsonl")]
    assert said(path) == texts
    assert last_turn(path) == turn


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.name)
def test_only_appended_lines_count(path: Path) -> None:
    size = rollout_files.size(str(path))
    assert size == path.stat().st_size
    assert list(rollout.appended(str(path), size)) == []
    first = len(path.read_bytes().partition(b"\n")[0]) + 1
    whole = list(rollout.appended(str(path), 0))
    assert list(rollout.appended(str(path), first)) == whole[1:]


def test_a_line_being_written_is_left_for_later(tmp_path: Path) -> None:
    path = tmp_path / "rollout.jsonl"
    lines = [{"n": 1}, {"n": 2}]
    text = "".join(f"{json.dumps(line)}\n" for line in lines)
    for length in range(len(text) + 1):
        path.write_text(text[:length])
        assert list(rollout.appended(str(path), 0)) == lines[: text[:length].count("\n")]


def test_damaged_lines_do_not_hide_the_others(tmp_path: Path) -> None:
    path = tmp_path / "rollout.jsonl"
    path.write_bytes(b'not json\n[1]\n"text"\n\xff\xfe\n{"n": 1}\n')
    assert list(rollout.appended(str(path), 0)) == [{"n": 1}]
    assert list(rollout.appended(str(tmp_path / "none"), 0)) == []


def entry(**payload: Any) -> dict[str, Any]:
    return {"type": "response_item", "payload": payload}


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (entry(type="message", role="user", content=[{"type": "input_text", "text": "a"}, {"text": "b"}]), "ab"),
        (entry(type="message", role="user", content=[{"type": "input_image"}, "odd"]), ""),
        (entry(type="message", role="user", content=None), ""),
        (entry(type="message", role="assistant", content=[{"text": "a"}]), None),
        (entry(type="function_call_output"), None),
        ({"type": "event_msg", "payload": {"type": "message", "role": "user"}}, None),
        ({"type": "response_item", "payload": "text"}, None),
        ({}, None),
    ],
)
def test_texts_of_the_user(line: dict[str, Any], text: str | None) -> None:
    assert rollout.user_text(line) == text


def test_the_newest_is_found_by_its_id_and_not_by_local_time_or_age(tmp_path: Path) -> None:
    older, newer = "01a202d2-04bc-7371-ae76-9a22157469e5", "01a202d2-04bd-7371-ae76-9a22157469e5"
    for day, stamp, uuid in (("22", "2026-11-22T23-30-00", older), ("21", "2026-11-21T23-31-00", newer)):
        directory = tmp_path / "2026" / "11" / day
        directory.mkdir(parents=True)
        (directory / f"rollout-{stamp}-{uuid}.jsonl").write_text("")
        (directory / f"notes-{uuid}.jsonl").write_text("")
        (directory / f"rollout-{stamp}-{uuid}.jsonl.bak").write_text("")
    newest = rollout_files.newest(str(tmp_path))
    assert newest is not None and newest.endswith(f"{newer}.jsonl")
    assert rollout_files.newest(str(tmp_path / "none")) is None
    assert rollout_files.size(None) == rollout_files.size(str(tmp_path / "none")) == 0
