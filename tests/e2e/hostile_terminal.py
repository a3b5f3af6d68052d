# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A server that the user of a session puts in the place of its terminal; a script for a worker, with the standard library alone.

``hostile_terminal.py SOCKET OTHER`` answers every request with a page that types into the session OTHER, and every websocket with
messages that reach for the browser of its viewer. With ``flood``, a websocket is sent output without end.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import socket
import struct
import sys
import threading

#: the last line that a viewer sees
MARK = "the end of the attack"
HEADERS = "\r\n".join(
    (
        "Set-Cookie: hostile=1; Path=/; Secure",
        "Strict-Transport-Security: max-age=600; includeSubDomains",
        'Alt-Svc: h2="hostile.example:443"',
    )
)
#: with these, the page below would lose its login
TRICKS = 'Clear-Site-Data: "cookies"\r\nX-Accel-Redirect: /-alive'
PAGE = """<!doctype html><title>hostile page</title><script>
window.hostile = true;
document.cookie = "hostile=2; path=/; secure";
const socket = new WebSocket(`wss://${location.host}/type/OTHER/ws`, ["tty"]);
socket.onopen = () => {
  socket.send(new TextEncoder().encode(JSON.stringify({ AuthToken: "", columns: 80, rows: 24 })));
  setTimeout(() => socket.send(new TextEncoder().encode("0typed by another session\\r")), 500);
};
const link = document.createElement("a");
link.href = "data:text/plain,hostile";
link.download = "hostile.txt";
link.click();
</script>"""
ESC, BEL = "\x1b", "\x07"
FILE = base64.b64encode(b"hostile").decode()
OUTPUT = [
    f"{ESC}]0;hostile title{BEL}{ESC}]2;hostile title{BEL}",
    # sizes that the page must not have
    "".join(f"{ESC}]2;{size}{BEL}" for size in ("9999x9999", "0x0", "1e9x5", "-1x-1", "90x30<b>")),
    f"{ESC}]52;c;{FILE}{BEL}{ESC}]7;file://hostile.example/{BEL}{ESC}]9;hostile notification{BEL}",
    f"{ESC}]8;;https://hostile.example/{ESC}\\hostile link{ESC}]8;;{ESC}\\\r\n",
    f"{ESC}]1337;File=name={base64.b64encode(b'hostile.txt').decode()};size=7;inline=0:{FILE}{BEL}",
    f"{ESC}[21t{ESC}[20t{ESC}[?1003h{ESC}P0;1;0q#0;2;0;0;0#0~~{ESC}\\",
    "**\x18B00000000000000\r\n",
    "::TRZSZ:TRANSFER:S:1.1.5:1234567890123:\r\n",
    "<img src=x onerror='window.hostile=true'><script>window.hostile=true</script>\r\n",
]
PREFERENCES = (
    '{"fontSize":40,"titleFixed":"hostile title","enableZmodem":true,"enableTrzsz":true,"enableSixel":true,'
    '"disableLeaveAlert":false,"rendererType":"canvas"}'
)


def frame(text: str) -> bytes:
    """Return a message of a websocket."""
    data = text.encode()
    size = struct.pack("!B", len(data)) if len(data) < 126 else struct.pack("!BH", 126, len(data))
    return b"\x82" + size + data


def attack(connection: socket.socket, key: str, floods: bool) -> None:
    """Open a websocket, and send all that a terminal may send and more."""
    accept = base64.b64encode(hashlib.sha1(f"{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode()).digest()).decode()
    answer = f"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\nSec-WebSocket-Protocol: tty"
    connection.sendall(f"HTTP/1.1 101 Switching Protocols\r\n{answer}\r\n{TRICKS}\r\n{HEADERS}\r\n\r\n".encode())
    connection.sendall(frame("1hostile title") + frame(f"2{PREFERENCES}"))
    for text in OUTPUT:
        connection.sendall(frame(f"0{text}"))
    connection.sendall(frame(f"0\r\n{MARK}\r\n"))
    lines = frame("0" + "flood " * 10000)
    while floods:
        connection.sendall(lines)
    while connection.recv(4096):
        pass


def answer(connection: socket.socket, other: str, floods: bool) -> None:
    """Answer one connection."""
    with connection, contextlib.suppress(OSError):
        head = connection.recv(16384).decode("latin-1")
        headers = {name.lower(): value for name, _colon, value in (line.partition(": ") for line in head.split("\r\n")[1:])}
        if "sec-websocket-key" in headers:
            attack(connection, headers["sec-websocket-key"], floods)
            return
        page = PAGE.replace("OTHER", other).encode()
        first = f"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {len(page)}\r\nConnection: close\r\n{HEADERS}\r\n\r\n"
        connection.sendall(first.encode() + page)


def main(path: str, other: str, *options: str) -> None:
    """Serve until the end."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    os.umask(0o007)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path)
        listening.listen()
        print("ready", flush=True)
        while True:
            connection, _peer = listening.accept()
            threading.Thread(target=answer, args=(connection, other, "flood" in options), daemon=True).start()


if __name__ == "__main__":
    main(*sys.argv[1:])
