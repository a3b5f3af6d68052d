# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Starting and ending a session's processes: the steps of its plan that are more than files."""

from __future__ import annotations

import grp
import os
import signal
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import replace
from typing import Any

from .._core import files
from .._core import processes
from .._codex import rollout
from .._codex import screen
from .._session import ttyd
from .._session.command_line import TerminalOptions, terminal_place, ttyd_start
from .._core.errors import OptioError
from .._core.host import Host
from .._session.layout import RUNTIME_ROOT, WATCH_UNIT, WEB_ROOT, TaskLayout, package_socket
from .._core.plan import Action, Plan
from .repair import check_environment
from .plan import terminal_of_record, unenforced_warning
from .._session.terminal import terminal_target
from .._core.executor import Undo
from .._session.supervisor import Detached, NoLingering, Supervisor, supervisor_of, unenforced
from .._session.probe import TaskView
from .._session.tmux import Tmux

#: seconds between two looks at a process that is starting or ending
POLL = 0.03
TERMINAL_TIMEOUT = 10.0
#: seconds after which what stands on the screen is taken for settled: a composer without the line below it, which
#: the user's settings may hide, and a menu; both are also drawn for a moment while codex starts
SETTLED = 2.0
#: seconds that a tmux server gets to make its socket anew
RECONNECT_TIMEOUT = 3.0
#: bytes that must be free where a session's files are: what a launch writes, and codex before it says anything
ROOM = 1 << 20
#: seconds that the launcher gets to write down codex's exit status
LAUNCHER_TIMEOUT = 2.0
#: seconds that tool commands get between TERM and KILL, once codex itself is gone
REMAINDER_TIMEOUT = 2.0


class SessionSteps:
    """Carries out the actions of one session's plan, as the session's user."""

    def __init__(
        self, host: Host, view: TaskView, supervisor: Supervisor | None = None, *, ready_timeout: float, stop_timeout: float
    ) -> None:
        self._host = host
        self._view = view
        # a launch is on a server of our own, whatever it goes on with
        self._layout: TaskLayout = replace(view.layout, adopted=False)
        #: of what is there, until something is launched
        self._supervisor: Supervisor = supervisor or supervisor_of(view.keeper, host, view)
        self._launching = supervisor or supervisor_of(view.supervisor, host, view)
        self._tmux = Tmux(host, self._layout.tmux_socket)
        self._ready_timeout = ready_timeout
        self._stop_timeout = stop_timeout
        #: what is known of a launch only when it runs, for the record
        self.launched: dict[str, str] = {}
        #: what did not end by itself and had to be killed: pid and command line of each
        self.stubborn: list[dict[str, Any]] = []

    def create_runtime(self, action: Action) -> Undo | None:
        """Make the 0700 directory of the sockets, owned by the session's user whoever makes it, or the web server's."""
        path = action.target
        if path == self._layout.web:
            return self._create_web(action.payload)
        if not self._layout.in_runtime_root:
            parents = files.make_directory(os.path.dirname(path))
            files.make_directory(path)

            def undo() -> None:
                files.remove(path)
                # the parents may hold by now the sockets of another session
                files.remove_empty(parents)

            return undo
        uid, gid = os.geteuid(), os.getegid()
        with self._host.privileged():
            try:
                self._make_below(RUNTIME_ROOT, path)
                os.chown(path, uid, gid)
            except OSError as error:
                raise files.failure(path, error) from error
        return lambda: self._remove_runtime(path)

    def _create_web(self, group: str) -> Undo | None:
        """Make the directory in which a web server finds sockets by their names, and can neither list nor make any.

        Its group is that of what is made in it, to which the session's user need not belong.
        """
        path, uid = self._layout.web, os.geteuid()
        made = not os.path.isdir(path)
        with self._host.privileged():
            try:
                if made:
                    self._make_below(WEB_ROOT, path)
                os.chown(path, uid, grp.getgrnam(group).gr_gid)
                os.chmod(path, 0o2710)
            except OSError as error:
                raise files.failure(path, error) from error
        return (lambda: self._remove_runtime(path)) if made else None

    @staticmethod
    def _make_below(root: str, path: str) -> None:
        for attempt in range(3):
            files.make_directory(root, 0o755)
            os.chmod(root, 0o755)
            try:
                os.mkdir(path, 0o700)
            except FileNotFoundError:
                # the end of another session, then the only one, has just taken the parent along
                if attempt == 2:
                    raise
            else:
                return

    def check_launch(self, plan: Plan) -> None:
        """Raise OptioError for a launch that is better not begun, for it would end what runs and then fail."""
        layout = self._layout
        self.check_terminal(plan.having("open")[0].payload)
        for directory in (layout.task, layout.workdir):
            files.check_space(directory, ROOM)
        if not any(action.target == layout.environment for action in plan.having("write")):
            damaged = "environment" in self._view.session.damaged
            check_environment(None if damaged else files.read_text(layout.environment), layout)

    def note_launch(self, decided: Mapping[str, str]) -> None:
        """Add to the record what is known of a launch only when it runs."""
        known = {**self.launched, "started": int(time.time()), **decided}
        record = files.read_text(self._layout.record) or ""
        files.write_text(self._layout.record, record + "".join(f"{name}={value}\n" for name, value in known.items()))

    def said_since(self) -> str | None:
        """Return the rollout of a conversation that is newer than the one that the plan was made for, None where there is none."""
        newest = rollout.newest(f"{self._layout.codex_home}/sessions")
        return newest if newest and newest[-42:-6] != self._view.session.session_id else None

    def reconnect(self, action: Action) -> None:
        """Have a tmux server listen again whose socket somebody has removed or replaced; its codex does not notice."""
        pane, path = self._view.session.pane, self._layout.tmux_socket
        if not os.path.isdir(self._layout.runtime):
            self.create_runtime(Action("create_runtime", self._layout.runtime))
        files.remove(path)
        processes.send([pane.server] if pane else [], signal.SIGUSR1)
        deadline = self._host.monotonic() + RECONNECT_TIMEOUT
        while self._tmux.capture() is None:
            if self._host.monotonic() >= deadline:
                raise OptioError(
                    f"session {self._layout.name}",
                    f"its tmux server does not answer on {path}, and codex runs in it",
                    "See with ps whether it is stopped, or end both with state: restarted",
                )
            self._host.sleep(POLL)

    def remove_runtime(self, action: Action) -> None:
        """Remove a directory of sockets."""
        self._remove_runtime(action.target)

    def _remove_runtime(self, path: str) -> None:
        for entry in os.listdir(path):
            files.remove(f"{path}/{entry}")
        with self._host.privileged() if self._layout.in_runtime_root else nullcontext():
            os.rmdir(path)
            # the parent is shared, and goes with its last session
            with suppress(OSError):
                os.rmdir(os.path.dirname(path))

    def start(self, action: Action) -> Undo:
        """Start tmux with codex, held to limits, and wait until codex takes input."""
        files.remove(self._layout.tmux_socket)
        self._supervisor = self._launching
        limits: Mapping[str, str] = action.payload or {}
        try:
            self._start_session(limits)
            if self._ready_timeout > 0:
                self._await_ready()
            self.launched = {"supervisor": self._supervisor.name, "unenforced": ",".join(self._unenforced(limits))}
        except BaseException:
            self._end_everything()
            raise
        return self._end_everything

    def _start_session(self, limits: Mapping[str, str]) -> None:
        try:
            self._supervisor.start_session(self._layout, self._view.worker, limits)
        except NoLingering as reason:
            # there a logout would end it in any case, here only where logind is told to
            self._supervisor = Detached(self._host)
            self._supervisor.start_session(self._layout, self._view.worker, {})
            user = self._view.worker.user
            self._host.warn(
                f"session {self._layout.name}: runs as a detached process, because the systemd of user {user} cannot linger after a "
                f"logout ({reason}). Run loginctl enable-linger {user} as root to have units"
            )

    def _unenforced(self, limits: Mapping[str, str]) -> tuple[str, ...]:
        unit = self._supervisor.unit_of(self._layout)
        pids = processes.in_unit(unit) if unit and limits else []
        found = unenforced(limits, unit, processes.control_groups(pids[0])) if unit and pids else tuple(limits)
        if found and self._launching.name != Detached.name:
            self._host.warn(unenforced_warning(self._layout.name, found))
        return found

    def release(self) -> None:
        """Take back what no session of the user needs any more."""
        self._supervisor.release()

    def _await_ready(self) -> None:
        now = self._host.monotonic
        deadline = now() + self._ready_timeout
        shown, kind, since, answered = "", "", now(), now() - SETTLED - 1
        while now() < deadline:
            shown = self._tmux.capture() or shown
            ended = files.read_text(self._layout.exit_status)
            if ended is not None:
                # what it said last may have come after the look
                shown = self._tmux.capture() or shown
                self._raise_not_ready(f"codex ended with exit status {ended.split()[0]} while starting", shown)
            if screen.is_ready(shown):
                return
            if screen.is_restricted_question(shown) and now() - answered > SETTLED:
                # not again until the answer has had time to show: the next Enter would go to what follows
                self._tmux.send_key("Enter")
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

    def _raise_not_ready(self, cause: str, shown: str) -> None:
        last = screen.summary(shown)
        raise OptioError(
            f"session {self._layout.name}",
            f"{cause}; its screen showed: {last or '(nothing)'}",
            "Mend what the screen names (a credential, the option config, the option trust) or raise ready_timeout, then run again",
            screen=last,
        )

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
        argv = ttyd_start(self._view.worker.ttyd, layout, options)
        pid = self._supervisor.start_terminal(layout, self._view.worker, argv, second=options.second)
        try:
            started = self._await_terminal(pid, options)
            port = options.port if options.listen == "tcp" else 0
            files.write_text(layout.watch if options.second else layout.terminal, f"{pid} {started} {port}\n")
        except BaseException:
            self._close(pid, options)
            raise
        return lambda: self._close(pid, options)

    def _await_terminal(self, pid: int, options: TerminalOptions) -> int:
        deadline = self._host.monotonic() + TERMINAL_TIMEOUT
        while self._host.monotonic() < deadline:
            state, started = processes.read_stat(pid)
            alive = processes.is_running(pid) and bool(state)
            if alive and started is not None and ttyd.answers(self._layout, options):
                return started
            if not alive:
                break
            self._host.sleep(POLL)
        log = files.read_text(self._layout.watch_log if options.second else self._layout.terminal_log) or ""
        raise OptioError(
            f"terminal {terminal_target(self._layout, options)}",
            f"ttyd did not serve: {ttyd.last_error(log)}",
            "Give another terminal.port where it is taken; see optio.codex.ttyd_release for a ttyd known to work",
        )

    def close(self, _action: Action) -> None:
        """End ttyd, all of a session's; codex does not notice."""
        session, layout = self._view.session, self._layout
        terminal = terminal_of_record(session)
        if session.watch_pid or any(unit.startswith(WATCH_UNIT) for unit in session.units):
            self._close(session.watch_pid if session.watch_alive else None, replace(terminal, second=True, writable=False))
        self._close(session.terminal_pid if session.terminal_alive else None, terminal)
        # whatever the record says
        files.remove(layout.terminal_socket)
        if layout.in_runtime_root:
            for writable in (True, False):
                files.remove(layout.web_socket(writable))

    def _close(self, pid: int | None, options: TerminalOptions) -> None:
        self._supervisor.stop_terminal(self._layout, second=options.second)
        if pid:
            self._end([pid], lambda: [pid] if processes.is_running(pid) else [], REMAINDER_TIMEOUT)
        files.remove(terminal_place(self._layout, options)[0])
        files.remove(self._layout.watch if options.second else self._layout.terminal)

    def stop(self, action: Action) -> None:
        """End codex and all that it started; raise OptioError naming what would not go."""
        ended = os.path.exists(self._layout.exit_status) and "exit" not in self._view.session.damaged
        if os.path.isdir(self._layout.task) and not ended:
            # whoever reads the log must not take this end for codex's own; where no file can be made, it ends all the same
            with suppress(OptioError):
                files.write_text(self._layout.stopped_mark, "")
        left = self._end_processes()
        if self._view.session.on_record:
            self._remove_package_socket()
        else:
            # codex makes its directories again where somebody has removed them, and the launcher then writes down how it ended
            self.forget(action)
        if left:
            raise OptioError(
                f"session {self._layout.name}",
                f"processes survive KILL: {processes.named(left)}",
                "They wait for a device or a network file system; see their state with ps, then run again",
                stubborn=self.stubborn,
            )

    def _end_everything(self) -> None:
        # the launcher then writes no line about an end that nobody must see, and does not wait for a reader
        with suppress(OptioError):
            files.write_text(self._layout.stopped_mark, "")
        self._end_processes()
        for path in (self._layout.exit_status, self._layout.stopped_mark):
            files.remove(path)
        self._supervisor.release()
        # an earlier run's was set aside before
        files.remove(self._layout.log)

    def _end_processes(self) -> list[int]:
        """End codex gracefully so that it can save its state, then the rest; return what is left."""
        known: set[int] = set()
        unit = self._supervisor.unit_of(self._layout)

        def remaining() -> list[int]:
            tagged = processes.tagged(self._layout.tag)
            if unit:
                # one without the tag whose parent has gone
                known.update(processes.in_unit(unit))
            if self._view.session.adopted:
                tagged += processes.of_package(self._layout.codex_home, package_socket(self._layout.workdir))
            for pid in tagged:
                known.update(processes.descendants(pid))
            known.update(tagged)
            return sorted(pid for pid in known if processes.is_running(pid))

        codex = [pid for pid in remaining() if processes.arguments(pid)[:1] == [self._layout.codex_link]]
        self._end(codex, lambda: [pid for pid in codex if processes.is_running(pid)], self._stop_timeout)
        launchers = [pid for pid in remaining() if processes.arguments(pid)[1:2] == [self._layout.launcher]]
        clock, sleep = self._host.monotonic, self._host.sleep
        processes.wait_gone(lambda: [pid for pid in launchers if processes.is_running(pid)], LAUNCHER_TIMEOUT, clock, sleep)
        self._tmux.kill()
        if self._view.layout.adopted:
            Tmux(self._host, self._view.layout.tmux_socket).kill()
        self._end(remaining(), remaining, REMAINDER_TIMEOUT)
        self._supervisor.stop_session(self._layout)
        left = processes.wait_gone(remaining, REMAINDER_TIMEOUT, self._host.monotonic, self._host.sleep)
        if os.path.isdir(self._layout.runtime):
            files.remove(self._layout.tmux_socket)
        return left

    def _end(self, pids: Sequence[int], find: processes.Finder, timeout: float) -> None:
        processes.send(pids, signal.SIGTERM)
        left = processes.wait_gone(find, timeout, self._host.monotonic, self._host.sleep)
        # a process that is younger than the signal has not disobeyed it
        self.stubborn += [{"pid": pid, "command": processes.command_name(pid)} for pid in left if pid in pids]
        processes.send(left, signal.SIGKILL)
        processes.wait_gone(find, REMAINDER_TIMEOUT, self._host.monotonic, self._host.sleep)

    def forget(self, _action: Action) -> None:
        """Remove the session's record and what belongs to it; the workdir stays."""
        for path in self._layout.records:
            files.remove(path)
        self._remove_package_socket()

    def _remove_package_socket(self) -> None:
        # the package leaves it behind; in a sticky directory a user can only remove what is the user's own
        if self._view.session.adopted:
            with suppress(OSError):
                os.unlink(package_socket(self._layout.workdir))
