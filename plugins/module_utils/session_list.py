# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""All sessions of a worker in one probe: what is on record, what runs, and what codex is doing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from . import screen
from .errors import UnknownObservation
from .layout import TaskLayout
from .probe import Section
from .rollout import TURN_STARTED
from .session_plan import describe, terminal_of_record
from .task_probe import Session, TaskView, Worker, Workspace, parse_session, parse_worker

#: shell: ``session_list`` prints a section a session; the end of a rollout is enough to know its last turn
SHELL_SESSION_LIST = r"""
session_list() {
  codex_dir='' ttyd='' digest=''
  if [ -n "$root" ]; then expand "$root"; trim; else data_root; fi
  real "$REPLY"; root=$REPLY
  emit root "$root"
  for _record in "$root"/*/session; do
    [ -f "$_record" ] || continue
    task=${_record%/session}; name=${task##*/}
    [ -z "$only" ] || [ "$name" = "$only" ] || continue
    section session
    emit name "$name"
    workdir=$(sed -n 's/^workdir=//p' "$_record")
    # one damaged record must not hide the other sessions
    [ -n "$workdir" ] || workdir=$task/workdir
    emit workdir "$workdir"
    runtime=''
    session_facts
    _rollout=$(newest_rollout)
    if [ -n "$_rollout" ]; then
      emit turn "$(tail -c 262144 "$_rollout" | grep -oE '"type": ?"(task_started|task_complete|turn_aborted)"' | tail -n 1)"
      emit updated "$(stat -c %Y "$_rollout")"
    fi
    [ ! -f "$workdir/optio.log" ] || emit log "$(tail -n 1 "$workdir/optio.log" | tr -d '\000-\037')"
    if [ -S "$runtime/tmux.sock" ] && [ -O "$runtime" ]; then
      tmux -S "$runtime/tmux.sock" -f /dev/null capture-pane -p -t optio: ${history:+-S -"$history"} | sed 's/^/screen+/'
    fi
  done
}
"""


def parse_sessions(sections: Sequence[Section], with_screen: bool) -> list[dict[str, Any]]:
    """Return what the session modules return, one mapping a session, in the order of their names."""
    worker = parse_worker(sections[0])
    root = sections[0].get("root")
    return [
        _entry(section, worker, root, with_screen)
        for section in sorted(sections[1:], key=lambda section: section.get("name"))
        if section.kind == "session"
    ]


def _entry(section: Section, worker: Worker, root: str, with_screen: bool) -> dict[str, Any]:
    name, workdir = section.get("name"), section.get("workdir")
    session = parse_session(section)
    if not name or not workdir:
        raise UnknownObservation(f"the probe gave session {name!r} the workdir {workdir!r}")
    layout = TaskLayout(name, f"{root}/{name}", workdir, session.runtime)
    shown = section.text("screen") or ""
    entry = describe(TaskView(worker, layout, Workspace(), session), session.status, terminal_of_record(session))
    entry.update(
        activity=activity(session, section.get("turn"), shown),
        started=_number(session.record.get("started")),
        updated=section.number("updated"),
        log=section.get("log") or None,
        terminal="running" if session.terminal_alive else "dead",
    )
    if with_screen:
        entry["screen"] = shown.rstrip("\n") if session.status == "running" else None
    return entry


def activity(session: Session, turn: str, shown: str) -> str | None:
    """Return what a running codex does: working, idle, waiting (for a choice) or starting; None when it does not run.

    ``turn`` is the last turn event in the rollout's end: an open turn is work even where the screen is silent.
    """
    if session.status != "running":
        return None
    if screen.is_menu(shown):
        return "waiting"
    if session.rollout and (not turn or TURN_STARTED in turn):
        return "working"
    if screen.is_working(shown):
        return "working"
    if session.rollout or screen.is_ready(shown):
        return "idle"
    return "starting"


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isdigit() else None
