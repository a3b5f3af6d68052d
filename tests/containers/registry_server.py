# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An npm registry with TLS over two directories; a line a request.

Arguments: a directory with the metadata of codex (``codex.json``), certificate and key (``server.pem``), which may change, and a directory
with packages below their paths in a registry. It runs in a container, with that container's Python.
"""

from __future__ import annotations

import http.server
import shutil
import ssl
import sys
from pathlib import Path

PORT = 8443
METADATA = "/@openai%2fcodex"


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves the metadata and the packages."""

    def do_GET(self) -> None:
        settings, packages = map(Path, sys.argv[1:])
        path = settings / "codex.json" if self.path == METADATA else packages / self.path.lstrip("/")
        print(self.path, flush=True)
        if ".." in self.path or not path.is_file():
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(path.stat().st_size))
        self.end_headers()
        with path.open("rb") as file:
            shutil.copyfileobj(file, self.wfile, 1 << 20)

    def log_message(self, format: str, *args: object) -> None:
        """The lines above are the only log."""


if __name__ == "__main__":
    server = http.server.ThreadingHTTPServer(("0.0.0.0", PORT), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(f"{sys.argv[1]}/server.pem")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    print("ready", flush=True)
    server.serve_forever()
