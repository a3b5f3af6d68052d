# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""All sessions of a worker in one probe: their records, processes and activities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .._codex import screen
from .._codex.mcp_failures import SHELL_MCP, parse_mcp_failures
from .._codex.rollout import shortened
from .._core.errors import OptioError, ProbeError
from .._core.paths import COPY_ROOT, SHELL_DIRECTORIES
from .._core.probe import Section, compose, compose_for_users
from .._session.layout import OWN, SessionPaths
from .._session.probe import parse_session, parse_worker, refuse_incomplete
from .._session.probe_files import LONG_LIMIT, LOOK_LIMIT, RECORD_LIMIT
from .._session.probe_shell import SHELL_TASK, SHELL_WORKER
from .._session.record import codex_version, describe, terminal_of_record
from .._session.state import ObservedSession, Session, Worker, Workspace
from .._session.terminal import all_run
from .activity import activity_since
from .activity_probe import SHELL_ACTIVITY, parse_activity

#: the status of a session that could not be examined
UNKNOWN = "unknown"

#: shell: ``session_list`` prints a section a session, of those in ``$only`` (names with spaces between) or of all
SHELL_SESSION_LIST = (
    SHELL_ACTIVITY
    + SHELL_MCP
    + r"""
session_list() {
  codex_dir='' ttyd_dir='' more='' place=${1:-}
  [ -z "$place" ] || root=$place
  if [ -n "$root" ]; then expand "$root"; trim; else data_root; fi
  real "$REPLY"; root=$REPLY
  emit root "$root"
  emit now "$(date +%s)"
  if [ "$privileged" = 1 ]; then copy="""
    + COPY_ROOT
    + r"""; else copy=$root/.records; fi
  if [ "${disk_usage:-0}" = 1 ]; then watch_over """
    + f"{LONG_LIMIT}; else watch_over {LOOK_LIMIT}"
    + r"""; fi
  for _record in "$root"/*/session "$root"/*/prompt "$copy"/*/record; do
    [ -e "$_record" ] || [ -L "$_record" ] || continue
    _dir=${_record%/*}; name=${_dir##*/} task=$root/${_dir##*/}
    case " $only " in '  ' | *" $name "*) ;; *) continue ;; esac
    # a directory that several users share; each of them is asked
    [ -z "$place" ] || [ ! -e "$task" ] || [ -O "$task" ] || continue
    # a session whose record or whose directory is gone is known by its prompt's mark, or by the record's copy
    case $_record in
      */prompt) if [ -e "$task/session" ] || [ -L "$task/session" ]; then continue; fi ;;
      "$_dir/record")
        if [ -e "$task/session" ] || [ -L "$task/session" ] || [ -e "$task/prompt" ]; then continue; fi
        if [ ! -f "$_record" ] || ! head -c """
    + f"{RECORD_LIMIT}"
    + r""" "$_record" | grep -qxF "task=$task"; then continue; fi ;;
    esac
    section session
    emit name "$name"
    # one damaged record must not hide the other sessions
    ( list_one; : ) || cut_off
  done
  watch_off
}
list_one() {
  record_facts
  workdir=${_workdir:-$task/workdir}
  emit workdir "$workdir"
  case $_codex in */releases/*) emit newest_codex "$(readlink -f "${_codex%%/releases/*}/codex")" ;; esac
  session_places
  runtime='' digest=''
  session_facts
  activity_facts
  if [ "${disk_usage:-0}" = 1 ]; then
    emit workdir_kib "$(du -sk "$workdir" | cut -f 1)"
    emit home_kib "$(du -sk "$home" | cut -f 1)"
  fi
  if [ -n "$_pane" ] && own_socket "$socket"; then
    screen_facts
    mcp_facts
  elif [ -z "$_pane" ] && [ -n "$_exit" ] && is_small screen; then
    lines screen "$task/screen"
  fi
}
mcp_facts() {
  mcp_configured "$home/.codex/config.toml" "$workdir/.codex/config.toml" "$task/launch.sh" || return 0
  _pid=${_pane%% *}
  _pid=$(cat "/proc/$_pid/task/$_pid/children"); _pid=${_pid%% *}
  [ -z "$_pid" ] || mcp_log "$home/.codex" "$_pid"
  ask_tmux -S "$socket" -f /dev/null capture-pane -p -t optio: -S - | mcp_shown
}
"""
)

#: shell: prints the users that may have sessions, each with a sessions directory: root's own, those whose sessions root
#: has launched, and users that have the default directory
SHELL_USERS = (
    SHELL_DIRECTORIES
    + r"""
if [ -n "$root" ]; then expand "$root"; trim; else data_root; fi
printf '%s %s\n' "$(id -un)" "$REPLY"
for _record in """
    + COPY_ROOT
    + r"""/*/record; do
  [ -f "$_record" ] || continue
  _user='' _task=''
  while IFS= read -r _line; do
    case $_line in user=*) _user=${_line#user=} ;; task=/*) _task=${_line#task=} ;; esac
  done <"$_record"
  [ -z "$_user" ] || [ -z "$_task" ] || printf '%s %s\n' "$_user" "${_task%/*}"
done
getent passwd | while IFS=: read -r _user _x _x _x _x _home _x; do
  [ ! -d "$_home/.local/share/optio-codex" ] || printf '%s %s\n' "$_user" "$_home/.local/share/optio-codex"
done
"""
)


def list_script(
    names: Sequence[str],
    *,
    user: str | None,
    sessions_dir: str | None,
    history: str = "",
    disk_usage: bool = False,
    all_users: bool = False,
) -> str:
    """Return the probe of a user's sessions below ``sessions_dir``: of the specified ones, without ``names`` of all.

    With ``all_users``, root asks every user, and there is an answer for each.
    """
    variables = {
        "only": " ".join(names),
        "root": sessions_dir or "",
        "history": history,
        "disk_usage": "1" if disk_usage else "0",
    }
    body = f'{SHELL_DIRECTORIES}{SHELL_WORKER}{SHELL_TASK}{SHELL_SESSION_LIST}\nworker_facts\nsession_list "${{1:-}}"\n'
    return compose_for_users(body, variables, SHELL_USERS) if all_users else compose(body, variables, user)


def parse_sessions(sections: Sequence[Section], with_screen: bool) -> list[dict[str, Any]]:
    """Return the sessions as the session modules do, one mapping each, sorted by name."""
    worker = parse_worker(sections[0])
    return [
        _entry(section, sections[0], worker, with_screen)
        for section in sorted(sections[1:], key=lambda section: section.get("name"))
        if section.kind == "session"
    ]


def unknown_warnings(entries: Sequence[dict[str, Any]]) -> tuple[str, ...]:
    """Return a warning for each session that could not be examined."""
    return tuple(entry["error"] for entry in entries if entry["status"] == UNKNOWN)


def _entry(section: Section, facts: Section, worker: Worker, with_screen: bool) -> dict[str, Any]:
    try:
        refuse_incomplete(section, section.get("name"))
        return _known_entry(section, facts, worker, with_screen)
    except (OptioError, ProbeError) as error:
        name = section.get("name")
        if not name:
            raise
        # nothing else of the answer is taken, and the other sessions are returned as they are
        empty = Section("session", {"name": name, "workdir": f"{facts.get('root')}/{name}/workdir"})
        known = _known_entry(empty, facts, worker, with_screen)
        return {**known, "status": UNKNOWN, "error": str(error), "terminal": None}


def _known_entry(section: Section, facts: Section, worker: Worker, with_screen: bool) -> dict[str, Any]:
    name, workdir = section.get("name"), section.get("workdir")
    session = parse_session(section)
    if not name or not workdir:
        raise ProbeError(f"the probe gave session {name!r} the workdir {workdir!r}")
    adopted = session.adopted and session.pane is not None
    origin = section.get("origin") or OWN
    layout = SessionPaths(name, f"{facts.get('root')}/{name}", workdir, session.runtime, adopted, origin)
    shown = section.text("screen") or ""
    current, talk, log, times = parse_activity(section, session, facts)
    terminal = terminal_of_record(session)
    entry = describe(ObservedSession(worker, layout, Workspace(), session), session.status, terminal)
    updated = section.number("updated")
    entry.update(
        activity=current,
        activity_since=activity_since(current, session, talk, times, updated),
        worker_version=codex_version(section.get("newest_codex")),
        turn=talk.turn,
        turns=talk.turns if session.rollout else 0,
        turns_ended=talk.ended if session.rollout else 0,
        error=talk.error or (screen.error_line(shown) if talk.turn == "failed" else None) or _last_error(session, shown),
        message=talk.message,
        tokens=talk.tokens,
        usage_limit=talk.usage.as_result() if talk.usage else None,
        mcp_failures=parse_mcp_failures(section) if session.status == "running" else [],
        started_at=_number(session.record.get("started")),
        updated_at=updated,
        log=log.line,
        progress=log.as_result(),
        rollout=session.rollout,
        disk_usage=_disk_usage(section),
        # an adopted session's terminal belongs to the Python package
        terminal=None if session.adopted else "running" if all_run(terminal, session) else "dead",
    )
    if with_screen:
        entry["screen"] = shown.rstrip("\n") if session.status == "running" or _has_failed(session) else None
    return entry


def _has_failed(session: Session) -> bool:
    return session.status == "finished" and session.exit_status != 0


def _last_error(session: Session, shown: str) -> str | None:
    """Return codex's output when it ended with an error."""
    error = screen.exit_error(shown) if _has_failed(session) else None
    return shortened(error) if error else None


def _disk_usage(section: Section) -> dict[str, int | None]:
    """Return the bytes on disk of a session's files, None if missing or not requested."""
    workdir, home = (section.number(name) for name in ("workdir_kib", "home_kib"))
    return {
        "workdir": None if workdir is None else workdir * 1024,
        "home": None if home is None else home * 1024,
        "rollout": section.number("rollout_size"),
    }


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 19 else None
