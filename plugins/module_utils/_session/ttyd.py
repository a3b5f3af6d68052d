# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The browser terminal: whether it answers, and on which port it may listen."""

from __future__ import annotations

import re
import socket
import ssl

from .._core.addresses import is_loopback
from .._core.errors import OptioError
from .command_line import TerminalOptions, terminal_place
from .layout import SessionPaths

_ERROR_LINE = re.compile(r"^\[.*?\] E: (.*)$", re.MULTILINE)
_ANSWER_TIMEOUT = 2.0
_GROUP = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*\Z")


def validate_terminal(options: TerminalOptions) -> None:
    """Raise OptioError for a terminal that every host could open."""
    if options.group:
        _check_group(options, options.group)
    _check_tls(options)
    if options.listen == "tcp" and not is_loopback(options.address) and not options.tls_client_ca:
        # every client can send any header
        raise OptioError(
            f"terminal address {options.address}",
            f"terminal address {options.address} is not a loopback address, so other hosts could open the session",
            "Keep listen: unix and use the tunnel or the role codex_gateway, or set terminal.tls_certificate, tls_key and "
            "tls_client_ca to require a client certificate",
        )
    if ":" in options.address:
        subject = f"terminal address {options.address}"
        raise OptioError(subject, f"{subject} is an IPv6 address, which ttyd does not support", "Set an IPv4 address")
    if not 0 <= options.port <= 65535:
        cause = f"terminal.port must be between 0 and 65535, got {options.port}"
        raise OptioError("terminal.port", cause, "Set a TCP port, or 0 to choose a free one")
    if options.max_clients < 1:
        cause = f"terminal.max_clients must be 1 or greater, got {options.max_clients}"
        raise OptioError("terminal.max_clients", cause, "Set the number of browsers that may watch")


def _check_group(options: TerminalOptions, group: str) -> None:
    if options.listen == "tcp":
        cause = f"terminal.group {group} is only supported with listen: unix"
        raise OptioError(f"terminal.group {group}", cause, "Set listen: unix, or omit group")
    if not _GROUP.match(group):
        cause = f"terminal.group {group!r} is not a valid group name"
        raise OptioError(f"terminal.group {group!r}", cause, "Set the group of the web server, such as www-data")


def _check_tls(options: TerminalOptions) -> None:
    given = {name: value for name in ("tls_certificate", "tls_key", "tls_client_ca") if (value := getattr(options, name))}
    if not given:
        return
    if options.listen != "tcp":
        cause = f"terminal.{', '.join(given)} can be set with listen: tcp only"
        raise OptioError(f"terminal.{', '.join(given)}", cause, "Set listen: tcp, or omit them")
    if not (options.tls_certificate and options.tls_key):
        cause = f"terminal.{', '.join(given)} alone cannot enable TLS"
        raise OptioError(f"terminal.{', '.join(given)}", cause, "Set both tls_certificate and tls_key")
    for name, path in given.items():
        if not path.startswith("/"):
            subject = f"terminal.{name} {path}"
            raise OptioError(subject, f"{subject} is relative", "Set the absolute path of a file that the session's user can read")


def choose_port(options: TerminalOptions, recorded: int | None) -> int:
    """Return the port to listen on: the one asked for, else the one used before while it is free, else a free one.

    Raises OptioError when the port asked for is taken.
    """
    if recorded and not options.port:
        try:
            return _bound(options, recorded)
        except OptioError:
            return _bound(options, 0)
    return _bound(options, options.port)


def _bound(options: TerminalOptions, wanted: int) -> int:
    family = socket.AF_INET6 if ":" in options.address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((options.address, wanted))
        except OSError as error:
            raise OptioError(
                f"terminal {options.address}:{wanted}",
                f"terminal {options.address}:{wanted} cannot be opened: {(error.strerror or str(error)).lower()}",
                "Set another terminal.port, or 0 to choose a free one",
            ) from error
        return int(probe.getsockname()[1])


def accepts_connections(layout: SessionPaths, options: TerminalOptions) -> bool:
    """Return whether ttyd serves its page, which its log line does not prove."""
    try:
        with _connect(layout, options) as connection:
            if options.tls_certificate:
                return _speaks_tls(connection)
            connection.sendall(b"GET /token HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            return connection.recv(16).startswith(b"HTTP/1.1 ")
    except OSError:
        return False


def _speaks_tls(connection: socket.socket) -> bool:
    """Return whether TLS answers, even if it only requests a certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # whether ttyd runs is asked, on the worker itself, and nothing is sent
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        context.wrap_socket(connection).close()
    except ssl.SSLError as error:
        # a refusal is TLS too
        return "ALERT" in (error.reason or "")
    return True


def _connect(layout: SessionPaths, options: TerminalOptions) -> socket.socket:
    if options.listen == "tcp":
        return socket.create_connection((options.address, options.port), timeout=_ANSWER_TIMEOUT)
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(_ANSWER_TIMEOUT)
    try:
        connection.connect(terminal_place(layout, options)[0])
    except OSError:
        connection.close()
        raise
    return connection


def last_error(log: str) -> str:
    """Return the error in ttyd's log."""
    errors = _ERROR_LINE.findall(log)
    lines = [line for line in log.splitlines() if line.strip()]
    return errors[-1].strip() if errors else (lines[-1].strip() if lines else "it printed nothing")
