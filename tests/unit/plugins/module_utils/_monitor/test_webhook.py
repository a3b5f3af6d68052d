# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Posting to receivers that accept, refuse, redirect, hang, drip, or are gone."""

from __future__ import annotations

import http.server
import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.optio.codex.plugins.module_utils._monitor import webhook
from ansible_collections.optio.codex.tests.unit.support.certificates import Authority

EVENT = {"event": "done", "session": "one"}


class Receiver(http.server.ThreadingHTTPServer):
    """Answers by the path of a request, and keeps what it got."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.requests: list[tuple[str, dict[str, str], Any]] = []
        self.ended = threading.Event()

    def url(self, path: str, scheme: str = "http") -> str:
        return f"{scheme}://127.0.0.1:{self.server_address[1]}/{path}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that go away."""


class Answer(http.server.BaseHTTPRequestHandler):
    """One request."""

    server: Receiver

    def do_POST(self) -> None:
        """Keep the request, and answer as its path says."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.requests.append((self.path, dict(self.headers), body))
        kind = self.path.strip("/")
        if kind == "drip":
            while not self.server.ended.wait(0.02):
                self.wfile.write(b"H")
        elif kind == "hang":
            self.server.ended.wait(20)
        else:
            status = 503 if kind == "busy-once" and len(self.server.requests) == 1 else int(kind) if kind.isdigit() else 200
            self.send_response(status)
            self.send_header("Location", self.server.url("elsewhere"))
            self.end_headers()
            self.wfile.write(b"x" * 100)

    def log_message(self, *_arguments: Any) -> None:
        """Print nothing."""


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    monkeypatch.setattr(webhook, "BACKOFF", (0.0, 0.0))
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    server = Receiver()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.ended.set()
        server.shutdown()
        server.server_close()
        thread.join()


def config_of(url: str, **changes: Any) -> dict[str, Any]:
    return {"url": url, "token": "t0ken", "timeout": 10.0, "ca_path": None, **changes}


#: (the answer, how often the event was sent, the problem)
ANSWERS = [
    ("200", 1, None),
    ("201", 1, None),
    ("busy-once", 2, None),
    ("500", 3, "the answer is 500"),
    ("429", 3, "the answer is 429"),
    ("401", 1, "the answer is 401"),
    ("404", 1, "the answer is 404"),
    ("302", 1, "the answer is 302"),
    ("307", 1, "the answer is 307"),
]


@pytest.mark.parametrize(("path", "times", "problem"), ANSWERS)
def test_an_event_is_sent_until_it_is_taken_or_refused(receiver: Receiver, path: str, times: int, problem: str | None) -> None:
    assert webhook.send(config_of(receiver.url(path)), EVENT) == problem
    # a redirect is not followed
    assert [request[0] for request in receiver.requests] == [f"/{path}"] * times
    _path, headers, body = receiver.requests[0]
    assert body == EVENT
    assert (headers["Content-Type"], headers["Authorization"]) == ("application/json", "Bearer t0ken")


def test_no_authorization_without_a_token(receiver: Receiver) -> None:
    assert webhook.send(config_of(receiver.url("200"), token=None), EVENT) is None
    assert "Authorization" not in receiver.requests[0][1]


@pytest.mark.parametrize("path", ["hang", "drip"])
def test_a_request_that_is_not_answered_ends_and_is_not_sent_again(receiver: Receiver, path: str) -> None:
    problem = webhook.send(config_of(receiver.url(path), timeout=0.3), EVENT)
    assert problem is not None and problem.startswith("it did not answer")
    assert len(receiver.requests) == 1


def test_a_receiver_that_is_gone_is_tried_again() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/"
        began = time.monotonic()
        problem, again = webhook.attempt(config_of(url), EVENT, 5)
        assert (again, str(problem).startswith("it cannot be reached")) == (True, True)
        # no time is left for the second attempt
        assert webhook.send(config_of(url), EVENT, began + 1.5) == problem


def test_nothing_is_sent_after_the_deadline(receiver: Receiver) -> None:
    assert webhook.send(config_of(receiver.url("200")), EVENT, time.monotonic() - 1) == "no time was left"
    assert receiver.requests == []


def test_certificates_are_verified(receiver: Receiver, tmp_path: Path) -> None:
    authority = Authority()
    for name, text in zip(("server.pem", "server.key"), authority.server("127.0.0.1")):
        (tmp_path / name).write_text(text)
    (tmp_path / "ca.pem").write_text(authority.certificate)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.pem", tmp_path / "server.key")
    receiver.socket = context.wrap_socket(receiver.socket, server_side=True)
    url = receiver.url("200", "https")
    problem, again = webhook.attempt(config_of(url), EVENT, 10)
    assert not again and "certificate verify failed" in str(problem) and receiver.requests == []
    assert webhook.send(config_of(url, ca_path=str(tmp_path / "ca.pem")), EVENT) is None
    # for another host it is not valid
    problem, _again = webhook.attempt(config_of(url.replace("127.0.0.1", "localhost"), ca_path=str(tmp_path / "ca.pem")), EVENT, 10)
    assert problem is not None and len(receiver.requests) == 1


def test_a_missing_file_of_certificates_is_a_problem(receiver: Receiver) -> None:
    problem = webhook.send(config_of(receiver.url("200", "https"), ca_path="/nonexistent.pem"), EVENT)
    assert problem is not None and receiver.requests == []
