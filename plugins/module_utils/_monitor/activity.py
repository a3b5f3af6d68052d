# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The activity of a session: from its exit status, its screen, its rollout and the agent's log."""

from __future__ import annotations

from dataclasses import dataclass, replace

from .._codex import screen
from .._codex.rollout import RolloutSummary
from .._core.probe import Section
from .._session.agent_log import Log
from .._session.state import Session

#: seconds in which a rollout without any event counts as a new one
FRESH = 5
#: seconds after a launch in which codex may still be starting, or may not have begun with the prompt of its launch
PROMPTED = 60
#: log entries that take back, or replace, an outcome that the agent declared before
_RECONSIDERED = ("STATUS", "DONE", "ERROR")


@dataclass(frozen=True)
class Times:
    """Conclusions from the times of a session."""

    #: codex has written to the rollout since it was launched
    begun: bool = True
    #: the rollout may be a new one
    fresh: bool = True
    #: codex was launched with a prompt lately
    prompted: bool = False
    #: codex was launched lately
    young: bool = True
    #: the time of the launch in seconds since the epoch, 0 if it is not known
    launched: int = 0


def times_of(section: Section, session: Session, facts: Section) -> Times:
    """Return the times of a running session, by the clock of its worker.

    If the clock was set back since the launch, the launch is in the future. Then the rollout counts, and the start is over. A launch
    that continued a conversation without a message does not begin anything.
    """
    updated, now = section.number("updated"), facts.number("now") or 0
    launched = session.pane.created if session.pane and not session.continued else 0
    young = abs(now - launched) < PROMPTED
    return Times(
        begun=updated is not None and (updated >= launched or launched - now >= PROMPTED),
        fresh=updated is not None and abs(now - updated) < FRESH,
        prompted=section.flag("prompted") and young,
        young=young,
        launched=launched,
    )


def activity(session: Session, talk: RolloutSummary, log: Log, shown: str, times: Times) -> str | None:
    """Return the activity of codex, or the outcome of its work; ``log`` includes the agent's last message (``with_message``).

    None for a session that was stopped or lost, because its outcome is unknown. An open turn is work even if the screen
    does not change. A rollout that codex has not written to since its launch is of an earlier launch.
    """
    if session.status == "finished":
        return _of_finished(session, talk, log)
    if session.status != "running":
        return None
    limited = times.begun and is_limited(talk, shown)
    if screen.is_menu(shown) and not (limited and screen.is_limit_question(shown)):
        return "waiting"
    if screen.is_working(shown):
        return "working"
    if not times.begun:
        return _of_start(shown, times)
    return "limited" if limited else _of_turn(talk, log, shown, times)


def activity_since(shown: str | None, session: Session, talk: RolloutSummary, times: Times, updated: int | None) -> int | None:
    """Return when the activity ``shown`` began, in seconds since the epoch; ``updated`` is the last change of the rollout."""
    if session.status != "running":
        return session.ended
    if shown in ("starting", "unknown") or not times.begun:
        return times.launched or None
    if shown == "working":
        return talk.turn_started if talk.turn == "open" and talk.turn_started else updated
    if shown == "waiting":
        return updated
    return talk.turn_ended or updated


def is_limited(talk: RolloutSummary, shown: str) -> bool:
    """Return whether a usage limit ended the last turn.

    0.142.5 does not record the reason of a failed turn. If it does not record a limit either, only its screen shows it.
    """
    return talk.limited or (talk.turn == "failed" and talk.error is None and screen.shows_reached_limit(shown))


def _of_start(shown: str, times: Times) -> str:
    """Return the activity before codex has written to a rollout; ``starting`` is limited in time."""
    ready = screen.is_ready(shown)
    if times.young:
        return "idle" if ready and not times.prompted else "starting"
    return "idle" if ready else "unknown"


def _of_turn(talk: RolloutSummary, log: Log, shown: str, times: Times) -> str:
    if talk.turn == "open":
        return "working"
    if talk.turn is None and times.fresh:
        return "working"
    if talk.turn is None and not screen.is_ready(shown):
        # a rollout without any event, and a screen that is not known
        return "unknown"
    return "failed" if talk.turn == "failed" else _declared(talk, log)


def _of_finished(session: Session, talk: RolloutSummary, log: Log) -> str:
    """Return the outcome of a session that ended by itself; exit status 0 alone, as after /quit, does not declare it done."""
    if session.exit_status != 0 or (talk.turn == "failed" and not talk.limited):
        return "failed"
    outcome = "idle" if talk.turn in ("open", "failed") else _declared(talk, log)
    return "ended" if outcome == "idle" else outcome


def _declared(talk: RolloutSummary, log: Log) -> str:
    """Return the outcome that the agent has declared since the last turn began, idle without one."""
    if talk.turn_started is not None and log.changed is not None and log.changed < talk.turn_started:
        return "idle"
    return {"done": "done", "error": "failed"}.get(log.outcome or "", "idle")


def asks_person(talk: RolloutSummary, log: Log) -> bool:
    """Return whether the agent's last entry, of its last turn, asks for the attention of a person."""
    if log.newest != "ATTENTION" or talk.turn == "open":
        return False
    return talk.turn_started is None or log.changed is None or log.changed >= talk.turn_started


def with_message(log: Log, talk: RolloutSummary, times: Times) -> Log:
    """Return the log with the outcome that the agent's last message declares, which counts as an entry at the turn's end.

    An entry that was added after the end of the turn is newer: another outcome replaces it, and a status takes it back. The
    message of a turn that ended before the launch does not count, because a launch begins with an empty log.
    """
    ended = talk.turn_ended
    if talk.outcome is None or (ended is not None and ended < times.launched):
        return log
    newer = ended is not None and log.changed is not None and log.changed > ended
    if newer and log.newest in _RECONSIDERED:
        return log
    # declared in the last turn, whenever the log was changed
    return replace(log, outcome=talk.outcome, outcome_text=talk.outcome_text, changed=None)
