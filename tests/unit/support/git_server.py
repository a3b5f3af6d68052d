# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A server of git repositories on loopback, which can require a token and records what it receives."""

from __future__ import annotations

import base64
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit


class GitServer(ThreadingHTTPServer):
    """Serves the repositories below a directory with ``git http-backend``."""

    daemon_threads = True

    def __init__(self, root: Path, login: tuple[str, str] | None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.root = root
        self.login = login
        #: the user and password of each request that had them
        self.received: list[tuple[str, str]] = []

    def url(self, repository: str) -> str:
        """Return the URL of a repository."""
        return f"http://127.0.0.1:{self.server_address[1]}/{repository}"


class _Handler(BaseHTTPRequestHandler):
    server: GitServer

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing."""

    def _serve(self) -> None:
        _kind, _space, text = self.headers.get("Authorization", "").partition(" ")
        user, _colon, password = base64.b64decode(text).decode().partition(":")
        if text:
            self.server.received.append((user, password))
        body = self._body()
        if self.server.login and (user, password) != self.server.login:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="git"')
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        answer = self._backend(body)
        head, _blank, content = answer.partition(b"\r\n\r\n")
        headers = [line.decode().partition(": ")[::2] for line in head.split(b"\r\n")]
        status = next((value for name, value in headers if name == "Status"), "200")
        self.send_response(int(status.split()[0]))
        for name, value in headers:
            if name != "Status":
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _backend(self, body: bytes) -> bytes:
        parts = urlsplit(self.path)
        variables = {
            **{"GIT_PROJECT_ROOT": str(self.server.root), "GIT_HTTP_EXPORT_ALL": "1", "PATH_INFO": parts.path, "QUERY_STRING": parts.query},
            **{"REQUEST_METHOD": self.command, "CONTENT_TYPE": self.headers.get("Content-Type", ""), "CONTENT_LENGTH": str(len(body))},
            **{"HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""), "GIT_PROTOCOL": self.headers.get("Git-Protocol", "")},
            **{"PATH": os.environ["PATH"], "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null"},
        }
        return subprocess.run(["git", "http-backend"], input=body, env=variables, capture_output=True, timeout=30, check=False).stdout


@contextmanager
def serving(root: Path, login: tuple[str, str] | None = None) -> Iterator[GitServer]:
    """Serve the repositories below a directory, to everybody or to one login."""
    with GitServer(root, login) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
