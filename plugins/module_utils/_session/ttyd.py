# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The browser terminal: whether it answers, and on which port it may listen."""

from __future__ import annotations

import re
import socket
import ssl

from .command_line import TerminalOptions, terminal_place
from .._core.errors import OptioError
from .layout import RUNTIME_ROOT, WEB_ROOT, TaskLayout

_LOOPBACK = re.compile(r"(127(\.\d{1,3}){3}|::1|localhost)\Z")
_ERROR_LINE = re.compile(r"^\[.*?\] E: (.*)$", re.MULTILINE)
_ANSWER_TIMEOUT = 2.0
_GROUP = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*\Z")

#: shell: the worker's ttyd, by the functions of ``SHELL_WORKER``, and the terminals of the task in ``$task``, whose
#: sockets are in ``$runtime`` or where a web server finds them
SHELL_TERMINAL = rf"""
ttyd_program() {{
  if [ -n "$ttyd" ]; then
    expand "$ttyd"; trim
    if ! [ -f "$REPLY" ] || ! [ -x "$REPLY" ]; then REPLY=; fi
  else
    cached ttyd
    [ -n "$REPLY" ] || program ttyd
  fi
  emit ttyd "$REPLY"
}}
# whose a terminal is, its command line tells; the number on record, and its start time with it, may be anybody's. Of two
# the second has the socket for those who only watch
own_terminal() {{
  [ -O "/proc/$1" ] || return 1
  _words=$(tr '\0' '|' <"/proc/$1/cmdline")
  case $_words in *"|--|tmux|-S|$runtime/tmux.sock|"*) ;; *) return 1 ;; esac
  case $_words in */watch.sock'|'*) [ "$2" = "$_watching" ] ;; *) [ "$2" = terminal ] ;; esac
}}
terminal_facts() {{
  web='' _watching=terminal
  [ ! -e "$task/watch" ] || _watching=watch
  if [ "$runtime" = "{RUNTIME_ROOT}/$name" ] && [ -d "{WEB_ROOT}/$name" ]; then
    web={WEB_ROOT}/$name; emit web_group "$(stat -c %G "$web")"
  fi
  for _socket in "$runtime/ttyd.sock" ${{web:+"$web/type.sock"}}; do
    [ ! -S "$_socket" ] || emit terminal_socket 1
  done
  if [ -n "$web" ] && [ -S "$web/watch.sock" ]; then emit "${{_watching}}_socket" 1; fi
  one_terminal terminal
  [ "$_watching" = terminal ] || one_terminal watch
}}
one_terminal() {{
  _line=''
  [ ! -f "$task/$1" ] || IFS= read -r _line <"$task/$1"
  case $_line in *[!0-9\ ]*) _line='' ;; esac
  emit "$1" "$_line"
  _pid=${{_line%% *}}
  if [ -n "$_pid" ] && own_terminal "$_pid" "$1"; then emit "$1_stat" "$(cat "/proc/$_pid/stat")"; return 0; fi
  [ -n "$_pane" ] && [ "$_adopted" != 1 ] || return 0
  for _pid in $(knowing cmdline "$runtime/tmux.sock"); do
    own_terminal "$_pid" "$1" || continue
    # 0 is no start time, so that the record is put right
    case $_words in *'|-p|'*) _port=${{_words##*'|-p|'}}; _port=${{_port%%'|'*}} ;; *) _port=0 ;; esac
    emit "$1" "$_pid 0 $_port"; emit "$1_stat" "$(cat "/proc/$_pid/stat")"
    return 0
  done
}}
web_group_facts() {{ [ -z "$web_group" ] || getent group "$web_group" >/dev/null || emit web_group_missing 1; }}
"""


def check_terminal(options: TerminalOptions) -> None:
    """Raise OptioError for a terminal that would be open to whoever reaches the address."""
    if options.group:
        _check_group(options, options.group)
    _check_tls(options)
    if options.listen == "tcp" and not _LOOPBACK.match(options.address) and not options.tls_client_ca:
        # a header anybody can send
        raise OptioError(
            f"terminal address {options.address}",
            "is not loopback, and anyone who reaches it could open the session",
            "Keep listen: unix and use the tunnel or the role codex_gateway, or set terminal.tls_certificate, tls_key and "
            "tls_client_ca, so that only who shows a certificate gets in",
        )
    if ":" in options.address:
        raise OptioError(f"terminal address {options.address}", "is IPv6, which ttyd does not serve", "Give an IPv4 address")
    if not 0 <= options.port <= 65535:
        raise OptioError(f"terminal port {options.port}", "is no TCP port", "Give 0 (choose one) to 65535")
    if options.max_clients < 1:
        raise OptioError("terminal max_clients", "must be 1 or more", "Give the number of browsers that may watch")


def _check_group(options: TerminalOptions, group: str) -> None:
    if options.listen == "tcp":
        raise OptioError(f"terminal.group {group}", "is of a socket, and an address has none", "Set listen: unix, or leave group out")
    if not _GROUP.match(group):
        raise OptioError(f"terminal.group {group!r}", "is no name of a group", "Give the group of the web server, such as www-data")


def _check_tls(options: TerminalOptions) -> None:
    given = {name: value for name in ("tls_certificate", "tls_key", "tls_client_ca") if (value := getattr(options, name))}
    if not given:
        return
    if options.listen != "tcp":
        raise OptioError(
            f"terminal.{', '.join(given)}", "are for an address, and a socket needs none", "Set listen: tcp, or leave them out"
        )
    if not (options.tls_certificate and options.tls_key):
        raise OptioError(f"terminal.{', '.join(given)}", "are not enough for TLS", "Give tls_certificate and tls_key, both")
    for name, path in given.items():
        if not path.startswith("/"):
            raise OptioError(f"terminal.{name} {path}", "is relative", "Give the absolute path of a file that the session's user can read")


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
                (error.strerror or str(error)).lower(),
                "Give another terminal.port, or 0 to choose a free one",
            ) from error
        return int(probe.getsockname()[1])


def answers(layout: TaskLayout, options: TerminalOptions) -> bool:
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
    """Return whether TLS answers, be it by asking for a certificate that nobody has here."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # whether ttyd runs is asked, on the worker itself, and nothing is sent
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        context.wrap_socket(connection).close()
    except ssl.SSLError as error:
        # a refusal is TLS too
        return "ALERT" in (error.reason or "")
    return True


def _connect(layout: TaskLayout, options: TerminalOptions) -> socket.socket:
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
    """Return what ttyd's log says went wrong."""
    errors = _ERROR_LINE.findall(log)
    lines = [line for line in log.splitlines() if line.strip()]
    return errors[-1].strip() if errors else (lines[-1].strip() if lines else "it printed nothing")
