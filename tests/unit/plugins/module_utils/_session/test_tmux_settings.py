# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The settings of a real tmux server, with clients of their own sizes: which size its window has, and what the wheel does."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from ansible_collections.optio.codex.plugins.module_utils._core.host import Completed, LocalHost
from ansible_collections.optio.codex.plugins.module_utils._session.command_line import TerminalOptions, tmux, tmux_start, ttyd_start
from ansible_collections.optio.codex.plugins.module_utils._session.layout import SessionPaths
from ansible_collections.optio.codex.plugins.module_utils._session.tmux_settings import tmux_settings

DEADLINE = 10.0
#: seconds in which what must not happen would have happened
WHILE = 0.3
#: the terminals of a session, by who looks at it
TERMINALS = {
    "writer": TerminalOptions(writable=True),
    "reader": TerminalOptions(),
    "gateway's writer": TerminalOptions(group="www-data", writable=True),
    "watcher": TerminalOptions(group="www-data"),
}
#: a program that takes its input as codex does, and keeps it in ``typed``
PROGRAM = "stty raw -echo; printf '\\033[?2004h%sready'; exec cat >typed\n"
UP, DOWN = "\x1b[<64;5;5M", "\x1b[<65;5;5M"


class Client:
    """A client of a session's server, attached as its ttyd attaches one."""

    def __init__(self, layout: SessionPaths, who: str, columns: int, rows: int) -> None:
        argv = ttyd_start("ttyd", layout, TERMINALS[who], "w1")
        environment = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "TERM": argv[argv.index("-T") + 1]}
        self.output = b""
        self._pid, self._terminal = pty.fork()
        if self._pid == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
            os.execvpe("tmux", argv[argv.index("--") + 1 :], environment)

    def resize(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self._terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, text: str) -> None:
        os.write(self._terminal, text.encode())

    def read(self) -> bytes:
        """Return everything that the client has shown."""
        while select.select([self._terminal], [], [], 0)[0]:
            try:
                self.output += os.read(self._terminal, 65536)
            except OSError:
                break
        return self.output

    def leave(self) -> None:
        """End it as ttyd does when its page is closed."""
        if self._pid:
            with suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGHUP)
            os.close(self._terminal)
            os.waitpid(self._pid, 0)
            self._pid = 0


class Session:
    """A server with a session's settings, and its clients."""

    def __init__(self, layout: SessionPaths, program: str) -> None:
        self._layout = layout
        self._clients: list[Client] = []
        os.mkdir(layout.task)
        Path(layout.launcher).write_text(program)
        environment = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "HOME": layout.workdir, "SHELL": "/bin/sh"}
        assert LocalHost().run(tmux_start(layout), environment=environment, cwd=layout.workdir) == Completed(0, "", "")
        self.until(lambda: "ready" in self.ask("capture-pane", "-p"), "ready")

    def command(self, *command: str) -> str:
        return LocalHost().run(tmux(self._layout.tmux_socket, *command)).stdout

    def ask(self, name: str, *arguments: str) -> str:
        return self.command(name, "-t", "optio:", *arguments)

    def attach(self, who: str, columns: int, rows: int) -> Client:
        self._clients.append(Client(self._layout, who, columns, rows))
        count = len(self._clients)
        self.until(lambda: len(self.ask("list-clients").splitlines()) >= count, f"{count} clients")
        return self._clients[-1]

    def leave(self, client: Client) -> None:
        self._clients.remove(client)
        client.leave()

    @property
    def size(self) -> str:
        for client in self._clients:
            # a client that nobody reads blocks the server's output to it
            client.read()
        return self.ask("display-message", "-p", "#{window_width}x#{window_height}").strip()

    @property
    def typed(self) -> str:
        return (Path(self._layout.workdir) / "typed").read_text()

    def until(self, found: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + DEADLINE
        while not found():
            assert time.monotonic() < deadline, f"not {what}; the window is {self.size}"
            time.sleep(0.01)

    def becomes(self, size: str) -> None:
        self.until(lambda: self.size == size, size)

    def stays(self, size: str) -> None:
        end = time.monotonic() + WHILE
        while time.monotonic() < end:
            assert self.size == size
            time.sleep(0.02)

    def end(self) -> None:
        for client in self._clients:
            client.leave()
        subprocess.run(tmux(self._layout.tmux_socket, "kill-server"), check=False, capture_output=True)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Session]]:
    """Give what starts a session with a program that first prints some codes."""
    started: list[Session] = []

    def begin(codes: str = "") -> Session:
        layout = SessionPaths("s", str(tmp_path / "s"), str(tmp_path), str(tmp_path))
        started.append(Session(layout, PROGRAM.replace("%s", codes)))
        return started[-1]

    yield begin
    for session in started:
        session.end()


@pytest.mark.parametrize("who", ["writer", "reader", "gateway's writer"])
def test_the_window_follows_the_one_who_looks_at_it(start: Callable[..., Session], who: str) -> None:
    session = start()
    assert session.size == "200x50"
    client = session.attach(who, 161, 47)
    session.becomes("161x47")
    client.resize(226, 67)
    session.becomes("226x67")
    session.leave(client)
    session.becomes("200x50")


@pytest.mark.parametrize(("columns", "rows", "size"), [(46, 17, "80x24"), (100, 9, "100x24"), (79, 30, "80x30"), (9, 23, "80x24")])
def test_the_window_has_a_smallest_size(start: Callable[..., Session], columns: int, rows: int, size: str) -> None:
    session = start()
    client = session.attach("writer", columns, rows)
    session.becomes(size)
    client.resize(120, 40)
    session.becomes("120x40")
    client.resize(columns, rows)
    session.becomes(size)
    other = session.attach("writer", 130, 41)
    session.becomes("130x41")
    client.type("x")
    session.becomes(size)
    other.type("x")
    session.becomes("130x41")
    session.leave(other)
    session.becomes(size)


def test_the_last_that_typed_decides(start: Callable[..., Session]) -> None:
    session = start()
    first, second = session.attach("writer", 100, 30), session.attach("writer", 161, 47)
    session.becomes("161x47")
    for client, size in ((first, "100x30"), (second, "161x47"), (first, "100x30")):
        client.type("x")
        session.becomes(size)
    session.leave(first)
    session.becomes("161x47")


def test_a_watcher_never_decides(start: Callable[..., Session]) -> None:
    """Neither alone nor beside others, neither when it comes, changes its size or goes; after the last writer nor does it."""
    session = start()
    watcher = session.attach("watcher", 120, 40)
    session.stays("200x50")
    watcher.resize(130, 41)
    session.stays("200x50")
    writers = [session.attach("writer", 100, 30), session.attach("writer", 161, 47)]
    session.becomes("161x47")
    later = session.attach("watcher", 90, 28)
    watcher.resize(140, 42)
    session.stays("161x47")
    session.leave(later)
    session.stays("161x47")
    for writer in writers:
        session.leave(writer)
    session.becomes("200x50")
    watcher.resize(150, 43)
    session.stays("200x50")


def test_the_titles(start: Callable[..., Session]) -> None:
    """A watcher's page learns the size of the window, a terminal of one's own shows where one is."""
    session = start()
    watcher, writer = session.attach("watcher", 200, 50), session.attach("writer", 161, 47)
    session.until(lambda: b"\x1b]0;161x47\x07" in watcher.read(), "told")
    assert f"\x1b]0;s on {os.uname().nodename}\x07".encode() in writer.read()
    assert b"0;161x47" not in writer.read()
    session.leave(writer)
    session.until(lambda: watcher.read().endswith(b"\x1b]0;200x50\x07") or watcher.read().count(b"0;200x50") > 1, "told again")


@pytest.mark.parametrize(
    ("codes", "up", "in_mode"),
    [
        # codex 0.142.5 writes down the screen, 0.169.0 asks for the mouse, and a pager has the screen for itself
        ("", "", "1"),
        ("\\033[?1049h\\033[?1000h\\033[?1006h", UP, "0"),
        ("\\033[?1049h", "\x1b[5~", "0"),
    ],
)
def test_the_wheel_scrolls_and_types_nothing(start: Callable[..., Session], codes: str, up: str, in_mode: str) -> None:
    session = start(codes)
    client = session.attach("writer", 100, 30)
    session.becomes("100x30")
    session.until(lambda: b"\x1b[?1006h" in client.read(), "asked for the mouse")
    client.type(UP * 5)
    session.until(lambda: session.ask("display-message", "-p", "#{pane_in_mode}").strip() == in_mode, "scrolled")
    session.until(lambda: session.typed == up * 5, "typed")
    client.type(DOWN * 9)
    session.until(lambda: session.ask("display-message", "-p", "#{pane_in_mode}").strip() == "0", "back")
    down = {UP: DOWN, "\x1b[5~": "\x1b[6~", "": ""}[up]
    client.type("x")
    session.until(lambda: session.typed == up * 5 + down * 9 + "x", "typed")


def test_the_last_viewer_leaves_nothing_scrolled_back(start: Callable[..., Session]) -> None:
    session = start()
    clients = [session.attach("writer", 100, 30), session.attach("writer", 100, 30)]
    in_mode = ("display-message", "-p", "#{pane_in_mode}")
    session.ask("copy-mode")
    session.leave(clients[0])
    session.until(lambda: len(session.ask("list-clients").splitlines()) == 1, "one client")
    assert session.ask(*in_mode) == "1\n"
    session.leave(clients[1])
    session.until(lambda: session.ask(*in_mode) == "0\n", "at the end")


@pytest.mark.parametrize(
    "pressed",
    [
        # the right button alone and with Alt, which open a menu
        "\x1b[<2;5;5M",
        "\x1b[<10;5;5M",
        # the middle one, which pastes
        "\x1b[<1;5;5M\x1b[<1;5;5m",
        # a drag with the left one, which selects in copy mode
        "\x1b[<0;5;5M\x1b[<32;9;9M",
    ],
)
def test_no_button_does_anything(start: Callable[..., Session], pressed: str) -> None:
    session = start()
    client = session.attach("writer", 100, 30)
    session.becomes("100x30")
    session.ask("send-keys", "-l", "a")
    session.until(lambda: session.typed == "a", "typed")
    session.command("set-buffer", "pasted")
    client.type(pressed)
    client.type("x")
    session.until(lambda: session.typed.endswith("x"), "typed")
    assert session.typed == "ax"
    assert session.ask("display-message", "-p", "#{pane_in_mode}") == "0\n"


def test_an_older_tmux_is_known_by_its_version(start: Callable[..., Session]) -> None:
    """Of versions that are not here, too."""
    session = start()
    condition = next(command[2] for command in tmux_settings("s") if command[:2] == ["if-shell", "-F"])
    versions = {"3.1": "1", "3.1c": "1", "3.2a": "1", "3.3": "0", "3.3a": "0", "3.8": "0", "3.10": "0", "4.1": "0"}
    asked = {version: session.ask("display-message", "-p", condition.replace("#{version}", version)).strip() for version in versions}
    assert asked == versions
