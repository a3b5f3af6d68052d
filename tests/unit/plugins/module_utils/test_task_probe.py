# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The probe of one task, run by real shells on real directories, and what its parser makes of the answer."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from unit import shell

from ansible_collections.optio.codex.plugins.module_utils.errors import OptioError, UnknownObservation
from ansible_collections.optio.codex.plugins.module_utils.layout import TAG_VARIABLE, TaskLayout, package_socket, runtime_digest
from ansible_collections.optio.codex.plugins.module_utils.probe import parse
from ansible_collections.optio.codex.plugins.module_utils.supervisor import Systemd
from ansible_collections.optio.codex.plugins.module_utils.task_probe import (
    SHELL_TASK,
    Session,
    TaskView,
    Workspace,
    parse_task,
    task_script,
)

OLDER, NEWER = "01a202d2-04bc-7371-ae76-9a22157469e5", "01a202d2-04bd-7371-ae76-9a22157469e5"
AGENTS = "first 'line'\n\n\tx=1 $HOME\n@section\nname+line\noptio-probe-end\nlast without an end"


class Task:
    """A task below a root of its own, and a home in which nothing is installed."""

    def __init__(self, base: Path) -> None:
        self.home = base / "home"
        self.root = base / "ro ot"
        self.task = self.root / "review"
        self.workdir = self.task / "workdir"
        self.runtime = self.root / ".run" / runtime_digest("review")
        self.home.mkdir()

    def look(self, name: str, *, variables: dict[str, str] | None = None, **options: Any) -> TaskView:
        """Return what a shell sees of the task."""
        given = {"root": str(self.root), "workdir": None, "codex_dir": None, "ttyd": None, "user": None, "sweep": False}
        environment = {"HOME": str(self.home), "PATH": os.environ["PATH"], **(variables or {})}
        script = task_script("review", **{**given, **options})
        return parse_task(parse(shell.run(name, script, environment=environment)), "review")

    def record(self, **fields: str) -> None:
        self.task.mkdir(parents=True, exist_ok=True)
        lines = {"name": "review", "workdir": str(self.workdir), "runtime": str(self.runtime), **fields}
        (self.task / "session").write_text("".join(f"{key}={value}\n" for key, value in lines.items()))

    def rollout(self, name: str) -> Path:
        path = self.workdir / "home" / ".codex" / "sessions" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}\n")
        return path


@pytest.fixture
def task(tmp_path: Path) -> Task:
    return Task(tmp_path)


EVERY_SHELL = pytest.mark.parametrize("name", shell.SHELLS)
#: what depends on what is there, and no more on the shell than the others
ONE_SHELL = pytest.mark.parametrize("name", ["dash"])


def executable(path: Path) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return str(path)


@EVERY_SHELL
def test_nothing_is_there(task: Task, name: str) -> None:
    view = task.look(name)
    root = os.geteuid() == 0
    assert view.layout.task == str(task.task)
    assert view.layout.workdir == str(task.workdir)
    assert view.layout.runtime == ("/run/optio-codex/review" if root else f"{task.root}/.run/{runtime_digest('review')}")
    assert view.workspace == Workspace()
    assert view.session == Session(runtime=view.layout.runtime)
    assert view.session.status == "absent"
    assert (view.worker.system, view.worker.home, view.worker.privileged) == ("Linux", str(task.home), root)
    assert (view.worker.tmux, view.worker.git) == ("/usr/bin/tmux", "/usr/bin/git")


@EVERY_SHELL
def test_everything_is_there(task: Task, name: str) -> None:
    for directory in (".codex", ".config", ".local/share", ".local/bin", ".cache"):
        (task.workdir / "home" / directory).mkdir(parents=True)
    (task.workdir / "home/.local/bin/codex").symlink_to("/opt/co dex")
    (task.workdir / "home/.codex/config.toml").write_text("")
    (task.workdir / "AGENTS.md").write_text(AGENTS)
    (task.workdir / "optio.log").write_text("")
    (task.workdir / ".git/info").mkdir(parents=True)
    (task.workdir / ".git/info/exclude").write_text("# one\n\n/home/\n")
    view = task.look(name)
    assert view.workspace == Workspace(
        task_kind="directory",
        workdir_kind="directory",
        workdir_filled=True,
        home_kind="directory",
        home_complete=True,
        link="/opt/co dex",
        config_kind="other",
        instructions=f"{AGENTS}\n",
        logs=("optio.log",),
        is_repository=True,
        exclude=("# one", "", "/home/"),
    )


@EVERY_SHELL
def test_a_part_is_there(task: Task, name: str) -> None:
    (task.workdir / "home/.codex").mkdir(parents=True)
    (task.workdir / "AGENTS.md").write_text("")
    (task.workdir / "home/.local/bin").mkdir(parents=True)
    (task.workdir / "home/.local/bin/codex").write_text("no link")
    seen = task.look(name).workspace
    assert (seen.home_kind, seen.home_complete, seen.link, seen.instructions) == ("directory", False, None, "")


@ONE_SHELL
@pytest.mark.parametrize("entry", ["file", ".hidden", "..odd", "dangling"])
def test_a_workdir_that_is_not_empty(task: Task, name: str, entry: str) -> None:
    task.workdir.mkdir(parents=True)
    assert not task.look(name).workspace.workdir_filled
    if entry == "dangling":
        (task.workdir / entry).symlink_to("/nonexistent")
    else:
        (task.workdir / entry).write_text("")
    assert task.look(name).workspace.workdir_filled


@ONE_SHELL
@pytest.mark.parametrize(("where", "field"), [("task", "task_kind"), ("workdir", "workdir_kind"), ("workdir/home", "home_kind")])
def test_something_else_is_there(task: Task, name: str, where: str, field: str) -> None:
    path = {"task": task.task, "workdir": task.workdir, "workdir/home": task.workdir / "home"}[where]
    path.parent.mkdir(parents=True)
    path.symlink_to("/nonexistent")
    assert getattr(task.look(name).workspace, field) == "other"


@EVERY_SHELL
@pytest.mark.parametrize(
    ("variables", "options", "root"),
    [
        ({}, {"root": None}, "{home}/.local/share/optio-codex"),
        ({"XDG_DATA_HOME": "{base}/data/"}, {"root": None}, "{base}/data/optio-codex"),
        ({}, {"root": "~"}, "{home}"),
        ({}, {"root": "~/a b//"}, "{home}/a b"),
        ({}, {"root": "{base}/link/not/there"}, "{base}/home/not/there"),
        ({}, {"root": "{base}//link/.//./not//there"}, "{base}/home/not/there"),
        ({}, {"root": "{base}/new/."}, "{base}/new"),
        ({}, {"root": "{base}/new/././deeper"}, "{base}/new/deeper"),
    ],
)
def test_where_tasks_are(task: Task, name: str, variables: dict[str, str], options: dict[str, Any], root: str) -> None:
    base = task.home.parent
    (base / "link").symlink_to(task.home)

    def fill(text: str | None) -> str | None:
        return text and text.format(base=base, home=task.home)

    view = task.look(
        name,
        variables={key: str(fill(value)) for key, value in variables.items()},
        **{key: fill(value) for key, value in options.items()},
    )
    assert view.layout.task == f"{fill(root)}/review"


@ONE_SHELL
def test_a_relative_data_directory_is_not_understood(task: Task, name: str) -> None:
    with pytest.raises(UnknownObservation, match="the task's paths are 'relative/optio-codex'"):
        task.look(name, variables={"XDG_DATA_HOME": "relative"}, root=None)


@EVERY_SHELL
def test_a_workdir_is_its_real_path(task: Task, name: str) -> None:
    (task.home / "real dir").mkdir()
    (task.home / "link").symlink_to("real dir")
    assert task.look(name, workdir="~/link/").layout.workdir == f"{task.home}/real dir"
    assert task.look(name, workdir="~/link/new").layout.workdir == f"{task.home}/real dir/new"


@ONE_SHELL
def test_the_workdir_on_record_need_not_be_named_again(task: Task, name: str) -> None:
    task.record(workdir=str(task.home))
    assert task.look(name).layout.workdir == str(task.home)
    assert task.look(name, workdir="/srv").layout.workdir == "/srv"


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
def test_the_newest_conversation_by_its_id(task: Task, name: str) -> None:
    assert task.look(name).session.session_id is None
    task.rollout(f"2026/11/22/rollout-2026-11-22T23-30-00-{OLDER}.jsonl")
    newest = task.rollout(f"2026/11/21/rollout-2026-11-21T23-30-00-{NEWER}.jsonl")
    task.rollout(f"2026/11/23/notes-2026-11-23T23-30-00-{NEWER}.jsonl")
    session = task.look(name).session
    assert (session.session_id, session.rollout) == (NEWER, str(newest))


@pytest.fixture
def server(task: Task) -> Iterator[int]:
    """Give the pid of a tmux server with a launcher that has one child, which runs."""
    task.runtime.mkdir(0o700, parents=True)
    task.task.mkdir(exist_ok=True)
    socket = str(task.runtime / "tmux.sock")
    argv = ["tmux", "-S", socket, "-f", "/dev/null"]
    launcher = task.task / "launch.sh"
    launcher.write_text(f"sleep 60 & echo $! >'{task.runtime}/child'; wait\n")
    subprocess.run([*argv, "new-session", "-d", "-s", "optio", "/bin/sh", str(launcher)], check=True, timeout=10)
    try:
        shown = subprocess.run([*argv, "display-message", "-p", "#{pid}"], check=True, timeout=10, capture_output=True)
        pid = int(shown.stdout)
        # until then the shell may not have opened its script, which a test may move
        child = task.runtime / "child"
        while not (child.exists() and child.read_text().endswith("\n")):
            assert Path(f"/proc/{pid}").exists()
        yield pid
    finally:
        subprocess.run([*argv, "kill-server"], check=False, timeout=10)


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


def until(look: Callable[[], TaskView], holds: Callable[[TaskView], object]) -> TaskView:
    """Return the first view of which something holds: a pane takes a moment to execute its program."""
    deadline = time.monotonic() + 10
    while not holds(view := look()):
        assert time.monotonic() < deadline, view
    return view


@EVERY_SHELL
@pytest.mark.parametrize(
    "runtime", ["/run/optio-codex/../../etc/x", "/run/optio-codex/other", "/tmp/x", "{root}/.run/../x", "{root}/.run/g"]
)
def test_a_record_sends_nobody_elsewhere(task: Task, name: str, runtime: str) -> None:
    task.record(runtime=runtime.replace("{root}", str(task.root)))
    view = task.look(name)
    expected = "/run/optio-codex/review" if os.geteuid() == 0 else str(task.runtime)
    assert view.layout.runtime == view.session.runtime == expected


@EVERY_SHELL
def test_a_conversation_has_an_id_and_nothing_else(task: Task, name: str) -> None:
    good = task.rollout(f"rollout-2026-01-01T00-00-00-{OLDER}.jsonl")
    task.rollout('rollout-zzz--cnotify=["evil","aaaaaaaaaaaaaaaa"].jsonl')
    session = task.look(name).session
    assert (session.session_id, session.rollout) == (OLDER, str(good))


@EVERY_SHELL
def test_a_projects_own_home_is_told_apart(task: Task, name: str) -> None:
    home = task.workdir / "home"
    home.mkdir(parents=True)
    assert not task.look(name).workspace.home_foreign
    (home / "default.nix").write_text("")
    assert task.look(name).workspace.home_foreign
    (home / ".codex").mkdir()
    assert not task.look(name).workspace.home_foreign


@ONE_SHELL
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a directory that belongs to somebody else")
def test_a_directory_of_somebody_else_is_not_trusted(task: Task, name: str, server: int) -> None:
    task.record()
    os.chown(task.runtime, 65534, 65534)
    os.chown(task.task, 65534, 65534)
    view = task.look(name)
    assert view.session.runtime_foreign and view.session.pane is None
    assert view.workspace.task_foreign


@EVERY_SHELL
@pytest.mark.parametrize(("shift", "alive"), [(0, True), (1, False)])
def test_a_terminal_is_alive_or_its_number_is_another_process(task: Task, name: str, shift: int, alive: bool) -> None:
    started = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
    task.record()
    task.runtime.mkdir(parents=True)
    (task.task / "terminal").write_text(f"{os.getpid()} {started + shift} 7681\n")
    session = task.look(name).session
    assert (session.terminal_pid, session.terminal_alive, session.terminal_port) == (os.getpid(), alive, 7681)
    assert not session.terminal_socket


@EVERY_SHELL
@pytest.mark.parametrize("line", ["", "nonsense", "-1 2 3", "4194305 1 0"])
def test_a_terminal_that_cannot_be(task: Task, name: str, line: str) -> None:
    task.record()
    (task.task / "terminal").write_text(f"{line}\n")
    assert not task.look(name).session.terminal_alive


@EVERY_SHELL
def test_every_process_that_carries_the_tag(task: Task, name: str) -> None:
    task.root.mkdir()
    environment = {"PATH": os.environ["PATH"]}
    mine = {**environment, TAG_VARIABLE: f"{task.task}:"}
    other = {**environment, TAG_VARIABLE: f"{task.task}2:"}
    with (
        subprocess.Popen(["sleep", "60"], env=mine, start_new_session=True) as first,
        subprocess.Popen(["sleep", "60"], env=other) as second,
    ):
        try:
            # a child of fork has this process's environment until it executes its program
            while b"sleep" not in Path(f"/proc/{first.pid}/cmdline").read_bytes():
                assert first.poll() is None
            assert task.look(name, sweep=True).session.leftovers == (first.pid,)
            assert task.look(name).session.leftovers == ()
        finally:
            first.kill()
            second.kill()


@ONE_SHELL
def test_programs_of_the_users_cache(task: Task, name: str) -> None:
    release = executable(task.home / "cache/releases/1/bin/codex")
    ttyd = executable(task.home / "cache/ttyd")
    (task.home / "cache/codex").symlink_to(release)
    worker = task.look(name, variables={"OPTIO_CODEX_CACHE_DIR": "~/cache/"}).worker
    assert (worker.codex, worker.ttyd) == (release, ttyd)


@EVERY_SHELL
def test_programs_that_are_named(task: Task, name: str) -> None:
    codex = executable(task.home / "my codex/codex")
    executable(task.home / ".cache/optio-codex/bin/codex")
    ttyd = executable(task.home / "tt yd")
    worker = task.look(name, codex_dir="~/my codex/", ttyd="~/tt yd").worker
    assert (worker.codex, worker.codex_dir, worker.ttyd) == (codex, f"{task.home}/my codex", ttyd)
    # then nothing else will do
    worker = task.look(name, codex_dir="~", ttyd="~/nothing").worker
    assert (worker.codex, worker.ttyd) == ("", "")


@ONE_SHELL
def test_ttyd_of_the_path_but_no_codex(task: Task, name: str) -> None:
    ttyd = executable(task.home / "bin/ttyd")
    executable(task.home / "bin/codex")
    worker = task.look(name, variables={"PATH": f"{task.home}/bin:{os.environ['PATH']}"}).worker
    assert worker.ttyd == ttyd
    assert f"{task.home}/bin" not in worker.codex


@ONE_SHELL
def test_a_directory_is_no_program(task: Task, name: str) -> None:
    (task.home / ".cache/optio-codex/bin/codex").mkdir(parents=True)
    assert str(task.home) not in task.look(name).worker.codex


@ONE_SHELL
def test_the_worker_is_no_linux(task: Task, name: str) -> None:
    uname = Path(executable(task.home / "bin/uname"))
    uname.write_text("#!/bin/sh\necho Darwin\n")
    with pytest.raises(OptioError, match=r"worker Darwin: runs Darwin, and sessions need Linux\."):
        task.look(name, variables={"PATH": f"{task.home}/bin:{os.environ['PATH']}"})


@ONE_SHELL
def test_a_user_that_does_not_exist(task: Task, name: str) -> None:
    with pytest.raises(OptioError, match="user: does not exist on the worker"):
        task.look(name, user="nobody-of-this-name")


@ONE_SHELL
def test_a_banner_does_not_matter_and_half_an_answer_does(task: Task, name: str) -> None:
    script = task_script("review", root=str(task.root), workdir=None, codex_dir=None, ttyd=None, user=None, sweep=True)
    answer = shell.run(name, script, environment={"HOME": str(task.home), "PATH": os.environ["PATH"]})
    assert parse_task(parse(f"Welcome!\r\n{answer.replace(chr(10), chr(13) + chr(10))}bye"), "review").session.status == "absent"
    for length in range(0, len(answer) - len("optio-probe-end\n"), 7):
        with pytest.raises(UnknownObservation):
            parse(answer[:length])


@EVERY_SHELL
def test_units_are_looked_for_by_the_names_that_they_are_given(name: str, tmp_path: Path) -> None:
    """The shell makes the name of a user's unit as Python does: from the task's path."""
    (tmp_path / "systemctl").write_text(
        '#!/bin/sh\nfor word in "$@"; do case $word in *@*) echo "  $word loaded failed failed x" ;; esac; done\n'
    )
    (tmp_path / "systemctl").chmod(0o755)
    for runtime, privileged in (("/srv/x y/.run/0123456789ab", False), ("/run/optio-codex/review", True)):
        layout = TaskLayout("review", "/srv/x y/review", "/w", runtime)
        flags = f"systemd={int(privileged)} user_manager={int(not privileged)} uid=1000"
        script = f"{SHELL_TASK}\n{flags} name=review task='{layout.task}' runtime='{runtime}'\nleftovers\n"
        said = shell.run(name, script, environment={"PATH": f"{tmp_path}:/usr/bin:/bin"})
        units = [line.removeprefix("unit+") for line in said.splitlines() if line.startswith("unit+")]
        assert units == [Systemd.session_unit(layout), Systemd.terminal_unit(layout), Systemd.terminal_unit(layout, True)]
