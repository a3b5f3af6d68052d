# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""While the session runs, after a turn, a message, and a second launch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from paths import RUNTIME, SUPERVISED, TASK, UNITS, USER, WORKDIR

GET = f"""
import socket
terminal = socket.socket(socket.AF_UNIX)
terminal.connect("{RUNTIME}/ttyd.sock")
terminal.sendall(b"GET / HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n")
print(terminal.recv(15).decode())
"""


def test_codex_ran_the_task_in_its_workdir(host: Any) -> None:
    assert host.file(f"{WORKDIR}/inside.txt").content_string == "inside\n"


def test_the_sandbox_refused_a_write_outside(host: Any) -> None:
    assert host.file(f"{WORKDIR}/refused.txt").content_string == "refused\n"
    assert not host.file("/var/tmp/outside.txt").exists


def test_processes(tagged: Callable[[], list[str]]) -> None:
    commands = [line.partition(" ")[2] for line in tagged()]
    assert [command for command in commands if command.startswith(f"{WORKDIR}/home/.local/bin/codex ")], commands
    # nothing is shared between sessions, so nothing may outlive one
    assert not [command for command in commands if "daemon" in command], commands


def test_one_tmux_and_one_ttyd(host: Any) -> None:
    assert host.check_output("pgrep -c -x 'tmux: server'") == "1"
    assert host.check_output("pgrep -c -x ttyd") == "1"


def test_units(host: Any) -> None:
    for unit in UNITS:
        running = host.file("/run/systemd/system").exists and host.service(unit).is_running
        assert running == SUPERVISED, host.run(f"journalctl -n 20 -u {unit}").stdout


@pytest.mark.parametrize("name", ["tmux.sock", "ttyd.sock"])
def test_socket(host: Any, name: str) -> None:
    assert host.file(f"{RUNTIME}/{name}").is_socket


def test_terminal_answers(host: Any) -> None:
    assert host.check_output("python3 -c %s", GET) == "HTTP/1.1 200 OK"


def test_terminal_opens_no_port(host: Any) -> None:
    # codex itself listens on a loopback port
    assert "ttyd" not in host.check_output("ss -H -l -t -n -p")


def test_permissions(host: Any) -> None:
    wanted = {
        TASK: "700",
        WORKDIR: "700",
        f"{TASK}/home": "700",
        f"{TASK}/agent": "700",
        RUNTIME: "700",
        f"{TASK}/session": "600",
        f"{TASK}/environment": "600",
        f"{TASK}/launch.sh": "700",
        f"{TASK}/home/.codex/config.toml": "600",
    }
    seen = host.check_output(f"stat -c '%n %a %U' {' '.join(wanted)}").splitlines()
    assert seen == [f"{path} {mode} {USER}" for path, mode in wanted.items()]


def test_no_secret_on_a_command_line(host: Any) -> None:
    assert "not-for-command-lines" in host.file(f"{TASK}/environment").content_string
    # -ww: whole lines; the bracket keeps grep from finding itself
    assert host.run("ps -eww -o args | grep '[n]ot-for-command-lines'").rc == 1
