# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Commands in a container by a shell that stays open: a separate ``podman exec`` takes a hundred times the processor time of a command."""

from __future__ import annotations

import atexit
import os
import secrets
import selectors
import shlex
import subprocess
import threading
import time
from dataclasses import dataclass
from subprocess import CompletedProcess, TimeoutExpired

CHUNK = 1 << 16
#: the open shells of this process, by container
SHELLS: dict[str, OpenShell] = {}


@dataclass
class _Stream:
    """What one stream of the shell has printed since the command was sent."""

    descriptor: int
    text: bytes = b""
    closed: bool = False

    def read(self) -> None:
        data = os.read(self.descriptor, CHUNK)
        self.text += data
        self.closed = not data

    def between(self, begin: bytes, end: bytes) -> tuple[str, str]:
        """Return what is between the marks, and the rest of the line of the second; the end of the text is a mark too."""
        _before, _mark, rest = self.text.partition(begin)
        found, _mark, last = rest.partition(end)
        return found.decode(errors="replace"), last.decode().strip()


class OpenShell:
    """A shell of root in a container, which runs one script at a time."""

    def __init__(self, container: str) -> None:
        self.lock = threading.Lock()
        self._container = container
        self._process: subprocess.Popen[bytes] | None = None

    def run(self, script: str, options: str, user: str, text: str, timeout: float) -> CompletedProcess[str]:
        """Run a script by /bin/sh with ``options``; a shell that ended before, as by a restart of the container, is started again."""
        for _attempt in range(2):
            done = self._run(script, options, user, text, timeout)
            if done is not None:
                return done
        return CompletedProcess(script, 125, "", f"container {self._container} runs no shell")

    def close(self) -> None:
        """End the shell."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
                assert stream
                stream.close()
            self._process = None

    def _run(self, script: str, options: str, user: str, text: str, timeout: float) -> CompletedProcess[str] | None:
        """Return the result, None if the shell ended before it began with the script."""
        mark = secrets.token_hex(16)
        begin, end = f"begin {mark}\n".encode(), f"end {mark} ".encode()
        process = self._opened()
        assert process.stdin and process.stdout and process.stderr
        streams = [_Stream(process.stdout.fileno()), _Stream(process.stderr.fileno())]
        try:
            process.stdin.write(_command(script, options, user, text, mark).encode())
            process.stdin.flush()
            complete = self._read(streams, end, time.monotonic() + timeout)
        except BrokenPipeError:
            complete = True
        if not complete:
            self.close()
            raise TimeoutExpired(script, timeout)
        (output, status), (errors, _line) = (stream.between(begin, end) for stream in streams)
        began = begin in streams[0].text
        if not status:
            self.close()
        return CompletedProcess(script, int(status or 137), output, errors) if began else None

    def _opened(self) -> subprocess.Popen[bytes]:
        if self._process is not None and self._process.poll() is not None:
            self.close()
        if self._process is None:
            command = ["podman", "exec", "--interactive", "--user", "root", self._container, "/bin/sh"]
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0)
        return self._process

    @staticmethod
    def _read(streams: list[_Stream], end: bytes, deadline: float) -> bool:
        """Read until both streams have the mark of the end or are closed; return whether that was in time."""
        with selectors.DefaultSelector() as selector:
            for stream in streams:
                selector.register(stream.descriptor, selectors.EVENT_READ, stream)
            while selector.get_map():
                ready = selector.select(max(0.0, deadline - time.monotonic()))
                if not ready:
                    return False
                for key, _events in ready:
                    key.data.read()
                    if key.data.closed or (end in key.data.text and key.data.text.endswith(b"\n")):
                        selector.unregister(key.fd)
        return True


def _command(script: str, options: str, user: str, text: str, mark: str) -> str:
    """Return the line that runs a script as a user, between two marks on each stream."""
    shell = f"/bin/sh {options} {shlex.quote(script)}"
    if user != "root":
        shell = f"HOME=~{user} USER={user} setpriv --reuid={user} --regid=$(id -g {user}) --init-groups {shell}"
    given = f"printf %s {shlex.quote(text)} | {shell}" if text else f"{shell} </dev/null"
    both = "{ printf '%s' \"$1\"; printf '%s' \"$1\" >&2; }"
    marks = f"mark() {both}; mark 'begin {mark}\n'; "
    return f'{marks}{given}; mark "end {mark} $?\n"\n'


def run(
    container: str, script: str, *, options: str = "-c", user: str = "root", text: str = "", timeout: float = 60
) -> CompletedProcess[str]:
    """Run a shell script in a container, with ``text`` as its input, and return its output and exit status.

    ``timeout`` is in seconds; raises TimeoutExpired after it. A process that the script leaves behind must not keep its output.
    """
    shell = SHELLS.setdefault(container, OpenShell(container))
    # one that is in use by another thread would make this one wait
    if not shell.lock.acquire(blocking=False):
        spare = OpenShell(container)
        try:
            return spare.run(script, options, user, text, timeout)
        finally:
            spare.close()
    try:
        return shell.run(script, options, user, text, timeout)
    finally:
        shell.lock.release()


def output(container: str, script: str, *, user: str = "root", text: str = "", timeout: float = 60) -> str:
    """Return what a script prints; fails if a command of it fails."""
    done = run(container, script, options="-ec", user=user, text=text, timeout=timeout)
    assert done.returncode == 0, f"{script}: {done.stdout}{done.stderr}"
    return done.stdout


@atexit.register
def close_all() -> None:
    """End the open shells."""
    for shell in SHELLS.values():
        shell.close()
