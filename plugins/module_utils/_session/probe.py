# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a worker says of one session: its tools, the task's files, the session's processes. One shell script, one parser."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from .._core.errors import OptioError, UnknownObservation
from .._codex.requirements import SHELL_POLICY
from .layout import RUNTIME_ROOT, SHELL_DIRECTORIES, SYSTEM_CACHE, TaskLayout, runtime_digest, task_layout
from .._core.probe import Section, assignments, compose
from .._core.processes import parse_stat, stat_is_alive
from .probe_shell import SHELL_SESSION
from .ttyd import SHELL_TERMINAL

#: of a pid, a time, a port or an exit status; what is longer is none of them
_NUMBER = re.compile(r"-?[0-9]{1,18}\Z")
#: shell: tools of the worker; ``real`` sets REPLY to a path without links, as far as the path exists, and it says the
#: same once the rest exists too, because a session is known by the text of its path
SHELL_WORKER = rf"""
real() {{
  # a relative directory has no end to climb to, and the parser refuses it
  case $1 in /*) ;; *) REPLY=$1; return ;; esac
  _dir=$1 _rest=
  while :; do
    case $_dir in
      *//*) _dir=${{_dir%%//*}}/${{_dir#*//}} ;;
      */./*) _dir=${{_dir%%/./*}}/${{_dir#*/./}} ;;
      */.) _dir=${{_dir%/.}} ;;
      *) break ;;
    esac
  done
  while [ ! -d "$_dir" ]; do _rest=/${{_dir##*/}}$_rest; _dir=${{_dir%/*}}; [ -n "$_dir" ] || _dir=/; done
  REPLY=$(cd -P -- "$_dir" && pwd -P) || REPLY=$_dir
  case $REPLY in /) REPLY=${{_rest:-/}} ;; *) REPLY=$REPLY$_rest ;; esac
}}
program() {{ REPLY=$(command -v "$1") || REPLY=; case $REPLY in /*) ;; *) REPLY= ;; esac; }}
cached() {{
  user_cache
  for _cache in "$REPLY" {SYSTEM_CACHE}; do
    if [ -f "$_cache/$1" ] && [ -x "$_cache/$1" ]; then REPLY=$(readlink -f "$_cache/$1"); return; fi
  done
  REPLY=
}}
worker_facts() {{
  emit system "$(uname -s)"; emit machine "$(uname -m)"; emit node "$(uname -n)"
  emit user "$(id -un)"; emit home "$HOME"; emit path "$PATH"
  uid=$(id -u); emit uid "$uid"
  privileged=${{OPTIO_PRIVILEGED:-0}}
  [ "$uid" != 0 ] || privileged=1
  emit privileged "$privileged"
  systemd=0
  if [ "$privileged" = 1 ] && [ -d /run/systemd/system ]; then systemd=1; fi
  emit systemd "$systemd"
  user_manager=0
  if [ -d /run/systemd/system ] && [ -S "/run/user/$uid/systemd/private" ]; then user_manager=1; fi
  emit user_manager "$user_manager"
  program tmux; emit tmux "$REPLY"
  program git; emit git "$REPLY"
}}
codex_program() {{
  if [ -n "$codex_dir" ]; then
    expand "$codex_dir"; trim; emit codex_dir "$REPLY"
    if [ -f "$REPLY/codex" ] && [ -x "$REPLY/codex" ]; then REPLY=$(readlink -f "$REPLY/codex"); else REPLY=; fi
  else
    cached codex
  fi
  emit codex "$REPLY"
}}
"""

#: shell: the files and processes of the task in ``$task``, ``$workdir`` and ``$runtime``; ``lines`` prints a file as a
#: text, and ends its last line, which would else run into the next field, whatever its last byte is
SHELL_TASK = (
    SHELL_TERMINAL
    + SHELL_SESSION
    + rf"""
lines() {{ sed "s/^/$1+/" "$2"; [ -z "$(tail -c 1 "$2" | tr '\000' '?')" ] || echo; }}
kind() {{ if [ -d "$1" ]; then REPLY=directory; elif [ -e "$1" ] || [ -L "$1" ]; then REPLY=other; else REPLY=absent; fi; }}
task_paths() {{
  if [ -n "$root" ]; then expand "$root"; trim; else data_root; fi
  real "$REPLY"; root=$REPLY; task=$root/$name
  emit root "$root"
  if [ "$privileged" = 1 ]; then runtime={RUNTIME_ROOT}/$name; else runtime=$root/.run/$digest; fi
}}
task_workdir() {{
  record_facts
  if [ -n "$workdir" ]; then
    expand "$workdir"; trim; real "$REPLY"; workdir=$REPLY
  else
    workdir=${{_workdir:-$task/workdir}}
  fi
  emit workdir "$workdir"
}}
# a sandbox that is killed leaves an empty file or directory in the place of what it kept from being made
has_settings() {{
  if [ -L "$1" ]; then return 0; elif [ -d "$1" ]; then [ -n "$(ls -A "$1" 2>&1)" ]; return; fi
  [ -e "$1" ] && ! {{ [ -f "$1" ] && [ ! -s "$1" ]; }}
}}
workspace_facts() {{
  kind "$task"; emit task_kind "$REPLY"
  if [ -d "$task" ] && ! [ -O "$task" ]; then emit task_foreign 1; fi
  kind "$workdir"; emit workdir_kind "$REPLY"
  if [ "$REPLY" = directory ]; then
    for _entry in "$workdir"/* "$workdir"/.[!.]* "$workdir"/..?*; do
      if [ -e "$_entry" ] || [ -L "$_entry" ]; then emit workdir_filled 1; break; fi
    done
  fi
  for _dir in .codex .config .local/share .local/bin .cache; do
    [ -d "$workdir/home/$_dir" ] || emit home_incomplete 1
  done
  # a link or a file of that name is the project's too
  ! has_settings "$workdir/.codex" || emit project_config 1
  kind "$workdir/home"; emit home_kind "$REPLY"
  if [ "$REPLY" = directory ] && ! [ -d "$workdir/home/.codex" ] && [ -n "$(ls -A "$workdir/home")" ]; then
    emit home_foreign 1
  fi
  # the agent can write there, and a line break in a value would make the whole answer unknown
  [ ! -L "$workdir/home/.local/bin/codex" ] || {{ _link=$(readlink "$workdir/home/.local/bin/codex"); emit link "${{_link%%"$NL"*}}"; }}
  kind "$workdir/home/.codex/config.toml"; emit config_kind "$REPLY"
  [ ! -f "$workdir/AGENTS.md" ] || {{ emit instructions 1; lines instructions "$workdir/AGENTS.md"; }}
  for _log in optio.log optio.log.old resume.log; do
    if [ -e "$workdir/$_log" ] || [ -L "$workdir/$_log" ]; then echo "logs+$_log"; fi
  done
  # codex's sandbox may leave an empty directory there when it is killed
  if [ -e "$workdir/.git/HEAD" ]; then
    emit git_kind directory
    [ ! -f "$workdir/.git/info/exclude" ] || lines exclude "$workdir/.git/info/exclude"
  fi
}}
"""
)

_ONE_TASK = """
codex_program
ttyd_program
task_paths
task_workdir
workspace_facts
session_facts
web_group_facts
[ "$sweep" != 1 ] || leftovers
"""


def task_script(name: str, *, user: str | None, sweep: bool, **places: str | None) -> str:
    """Return the probe of one task; ``sweep`` also looks for every process and unit that the session left."""
    variables = task_variables(name, sweep=sweep, **places)
    return compose(f"{SHELL_DIRECTORIES}{SHELL_WORKER}{SHELL_TASK}{SHELL_POLICY}\nworker_facts\npolicy_facts\n{_ONE_TASK}", variables, user)


def task_variables(name: str, *, sweep: bool, **places: str | None) -> dict[str, str]:
    """Return the shell variables that say which task a probe looks at; ``places`` are the options that do."""
    given = {option: places.get(option) or "" for option in ("root", "workdir", "codex_dir", "ttyd", "web_group")}
    return {"name": name, **given, "digest": runtime_digest(name), "sweep": "1" if sweep else "0"}


def tasks_script(tasks: Sequence[Mapping[str, str]], user: str | None) -> str:
    """Return the probe of many tasks of one user: a section ``task`` for each, after what is true of the worker."""
    each = "".join(f"(\n{assignments(variables)}section task\n{_ONE_TASK})\n" for variables in tasks)
    return compose(f"{SHELL_DIRECTORIES}{SHELL_WORKER}{SHELL_TASK}{SHELL_POLICY}\nworker_facts\npolicy_facts\n{each}", {}, user)


def sections_of_tasks(sections: Sequence[Section]) -> list[Section]:
    """Return of that probe's answer what the probe of each task alone would have said."""
    worker = sections[0]
    return [Section("worker", {**worker.fields, **section.fields}, {**worker.lines, **section.lines}) for section in sections[1:]]


@dataclass(frozen=True)
class Worker:
    """What a session needs of its worker. A missing program is the empty string."""

    system: str
    machine: str
    node: str
    user: str
    home: str
    path: str
    privileged: bool
    systemd: bool
    uid: int = 0
    #: whether the user has a systemd of its own that runs
    user_manager: bool = False
    tmux: str = ""
    git: str = ""
    codex: str = ""
    codex_dir: str = ""
    ttyd: str = ""
    #: there is no group of the name that terminal.group gives
    web_group_missing: bool = False
    #: lines of the policy that the worker's owner enforces
    requirements: tuple[str, ...] = ()

    @property
    def runtime_root(self) -> str | None:
        """The directory of all sessions' sockets, None where each user's own data directory holds them."""
        return RUNTIME_ROOT if self.privileged else None


@dataclass(frozen=True)
class Workspace:
    """What is there of a task's files. A kind is ``absent``, ``directory`` or ``other``."""

    task_kind: str = "absent"
    task_foreign: bool = False
    workdir_kind: str = "absent"
    workdir_filled: bool = False
    home_kind: str = "absent"
    home_complete: bool = False
    #: a directory of that name that no session has made
    home_foreign: bool = False
    link: str | None = None
    config_kind: str = "absent"
    instructions: str | None = None
    #: the names of the logs that are there
    logs: tuple[str, ...] = ()
    is_repository: bool = False
    exclude: tuple[str, ...] = ()
    #: the project brings settings for codex, and what they are, which no shell can tell
    project_config: bool = False
    project: tuple[dict[str, Any], ...] | None = None


@dataclass(frozen=True)
class Pane:
    """The one pane of a live session: pids of the launcher, of the tmux server, and of codex."""

    launcher: int
    server: int
    dead: bool
    in_mode: bool
    created: int
    codex: int | None = None


@dataclass(frozen=True)
class Session:
    """What is there of a task's session."""

    record: Mapping[str, str] = field(default_factory=dict)
    #: the names of the state files that are there and tell nothing, or not all that they should
    damaged: tuple[str, ...] = ()
    runtime: str = ""
    runtime_kind: str = "absent"
    runtime_foreign: bool = False
    #: the tmux server at the session's socket runs another task
    pane_foreign: bool = False
    #: somebody else's file is where the package's tmux server would listen
    socket_foreign: bool = False
    pane: Pane | None = None
    #: the pane's tmux server does not answer at its socket
    unreachable: bool = False
    #: of a live session that the Python package optio-codex launched and that is not on record here
    adoptable: Pane | None = None
    exit_status: int | None = None
    ended: int | None = None
    stopped: bool = False
    terminal_pid: int | None = None
    terminal_alive: bool = False
    terminal_socket: bool = False
    terminal_port: int | None = None
    #: the second terminal, which only shows
    watch_pid: int | None = None
    watch_alive: bool = False
    watch_socket: bool = False
    #: the group of the directory for a web server, None where there is no such directory
    web_group: str | None = None
    leftovers: tuple[int, ...] = ()
    units: tuple[str, ...] = ()
    #: the newest rollout by its id, whose time is in it; file names use local time
    session_id: str | None = None
    rollout: str | None = None

    @property
    def on_record(self) -> bool:
        """Whether there is a record, a damaged one too: what was said in its session is not lost with it."""
        return bool(self.record) or "session" in self.damaged

    @property
    def terminal_serves(self) -> bool:
        """Whether the terminal runs, and a browser can reach it."""
        return self.terminal_alive and bool(self.terminal_port or self.terminal_socket)

    @property
    def watch_serves(self) -> bool:
        """Whether the second terminal does."""
        return self.watch_alive and self.watch_socket

    @property
    def adopted(self) -> bool:
        """Whether the Python package optio-codex launched what is on record."""
        return self.record.get("adopted") == "1"

    @property
    def status(self) -> str:
        """Return absent, running, finished, stopped, or lost (gone without an exit status)."""
        if self.pane is not None and not self.pane.dead and self.exit_status is None:
            return "running"
        if not self.on_record:
            return "absent"
        if self.stopped:
            return "stopped"
        return "finished" if self.exit_status is not None else "lost"


@dataclass(frozen=True)
class TaskView:
    """Everything that one probe of a task says."""

    worker: Worker
    layout: TaskLayout
    workspace: Workspace
    session: Session

    @property
    def supervisor(self) -> str:
        """What keeps the processes of a session that is launched now."""
        if self.layout.in_runtime_root:
            return "systemd" if self.worker.systemd else "detached"
        return "systemd-user" if self.worker.user_manager else "detached"

    @property
    def keeper(self) -> str:
        """What keeps the processes that are there: by the record, and by their units where there is none.

        The record is its user's own file, so root's systemd is believed only where the sockets are root's too.
        """
        units = "systemd" if self.layout.in_runtime_root else "systemd-user"
        recorded = self.session.record.get("supervisor") or (units if self.session.units else self.supervisor)
        return recorded if recorded in (units, "detached") else "detached"


def parse_task(sections: Sequence[Section], name: str) -> TaskView:
    """Return the view of one task; raise OptioError for a worker that cannot have sessions at all."""
    facts = sections[0]
    worker = parse_worker(facts)
    session = parse_session(facts)
    root, workdir = facts.get("root"), facts.get("workdir")
    if not root.startswith("/") or not workdir.startswith("/"):
        raise UnknownObservation(f"the task's paths are {root!r} and {workdir!r}")
    if "/" in (root, workdir):
        raise OptioError("root" if root == "/" else "workdir", "is the file system's root", "Choose a directory of its own")
    layout = task_layout(name, root, workdir, worker.runtime_root)
    if session.on_record and session.runtime in (f"{RUNTIME_ROOT}/{name}", f"{root}/.run/{runtime_digest(name)}"):
        layout = replace(layout, runtime=session.runtime)
    if session.adopted and session.pane is not None:
        layout = replace(layout, adopted=True)
    return TaskView(worker, layout, parse_workspace(facts), session)


def parse_worker(facts: Section) -> Worker:
    """Return the worker's part of a probe's answer."""
    if facts.flag("user_missing"):
        raise OptioError("user", "does not exist on the worker", "Create the user first, or leave the option out")
    if facts.flag("user_refused"):
        raise OptioError("user", "only root can act as another user", "Set become: true for this task")
    worker = Worker(
        **{name: facts.get(name) for name in ("system", "machine", "node", "user", "home", "path")},
        privileged=facts.flag("privileged"),
        systemd=facts.flag("systemd"),
        uid=facts.number("uid") or 0,
        user_manager=facts.flag("user_manager"),
        **{name: facts.get(name) for name in ("tmux", "git", "codex", "codex_dir", "ttyd")},
        web_group_missing=facts.flag("web_group_missing"),
        requirements=tuple(facts.lines.get("requirements", ())),
    )
    if not worker.system or not worker.user:
        raise UnknownObservation("the worker did not say what it is")
    if worker.system != "Linux":
        raise OptioError(f"worker {worker.node}", f"runs {worker.system}, and sessions need Linux", "Take it out of the play's hosts")
    return worker


def parse_workspace(facts: Section) -> Workspace:
    """Return the part of a probe's answer that tells of the task's files."""
    return Workspace(
        task_kind=facts.get("task_kind"),
        task_foreign=facts.flag("task_foreign"),
        workdir_kind=facts.get("workdir_kind"),
        workdir_filled=facts.flag("workdir_filled"),
        home_kind=facts.get("home_kind"),
        home_complete=not facts.flag("home_incomplete"),
        home_foreign=facts.flag("home_foreign"),
        link=facts.get("link") or None,
        config_kind=facts.get("config_kind"),
        instructions=(facts.text("instructions") or "") if facts.flag("instructions") else None,
        logs=tuple(facts.lines.get("logs", ())),
        is_repository=facts.get("git_kind") == "directory",
        exclude=tuple(facts.lines.get("exclude", ())),
        project_config=facts.flag("project_config"),
    )


def parse_session(facts: Section) -> Session:
    """Return the part of a probe's answer that tells of the session."""
    record = dict(line.partition("=")[::2] for line in facts.lines.get("record", ()))
    exit_status, ended = _numbers(facts.get("exit"), 2)
    rollout = facts.get("rollout")
    terminal_pid, started, port = _numbers(facts.get("terminal"), 3)
    watch_pid, watch_started = _numbers(facts.get("watch"), 2)
    began, watch_began = (parse_stat(facts.get(name))[1] for name in ("terminal_stat", "watch_stat"))
    # one that is not as it is on record is the session's terminal all the same
    odd = {"terminal": began not in (None, started), "watch": watch_began not in (None, watch_started)}
    damaged = [*facts.lines.get("damaged", []), *(name for name, is_odd in odd.items() if is_odd)]
    return Session(
        record=record,
        damaged=tuple(damaged),
        runtime=facts.get("runtime"),
        runtime_kind=facts.get("runtime_kind"),
        runtime_foreign=facts.flag("runtime_foreign"),
        pane_foreign=facts.flag("pane_foreign"),
        socket_foreign=facts.flag("socket_foreign"),
        pane=_pane(facts.get("pane"), facts.get("launcher_children")),
        unreachable=facts.flag("unreachable"),
        adoptable=_pane(facts.get("adoptable"), facts.get("launcher_children")),
        exit_status=exit_status,
        ended=ended,
        stopped=facts.flag("stopped"),
        terminal_pid=terminal_pid,
        terminal_alive=stat_is_alive(facts.get("terminal_stat"), began),
        terminal_socket=facts.flag("terminal_socket"),
        terminal_port=port or None,
        watch_pid=watch_pid,
        watch_alive=stat_is_alive(facts.get("watch_stat"), watch_began),
        watch_socket=facts.flag("watch_socket"),
        web_group=facts.get("web_group") or None,
        leftovers=tuple(sorted(int(pid) for pid in facts.lines.get("left", ()) if pid.isdigit())),
        units=tuple(facts.lines.get("unit", ())),
        session_id=rollout[-42:-6] or None,
        rollout=rollout or None,
    )


def _pane(line: str, children: str) -> Pane | None:
    if not line:
        return None
    launcher, server, dead, in_mode, created = _numbers(line, 5)
    if server is None or launcher is None:
        raise UnknownObservation(f"tmux listed {line!r}")
    codex = _numbers(children, 1)[0]
    return Pane(launcher, server, bool(dead), bool(in_mode), created or 0, codex)


def _numbers(text: str, count: int) -> list[int | None]:
    """Return ``count`` numbers from a line of them, None for each that is missing or none."""
    words = text.split()
    return [int(word) if _NUMBER.match(word) else None for word in (words + [""] * count)[:count]]
