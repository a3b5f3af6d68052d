# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Exact command lines, the launcher run for real, and the commands that people type."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import time
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from unit import shell
from unit.session_kit import LAYOUT

from ansible_collections.optio.codex.plugins.module_utils._session.command_line import (
    CodexOptions,
    Destination,
    TerminalOptions,
    attach_command,
    codex_arguments,
    environment_file,
    launcher_script,
    tmux_start,
    ttyd_start,
    tunnel_command,
    tunnel_port,
)
from ansible_collections.optio.codex.plugins.module_utils._session.layout import TAG_VARIABLE, TaskLayout

W = LAYOUT.workdir
TRUST = f'projects={{"{W}" = {{trust_level = "trusted"}}}}'
BASE = ["--ask-for-approval", "never", "--sandbox", "workspace-write"]
DEADLINE = 10  # seconds


@pytest.mark.parametrize(
    ("changes", "arguments"),
    [
        ({"trust": "trusted"}, [*BASE, "-c", TRUST]),
        # not decided
        ({}, BASE),
        ({"trust": None}, BASE),
        ({"trust": None, "prompt": "-v"}, [*BASE, "--", "-v"]),
        ({"trust": None, "prompt": ""}, BASE),
        ({"trust": None, "model": "m"}, [*BASE, "--model", "m"]),
        ({"trust": None, "approval_policy": "on-request"}, ["--ask-for-approval", "on-request", *BASE[2:]]),
        (
            {"trust": None, "writable_roots": ("/a", '/b "c"'), "network_access": True},
            [
                *BASE,
                *("-c", 'sandbox_workspace_write.writable_roots=["/a", "/b \\"c\\""]'),
                *("-c", "sandbox_workspace_write.network_access=true"),
            ],
        ),
        # the overrides would be of a mode that is not used
        (
            {"trust": None, "sandbox": "read-only", "writable_roots": ("/a",), "network_access": True},
            ["--ask-for-approval", "never", "--sandbox", "read-only"],
        ),
        (
            {"trust": None, "resume_id": "01a2", "prompt": "go on"},
            ["resume", "01a2", "-C", W, *BASE, "--", "go on"],
        ),
    ],
)
def test_codex_arguments(changes: Mapping[str, Any], arguments: list[str]) -> None:
    assert codex_arguments(replace(CodexOptions(), **changes), W) == arguments


@pytest.mark.parametrize("workdir", ["/srv/w", '/srv/a "quoted" \\ path', "/srv/ä b", "/srv/it's"])
@pytest.mark.parametrize("level", ["trusted", "untrusted"])
def test_trust_names_the_very_path(workdir: str, level: str) -> None:
    *_others, flag, setting = codex_arguments(CodexOptions(trust=level), workdir)
    assert flag == "-c"
    assert tomllib.loads(setting) == {"projects": {workdir: {"trust_level": level}}}


def test_tmux_is_deaf_to_configurations_and_sets_its_size_last() -> None:
    argv = tmux_start(LAYOUT)
    assert argv[:5] == ["tmux", "-S", LAYOUT.tmux_socket, "-f", "/dev/null"]
    assert argv[argv.index("-x") : argv.index("-x") + 4] == ["-x", "200", "-y", "50"]
    assert argv[argv.index("-c") + 1 :][:3] == [W, "/bin/sh", LAYOUT.launcher]
    # before the first session it crashes the server
    assert argv.index("window-size") > argv.index("new-session") > argv.index("history-limit")


TMUX = ["tmux", "-S", LAYOUT.tmux_socket, "-f", "/dev/null", "attach-session"]
WEB = ["-O", "-m", "16", "-t", "disableLeaveAlert=true", "-T", "xterm-256color"]


def test_ttyd_for_a_web_server_has_its_right_in_its_name() -> None:
    """Nobody's socket answers for another's, and of the two only one can be typed in."""
    layout = replace(LAYOUT, runtime="/run/optio-codex/review")
    terminal = TerminalOptions(writable=True, group="www-data")
    assert terminal.watchers is not None and terminal.watchers.watchers is None
    tmux = ["tmux", "-S", layout.tmux_socket, *TMUX[3:]]
    for options, place, end in (
        (terminal, "type", ["-W", "--", *tmux, "-t", "optio"]),
        (terminal.watchers, "watch", ["--", *tmux, "-r", "-t", "optio"]),
        (TerminalOptions(group="www-data"), "watch", ["--", *tmux, "-r", "-t", "optio"]),
    ):
        argv = ttyd_start("/opt/ttyd", layout, options)
        assert argv[:3] == ["/bin/sh", "-c", 'umask 007; exec "$0" "$@"']
        assert argv[3:] == ["/opt/ttyd", "-i", f"/run/optio-codex-web/review/{place}.sock", "-b", f"/{place}/review", *WEB, *end]


@pytest.mark.parametrize(
    ("terminal", "argv"),
    [
        (TerminalOptions(), ["-i", LAYOUT.terminal_socket, *WEB, "--", *TMUX, "-r", "-t", "optio"]),
        (TerminalOptions(writable=True), ["-i", LAYOUT.terminal_socket, *WEB, "-W", "--", *TMUX, "-t", "optio"]),
        (
            TerminalOptions("tcp", "10.0.0.1", 7681, False, 3, "X-User"),
            [
                *("-i", "10.0.0.1", "-p", "7681", "-O", "-m", "3", *WEB[3:], "-H", "X-User"),
                *("--", *TMUX, "-r", "-t", "optio"),
            ],
        ),
        (
            TerminalOptions("tcp", "10.0.0.1", 7681, tls_certificate="/c", tls_key="/k", tls_client_ca="/a"),
            [
                *("-i", "10.0.0.1", "-p", "7681", *WEB, "-S", "-C", "/c", "-K", "/k", "-A", "/a"),
                *("--", *TMUX, "-r", "-t", "optio"),
            ],
        ),
    ],
)
def test_ttyd_checks_origins_and_only_shows_unless_it_may_be_typed_in(terminal: TerminalOptions, argv: list[str]) -> None:
    assert ttyd_start("/opt/ttyd", LAYOUT, terminal) == ["/opt/ttyd", *argv]


ATTACH = shlex.join([*TMUX, "-t", "optio"])


@pytest.mark.parametrize(
    ("destination", "command"),
    [
        (Destination(None), ATTACH),
        (Destination("w1"), f"ssh -t w1 {ATTACH}"),
        (Destination("w1", "root", 22), f"ssh -t root@w1 {ATTACH}"),
        (Destination("w1", "alice", 2222, ("-i", "/k e y")), f"ssh -t -i '/k e y' -p 2222 alice@w1 {ATTACH}"),
        (Destination("w1", "deploy"), f"ssh -t deploy@w1 sudo -u alice {ATTACH}"),
    ],
)
def test_attaching(destination: Destination, command: str) -> None:
    assert attach_command(destination, "alice", LAYOUT.tmux_socket) == command


UNIX = {"listen": "unix", "address": "127.0.0.1", "port": None}
TCP = {"listen": "tcp", "address": "127.0.0.1", "port": 7681}
SOCKET = LAYOUT.terminal_socket


@pytest.mark.parametrize(
    ("destination", "terminal", "before", "far_end", "login"),
    [
        (Destination("w1"), UNIX, "ssh -N -L", SOCKET, "alice@w1"),
        (Destination("w1", "root"), UNIX, "ssh -N -L", SOCKET, "root@w1"),
        # only its user and root may open the socket
        (Destination("w1", "deploy", 2222), UNIX, "ssh -N -L", SOCKET, "-p 2222 alice@w1"),
        (Destination("w1", "alice", 22, ("-o", "a=b")), TCP, "ssh -N -L", "127.0.0.1:7681", "-o a=b alice@w1"),
        (Destination(None), UNIX, "ssh -N -L", SOCKET, "alice@localhost"),
    ],
)
def test_tunnels(destination: Destination, terminal: dict[str, Any], before: str, far_end: str, login: str) -> None:
    command = tunnel_command(destination, "alice", terminal, SOCKET)
    assert command is not None
    first, port, rest = command.removeprefix(f"{before} ").split(":", 2)
    assert (first, rest) == ("127.0.0.1", f"{far_end} {login}")
    assert 17000 <= int(port) < 27000
    assert command == tunnel_command(destination, "alice", terminal, SOCKET)


def test_a_local_tcp_terminal_needs_no_tunnel() -> None:
    assert tunnel_command(Destination(None), "alice", TCP, SOCKET) is None


def test_tunnels_of_a_fleet_seldom_collide() -> None:
    ports = {tunnel_port(f"worker{number}:/run/optio-codex/s/ttyd.sock") for number in range(10)}
    assert len(ports) == 10


# the launcher, with a shell script in codex's place


@pytest.fixture
def task(tmp_path: Path) -> TaskLayout:
    layout = TaskLayout("review", f"{tmp_path}/it's a task", f"{tmp_path}/work $dir", f"{tmp_path}/run")
    for directory in (layout.task, layout.workdir, os.path.dirname(layout.codex_link)):
        os.makedirs(directory, exist_ok=True)
    # nobody reads the last screen here
    script(tmp_path / "bin" / "sleep", f"echo \"$@\" >>'{tmp_path}/slept'")
    return layout


def script(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def outer(layout: TaskLayout) -> dict[str, str]:
    """Return the environment of the tmux server."""
    return {"PATH": f"{os.path.dirname(layout.runtime)}/bin:{os.environ['PATH']}", "TERM": "screen"}


def prepare(layout: TaskLayout, codex: str, variables: Mapping[str, str] | None = None, arguments: list[str] | None = None) -> None:
    """Write the launcher, its environment and a codex of this text."""
    script(Path(layout.codex_link), codex)
    Path(layout.environment).write_text(environment_file(variables or {}))
    Path(layout.launcher).write_text(launcher_script(layout, arguments or []))


def start(layout: TaskLayout) -> subprocess.Popen[bytes]:
    """Start the launcher as tmux does."""
    return subprocess.Popen(["/bin/sh", layout.launcher], env=outer(layout), cwd="/", stdin=subprocess.DEVNULL)


def launch(layout: TaskLayout, codex: str, variables: Mapping[str, str] | None = None, **more: Any) -> None:
    prepare(layout, codex, variables, **more)
    assert start(layout).wait(DEADLINE) == 0


def slept(layout: TaskLayout) -> bool:
    """Return whether the launcher left the last screen standing for a moment."""
    return os.path.exists(f"{os.path.dirname(layout.runtime)}/slept")


def ended_with(layout: TaskLayout) -> int:
    status, ended = Path(layout.exit_status).read_text().split()
    assert abs(int(ended) - time.time()) < DEADLINE
    assert not os.path.exists(f"{layout.task}/.exit")
    return int(status)


def until(found: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE
    while not found():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def test_a_good_end(task: TaskLayout) -> None:
    launch(task, "exit 0")
    assert ended_with(task) == 0
    assert Path(task.log).read_text() == "DONE\n"
    assert not slept(task)


def test_a_bad_end_is_added_to_the_log(task: TaskLayout) -> None:
    Path(task.log).write_text("STATUS: 50% half\n")
    launch(task, "exit 7")
    assert ended_with(task) == 7
    assert Path(task.log).read_text() == "STATUS: 50% half\nERROR: codex exited 7\n"
    assert slept(task)


def test_a_forged_log_does_not_change_the_exit_status(task: TaskLayout) -> None:
    launch(task, "echo DONE >>optio.log; exit 1")
    assert ended_with(task) == 1


def test_a_link_in_the_logs_place_leads_the_launcher_nowhere(task: TaskLayout) -> None:
    launch(task, "touch ../outside; ln -s ../outside optio.log")
    assert ended_with(task) == 0
    assert (Path(task.workdir).parent / "outside").read_text() == ""


def test_codex_runs_in_its_workdir_by_its_own_path_with_its_arguments(task: TaskLayout) -> None:
    arguments = ["--flag", "two words", "it's", "$HOME `id` \\", "two\nlines", "--", "-x"]
    launch(task, 'pwd >seen; printf "%s|" "$0" "$@" >>seen', arguments=arguments)
    assert (Path(task.workdir) / "seen").read_text() == f"{task.workdir}\n" + "".join(f"{word}|" for word in [task.codex_link, *arguments])


def test_values_of_the_environment_arrive_byte_for_byte(task: TaskLayout) -> None:
    variables = {
        "QUOTES": 'it\'s "quoted" `id` $HOME \\n',
        "LINES": "one\ntwo\n\nfour",
        "EMPTY": "",
        "EQUALS": "a=b=c",
        "BYTES": "é 😀 \t\x01\x7f",
        "PATH": "/nowhere/special:/usr/bin:/bin",
        # names that the launcher uses itself
        "task": "/nonexistent",
        "status": "5",
        "pid": "1",
        "started": "2",
    }
    launch(task, "env -0 >seen", variables)
    seen = dict(line.partition("=")[::2] for line in (Path(task.workdir) / "seen").read_text().split("\0") if line)
    expected = {**variables, "PATH": f"{variables['PATH']}:{os.path.dirname(task.codex_link)}"}
    assert {name: seen.get(name) for name in expected} == expected
    assert ended_with(task) == 0


def test_no_value_is_in_the_launcher_or_on_a_command_line(task: TaskLayout) -> None:
    launch(task, "tr '\\0' ' ' </proc/$$/cmdline >seen; tr '\\0' ' ' </proc/$PPID/cmdline >>seen", {"KEY": "hunter2"})
    assert "hunter2" not in (Path(task.workdir) / "seen").read_text()
    assert "hunter2" not in Path(task.launcher).read_text()
    assert "hunter2" in Path(task.environment).read_text()


def test_codex_gets_its_signals_and_the_launcher_lives_to_tell(task: TaskLayout) -> None:
    prepare(task, "echo $$ >pid; exec /bin/sleep 60")
    launcher = start(task)
    try:
        until(lambda: (Path(task.workdir) / "pid").exists() and (Path(task.workdir) / "pid").read_text() != "")
        codex = int((Path(task.workdir) / "pid").read_text())
        # as a terminal that goes away does it, and a supervisor: to both
        launcher.send_signal(signal.SIGTERM)
        launcher.send_signal(signal.SIGHUP)
        os.kill(codex, signal.SIGTERM)
        assert launcher.wait(DEADLINE) == 0
    finally:
        launcher.kill()
    assert ended_with(task) == 143
    assert Path(task.log).read_text() == "ERROR: codex exited 143\n"


def test_an_end_by_request_is_no_error_of_codex(task: TaskLayout) -> None:
    Path(task.stopped_mark).write_text("")
    launch(task, "exit 143")
    assert ended_with(task) == 143
    assert not os.path.exists(task.log)
    assert not slept(task)


def test_a_missing_workdir_is_told(task: TaskLayout) -> None:
    prepare(task, "exit 0")
    os.rename(task.workdir, f"{task.workdir}.away")
    assert start(task).wait(DEADLINE) == 0
    assert ended_with(task) == 125
    assert not os.path.exists(task.workdir)


def test_a_missing_codex_is_told(task: TaskLayout) -> None:
    prepare(task, "exit 0")
    os.unlink(task.codex_link)
    assert start(task).wait(DEADLINE) == 0
    assert ended_with(task) == 127


@pytest.mark.parametrize("record", ["terminal", "watch"])
@pytest.mark.parametrize(("shift", "tag", "ends"), [(0, "{tag}", True), (1, "{tag}", False), (0, "/other:", False)])
def test_a_terminal_goes_with_codex_but_no_process_that_only_has_its_number(
    task: TaskLayout, record: str, shift: int, tag: str, ends: bool
) -> None:
    with subprocess.Popen(["sleep", "60"], env={"PATH": os.environ["PATH"], TAG_VARIABLE: tag.format(tag=task.tag)}) as terminal:
        try:
            started = int(Path(f"/proc/{terminal.pid}/stat").read_text().rpartition(")")[2].split()[19])
            Path(task.task, record).write_text(f"{terminal.pid} {started + shift} 0\n")
            launch(task, "exit 0")
            if ends:
                assert terminal.wait(DEADLINE) == -signal.SIGTERM
            else:
                assert terminal.poll() is None
        finally:
            terminal.kill()


def test_the_launcher_by_shellcheck() -> None:
    script = launcher_script(LAYOUT, codex_arguments(CodexOptions(prompt="it's $HOME", model="m"), W))
    # the environment file is made at the launch
    shell.shellcheck(script, "SC1091", "SC1090")


@pytest.mark.parametrize("name", shell.SHELLS)
def test_the_launcher_under_every_shell(task: TaskLayout, name: str) -> None:
    prepare(task, "exit 7", {"IT": "is\n'it'"})
    shell.run(name, Path(task.launcher).read_text(), as_argument=True, environment=outer(task))
    assert ended_with(task) == 7
    assert Path(task.log).read_text() == "ERROR: codex exited 7\n"
