# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A task's files made, made again, and removed, on a real file system."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.optio.codex.plugins.module_utils._core.errors import OptioError
from ansible_collections.optio.codex.plugins.module_utils._core.host import BufferedHost
from ansible_collections.optio.codex.plugins.module_utils._core.runner import converge
from ansible_collections.optio.codex.plugins.module_utils._session.agents_md import agents_text, pointer_line
from ansible_collections.optio.codex.plugins.module_utils._session.layout import PROJECT, SessionPaths, task_layout
from ansible_collections.optio.codex.plugins.module_utils._session.state import Session
from ansible_collections.optio.codex.plugins.module_utils._session.workspace import (
    WorkspaceSpec,
    plan_files,
    plan_removal,
)
from ansible_collections.optio.codex.plugins.module_utils._session.workspace_module import RESOURCE
from ansible_collections.optio.codex.tests.unit.support import toml_reader
from ansible_collections.optio.codex.tests.unit.support.session_builders import LAYOUT, MADE, options, view_of


class Worker:
    """A home with a codex in it, and a root of tasks."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.task = base / "root" / "review"
        self.workdir = self.task / "workdir"
        self.home, self.agent = self.task / "home", self.task / "agent"
        self.layout: SessionPaths = task_layout("review", str(base / "root"), None, None)
        self.warnings: list[str] = []
        (base / "bin").mkdir()
        (base / "bin/codex").write_text("#!/bin/sh\n")
        (base / "bin/codex").chmod(0o755)

    def run(self, *, check: bool = False, **given: Any) -> dict[str, Any]:
        params = options(RESOURCE, name="review", sessions_dir=str(self.base / "root"), codex_dir=str(self.base / "bin"), **given)
        RESOURCE.validate(params)
        host = BufferedHost()
        host.warnings = self.warnings
        return converge(RESOURCE, params, host, check, True)

    def text(self, instructions: str, origin: str = "own") -> str:
        """Return AGENTS.md for a session in its own workdir, or in a project."""
        return agents_text(instructions, True, replace(self.layout, origin=origin))

    def repository(self, **files: str) -> str:
        """Make a repository with these files in one commit; return its path."""
        path = self.base / "up stream"
        path.mkdir()
        for name, text in files.items():
            (path / name.replace("__", ".")).write_text(text)
        for command in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-q", "-m", "one", "--allow-empty"], ["tag", "v1"]):
            self.git(*command, cwd=path)
        return str(path)

    def git(self, *arguments: str, cwd: Path) -> str:
        identity = ("-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false")
        argv = ["git", *identity, *arguments]
        return subprocess.run(argv, cwd=cwd, check=True, capture_output=True, text=True, timeout=30).stdout


@pytest.fixture
def worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Worker:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    return Worker(tmp_path)


def snapshot(root: Path) -> dict[str, tuple[str, int]]:
    found = {}
    for path in sorted(root.rglob("*")):
        kind = os.readlink(path) if path.is_symlink() else path.read_text(errors="replace") if path.is_file() else "directory"
        found[str(path.relative_to(root))] = (kind, path.lstat().st_mode & 0o7777)
    found.pop(".lock", None)
    return found


def kinds(result: dict[str, Any]) -> list[tuple[str, str]]:
    return [(action["kind"], action["target"]) for action in result["actions"]]


def test_made_and_made_again_and_removed(worker: Worker) -> None:
    given: dict[str, Any] = {"instructions": "Do it.", "config": {"model": "m"}}
    check_mode_result = worker.run(check=True, **given)
    assert not (worker.base / "root").exists()
    made = worker.run(**given)
    assert made == check_mode_result
    after = snapshot(worker.base / "root")
    home = "review/home"
    assert after[f"{home}/.local/bin/codex"][0] == str(worker.base / "bin/codex")
    assert after[f"{home}/.codex/AGENTS.md"] == after["review/agent/AGENTS.md"] == (worker.text("Do it."), 0o600)
    assert toml_reader.loads(after[f"{home}/.codex/config.toml"][0])["model"] == "m"
    assert after[f"{home}/.codex/config.toml"][1] == 0o600
    assert {mode for kind, mode in after.values() if kind == "directory"} == {0o700}
    # what the Python package looks for
    assert sorted(path.name for path in worker.workdir.iterdir()) == ["AGENTS.md", "home"]
    assert after["review/workdir/home"][0] == str(worker.home)
    assert after["review/workdir/AGENTS.md"][0] == f"{pointer_line(worker.layout)}\n"

    assert not worker.run(**given)["changed"]
    assert snapshot(worker.base / "root") == after

    removed = worker.run(state="absent")
    assert kinds(removed) == [("remove", str(worker.task))]
    assert snapshot(worker.base / "root") == {}
    assert not worker.run(state="absent")["changed"]


def test_only_what_differs_is_made_again(worker: Worker) -> None:
    worker.run(instructions="Old.", config={"model": "old"})
    config = worker.home / ".codex/config.toml"
    config.write_text("# codex wrote this\n")
    (worker.home / ".cache").rmdir()
    result = worker.run(instructions="New.", config={"model": "new"})
    assert kinds(result) == [
        ("create", str(worker.home)),
        ("write", f"{worker.home}/.codex/AGENTS.md"),
        ("publish", f"{worker.agent}/AGENTS.md"),
    ]
    assert config.read_text() == "# codex wrote this\n"
    assert (worker.home / ".codex/AGENTS.md").read_text() == (worker.agent / "AGENTS.md").read_text() == worker.text("New.")
    assert (worker.home / ".cache").is_dir()
    # the commands of codex own their home
    (worker.agent / ".cache").rmdir()
    assert kinds(worker.run()) == [("create", str(worker.home))]
    assert (worker.agent / ".cache").is_dir() and not worker.run()["changed"]


def test_another_codex_is_another_link(worker: Worker) -> None:
    worker.run()
    (worker.base / "bin/codex").rename(worker.base / "bin/other")
    (worker.base / "bin/codex").symlink_to("other")
    assert [action["kind"] for action in worker.run()["actions"]] == ["link"]
    assert os.readlink(worker.home / ".local/bin/codex") == str(worker.base / "bin/other")


def test_the_link_to_the_home_is_made_again_and_not_followed(worker: Worker) -> None:
    worker.run(instructions="Do it.")
    link, elsewhere = worker.workdir / "home", worker.base / "elsewhere"
    (elsewhere / ".codex").mkdir(parents=True)
    for target in (None, elsewhere, worker.base / "missing", worker.agent):
        link.unlink()
        if target:
            link.symlink_to(target)
        assert kinds(worker.run(instructions="Do it.")) == [("link", str(link))]
        assert os.readlink(link) == str(worker.home) and list(elsewhere.rglob("*")) == [elsewhere / ".codex"]
    link.unlink()
    link.symlink_to(elsewhere)
    worker.run(state="absent")
    assert list(elsewhere.rglob("*")) == [elsewhere / ".codex"]


@pytest.mark.parametrize("make", [lambda place: place.write_text("mine"), Path.mkdir, os.mkfifo], ids=["file", "directory", "pipe"])
def test_what_the_agent_put_in_the_links_place_is_left_and_reported(worker: Worker, make: Callable[[Path], object]) -> None:
    worker.workdir.mkdir(parents=True)
    link = worker.workdir / "home"
    make(link)
    before = link.lstat()
    result = worker.run()
    assert str(link) not in [target for _kind, target in kinds(result)] and link.lstat().st_ino == before.st_ino
    assert result["warnings"] == [
        f"session review: {link} is not the link to the session's home, so the Python package optio-codex "
        "cannot find the session. Move it away to have the link again"
    ]
    assert result["codex_path"] == f"{worker.home}/.local/bin/codex" and worker.home.is_dir()
    assert not worker.run()["changed"]
    if link.is_dir():
        link.rmdir()
    else:
        link.unlink()
    assert kinds(worker.run()) == [("link", str(link))]


def test_the_line_in_the_workdir_is_the_agents_once_it_is_there(worker: Worker) -> None:
    worker.run(instructions="Do it.")
    place, victim = worker.workdir / "AGENTS.md", worker.base / "authorized_keys"
    victim.write_text("mine\n")
    place.write_text("# My notes\n")
    assert not worker.run(instructions="Do it.")["changed"]
    place.unlink()
    place.symlink_to(victim)
    assert worker.run(instructions="Other.")["changed"]
    assert place.is_symlink() and victim.read_text() == "mine\n"
    place.unlink()
    assert kinds(worker.run(instructions="Other.")) == [("publish", str(place))]
    assert place.read_text() == f"{pointer_line(worker.layout)}\n"


def test_no_link_in_the_copys_place_is_followed(worker: Worker) -> None:
    worker.run(instructions="Do it.")
    copy, victim = worker.agent / "AGENTS.md", worker.base / "authorized_keys"
    victim.write_text("mine\n")
    copy.unlink()
    copy.symlink_to(victim)
    worker.run(instructions="Other.")
    assert not copy.is_symlink() and copy.read_text() == worker.text("Other.") and victim.read_text() == "mine\n"
    assert worker.warnings == []


@pytest.mark.parametrize("whole", [True, False], ids=["whole", "empty"])
@pytest.mark.parametrize("place", [path.removeprefix(f"{LAYOUT.task}/") for path in LAYOUT.directories()])
def test_no_directory_of_the_homes_can_lead_elsewhere(worker: Worker, place: str, whole: bool) -> None:
    """Neither to an empty directory, nor to one in which nothing is missing."""
    worker.run(instructions="Do it.")
    directory, victim = worker.task / place, worker.base / "victim"
    if whole:
        directory.rename(victim)
    else:
        shutil.rmtree(directory)
        victim.mkdir()
    directory.symlink_to(victim)
    before = snapshot(victim)
    with pytest.raises(OptioError, match=f"{re.escape(str(directory))} is a symbolic link"):
        worker.run(instructions="Other.")
    assert directory.is_symlink() and snapshot(victim) == before


def test_an_obstacle_to_the_copy_is_reported(worker: Worker) -> None:
    """The agent must not be able to keep its instructions from being written."""
    worker.run(instructions="Do it.")
    (worker.agent / "AGENTS.md").unlink()
    (worker.agent / "AGENTS.md").mkdir()
    worker.run(instructions="Other.")
    assert (worker.home / ".codex/AGENTS.md").read_text() == worker.text("Other.")
    assert len(worker.warnings) == 1 and "the agent's commands cannot read the instructions" in worker.warnings[0]


def test_what_silences_the_instructions_is_removed(worker: Worker) -> None:
    worker.run(instructions="Do it.")
    override = worker.home / ".codex/AGENTS.override.md"
    override.write_text("Nothing.")
    assert not worker.run()["changed"], "without instructions it is nobody's"
    assert kinds(worker.run(instructions="Do it.")) == [("remove", str(override))]
    assert not override.exists()


def test_a_clone_is_clean_and_made_once(worker: Worker) -> None:
    url = worker.repository(README="hello", AGENTS__md="# The project's own\n", home="a file of the project's")
    given: dict[str, Any] = {"repository": {"url": url, "version": "v1"}, "instructions": "Do it."}
    check_mode_result = worker.run(check=True, **given)
    made = worker.run(**given)
    assert made == check_mode_result
    assert (worker.workdir / "README").read_text() == "hello"
    assert worker.git("status", "--porcelain", "--ignored", cwd=worker.workdir) == ""
    assert "/home/" not in (worker.workdir / ".git/info/exclude").read_text()
    assert sorted(path.name for path in worker.workdir.iterdir()) == [".git", "AGENTS.md", "README", "home"]
    assert (worker.workdir / "AGENTS.md").read_text() == "# The project's own\n"
    assert (worker.home / ".codex/AGENTS.md").read_text() == worker.text("Do it.", PROJECT)
    before = snapshot(worker.task)
    assert not worker.run(repository={"url": "/elsewhere", "version": "v9"}, instructions="Do it.")["changed"]
    # without the option it is still the project's
    assert not worker.run(instructions="Do it.")["changed"]
    assert snapshot(worker.task) == before
    assert kinds(worker.run(state="absent")) == [("remove", str(worker.task))]


def test_a_clone_that_fails_leaves_nothing(worker: Worker) -> None:
    url = worker.repository(README="hello")
    for repository in ({"url": f"{url}/none"}, {"url": url, "version": "no-such-tag"}):
        with pytest.raises(OptioError, match="Check its url and version") as raised:
            worker.run(repository=repository)
        assert raised.value.subject == f"repository {repository['url']}"
        assert snapshot(worker.base / "root") == {}
    given = worker.base / "given"
    given.mkdir()
    with pytest.raises(OptioError, match="Check its url and version"):
        worker.run(repository={"url": url, "version": "no-such-tag"}, workdir=str(given))
    assert list(given.iterdir()) == []


def test_a_given_workdir_is_left_as_it_was(worker: Worker) -> None:
    project = worker.base / "project"
    worker.git("clone", "-q", worker.repository(README="hello"), str(project), cwd=worker.base)
    # no line end, as editors leave it
    (project / ".git/info/exclude").write_text("*.swp")
    (project / "optio.log").write_text("DONE\n")
    before = snapshot(project)
    worker.run(workdir=str(project), instructions="Do it.")
    assert (worker.home / ".codex/AGENTS.md").read_text() == worker.text("Do it.", PROJECT)
    assert not worker.run(workdir=str(project), instructions="Do it.")["changed"]
    assert kinds(worker.run(workdir=str(project), state="absent")) == [("remove", str(worker.task))]
    assert snapshot(project) == before and not worker.task.exists()
    assert not worker.run(workdir=str(project), state="absent")["changed"]


@pytest.mark.parametrize("make", [lambda place: place.write_text("mine"), Path.mkdir, lambda place: place.symlink_to("/etc")])
def test_a_projects_own_home_is_left_alone(worker: Worker, make: Callable[[Path], object]) -> None:
    project = worker.base / "project"
    project.mkdir()
    make(project / "home")
    before = snapshot(project)
    calls: list[dict[str, Any]] = [{"instructions": "Do it."}, {"state": "absent"}]
    for given in calls:
        assert "warnings" not in worker.run(workdir=str(project), **given)
        assert snapshot(project) == before


def test_files_of_a_session_on_record_stay(worker: Worker) -> None:
    worker.run()
    (worker.task / "session").write_text(f"name=review\nworkdir={worker.workdir}\n")
    before = snapshot(worker.base / "root")
    with pytest.raises(OptioError, match="session review is lost, so its files cannot be removed"):
        worker.run(state="absent")
    assert snapshot(worker.base / "root") == before


def test_a_worker_without_codex(worker: Worker) -> None:
    (worker.base / "bin/codex").unlink()
    assert worker.run(check=True)["warnings"] == [
        f"codex was not found in {worker.base}/bin/codex. Run optio.codex.provision (or codex_release) as that user "
        "or with scope: system, or set codex_dir."
    ]
    with pytest.raises(OptioError, match="codex was not found in"):
        worker.run()
    assert snapshot(worker.base / "root") == {}


# the plans alone


@pytest.mark.parametrize(
    ("origin", "targets"),
    [
        ("own", [LAYOUT.task]),
        ("project", [LAYOUT.task]),
        ("package", [f"{LAYOUT.workdir}/home", f"{LAYOUT.workdir}/optio.log", f"{LAYOUT.workdir}/resume.log", LAYOUT.task]),
    ],
)
def test_paths_that_a_removal_removes(origin: str, targets: list[str]) -> None:
    files = replace(MADE, logs=("optio.log", "resume.log"))
    actions = plan_removal(view_of(Session(), files, layout=replace(LAYOUT, origin=origin)))
    assert [(action.kind, action.target) for action in actions] == [("remove", target) for target in targets]


#: (the origin, whether the workdir is trusted, the user's configuration, the projects in codex's)
TRUST: list[tuple[str, bool, dict[str, Any], Any]] = [
    ("own", True, {}, {LAYOUT.workdir: {"trust_level": "trusted"}}),
    ("own", True, {"projects": {"/x": {}}}, {LAYOUT.workdir: {"trust_level": "trusted"}, "/x": {}}),
    ("own", True, {"projects": {LAYOUT.workdir: {"trust_level": "untrusted"}}}, {LAYOUT.workdir: {"trust_level": "untrusted"}}),
    ("own", False, {}, None),
    ("project", True, {}, None),
    ("package", True, {}, None),
]


@pytest.mark.parametrize(("origin", "trusted", "config", "projects"), TRUST)
def test_the_trust_that_the_package_looks_for(origin: str, trusted: bool, config: dict[str, Any], projects: Any) -> None:
    view = view_of(Session(), replace(MADE, config_kind="absent"), layout=replace(LAYOUT, origin=origin))
    (action,) = plan_files(view, WorkspaceSpec(config=config), trusted)
    assert action.target.endswith("/.codex/config.toml") and toml_reader.loads(action.payload.text).get("projects") == projects
