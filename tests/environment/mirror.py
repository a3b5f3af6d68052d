# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An HTTP server over a directory that can misbehave in chosen ways.

``GET /<path>`` serves the file. ``GET /fault/<kind>/<path>`` serves it with a fault:

========== ==============================================================================
truncate   the true Content-Length, half of the bytes, then the connection is closed
flip       the true length, one bit in the middle of the body inverted
500        status 500
html       status 200 and a small HTML page, as a captive portal answers
slow       32 KiB a second
rate-<N>   N MB a second
hang       the headers, then nothing until the client leaves
flaky      status 503 at the first request of each path, then the file
redirect   status 302 to the plain path
loop       status 302 to itself
========== ==============================================================================

Each finished request is one line in the log: ``METHOD PATH STATUS BODY_BYTES``.
``/healthz`` answers 200 and is not logged.
"""

from __future__ import annotations

import argparse
import re
import select
import shutil
import threading
import time
from collections.abc import Callable
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote, urlsplit

CHUNK = 1 << 20
SLOW_CHUNK = 8 << 10
SLOW_PAUSE = 0.25  # seconds
RATE = re.compile(r"rate-([1-9][0-9]{0,3})")
RATE_CHUNK = 32 << 10
HTML = b"<!DOCTYPE html><html><body>Please log in to this network.</body></html>\n"


class MirrorServer(ThreadingHTTPServer):
    """Serves ``root``; appends to ``log`` (a path), created when absent."""

    daemon_threads = True
    # ten workers ask at the same moment
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], root: Path, log: Path) -> None:
        super().__init__(address, MirrorHandler)
        self.root = root.resolve()
        self._log = log.open("a", encoding="utf-8", buffering=1)
        self._lock = threading.Lock()
        self._flaky_seen: set[str] = set()

    def record(self, method: str, path: str, status: int, count: int) -> None:
        with self._lock:
            self._log.write(f"{method} {path} {status} {count}\n")

    def first_time(self, path: str) -> bool:
        """Whether ``path`` was not asked for before; remembers it."""
        with self._lock:
            seen = path in self._flaky_seen
            self._flaky_seen.add(path)
            return not seen

    def server_close(self) -> None:
        super().server_close()
        self._log.close()


class MirrorHandler(BaseHTTPRequestHandler):
    server: MirrorServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer(body=True)

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def log_message(self, format: str, *args: object) -> None:
        """The request log is the only log."""

    def _answer(self, body: bool) -> None:
        path = unquote(urlsplit(self.path).path)
        self._status, self._count = 0, 0
        if path == "/healthz":
            self._send_bytes(200, b"ok\n", "text/plain", body)
            return
        try:
            self._route(path, body)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True
        finally:
            self.server.record(self.command, self.path, self._status, self._count)

    def _route(self, path: str, body: bool) -> None:
        kind, fault = "", None
        if path.startswith("/fault/"):
            kind, slash, rest = path[len("/fault/") :].partition("/")
            fault, path = self._faults().get(kind) or self._rate(kind), slash + rest
            if fault is None:
                self._send_bytes(400, f"no fault is named {kind!r}\n".encode(), "text/plain", body)
                return
        target = (self.server.root / path.lstrip("/")).resolve()
        if not target.is_relative_to(self.server.root) or not target.is_file():
            self._send_bytes(404, b"not found\n", "text/plain", body)
        elif kind == "500":
            self._send_bytes(500, b"internal error\n", "text/plain", body)
        elif kind == "html":
            self._send_bytes(200, HTML, "text/html", body)
        elif kind == "redirect":
            self._send_bytes(302, b"", "text/plain", body, location=path)
        elif kind == "loop":
            self._send_bytes(302, b"", "text/plain", body, location=self.path)
        elif kind == "flaky" and self.server.first_time(path):
            self._send_bytes(503, b"try again\n", "text/plain", body)
        else:
            self._send_file(target, body, fault or self._whole)

    def _faults(self) -> dict[str, Callable[[BinaryIO, int], None]]:
        whole = self._whole
        return {
            "truncate": self._truncate,
            "flip": self._flip,
            "slow": self._slow,
            "hang": self._hang,
            "500": whole,
            "html": whole,
            "flaky": whole,
            "redirect": whole,
            "loop": whole,
        }

    def _head(self, status: int, length: int, kind: str, location: str = "") -> None:
        self._status = status
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(length))
        if location:
            self.send_header("Location", location)
        self.end_headers()

    def _send_bytes(self, status: int, data: bytes, kind: str, body: bool, location: str = "") -> None:
        self._head(status, len(data), kind, location)
        if body:
            self._write(data)

    def _send_file(self, target: Path, body: bool, send: Callable[[BinaryIO, int], None]) -> None:
        size = target.stat().st_size
        with target.open("rb") as file:
            self._head(200, size, "application/octet-stream")
            if body:
                send(file, size)

    def _write(self, data: bytes) -> None:
        self.wfile.write(data)
        self._count += len(data)

    def _whole(self, file: BinaryIO, size: int) -> None:
        self.wfile.flush()
        self._count += self.connection.sendfile(file)

    def _truncate(self, file: BinaryIO, size: int) -> None:
        self._copy(file, size // 2)
        self.close_connection = True

    def _flip(self, file: BinaryIO, size: int) -> None:
        middle = size // 2
        self._copy(file, middle)
        byte = file.read(1)
        if byte:
            self._write(bytes([byte[0] ^ 1]))
        self._copy(file, size - middle - len(byte))

    def _slow(self, file: BinaryIO, size: int) -> None:
        while data := file.read(SLOW_CHUNK):
            self._write(data)
            time.sleep(SLOW_PAUSE)

    def _rate(self, kind: str) -> Callable[[BinaryIO, int], None] | None:
        found = RATE.fullmatch(kind)
        return partial(self._paced, int(found[1]) * 1_000_000) if found else None

    def _paced(self, rate: int, file: BinaryIO, size: int) -> None:
        begin = time.monotonic()
        while data := file.read(RATE_CHUNK):
            self._write(data)
            time.sleep(max(0.0, begin + self._count / rate - time.monotonic()))

    def _hang(self, file: BinaryIO, size: int) -> None:
        # readable means that the client closed its end
        select.select([self.connection], [], [])
        self.close_connection = True

    def _copy(self, file: BinaryIO, count: int) -> None:
        while count > 0 and (data := file.read(min(CHUNK, count))):
            self._write(data)
            count -= len(data)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--root", type=Path, required=True, help="directory to serve")
    parser.add_argument("--log", type=Path, required=True, help="request log, appended to")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8080, help="0 takes a free one")
    parser.add_argument("--port-file", type=Path, help="the chosen port is written here")
    args = parser.parse_args()
    server = MirrorServer((args.host, args.port), args.root, args.log)
    if args.port_file:
        scratch = args.port_file.with_suffix(".new")
        scratch.write_text(f"{server.server_address[1]}\n", encoding="utf-8")
        shutil.move(scratch, args.port_file)
    server.serve_forever()


if __name__ == "__main__":
    main()
