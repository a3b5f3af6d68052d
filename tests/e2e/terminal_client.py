# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Types one line into a terminal as its page does, and prints the screen that the terminal sends; it runs on the worker, as root.

Arguments: the Unix socket of ttyd, and the line.
"""

from __future__ import annotations

import json
import socket
import struct
import sys
import time

OPENING = (
    "GET /ws HTTP/1.1",
    "Host: localhost",
    "Origin: http://localhost",
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
    "Sec-WebSocket-Protocol: tty",
)


def frame(payload: bytes) -> bytes:
    """Return a message of a client, with a mask of zeros."""
    size = bytes([0x80 | len(payload)]) if len(payload) < 126 else b"\xfe" + struct.pack(">H", len(payload))
    return b"\x82" + size + bytes(4) + payload


def received(terminal: socket.socket, seconds: float) -> bytes:
    """Return what arrives within some seconds."""
    end, data = time.monotonic() + seconds, b""
    while (left := end - time.monotonic()) > 0:
        terminal.settimeout(left)
        try:
            data += terminal.recv(1 << 16)
        except TimeoutError:
            break
    return data


def main() -> None:
    """Open the terminal, type, and print what it shows."""
    path, line = sys.argv[1:]
    with socket.socket(socket.AF_UNIX) as terminal:
        terminal.connect(path)
        terminal.sendall("\r\n".join([*OPENING, "", ""]).encode())
        terminal.sendall(frame(json.dumps({"AuthToken": "", "columns": 120, "rows": 40}).encode()))
        shown = received(terminal, 3)
        terminal.sendall(frame(b"0" + line.encode()))
        shown += received(terminal, 2)
        terminal.sendall(frame(b"0\r"))
        print((shown + received(terminal, 3)).decode(errors="replace"))


if __name__ == "__main__":
    main()
