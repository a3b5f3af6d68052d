# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether an ended session runs again: the option ``resume``, and the limit for sessions that keep ending."""

from __future__ import annotations

from dataclasses import dataclass

from .._session.state import Session

AUTO, ALWAYS, NEVER = "auto", "always", "never"
RESUME_CHOICES = (AUTO, ALWAYS, NEVER)
#: a session that ends unexpectedly is resumed at most LIMIT times in PERIOD seconds
LIMIT = 3
PERIOD = 600
#: a shell reports 128 and the signal's number for a program that a signal has ended
_FIRST_SIGNAL, _LAST_SIGNAL = 129, 192


@dataclass(frozen=True)
class ResumeDecision:
    """Whether to resume, the times of resumes to record (seconds since the epoch), and a warning or an empty string."""

    resumes: bool
    resumed_at: tuple[int, ...] = ()
    warning: str = ""


def resume_decision(session: Session, name: str, resume: str, now: int) -> ResumeDecision:
    """Return whether ``state: started`` resumes a session that has ended; ``now`` is the worker's clock."""
    recent = tuple(time for time in recorded_resumes(session) if 0 <= now - time < PERIOD)
    if resume == NEVER:
        return ResumeDecision(False, recent)
    if resume == ALWAYS or session.status == "stopped":
        return ResumeDecision(True, recent)
    if session.adopted or not ended_unexpectedly(session):
        return ResumeDecision(False, recent)
    if len(recent) >= LIMIT:
        warning = (
            f"session {name} ended {LIMIT} times within {PERIOD // 60} minutes of being resumed and is not resumed again. "
            "Check its screen and the memory of the worker, then set resume: always"
        )
        return ResumeDecision(False, recent, warning)
    return ResumeDecision(True, (*recent, now))


def ended_unexpectedly(session: Session) -> bool:
    """Return whether a session ended by a signal that this collection did not send, or left no exit status or no record."""
    if session.status in ("lost", "damaged"):
        return True
    return session.status == "finished" and _FIRST_SIGNAL <= (session.exit_status or 0) <= _LAST_SIGNAL


def recorded_resumes(session: Session) -> tuple[int, ...]:
    """Return the times at which an unexpected end was followed by a resume, in seconds since the epoch."""
    return tuple(int(time) for time in session.record.get("resumed_at", "").split(",") if time.isdecimal())
