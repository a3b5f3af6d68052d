# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Exact command lines, the launcher run for real, and the commands that people type."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.optio.codex.plugins.module_utils._session.command_line import (
    SshTarget,
    TerminalOptions,
    attach_command,
    tmux_start,
    ttyd_start,
    tunnel_command,
    tunnel_port,
)
from ansible_collections.optio.codex.tests.unit.support.session_builders import LAYOUT


def test_tmux_is_deaf_to_configurations_and_has_its_settings_last() -> None:
    argv = tmux_start(LAYOUT)
    assert argv[:5] == ["tmux", "-S", LAYOUT.tmux_socket, "-f", "/dev/null"]
    assert argv[argv.index("-x") : argv.index("-x") + 4] == ["-x", "200", "-y", "50"]
    assert argv[argv.index("-c") + 1 :][:3] == [LAYOUT.workdir, "/bin/sh", LAYOUT.launcher]
    # before the first session, a size of the window crashes the server
    assert argv.index("resize-window") > argv.index("new-session") > argv.index("history-limit")


TMUX = ["tmux", "-S", LAYOUT.tmux_socket, "-f", "/dev/null", "attach-session"]
SHOW = [*TMUX[:-1], "-2", TMUX[-1]]


def web(name: str, clients: int = 16, term: str = "xterm-256color") -> list[str]:
    """Return the options of each ttyd; a watcher's terminal is of another type."""
    return ["-O", "-m", str(clients), "-t", "disableLeaveAlert=true", "-t", f'titleFixed="{name} on w1"', "-T", term]


WEB = web(LAYOUT.name)


def test_ttyd_for_a_web_server_has_its_right_in_its_name() -> None:
    """Nobody's socket answers for another's, and of the two only one can be typed in."""
    layout = replace(LAYOUT, runtime="/run/optio-codex/review")
    terminal = TerminalOptions(writable=True, group="www-data")
    assert terminal.watchers is not None and terminal.watchers.watchers is None
    tmux = ["tmux", "-S", layout.tmux_socket, *SHOW[3:]]
    for options, place, end in (
        (terminal, "type", ["-W", "--", *tmux, "-t", "optio"]),
        (terminal.watchers, "watch", ["--", *tmux, "-r", "-t", "optio"]),
        (TerminalOptions(group="www-data"), "watch", ["--", *tmux, "-r", "-t", "optio"]),
    ):
        argv = ttyd_start("/opt/ttyd", layout, options, "w1")
        term = "xterm" if place == "watch" else "xterm-256color"
        assert argv[:3] == ["/bin/sh", "-c", 'umask 007; exec "$0" "$@"']
        where = ["-i", f"/run/optio-codex-web/review/{place}.sock", "-b", f"/{place}/review"]
        assert argv[3:] == ["/opt/ttyd", *where, *web("review", term=term), *end]


@pytest.mark.parametrize(
    ("terminal", "argv"),
    [
        (TerminalOptions(), ["-i", LAYOUT.terminal_socket, *WEB, "--", *SHOW, "-r", "-t", "optio"]),
        (TerminalOptions(writable=True), ["-i", LAYOUT.terminal_socket, *WEB, "-W", "--", *SHOW, "-t", "optio"]),
        (
            TerminalOptions("tcp", "10.0.0.1", 7681, False, 3, "X-User"),
            [
                *("-i", "10.0.0.1", "-p", "7681", *web(LAYOUT.name, 3), "-H", "X-User"),
                *("--", *SHOW, "-r", "-t", "optio"),
            ],
        ),
        (
            TerminalOptions("tcp", "10.0.0.1", 7681, tls_certificate="/c", tls_key="/k", tls_client_ca="/a"),
            [
                *("-i", "10.0.0.1", "-p", "7681", *WEB, "-S", "-C", "/c", "-K", "/k", "-A", "/a"),
                *("--", *SHOW, "-r", "-t", "optio"),
            ],
        ),
    ],
)
def test_ttyd_checks_origins_and_only_shows_unless_it_may_be_typed_in(terminal: TerminalOptions, argv: list[str]) -> None:
    assert ttyd_start("/opt/ttyd", LAYOUT, terminal, "w1") == ["/opt/ttyd", *argv]


@pytest.mark.parametrize("node", ["w1", 'a "b" c'])
def test_a_title_is_always_text(node: str) -> None:
    """ttyd takes the JSON that a value begins with."""
    argv = ttyd_start("/opt/ttyd", replace(LAYOUT, name="123"), TerminalOptions(), node)
    title = next(word.partition("=")[2] for word in argv if word.startswith("titleFixed="))
    assert json.loads(title) == f"123 on {node}"


ATTACH = shlex.join([*TMUX, "-t", "optio"])


@pytest.mark.parametrize(
    ("destination", "command"),
    [
        (SshTarget(None), ATTACH),
        (SshTarget("w1"), f"ssh -t w1 {ATTACH}"),
        (SshTarget("w1", "root", 22), f"ssh -t root@w1 {ATTACH}"),
        (SshTarget("w1", "alice", 2222, ("-i", "/k e y")), f"ssh -t -i '/k e y' -p 2222 alice@w1 {ATTACH}"),
        (SshTarget("w1", "deploy"), f"ssh -t deploy@w1 sudo -u alice {ATTACH}"),
    ],
)
def test_attaching(destination: SshTarget, command: str) -> None:
    assert attach_command(destination, "alice", LAYOUT.tmux_socket) == command


UNIX = {"listen": "unix", "address": "127.0.0.1", "port": None}
TCP = {"listen": "tcp", "address": "127.0.0.1", "port": 7681}
SOCKET = LAYOUT.terminal_socket


@pytest.mark.parametrize(
    ("destination", "terminal", "before", "far_end", "login"),
    [
        (SshTarget("w1"), UNIX, "ssh -N -L", SOCKET, "alice@w1"),
        (SshTarget("w1", "root"), UNIX, "ssh -N -L", SOCKET, "root@w1"),
        # only its user and root may open the socket
        (SshTarget("w1", "deploy", 2222), UNIX, "ssh -N -L", SOCKET, "-p 2222 alice@w1"),
        (SshTarget("w1", "alice", 22, ("-o", "a=b")), TCP, "ssh -N -L", "127.0.0.1:7681", "-o a=b alice@w1"),
        (SshTarget(None), UNIX, "ssh -N -L", SOCKET, "alice@localhost"),
    ],
)
def test_tunnels(destination: SshTarget, terminal: dict[str, Any], before: str, far_end: str, login: str) -> None:
    command = tunnel_command(destination, "alice", terminal, SOCKET)
    assert command is not None
    first, port, rest = command.removeprefix(f"{before} ").split(":", 2)
    assert (first, rest) == ("127.0.0.1", f"{far_end} {login}")
    assert 17000 <= int(port) < 27000
    assert command == tunnel_command(destination, "alice", terminal, SOCKET)


def test_a_local_tcp_terminal_needs_no_tunnel() -> None:
    assert tunnel_command(SshTarget(None), "alice", TCP, SOCKET) is None


def test_tunnels_of_a_fleet_seldom_collide() -> None:
    ports = {tunnel_port(f"worker{number}:/run/optio-codex/s/ttyd.sock") for number in range(10)}
    assert len(ports) == 10
