# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading a body from a server: whole, cut, redirected, refused, and to whom credentials go."""

from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.optio.codex.plugins.module_utils._archive.download import HttpOptions, SourceError, open_body
from ansible_collections.optio.codex.plugins.module_utils._archive.expected import ExpectedDigests
from ansible_collections.optio.codex.plugins.module_utils._archive.urls import origin_of, same_party, shown
from ansible_collections.optio.codex.tests.unit.support.release_builders import Answer, Server, read_whole, serving

DATA = bytes(range(256)) * 4096
EXPECTED = ExpectedDigests(hashlib.sha256(DATA).hexdigest())


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as running:
        yield running


def fetch(url: str, access: HttpOptions | None = None, expected: ExpectedDigests = EXPECTED) -> None:
    read_whole(open_body(url, access or HttpOptions(timeout=5, use_proxy=False), expected))


def failure(url: str, access: HttpOptions | None = None, expected: ExpectedDigests = EXPECTED) -> SourceError:
    with pytest.raises(SourceError) as error:
        fetch(url, access, expected)
    return error.value


def test_the_expected_bytes(server: Server) -> None:
    server.answers["/file"] = Answer(DATA)
    fetch(f"{server.url}/file")
    assert server.seen[0][1]["user-agent"] == "optio.codex"


def test_a_file_of_the_worker(tmp_path: Path) -> None:
    (tmp_path / "a file").write_bytes(DATA)
    fetch(f"file://{tmp_path}/a%20file")
    missing = failure(f"file://{tmp_path}/other")
    assert missing.cause == f"file://{tmp_path}/other cannot be read on the worker: no such file or directory"
    assert missing.remedy == f"Put the file at {tmp_path}/other on the worker"


def test_a_flipped_byte(server: Server) -> None:
    server.answers["/file"] = Answer(DATA[:-1] + b"!")
    found = failure(f"{server.url}/file")
    assert found.subject == f"{server.url}/file"
    assert f"expected sha256:{EXPECTED.sha256}" in found.cause
    assert not found.transient


def test_trailing_bytes_count(server: Server) -> None:
    server.answers["/file"] = Answer(DATA + b"more")
    assert "expected sha256" in failure(f"{server.url}/file").cause


def test_a_cut_body(server: Server) -> None:
    server.answers["/file"] = Answer(DATA, cut=1000)
    found = failure(f"{server.url}/file")
    assert found.cause == f"{server.url}/file ended after 1000 of {len(DATA)} bytes"
    assert found.transient


def test_a_body_that_never_ends_is_left(server: Server) -> None:
    server.answers["/file"] = Answer(DATA)
    found = failure(f"{server.url}/file", expected=ExpectedDigests(EXPECTED.sha256, size=1000))
    assert found.cause == f"{server.url}/file sends more than the 1000 bytes of the release"


def test_a_web_page_is_named_as_such(server: Server) -> None:
    server.answers["/file"] = Answer(b"\n<!DOCTYPE html><title>Sign in</title>")
    assert "web page" in failure(f"{server.url}/file").cause


@pytest.mark.parametrize(
    ("status", "remedy", "transient"),
    [
        (401, "url_username", False),
        (403, "url_username", False),
        (404, "holds this version", False),
        (407, "proxy", False),
        (429, "later", True),
        (500, "later", True),
        (503, "later", True),
        (302, "later", False),
    ],
)
def test_refusals(server: Server, status: int, remedy: str, transient: bool) -> None:
    server.answers["/file"] = Answer(b"no", status)
    found = failure(f"{server.url}/file")
    assert f"HTTP {status}" in found.cause
    assert remedy in found.remedy
    assert found.transient is transient


def test_a_server_that_does_not_answer(server: Server) -> None:
    server.answers["/file"] = Answer(hang=True)
    begin = time.monotonic()
    found = failure(f"{server.url}/file", HttpOptions(timeout=0.3, use_proxy=False))
    assert found.cause == f"{server.url}/file does not answer in time"
    assert time.monotonic() - begin < 10


def test_a_server_that_is_not_there() -> None:
    with serving() as running:
        url = running.url
    found = failure(f"{url}/file")
    assert "refused" in found.cause
    assert "network" in found.remedy


def test_a_host_that_does_not_exist() -> None:
    assert "host of http://no-such-host.invalid/file was not found" in failure("http://no-such-host.invalid/file").cause


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_followed(server: Server, status: int) -> None:
    server.answers["/file"] = Answer(status=status, headers={"Location": "/other place"})
    server.answers["/other%20place"] = Answer(DATA)
    fetch(f"{server.url}/file")
    assert [path for path, _headers in server.seen] == ["/file", "/other%20place"]


def test_a_redirect_in_circles(server: Server) -> None:
    server.answers["/file"] = Answer(status=302, headers={"Location": "/file"})
    assert "redirects more than 10 times" in failure(f"{server.url}/file").cause


def test_a_redirect_to_a_file_of_the_worker(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(DATA)
    server.answers["/file"] = Answer(status=302, headers={"Location": f"file://{tmp_path}/file"})
    assert "redirects to file:" in failure(f"{server.url}/file").cause


def secret_access(url: str) -> HttpOptions:
    return HttpOptions(
        timeout=5,
        use_proxy=False,
        username="deploy",
        password="hunter2",
        headers={"X-Token": "s3cret"},
        force_basic_auth=True,
        origin=origin_of(url),
    )


BASIC = "Basic " + base64.b64encode(b"deploy:hunter2").decode()


def test_credentials_go_to_their_host(server: Server) -> None:
    server.answers["/file"] = Answer(DATA)
    fetch(f"{server.url}/file", secret_access(server.url))
    assert server.authorizations() == [BASIC]
    assert server.seen[0][1]["x-token"] == "s3cret"


def test_credentials_are_given_when_asked(server: Server) -> None:
    challenge = {"WWW-Authenticate": 'Basic realm="mirror"'}
    server.answers["/file"] = Answer(DATA, first=Answer(b"no", 401, challenge))
    access = HttpOptions(timeout=5, use_proxy=False, username="deploy", password="hunter2", origin=server.url)
    fetch(f"{server.url}/file", access)
    assert server.authorizations() == [None, BASIC]


def test_credentials_stay_with_their_host_over_redirects(server: Server) -> None:
    with serving("localhost") as foreign:
        server.answers["/file"] = Answer(status=302, headers={"Location": "/moved"})
        server.answers["/moved"] = Answer(status=307, headers={"Location": f"{foreign.url}/signed?key=1"})
        foreign.answers["/signed?key=1"] = Answer(DATA)
        fetch(f"{server.url}/file", secret_access(server.url))
        assert server.authorizations() == [BASIC, BASIC]
        assert foreign.authorizations() == [None]
        assert "x-token" not in foreign.seen[0][1]


def test_credentials_of_another_host_are_not_sent(server: Server) -> None:
    server.answers["/file"] = Answer(DATA)
    fetch(f"{server.url}/file", secret_access("http://mirror.example"))
    assert server.authorizations() == [None]
    assert "x-token" not in server.seen[0][1]


def test_a_failure_behind_a_redirect_names_the_host_and_no_signature(server: Server) -> None:
    with serving("localhost") as foreign:
        server.answers["/file"] = Answer(status=302, headers={"Location": f"{foreign.url}/signed?key=1"})
        found = failure(f"{server.url}/file")
    assert found.subject == f"{server.url}/file (redirected to localhost)"
    assert "key" not in str(found)


def test_no_message_shows_a_password(server: Server) -> None:
    host = server.url.partition("//")[2]
    found = failure(f"http://deploy:hunter2@{host}/file?token=s3cret")
    assert found.subject == f"{server.url}/file"
    assert "hunter2" not in repr(secret_access(server.url))
    assert "s3cret" not in repr(secret_access(server.url))


@pytest.mark.parametrize(
    ("origin", "url", "same"),
    [
        ("https://mirror.example", "https://mirror.example/a", True),
        ("https://mirror.example:443", "https://mirror.example/a", True),
        ("https://mirror.example", "https://mirror.example:8443/a", False),
        ("http://mirror.example", "https://mirror.example/a", True),
        ("https://mirror.example", "http://mirror.example/a", False),
        ("http://mirror.example:8080", "https://mirror.example/a", False),
        ("https://mirror.example", "https://mirror.example.org/a", False),
        ("https://mirror.example", "https://MIRROR.example/a", True),
        ("https://mirror.example", "https://mirror.example@evil.example/a", False),
    ],
)
def test_who_is_the_same_host(origin: str, url: str, same: bool) -> None:
    assert same_party(origin, url) is same


def test_a_url_as_it_is_shown() -> None:
    assert shown("https://u:p@mirror.example:8443/a/b?token=1#x") == "https://mirror.example:8443/a/b"
    assert shown("host") == "host"
