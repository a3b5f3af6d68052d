# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The copy of a session's record: what a plain user's launch writes, and what a probe makes of it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.optio.codex.plugins.module_utils._core.errors import OptioError
from ansible_collections.optio.codex.plugins.module_utils._launch.launcher import launcher_script
from ansible_collections.optio.codex.plugins.module_utils._session.layout import RUNTIME_ROOT, SessionPaths, task_layout
from ansible_collections.optio.codex.plugins.module_utils._session.probe_shell import SHELL_SESSION
from ansible_collections.optio.codex.plugins.module_utils._session.record_copy import GIVEN, LAUNCHING, RecordCopy
from ansible_collections.optio.codex.plugins.module_utils._session.state import ObservedSession, Session
from ansible_collections.optio.codex.tests.unit.support import shells
from ansible_collections.optio.codex.tests.unit.support.local_probe import EVERY_SHELL, Task, plain_user
from ansible_collections.optio.codex.tests.unit.support.session_builders import FakeHost

FIRST, SECOND = "name=review\nworkdir=/w\n", "name=review\nworkdir=/w\nstarted=1\n"


class PlainTask(Task):
    """A task of a plain user, whoever runs the tests, with a copy of its record."""

    def __init__(self, base: Path) -> None:
        super().__init__(base)
        self.copy = self.root / ".records" / "review"
        self.programs = plain_user(base)

    def look(self, name: str, *, variables: dict[str, str] | None = None, **options: Any) -> ObservedSession:
        path = {"PATH": f"{self.programs}:{os.environ['PATH']}"}
        return super().look(name, variables={**path, **(variables or {})}, **options)

    def launched(self, **fields: str) -> None:
        """Make what a launch leaves: a record, and the same text as its copy."""
        self.record(task=str(self.task), origin="own", **fields)
        self.copy.mkdir(parents=True, exist_ok=True)
        shutil.copy(self.task / "session", self.copy / "record")


@pytest.fixture
def task(open_path: Path) -> PlainTask:
    return PlainTask(open_path)


def cut(path: Path) -> None:
    """Take the end of a record away, in the middle of its last line."""
    path.write_text(path.read_text()[:-5])


def rewrite(path: Path, old: str, new: str) -> None:
    path.write_text(path.read_text().replace(old, new))


def lead_elsewhere(path: Path) -> None:
    """Put a link into a file's place that leads to the same text."""
    path.rename(path.with_name("elsewhere"))
    path.symlink_to(path.with_name("elsewhere"))


def each(*steps: Callable[[PlainTask], object]) -> Callable[[PlainTask], object]:
    """Return what takes several steps."""

    def make(task: PlainTask) -> None:
        for step in steps:
            step(task)

    return make


#: (what becomes of a record and of its copy, the status, what is damaged, whether the copy was read, the codex on record)
RECORDS: dict[str, tuple[Callable[[PlainTask], object], str, tuple[str, ...], bool, str | None]] = {
    "both are whole": (lambda task: rewrite(task.copy / "record", "/codex", "/other"), "lost", (), False, "/codex"),
    "no copy": (lambda task: shutil.rmtree(task.copy), "lost", (), False, "/codex"),
    "the record is gone": (lambda task: (task.task / "session").unlink(), "lost", (), True, "/codex"),
    "the directory is gone": (lambda task: shutil.rmtree(task.task), "lost", (), True, "/codex"),
    "the record is cut off": (lambda task: cut(task.task / "session"), "lost", ("session",), True, "/codex"),
    "the record is empty": (lambda task: (task.task / "session").write_text(""), "lost", ("session",), True, "/codex"),
    "the record is another's": (
        lambda task: rewrite(task.task / "session", "name=review", "name=other"),
        "lost",
        ("session",),
        True,
        "/codex",
    ),
    "a link in the record's place": (lambda task: lead_elsewhere(task.task / "session"), "lost", ("session",), True, "/codex"),
    "a link to nothing": (
        each(lambda task: (task.task / "session").unlink(), lambda task: (task.task / "session").symlink_to("missing")),
        "lost",
        ("session",),
        True,
        "/codex",
    ),
    "a directory in the record's place": (
        each(lambda task: (task.task / "session").unlink(), lambda task: (task.task / "session").mkdir()),
        "lost",
        ("session",),
        True,
        "/codex",
    ),
    "a pipe in the record's place": (
        each(lambda task: (task.task / "session").unlink(), lambda task: os.mkfifo(task.task / "session")),
        "lost",
        ("session",),
        True,
        "/codex",
    ),
    "a link, and no copy": (
        each(lambda task: lead_elsewhere(task.task / "session"), lambda task: shutil.rmtree(task.copy)),
        "lost",
        ("session",),
        False,
        None,
    ),
    # of what was cut off the whole lines count
    "both are cut off": (
        each(lambda task: cut(task.task / "session"), lambda task: cut(task.copy / "record")),
        "lost",
        ("session",),
        False,
        "/codex",
    ),
    "the record is gone, the copy cut off": (
        each(lambda task: (task.task / "session").unlink(), lambda task: cut(task.copy / "record")),
        "absent",
        (),
        False,
        None,
    ),
    "the copy is of another directory": (
        each(
            lambda task: (task.task / "session").unlink(), lambda task: rewrite(task.copy / "record", f"task={task.task}", "task=/r/review")
        ),
        "absent",
        (),
        False,
        None,
    ),
    "the copy names no directory": (
        each(lambda task: (task.task / "session").unlink(), lambda task: rewrite(task.copy / "record", f"task={task.task}\n", "")),
        "absent",
        (),
        False,
        None,
    ),
    "the copy is a link": (
        each(lambda task: (task.task / "session").unlink(), lambda task: lead_elsewhere(task.copy / "record")),
        "absent",
        (),
        False,
        None,
    ),
    "the copy is a directory": (
        each(
            lambda task: (task.task / "session").unlink(),
            lambda task: (task.copy / "record").unlink(),
            lambda task: (task.copy / "record").mkdir(),
        ),
        "absent",
        (),
        False,
        None,
    ),
}


@EVERY_SHELL
@pytest.mark.parametrize("case", RECORDS)
def test_what_is_known_of_a_record(task: PlainTask, name: str, case: str) -> None:
    change, status, damaged, copied, codex = RECORDS[case]
    task.launched(codex="/codex", options="{}")
    change(task)
    session = task.look(name).session
    assert (session.status, session.damaged, session.record_copied) == (status, damaged, copied)
    assert session.record.get("codex") == codex


@EVERY_SHELL
def test_the_workdir_of_a_record_that_is_gone(task: PlainTask, name: str) -> None:
    workdir = task.home / "project"
    task.launched(workdir=str(workdir))
    rewrite(task.copy / "record", "origin=own", "origin=project")
    shutil.rmtree(task.task)
    layout = task.look(name).layout
    assert (layout.workdir, layout.origin) == (str(workdir), "project")


#: (what is in the note, what it says)
NOTES: list[tuple[str, str]] = [
    ("given {task}\n", "given"),
    ("launching {task}\n", "launching"),
    ("launching {task}", "launching"),
    ("given {task} 2\n", ""),
    ("given /r/review\n", ""),
    ("given\n", ""),
    ("{task}\n", ""),
    ("", ""),
    ("\n", ""),
]


@EVERY_SHELL
@pytest.mark.parametrize(("note", "said"), NOTES)
def test_the_note_of_the_prompt_is_of_one_directory(task: PlainTask, name: str, note: str, said: str) -> None:
    task.copy.mkdir(parents=True)
    (task.copy / "prompt").write_text(note.format(task=task.task))
    assert task.look(name).session.prompt_copied == said
    lead_elsewhere(task.copy / "prompt")
    assert task.look(name).session.prompt_copied == ""


@EVERY_SHELL
def test_a_session_that_was_removed_by_hand_is_damaged(task: PlainTask, name: str) -> None:
    """Its prompt was given, so it is not new; before its launcher ran, it is."""
    task.copy.mkdir(parents=True)
    (task.copy / "prompt").write_text(f"launching {task.task}\n")
    assert task.look(name).session.status == "damaged"
    task.task.mkdir()
    (task.task / "launch.sh").write_text("")
    assert task.look(name).session.status == "absent"
    (task.task / "prompt").write_text("1795343648\n")
    session = task.look(name).session
    assert (session.status, session.prompt_given, session.state_files) == ("damaged", "unknown", ("launch.sh", "prompt"))
    shutil.rmtree(task.copy)
    assert task.look(name).session.status == "damaged"


STATE_FILES = ("session", "environment", "launch.sh", "stopped", "restored", "exit", "screen", "prompt")


@EVERY_SHELL
def test_the_state_files_that_are_there(task: PlainTask, name: str) -> None:
    assert task.look(name).session.state_files == ()
    task.task.mkdir(parents=True)
    for file in STATE_FILES:
        (task.task / file).symlink_to("missing")
    (task.task / "terminal").write_text("")
    assert task.look(name).session.state_files == STATE_FILES


@EVERY_SHELL
@pytest.mark.parametrize("workdir", ["/srv/w", "/srv/w x", "/srv/a&b; then"])
@pytest.mark.parametrize("gives_prompt", [False, True])
def test_the_launcher_of_a_damaged_record_knows_the_workdir(task: PlainTask, name: str, workdir: str, gives_prompt: bool) -> None:
    task.task.mkdir(parents=True)
    (task.task / "session").write_text("\0garbage\n")
    layout = replace(task_layout("review", str(task.root), workdir, None), task=str(task.task))
    (task.task / "launch.sh").write_text(launcher_script(layout, ["--", "if cd /elsewhere; then"], gives_prompt))
    assert task.look(name).layout.workdir == workdir


# what a launch of a plain user writes


@pytest.fixture
def layout(tmp_path: Path) -> SessionPaths:
    (tmp_path / "root/review").mkdir(parents=True)
    return task_layout("review", str(tmp_path / "root"), None, None)


def copied(layout: SessionPaths) -> dict[str, tuple[int, str | None]]:
    """Return every file and directory of the copies, with its mode and text."""
    root = Path(layout.task).parent
    found = sorted(root.rglob(".records*")) + sorted((root / ".records").rglob("*"))
    return {str(path.relative_to(root)): (path.stat().st_mode & 0o777, path.read_text() if path.is_file() else None) for path in found}


def test_written_and_taken_back_and_removed(layout: SessionPaths) -> None:
    copy = RecordCopy(FakeHost(), layout)
    undo = copy.write(FIRST, LAUNCHING)
    first = copied(layout)
    assert first[".records/review/record"] == (0o640, FIRST)
    assert first[".records/review/prompt"] == (0o640, f"launching {layout.task}\n")
    assert {mode & 0o027 for mode, text in first.values() if text is None} == {0o000}

    undo_second = copy.write(SECOND, GIVEN)
    assert copied(layout)[".records/review/prompt"] == (0o640, f"given {layout.task}\n")
    undo_second()
    assert copied(layout) == first

    copy.write(SECOND, None)
    assert copied(layout) == {**first, ".records/review/record": (0o640, SECOND)}, "the note stays"
    copy.write(FIRST, None)
    undo()
    assert copied(layout) == {}
    copy.remove()
    copy.write(FIRST, None)
    assert sorted(copied(layout)) == [".records", ".records/review", ".records/review/record"]
    copy.remove()
    assert copied(layout) == {}


def test_the_copies_of_other_sessions_stay(layout: SessionPaths) -> None:
    other = task_layout("other", str(Path(layout.task).parent), None, None)
    RecordCopy(FakeHost(), other).write(FIRST, GIVEN)
    before = copied(layout)
    undo = RecordCopy(FakeHost(), layout).write(FIRST, LAUNCHING)
    undo()
    assert copied(layout) == before
    RecordCopy(FakeHost(), layout).write(FIRST, LAUNCHING)
    RecordCopy(FakeHost(), layout).remove()
    assert copied(layout) == before


def test_no_link_in_the_copys_place_is_followed(layout: SessionPaths, tmp_path: Path) -> None:
    victim = tmp_path / "authorized_keys"
    victim.write_text("mine\n")
    directory = Path(layout.record_copy)
    directory.mkdir(parents=True)
    for name in ("record", "prompt"):
        (directory / name).symlink_to(victim)
    copy = RecordCopy(FakeHost(), layout)
    copy.write(FIRST, LAUNCHING)
    assert not (directory / "record").is_symlink() and (directory / "prompt").read_text() == f"launching {layout.task}\n"
    (directory / "record").unlink()
    (directory / "record").symlink_to(victim)
    copy.remove()
    assert victim.read_text() == "mine\n" and not directory.exists()


def test_an_obstacle_to_the_copy_is_named(layout: SessionPaths) -> None:
    (Path(layout.task).parent / ".records").write_text("")
    with pytest.raises(OptioError, match=r"\.records is not a directory"):
        RecordCopy(FakeHost(), layout).write(FIRST, LAUNCHING)


@EVERY_SHELL
@pytest.mark.parametrize("privileged", [False, True])
def test_the_shell_looks_where_python_writes(name: str, privileged: bool) -> None:
    layouts = [task_layout(word, "/r oot", None, RUNTIME_ROOT if privileged else None) for word in ("a", "A.b-c_", "x" * 64)]
    looks = "\n".join(f"name='{it.name}' task='{it.task}'; record_facts >/dev/null 2>&1; echo \"$copy\"" for it in layouts)
    script = f"{SHELL_SESSION}\nemit() {{ :; }}\nroot='/r oot' privileged={int(privileged)}\n{looks}\n"
    assert shells.run(name, script).splitlines() == [it.record_copy for it in layouts]


def test_a_probe_reads_what_was_written(task: PlainTask) -> None:
    """The shell and Python agree on the place and on both texts."""
    task.record(task=str(task.task))
    layout = task_layout("review", str(task.root), None, None)
    text = (task.task / "session").read_text()
    for note in (LAUNCHING, GIVEN):
        RecordCopy(FakeHost(), layout).write(text, note)
        session = task.look("dash").session
        assert (session.prompt_copied, session.record_copied) == (note, False)
    shutil.rmtree(task.task)
    seen = task.look("dash")
    assert seen.session.record_copied and seen.layout.record_copy == str(task.copy)
    RecordCopy(FakeHost(), layout).remove()
    assert task.look("dash").session == Session(runtime=layout.runtime)
