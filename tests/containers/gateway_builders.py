# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What stands on both sides of a gateway in the tests; a script for the workers, with the standard library alone.

``terminal NAME PLACE`` answers on a session's socket as ttyd does, its own three paths alone, and tells what arrived.
``sessions OWNER`` makes the directories of the sessions that it reads as JSON: of each name its sockets, on which nothing
answers, the text of its status, and the age of both in seconds.
``service PORT`` decides about requests by their cookie, and prints what it was asked.
``ask`` sends the requests that it reads as JSON, and prints the answers. ``hold`` keeps a websocket open and sends on it
what it reads, line by line.
"""

from __future__ import annotations

import base64
import grp
import http.client
import json
import os
import pwd
import secrets
import socket
import ssl
import sys
import threading
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

WEBSOCKET = {
    **{"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13"},
    **{"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Protocol": "tty"},
}


def serve_terminal(name: str, place: str) -> None:
    """Answer on a session's socket; what comes after the opening of a websocket is sent back."""
    path = f"/run/optio-codex-web/{name}/{place}.sock"
    os.umask(0o007)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path)
        listening.listen()
        print("ready", flush=True)
        while True:
            connection, _peer = listening.accept()
            threading.Thread(target=_answer, args=(connection, f"/{place}/{name}/"), daemon=True).start()


def make_sessions(owner: str, sessions: Mapping[str, Mapping[str, Any]]) -> None:
    """Make the directories of sessions, as root and their user leave them."""
    uid, gid = int(owner) if owner.isdigit() else pwd.getpwnam(owner).pw_uid, grp.getgrnam("www-data").gr_gid
    for name, session in sessions.items():
        directory = f"/run/optio-codex-web/{name}"
        os.makedirs(directory, exist_ok=True)
        for place in session.get("places", ()):
            with socket.socket(socket.AF_UNIX) as listening:
                listening.bind(f"{directory}/{place}.sock")
        if "status" in session:
            with open(f"{directory}/.status.json", "w", encoding="utf-8") as file:
                file.write(session["status"])
            os.chmod(file.name, 0o640)
            os.chown(file.name, uid, gid)
            os.rename(file.name, f"{directory}/status.json")
        os.chown(directory, uid, gid)
        os.chmod(directory, 0o2710)
        changed = time.time() - session.get("age", 0)
        os.utime(directory, (changed, changed))


def _answer(connection: socket.socket, base: str) -> None:
    with connection:
        head, _end, _rest = connection.recv(16384).decode().partition("\r\n\r\n")
        first, *lines = head.split("\r\n")
        target = first.split()[1]
        headers = {name.lower(): value for name, _colon, value in (line.partition(": ") for line in lines)}
        if target == f"{base}ws" and headers.get("upgrade") == "websocket":
            arrived = f"X-Target: {target}\r\nX-Names: {' '.join(headers)}\r\n"
            # none of these may reach a browser
            arrived += "Set-Cookie: session=1\r\nClear-Site-Data: *\r\nStrict-Transport-Security: max-age=1\r\nAlt-Svc: clear\r\n"
            connection.sendall(f"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n{arrived}\r\n".encode())
            while data := connection.recv(4096):
                connection.sendall(data)
            return
        known = target in (base, f"{base}token", f"{base}ws")
        text = json.dumps({"target": target, "headers": headers}).encode()
        status = b"200 OK" if known else b"404 Not Found"
        connection.sendall(b"HTTP/1.1 " + status + b"\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(text) + text)


class _Service(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        right, session = self.headers.get("X-Codex-Right"), self.headers.get("X-Codex-Session")
        print(self.command, self.path, right, session, self.headers.get("X-Original-URI"), flush=True)
        allowed = {"session=watcher": ("list", "watch"), "session=writer": ("list", "watch", "write")}.get(self.headers.get("Cookie") or "")
        self.send_response(401 if allowed is None else 204 if right in allowed else 403)
        if allowed:
            self.send_header("X-Codex-Right", allowed[-1])
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing more."""


def _connect(port: int, source: str = "127.0.0.1") -> http.client.HTTPSConnection:
    context = ssl.create_default_context()
    # which certificate it is the tests compare themselves
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=20, source_address=(source, 0))


def _headers(request: Mapping[str, Any]) -> dict[str, str]:
    headers = {**(WEBSOCKET if request.get("websocket") else {}), **request.get("headers", {})}
    if request.get("login"):
        headers["Authorization"] = f"Basic {base64.b64encode(request['login'].encode()).decode()}"
    return headers


def ask(request: Mapping[str, Any]) -> dict[str, Any]:
    """Return status, headers and text of an answer; each request is from an address of its own, unless it names its ``source``."""
    address = ".".join(str(secrets.randbelow(250) + 1) for _part in range(3))
    connection = _connect(int(request.get("port", 443)), request.get("source", f"127.{address}"))
    connection.putrequest("GET", request["path"], skip_host="Host" in request.get("headers", {}))
    for name, value in _headers(request).items():
        connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    text = "" if answer.status == 101 else answer.read().decode()
    connection.close()
    return {"status": answer.status, "headers": {name.lower(): value for name, value in answer.getheaders()}, "text": text}


def hold(request: Mapping[str, Any]) -> None:
    """Keep a websocket open; print what comes back for each line."""
    connection = _connect(443)
    connection.request("GET", request["path"], headers=_headers({**request, "websocket": True}))
    line = connection.sock
    print(line.recv(4096).split(b"\r\n")[0].decode(), flush=True)
    for text in sys.stdin:
        line.sendall(text.encode())
        print(line.recv(4096).decode().strip() or "closed", flush=True)


if __name__ == "__main__":
    verb, *words = sys.argv[1:]
    if verb == "terminal":
        serve_terminal(*words)
    elif verb == "sessions":
        make_sessions(words[0], json.load(sys.stdin))
    elif verb == "service":
        HTTPServer(("127.0.0.1", int(words[0])), _Service).serve_forever()
    elif verb == "hold":
        hold(json.loads(words[0]))
    else:
        print(json.dumps([ask(request) for request in json.load(sys.stdin)]))
