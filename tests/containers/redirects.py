# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Two servers, the first of which sends every client on to the second, and that one to a mirror; a line a request.

Arguments: this host's address, the mirror's URL. It runs in a container, with that container's Python.
"""

from __future__ import annotations

import http.server
import sys
import threading

FIRST, SECOND = 9001, 9002


class Handler(http.server.BaseHTTPRequestHandler):
    """Says which credentials came along."""

    def do_GET(self) -> None:
        port = self.connection.getsockname()[1]
        said = [name for name in ("Authorization", "X-Token") if name in self.headers]
        print(port, self.path, *said, flush=True)
        self.send_response(302)
        self.send_header("Location", (f"http://{sys.argv[1]}:{SECOND}" if port == FIRST else sys.argv[2]) + self.path)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """The lines above are the only log."""


if __name__ == "__main__":
    servers = [http.server.ThreadingHTTPServer(("0.0.0.0", port), Handler) for port in (FIRST, SECOND)]
    print("ready", flush=True)
    threading.Thread(target=servers[1].serve_forever, daemon=True).start()
    servers[0].serve_forever()
