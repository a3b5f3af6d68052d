# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The launch script of a session: codex's command line, and the trust of the workdir that it sets."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from .._core.executor import FileText, Handler, Undo
from .._core.paths import TAG_VARIABLE
from .._core.plan import UNKNOWN, Action, Plan
from .._core.toml import toml_value
from .._session.codex_options import CodexOptions
from .._session.layout import SessionPaths
from .._session.project_trust import NONE, TRUSTED, UNTRUSTED, Entry, launch_trust, read_project, unused_warning
from .._session.state import ObservedSession
from .._session.tmux_settings import TMUX_SESSION
from .acknowledged import Answers, Questions
from .permissions import RECORD_LINE, SandboxAccess, has_profile, sandbox_arguments
from .project_root import root_settings
from .watcher import end_lines, start_lines, watcher_settings

#: bytes that are kept of the last screen: 200 columns of 50 rows in any language
SCREEN_LIMIT = 1 << 16
NO_SETTINGS: Mapping[str, Any] = MappingProxyType({})


def codex_arguments(
    options: CodexOptions, layout: SessionPaths, settings: Mapping[str, Any] = NO_SETTINGS, access: SandboxAccess | None = None
) -> list[str]:
    """Return codex's arguments, without the program itself.

    The workdir is the real path: codex looks trust up by it. Trust is given here rather than in a file, because a
    second table for the same directory stops codex from starting. The other ``settings`` are here because codex
    rewrites its file.
    """
    workdir = layout.workdir
    arguments = ["resume", options.resume_id, "-C", workdir] if options.resume_id else []
    arguments += ["--ask-for-approval", options.approval_policy, *sandbox_arguments(options, layout, access or SandboxAccess())]
    arguments += command_environment(layout, options.excluded_variables)
    if options.trust in ("trusted", "untrusted"):
        # codex takes its -c values as TOML, and only the inline form may hold a quoted path
        arguments += ["-c", f"projects={toml_value({workdir: {'trust_level': options.trust}})}"]
    for name, value in settings.items():
        arguments += ["-c", f"{name}={toml_value(value)}"]
    if options.model:
        arguments += ["--model", options.model]
    if options.prompt:
        # a prompt may begin with a dash
        arguments += ["--", options.prompt]
    return arguments


def command_environment(layout: SessionPaths, configured: Sequence[str]) -> list[str]:
    """Return the arguments that set a separate home for the commands of codex; ``configured`` are variables that they do not get.

    Each variable is a setting of its own: codex adds it to those of its file, which may be secret.
    """
    variables = [f"shell_environment_policy.set.{name}={toml_value(value)}" for name, value in layout.command_variables().items()]
    excluded = [*configured, "CODEX_HOME"]
    return [word for setting in (*variables, f"shell_environment_policy.exclude={toml_value(excluded)}") for word in ("-c", setting)]


def _end_script(log: str, socket: str) -> str:
    """Return the part of the script that follows codex's end; ``log`` and ``socket`` are quoted."""
    return f"""\
rm -f "$1/.exit" "$1/.screen" "$1/screen"
# before the exit status, so that every look that finds the one finds the other
if [ "$status" != 0 ] && [ ! -e "$1/stopped" ] && command -v timeout >/dev/null; then
  timeout -s KILL 5 "$2" -S {socket} -f /dev/null capture-pane -p -J -t {TMUX_SESSION}: 2>/dev/null | head -c {SCREEN_LIMIT} >"$1/.screen"
  mv -f "$1/.screen" "$1/screen"
fi
# mv would put it into a directory that a link leads to
[ ! -L "$1/exit" ] || rm -f "$1/exit"
printf '%s %s %s\\n' "$status" "$(date -u +%s)" "$(stat -c %Y {log} 2>/dev/null)" >"$1/.exit" && mv -f "$1/.exit" "$1/exit"
# a sandboxed command may put a link or a pipe there, and no sandbox confines this shell
if [ ! -e "$1/stopped" ] && [ ! -L {log} ] && case $(stat -c '%F %h' {log} 2>/dev/null) in '' | regular*' 1') ;; *) false ;; esac; then
  if [ "$status" = 0 ]; then echo "DONE: codex exited"; else echo "ERROR: codex exited $status"; fi >>{log}
fi
# read before the wait: a resume may have written others by its end
terminals=$(cat "$1/terminal" "$1/watch" 2>/dev/null)
# whoever waits for the launch reads the last screen before it goes
[ "$status" = 0 ] || [ -e "$1/stopped" ] || sleep 1
# nothing is left to show; the tag tells a terminal from anybody else's process, the start time from a later one
printf '%s\\n' "$terminals" | while read -r pid started _port; do
  if [ -n "$pid" ] && grep -qF "{TAG_VARIABLE}=$1:" "/proc/$pid/environ" 2>/dev/null; then
    [ "$(sed 's/.*) //' "/proc/$pid/stat" | cut -d ' ' -f 20)" != "$started" ] || kill "$pid"
  fi
done
"""


def launcher_script(layout: SessionPaths, arguments: Sequence[str], gives_prompt: bool = False, watched: bool = False) -> str:
    """Return the script that runs codex in the pane and records its end, first where the agent cannot forge it.

    ``gives_prompt`` records before codex runs that its prompt is given; without that record it does not run. ``watched`` is
    whether the session reports its activity.
    """
    quoted = {
        name: shlex.quote(value)
        for name, value in {
            "task": layout.task,
            "workdir": layout.workdir,
            "codex": layout.codex_path,
            "log": layout.log,
            "socket": layout.tmux_socket,
            "link_directory": layout.codex_link.rpartition("/")[0],
        }.items()
    }
    command = " ".join([quoted["codex"], *(shlex.quote(argument) for argument in arguments)])
    # a link in a place of the mark's is not written through
    free = 'rm -f "$1/.prompt" && { [ ! -L "$1/prompt" ] || rm -f "$1/prompt"; }'
    mark = f' && {free} && date -u +%s >"$1/.prompt" && mv -f "$1/.prompt" "$1/prompt"' if gives_prompt else ""
    # after a loss of power now, the prompt must not be repeated
    durable = '  sync "$1/prompt" "$1" 2>/dev/null\n' if gives_prompt else ""
    return f"""#!/bin/sh
# Written by optio.codex.session; the next launch writes it again.
# A trap that does something keeps this shell alive to tell the end, and codex gets the default signals back.
trap : HUP INT TERM
# positional parameters, because the session's own variables may have any name
set -- {quoted["task"]} "$(command -v tmux)"
{start_lines(layout) if watched else ""}. "$1/environment"
# last: codex runs some programs outside its sandbox, and its tool commands can write to this directory
PATH=$PATH:{quoted["link_directory"]}
export PATH
if cd {quoted["workdir"]}{mark}; then
{durable}  {command}
  status=$?
else
  status=125
fi
{_end_script(quoted["log"], quoted["socket"])}{end_lines(layout) if watched else ""}"""


def launcher_payload(view: ObservedSession, codex: CodexOptions, actions: Iterable[Action], watched: bool) -> DeferredLauncher:
    """Return the payload of the launcher."""
    return DeferredLauncher(view.layout, codex, launch_trust(view, codex.trust, actions), watched)


@dataclass(frozen=True)
class DeferredLauncher:
    """The payload of a launcher, whose text is complete once the project is there and codex has been asked."""

    layout: SessionPaths
    #: with ``trust`` as in the options
    codex: CodexOptions
    #: unknown while the project is still to be cloned
    trust: str | None
    #: the session reports its activity
    watched: bool = False

    def script(self, trust: str | None, settings: Mapping[str, Any] = NO_SETTINGS, access: SandboxAccess | None = None) -> FileText:
        """Return the script for a decision on trust, further settings of codex and the access of its sandbox."""
        settings = {**settings, **(watcher_settings() if self.watched else {})}
        arguments = codex_arguments(replace(self.codex, trust=trust), self.layout, settings, access)
        gives_prompt = bool(self.codex.prompt) and not self.codex.resume_id
        return FileText(launcher_script(self.layout, arguments, gives_prompt, self.watched), 0o700)


class LaunchDecision:
    """The trust of a launch, and the answers to codex's questions, once the project's files are there."""

    def __init__(
        self, plan: Plan, layout: SessionPaths, questions: Questions, find_access: Callable[[CodexOptions], SandboxAccess]
    ) -> None:
        self._layout, self._questions, self._find_access = layout, questions, find_access
        self.trust: str = plan.result.get("trust") or NONE
        self.project: list[Entry] = plan.result.get("project_config") or []
        self.answers = Answers()
        self.has_profile = False
        #: set only if it was not known before
        self.warning: str | None = None

    def writing(self, write: Handler) -> Handler:
        """Return the handler of ``write`` that looks at the project before the launcher is written, and decides where it must.

        The decision goes into the record, which is written after the launcher.
        """

        def handler(action: Action) -> Undo | None:
            if action.target == self._layout.record:
                lines = "".join(f"{name}={value}\n" for name, value in self.record().items())
                return write(replace(action, payload=replace(action.payload, text=action.payload.text + lines)))
            if action.target != self._layout.launcher:
                return write(action)
            found = read_project(self._layout.workdir)
            self.project = found or []
            payload: DeferredLauncher = action.payload
            trust = payload.trust
            if trust == UNKNOWN:
                trust = self.trust = TRUSTED if found is None else UNTRUSTED
                self.warning = None if found is None else unused_warning(self._layout.name, found)
            self.answers = self._questions.answers(replace(payload.codex, trust=trust), payload.codex.trust, found is not None)
            access = self._find_access(payload.codex)
            self.has_profile = has_profile(payload.codex, self._layout, access)
            settings = {**self.answers.settings, **root_settings(self._layout)}
            return _with_undo(access.undo, lambda: write(replace(action, payload=payload.script(trust, settings, access))))

        return handler

    def record(self, answered: Sequence[dict[str, Any]] = ()) -> dict[str, str]:
        """Return the lines of the session's record; ``answered`` are the questions that codex asked in spite of it."""
        acknowledged = json.dumps(self.answers.with_keys(answered))
        profile = {RECORD_LINE: "1"} if self.has_profile else {}
        return {"trust": self.trust, "project": json.dumps(self.project), "acknowledged": acknowledged, **profile}


def _with_undo(undo: Undo, write: Callable[[], Undo | None]) -> Undo:
    """Write, and return the undo of the two; ``undo`` alone if the write fails."""
    try:
        undo_write = write()
    except BaseException:
        undo()
        raise

    def undo_both() -> None:
        if undo_write is not None:
            undo_write()
        undo()

    return undo_both
