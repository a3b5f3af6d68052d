# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Cheap detection of changes of a session: its rollout, its files, its process and its screen."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from .._codex import rollout_files, screen
from .._core.host import Host
from .._core.processes import read_stat
from .._core.safe_open import open_regular
from .._session.tmux import Tmux

#: seconds between two checks of the screen and for a newer rollout
SLOW = 1.0
#: events that end a turn in a rollout; the same text in a message only costs one extra probe
ENDS = (b'"task_complete"', b'"turn_aborted"')
#: bytes of a rollout that one check reads; more new bytes count as a change
CHUNK = 4 * 1024 * 1024


class ChangeDetector:
    """Detects whether a session has changed since the last snapshot. The caller acts as the session's user."""

    def __init__(self, host: Host, entry: Mapping[str, Any], states: Sequence[str]) -> None:
        self._host = host
        self._sessions = f"{entry['home']}/.codex/sessions"
        self._files = [
            f"{entry['session_dir']}/exit",
            f"{entry['session_dir']}/stopped",
            f"{entry['session_dir']}/session",
            entry["log_path"],
        ]
        self._pid = entry["pid"]
        self._states = states
        self._tmux = Tmux(host, entry["tmux_socket"])
        self._next_slow = 0.0
        self.snapshot()

    def snapshot(self) -> None:
        """Record the current state, to which the next check compares."""
        self._rollout = rollout_files.newest(self._sessions)
        self._offset = rollout_files.size(self._rollout)
        self._signatures = [_signature(path) for path in self._files]
        self._process = read_stat(self._pid) if self._pid else None

    def has_changed(self, starting: bool) -> bool:
        """Return whether the session may have reached a state; ``starting`` is whether it was not known to be ready."""
        if self._signatures != [_signature(path) for path in self._files] or self._process_ended():
            return True
        if self._rollout is not None and self._turn_ended(self._rollout):
            return True
        if self._host.monotonic() < self._next_slow:
            return False
        self._next_slow = self._host.monotonic() + SLOW
        return rollout_files.newest(self._sessions) != self._rollout or self._screen_changed(starting)

    def _process_ended(self) -> bool:
        return self._process is not None and read_stat(self._pid)[1] != self._process[1]

    def _turn_ended(self, path: str) -> bool:
        size = rollout_files.size(path)
        if size == self._offset:
            return False
        try:
            with os.fdopen(open_regular(path), "rb") as stream:
                # the event may have been written in two parts
                stream.seek(max(self._offset - len(max(ENDS, key=len)), 0))
                data = stream.read(CHUNK)
        except OSError:
            return True
        self._offset = size
        return len(data) == CHUNK or any(end in data for end in ENDS)

    def _screen_changed(self, starting: bool) -> bool:
        # a menu and the end of the start only show on the screen
        start = starting and "idle" in self._states
        if not start and "waiting" not in self._states:
            return False
        screen_text = self._tmux.capture() or ""
        return ("waiting" in self._states and screen.is_menu(screen_text)) or (start and screen.is_ready(screen_text))


def _signature(path: str) -> tuple[int, int, int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
