# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""tmux: the exact commands, and a real server that gets them."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ansible_collections.optio.codex.plugins.module_utils._core.errors import OptioError
from ansible_collections.optio.codex.plugins.module_utils._core.host import Completed, LocalHost
from ansible_collections.optio.codex.plugins.module_utils._session.command_line import tmux, tmux_start
from ansible_collections.optio.codex.plugins.module_utils._session.layout import SessionPaths
from ansible_collections.optio.codex.plugins.module_utils._session.tmux import KEY_NAMES, PANE, Tmux, is_key
from ansible_collections.optio.codex.tests.unit.support.session_builders import Call, FakeHost

SOCKET = "/run/s/tmux.sock"
CLIENT = ["tmux", "-S", SOCKET, "-f", "/dev/null"]
#: a person may have scrolled back
LEAVE = ["if-shell", "-F", "-t", PANE, "#{pane_in_mode}", f"send-keys -t {PANE} -X cancel", ";"]
DEADLINE = 10  # seconds


@pytest.mark.parametrize(
    ("call", "arguments"),
    [
        (lambda server: server.capture(), ["capture-pane", "-p", "-t", PANE]),
        (lambda server: server.capture(50), ["capture-pane", "-p", "-t", PANE, "-S", "-50"]),
        (lambda server: server.capture(styled=True), ["capture-pane", "-p", "-t", PANE, "-e"]),
        (lambda server: server.send_key("Enter"), [*LEAVE, "send-keys", "-t", PANE, "Enter"]),
        (lambda server: server.send_key("C-u", ";"), [*LEAVE, "send-keys", "-t", PANE, "C-u", "\\;"]),
        (lambda server: server.kill(), ["kill-server"]),
    ],
)
def test_commands(call: Callable[[Tmux], object], arguments: list[str]) -> None:
    host = FakeHost()
    call(Tmux(host, SOCKET))
    assert host.argvs() == [[*CLIENT, *arguments]]


def test_a_server_that_does_not_answer() -> None:
    host = FakeHost(lambda call: Completed(1, "", "no server running"))
    assert Tmux(host, SOCKET).capture() is None


def test_a_text_goes_by_standard_input_into_a_buffer_of_its_own() -> None:
    host = FakeHost()
    Tmux(host, SOCKET).paste("secret\ntext")
    Tmux(host, SOCKET).paste("other")
    load, paste, other, _paste = host.calls
    buffer = load.argv[-2]
    assert load.argv == (*CLIENT, *LEAVE, "load-buffer", "-b", buffer, "-")
    assert load.stdin == "secret\ntext"
    assert paste.argv == (*CLIENT, *LEAVE, "paste-buffer", "-p", "-d", "-b", buffer, "-t", PANE)
    assert other.argv[-2] != buffer
    assert "secret" not in str(host.argvs())


@pytest.mark.parametrize("failing", ["load-buffer", "paste-buffer"])
def test_a_text_that_does_not_arrive(failing: str) -> None:
    def answer(call: Call) -> Completed | None:
        return Completed(1, "", "no such pane") if failing in call.argv else None

    host = FakeHost(answer)
    with pytest.raises(OptioError, match=f"failed at {failing}: 'no such pane'"):
        Tmux(host, SOCKET).paste("text")
    assert failing in host.argvs()[-1]


@pytest.mark.parametrize(
    ("name", "known"),
    [
        *((name, True) for name in ("Enter", "F12", "C-c", "M-x", "S-Up", "C-M-Left", "y", "Y", "1", ";", "-", "/", "é", "√")),
        *((name, False) for name in ("", " ", "enter", "Return", "yes", "F13", "C-", "C-cc", "C-Y", "S-a", "-l", "\n", "\x1b", "C-c\n")),
    ],
)
def test_names_of_keys(name: str, known: bool) -> None:
    assert is_key(name) == known


# a real server


@pytest.fixture
def layout(tmp_path: Path) -> Iterator[SessionPaths]:
    """Give a session whose program takes its input raw and keeps it in ``typed``, as codex would see it."""
    layout = SessionPaths("s", str(tmp_path / "s"), str(tmp_path), str(tmp_path))
    os.mkdir(layout.task)
    Path(layout.launcher).write_text("stty raw -echo; printf '\\033[?2004hready'; exec cat >typed\n")
    environment = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "HOME": str(tmp_path), "SHELL": "/bin/sh"}
    done = LocalHost().run(tmux_start(layout), environment=environment, cwd=layout.workdir)
    assert done == Completed(0, "", "")
    try:
        yield layout
    finally:
        subprocess.run(tmux(layout.tmux_socket, "kill-server"), check=False, capture_output=True)


def until(found: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE
    while not found():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def test_a_session_and_a_message(layout: SessionPaths) -> None:
    server = Tmux(LocalHost(), layout.tmux_socket)
    until(lambda: "ready" in (server.capture() or ""))
    assert server.capture() is not None
    text = "first 'line'\n/second $HOME\n!third é😀\n" + "x" * 200_000
    server.paste(text)
    server.send_key("Enter")
    typed = Path(layout.workdir) / "typed"
    # one bracketed paste, in which line ends are the terminal's own, and after it the key that submits
    expected = f"\x1b[200~{text}\x1b[201~\r".replace("\n", "\r").encode()
    until(lambda: typed.stat().st_size >= len(expected))
    assert typed.read_bytes() == expected


def test_its_history_and_its_end(layout: SessionPaths) -> None:
    server = Tmux(LocalHost(), layout.tmux_socket)
    question = ("display-message", "-p", "-t", PANE, "#{history_limit}")
    assert LocalHost().run(tmux(layout.tmux_socket, *question)).stdout == "50000\n"
    server.kill()
    until(lambda: server.capture() is None)


def test_a_pane_in_copy_mode_takes_the_message(layout: SessionPaths) -> None:
    """Also one that a person scrolls back between the text and the key that submits it."""
    server = Tmux(LocalHost(), layout.tmux_socket)
    until(lambda: "ready" in (server.capture() or ""))
    typed = Path(layout.workdir) / "typed"
    scroll_back = tmux(layout.tmux_socket, "copy-mode", "-t", PANE)
    LocalHost().run(scroll_back)
    server.paste("hello")
    until(lambda: typed.read_bytes() == b"\x1b[200~hello\x1b[201~")
    LocalHost().run(scroll_back)
    server.send_key("Enter")
    until(lambda: typed.read_bytes().endswith(b"~\r"))


def test_tmux_knows_every_key(layout: SessionPaths) -> None:
    server = Tmux(LocalHost(), layout.tmux_socket)
    until(lambda: "ready" in (server.capture() or ""))
    keys = [*KEY_NAMES, "C-Up", "C-M-S-Down", "C-a", "C-z", "M-a", "M-!", "M--", ";", "-", "~", "é"]
    assert all(map(is_key, keys))
    typed = Path(layout.workdir) / "typed"
    for key in keys:
        before = typed.stat().st_size
        server.send_key(key)
        until(lambda size=before: typed.stat().st_size > size)  # type: ignore[misc]
    # a name that tmux does not know would have been typed letter by letter
    text = typed.read_text()
    assert not [key for key in keys if len(key) > 1 and key in text]
    assert text.endswith(";-~é")
