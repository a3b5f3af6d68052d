# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""MCP servers that could not be started: recorded screens and rows of codex's log, read in every shell."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.optio.codex.plugins.module_utils._codex.mcp_failures import COUNT, LOG_TAIL, SHELL_MCP, parse_mcp_failures
from ansible_collections.optio.codex.plugins.module_utils._core.probe import Section, compose, parse
from ansible_collections.optio.codex.tests.unit.support import shells
from ansible_collections.optio.codex.tests.unit.support.codex_log import log_of, recorded_rows
from ansible_collections.optio.codex.tests.unit.support.session_builders import FIXTURES

EVERY_SHELL = pytest.mark.parametrize("program", shells.SHELLS)
PID = 4711
REMOTE = "error sending request for url (http://127.0.0.1:9/mcp), when send initialize request"


def look(program: str, calls: str) -> list[dict[str, str]]:
    return parse_mcp_failures(parse(shells.run(program, compose(f"{SHELL_MCP}{calls}\n", {})))[0])


def in_log(program: str, home: Path, pid: int = PID) -> list[dict[str, str]]:
    return look(program, f"mcp_log {shlex.quote(str(home))} {pid}")


def row(message: str, pid: int = PID, thread: str | None = None) -> list[Any]:
    first = recorded_rows(pid)[0]
    return [*first[:4], f"mcp.request: {message}", *first[5:8], thread, *first[9:]]


@EVERY_SHELL
@pytest.mark.parametrize("journal", ["wal", "delete"])
def test_the_log_of_a_running_codex(program: str, journal: str, tmp_path: Path) -> None:
    log = log_of(tmp_path, PID, journal=journal)
    try:
        failures = in_log(program, tmp_path)
    finally:
        log.close()
    assert [failure["name"] for failure in failures] == ["absent", "broken", "remote", "slow"]
    messages = {failure["name"]: failure["message"] for failure in failures}
    assert messages["absent"] == "No such file or directory (os error 2)"
    assert messages["broken"].startswith("handshaking with MCP server failed: ")
    assert messages["slow"].startswith("timed out handshaking with MCP server after ")
    assert "token=secret" not in messages["remote"] and "Transport [" not in messages["remote"]
    assert in_log(program, tmp_path, PID + 1) == [], "of an earlier codex in the same home"


@EVERY_SHELL
def test_rows_of_a_log(program: str, tmp_path: Path) -> None:
    fails = "MCP server startup failed server_name="
    rows = [
        row(f'{fails}"two" error=the same'),
        row(f'{fails}"two" error=the same'),
        row(f'{fails}"one" error=in a thread', thread="01a22431-bbf0-74d3-8498-a5a2d96714ef"),
        row(f'{fails}"key" error=401 for Bearer abcdef sk-1234567890abcdef at https://me:pass@host/x?k=v#f (os)'),
        row(f'{fails}"old" error=gone', pid=PID + 1),
        row(f'{fails}"long" error={"x" * 2000}'),
        row(f'{fails}"umlaut" error=keine Berechtigung für'),
        row("MCP server started"),
    ]
    log_of(tmp_path, PID, rows).close()
    assert in_log(program, tmp_path) == [
        {"name": "key", "message": "401 for Bearer *** *** at https://***@host/x (os)"},
        {"name": "long", "message": "x" * 300 + "…"},
        {"name": "one", "message": "in a thread"},
        {"name": "two", "message": "the same"},
        # bytes that are not ASCII end what is read of a row
    ]


@EVERY_SHELL
def test_a_log_that_is_none(program: str, tmp_path: Path) -> None:
    assert in_log(program, tmp_path) == []
    fails = b'MCP server startup failed server_name="x" error=y\0pid:4711:'
    (tmp_path / "logs_2.sqlite").write_bytes(fails + os.urandom(LOG_TAIL) + b"\n" * 5)
    assert in_log(program, tmp_path) == [], "only the end of a log is read"
    (tmp_path / "logs_2.sqlite").write_bytes(os.urandom(100_000) + b"\0" * 100_000 + b'MCP server startup failed server_name="')
    assert in_log(program, tmp_path) == []
    (tmp_path / "logs_2.sqlite").unlink()
    (tmp_path / "elsewhere").write_bytes(fails)
    (tmp_path / "logs_2.sqlite").symlink_to(tmp_path / "elsewhere")
    os.mkfifo(tmp_path / "logs_2.sqlite-wal")
    assert in_log(program, tmp_path) == [], "neither a link is followed nor a pipe is read"


@EVERY_SHELL
def test_the_screen_of_0_142_5(program: str) -> None:
    failures = look(program, f"mcp_shown <{shlex.quote(str(FIXTURES / 'mcp/0.142.5-screen.txt'))}")
    assert [failure["name"] for failure in failures] == ["absent", "broken", "remote", "slow"]
    messages = [failure["message"] for failure in failures]
    assert messages[0] == "No such file or directory (os error 2)"
    assert messages[1].endswith("error: Broken pipe (os error 32), when send initialize request")
    assert messages[2].endswith(REMOTE) and messages[2].startswith("handshaking with MCP server failed")
    assert messages[3].startswith("timed out after 2 seconds.")


@EVERY_SHELL
def test_output_of_the_agent_is_not_a_failure(program: str, tmp_path: Path) -> None:
    screen = tmp_path / "screen"
    printed = "• ⚠ MCP client for `x` failed to start: a\n  ⚠ MCP client for `y` failed to start: b\n"
    screen.write_text(f"{printed}⚠ The z MCP server is not logged in. Run it\n")
    assert look(program, f"mcp_shown <{shlex.quote(str(screen))}") == [{"name": "z", "message": "is not logged in. Run it"}]


@pytest.mark.parametrize(
    ("config", "configured"),
    [("", False), ("[mcp_servers.x]\n", True), ('mcp_servers = {x = {command = "y"}}\n', True), ("[features]\n" + "#" * 2_000_000, False)],
    # pytest puts the id into its environment
    ids=["empty", "table", "inline", "long"],
)
def test_a_configured_server(config: str, configured: bool, tmp_path: Path) -> None:
    # not the name of a file counts
    place = tmp_path / "mcp_servers"
    place.mkdir()
    (place / "other.toml").touch()
    (place / "config.toml").write_text(config)
    os.mkfifo(place / "pipe")
    (place / "link").symlink_to("config.toml")
    names = " ".join(shlex.quote(str(place / name)) for name in ("none", "pipe", "link", "other.toml", "config.toml"))
    answer = shells.run("dash", compose(f"{SHELL_MCP}mcp_configured {names} && emit configured 1\n", {}))
    assert parse(answer)[0].flag("configured") == configured


def test_the_answer_is_bounded() -> None:
    lines = [f"server-{number} {'x' * 2000}" for number in range(1000)]
    failures = parse_mcp_failures(Section("session", {}, {"mcp_log": lines, "mcp_shown": ["⚠ MCP client for `\udcff` a\udcff\x1b[1m"]}))
    assert len(failures) == COUNT
    assert all(len(failure["message"]) <= 301 for failure in failures)
    repr(failures).encode()
