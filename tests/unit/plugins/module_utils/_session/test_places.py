# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a probe takes a session's workdir for, and what it reads of the places that follow, by real shells."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.optio.codex.plugins.module_utils._session.probe_files import RECORD_LIMIT, TEXT_LIMIT
from ansible_collections.optio.codex.tests.unit.support.hostile_paths import sparse
from ansible_collections.optio.codex.tests.unit.support.local_probe import EVERY_SHELL, Task

ID = "01a202d2-04bc-7371-ae76-9a22157469e5"


@pytest.fixture
def task(open_path: Path) -> Task:
    # short enough for the paths of sockets
    return Task(open_path)


@pytest.fixture
def project(task: Task) -> Path:
    path = task.home / "project"
    path.mkdir()
    return path


def clone(task: Task, *, link: str | None = None, home: bool = False) -> None:
    """Make the session's own workdir a clone, with a link or a directory at ``home``."""
    (task.workdir / ".git").mkdir(parents=True)
    (task.task / "home").mkdir(exist_ok=True)
    if link:
        (task.workdir / "home").symlink_to(link.format(task=task.task))
    if home:
        (task.workdir / "home").mkdir()


def each(*steps: Callable[[Task], object]) -> Callable[[Task], object]:
    """Return what takes several steps."""

    def make(task: Task) -> None:
        for step in steps:
            step(task)

    return make


#: (what is there, how the probe is asked, the origin)
ORIGINS: dict[str, tuple[Callable[[Task], object], dict[str, Any], str]] = {
    "nothing is there": (lambda task: None, {}, "own"),
    "an empty workdir": (lambda task: task.workdir.mkdir(parents=True), {}, "own"),
    "the agent's file": (lambda task: (task.workdir / "src").mkdir(parents=True), {}, "own"),
    "a workdir that is named": (lambda task: None, {"workdir": "~/project"}, "project"),
    "its own workdir, named": (lambda task: None, {"workdir": "{task}/workdir"}, "own"),
    "a repository is asked for": (lambda task: None, {"repository": "1"}, "project"),
    "a clone without a record": (clone, {}, "project"),
    "a clone, asked for again": (clone, {"repository": "1"}, "project"),
    # the agent runs git init in a workdir of the session's own making, and the record is gone
    "a repository of the agent": (lambda task: clone(task, link="{task}/home"), {}, "own"),
    "a repository asked for, and the link": (lambda task: clone(task, link="{task}/home"), {"repository": "1"}, "own"),
    "a clone with a link of its own": (lambda task: clone(task, link="{task}/other"), {}, "project"),
    "a clone with a home of its own": (lambda task: clone(task, home=True), {}, "project"),
    "a clone with a name like the home's": (lambda task: clone(task, link="{task}/home2"), {}, "project"),
    "on record as own": (lambda task: task.record(origin="own"), {}, "own"),
    "on record as a project": (lambda task: task.record(origin="project"), {}, "project"),
    "on record as the package's": (lambda task: task.record(origin="package"), {}, "package"),
    # the record says it of a workdir that was the agent's since
    "own, and a repository since": (each(clone, lambda task: task.record(origin="own")), {}, "own"),
    "own, and asked to clone": (lambda task: task.record(origin="own"), {"repository": "1"}, "own"),
    "a project, and the repository is gone": (
        each(lambda task: task.workdir.mkdir(parents=True), lambda task: task.record(origin="project")),
        {},
        "project",
    ),
    "on record elsewhere": (lambda task: task.record(workdir=f"{task.home}/project", origin="project"), {}, "project"),
    "own on record, a workdir named": (lambda task: task.record(origin="own"), {"workdir": "~/project"}, "project"),
    "the package's on record, a workdir named": (lambda task: task.record(origin="package"), {"workdir": "~/project"}, "package"),
    "adopted": (lambda task: task.record(workdir=f"{task.home}/project", adopted="1"), {}, "package"),
    "adopted, whatever the origin": (lambda task: task.record(origin="own", adopted="1"), {}, "package"),
    "no origin on record": (lambda task: task.record(), {}, "own"),
    "no origin on record of a clone": (each(clone, Task.record), {}, "project"),
    "an origin that is none": (lambda task: task.record(origin="mine"), {}, "own"),
    "an empty origin": (lambda task: task.record(origin=""), {"workdir": "~/project"}, "project"),
}


@EVERY_SHELL
@pytest.mark.parametrize("case", ORIGINS)
def test_what_the_workdir_is(task: Task, project: Path, name: str, case: str) -> None:
    make, asked, origin = ORIGINS[case]
    make(task)
    view = task.look(name, **{option: value.format(task=task.task) for option, value in asked.items()})
    assert view.layout.origin == origin


PLACES = {
    # the home, the directory of the logs
    "own": ("{task}/home", "{workdir}"),
    "project": ("{task}/home", "{task}/agent"),
    "package": ("{workdir}/home", "{workdir}"),
}


@EVERY_SHELL
@pytest.mark.parametrize("origin", PLACES)
def test_the_places_that_follow(task: Task, project: Path, name: str, origin: str) -> None:
    """The shell looks where the layout says: of each place there is one that counts, and others that do not."""
    task.record(workdir=str(project if origin != "own" else task.workdir), origin=origin)
    workdir = project if origin != "own" else task.workdir
    for number, home in enumerate((task.task / "home", workdir / "home")):
        (home / ".codex/sessions").mkdir(parents=True)
        (home / ".codex/AGENTS.md").write_text(f"{home}\n")
        (home / f".codex/sessions/rollout-2026-01-01T00-00-0{number}-{ID}.jsonl").write_text("{}\n")
    for logs in (task.task / "agent", workdir):
        logs.mkdir(exist_ok=True)
    place, log_dir = (text.format(task=task.task, workdir=workdir) for text in PLACES[origin])
    (Path(log_dir) / "resume.log").write_text("")
    other = workdir if origin == "project" else task.task / "agent"
    (other / "optio.log").write_text("")
    view = task.look(name)
    assert (view.layout.home, view.layout.log_dir) == (place, log_dir)
    assert view.workspace.instructions == f"{place}\n" and view.workspace.logs == ("resume.log",)
    assert str(view.session.rollout).startswith(f"{place}/.codex/sessions/")


#: (what is at the link's place, its target, whether it blocks the link)
LINKS: dict[str, tuple[Callable[[Task, Path], object], str | None, bool]] = {
    "nothing": (lambda task, place: None, None, False),
    "the link": (lambda task, place: place.symlink_to(task.task / "home"), "{task}/home", False),
    "a link elsewhere": (lambda task, place: place.symlink_to("/etc"), "/etc", False),
    "a link to nothing": (lambda task, place: place.symlink_to("missing"), "missing", False),
    "a link with a line break": (lambda task, place: place.symlink_to("one\norigin=package"), "one", False),
    "a directory": (lambda task, place: (place / ".codex").mkdir(parents=True), None, True),
    "a file": (lambda task, place: place.write_text(""), None, True),
    "a pipe": (lambda task, place: os.mkfifo(place), None, True),
}


@EVERY_SHELL
@pytest.mark.parametrize("case", LINKS)
def test_the_link_to_the_home(task: Task, name: str, case: str) -> None:
    make, target, blocked = LINKS[case]
    task.workdir.mkdir(parents=True)
    make(task, task.workdir / "home")
    view = task.look(name)
    assert (view.workspace.home_link, view.layout.link_blocked) == (target and target.format(task=task.task), blocked)
    assert view.workspace.home_kind == "absent" and view.layout.origin == "own"
    assert view.layout.codex_path == (view.layout.codex_link if blocked else f"{task.workdir}/home/.local/bin/codex")


#: (what is at the place of the workdir's AGENTS.md, its first line)
POINTERS: dict[str, tuple[Callable[[Path], object], str | None]] = {
    "nothing": (lambda place: None, None),
    "a line": (lambda place: place.write_text("Your instructions\nand more\n"), "Your instructions"),
    "no line end": (lambda place: place.write_text("Your instructions"), "Your instructions"),
    "an empty file": (lambda place: place.write_text(""), ""),
    "a null byte": (lambda place: place.write_bytes(b"a\0b\nc"), "ab"),
    "a section": (lambda place: place.write_text("@session\norigin=package\n"), "@session"),
    "a link": (lambda place: place.symlink_to("/etc/passwd"), ""),
    "a link to nothing": (lambda place: place.symlink_to("missing"), ""),
    "a directory": (lambda place: place.mkdir(), ""),
    "a pipe": (os.mkfifo, ""),
    "a long line": (lambda place: place.write_text("x" * 100_000), "x" * 8192),
    "10 GiB": (sparse, ""),
}


@EVERY_SHELL
@pytest.mark.parametrize("case", POINTERS)
def test_the_line_in_the_workdir(task: Task, name: str, case: str) -> None:
    make, line = POINTERS[case]
    task.workdir.mkdir(parents=True)
    make(task.workdir / "AGENTS.md")
    assert task.look(name).workspace.pointer == line


#: (what is at the place of the instructions, their text, whether it blocks them)
INSTRUCTIONS: dict[str, tuple[Callable[[Path], object], str | None, bool]] = {
    "nothing": (lambda place: None, None, False),
    "a text": (lambda place: place.write_text("one\ntwo\n"), "one\ntwo\n", False),
    "a link": (lambda place: place.symlink_to("/etc/passwd"), None, True),
    "a link to nothing": (lambda place: place.symlink_to("missing"), None, True),
    "a directory": (lambda place: place.mkdir(), None, True),
    "a pipe": (os.mkfifo, None, True),
}


@EVERY_SHELL
@pytest.mark.parametrize("case", INSTRUCTIONS)
def test_the_instructions_in_codexs_home(task: Task, name: str, case: str) -> None:
    make, text, blocked = INSTRUCTIONS[case]
    place = task.task / "home/.codex/AGENTS.md"
    place.parent.mkdir(parents=True)
    make(place)
    seen = task.look(name).workspace
    assert (seen.instructions, seen.instructions_blocked, seen.override) == (text, blocked, False)


@EVERY_SHELL
@pytest.mark.parametrize("make", [Path.touch, Path.mkdir, lambda place: place.symlink_to("missing")], ids=["file", "directory", "link"])
def test_what_silences_the_instructions(task: Task, name: str, make: Callable[[Path], object]) -> None:
    place = task.task / "home/.codex/AGENTS.override.md"
    place.parent.mkdir(parents=True)
    make(place)
    assert task.look(name).workspace.override


@EVERY_SHELL
def test_no_text_above_the_limit_is_read_whole(task: Task, name: str) -> None:
    place = task.task / "home/.codex/AGENTS.md"
    place.parent.mkdir(parents=True)
    with place.open("wb") as stream:
        stream.write(b"x" * (TEXT_LIMIT + 100) + b"\nEND\n")
        # sparse, and more than a probe could ever print
        stream.truncate(1 << 40)
    seen = task.look(name).workspace
    assert seen.instructions is not None and set(seen.instructions) == {"x", "\n"}
    assert len(seen.instructions) <= TEXT_LIMIT + 1


@EVERY_SHELL
def test_a_record_above_the_limit_is_not_read_at_all(task: Task, name: str) -> None:
    task.record(origin="project")
    assert task.look(name).session.damaged == ()
    os.truncate(task.task / "session", 1 << 40)
    session = task.look(name).session
    assert (session.status, session.damaged, session.record) == ("lost", ("session",), {})
    task.record(options="x" * RECORD_LIMIT)
    session = task.look(name).session
    assert (session.status, session.damaged, session.record) == ("lost", ("session",), {})
