# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Cheap signs that a session may have come to another state: what it appended, left behind, or shows."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from .._codex import rollout
from .._codex import screen
from .._core.host import Host
from .._core.processes import read_stat
from .._session.tmux import Tmux

#: seconds between two looks at a screen, and for a rollout that is newer
SLOW = 1.0
#: what a rollout gets when a turn is over; that the words may also be said costs one look too many
ENDS = (b'"task_complete"', b'"turn_aborted"')
#: bytes of a rollout that one look takes in; more of it is a sign by itself
CHUNK = 4 * 1024 * 1024


class Signs:
    """Remembers how a session was, and tells whether it stirs; all of it as the session's user."""

    def __init__(self, host: Host, entry: Mapping[str, Any], states: Sequence[str]) -> None:
        self._host = host
        self._sessions = f"{entry['workdir']}/home/.codex/sessions"
        self._files = [f"{entry['task']}/exit", f"{entry['task']}/stopped", f"{entry['task']}/session", f"{entry['workdir']}/optio.log"]
        self._pid = entry["pid"]
        self._states = states
        self._tmux = Tmux(host, entry["session"])
        self._next_slow = 0.0
        self.remember()

    def remember(self) -> None:
        """Take what is there now for seen."""
        self._rollout = rollout.newest(self._sessions)
        self._offset = rollout.size(self._rollout)
        self._signatures = [_signature(path) for path in self._files]
        self._process = read_stat(self._pid) if self._pid else None

    def stirs(self, starting: bool) -> bool:
        """Return whether something has happened since that may be what is waited for, ``starting`` when it was that."""
        if self._signatures != [_signature(path) for path in self._files] or self._process_ended():
            return True
        if self._rollout is not None and self._turn_ended(self._rollout):
            return True
        if self._host.monotonic() < self._next_slow:
            return False
        self._next_slow = self._host.monotonic() + SLOW
        return rollout.newest(self._sessions) != self._rollout or self._screen_stirs(starting)

    def _process_ended(self) -> bool:
        return self._process is not None and read_stat(self._pid)[1] != self._process[1]

    def _turn_ended(self, path: str) -> bool:
        size = rollout.size(path)
        if size == self._offset:
            return False
        try:
            with open(path, "rb") as stream:
                # the words may have been written in two parts
                stream.seek(max(self._offset - len(max(ENDS, key=len)), 0))
                data = stream.read(CHUNK)
        except OSError:
            return True
        self._offset = size
        return len(data) == CHUNK or any(end in data for end in ENDS)

    def _screen_stirs(self, starting: bool) -> bool:
        # a choice shows on the screen alone, and so does the end of the start
        start = starting and "idle" in self._states
        if not start and "waiting" not in self._states:
            return False
        shown = self._tmux.capture() or ""
        return ("waiting" in self._states and screen.is_menu(shown)) or (start and screen.is_ready(shown))


def _signature(path: str) -> tuple[int, int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
