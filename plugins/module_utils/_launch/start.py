# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Starts a session: tmux with codex, and ttyd, each until it is ready; a failed start stops its processes."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from .._codex import rollout_files, screen
from .._core import files, processes
from .._core.errors import OptioError
from .._core.executor import Undo
from .._core.host import Host
from .._core.plan import Action, Plan
from .._core.process_limits import is_exhausted, process_limit_error, read_limits
from .._session import ttyd
from .._session.command_line import TerminalOptions, terminal_place, ttyd_start
from .._session.limits import LIMITS, unenforced, unenforced_warning
from .._session.record import options_of_record
from .._session.record_copy import GIVEN, RecordCopy
from .._session.sandbox_remains import create_shared
from .._session.state import ObservedSession, Session
from .._session.supervisor import Detached, NoLingering, Supervisor, supervisor_of
from .._session.terminal import terminal_target
from .acknowledged import FOLDER, MODEL, entry
from .repair import check_environment
from .stop import StopSteps

#: seconds between two looks at a process that is starting or ending
POLL = 0.03
TERMINAL_TIMEOUT = 10.0
#: seconds after which an unchanged screen is final: a composer without the line below it, which the user's settings
#: may hide, and a menu; both are also drawn for a moment while codex starts
SETTLED = 2.0
#: seconds in which codex takes input on a machine that is not overloaded; on a slower one, its questions come later too
USUAL_START = 3.0
#: the longest wait for such a question, in seconds, and the time between two looks
LATE_QUESTION, LOOK = 10.0, 0.25
#: seconds for a tmux server to recreate its socket
RECONNECT_TIMEOUT = 3.0
#: codex's messages, by its version, if it cannot read a conversation
RESUME_REFUSED = ("Failed to resume session", "No saved session found")
#: bytes that must be free for a session's files: those of a launch, and codex's first ones
ROOM = 1 << 20


class SessionSteps(StopSteps):
    """Carries out the actions of one session's plan, as the session's user."""

    def __init__(
        self, host: Host, view: ObservedSession, supervisor: Supervisor | None = None, *, ready_timeout: float, stop_timeout: float
    ) -> None:
        super().__init__(host, view, supervisor, stop_timeout=stop_timeout)
        self._launching = supervisor or supervisor_of(view.supervisor, host, view)
        self._ready_timeout = ready_timeout
        self._tasks_max = ""
        #: seconds until codex took input
        self._took = 0.0
        #: fields of the record that are known only once the session runs
        self.launched: dict[str, str] = {}
        #: the questions that were answered by a key
        self.answered: list[dict[str, Any]] = []

    def check_launch(self, plan: Plan) -> None:
        """Raise OptioError for a launch that would stop the running session and then fail."""
        layout = self._layout
        self.check_terminal(plan.actions_of_kind("open")[0].payload)
        files.check_space(layout.task, ROOM)
        if not any(action.target == layout.environment for action in plan.actions_of_kind("write")):
            damaged = "environment" in self._view.session.damaged
            check_environment(None if damaged else files.read_text(layout.environment), layout)

    def copy_record(self, action: Action) -> Undo:
        """Copy the record out of the session's directory, with the state of the prompt."""
        return RecordCopy(self._host, self._layout).write(files.read_text(self._layout.record) or "", action.payload)

    def check_running(self) -> None:
        """Look again at a codex that was ready: it may draw its composer before it asks a question, or before it ends with an error.

        A question that a launch answers is answered. After a slow start with a prompt, it is awaited for as long as the start took,
        or until the conversation begins. Raises OptioError if codex has ended with another status than 0.
        """
        now = self._host.monotonic
        prompted = os.path.exists(self._layout.prompt_mark) and not self._view.session.prompt_mark
        deadline = now() + (min(self._took, LATE_QUESTION) if prompted and self._took > USUAL_START else 0)
        while self._ready_timeout > 0:
            shown = self._tmux.capture() or ""
            ended = files.read_text(self._layout.exit_status) or "0"
            if not ended.startswith("0"):
                self._raise_not_ready(f"codex ended with exit status {ended.split()[0]} right after its start", shown)
            if self._question(shown):
                self._await_ready()
                return
            if now() >= deadline or self.newer_rollout():
                return
            self._host.sleep(LOOK)

    def check_launched(self, after: Session) -> None:
        """Raise OptioError if a session was ready, and by its last observation is gone without a regular end."""
        if self._ready_timeout > 0 and (after.status == "lost" or (after.status == "finished" and after.exit_status)):
            self._raise_not_ready("codex was killed, or could not start a process, right after its start", "")

    def record_launch(self, decided: Mapping[str, str], started: int | None = None) -> None:
        """Add to the record the values that a launch has only when it runs; ``started`` is its time, by default now."""
        known = {**self.launched, **decided, "started": int(time.time()) if started is None else started}
        record = files.read_text(self._layout.record) or ""
        text = record + "".join(f"{name}={value}\n" for name, value in known.items())
        files.write_text(self._layout.record, text, follow=False)
        given = os.path.exists(self._layout.prompt_mark)
        RecordCopy(self._host, self._layout).write(text, GIVEN if given else None)

    def complete(self, _action: Action) -> None:
        """Record the values that an interrupted launch did not record: the session has been running since."""
        session = self._view.session
        options = options_of_record(session) or {}
        limits = {name: str(options[name]) for name in LIMITS if options.get(name)}
        self.launched = {"supervisor": self._supervisor.name, "unenforced": ",".join(self._unenforced(limits))}
        self.record_launch({}, session.pane.created if session.pane else None)

    def newer_rollout(self) -> str | None:
        """Return the rollout of a conversation newer than the plan's, None if there is none."""
        newest = rollout_files.newest(f"{self._layout.codex_home}/sessions")
        return newest if newest and rollout_files.session_id_of(newest) != self._view.session.session_id else None

    def reconnect(self, action: Action) -> None:
        """Make a tmux server listen again after its socket was removed or replaced; its codex does not notice."""
        pane, path = self._view.session.pane, self._layout.tmux_socket
        if not os.path.isdir(self._layout.runtime):
            self.runtime.create(Action("create_runtime", self._layout.runtime))
        files.remove(path)
        processes.send([pane.server] if pane else [], signal.SIGUSR1)
        deadline = self._host.monotonic() + RECONNECT_TIMEOUT
        while self._tmux.capture() is None:
            if self._host.monotonic() >= deadline:
                raise OptioError(
                    f"session {self._layout.name}",
                    f"the tmux server of session {self._layout.name} does not answer on {path}, and codex runs in it",
                    "Check with ps whether it is stopped, or end both with state: restarted",
                )
            self._host.sleep(POLL)

    def start(self, action: Action) -> Undo:
        """Start tmux with codex, held to limits, and wait until codex takes input."""
        files.remove(self._layout.tmux_socket)
        self._supervisor = self._launching
        if self._host.is_root() and self._view.worker.user != "root":
            with self._host.privileged():
                create_shared()
        limits: Mapping[str, str] = action.payload or {}
        self._tasks_max = limits.get("tasks_max", "")
        begin = self._host.monotonic()
        try:
            self._start_session(limits)
            if self._ready_timeout > 0:
                self._await_ready()
            self._took = self._host.monotonic() - begin
            self.launched = {"supervisor": self._supervisor.name, "unenforced": ",".join(self._unenforced(limits))}
        except BaseException:
            self._end_everything()
            raise
        return self._end_everything

    def _start_session(self, limits: Mapping[str, str]) -> None:
        try:
            self._supervisor.start_session(self._layout, self._view.worker, limits)
        except NoLingering as reason:
            # a logout always ends a unit, but a detached process only if logind is set to kill it
            self._supervisor = Detached(self._host)
            self._supervisor.start_session(self._layout, self._view.worker, {})
            user = self._view.worker.user
            self._host.warn(
                f"session {self._layout.name} runs as a detached process, because the systemd of user {user} cannot linger after a "
                f"logout ({reason}). Run loginctl enable-linger {user} as root to have units"
            )

    def _unenforced(self, limits: Mapping[str, str]) -> tuple[str, ...]:
        unit = self._supervisor.unit_of(self._layout)
        pids = processes.in_unit(unit) if unit and limits else []
        found = unenforced(limits, unit, processes.control_groups(pids[0])) if unit and pids else tuple(limits)
        if found and self._launching.name != Detached.name:
            self._host.warn(unenforced_warning(self._layout.name, found))
        return found

    def _await_ready(self) -> None:
        now = self._host.monotonic
        deadline = now() + self._ready_timeout
        shown, kind, since, answered = "", "", now(), now() - SETTLED - 1
        while now() < deadline:
            shown = self._tmux.capture() or shown
            ended = files.read_text(self._layout.exit_status)
            if ended is not None:
                # its last output may be newer than the capture
                shown = self._tmux.capture() or shown
                self._raise_not_ready(f"codex ended with exit status {ended.split()[0]} while starting", shown)
            if screen.is_ready(shown):
                return
            # not again until the answer is visible: the next key would answer the next question
            if now() - answered > SETTLED and self._answer(shown):
                answered, kind = now(), ""
            seen = "menu" if screen.is_menu(shown) else "composer" if screen.has_composer(shown) else ""
            if seen != kind:
                kind, since = seen, now()
            if kind and now() - since > SETTLED:
                break
            self._host.sleep(POLL)
        if kind == "menu":
            self._raise_not_ready("codex waits for a choice before it takes any input", shown)
        if kind != "composer":
            self._raise_not_ready(f"codex took no input within {self._ready_timeout:g} s", shown)

    def _answer(self, shown: str) -> bool:
        """Answer a question that no setting answers, and return whether codex asks one."""
        question = self._question(shown)
        if question is None:
            return False
        key, given = question
        self._tmux.send_key(key)
        self.answered = [*(each for each in self.answered if each != given), given]
        return True

    def _question(self, shown: str) -> tuple[str, dict[str, Any]] | None:
        """Return the key that answers a question of codex, and its entry in the result; None if it does not ask one."""
        key = screen.keep_model_key(shown)
        if key:
            # a catalog that codex has just downloaded knows successors that the installed one does not
            return key, entry(MODEL, None, None)
        return ("Enter", entry(FOLDER, self._layout.workdir, "restricted")) if screen.is_restricted_question(shown) else None

    def _remedy(self, shown: str) -> str:
        if any(refusal in shown for refusal in RESUME_REFUSED):
            place = self._view.session.rollout or f"{self._layout.codex_home}/sessions"
            return (
                f"If its conversation is damaged, restore {place} from a backup, or move it elsewhere to start a new conversation "
                "without the prompt, then run again"
            )
        return "Fix the problem shown on the screen (credential, config or trust) or raise ready_timeout, then run again"

    def _raise_not_ready(self, cause: str, shown: str) -> None:
        last = screen.summary(shown)
        cause, remedy = self._exhaustion(shown) or (f"{cause}; its screen showed: {last or '(nothing)'}", self._remedy(shown))
        name = self._layout.name
        raise OptioError(f"session {name}", f"session {name} did not start: {cause}", remedy, screen=last)

    def _exhaustion(self, shown: str) -> tuple[str, str] | None:
        """Return the cause and the remedy if codex, or the worker now, cannot start a process or a thread."""
        limits = read_limits()
        if not limits.is_full and not is_exhausted(shown):
            return None
        if self._tasks_max and not limits.is_full:
            return f"codex has reached its limit of {self._tasks_max} processes and threads (tasks_max)", "Raise tasks_max"
        error = process_limit_error("codex", limits)
        return error.cause, error.remedy

    def check_terminal(self, options: TerminalOptions) -> None:
        """Raise OptioError when the terminal's port is taken, unless by the terminal that this one replaces."""
        own = self._view.session.terminal_alive and options.port == self._view.session.terminal_port
        if options.listen == "tcp" and not own:
            ttyd.choose_port(options, None)

    def open(self, options: TerminalOptions) -> Undo:
        """Start ttyd and wait until it serves; a dead one's socket is removed first."""
        layout = self._layout
        if options.listen == "tcp":
            options = replace(options, port=ttyd.choose_port(options, self._view.session.terminal_port))
        else:
            files.remove(terminal_place(layout, options)[0])
        files.remove(layout.watch_log if options.second else layout.terminal_log)
        record = layout.watch if options.second else layout.terminal
        if os.path.basename(record) in self._view.session.damaged:
            files.remove(record)
        argv = ttyd_start(self._view.worker.ttyd, layout, options, self._view.worker.node)
        pid = self._supervisor.start_terminal(layout, self._view.worker, argv, second=options.second)
        try:
            started = self._await_terminal(pid, options)
            port = options.port if options.listen == "tcp" else 0
            files.write_text(layout.watch if options.second else layout.terminal, f"{pid} {started} {port}\n", follow=False)
        except BaseException:
            self._close(pid, options)
            raise
        return lambda: self._close(pid, options)

    def _await_terminal(self, pid: int, options: TerminalOptions) -> int:
        deadline = self._host.monotonic() + TERMINAL_TIMEOUT
        while self._host.monotonic() < deadline:
            state, started = processes.read_stat(pid)
            alive = processes.is_running(pid) and bool(state)
            if alive and started is not None and ttyd.accepts_connections(self._layout, options):
                return started
            if not alive:
                break
            self._host.sleep(POLL)
        log = files.read_text(self._layout.watch_log if options.second else self._layout.terminal_log) or ""
        raise OptioError(
            f"terminal {terminal_target(self._layout, options)}",
            f"ttyd did not serve terminal {terminal_target(self._layout, options)}: {ttyd.last_error(log)}",
            "Set another terminal.port if this one is in use, or install a ttyd known to work with optio.codex.ttyd_release",
        )
