# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The mirror's faults are what they claim to be: tests of downloads rest on them."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from mirror import HTML, RATE_CHUNK, MirrorServer

BODY = bytes(range(256)) * 400
PATH = "/codex/rust-v1/file.tgz"


class Mirror:
    def __init__(self, server: MirrorServer, log: Path) -> None:
        self.port = int(server.server_address[1])
        self._log = log

    def get(self, path: str, method: str = "GET") -> tuple[int, bytes, http.client.HTTPResponse]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        connection.request(method, path)
        response = connection.getresponse()
        try:
            return response.status, response.read(), response
        finally:
            connection.close()

    def wait_for_log(self, expected: str) -> None:
        """The line is written after the last byte was sent: the client may be faster."""
        deadline = time.monotonic() + 5
        while expected not in self._log.read_text().splitlines():
            assert time.monotonic() < deadline, f"{expected!r} is not in the log:\n{self._log.read_text()}"
            time.sleep(0.01)


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[Mirror]:
    file = tmp_path / "root" / PATH.lstrip("/")
    file.parent.mkdir(parents=True)
    file.write_bytes(BODY)
    (tmp_path / "secret").write_text("outside of the root")
    log = tmp_path / "mirror.log"
    server = MirrorServer(("127.0.0.1", 0), tmp_path / "root", log)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield Mirror(server, log)
    server.shutdown()
    thread.join()
    server.server_close()


def test_serves_a_file_and_logs_it(mirror: Mirror) -> None:
    status, body = mirror.get(PATH)[:2]
    assert (status, body) == (200, BODY)
    mirror.wait_for_log(f"GET {PATH} 200 {len(BODY)}")


def test_head_sends_the_length_and_no_body(mirror: Mirror) -> None:
    status, body, response = mirror.get(PATH, "HEAD")
    assert (status, body, response.getheader("Content-Length")) == (200, b"", str(len(BODY)))
    mirror.wait_for_log(f"HEAD {PATH} 200 0")


@pytest.mark.parametrize("path", ["/absent", "/../secret", "/%2e%2e/secret", "/codex", "/fault/truncate/absent"])
def test_only_files_below_the_root_are_found(mirror: Mirror, path: str) -> None:
    assert mirror.get(path)[0] == 404
    mirror.wait_for_log(f"GET {path} 404 10")


def test_truncate_announces_all_and_sends_half(mirror: Mirror) -> None:
    with pytest.raises(http.client.IncompleteRead) as caught:
        mirror.get("/fault/truncate" + PATH)
    assert caught.value.partial == BODY[: len(BODY) // 2]
    mirror.wait_for_log(f"GET /fault/truncate{PATH} 200 {len(BODY) // 2}")


def test_flip_changes_one_bit_and_not_the_length(mirror: Mirror) -> None:
    status, body = mirror.get("/fault/flip" + PATH)[:2]
    assert (status, len(body)) == (200, len(BODY))
    assert [a ^ b for a, b in zip(body, BODY, strict=True) if a != b] == [1]


def test_500_html_and_redirects(mirror: Mirror) -> None:
    assert mirror.get("/fault/500" + PATH)[0] == 500
    assert mirror.get("/fault/html" + PATH)[:2] == (200, HTML)
    status, body, response = mirror.get("/fault/redirect" + PATH)
    assert (status, body, response.getheader("Location")) == (302, b"", PATH)
    status, body, response = mirror.get("/fault/loop" + PATH)
    assert (status, body, response.getheader("Location")) == (302, b"", "/fault/loop" + PATH)


def test_flaky_fails_once(mirror: Mirror) -> None:
    assert [mirror.get(path)[0] for path in ["/fault/flaky" + PATH] * 3] == [503, 200, 200]


@pytest.mark.slow
def test_slow_sends_all_and_takes_its_time(mirror: Mirror) -> None:
    begin = time.monotonic()
    assert mirror.get("/fault/slow" + PATH)[:2] == (200, BODY)
    assert time.monotonic() - begin > 2


def test_a_rate_sends_all_and_takes_its_time(mirror: Mirror) -> None:
    begin = time.monotonic()
    assert mirror.get("/fault/rate-1" + PATH)[:2] == (200, BODY)
    # the pause after the last chunk is not seen here
    assert time.monotonic() - begin > (len(BODY) - RATE_CHUNK) / 1e6 * 0.9
    assert [mirror.get(f"/fault/{kind}{PATH}")[0] for kind in ("rate-0", "rate-x", "rate-")] == [400] * 3


def test_hang_sends_headers_and_nothing_else(mirror: Mirror) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", mirror.port, timeout=0.3)
    connection.request("GET", "/fault/hang" + PATH)
    response = connection.getresponse()
    assert response.getheader("Content-Length") == str(len(BODY))
    with pytest.raises(TimeoutError):
        response.read(1)
    response.close()
    connection.close()
    mirror.wait_for_log(f"GET /fault/hang{PATH} 200 0")


def test_an_unknown_fault_is_refused(mirror: Mirror) -> None:
    assert mirror.get("/fault/typo" + PATH)[0] == 400


def test_health_is_not_logged(mirror: Mirror, tmp_path: Path) -> None:
    assert mirror.get("/healthz")[:2] == (200, b"ok\n")
    mirror.get("/absent")
    mirror.wait_for_log("GET /absent 404 10")
    assert "healthz" not in (tmp_path / "mirror.log").read_text()
