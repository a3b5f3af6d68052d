# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How a probe reads the files of a session, and how long, by real shells."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

import pytest

from ansible_collections.optio.codex.plugins.module_utils._core import processes
from ansible_collections.optio.codex.plugins.module_utils._core.errors import OptioError
from ansible_collections.optio.codex.plugins.module_utils._core.probe import parse
from ansible_collections.optio.codex.plugins.module_utils._session.probe import parse_task, sections_of_tasks, task_variables, tasks_script
from ansible_collections.optio.codex.plugins.module_utils._session.probe_files import LOOK_LIMIT, RECORD_LIMIT, SHELL_FILES
from ansible_collections.optio.codex.tests.unit.support import shells
from ansible_collections.optio.codex.tests.unit.support.local_probe import EVERY_SHELL

#: seconds after which a look is ended here, and within which the whole probe answers then
LIMIT, DEADLINE = 2, 15.0


@pytest.mark.slow
@EVERY_SHELL
def test_a_session_that_does_not_answer_delays_no_other(open_path: Path, name: str) -> None:
    """The look at one session waits for a program that never ends, and leaves no process behind."""
    root, programs = open_path / "root", open_path / "bin"
    programs.mkdir()
    real = "/usr/bin/stat"
    (programs / "stat").write_text(f'#!/bin/sh\ncase "$*" in *one/session*) echo $$ >{open_path}/pid; sleep 60 ;; esac\nexec {real} "$@"\n')
    (programs / "stat").chmod(0o755)
    for task in ("one", "two"):
        (root / task).mkdir(parents=True)
        (root / task / "session").write_text(f"name={task}\nworkdir={root}/{task}/workdir\n")
    script = tasks_script([task_variables(task, sweep=False, root=str(root)) for task in ("one", "two")], None)
    assert f"watch_over {LOOK_LIMIT}\n" in script
    begin = time.monotonic()
    environment = {"HOME": str(open_path), "PATH": f"{programs}:{os.environ['PATH']}"}
    answer = shells.run(name, script.replace(f"watch_over {LOOK_LIMIT}\n", f"watch_over {LIMIT}\n"), environment=environment)
    assert time.monotonic() - begin < DEADLINE
    one, two = sections_of_tasks(parse(answer))
    with pytest.raises(OptioError, match=r"^session one could not be examined in time\. Look for a directory of the session"):
        parse_task([one], "one")
    assert parse_task([two], "two").session.status == "lost"
    assert not processes.is_running(int((open_path / "pid").read_text()))


@EVERY_SHELL
@pytest.mark.parametrize("directories", [("a", "a"), ("a", "b"), ("", "b"), ("", "")])
def test_the_programs_of_many_sessions(open_path: Path, name: str, directories: tuple[str, str]) -> None:
    """They are looked up once where all sessions have the same, and for each session otherwise."""
    for directory in ("a", "b", "home/.cache/optio-codex/bin"):
        (open_path / directory).mkdir(parents=True)
        (open_path / directory / "codex").touch(0o755)
    wanted = [str(open_path / directory / "codex") if directory else "" for directory in directories]
    tasks = [
        task_variables(f"t{number}", sweep=False, root=str(open_path / "root"), codex_dir=path.removesuffix("/codex"))
        for number, path in enumerate(wanted)
    ]
    script = tasks_script(tasks, None)
    assert script.count("\ncodex_program\n") == len(set(directories))
    answer = shells.run(name, script, environment={"HOME": str(open_path / "home"), "PATH": os.environ["PATH"]})
    found = [parse_task([section], f"t{number}").worker for number, section in enumerate(sections_of_tasks(parse(answer)))]
    cached = f"{open_path}/home/.cache/optio-codex/bin/codex"
    assert [worker.codex for worker in found] == [path or cached for path in wanted]
    assert [worker.codex_dir for worker in found] == [path.removesuffix("/codex") for path in wanted]


@pytest.mark.slow
@EVERY_SHELL
def test_programs_that_cannot_be_looked_up_in_time(open_path: Path, name: str) -> None:
    """A directory of programs that does not answer is an error of each session, after one limit."""
    programs = open_path / "bin"
    programs.mkdir()
    (programs / "readlink").write_text("#!/bin/sh\nexec sleep 60\n")
    (programs / "readlink").chmod(0o755)
    (programs / "codex").touch(0o755)
    script = tasks_script(
        [task_variables(task, sweep=False, root=str(open_path), codex_dir=str(programs)) for task in ("one", "two")], None
    )
    begin = time.monotonic()
    environment = {"HOME": str(open_path), "PATH": f"{programs}:{os.environ['PATH']}"}
    answer = shells.run(name, script.replace(f"watch_over {LOOK_LIMIT}\n", f"watch_over {LIMIT}\n"), environment=environment)
    assert time.monotonic() - begin < DEADLINE
    for task, section in zip(("one", "two"), sections_of_tasks(parse(answer))):
        with pytest.raises(OptioError, match=rf"^session {task} could not be examined in time\."):
            parse_task([section], task)


@EVERY_SHELL
def test_state_files_that_are_read_by_name(open_path: Path, name: str) -> None:
    """A file is read if the kernel has opened it by this path, also behind a link to its directory."""
    real, linked = open_path / "real", open_path / "linked"
    real.mkdir()
    linked.symlink_to(real)
    (open_path / "secret").write_text("secret\n")
    (real / "file").write_text("text\n")
    (real / "link").symlink_to(open_path / "secret")
    os.mkfifo(real / "pipe")
    paths = [f"{real}/file", f"{linked}/file", f"{real}/link", f"{real}/pipe", f"{real}/absent", str(real)]
    looks = "".join(f"reading '{path}' cat /proc/self/fd/4 || echo refused\n" for path in paths)
    # as if the file had been exchanged for a link after the first look
    swapped = f"_path={real}/file\n{{ opened || echo exchanged; }} 4<{open_path}/secret\n"
    said = shells.run(name, f"{{\n{SHELL_FILES}{looks}{swapped}}} 2>/dev/null\n")
    assert said.splitlines() == ["text", "text", *["refused"] * 4, "exchanged"]


@EVERY_SHELL
def test_state_files_that_a_shell_can_read(open_path: Path, name: str) -> None:
    task, copy = open_path / "ta sk", open_path / "copy"
    task.mkdir()
    copy.mkdir()
    (task / "session").write_text("x")
    (task / "exit").symlink_to("session")
    (task / "terminal").write_bytes(b"x" * RECORD_LIMIT)
    (task / "watch").write_bytes(b"x" * (RECORD_LIMIT + 1))
    os.mkfifo(task / "prompt")
    (copy / "prompt").write_text("")
    script = f"NL='\n'\ntask='{task}' copy='{copy}'\n{{\n{SHELL_FILES}find_small\n}} 2>/dev/null\nprintf '%s\\n' \"$_small\"\n"
    assert re.split(" +", shells.run(name, script).strip()) == ["session", "terminal", "copy/prompt"]


@EVERY_SHELL
@pytest.mark.parametrize(
    ("content", "lines"),
    [(b"", []), (b"a", ["t+a"]), (b"a\n\n", ["t+a", "t+"]), (b"#\n", ["t+#"]), (b"a\n#", ["t+a", "t+#"]), (b"\n", ["t+"])],
)
def test_the_lines_of_a_text(tmp_path: Path, name: str, content: bytes, lines: list[str]) -> None:
    (tmp_path / "file").write_bytes(content)
    assert shells.run(name, f"{SHELL_FILES}lines t '{tmp_path}/file'\n").splitlines() == lines


@EVERY_SHELL
def test_a_directory_with_entries(tmp_path: Path, name: str) -> None:
    for entry in ("empty", "filled/.hidden"):
        (tmp_path / entry).mkdir(parents=True)
    looks = "".join(f"has_entries '{tmp_path}/{path}' && echo {path}\n" for path in ("empty", "filled"))
    assert shells.run(name, f"{SHELL_FILES}{looks}").splitlines() == ["filled"]
