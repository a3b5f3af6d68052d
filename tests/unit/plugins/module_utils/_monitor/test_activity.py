# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The activity of a session, by tables of its exit status, screen, rollout, log and times."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.optio.codex.plugins.module_utils._codex.rollout import RolloutSummary
from ansible_collections.optio.codex.plugins.module_utils._core.probe import Section
from ansible_collections.optio.codex.plugins.module_utils._launch.spec import SessionSpec
from ansible_collections.optio.codex.plugins.module_utils._monitor.activity import (
    FRESH,
    PROMPTED,
    Times,
    activity,
    activity_since,
    times_of,
    with_message,
)
from ansible_collections.optio.codex.plugins.module_utils._session.agent_log import Log
from ansible_collections.optio.codex.tests.unit.support.session_builders import FIXTURES, PANE, session_of

LAUNCHED = SessionSpec()
RUNNING = session_of("running", LAUNCHED)
ROLLOUT = "/w/home/.codex/sessions/2026/11/22/rollout-2026-11-22T10-00-00-01a202d2-04bc-7371-ae76-9a22157469e5.jsonl"
NOW, BEFORE, AFTER = 1795343650, 1795343600, 1795343700


def screen_of(name: str) -> str:
    return (FIXTURES / "screens" / f"{name}.txt").read_text()


#: (a conversation is on record, how its last turn stands, what the screen shows, what codex does)
ACTIVITIES: list[tuple[bool, str | None, str, str]] = [
    (False, None, "", "starting"),
    (False, None, "0.169.0-loading", "starting"),
    (False, None, "0.142.5-loading", "starting"),
    (False, None, "0.169.0-idle", "idle"),
    (False, None, "0.142.5-login", "waiting"),
    (False, None, "0.169.0-trust", "waiting"),
    (False, None, "0.169.0-model-nag", "waiting"),
    (False, None, "0.142.5-working", "working"),
    (True, None, "0.169.0-idle", "working"),
    (True, "open", "0.169.0-working", "working"),
    # no release says so while it writes its answer
    (True, "open", "0.169.0-streaming", "working"),
    (True, "open", "0.142.5-streaming", "working"),
    (True, "open", "0.142.5-approval", "waiting"),
    (True, "complete", "0.169.0-tool-call", "idle"),
    (True, "failed", "0.142.5-failed-turn", "failed"),
    (True, "failed", "0.169.0-dead-key", "failed"),
    # somebody has said something else meanwhile
    (True, "failed", "0.142.5-working", "working"),
    (True, "interrupted", "0.169.0-interrupted", "idle"),
    # the next turn has begun and is not on record yet
    (True, "complete", "0.142.5-working", "working"),
    # the user's settings may hide the line by which the composer is known
    (True, "complete", "", "idle"),
]


TALKING = replace(RUNNING, rollout=ROLLOUT, session_id="01a202d2-04bc-7371-ae76-9a22157469e5")


@pytest.mark.parametrize(("said", "turn", "shown", "expected"), ACTIVITIES)
def test_what_codex_does(said: bool, turn: str | None, shown: str, expected: str) -> None:
    session = TALKING if said else RUNNING
    assert activity(session, RolloutSummary(turn), Log(), screen_of(shown) if shown else "", Times(begun=said)) == expected


@pytest.mark.parametrize(("shown", "expected"), [("0.169.0-idle", "idle"), ("0.169.0-working", "working"), ("", "unknown")])
def test_a_rollout_without_turns_leaves_it_to_the_screen(shown: str, expected: str) -> None:
    assert activity(TALKING, RolloutSummary(), Log(), screen_of(shown) if shown else "", Times(fresh=False)) == expected


#: (how the last turn of an earlier launch stands, what the screen shows, whether there is a prompt, what codex does)
AGAIN: list[tuple[str, str, bool, str]] = [
    ("failed", "", False, "starting"),
    ("complete", "0.169.0-loading", False, "starting"),
    ("open", "0.169.0-idle", False, "idle"),
    ("failed", "0.142.5-idle", False, "idle"),
    ("complete", "0.169.0-idle", True, "starting"),
    ("complete", "0.169.0-working", True, "working"),
    ("open", "0.169.0-trust", True, "waiting"),
]


@pytest.mark.parametrize(("turn", "shown", "prompted", "expected"), AGAIN)
def test_a_rollout_of_an_earlier_launch_is_ignored(turn: str, shown: str, prompted: bool, expected: str) -> None:
    times = Times(begun=False, prompted=prompted)
    seen = activity(TALKING, RolloutSummary(turn, NOW), Log(outcome="done", changed=NOW), screen_of(shown) if shown else "", times)
    assert seen == expected


def test_a_prompt_is_begun_with_before_codex_is_idle() -> None:
    idle = screen_of("0.169.0-idle")
    assert activity(RUNNING, RolloutSummary(), Log(), idle, Times(begun=False, prompted=True)) == "starting"
    assert activity(RUNNING, RolloutSummary(), Log(), idle, Times(begun=False)) == "idle"


#: (the outcome in the log, when it was written, when the last turn began, how that ended, what follows)
DECLARED: list[tuple[str | None, int | None, int | None, str, str]] = [
    ("done", NOW, NOW, "complete", "done"),
    ("done", NOW, BEFORE, "complete", "done"),
    ("error", NOW, BEFORE, "complete", "failed"),
    (None, NOW, BEFORE, "complete", "idle"),
    ("done", NOW, BEFORE, "interrupted", "done"),
    # of the turn before, so that it says nothing of this one
    ("done", BEFORE, NOW, "complete", "idle"),
    ("error", BEFORE, NOW, "complete", "idle"),
    # a turn that failed, and one that is under way, are nearer than what was declared
    ("done", NOW, BEFORE, "failed", "failed"),
    ("done", NOW, BEFORE, "open", "working"),
    ("done", None, NOW, "complete", "done"),
    ("done", NOW, None, "complete", "done"),
]


@pytest.mark.parametrize(("outcome", "changed", "began", "turn", "expected"), DECLARED)
def test_the_outcome_that_the_agent_declared(outcome: str | None, changed: int | None, began: int | None, turn: str, expected: str) -> None:
    seen = activity(TALKING, RolloutSummary(turn, began), Log(outcome=outcome, changed=changed), screen_of("0.169.0-idle"), Times())
    assert seen == expected


#: (the exit status, the state of the last turn, the outcome in the log, the time of that, when the turn began, the activity)
ENDED: list[tuple[int, str | None, str | None, int | None, int, str]] = [
    (0, "complete", None, None, BEFORE, "ended"),
    (0, "complete", "done", NOW, BEFORE, "done"),
    (0, "complete", "error", NOW, BEFORE, "failed"),
    (0, "interrupted", None, None, BEFORE, "ended"),
    (0, None, None, None, BEFORE, "ended"),
    # of an earlier turn
    (0, "complete", "done", BEFORE, NOW, "ended"),
    # a person ends codex in the middle of a turn
    (0, "open", "done", NOW, BEFORE, "ended"),
    (0, "failed", "done", NOW, BEFORE, "failed"),
    # another exit status weighs more than what the agent has declared
    (1, "complete", "done", NOW, BEFORE, "failed"),
    (143, "open", None, None, BEFORE, "failed"),
]


@pytest.mark.parametrize(("exit_status", "turn", "outcome", "changed", "began", "expected"), ENDED)
def test_a_session_that_ended_by_itself(
    exit_status: int, turn: str | None, outcome: str | None, changed: int | None, began: int, expected: str
) -> None:
    session = session_of("finished", LAUNCHED, rollout=ROLLOUT, exit_status=exit_status)
    assert activity(session, RolloutSummary(turn, began), Log(outcome=outcome, changed=changed), "", Times()) == expected


def test_a_session_that_ended_at_a_limit() -> None:
    session = session_of("finished", LAUNCHED, rollout=ROLLOUT, exit_status=0)
    assert activity(session, RolloutSummary("failed", limited=True), Log(), "", Times()) == "ended"


@pytest.mark.parametrize("status", ["absent", "stopped", "lost"])
def test_the_activity_of_a_stopped_session_is_unknown(status: str) -> None:
    session = session_of(status, LAUNCHED, rollout=ROLLOUT)
    assert activity(session, RolloutSummary("open"), Log(outcome="done"), screen_of("0.169.0-working"), Times()) is None


# a usage limit

#: (the state of the last turn, whether the rollout says that a limit ended it, what failed, what the screen shows, the activity)
LIMITED: list[tuple[str, bool, str | None, str, str]] = [
    ("failed", True, None, "0.142.5-limit", "limited"),
    ("failed", True, "You have hit your usage limit.", "0.169.0-limit", "limited"),
    # the question for another model, which codex asks at a limit that is reached, and near one
    ("failed", True, None, "0.142.5-limit-question", "limited"),
    ("failed", True, None, "0.169.0-limit-question", "limited"),
    ("complete", False, None, "0.169.0-limit-question", "waiting"),
    # another question
    ("failed", True, None, "0.169.0-model-nag", "waiting"),
    ("complete", False, None, "0.169.0-near-limit", "idle"),
    # the next turn
    ("open", False, None, "0.142.5-limit", "working"),
    ("failed", True, None, "0.142.5-working", "working"),
    # 0.142.5 without a limit on record
    ("failed", False, None, "0.142.5-limit", "limited"),
    ("failed", False, "503 Service Unavailable", "0.142.5-limit", "failed"),
    ("failed", False, None, "0.142.5-dead-key", "failed"),
    ("complete", False, None, "0.142.5-limit", "idle"),
]


@pytest.mark.parametrize(("turn", "limited", "error", "shown", "expected"), LIMITED)
def test_a_usage_limit(turn: str, limited: bool, error: str | None, shown: str, expected: str) -> None:
    talk = RolloutSummary(turn, limited=limited, error=error)
    # what was declared before does not count
    assert activity(TALKING, talk, Log(outcome=None), screen_of(shown), Times()) == expected
    if expected == "limited":
        assert activity(TALKING, talk, Log(outcome="done", changed=NOW), screen_of(shown), Times()) == expected
        resumed = activity(TALKING, talk, Log(), screen_of("0.169.0-idle"), Times(begun=False))
        assert resumed == "idle", "a new launch may have another credential"


# the agent's last message

ENTERED = Log("STATUS: on it", NOW, status="on it", newest="STATUS")
FINISHED = Log("DONE: in the log", NOW, outcome="done", outcome_text="in the log", newest="DONE")
FAILED = Log("ERROR: in the log", NOW, outcome="error", outcome_text="in the log", newest="ERROR")
NOTED = Log("ATTENTION: look", NOW, attention="look", outcome="done", outcome_text="in the log", newest="ATTENTION")
CHATTER = Log("bye", NOW, status="on it")

#: (the outcome in the agent's message, when its turn ended, the log, which was changed at NOW, the outcome, its text)
MESSAGES: list[tuple[str | None, int | None, Log, str | None, str | None]] = [
    # without a declaration in the message, the log counts
    (None, AFTER, Log(), None, None),
    (None, AFTER, ENTERED, None, None),
    (None, BEFORE, FINISHED, "done", "in the log"),
    (None, AFTER, FAILED, "error", "in the log"),
    # without one in the log, the message counts
    ("done", AFTER, Log(), "done", "said"),
    ("error", AFTER, Log(), "error", "said"),
    ("done", AFTER, ENTERED, "done", "said"),
    ("done", NOW, ENTERED, "done", "said"),
    ("done", None, ENTERED, "done", "said"),
    # with both, the later one: the message comes after everything that was entered in its turn
    ("done", AFTER, FAILED, "done", "said"),
    ("error", NOW, FINISHED, "error", "said"),
    ("done", AFTER, FINISHED, "done", "said"),
    ("error", AFTER, NOTED, "error", "said"),
    # an entry after the turn, by a program that the agent has left running
    ("done", BEFORE, FAILED, "error", "in the log"),
    ("error", BEFORE, FINISHED, "done", "in the log"),
    ("done", BEFORE, ENTERED, None, None),
    # neither a request for attention nor another line takes an outcome back
    ("error", BEFORE, NOTED, "error", "said"),
    ("done", BEFORE, CHATTER, "done", "said"),
    # the time of the agent's last entry is not known, because codex has ended
    ("done", BEFORE, replace(ENTERED, changed=None), "done", "said"),
]


@pytest.mark.parametrize(("declared", "ended", "log", "outcome", "text"), MESSAGES)
def test_the_last_message_counts_as_an_entry_at_the_end_of_its_turn(
    declared: str | None, ended: int | None, log: Log, outcome: str | None, text: str | None
) -> None:
    talk = RolloutSummary("complete", BEFORE - 9, turn_ended=ended, outcome=declared, outcome_text="said" if declared else None)
    both = with_message(log, talk, Times())
    assert (both.outcome, both.outcome_text) == (outcome, text)
    expected = {"done": "done", "error": "failed", None: "idle"}[outcome]
    assert activity(TALKING, talk, both, screen_of("0.169.0-idle"), Times()) == expected
    finished = session_of("finished", LAUNCHED, rollout=ROLLOUT, exit_status=0)
    assert activity(finished, talk, both, "", Times()) == (expected if outcome else "ended")
    # everything else is as in the log
    assert replace(both, outcome=None, outcome_text=None, changed=None) == replace(log, outcome=None, outcome_text=None, changed=None)


def test_a_message_declares_though_the_log_is_of_an_earlier_turn() -> None:
    talk = RolloutSummary("complete", NOW, turn_ended=AFTER, outcome="done")
    both = with_message(Log("STATUS: x", BEFORE, status="x", newest="STATUS"), talk, Times())
    assert activity(TALKING, talk, both, screen_of("0.169.0-idle"), Times()) == "done"


def test_a_message_before_the_launch_does_not_count() -> None:
    talk = RolloutSummary("complete", BEFORE, turn_ended=BEFORE, outcome="done")
    assert with_message(Log(), talk, Times(launched=NOW)).outcome is None
    assert with_message(Log(), talk, Times(launched=BEFORE)).outcome == "done"


# the end of the start

MOVED = 10 * PROMPTED
#: (seconds since the launch, seconds from the launch to the rollout's last change, the screen, without and with a prompt)
STARTS: list[tuple[int, int | None, str, str, str]] = [
    (0, None, "", "starting", "starting"),
    (PROMPTED - 1, None, "", "starting", "starting"),
    (PROMPTED, None, "", "unknown", "unknown"),
    (0, None, "0.169.0-idle", "idle", "starting"),
    (PROMPTED - 1, None, "0.169.0-idle", "idle", "starting"),
    (PROMPTED, None, "0.169.0-idle", "idle", "idle"),
    (PROMPTED, None, "0.169.0-loading", "unknown", "unknown"),
    (PROMPTED, None, "0.142.5-login", "waiting", "waiting"),
    (0, None, "0.142.5-login", "waiting", "waiting"),
    (PROMPTED, None, "0.142.5-working", "working", "working"),
    # of an earlier launch, or put in the place of the one that was written
    (0, -5, "", "starting", "starting"),
    (PROMPTED, -5, "", "unknown", "unknown"),
    (PROMPTED, -5, "0.169.0-idle", "idle", "idle"),
    # of this launch
    (PROMPTED, 0, "", "done", "done"),
    # the clock was set back: a little, by much, and by much after codex has begun
    (-5, None, "", "starting", "starting"),
    (-MOVED, None, "", "unknown", "unknown"),
    (-MOVED, None, "0.169.0-idle", "idle", "idle"),
    (-MOVED, -MOVED - 9, "0.169.0-idle", "done", "done"),
    # it was set forward
    (MOVED, MOVED - 9, "0.169.0-idle", "done", "done"),
]


@pytest.mark.parametrize(("age", "updated", "shown", "expected", "with_prompt"), STARTS)
def test_every_start_has_an_end(age: int, updated: int | None, shown: str, expected: str, with_prompt: str) -> None:
    session = replace(TALKING, pane=replace(PANE, created=NOW))
    fields = {} if updated is None else {"updated": str(NOW + updated)}
    facts = Section("worker", {"now": str(NOW + age)})
    talk = RolloutSummary() if updated is None else RolloutSummary("complete")
    for prompted, activity_then in (({}, expected), ({"prompted": "1"}, with_prompt)):
        times = times_of(Section("session", {**fields, **prompted}), session, facts)
        assert activity(session, talk, Log(outcome="done"), screen_of(shown) if shown else "", times) == activity_then


@pytest.mark.parametrize(
    ("age", "shown", "expected"),
    [(0, "0.169.0-idle", "working"), (FRESH, "0.169.0-idle", "idle"), (FRESH, "", "unknown"), (-FRESH, "0.169.0-idle", "idle")],
)
def test_a_rollout_without_events(age: int, shown: str, expected: str) -> None:
    session = replace(TALKING, pane=replace(PANE, created=BEFORE))
    times = times_of(Section("session", {"updated": str(NOW)}), session, Section("worker", {"now": str(NOW + age)}))
    assert activity(session, RolloutSummary(), Log(), screen_of(shown) if shown else "", times) == expected


def test_a_session_whose_terminal_server_does_not_answer_is_not_starting() -> None:
    session = replace(RUNNING, pane=replace(PANE, created=0), unreachable=True)
    times = times_of(Section("session", {}), session, Section("worker", {"now": str(NOW)}))
    assert activity(session, RolloutSummary(), Log(), "", times) == "unknown"


#: (the activity, how the last turn stands with its times, whether it is of this launch, when it was launched, when the activity began)
SINCE: list[tuple[str | None, RolloutSummary, bool, int, int | None]] = [
    ("starting", RolloutSummary(), False, BEFORE, BEFORE),
    ("unknown", RolloutSummary(turn="complete", turn_ended=7), True, BEFORE, BEFORE),
    ("idle", RolloutSummary(turn="complete", turn_ended=7), False, BEFORE, BEFORE),
    ("starting", RolloutSummary(), False, 0, None),
    ("working", RolloutSummary(turn="open", turn_started=BEFORE), True, 1, BEFORE),
    ("working", RolloutSummary(turn="open"), True, 1, NOW),
    # the next turn has begun and is not on record yet
    ("working", RolloutSummary(turn="complete", turn_started=BEFORE, turn_ended=BEFORE), True, 1, NOW),
    ("waiting", RolloutSummary(turn="open", turn_started=BEFORE), True, 1, NOW),
    ("idle", RolloutSummary(turn="complete", turn_started=1, turn_ended=BEFORE), True, 1, BEFORE),
    ("limited", RolloutSummary(turn="failed", turn_ended=BEFORE), True, 1, BEFORE),
    ("failed", RolloutSummary(turn="failed"), True, 1, NOW),
]


@pytest.mark.parametrize(("shown", "talk", "begun", "launched", "since"), SINCE)
def test_when_an_activity_began(shown: str | None, talk: RolloutSummary, begun: bool, launched: int, since: int | None) -> None:
    times = Times(begun=begun, launched=launched)
    assert activity_since(shown, RUNNING, talk, times, NOW) == since


def test_a_session_that_does_not_run_is_in_its_state_since_its_end() -> None:
    ended = replace(session_of("running", LAUNCHED), pane=None, exit_status=0, ended=AFTER)
    assert activity_since("done", ended, RolloutSummary(turn_ended=BEFORE), Times(), NOW) == AFTER
