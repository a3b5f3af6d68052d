# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The probe of one task, run by real shells on real directories, and what its parser makes of the answer."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.optio.codex.plugins.module_utils._core.errors import OptioError, ProbeError
from ansible_collections.optio.codex.plugins.module_utils._core.paths import TAG_VARIABLE
from ansible_collections.optio.codex.plugins.module_utils._core.probe import parse
from ansible_collections.optio.codex.plugins.module_utils._session.layout import SessionPaths, runtime_digest
from ansible_collections.optio.codex.plugins.module_utils._session.probe import parse_task, task_script
from ansible_collections.optio.codex.plugins.module_utils._session.probe_shell import SHELL_TASK
from ansible_collections.optio.codex.plugins.module_utils._session.state import Session, Workspace
from ansible_collections.optio.codex.plugins.module_utils._session.supervisor import Systemd
from ansible_collections.optio.codex.tests.unit.support import shells
from ansible_collections.optio.codex.tests.unit.support.local_probe import EVERY_SHELL, ONE_SHELL, Task

OLDER, NEWER = "01a202d2-04bc-7371-ae76-9a22157469e5", "01a202d2-04bd-7371-ae76-9a22157469e5"
AGENTS = "first 'line'\n\n\tx=1 $HOME\n@section\nname+line\noptio-probe-end\nlast without an end"


@pytest.fixture
def task(open_path: Path) -> Task:
    # short enough for the paths of sockets
    return Task(open_path)


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


def make_homes(task: Task) -> None:
    """Make the homes of codex and of its commands, whole."""
    for directory in (".codex", ".config", ".local/share", ".local/bin", ".cache"):
        (task.task / "home" / directory).mkdir(parents=True)
    for directory in (".config", ".local/share", ".cache"):
        (task.task / "agent" / directory).mkdir(parents=True)


@EVERY_SHELL
def test_everything_is_there(task: Task, name: str) -> None:
    make_homes(task)
    task.workdir.mkdir()
    (task.task / "home/.local/bin/codex").symlink_to("/opt/co dex")
    (task.task / "home/.codex/config.toml").write_text("")
    (task.task / "home/.codex/AGENTS.md").write_text(AGENTS)
    (task.workdir / "home").symlink_to(task.task / "home")
    (task.workdir / "AGENTS.md").write_text("Read the other.\nsecond line\n")
    (task.workdir / "optio.log").write_text("")
    (task.workdir / ".git").mkdir()
    assert not task.look(name).workspace.is_repository
    (task.workdir / ".git/HEAD").write_text("ref: refs/heads/main\n")
    view = task.look(name)
    assert view.workspace == Workspace(
        task_kind="directory",
        workdir_kind="directory",
        workdir_filled=True,
        home_kind="directory",
        home_complete=True,
        home_link=str(task.task / "home"),
        link="/opt/co dex",
        config_kind="other",
        instructions=f"{AGENTS}\n",
        pointer="Read the other.",
        logs=("optio.log",),
        is_repository=True,
    )
    assert (view.layout.origin, view.layout.link_blocked) == ("own", False)


@EVERY_SHELL
def test_a_part_is_there(task: Task, name: str) -> None:
    (task.task / "home/.codex").mkdir(parents=True)
    (task.task / "home/.codex/AGENTS.md").write_text("")
    (task.task / "home/.local/bin").mkdir(parents=True)
    (task.task / "home/.local/bin/codex").write_text("no link")
    seen = task.look(name).workspace
    assert (seen.home_kind, seen.home_complete, seen.link, seen.instructions) == ("directory", False, None, "")


@EVERY_SHELL
@pytest.mark.parametrize(
    "missing", ["home/.codex", "home/.local/bin", "home/.cache", "agent/.config", "agent/.local/share", "agent/.cache"]
)
def test_both_homes_have_all_their_directories(task: Task, name: str, missing: str) -> None:
    make_homes(task)
    assert task.look(name).workspace.home_complete
    (task.task / missing).rmdir()
    assert not task.look(name).workspace.home_complete


@ONE_SHELL
@pytest.mark.parametrize("entry", ["file", ".hidden", "..odd", "dangling"])
def test_a_workdir_that_is_not_empty(task: Task, name: str, entry: str) -> None:
    task.workdir.mkdir(parents=True)
    assert not task.look(name).workspace.workdir_filled
    if entry == "dangling":
        (task.workdir / entry).symlink_to(task.home / "missing")
    else:
        (task.workdir / entry).write_text("")
    assert task.look(name).workspace.workdir_filled


@ONE_SHELL
@pytest.mark.parametrize(("where", "field"), [("task", "task_kind"), ("workdir", "workdir_kind"), ("home", "home_kind")])
def test_something_else_is_there(task: Task, name: str, where: str, field: str) -> None:
    path = {"task": task.task, "workdir": task.workdir, "home": task.task / "home"}[where]
    path.parent.mkdir(parents=True)
    path.symlink_to(task.home / "missing")
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
    with pytest.raises(ProbeError, match="the task's paths are 'relative/optio-codex'"):
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
@pytest.mark.parametrize(
    "runtime", ["/run/optio-codex/../../etc/x", "/run/optio-codex/other", "/tmp/x", "{root}/.run/../x", "{root}/.run/g"]
)
def test_a_record_cannot_name_other_paths(task: Task, name: str, runtime: str) -> None:
    task.record(runtime=runtime.replace("{root}", str(task.root)))
    view = task.look(name)
    expected = "/run/optio-codex/review" if os.geteuid() == 0 else str(task.runtime)
    assert view.layout.runtime == view.session.runtime == expected


@EVERY_SHELL
def test_a_projects_own_home_and_instructions_are_not_looked_at(task: Task, name: str) -> None:
    project = task.home / "project"
    (project / "home/.codex").mkdir(parents=True)
    (project / "home/.codex/AGENTS.md").write_text("The project's own.")
    (project / "AGENTS.md").write_text("The project's own.")
    view = task.look(name, workdir=str(project))
    assert (view.layout.origin, view.layout.home, view.layout.link_blocked) == ("project", f"{task.task}/home", False)
    assert view.workspace == Workspace(workdir_kind="directory", workdir_filled=True)


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
    ttyd = executable(task.home / "my ttyd/ttyd")
    executable(task.home / ".cache/optio-codex/bin/ttyd")
    worker = task.look(name, codex_dir="~/my codex/", ttyd_dir="~/my ttyd/").worker
    assert (worker.codex, worker.codex_dir) == (codex, f"{task.home}/my codex")
    assert (worker.ttyd, worker.ttyd_dir) == (ttyd, f"{task.home}/my ttyd")
    # then nothing else will do
    worker = task.look(name, codex_dir="~", ttyd_dir="~").worker
    assert (worker.codex, worker.ttyd) == ("", "")


@ONE_SHELL
def test_ttyd_of_the_path_but_no_codex(task: Task, name: str) -> None:
    ttyd = executable(task.home / "bin/ttyd")
    executable(task.home / "bin/codex")
    worker = task.look(name, variables={"PATH": f"{task.home}/bin:{os.environ['PATH']}"}).worker
    assert worker.ttyd == ttyd
    assert f"{task.home}/bin" not in worker.codex


@ONE_SHELL
def test_a_directory_is_not_a_program(task: Task, name: str) -> None:
    (task.home / ".cache/optio-codex/bin/codex").mkdir(parents=True)
    assert str(task.home) not in task.look(name).worker.codex


@ONE_SHELL
def test_the_worker_is_not_linux(task: Task, name: str) -> None:
    uname = Path(executable(task.home / "bin/uname"))
    uname.write_text("#!/bin/sh\necho Darwin\n")
    with pytest.raises(OptioError, match=r"worker Darwin runs Darwin, and sessions require Linux\."):
        task.look(name, variables={"PATH": f"{task.home}/bin:{os.environ['PATH']}"})


@ONE_SHELL
def test_a_user_that_does_not_exist(task: Task, name: str) -> None:
    with pytest.raises(OptioError, match="user nobody-of-this-name does not exist on the worker"):
        task.look(name, user="nobody-of-this-name")


@ONE_SHELL
def test_a_banner_does_not_matter_and_half_an_answer_does(task: Task, name: str) -> None:
    script = task_script("review", root=str(task.root), workdir=None, codex_dir=None, ttyd_dir=None, user=None, sweep=True)
    answer = shells.run(name, script, environment={"HOME": str(task.home), "PATH": os.environ["PATH"]})
    assert parse_task(parse(f"Welcome!\r\n{answer.replace(chr(10), chr(13) + chr(10))}bye"), "review").session.status == "absent"
    for length in range(0, len(answer) - len("optio-probe-end\n"), 7):
        with pytest.raises(ProbeError):
            parse(answer[:length])


@EVERY_SHELL
def test_units_are_looked_for_by_the_names_that_they_are_given(name: str, tmp_path: Path) -> None:
    """The shell makes the name of a user's unit as Python does: from the task's path."""
    (tmp_path / "systemctl").write_text(
        '#!/bin/sh\nfor word in "$@"; do case $word in *@*) echo "  $word loaded failed failed x" ;; esac; done\n'
    )
    (tmp_path / "systemctl").chmod(0o755)
    for runtime, privileged in (("/srv/x y/.run/0123456789ab", False), ("/run/optio-codex/review", True)):
        layout = SessionPaths("review", "/srv/x y/review", "/w", runtime)
        flags = f"systemd={int(privileged)} user_manager={int(not privileged)} uid=1000"
        script = f"{SHELL_TASK}\n{flags} name=review task='{layout.task}' runtime='{runtime}'\nleftovers\n"
        said = shells.run(name, script, environment={"PATH": f"{tmp_path}:/usr/bin:/bin"})
        units = [line.removeprefix("unit+") for line in said.splitlines() if line.startswith("unit+")]
        assert units == [Systemd.session_unit(layout), Systemd.terminal_unit(layout), Systemd.terminal_unit(layout, True)]
