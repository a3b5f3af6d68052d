# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The program of a session that reports its activity to a web server's page and to a webhook.

A launch copies it, with the files that it imports, to the session's directory. It runs as the session's user for a
moment: at the start, when the terminal's title changes, now and then while codex works, and once codex has ended.
"""

from __future__ import annotations

import fcntl
import json
import os
import shlex
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from .._codex import screen
from .._core import files, processes
from .._core.errors import OptioError, ProbeError
from .._core.host import LocalHost
from .._core.probe import parse
from .._core.safe_open import open_regular
from .._session.layout import WEB_ROOT
from .._session.tmux import Tmux
from . import session_status
from .session_list import list_script, parse_sessions

#: the exit status of ``start`` if tmux has no hook for titles
UNTOLD = 3
#: seconds before each further look at a session whose title and files do not agree yet
SETTLE = (0.2, 0.4, 0.8, 1.6, 3.2)
#: events that wait for a receiver; more of them replace the oldest
QUEUED = 16
#: seconds that the last events of a session get, and that its last look waits for another one
END_LIMIT, LOCK_LIMIT = 15.0, 10.0
#: bytes of a file of this program, and lines of the log of events that were not accepted
READ_LIMIT, LOG_LINES = 1 << 16, 50


class Watcher:
    """Looks at one session. ``directory`` has the program's own files, and is closed to the agent's commands."""

    def __init__(self, directory: str) -> None:
        self._directory = directory
        self._task = os.path.dirname(directory)
        self.name = os.path.basename(self._task)
        self._config = self._read("config")
        self._host = LocalHost()

    # -- looking

    def look(self, wait: float = 0.0) -> None:
        """Look at the session, or leave it to the look that is being taken, which then looks once more."""
        again = self._path("again")
        _touch(again)
        _one_at_a_time(self._path("lock"), lambda: os.path.exists(again), self._look_again, wait)

    def _look_again(self) -> None:
        files.remove(self._path("again"))
        for pause in (*SETTLE, None):
            began = time.time()
            found = self._observe()
            if pause is None or (found and not _is_early(*found[:3])):
                break
            time.sleep(pause)
        if found:
            entry, _title, activity, reason = found
            self._report(entry, activity, reason, began)

    def _observe(self) -> tuple[Mapping[str, Any], str, str | None, str | None] | None:
        """Return the session as ``session_info`` returns it, the title of its terminal, its activity and the reason."""
        try:
            script = list_script([self.name], user=None, sessions_dir=os.path.dirname(self._task))
            sections = parse(self._host.probe(script))
            entries = parse_sessions(sections, with_screen=True)
        except (OptioError, ProbeError):
            return None
        if len(entries) != 1 or entries[0]["status"] == "unknown":
            return None
        entry = entries[0]
        title = Tmux(self._host, entry["tmux_socket"]).title() if entry["status"] == "running" else ""
        section = next(section for section in sections if section.kind == "session")
        return entry, title, *session_status.current_activity(entry, section, title)

    def _report(self, entry: Mapping[str, Any], activity: str | None, reason: str | None, began: float) -> None:
        before = self._read("state")
        known = before.get("activity")
        activity = (known or "starting") if activity == "unknown" else activity
        if activity is None:
            return
        fields = session_status.document(entry, activity, reason, before, time.time())
        event = session_status.event_of(entry, fields, before, self._config.get("events") or ())
        # before the state, so that no change is lost; a look that is ended in between posts it once more
        if event:
            self._enqueue(event)
        if session_status.is_news(fields, before):
            self._write("state", json.dumps(fields))
        is_shown = self._publish(fields)
        if activity in session_status.UNSETTLED or not is_shown:
            files.remove(self._path("settled"))
        else:
            # files that are newer than the look have not been seen
            _touch(self._path("settled"), began)

    def _publish(self, fields: Mapping[str, Any]) -> bool:
        """Write the file for a web server; return whether it is there, or need not be."""
        directory = f"{WEB_ROOT}/{self.name}"
        if not self._config.get("web"):
            return True
        try:
            status = os.lstat(directory)
            if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
                return False
            shown = _json(f"{directory}/status.json")
            if session_status.is_news(fields, shown):
                # the group is the directory's
                files.write_text(f"{directory}/status.json", session_status.file_text(fields), 0o640, follow=False)
        except (OSError, OptioError):
            return False
        return True

    # -- posting

    def _enqueue(self, event: Mapping[str, Any]) -> None:
        directory, number = self._path("queue"), time.time_ns()
        files.make_directory(directory)
        for name in self._queue()[: 1 - QUEUED]:
            files.remove(f"{directory}/{name}")
            self._note(name, "more events came than the receiver has taken")
        worker = {"worker": os.uname().nodename, "id": f"{self.name}-{number}", "data": self._config.get("data") or {}}
        files.write_text(f"{directory}/{number:020d}.json", json.dumps({**event, **worker}), follow=False)

    def _queue(self) -> list[str]:
        try:
            return sorted(name for name in os.listdir(self._path("queue")) if name.endswith(".json") and not name.startswith("."))
        except FileNotFoundError:
            return []

    def post_in_background(self) -> None:
        """Start a process that posts the waiting events, and that ends with the session."""
        if self._queue():
            arguments = [sys.executable, "-I", "-S", self._path("watcher.pyz"), "post"]
            nothing = subprocess.DEVNULL
            # pylint: disable-next=ansible-bad-function
            subprocess.Popen(arguments, stdin=nothing, stdout=nothing, stderr=nothing, start_new_session=True)

    def post(self, seconds: float | None = None) -> None:
        """Post the waiting events in order; ``seconds`` is the time for all of them."""
        deadline = None if seconds is None else time.monotonic() + seconds
        from . import webhook

        os.environ.update(self._config.get("environment") or {})

        def work() -> None:
            for name in self._queue():
                path = f"{self._path('queue')}/{name}"
                event = _json(path)
                problem = webhook.send(self._config, event, deadline)
                files.remove(path)
                if problem:
                    self._note(f"{event.get('event')} of {event.get('since')}", problem)

        _one_at_a_time(self._path("posting"), lambda: bool(self._queue()), work, seconds or 0.0)

    def _note(self, event: str, problem: str) -> None:
        """Add a line to the log of events that were not accepted. No URL is in it, and no token."""
        lines = _text(self._path("log")).splitlines()[1 - LOG_LINES :]
        line = session_status.plain(f"{session_status.timestamp(time.time())} {event}: {problem}", 300)
        self._write("log", "".join(f"{each}\n" for each in (*lines, line)))

    # -- the session's start and end

    def start(self) -> int:
        """Have a new title of the terminal followed by a look; return the exit status of the program."""
        # tmux sets this for the processes that it starts
        socket = os.environ.get("TMUX", "").rpartition(",")[0].rpartition(",")[0]
        command = f"/bin/sh {shlex.quote(self._path('watch.sh'))} look >/dev/null 2>&1 </dev/null &"
        return 0 if Tmux(self._host, socket).on_title(screen.TITLE_KIND, command) else UNTOLD

    def end_waiting(self) -> None:
        """End the script that looks now and then; it has nothing to wait for any more."""
        script = ["/bin/sh", self._path("watch.sh")]
        pids = [pid for pid in processes.tagged(f"{self._task}:") if processes.arguments(pid) == script]
        processes.send(pids, signal.SIGTERM)

    # -- the program's own files

    def _path(self, name: str) -> str:
        return f"{self._directory}/{name}"

    def _read(self, name: str) -> dict[str, Any]:
        return _json(self._path(name))

    def _write(self, name: str, text: str) -> None:
        files.write_text(self._path(name), text, follow=False)


def _is_early(entry: Mapping[str, Any], title: str, activity: str | None) -> bool:
    """Return whether the title is ahead of the files."""
    return entry["status"] == "running" and screen.title_kind(title) == "ready" and activity in session_status.UNSETTLED


def _one_at_a_time(path: str, is_needed: Callable[[], bool], work: Callable[[], None], wait: float) -> None:
    """Work while it is needed, or leave it to the process that works already; ``wait`` is how long that is waited for."""
    deadline = time.monotonic() + wait
    while is_needed():
        with _held(path) as held:
            if held:
                work()
        if not held:
            if time.monotonic() >= deadline:
                return
            time.sleep(0.1)


@contextmanager
def _held(path: str) -> Iterator[bool]:
    descriptor = open_regular(path, flags=os.O_RDWR | os.O_CREAT)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)


def _touch(path: str, seconds: float | None = None) -> None:
    descriptor = open_regular(path, flags=os.O_WRONLY | os.O_CREAT)
    os.utime(descriptor, None if seconds is None else (seconds, seconds))
    os.close(descriptor)


def _text(path: str) -> str:
    try:
        with os.fdopen(open_regular(path), "rb") as stream:
            return stream.read(READ_LIMIT).decode("utf-8", "replace")
    except OSError:
        return ""


def _json(path: str) -> dict[str, Any]:
    """Return the object in a file, an empty one if there is none."""
    with suppress(ValueError, RecursionError):
        found = json.loads(_text(path))
        return found if isinstance(found, dict) else {}
    return {}


def main(arguments: Sequence[str]) -> int:
    """Run one command (start, look, post or end) for the session whose directory the program is in."""
    watcher = Watcher(os.path.dirname(os.path.abspath(arguments[0])))
    what = arguments[1]
    if what == "post":
        watcher.post()
        return 0
    code = watcher.start() if what == "start" else 0
    watcher.look(LOCK_LIMIT if what == "end" else 0.0)
    if what == "end":
        watcher.end_waiting()
        watcher.post(END_LIMIT)
    else:
        watcher.post_in_background()
    return code
