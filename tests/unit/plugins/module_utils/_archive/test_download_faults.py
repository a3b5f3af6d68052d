# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What networks do to a download: odd answers, stalls, proxies, private certificates, a netrc, busy servers."""

from __future__ import annotations

import base64
import datetime
import hashlib
import ipaddress
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from ansible_collections.optio.codex.plugins.module_utils._archive.download import HttpOptions, SourceError, open_body
from ansible_collections.optio.codex.plugins.module_utils._archive.expected import ExpectedDigests
from ansible_collections.optio.codex.plugins.module_utils._archive.urls import origin_of
from ansible_collections.optio.codex.plugins.module_utils._core.errors import OptioError
from ansible_collections.optio.codex.plugins.module_utils._core.runner import converge
from ansible_collections.optio.codex.plugins.module_utils._release.module import CODEX_RELEASE
from ansible_collections.optio.codex.tests.unit.support.release_builders import (
    PARAMS,
    TARGET,
    VERSION,
    Answer,
    QuickHost,
    Server,
    checksum,
    npm_archive,
    read_whole,
    serving,
)

DATA = bytes(range(256)) * 40
EXPECTED = ExpectedDigests(hashlib.sha256(DATA).hexdigest())
PROXY_USER = "Basic " + base64.b64encode(b"me:hunter2").decode()


@pytest.fixture(autouse=True)
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as running:
        running.answers["/file"] = Answer(DATA)
        yield running


def access(**options: object) -> HttpOptions:
    return HttpOptions(**{"timeout": 5, "use_proxy": False, **options})  # type: ignore[arg-type]


def fetch(url: str, how: HttpOptions | None = None) -> None:
    read_whole(open_body(url, how or access(), EXPECTED))


def failure(url: str, how: HttpOptions | None = None) -> SourceError:
    with pytest.raises(SourceError) as error:
        fetch(url, how)
    return error.value


# ---- answers -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("location", "cause"),
    [
        ("ftp://mirror.example/file", "redirects to ftp://mirror.example/file"),
        ("data:,x", "redirects to data:,x"),
        ("FILE:///etc/passwd", "redirects to file:///etc/passwd"),
        ("http://[::1/file", "Invalid IPv6 URL"),
        ("http://127.0.0.1\x01/file", "control characters"),
    ],
)
def test_a_redirect_to_nowhere(server: Server, location: str, cause: str) -> None:
    server.answers["/file"] = Answer(status=302, headers={"Location": location})
    assert cause in failure(f"{server.url}/file").cause


@pytest.mark.parametrize("length", ["\xb2", "-1", "many"])
def test_a_length_that_is_none_counts_as_none(server: Server, length: str) -> None:
    server.answers["/file"] = Answer(DATA, headers={"Content-Length": length, "Connection": "close"})
    fetch(f"{server.url}/file")


def test_a_length_that_is_too_small(server: Server) -> None:
    server.answers["/file"] = Answer(DATA, headers={"Content-Length": "1000"})
    assert "/file has 1000 bytes with sha256:" in failure(f"{server.url}/file").cause


def test_a_length_that_is_too_large(server: Server) -> None:
    server.answers["/file"] = Answer(DATA, headers={"Content-Length": str(len(DATA) + 1)}, cut=len(DATA))
    found = failure(f"{server.url}/file")
    assert found.cause == f"{server.url}/file ended after {len(DATA)} of {len(DATA) + 1} bytes"
    assert found.transient


def test_a_body_in_pieces(server: Server) -> None:
    server.answers["/file"] = Answer(DATA, chunked=True)
    fetch(f"{server.url}/file")


def test_a_body_in_pieces_that_is_cut(server: Server) -> None:
    server.answers["/file"] = Answer(DATA, chunked=True, cut=5000)
    found = failure(f"{server.url}/file")
    assert "/file closed the connection: " in found.cause
    assert found.transient


@pytest.mark.parametrize("answer", [Answer(DATA, stall=5000), Answer(DATA, stall=5000, chunked=True)], ids=["length", "pieces"])
def test_a_body_that_stops_without_an_end(server: Server, answer: Answer) -> None:
    server.answers["/file"] = answer
    begin = time.monotonic()
    found = failure(f"{server.url}/file", access(timeout=0.3))
    assert found.cause == f"{server.url}/file does not answer in time"
    assert "timeout" in found.remedy
    assert time.monotonic() - begin < 10


# ---- another try ---------------------------------------------------------------------------------------------------


def install(url: str, host: QuickHost, tmp_path: Path, archive: bytes) -> str:
    params = {**PARAMS, "version": VERSION, "sources": [url], "cache_dir": str(tmp_path / "cache"), "checksum": checksum(archive)}
    return str(converge(CODEX_RELEASE, params, host, False, False)["source"])


PATH = f"/rust-v{VERSION}/codex-npm-linux-{TARGET.asset}-{VERSION}.tgz"


@pytest.mark.parametrize(
    ("first", "pauses"),
    [
        (Answer(status=500, first=Answer(status=503)), [1, 4]),
        (Answer(status=429), [1]),
        (Answer(status=429, headers={"Retry-After": "7"}), [7]),
        (Answer(status=503, headers={"Retry-After": "2"}, first=Answer(status=502, headers={"Retry-After": "Friday"})), [2, 4]),
    ],
    ids=["twice", "busy", "busy for long", "busy until"],
)
def test_a_server_that_recovers(server: Server, tmp_path: Path, first: Answer, pauses: list[float]) -> None:
    archive = npm_archive()
    server.answers[PATH] = Answer(archive, first=first)
    host = QuickHost()
    assert install(server.url, host, tmp_path, archive) == f"{server.url}{PATH}"
    assert host.pauses == pauses


def test_a_server_that_is_busy_for_too_long(server: Server, tmp_path: Path) -> None:
    server.answers[PATH] = Answer(status=429, headers={"Retry-After": "3600"})
    host = QuickHost()
    with pytest.raises(OptioError, match=r"answers HTTP 429 Too Many Requests and asks to wait 3600 s"):
        install(server.url, host, tmp_path, b"")
    assert host.pauses == []
    assert len(server.seen) == 1


# ---- proxies -------------------------------------------------------------------------------------------------------


def proxy(monkeypatch: pytest.MonkeyPatch, server: Server, user: str = "") -> None:
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, server.url.replace("//", f"//{user}"))


def test_a_proxy_that_needs_a_password_gets_it(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    proxy(monkeypatch, server, "me:hunter2@")
    server.answers["http://mirror.example/file"] = Answer(DATA)
    fetch("http://mirror.example/file", access(use_proxy=True))
    assert server.seen[0][1]["proxy-authorization"] == PROXY_USER


@pytest.mark.parametrize(("scheme", "asked"), [("http", "http://mirror.example/file"), ("https", "mirror.example:443")])
@pytest.mark.parametrize("user", ["", "me:hunter2@"], ids=["none", "a wrong one"])
def test_a_proxy_that_refuses(server: Server, monkeypatch: pytest.MonkeyPatch, scheme: str, asked: str, user: str) -> None:
    proxy(monkeypatch, server, user)
    server.answers[asked] = Answer(status=407, headers={"Proxy-Authenticate": 'Basic realm="proxy"'})
    found = failure(f"{scheme}://mirror.example/file", access(use_proxy=True))
    assert "407 Proxy Authentication Required" in found.cause
    assert found.remedy == "Set the proxy's user and password in the proxy variables of the task's environment"
    assert "hunter2" not in str(found)


# ---- certificates --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with the key and the certificate of a private CA that is the server 127.0.0.1 itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "private CA")])
    now = datetime.datetime.now(datetime.timezone.utc)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(now + datetime.timedelta(days=1))
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    pem = serialization.Encoding.PEM
    path = tmp_path_factory.mktemp("tls") / "ca.pem"
    path.write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + builder.sign(key, hashes.SHA256()).public_bytes(pem)
    )
    return path


def tls(authority: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority)
    return context


@pytest.fixture
def secure(authority: Path) -> Iterator[Server]:
    with serving(tls=tls(authority)) as running:
        running.answers["/file"] = Answer(DATA)
        yield running


def test_a_private_ca_is_unknown_until_it_is_named(secure: Server, authority: Path) -> None:
    found = failure(f"{secure.url}/file")
    assert found.cause.startswith(f"the certificate of {secure.url}/file is not trusted: self")
    assert "ca_path" in found.remedy
    assert secure.seen == []
    fetch(f"{secure.url}/file", access(ca_path=str(authority)))
    fetch(f"{secure.url}/file", access(validate_certs=False))


def test_a_certificate_of_another_host(authority: Path) -> None:
    with serving("localhost", tls(authority)) as running:
        found = failure(f"{running.url}/file", access(ca_path=str(authority)))
    assert "is not valid for 'localhost'" in found.cause


@pytest.mark.parametrize("content", [None, "no certificate\n"], ids=["absent", "text"])
def test_a_ca_path_that_is_none(secure: Server, tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)
    found = failure(f"{secure.url}/file", access(ca_path=str(path)))
    assert found.cause.startswith(f"{secure.url}/file was not requested because ca_path {path} cannot be used: ")
    assert found.remedy == "Put the CA's certificates in that file on the worker, in PEM form"


def test_a_body_that_is_cut_behind_tls(secure: Server, authority: Path) -> None:
    secure.answers["/file"] = Answer(DATA, cut=5000)
    found = failure(f"{secure.url}/file", access(ca_path=str(authority)))
    assert found.cause == f"{secure.url}/file ended after 5000 of {len(DATA)} bytes"
    assert found.transient


def test_credentials_do_not_leave_tls(secure: Server, server: Server, authority: Path) -> None:
    secure.answers["/file"] = Answer(status=302, headers={"Location": f"{server.url}/file"})
    own = access(
        ca_path=str(authority),
        username="deploy",
        password="hunter2",
        headers={"X-Token": "s3cret"},
        force_basic_auth=True,
        origin=origin_of(secure.url),
    )
    fetch(f"{secure.url}/file", own)
    assert secure.authorizations() != [None]
    assert server.authorizations() == [None]
    assert "x-token" not in server.seen[0][1]


# ---- the user's netrc ----------------------------------------------------------------------------------------------


def test_a_netrc_is_for_its_host(server: Server, tmp_path: Path) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login me password hunter2\n")
    (tmp_path / ".netrc").chmod(0o600)
    with serving("localhost") as foreign:
        server.answers["/file"] = Answer(status=302, headers={"Location": f"{foreign.url}/file"})
        foreign.answers["/file"] = Answer(DATA)
        fetch(f"{server.url}/file")
        assert server.authorizations() == [PROXY_USER]
        assert foreign.authorizations() == [None]


@pytest.mark.parametrize("name", ["Authorization", "authorization"])
def test_a_header_comes_before_a_netrc(server: Server, tmp_path: Path, name: str) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login me password hunter2\n")
    fetch(f"{server.url}/file", access(headers={name: "Bearer token"}, origin=origin_of(server.url)))
    assert server.authorizations() == ["Bearer token"]


def test_a_netrc_that_cannot_be_read_is_named_and_not_quoted(server: Server, tmp_path: Path) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1\nlogin me pasword hunter2\n")
    found = failure(f"{server.url}/file")
    assert found.cause == f"{server.url}/file was not requested because line 2 of {tmp_path}/.netrc is not valid"
    assert "hunter2" not in str(found)
