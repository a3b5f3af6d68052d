# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The browser terminal: what may listen where, and whether something answers there."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.optio.codex.plugins.module_utils._core.errors import OptioError
from ansible_collections.optio.codex.plugins.module_utils._session import ttyd
from ansible_collections.optio.codex.plugins.module_utils._session.command_line import TerminalOptions
from ansible_collections.optio.codex.plugins.module_utils._session.layout import SessionPaths
from ansible_collections.optio.codex.tests.unit.support.certificates import Authority

TLS: dict[str, Any] = {"tls_certificate": "/c", "tls_key": "/k", "tls_client_ca": "/a"}


@pytest.mark.parametrize(
    "options",
    [
        TerminalOptions(),
        TerminalOptions("unix", "0.0.0.0"),
        TerminalOptions("tcp"),
        TerminalOptions("tcp", "127.12.0.1", 65535),
        TerminalOptions("tcp", "localhost"),
        TerminalOptions("tcp", "10.0.0.1", **TLS),
        TerminalOptions("tcp", tls_certificate="/c", tls_key="/k", auth_header="X-User"),
    ],
)
def test_terminals_that_are_closed_to_strangers(options: TerminalOptions) -> None:
    ttyd.validate_terminal(options)


@pytest.mark.parametrize(
    ("options", "cause", "remedy"),
    [
        (TerminalOptions("tcp", "0.0.0.0"), "is not a loopback address", "the role codex_gateway"),
        (TerminalOptions("tcp", "10.0.0.1", auth_header="X-User"), "is not a loopback address", "tls_client_ca"),
        (TerminalOptions("tcp", "10.0.0.1", tls_certificate="/c", tls_key="/k"), "is not a loopback address", "tls_client_ca"),
        (TerminalOptions("tcp", tls_certificate="/c"), "alone cannot enable TLS", "both"),
        (TerminalOptions("tcp", "10.0.0.1", tls_client_ca="/a"), "alone cannot enable TLS", "both"),
        (TerminalOptions(**TLS), "can be set with listen: tcp only", "listen: tcp"),
        (TerminalOptions("tcp", tls_certificate="c.pem", tls_key="/k"), "is relative", "absolute"),
        (TerminalOptions("tcp", "10.0.0.1", writable=True), "is not a loopback address", "listen: unix"),
        (TerminalOptions("tcp", "127.0.0.1.example.com"), "is not a loopback address", "tls_client_ca"),
        (TerminalOptions("tcp", "127.0.0.1\n"), "is not a loopback address", "tls_client_ca"),
        (TerminalOptions("tcp", "::1"), "is an IPv6 address", "IPv4"),
        (TerminalOptions("tcp", "::"), "is not a loopback address", "tls_client_ca"),
        (TerminalOptions("tcp", "10.0.0.1", auth_header=""), "is not a loopback address", "tls_client_ca"),
        (TerminalOptions("tcp", group="www-data"), "is only supported with listen: unix", "omit group"),
        (TerminalOptions(group="www data"), "is not a valid group name", "such as www-data"),
        (TerminalOptions(group="33"), "is not a valid group name", "such as www-data"),
        (TerminalOptions("tcp", port=65536), "must be between 0 and 65535, got ", "0 to choose"),
        (TerminalOptions("tcp", port=-1), "must be between 0 and 65535, got ", "0 to choose"),
        (TerminalOptions(max_clients=0), "must be 1 or greater, got 0", "Set the number"),
    ],
)
def test_terminals_that_are_refused(options: TerminalOptions, cause: str, remedy: str) -> None:
    with pytest.raises(OptioError) as refusal:
        ttyd.validate_terminal(options)
    assert cause in refusal.value.cause
    assert remedy in refusal.value.remedy


@contextmanager
def listening(where: tuple[str, int] | str, answer: bytes = b"HTTP/1.1 200 OK\r\n\r\n{}") -> Iterator[int]:
    """Answer every connection so; give the port."""
    family = socket.AF_UNIX if isinstance(where, str) else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as server:
        server.bind(where)
        server.listen()

        def serve() -> None:
            while True:
                try:
                    connection, _peer = server.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(4096)
                    connection.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield 0 if isinstance(where, str) else server.getsockname()[1]
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join(10)
            assert not thread.is_alive()


def test_any_free_port_by_default() -> None:
    port = ttyd.choose_port(TerminalOptions("tcp"), None)
    assert 1024 <= port <= 65535


def test_a_port_stays_the_same_while_it_is_free() -> None:
    recorded = ttyd.choose_port(TerminalOptions("tcp"), None)
    assert ttyd.choose_port(TerminalOptions("tcp"), recorded) == recorded
    asked = ttyd.choose_port(TerminalOptions("tcp"), None)
    assert ttyd.choose_port(TerminalOptions("tcp", port=asked), recorded) == asked


def test_a_taken_port() -> None:
    with listening(("127.0.0.1", 0)) as taken:
        with pytest.raises(OptioError, match=f"terminal 127.0.0.1:{taken} cannot be opened: address already in use. Set another"):
            ttyd.choose_port(TerminalOptions("tcp", port=taken), None)
        # nobody asked for this one, so another will do
        assert ttyd.choose_port(TerminalOptions("tcp"), taken) not in (0, taken)


def test_an_address_of_another_machine() -> None:
    with pytest.raises(OptioError, match=r"terminal 192\.0\.2\.1:0 cannot be opened: cannot assign requested address"):
        ttyd.choose_port(TerminalOptions("tcp", "192.0.2.1", **TLS), None)


def layout_of(path: Path) -> SessionPaths:
    return SessionPaths("s", str(path), str(path), str(path))


def test_a_terminal_answers_on_its_socket(tmp_path: Path) -> None:
    layout = layout_of(tmp_path)
    assert not ttyd.accepts_connections(layout, TerminalOptions())
    with listening(layout.terminal_socket):
        assert ttyd.accepts_connections(layout, TerminalOptions())
    # the file outlives its server
    assert Path(layout.terminal_socket).exists()
    assert not ttyd.accepts_connections(layout, TerminalOptions())


def test_a_terminal_answers_on_its_port(tmp_path: Path) -> None:
    with listening(("127.0.0.1", 0)) as port:
        assert ttyd.accepts_connections(layout_of(tmp_path), TerminalOptions("tcp", port=port))
    assert not ttyd.accepts_connections(layout_of(tmp_path), TerminalOptions("tcp", port=port))


def test_something_else_may_answer_there(tmp_path: Path) -> None:
    layout = layout_of(tmp_path)
    with listening(layout.terminal_socket, b"SSH-2.0-x\r\n"):
        assert not ttyd.accepts_connections(layout, TerminalOptions())


@pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_terminal_with_tls_answers_who_has_no_certificate(tmp_path: Path, newest: ssl.TLSVersion) -> None:
    authority = Authority()
    for name, text in zip(("certificate", "key"), authority.server("127.0.0.1")):
        (tmp_path / name).write_text(text)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "certificate", tmp_path / "key")
    context.load_verify_locations(cadata=authority.certificate)
    context.verify_mode, context.maximum_version = ssl.CERT_REQUIRED, newest
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with suppress(OSError):
                context.wrap_socket(server.accept()[0], server_side=True).close()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        assert ttyd.accepts_connections(layout_of(tmp_path), TerminalOptions("tcp", port=server.getsockname()[1], **TLS))
        thread.join(10)
    for answer in (b"HTTP/1.1 400 Bad Request\r\n\r\n", b""):
        with listening(("127.0.0.1", 0), answer) as port:
            assert not ttyd.accepts_connections(layout_of(tmp_path), TerminalOptions("tcp", port=port, **TLS))


@pytest.mark.parametrize(
    ("log", "said"),
    [
        ("", "it printed nothing"),
        ("\n \n", "it printed nothing"),
        ("[2026/11/22 10:00:00:0000] N: ttyd 1.7.7\n[2026/11/22 10:00:00:0001] E:  bind failed \n[x] N: bye\n", "bind failed"),
        ("/bin/sh: 1: exec: /opt/ttyd: not found\n\n", "/bin/sh: 1: exec: /opt/ttyd: not found"),
    ],
)
def test_the_error_in_the_log(log: str, said: str) -> None:
    assert ttyd.last_error(log) == said
