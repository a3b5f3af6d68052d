# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stand-in for the OpenAI Responses API, with a deterministic "model" that obeys directives.

It lets a real codex do real work with no account and no network. One server answers any number of
sessions at once and keeps no state: each answer follows from its request alone (``standin_model``).

Event shapes: the streaming reference of the Responses API (``response.created``,
``response.output_item.added``, ``response.output_text.delta``, ``response.output_item.done``,
``response.completed`` with usage), held against what codex 0.142.5 and 0.169.0 send and accept.
Standard library only, Python 3.9 and later; copy this directory to run it in a container.
"""

from __future__ import annotations

import argparse
import base64
import gzip
import hashlib
import json
import os
import re
import select
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from standin_faults import FAULTS, fault_error, fault_of, status_of
from standin_model import DIRECTIVES, Call, Failure, Json, Limits, Text, decide, limits_of, tool_names

MAX_BODY = 64 * 1024 * 1024
SLOW_TICK = 0.25
#: to the fault of that name
WRONG = "I would rather talk about the weather."
ERROR_KINDS = {401: "invalid_api_key", 429: "rate_limit_exceeded"}


def events(body: Json, answer: Call | Text) -> Iterator[tuple[float, Json]]:
    """Yield ``(seconds to wait first, event)`` for the whole stream of one answer."""
    seed = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()[:24]
    response: Json = {"id": f"resp_{seed}", "object": "response", "status": "in_progress", "output": []}
    response["model"] = body.get("model", "stand-in")
    yield 0.0, {"type": "response.created", "response": dict(response)}
    if isinstance(answer, Call):
        field = "input" if answer.custom else "arguments"
        item: Json = {"type": "custom_tool_call" if answer.custom else "function_call", "id": f"fc_{seed}"}
        item.update(status="completed", name=answer.name, call_id=answer.call_id)
        item[field] = answer.payload
        yield 0.0, {"type": "response.output_item.added", "output_index": 0, "item": {**item, field: ""}}
    else:
        item = {"type": "message", "id": f"msg_{seed}", "role": "assistant", "status": "completed"}
        yield 0.0, {"type": "response.output_item.added", "output_index": 0, "item": {**item, "content": []}}
        part: Json = {"type": "response.output_text.delta", "item_id": item["id"]}
        part.update(output_index=0, content_index=0)
        whole = []
        for delay, delta in deltas(answer):
            whole.append(delta)
            yield delay, {**part, "delta": delta}
        item["content"] = [{"type": "output_text", "text": "".join(whole), "annotations": []}]
    yield 0.0, {"type": "response.output_item.done", "output_index": 0, "item": item}
    response.update(status="completed", output=[item], usage=usage(body, item))
    yield 0.0, {"type": "response.completed", "response": response}


def deltas(answer: Text) -> Iterator[tuple[float, str]]:
    """Yield ``(seconds to wait first, text)`` pieces: words at once, or a line of dots over ``slow`` seconds first."""
    ticks = round(answer.slow / SLOW_TICK)
    for tick in range(ticks):
        # A newline now and then, because codex draws streamed text by whole lines.
        yield answer.slow / ticks, "Working" if tick == 0 else ".\n" if tick % 8 == 0 or tick == ticks - 1 else "."
    if ticks:
        yield 0.0, "\n"
    for word in re.findall(r"\S+\s*|\s+", answer.text):
        yield 0.0, word


def usage(body: Json, item: Json) -> Json:
    """Return token counts of about four characters a token, equal for equal requests."""
    read, written = len(json.dumps(body)) // 4 + 1, len(json.dumps(item)) // 4 + 1
    return {
        "input_tokens": read,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": written,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": read + written,
    }


def error_body(status: int, message: str) -> Json:
    """Return the API's error object for an HTTP status."""
    kind = ERROR_KINDS.get(status, "server_error" if status >= 500 else "invalid_request")
    return {"error": {"message": message, "type": kind, "code": kind, "param": None}}


def next_tokens(spent: str) -> Json:
    """Return what the account's server answers for a refresh token: another one, and an access token that lasts."""
    parts = [{"alg": "none"}, {"exp": 4_000_000_000}]
    header, claims = (base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts)
    return {"access_token": f"{header}.{claims}.{spent}", "refresh_token": f"{spent}-next"}


class RequestLog:
    """One JSON line a request: never a header's value, never a message's text."""

    def __init__(self, path: Path | None) -> None:
        self._lock = threading.Lock()
        self._stream = path.open("a", encoding="utf-8") if path else sys.stderr

    def write(self, entry: Json) -> None:
        """Append one entry, whole, whatever other requests do."""
        with self._lock:
            self._stream.write(json.dumps(entry) + "\n")
            self._stream.flush()


class Server(ThreadingHTTPServer):
    """The HTTP server, with the log its handlers share."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], log: RequestLog) -> None:
        super().__init__(address, Handler)
        self.log = log
        self.stopping = threading.Event()


class Handler(BaseHTTPRequestHandler):
    """Serves ``POST /v1/responses``, ``POST /oauth/token``, ``GET /v1/models`` and ``GET /health``, and faults; else it is a 404."""

    server: Server
    protocol_version = "HTTP/1.1"
    server_version = "responses-stand-in"

    def do_GET(self) -> None:
        """Answer the probes a client makes before it works."""
        path = self.path.split("?")[0].rstrip("/")
        if path == "/health":
            self._json(200, {"status": "ok"}, "health")
        elif path == "/v1/models":
            model = {"id": "stand-in", "object": "model", "owned_by": "tests"}
            self._json(200, {"object": "list", "data": [model]}, "models")
        else:
            self._refuse(404, f"{path}: no such resource; the stand-in has /v1/responses only", "unknown")

    def do_POST(self) -> None:
        """Answer one model request, streamed unless it says ``"stream": false``."""
        body = self._body()
        if body is None:
            return
        path = self.path.split("?")[0].rstrip("/")
        if path == "/oauth/token":
            self._json(200, next_tokens(str(body.get("refresh_token", ""))), "tokens")
            return
        fault, path = fault_of(path, self.headers.get("Authorization", ""))
        if fault and self._has_failed(fault, path, body):
            return
        if path != "/v1/responses":
            self._refuse(404, f"{path}: no such resource; the stand-in has /v1/responses only", "unknown")
            return
        answer = Text(WRONG) if fault == "wrong" else decide(body)
        limits = None if isinstance(answer, Call) else limits_of(body)
        if limits and limits.reached:
            self._json(429, limits.error(), "limit", body, limits)
        elif isinstance(answer, Failure):
            self._refuse(answer.status, f"The stand-in was told to fail with {answer.status}", "fail", body)
        elif body.get("stream", True):
            self._stream(body, answer, limits)
        else:
            response = [event for _name, event in events(body, answer)][-1]["response"]
            self._json(200, response, type(answer).__name__.lower(), body, limits)

    def _has_failed(self, fault: str, path: str, body: Json) -> bool:
        """Return whether a fault has answered in the model's place; a hang lasts until the client or the server goes."""
        status = status_of(fault)
        if status:
            self._json(status, fault_error(fault, self.headers.get("Authorization", ""), path), "fault", body)
        elif fault == "hang":
            self.close_connection = True
            while not self.server.stopping.wait(SLOW_TICK) and not self._client_is_gone():
                pass
            self._log(0, "hang", body)
        return status is not None or fault == "hang"

    def _client_is_gone(self) -> bool:
        readable = select.select([self.connection], [], [], 0)[0]
        try:
            return bool(readable) and not self.connection.recv(1, socket.MSG_PEEK)
        except OSError:
            return True

    def _body(self) -> Json | None:
        """Return the request's JSON object, or None after having refused it."""
        length = self.headers.get("Content-Length", "")
        coding = self.headers.get("Content-Encoding", "identity")
        if not length.isdigit() or int(length) > MAX_BODY:
            self._refuse(411, f"the body needs a Content-Length of at most {MAX_BODY} bytes")
            return None
        raw = self.rfile.read(int(length))
        if coding not in ("identity", "gzip"):
            self._refuse(415, f"Content-Encoding {coding} is not supported; send identity or gzip")
            return None
        try:
            body = json.loads(gzip.decompress(raw) if coding == "gzip" else raw)
        except (ValueError, OSError, EOFError) as error:
            self._refuse(400, f"the body is not JSON: {error}; send one JSON object")
            return None
        if isinstance(body, dict):
            return body
        self._refuse(400, "the body is not a JSON object; send one")
        return None

    def _refuse(self, status: int, message: str, kind: str = "malformed", body: Json | None = None) -> None:
        self._json(status, error_body(status, message), kind, body)

    def _stream(self, body: Json, answer: Call | Text, limits: Limits | None) -> None:
        self.close_connection = True
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Cache-Control", "no-store")
        self.send_header("Connection", "close")
        self._send_limits(limits)
        self.end_headers()
        kind = type(answer).__name__.lower()
        try:
            for sequence, (delay, event) in enumerate(events(body, answer)):
                if delay and self.server.stopping.wait(delay):
                    break
                data = json.dumps({**event, "sequence_number": sequence})
                self.wfile.write(f"event: {event['type']}\ndata: {data}\n\n".encode())
                self.wfile.flush()
        except (BrokenPipeError, ConnectionResetError):
            kind += "-cut-off"
        self._log(200, kind, body)

    def _send_limits(self, limits: Limits | None) -> None:
        for name, value in limits.headers().items() if limits else ():
            self.send_header(name, value)

    def _json(self, status: int, payload: Json, kind: str, body: Json | None = None, limits: Limits | None = None) -> None:
        data = json.dumps(payload).encode()
        # An error may leave an unread body behind, so the connection cannot carry another request.
        self.close_connection = status >= 400
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self._send_limits(limits)
        self.end_headers()
        self.wfile.write(data)
        self._log(status, kind, body)

    def _log(self, status: int, kind: str, body: Json | None) -> None:
        entry: Json = {"time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "peer": self.client_address[0]}
        entry.update(method=self.command, path=self.path.split("?")[0], status=status, answer=kind)
        entry["agent"] = self.headers.get("User-Agent", "")
        entry["authorization"] = "present" if "Authorization" in self.headers else "absent"
        # which it was, for a test that knows it
        entry["authorization_sha256"] = hashlib.sha256(self.headers.get("Authorization", "").encode()).hexdigest()
        if body is not None:
            entry.update(model=body.get("model"), items=len(body.get("input") or []), tools=len(tool_names(body)))
        self.server.log.write(entry)

    def log_message(self, format: str, *args: Any) -> None:
        """Keep the default log quiet: ``RequestLog`` has the line already."""


def write_ready(path: Path, port: int) -> None:
    """Write ``PORT\\n`` to ``path`` by a rename, so that a reader never sees half a number."""
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    scratch.write_text(f"{port}\n", encoding="utf-8")
    scratch.replace(path)


def parse_arguments(argv: list[str] | None = None) -> argparse.Namespace:
    """Return the command line's options."""
    parser = argparse.ArgumentParser(
        description="A stand-in for the OpenAI Responses API that obeys directives in the messages it gets.",
        epilog=f"{DIRECTIVES}\n{FAULTS}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=0, help="port to listen on; 0 takes a free one (default)")
    parser.add_argument("--log", type=Path, metavar="FILE", help="append a JSON line a request (default: stderr)")
    parser.add_argument("--ready-file", type=Path, metavar="FILE", help="write the port here once it listens")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Serve until TERM or INT; return the exit status."""
    options = parse_arguments(argv)
    try:
        server = Server((options.host, options.port), RequestLog(options.log))
    except OSError as error:
        where = f"{options.host}:{options.port} or log {options.log}"
        print(f"{where}: cannot be opened: {error}; choose another", file=sys.stderr)
        return 1

    def stop(signum: int, frame: Any) -> None:
        server.stopping.set()
        # shutdown() waits for the loop this handler interrupts, hence the thread.
        threading.Thread(target=server.shutdown).start()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    if options.ready_file:
        write_ready(options.ready_file, server.server_port)
    print(f"Listening on http://{options.host}:{server.server_port}/v1", file=sys.stderr, flush=True)
    with server:
        server.serve_forever(poll_interval=0.1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
