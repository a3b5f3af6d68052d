# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ending a session: codex, the programs that it started, its tmux server and its terminals."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from .._codex import rollout_files
from .._core import files, processes
from .._core.errors import OptioError
from .._core.host import Host
from .._core.plan import Action
from .._session.command_line import TerminalOptions, terminal_place
from .._session.layout import WATCH_UNIT, SessionPaths, package_socket
from .._session.log_rotation import withdraw_end
from .._session.record import terminal_of_record
from .._session.record_copy import RecordCopy
from .._session.runtime_dir import RuntimeDirectories
from .._session.sandbox_remains import remove_remains, remove_shared
from .._session.state import ObservedSession
from .._session.supervisor import Supervisor, supervisor_of
from .._session.tmux import Tmux

#: seconds that the launcher gets to write down codex's exit status
LAUNCHER_TIMEOUT = 2.0
#: seconds that tool commands get between TERM and KILL, once codex itself is gone
REMAINDER_TIMEOUT = 2.0


class StopSteps:
    """Carries out the actions that end one session, as the session's user."""

    def __init__(self, host: Host, view: ObservedSession, supervisor: Supervisor | None = None, *, stop_timeout: float) -> None:
        self._host = host
        self._view = view
        # a launch is on a server of our own, even if it resumes an adopted session
        self._layout: SessionPaths = replace(view.layout, adopted=False)
        #: of the observed processes, until something is launched
        self._supervisor: Supervisor = supervisor or supervisor_of(view.recorded_supervisor, host, view)
        self._tmux = Tmux(host, self._layout.tmux_socket)
        self._stop_timeout = stop_timeout
        #: pid and command line of each process that had to be killed
        self.killed: list[dict[str, Any]] = []
        #: a launch that failed had given its prompt, and the session is kept as stopped
        self.began = False
        #: the launch continues the log of the run before
        self.keeps_log = False
        self.runtime = RuntimeDirectories(host, self._layout)

    def close(self, _action: Action) -> None:
        """End ttyd, all of a session's; codex does not notice."""
        session, layout = self._view.session, self._layout
        terminal = terminal_of_record(session)
        if session.watch_pid or any(unit.startswith(WATCH_UNIT) for unit in session.units):
            self._close(session.watch_pid if session.watch_alive else None, replace(terminal, second=True, writable=False))
        self._close(session.terminal_pid if session.terminal_alive else None, terminal)
        # also a socket that is not on record
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
        """End codex and its children; raise OptioError with the names of the survivors."""
        ended = os.path.exists(self._layout.exit_status) and "exit" not in self._view.session.damaged
        if os.path.isdir(self._layout.task) and not ended:
            # so that readers of the log do not take this end for codex's own; if no file can be created, it ends all the same
            with suppress(OptioError):
                files.write_text(self._layout.stopped_mark, "", follow=False)
        left = self._end_processes()
        if not left:
            self._remove_remains()
        if self._layout.in_runtime_root:
            files.remove(self._layout.web_status)
        if self._view.session.on_record:
            self._remove_package_socket()
        else:
            # if its directories were removed, codex recreates them, and the launcher then records the exit status
            self.forget(action)
        if left:
            raise OptioError(
                f"session {self._layout.name}",
                f"processes of session {self._layout.name} survived SIGKILL: {processes.named(left)}",
                "Check their state with ps (they wait for a device or a network file system), then run again",
                killed_processes=self.killed,
            )

    def _remove_remains(self) -> None:
        remove_remains(self._view)
        if self._host.is_root():
            with self._host.privileged():
                remove_shared()

    def _end_everything(self) -> None:
        # the launcher then writes no line about an end that is not reported, and does not wait for a reader
        with suppress(OptioError):
            files.write_text(self._layout.stopped_mark, "", follow=False)
        self._end_processes()
        self._remove_remains()
        self._supervisor.release()
        if self._prompt_began():
            self.began = True
            return
        if self.keeps_log:
            withdraw_end(self._layout, files.read_text(self._layout.exit_status) or "")
        for path in (self._layout.exit_status, self._layout.stopped_mark):
            files.remove(path)
        if not self._view.session.prompt_mark:
            files.remove(self._layout.prompt_mark)
        if not self.keeps_log:
            # an earlier run's was set aside before
            files.remove(self._layout.log)

    def _prompt_began(self) -> bool:
        """Return whether codex began a conversation with the prompt of this launch."""
        if self._view.session.prompt_mark or not os.path.exists(self._layout.prompt_mark):
            return False
        newest = rollout_files.newest(f"{self._layout.codex_home}/sessions")
        return newest is not None and newest != self._view.session.rollout

    def _end_processes(self) -> list[int]:
        """End codex gracefully so that it can save its state, then the rest; return the survivors."""
        known: set[int] = set()
        unit = self._supervisor.unit_of(self._layout)

        def remaining() -> list[int]:
            tagged = processes.tagged(self._layout.tag)
            if unit:
                # one without the tag whose parent has gone
                known.update(processes.in_unit(unit))
            if self._view.session.adopted:
                tagged += processes.package_pids(self._layout.codex_home, package_socket(self._layout.workdir))
            for pid in tagged:
                known.update(processes.descendants(pid))
            known.update(tagged)
            return sorted(pid for pid in known if processes.is_running(pid))

        paths = (self._layout.codex_path, self._layout.codex_link, f"{self._layout.workdir}/home/.local/bin/codex")
        codex = [pid for pid in remaining() if processes.arguments(pid)[:1] in ([path] for path in paths)]
        self._end(codex, lambda: [pid for pid in codex if processes.is_running(pid)], self._stop_timeout)
        launchers = [pid for pid in remaining() if processes.arguments(pid)[1:2] == [self._layout.launcher]]
        clock, sleep = self._host.monotonic, self._host.sleep
        processes.wait_gone(lambda: [pid for pid in launchers if processes.is_running(pid)], LAUNCHER_TIMEOUT, clock, sleep)
        self._tmux.kill()
        if self._view.layout.adopted:
            Tmux(self._host, self._view.layout.tmux_socket).kill()
        self._end(remaining(), remaining, REMAINDER_TIMEOUT)
        stray = processes.sandboxes(self._layout.agent)
        processes.send(stray, signal.SIGKILL)
        known.update(stray)
        self._supervisor.stop_session(self._layout)
        left = processes.wait_gone(remaining, REMAINDER_TIMEOUT, self._host.monotonic, self._host.sleep)
        if os.path.isdir(self._layout.runtime):
            files.remove(self._layout.tmux_socket)
        return left

    def _end(self, pids: Sequence[int], find: processes.Finder, timeout: float) -> None:
        processes.send(pids, signal.SIGTERM)
        left = processes.wait_gone(find, timeout, self._host.monotonic, self._host.sleep)
        # a process that is younger than the signal has not disobeyed it
        self.killed += [{"pid": pid, "command": processes.command_name(pid)} for pid in left if pid in pids]
        processes.send(left, signal.SIGKILL)
        processes.wait_gone(find, REMAINDER_TIMEOUT, self._host.monotonic, self._host.sleep)

    def forget(self, _action: Action) -> None:
        """Remove the session's record and its other files; the workdir stays."""
        for path in self._layout.records:
            files.remove(path)
        if self._view.session.pane is None:
            self._remove_remains()
        # codex keeps the shell's whole environment there, with the session's own variables
        files.remove(f"{self._layout.codex_home}/shell_snapshots")
        RecordCopy(self._host, self._layout).remove()
        self._remove_package_socket()

    def _remove_package_socket(self) -> None:
        # the package leaves it behind; in a sticky directory users can only remove their own files
        if self._view.session.adopted:
            with suppress(OSError):
                os.unlink(package_socket(self._layout.workdir))

    def release(self) -> None:
        """Undo settings that no session of the user needs any more."""
        self._supervisor.release()
