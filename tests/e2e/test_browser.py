# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A person opens the returned tunnel, sees codex in a real browser, types, and sees the answer."""

from __future__ import annotations

import shlex
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from e2e.browser import Terminal
from e2e.sessions import SYSTEMD, WITHOUT, Workers, is_idle
from selenium.webdriver.common.keys import Keys


@contextmanager
def tunnel(command: str) -> Iterator[str]:
    """Run the command as it was returned; yield the address that it opens."""
    words = shlex.split(command)
    address, port = words[words.index("-L") + 1].split(":")[:2]
    process = subprocess.Popen(words, stdin=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 15
        while True:
            try:
                socket.create_connection((address, int(port)), timeout=1).close()
                break
            except OSError:
                assert process.poll() is None and time.monotonic() < deadline, f"the tunnel does not open: {command}"
                time.sleep(0.05)
        yield f"http://{address}:{port}"
    finally:
        process.terminate()
        process.wait(timeout=10)


def test_browser_sees_the_session_and_types_into_it(workers: Workers, artifacts: Path) -> None:
    """Through the tunnel: the finished turn is on the screen, a typed message is answered."""
    options: dict[str, Any] = {"terminal": {"writable": True}, "prompt": "RUN: echo seen in the browser"}
    launched = workers.session("browse", hosts=SYSTEMD, **options)[SYSTEMD]
    with tunnel(launched["tunnel_command"]) as url, Terminal(f"{url}/", size=(1280, 800)) as terminal:
        terminal.wait_for("Done: seen in the browser")
        terminal.type("RUN: echo typed by hand > typed.txt; cat typed.txt")
        terminal.wait_for("Done: typed by hand")
        terminal.screenshot(artifacts / "session-in-browser.png")
    assert (artifacts / "session-in-browser.png").stat().st_size > 10_000
    assert workers.read(SYSTEMD, f"{launched['workdir']}/typed.txt") == "typed by hand\n"
    workers.session("browse", hosts=SYSTEMD, state="absent")


def test_terminal_is_read_only_unless_writable_and_checks_the_origin(workers: Workers) -> None:
    """Watching types nothing; a page of another origin gets no websocket."""
    launched = workers.session("watch", hosts=WITHOUT, prompt="SAY: look at me")[WITHOUT]
    with tunnel(launched["tunnel_command"]) as url:
        with Terminal(f"{url}/", timeout=15) as terminal:
            terminal.wait_for("• look at me")
            with pytest.raises(TimeoutError, match="did not show the typed text"):
                terminal.type("SAY: nobody hears this")
        assert _websocket_status(url, origin=url) == 101
        assert _websocket_status(url, origin="http://evil.example") != 101
        assert _websocket_status(url, origin=None) != 101
    seen = workers.until("watch", is_idle, "idle", hosts=WITHOUT)[WITHOUT]
    assert "nobody hears this" not in seen["screen"]
    workers.session("watch", hosts=WITHOUT, state="absent")


@pytest.mark.parametrize("writable", [False, True])
def test_the_terminal_fits_the_browser(workers: Workers, writable: bool) -> None:
    """In ttyd's own page: its title, the window's size, the wheel and the clipboard."""
    launched = workers.session("fit", hosts=WITHOUT, terminal={"writable": writable}, prompt="SAY: look at me")[WITHOUT]
    assert workers.window(WITHOUT, "fit") == "200x50"
    with tunnel(launched["tunnel_command"]) as url, Terminal(f"{url}/") as terminal:
        terminal.wait_for("• look at me")
        for width, height in ((1366, 768), (1920, 1080)):
            terminal.view(width, height)
            terminal.wait_until(lambda _screen: "x".join(map(str, terminal.grid())) == workers.window(WITHOUT, "fit"), "the window")
        terminal.view(400, 300)
        workers.until_window(WITHOUT, "fit", "80x24")
        terminal.view(1366, 768)
        assert terminal.driver.title == f"fit on {workers.shell(WITHOUT, 'uname -n').strip()}"
        terminal.wait_for("• look at me")
        before = terminal.settled()
        terminal.turn_wheel(-5)
        terminal.turn_wheel(9)
        terminal.wait_until(lambda screen: screen == before, "what it showed before the wheel")
        # in a terminal that uses the mouse
        assert terminal.copy("look at me", Keys.SHIFT) == "look at me"
    workers.until_window(WITHOUT, "fit", "200x50")
    assert workers.info("fit", WITHOUT)[WITHOUT]["turns"] == 1
    workers.session("fit", hosts=WITHOUT, state="absent")


def _websocket_status(url: str, origin: str | None) -> int:
    """Return the status that the terminal answers a websocket's opening with, 0 when it hangs up."""
    headers = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
    headers |= {"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Protocol": "tty"}
    address, port = url.removeprefix("http://").split(":")
    with socket.create_connection((address, int(port)), timeout=5) as connection:
        lines = ["GET /ws HTTP/1.1", f"Host: {address}:{port}", *(f"{name}: {value}" for name, value in headers.items())]
        if origin:
            lines.append(f"Origin: {origin}")
        connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        answer = connection.recv(64).split()
    return int(answer[1]) if len(answer) > 1 else 0
