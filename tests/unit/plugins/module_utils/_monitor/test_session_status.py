# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a session reports of itself, by tables."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.optio.codex.plugins.module_utils._core.probe import Section
from ansible_collections.optio.codex.plugins.module_utils._monitor.session_status import (
    EVENTS,
    LIMIT,
    current_activity,
    document,
    event_of,
    file_text,
    is_news,
    plain,
)
from ansible_collections.optio.codex.tests.unit.support.session_builders import FIXTURES

NOW = 1795343650
#: of a progress without any entry
NOTHING = {"outcome": None, "outcome_text": None}
USAGE = {"used_percent": 100.0, "resets_at": 2000000000, "window_minutes": 300}


def entry_of(**changes: Any) -> dict[str, Any]:
    """Return a session as ``session_info`` returns it, as far as it is used here."""
    return {
        **{"name": "one", "status": "running", "activity": "idle", "exit_status": None, "error": None, "usage_limit": None},
        **{"progress": NOTHING, "log": None, "message": None, "turns": 1, "tokens": None, "version": "0.169.0", "screen": None},
        **{"session_id": "01a2", "user": "alice", "workdir": "/w", "session_dir": "/s/one", "attach_command": "tmux"},
        **changes,
    }


def section_of(log: str = "", turn: str = "task_complete", changed: int = NOW) -> Section:
    events = ['"type":"task_started"', f'"started_at":{NOW - 10}', *([f'"type":"{turn}"'] if turn != "task_started" else [])]
    fields = {"log": log.splitlines()[-1] if log else "", "log_changed": str(changed) if log else ""}
    return Section("session", fields, {"event": events, "entry": log.splitlines()})


ASKS = "STATUS: 40% tests\nATTENTION: which database?"
APPROVAL = (FIXTURES / "screens" / "0.169.0-approval.txt").read_text()
#: (of the session, of its files, the title, what is reported)
ACTIVITIES: list[tuple[dict[str, Any], Section, str, tuple[str | None, str | None]]] = [
    ({}, section_of(), "Ready", ("idle", None)),
    ({}, section_of(), "workdir", ("idle", None)),
    ({"activity": "starting"}, section_of(), "", ("starting", None)),
    ({"activity": "unknown"}, section_of(), "", ("unknown", None)),
    ({"activity": None, "status": "stopped"}, section_of(), "", (None, None)),
    # the title is ahead of the files
    ({}, section_of(), "Working", ("working", None)),
    ({"activity": "done"}, section_of(), "Thinking", ("working", None)),
    ({"activity": "limited"}, section_of(), "Working", ("working", None)),
    ({"activity": "starting"}, section_of(), "Working", ("starting", None)),
    ({"activity": "working"}, section_of(turn="task_started"), "[ ! ] Action Required", ("waiting", None)),
    ({"activity": "working"}, section_of(), "Ready", ("working", None)),
    # what is left of it when codex has ended is not
    ({"activity": "ended", "status": "finished", "exit_status": 0}, section_of(), "Working", ("done", "codex exited")),
    ({"activity": "failed", "status": "finished", "exit_status": 137}, section_of(), "", ("failed", "codex exited with status 137")),
    ({"activity": "failed", "status": "finished", "exit_status": 1, "error": "no model"}, section_of(), "", ("failed", "no model")),
    ({"activity": "failed", "status": "finished", "exit_status": 1}, section_of(ASKS), "", ("failed", "codex exited with status 1")),
    # a person is asked
    ({"activity": "waiting", "screen": APPROVAL}, section_of(), "", ("waiting", "Would you like to run the following command? $ id -un")),
    ({}, section_of(ASKS), "Ready", ("waiting", "which database?")),
    ({"activity": "done"}, section_of(f"DONE: x\n{ASKS}"), "Ready", ("waiting", "which database?")),
    ({"activity": "working"}, section_of(ASKS, "task_started"), "Working", ("working", None)),
    # by an entry of an earlier turn, or before another entry
    ({}, section_of(ASKS, changed=NOW - 11), "Ready", ("idle", None)),
    ({}, section_of(f"{ASKS}\nSTATUS: goes on"), "Ready", ("idle", None)),
    # declared
    ({"activity": "done", "progress": {"outcome": "done", "outcome_text": "all well"}}, section_of(), "Ready", ("done", "all well")),
    ({"activity": "failed", "progress": {"outcome": "error", "outcome_text": "no disk"}}, section_of(), "Ready", ("failed", "no disk")),
    ({"activity": "failed", "progress": {"outcome": "done", "outcome_text": "earlier"}}, section_of(), "Ready", ("failed", None)),
    (
        {"activity": "limited", "usage_limit": USAGE},
        section_of(),
        "Ready",
        ("limited", "100% of the 5-hour usage limit used, reset at 2033-05-18 03:33:20 UTC"),
    ),
    ({"activity": "limited", "error": "You've hit your usage limit"}, section_of(), "Ready", ("limited", "You've hit your usage limit")),
]


@pytest.mark.parametrize(("changes", "section", "title", "reported"), ACTIVITIES)
def test_the_activity_and_its_reason(
    changes: dict[str, Any], section: Section, title: str, reported: tuple[str | None, str | None]
) -> None:
    assert current_activity(entry_of(**changes), section, title) == reported


def test_a_document_has_the_fields_of_the_page() -> None:
    entry = entry_of(
        log="STATUS: 40% tests", message="I go on.", tokens={"total": {"total_tokens": 48213}, "last": None}, usage_limit=USAGE, turns=3
    )
    assert document(entry, "working", None, {}, NOW) == {
        **{"format": 1, "session": "one", "activity": "working", "since": "2026-11-22T10:34:10Z", "reason": None},
        **{"turns": 3, "tokens": 48213, "progress": "STATUS: 40% tests", "last_message": "I go on.", "codex_version": "0.169.0"},
        **{"limit": {"used_percent": 100.0, "resets_at": "2033-05-18T03:33:20Z"}, "updated_at": "2026-11-22T10:34:10Z"},
    }


#: (the activity and the number of turns before and now, whether it goes on)
CHANGES = [
    (("working", 1), ("working", 1), True),
    (("working", 1), ("done", 1), False),
    # between two turns there was another activity, too short to be seen
    (("done", 1), ("done", 2), False),
    (("waiting", 2), ("waiting", 3), False),
]


@pytest.mark.parametrize(("earlier", "later", "goes_on"), CHANGES)
def test_an_activity_is_posted_when_it_begins(earlier: tuple[str, int], later: tuple[str, int], goes_on: bool) -> None:
    before = document(entry_of(turns=earlier[1]), earlier[0], None, {}, NOW - 60)
    entry = entry_of(turns=later[1])
    fields = document(entry, later[0], "why", before, NOW)
    assert (fields["since"] == before["since"]) is goes_on
    event = event_of(entry, fields, before, EVENTS)
    assert (event is None) is (goes_on or later[0] not in EVENTS)
    assert event is None or (event["event"], event["session_id"], event["reason"]) == (later[0], "01a2", "why")


@pytest.mark.parametrize("activity", ["starting", "idle", "working", *EVENTS])
def test_only_the_chosen_events_are_posted(activity: str) -> None:
    entry = entry_of()
    fields = document(entry, activity, None, {}, NOW)
    assert event_of(entry, fields, {}, ()) is None
    assert (event_of(entry, fields, {}, ("done",)) is not None) is (activity == "done")


def test_news_is_all_but_the_time_of_the_look() -> None:
    before = document(entry_of(), "idle", None, {}, NOW)
    assert not is_news(document(entry_of(), "idle", None, before, NOW + 60), before)
    assert is_news(document(entry_of(log="STATUS: x"), "idle", None, before, NOW + 60), before)


#: (a text of the agent, what is reported of it)
TEXTS = [
    (None, None),
    ("", None),
    (" \n\x00\x07 ", None),
    ("one\ntwo\tthree", "one two three"),
    ("\x1b]0;title\x07red\x1b[31m", "]0;title red [31m"),
    ("a\u202eb\u2066c\u200bd", "a b c d"),
    ("<b onclick=x>", "<b onclick=x>"),
    ("lone \udcff", "lone"),
    ("x" * 50, f"{'x' * 9}…"),
]


@pytest.mark.parametrize(("text", "reported"), TEXTS)
def test_a_text_is_short_and_can_be_printed(text: str | None, reported: str | None) -> None:
    assert plain(text, 10 if text and len(text) == 50 else 100) == reported


def test_the_file_is_never_longer_than_its_limit() -> None:
    fields = document(entry_of(log="\U0001f600" * 5000, message="\U0001f600" * 5000), "idle", "é" * 5000, {}, NOW)
    assert len(file_text(fields).encode()) <= LIMIT
    small = document(entry_of(log="x"), "idle", None, {}, NOW)
    assert json.loads(file_text(small)) == small
