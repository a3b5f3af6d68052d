# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What follows from the observed state of a session: its status, and whether its prompt was given."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest

from ansible_collections.optio.codex.plugins.module_utils._session.state import Pane, Session

ID = "01a202d2-04bc-7371-ae76-9a22157469e5"
LIVE, DEAD = Pane(1, 2, False, False, 3), Pane(1, 2, True, False, 3)
RECORD = {"name": "review"}

STATUSES: list[tuple[str, Session]] = [
    ("absent", Session()),
    ("running", Session(record=RECORD, pane=LIVE)),
    # it runs, whatever is left of its record
    ("running", Session(pane=LIVE)),
    ("lost", Session(record=RECORD)),
    ("lost", Session(record=RECORD, pane=DEAD)),
    ("lost", Session(damaged=("session",))),
    ("finished", Session(record=RECORD, pane=LIVE, exit_status=0)),
    ("finished", Session(record=RECORD, exit_status=7)),
    ("stopped", Session(record=RECORD, exit_status=143, stopped=True)),
    # the record is gone, and its prompt is known to have been given, or may have been
    ("damaged", Session(prompt_mark=True)),
    ("damaged", Session(prompt_mark=True, session_id=ID)),
    ("damaged", Session(prompt_copied="given")),
    ("damaged", Session(prompt_copied="launching")),
    ("damaged", Session(prompt_mark=True, exit_status=0, stopped=True)),
    ("absent", Session(prompt_copied="launching", state_files=("launch.sh",))),
    # what is known of the record comes from its copy
    ("lost", Session(record=RECORD, record_copied=True, prompt_mark=True)),
    ("stopped", Session(record=RECORD, record_copied=True, stopped=True)),
]


@pytest.mark.parametrize(("status", "session"), STATUSES)
def test_statuses(status: str, session: Session) -> None:
    assert session.status == status


#: (whether the prompt was given, by what is seen)
PROMPTS: list[tuple[str, Session]] = [
    ("no", Session()),
    ("no", Session(record=RECORD)),
    ("no", Session(record=RECORD, session_id=ID)),
    ("no", Session(record=RECORD, pane=LIVE)),
    # the launcher was about to give it
    ("unknown", Session(record=RECORD, prompt_mark=True)),
    ("yes", Session(record=RECORD, prompt_mark=True, pane=LIVE)),
    ("unknown", Session(record=RECORD, prompt_mark=True, pane=DEAD)),
    ("yes", Session(record=RECORD, prompt_mark=True, session_id=ID)),
    ("yes", Session(record=RECORD, prompt_mark=True, session_id=ID, pane=DEAD)),
    # the mark is gone, the copy remains
    ("unknown", Session(prompt_copied="given")),
    ("yes", Session(prompt_copied="given", session_id=ID)),
    ("yes", Session(prompt_copied="given", pane=LIVE)),
    # a launch was begun: its launcher is there as long as it has not run
    ("no", Session(record=RECORD, prompt_copied="launching", state_files=("session", "environment", "launch.sh"))),
    ("unknown", Session(record=RECORD, prompt_copied="launching", state_files=("session", "environment"))),
    ("unknown", Session(prompt_copied="launching")),
    ("unknown", Session(record=RECORD, prompt_copied="launching", prompt_mark=True, state_files=("launch.sh",))),
    ("yes", Session(record=RECORD, prompt_copied="launching", prompt_mark=True, session_id=ID, state_files=("launch.sh",))),
    # the package gave it what it was launched with
    ("yes", Session(record={**RECORD, "adopted": "1"})),
    ("yes", Session(record={**RECORD, "adopted": "1"}, prompt_copied="launching")),
]


@pytest.mark.parametrize(("given", "session"), PROMPTS)
def test_whether_the_prompt_was_given(given: str, session: Session) -> None:
    assert session.prompt_given == given


def test_nothing_that_is_removed_makes_a_given_prompt_one_that_was_not() -> None:
    """The mark alone is enough, and so is the copy alone, whatever else is there."""
    told = product((RECORD, {}), (None, DEAD, LIVE), (None, ID), ((), ("session",)), ((), ("launch.sh",)), (False, True))
    for record, pane, session_id, damaged, state_files, stopped in told:
        seen = Session(record=record, pane=pane, session_id=session_id, damaged=damaged, state_files=state_files, stopped=stopped)
        for known in ({"prompt_mark": True}, {"prompt_copied": "given"}, {"prompt_mark": True, "prompt_copied": "launching"}):
            session = replace(seen, **known)
            assert session.prompt_given != "no" and session.status != "absent" and not session.incomplete


#: (whether a launch was ended before codex was given anything, by what is seen)
INCOMPLETE: list[tuple[bool, Session]] = [
    (True, Session(record=RECORD)),
    (True, Session(record=RECORD, prompt_copied="launching", state_files=("launch.sh",))),
    (False, Session(record=RECORD, prompt_copied="launching")),
    (False, Session(record=RECORD, prompt_mark=True)),
    (False, Session(record={**RECORD, "started": "1795343648"})),
    (False, Session(record={**RECORD, "adopted": "1"})),
    (False, Session(record=RECORD, session_id=ID)),
    (False, Session(record=RECORD, damaged=("environment",))),
    (False, Session(record=RECORD, pane=LIVE)),
    (False, Session(record=RECORD, exit_status=1)),
    (False, Session(record=RECORD, stopped=True)),
    (False, Session()),
]


@pytest.mark.parametrize(("incomplete", "session"), INCOMPLETE)
def test_a_launch_that_was_ended_before_codex_was_given_anything(incomplete: bool, session: Session) -> None:
    assert session.incomplete is incomplete
