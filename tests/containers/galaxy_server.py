# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A stand-in for Galaxy that has one collection: what ansible-galaxy asks when it installs it."""

from __future__ import annotations

import hashlib
import json
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

COLLECTION = "/api/v3/collections/optio/codex/versions/"


def manifest_of(artifact: Path) -> dict[str, Any]:
    """Return what the manifest of an artifact says about the collection."""
    with tarfile.open(artifact) as archive:
        member = archive.extractfile("MANIFEST.json")
        information: dict[str, Any] = json.loads(member.read())["collection_info"] if member else {}
    return information


def answers(artifact: Path, url: str) -> dict[str, Any]:
    """Return the documents by their paths."""
    information = manifest_of(artifact)
    version, data = information["version"], artifact.read_bytes()
    href = f"{COLLECTION}{version}/"
    return {
        "/api/": {"available_versions": {"v3": "v3/"}},
        "/api/v3/collections/optio/codex/": {"name": "codex", "namespace": "optio", "highest_version": {"version": version}},
        COLLECTION: {"meta": {"count": 1}, "links": {"next": None}, "data": [{"version": version, "href": href}]},
        href: {
            **{"namespace": {"name": "optio"}, "collection": {"name": "codex"}, "version": version, "href": href},
            **{"metadata": {"dependencies": information["dependencies"]}, "signatures": [], "download_url": f"{url}/{artifact.name}"},
            "artifact": {"filename": artifact.name, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()},
        },
    }


@contextmanager
def served(artifact: Path, address: str = "127.0.0.1") -> Iterator[str]:
    """Serve an artifact and return the URL for ``ansible-galaxy --server``; a network of containers has an ``address`` of its own."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            known = answers(artifact, url)
            if path == f"/{artifact.name}":
                self.reply(200, artifact.read_bytes(), "application/gzip")
            else:
                self.reply(200 if path in known else 404, json.dumps(known.get(path, {})).encode(), "application/json")

        def reply(self, status: int, body: bytes, kind: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer((address, 0), Handler)
    url = f"http://{address}:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"{url}/api/"
    finally:
        server.shutdown()
        server.server_close()
