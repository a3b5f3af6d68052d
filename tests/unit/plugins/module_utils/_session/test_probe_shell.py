# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The probe of one session, run by real shells on real state files and processes."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.optio.codex.plugins.module_utils._codex import rollout_files
from ansible_collections.optio.codex.plugins.module_utils._core import processes
from ansible_collections.optio.codex.plugins.module_utils._core.paths import TAG_VARIABLE
from ansible_collections.optio.codex.plugins.module_utils._session.command_line import TerminalOptions, ttyd_start
from ansible_collections.optio.codex.plugins.module_utils._session.layout import SessionPaths, package_socket, runtime_digest
from ansible_collections.optio.codex.plugins.module_utils._session.probe import ENDED
from ansible_collections.optio.codex.plugins.module_utils._session.probe_shell import SHELL_SESSION
from ansible_collections.optio.codex.tests.unit.support import shells
from ansible_collections.optio.codex.tests.unit.support.local_probe import EVERY_SHELL, ONE_SHELL, Task, tmux_server, until
from ansible_collections.optio.codex.tests.unit.support.local_session import until as until_true

OLDER, NEWER = "01a202d2-04bc-7371-ae76-9a22157469e5", "01a202d2-04bd-7371-ae76-9a22157469e5"


@pytest.fixture
def task(open_path: Path) -> Task:
    # short enough for the paths of sockets
    return Task(open_path)


@pytest.fixture
def server(task: Task) -> Iterator[int]:
    with tmux_server(task) as pid:
        yield pid


@EVERY_SHELL
def test_what_ended(task: Task, name: str) -> None:
    task.record(options='{"a": "b=c"}')
    session = task.look(name).session
    assert session.status == "lost"
    assert session.record["options"] == '{"a": "b=c"}'
    (task.task / "exit").write_text("7 1795343700\n")
    session = task.look(name).session
    assert (session.status, session.exit_status, session.ended) == ("finished", 7, 1795343700)
    (task.task / "stopped").write_text("")
    assert task.look(name).session.status == "stopped"


@EVERY_SHELL
def test_the_leftovers_of_an_ended_session_are_reported(task: Task, name: str) -> None:
    with subprocess.Popen(["sleep", "60"], env={"PATH": os.environ["PATH"], TAG_VARIABLE: f"{task.task}:{task.runtime}"}) as process:
        try:
            absent = task.look(name, sweep=ENDED).session
            task.record()
            (task.task / "exit").write_text("7 1795343700\n")
            ended = task.look(name, sweep=ENDED).session
        finally:
            process.kill()
    assert (absent.now, absent.leftovers) == (None, ())
    assert ended.now is not None and ended.leftovers == (process.pid,)


@EVERY_SHELL
def test_a_running_session_has_no_leftovers(task: Task, name: str, server: int) -> None:
    task.record()
    session = task.look(name, sweep=ENDED).session
    assert (session.status, session.now, session.leftovers) == ("running", None, ())


@EVERY_SHELL
def test_the_newest_conversation_by_its_id(task: Task, name: str) -> None:
    assert task.look(name).session.session_id is None
    task.rollout(f"2026/11/22/rollout-2026-11-22T23-30-00-{OLDER}.jsonl")
    newest = task.rollout(f"2026/11/21/rollout-2026-11-21T23-30-00-{NEWER}.jsonl")
    task.rollout(f"2026/11/23/notes-2026-11-23T23-30-00-{NEWER}.jsonl")
    session = task.look(name).session
    assert (session.session_id, session.rollout) == (NEWER, str(newest))


@EVERY_SHELL
def test_a_session_runs(task: Task, name: str, server: int) -> None:
    child = task.runtime / "child"
    task.record()
    session = task.look(name).session
    pane = session.pane
    assert session.status == "running"
    assert pane is not None and (pane.server, pane.codex) == (server, int(child.read_text()))
    assert (pane.dead, pane.in_mode, session.runtime_kind, session.runtime_foreign) == (False, False, "directory", False)
    # it has ended, and the pane is about to
    (task.task / "exit").write_text("0 1795343700\n")
    assert task.look(name).session.status == "finished"


@EVERY_SHELL
def test_a_pane_of_another_task_is_not_this_ones(task: Task, name: str, server: int) -> None:
    task.record()
    (task.root / "other").mkdir()
    moved = task.root / "other" / "launch.sh"
    (task.task / "launch.sh").rename(moved)
    argv = ["tmux", "-S", str(task.runtime / "tmux.sock"), "-f", "/dev/null"]
    subprocess.run([*argv, "respawn-pane", "-k", "-t", "optio:", "/bin/sh", str(moved)], check=True, timeout=10)
    listed = subprocess.run([*argv, "list-panes", "-t", "optio:", "-F", "#{pane_pid}"], check=True, capture_output=True, timeout=10)
    # until it runs its own program it has the command line of the server, which names the other one
    until_true(lambda: processes.arguments(int(listed.stdout)) == ["/bin/sh", str(moved)])
    session = task.look(name).session
    assert session.pane is None and session.pane_foreign and session.status == "lost"


@pytest.fixture
def package_server(task: Task) -> Iterator[str]:
    """Give the socket of a tmux server as the Python package optio-codex starts one in the task's workdir."""
    task.workdir.mkdir(parents=True)
    socket = package_socket(str(task.workdir))
    codex = f"env CODEX_HOME='{task.workdir}/home/.codex' /bin/sh -c 'sleep 60 & wait'"
    subprocess.run(["tmux", "-S", socket, "new-session", "-d", "-s", "optio", codex], check=True, timeout=10)
    try:
        yield socket
    finally:
        subprocess.run(["tmux", "-S", socket, "kill-server"], check=False, timeout=10)
        Path(socket).unlink()


@EVERY_SHELL
def test_a_session_of_the_package_is_found_before_and_after_it_is_on_record(task: Task, name: str, package_server: str) -> None:
    seen = until(lambda: task.look(name, sweep=True), lambda view: view.session.adoptable)
    assert (seen.session.status, seen.session.pane, seen.session.leftovers) == ("absent", None, ())
    assert not seen.layout.adopted
    assert (seen.layout.origin, seen.layout.home) == ("package", f"{task.workdir}/home")
    task.record(adopted="1")
    view = task.look(name, sweep=True)
    assert (view.session.status, view.session.adoptable) == ("running", None)
    assert view.session.pane is not None
    assert {view.session.pane.server, view.session.pane.launcher} < set(view.session.leftovers)
    assert view.layout.tmux_socket == package_server
    # a record of our own says where its session is
    task.record()
    assert task.look(name).session.status == "lost"


@EVERY_SHELL
def test_what_else_runs_on_the_packages_socket_is_not_this_tasks(task: Task, name: str, package_server: str) -> None:
    pane = f"env CODEX_HOME='{task.workdir}/home/.codex2' sleep 60"
    subprocess.run(["tmux", "-S", package_server, "respawn-pane", "-k", "-t", "optio:", pane], check=True, timeout=10)
    until(lambda: task.look(name), lambda view: not view.session.adoptable)
    assert not task.look(name).session.pane_foreign
    task.record(adopted="1")
    session = task.look(name).session
    assert (session.status, session.pane_foreign) == ("lost", True)


@EVERY_SHELL
@pytest.mark.parametrize("way", ["link", "owner"])
def test_a_socket_that_another_user_can_lead_elsewhere_is_not_used(task: Task, name: str, package_server: str, way: str) -> None:
    if way == "link":
        elsewhere = Path(f"{package_server}.elsewhere")
        Path(package_server).rename(elsewhere)
        Path(package_server).symlink_to(elsewhere)
    elif os.geteuid() != 0:
        pytest.skip("only root can make a socket that belongs to somebody else")
    else:
        os.chown(package_server, 65534, 65534)
    session = task.look(name).session
    assert session.adoptable is None and session.socket_foreign
    task.record(adopted="1")
    session = task.look(name).session
    assert (session.status, session.pane) == ("lost", None) and session.socket_foreign
    if way == "link":
        elsewhere.rename(package_server)


#: how 0.169.0 begins the rollouts of its own conversations and of others, as far as the source
BEGINS = '{"timestamp":"2026-11-24T23:34:13.905Z","ordinal":0,"type":"session_meta","payload":{"cwd":"/w","source":%s,"id":"x"}}'
OTHERS = [
    '{"subagent":{"thread_spawn":{"parent_thread_id":"01a20fe8","depth":1}}}',
    '{"subagent":"review"}',
    '"exec"',
    '"mcp"',
]


@EVERY_SHELL
@pytest.mark.parametrize("source", OTHERS)
def test_messages_of_a_sub_agent_are_not_the_conversation(task: Task, name: str, source: str) -> None:
    own = task.rollout(f"2026/11/22/rollout-2026-11-22T23-30-00-{OLDER}.jsonl")
    # what is said in it may look like anything
    own.write_text(BEGINS % '"cli"' + f'\n{{"text":"\\"source\\":{{\\"subagent"}}\n{BEGINS % source}\n')
    other = task.rollout(f"2026/11/22/rollout-2026-11-22T23-31-00-{NEWER}.jsonl")
    other.write_text(BEGINS % source + "\n")
    session = task.look(name).session
    assert (session.session_id, session.rollout) == (OLDER, str(own))
    assert rollout_files.newest(f"{task.task}/home/.codex/sessions") == str(own)
    own.unlink()
    assert task.look(name).session.rollout is None
    assert rollout_files.newest(f"{task.task}/home/.codex/sessions") is None


@EVERY_SHELL
def test_a_conversation_has_an_id_and_nothing_else(task: Task, name: str) -> None:
    good = task.rollout(f"rollout-2026-01-01T00-00-00-{OLDER}.jsonl")
    task.rollout('rollout-zzz--cnotify=["evil","aaaaaaaaaaaaaaaa"].jsonl')
    session = task.look(name).session
    assert (session.session_id, session.rollout) == (OLDER, str(good))


#: rollouts by their directory and the end of their names, and the conversation, the archived one, and whether there are several
HIDDEN = [
    (["archived_sessions/{NEWER}.jsonl"], None, NEWER, False),
    (["archived_sessions/{OLDER}.jsonl", "archived_sessions/{NEWER}.jsonl"], None, NEWER, False),
    (["archived_sessions/{NEWER}.jsonl.zst"], None, NEWER, False),
    (["sessions/2026/11/22/{NEWER}.jsonl.zst"], NEWER, None, False),
    (["sessions/{OLDER}.jsonl.zst", "archived_sessions/{NEWER}.jsonl"], OLDER, NEWER, False),
    (["sessions/{OLDER}.jsonl.zst", "sessions/{NEWER}.jsonl.zst"], None, None, True),
    (["sessions/{OLDER}.jsonl", "sessions/{NEWER}.jsonl.zst", "archived_sessions/{NEWER}.jsonl"], OLDER, None, False),
    (["sessions/{NEWER}.jsonl.gz", "archived_sessions/x{NEWER}"], None, None, False),
]


@EVERY_SHELL
@pytest.mark.parametrize(("files", "conversation", "archived", "several"), HIDDEN)
def test_conversations_that_are_archived_or_compressed(
    task: Task, name: str, files: list[str], conversation: str | None, archived: str | None, several: bool
) -> None:
    for file in files:
        directory, _slash, end = file.format(OLDER=OLDER, NEWER=NEWER).rpartition("/")
        place = task.task / "home/.codex" / directory
        place.mkdir(parents=True, exist_ok=True)
        (place / f"rollout-2026-11-22T23-30-00-{end}").write_bytes(b"(\xb5/\xfd\xe0\n")
    session = task.look(name).session
    assert (session.session_id, session.archived_id, session.several_compressed) == (conversation, archived, several)


@ONE_SHELL
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a directory that belongs to somebody else")
def test_a_directory_of_another_user_is_not_trusted(task: Task, name: str, server: int) -> None:
    task.record()
    os.chown(task.runtime, 65534, 65534)
    os.chown(task.task, 65534, 65534)
    view = task.look(name)
    # what runs in it runs all the same, and its sockets are not used
    assert view.session.runtime_foreign and view.session.unreachable
    assert view.workspace.task_foreign


@pytest.fixture
def terminal(task: Task, server: int) -> Iterator[int]:
    """Give the pid of what was started as a session's terminal is, on port 7681."""
    layout = SessionPaths("review", str(task.task), str(task.workdir), str(task.runtime))
    argv = ttyd_start("sleep", layout, TerminalOptions(listen="tcp", port=7681), "worker")
    with subprocess.Popen(["/bin/sh", "-c", "sleep 60 & wait", *argv], stdin=subprocess.DEVNULL) as process:
        while str(layout.tmux_socket) not in Path(f"/proc/{process.pid}/cmdline").read_text():
            assert process.poll() is None
        try:
            yield process.pid
        finally:
            process.kill()


@EVERY_SHELL
@pytest.mark.parametrize(("shift", "damaged"), [(0, ()), (1, ("terminal",))])
def test_a_terminal_is_known_by_its_command_line(task: Task, name: str, terminal: int, shift: int, damaged: tuple[str, ...]) -> None:
    task.record()
    (task.task / "terminal").write_text(f"{terminal} {started(terminal) + shift} 7681\n")
    session = task.look(name).session
    assert (session.terminal_pid, session.terminal_alive, session.terminal_port) == (terminal, True, 7681)
    assert session.damaged == damaged and session.terminal_serves and not session.terminal_socket


@EVERY_SHELL
@pytest.mark.parametrize("shift", [0, 1])
def test_a_number_on_record_may_be_another_process(task: Task, name: str, server: int, shift: int) -> None:
    task.record()
    (task.task / "terminal").write_text(f"{os.getpid()} {started(os.getpid()) + shift} 7681\n")
    session = task.look(name).session
    assert session.pane is not None and not session.terminal_alive


@ONE_SHELL
@pytest.mark.parametrize("line", ["", "nonsense\n", "-1 2 3\n", "4194305 1 0\n", "1 1 7681\n", "\xb2 \0\n\n", "9" * 5000])
def test_a_terminal_that_is_on_no_record_is_found(task: Task, name: str, terminal: int, line: str) -> None:
    task.record()
    assert task.look(name).session.terminal_pid == terminal
    (task.task / "terminal").write_text(line)
    session = task.look(name).session
    assert (session.terminal_pid, session.terminal_alive, session.terminal_port) == (terminal, True, 7681)
    assert session.damaged == ("terminal",)


def started(pid: int) -> int:
    return processes.read_stat(pid)[1] or 0


@EVERY_SHELL
def test_digests_are_those_of_the_layout(name: str) -> None:
    words = [f"{stem}{number}" for stem in ("a", "A.b-c_", "/srv/x y/", "/srv/\u00e9/") for number in range(10)]
    calls = "\n".join(f"digest_of '{word}' 12; digest_of '{word}' 16" for word in words)
    lines = shells.run(name, f"{SHELL_SESSION}\n{calls}\n").split()
    pairs = [(runtime_digest(word), package_socket(word)) for word in words]
    assert lines == [text for digest, socket in pairs for text in (digest, socket[len("/tmp/optio-cx-") : -len(".sock")])]
