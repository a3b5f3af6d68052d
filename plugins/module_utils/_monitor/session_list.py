# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""All sessions of a worker in one probe: what is on record, what runs, and what codex is doing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .._codex import screen
from .._core.errors import UnknownObservation
from .._session.layout import SHELL_DIRECTORIES, TaskLayout
from .._session.agent_log import SHELL_LOG, Log, parse_log
from .._core.probe import Section, compose
from .._codex.rollout import SHELL_ROLLOUT, Conversation, parse_rollout
from .._launch.plan import describe, terminal_of_record
from .._session.terminal import all_run
from .._core.resource import Params
from .._session.probe import SHELL_TASK, SHELL_WORKER, Session, TaskView, Worker, Workspace, parse_session, parse_worker

#: seconds in which a rollout that has no event yet is taken for one that has just begun
FRESH = 5
#: seconds in which a codex that was launched with a prompt is going to begin with it
PROMPTED = 60

#: shell: ``session_list`` prints a section a session, of those in ``$only`` (names with spaces between) or of all
SHELL_SESSION_LIST = (
    SHELL_ROLLOUT
    + SHELL_LOG
    + r"""
session_list() {
  codex_dir='' ttyd=''
  if [ -n "$root" ]; then expand "$root"; trim; else data_root; fi
  real "$REPLY"; root=$REPLY
  emit root "$root"
  emit now "$(date +%s)"
  for _record in "$root"/*/session; do
    [ -e "$_record" ] || [ -L "$_record" ] || continue
    task=${_record%/session}; name=${task##*/}
    case " $only " in '  ' | *" $name "*) ;; *) continue ;; esac
    section session
    emit name "$name"
    # one damaged record must not hide the other sessions
    record_facts
    workdir=${_workdir:-$task/workdir}
    emit workdir "$workdir"
    runtime='' digest=''
    session_facts
    [ -z "$rollout" ] || rollout_facts "$rollout"
    log_facts "$workdir/optio.log"
    if grep -qE '^  .*/home/\.local/bin/codex.* -- ' "$task/launch.sh"; then emit prompted 1; fi
    if [ "${sizes:-0}" = 1 ]; then
      emit workdir_kib "$(du -sk "$workdir" | cut -f 1)"
      emit home_kib "$(du -sk "$workdir/home" | cut -f 1)"
    fi
    if [ -n "$_pane" ] && own_socket "$socket"; then
      ask_tmux -S "$socket" -f /dev/null capture-pane -p -t optio: ${history:+-S -"$history"} | sed 's/^/screen+/'
    fi
  done
}
"""
)


def list_script(params: Params, names: Sequence[str], *, history: str = "", sizes: bool = False) -> str:
    """Return the probe of the sessions named, or of all, of the user and below the root that a module's options give."""
    variables = {"only": " ".join(names), "root": params.get("root") or "", "history": history, "sizes": "1" if sizes else "0"}
    body = f"{SHELL_DIRECTORIES}{SHELL_WORKER}{SHELL_TASK}{SHELL_SESSION_LIST}\nworker_facts\nsession_list\n"
    return compose(body, variables, params.get("user") or None)


def parse_sessions(sections: Sequence[Section], with_screen: bool) -> list[dict[str, Any]]:
    """Return what the session modules return, one mapping a session, in the order of their names."""
    worker = parse_worker(sections[0])
    return [
        _entry(section, sections[0], worker, with_screen)
        for section in sorted(sections[1:], key=lambda section: section.get("name"))
        if section.kind == "session"
    ]


def _entry(section: Section, facts: Section, worker: Worker, with_screen: bool) -> dict[str, Any]:
    name, workdir = section.get("name"), section.get("workdir")
    session = parse_session(section)
    if not name or not workdir:
        raise UnknownObservation(f"the probe gave session {name!r} the workdir {workdir!r}")
    adopted = session.adopted and session.pane is not None
    layout = TaskLayout(name, f"{facts.get('root')}/{name}", workdir, session.runtime, adopted)
    shown = section.text("screen") or ""
    talk, log = parse_rollout(section), parse_log(section)
    terminal = terminal_of_record(session)
    entry = describe(TaskView(worker, layout, Workspace(), session), session.status, terminal)
    entry.update(
        activity=activity(session, talk, log, shown, _times(section, session, facts)),
        turn=talk.turn,
        turns=talk.turns if session.rollout else 0,
        turns_ended=talk.ended if session.rollout else 0,
        error=talk.error or (screen.error_line(shown) if talk.turn == "failed" else None),
        message=talk.message,
        tokens=talk.tokens,
        started=_number(session.record.get("started")),
        updated=section.number("updated"),
        log=log.line,
        progress=log.as_result(),
        rollout=session.rollout,
        sizes=_sizes(section),
        # that of an adopted session is for whoever launched it
        terminal=None if session.adopted else "running" if all_run(terminal, session) else "dead",
    )
    if with_screen:
        entry["screen"] = shown.rstrip("\n") if session.status == "running" else None
    return entry


@dataclass(frozen=True)
class Times:
    """What the times of a session say of its rollout and of its launch."""

    #: codex has written to the rollout since it was launched
    begun: bool = True
    #: the rollout may be one that has just begun
    fresh: bool = True
    #: codex was launched with a prompt lately
    prompted: bool = False


def _times(section: Section, session: Session, facts: Section) -> Times:
    updated, now = section.number("updated"), facts.number("now") or 0
    launched = session.pane.created if session.pane else 0
    return Times(
        begun=updated is not None and updated >= launched,
        fresh=updated is not None and now - updated < FRESH,
        prompted=section.flag("prompted") and now - launched < PROMPTED,
    )


def activity(session: Session, talk: Conversation, log: Log, shown: str, times: Times) -> str | None:
    """Return what codex does (starting, working, idle, waiting), or how its task came out (done, failed).

    None for a session that was ended or lost, for nobody knows how its task came out. An open turn is work even where
    the screen is silent. A rollout that codex has not written to since its launch is of an earlier one.
    """
    if session.status == "finished":
        return "done" if session.exit_status == 0 else "failed"
    if session.status != "running":
        return None
    if screen.is_menu(shown):
        return "waiting"
    if screen.is_working(shown):
        return "working"
    if not times.begun:
        return "idle" if screen.is_ready(shown) and not times.prompted else "starting"
    # without any event it has just begun, or it is damaged, and then the screen has to do
    if talk.turn == "open" or (talk.turn is None and (times.fresh or not screen.is_ready(shown))):
        return "working"
    return "failed" if talk.turn == "failed" else _declared(talk, log)


def _declared(talk: Conversation, log: Log) -> str:
    """Return how the task came out by the agent's own word, idle when it gave none since the last turn began."""
    if talk.turn_started is not None and log.changed is not None and log.changed < talk.turn_started:
        return "idle"
    return {"done": "done", "error": "failed"}.get(log.outcome or "", "idle")


def _sizes(section: Section) -> dict[str, int | None]:
    """Return the bytes on disk of a session's files, None for what was not asked for or is not there."""
    workdir, home = (section.number(name) for name in ("workdir_kib", "home_kib"))
    return {
        "workdir": None if workdir is None else workdir * 1024,
        "home": None if home is None else home * 1024,
        "rollout": section.number("rollout_size"),
    }


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 19 else None
