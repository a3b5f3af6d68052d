# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The part of a session's probe that its activity follows from: the rollout, the agent's log and the screen."""

from __future__ import annotations

from typing import NamedTuple

from .._codex import screen
from .._codex.rollout import SHELL_ROLLOUT, RolloutSummary, parse_rollout
from .._core.probe import Section
from .._session.agent_log import SHELL_LOG, Log, parse_log
from .._session.probe import MoreFacts
from .._session.state import Session
from .activity import Times, activity, times_of, with_message

# Inputs: task, log_dir, and rollout, socket and _pane from session_facts; history, the lines above the screen, is optional
#: shell: ``activity_facts`` prints the facts of the rollout and of the log, ``screen_facts`` the screen, ``upgrade_facts`` all of them
SHELL_ACTIVITY = (
    SHELL_ROLLOUT
    + SHELL_LOG
    + r"""
activity_facts() {
  [ -z "$rollout" ] || rollout_facts "$rollout"
  reading "$log_dir/optio.log" log_facts
  if is_small launch.sh && grep -qE '^  .*/home/\.local/bin/codex.* -- ' "$task/launch.sh"; then emit prompted 1; fi
}
# with -e, the screen has its colors
screen_facts() {
  ask_tmux -S "$socket" -f /dev/null capture-pane -p "$@" -t optio: ${history:+-S -"$history"} | sed 's/^/screen+/'
}
upgrade_facts() {
  emit now "$(date +%s)"
  activity_facts
  if [ -n "$_pane" ] && own_socket "$socket"; then screen_facts -e; fi
}
"""
)
#: for the probe of one session
UPGRADE_FACTS = MoreFacts("upgrade_facts", SHELL_ACTIVITY)


class Activity(NamedTuple):
    """The activity of a session, and the facts behind it."""

    activity: str | None
    talk: RolloutSummary
    log: Log
    times: Times


def parse_activity(section: Section, session: Session, facts: Section) -> Activity:
    """Return the activity by the section of a session and the ``facts`` of its worker."""
    talk, times = parse_rollout(section), times_of(section, session, facts)
    log = with_message(parse_log(section), talk, times)
    shown = screen.plain(section.text("screen") or "")
    return Activity(activity(session, talk, log, shown, times), talk, log, times)


def has_draft(section: Section) -> bool:
    """Return whether the composer contains text that was not submitted; the section's screen has its colors."""
    return bool(screen.composer(section.text("screen") or ""))
