# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A task's files made, made again, and removed, on a real file system."""

from __future__ import annotations

import os
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
from unit.session_kit import FakeHost, options

from ansible_collections.optio.codex.plugins.module_utils._core.errors import OptioError
from ansible_collections.optio.codex.plugins.module_utils._core.host import Completed, LocalHost
from ansible_collections.optio.codex.plugins.module_utils._session.agents_md import agents_text
from ansible_collections.optio.codex.plugins.module_utils._core.runner import converge
from ansible_collections.optio.codex.plugins.module_utils._session.workspace import OWN_PATHS, SUBJECT, clone_repository


class Worker:
    """A home with a codex in it, and a root of tasks."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.task = base / "root" / "review"
        self.workdir = self.task / "workdir"
        (base / "bin").mkdir()
        (base / "bin/codex").write_text("#!/bin/sh\n")
        (base / "bin/codex").chmod(0o755)

    def run(self, *, check: bool = False, **given: Any) -> dict[str, Any]:
        params = options(SUBJECT, name="review", root=str(self.base / "root"), codex_dir=str(self.base / "bin"), **given)
        SUBJECT.check(params)
        return converge(SUBJECT, params, LocalHost(), check, True)

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


def test_made_and_made_again_and_removed(worker: Worker) -> None:
    given: dict[str, Any] = {"instructions": "Do it.", "config": {"model": "m"}}
    predicted = worker.run(check=True, **given)
    assert not (worker.base / "root").exists()
    made = worker.run(**given)
    assert made == predicted
    after = snapshot(worker.base / "root")
    home = "review/workdir/home"
    assert after[f"{home}/.local/bin/codex"][0] == str(worker.base / "bin/codex")
    assert after["review/workdir/AGENTS.md"] == (agents_text("Do it.", True), 0o600)
    assert tomllib.loads(after[f"{home}/.codex/config.toml"][0])["model"] == "m"
    assert after[f"{home}/.codex/config.toml"][1] == 0o600
    assert {mode for kind, mode in after.values() if kind == "directory"} == {0o700}

    assert not worker.run(**given)["changed"]
    assert snapshot(worker.base / "root") == after

    removed = worker.run(state="absent")
    assert [action["target"] for action in removed["actions"]] == [str(worker.workdir), str(worker.task)]
    assert snapshot(worker.base / "root") == {}
    assert not worker.run(state="absent")["changed"]


def test_only_what_differs_is_made_again(worker: Worker) -> None:
    worker.run(instructions="Old.", config={"model": "old"})
    config = worker.workdir / "home/.codex/config.toml"
    config.write_text("# codex wrote this\n")
    (worker.workdir / "home/.cache").rmdir()
    result = worker.run(instructions="New.", config={"model": "new"})
    assert [(action["kind"], action["target"]) for action in result["actions"]] == [
        ("create", f"{worker.workdir}/home"),
        ("write", f"{worker.workdir}/AGENTS.md"),
    ]
    assert config.read_text() == "# codex wrote this\n"
    assert (worker.workdir / "AGENTS.md").read_text() == agents_text("New.", True)
    assert (worker.workdir / "home/.cache").is_dir()


def test_another_codex_is_another_link(worker: Worker) -> None:
    worker.run()
    (worker.base / "bin/codex").rename(worker.base / "bin/other")
    (worker.base / "bin/codex").symlink_to("other")
    assert [action["kind"] for action in worker.run()["actions"]] == ["link"]
    assert os.readlink(worker.workdir / "home/.local/bin/codex") == str(worker.base / "bin/other")


def test_a_clone_is_clean_and_made_once(worker: Worker) -> None:
    url = worker.repository(README="hello")
    predicted = worker.run(check=True, repository={"url": url, "version": "v1"})
    made = worker.run(repository={"url": url, "version": "v1"}, instructions="Do it.")
    assert [action["kind"] for action in made["actions"] if action["kind"] != "write"] == [
        action["kind"] for action in predicted["actions"] if action["kind"] != "write"
    ]
    assert (worker.workdir / "README").read_text() == "hello"
    assert worker.git("status", "--porcelain", cwd=worker.workdir) == ""
    exclude = (worker.workdir / ".git/info/exclude").read_text()
    assert exclude.startswith("# git ls-files"), "the clone's own lines stay"
    assert exclude.splitlines()[-len(OWN_PATHS) :] == list(OWN_PATHS)
    assert not worker.run(repository={"url": "/elsewhere", "version": "v9"}, instructions="Do it.")["changed"]


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


def test_a_clones_own_instructions_are_not_replaced(worker: Worker) -> None:
    url = worker.repository(AGENTS__md="# The project's own\n")
    with pytest.raises(OptioError, match="is the project's own and would be overwritten"):
        worker.run(repository={"url": url}, instructions="Mine.")
    assert snapshot(worker.base / "root") == {}
    worker.run(repository={"url": url})
    assert (worker.workdir / "AGENTS.md").read_text() == "# The project's own\n"


def test_a_given_workdir_is_left_as_it_was(worker: Worker) -> None:
    project = worker.base / "project"
    worker.git("clone", "-q", worker.repository(README="hello"), str(project), cwd=worker.base)
    # no line end, as editors leave it
    (project / ".git/info/exclude").write_text("*.swp")
    before = snapshot(project)
    worker.run(workdir=str(project), instructions="Do it.")
    assert worker.git("status", "--porcelain", cwd=project) == ""
    (project / "optio.log").write_text("DONE\n")
    assert not worker.run(workdir=str(project), instructions="Do it.")["changed"]
    worker.run(workdir=str(project), state="absent")
    after = snapshot(project)
    after[".git/info/exclude"] = ("*.swp", after[".git/info/exclude"][1])
    # git rewrites its index when it is asked for the status
    assert {**after, ".git/index": ""} == {**before, ".git/index": ""}
    assert not worker.run(workdir=str(project), state="absent")["changed"]


def test_files_of_a_session_on_record_stay(worker: Worker) -> None:
    worker.run()
    (worker.task / "session").write_text(f"name=review\nworkdir={worker.workdir}\n")
    before = snapshot(worker.base / "root")
    with pytest.raises(OptioError, match="session review: is lost, and its files are in use or on record"):
        worker.run(state="absent")
    assert snapshot(worker.base / "root") == before


def test_a_worker_without_codex(worker: Worker) -> None:
    (worker.base / "bin/codex").unlink()
    assert worker.run(check=True)["warnings"] == [
        f"codex: no executable in {worker.base}/bin/codex. Run optio.codex.provision (or codex_release) as that user "
        "or with scope: system, or set codex_dir."
    ]
    with pytest.raises(OptioError, match="codex: no executable"):
        worker.run()
    assert snapshot(worker.base / "root") == {}


# cloning, by its commands


def test_git_never_asks_for_a_password() -> None:
    host = FakeHost()
    clone_repository(host, "https://git.example.com/x.git", "v1", "/w")
    git = ["env", "GIT_TERMINAL_PROMPT=0", "git", "-c", "core.askPass=true", "-c", "credential.interactive=false"]
    assert host.argvs() == [
        [*git, "clone", "--quiet", "--", "https://git.example.com/x.git", "/w"],
        [*git, "-C", "/w", "checkout", "--quiet", "v1", "--"],
    ]


def test_a_version_is_no_option(worker: Worker) -> None:
    with pytest.raises(OptioError, match="repository version --orphan=x: would be taken for an option"):
        worker.run(repository={"url": "/x", "version": "--orphan=x"})


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://me:hunter2@git.example.com/x.git", "https://***@git.example.com/x.git"),
        ("https://hunter2@git.example.com/x.git", "https://***@git.example.com/x.git"),
        ("ssh://me:hunter2@git.example.com/x.git", "ssh://***@git.example.com/x.git"),
        ("ssh://git@git.example.com/x.git", "ssh://git@git.example.com/x.git"),
        ("git@git.example.com:x.git", "git@git.example.com:x.git"),
        ("https://git.example.com/a@b:c@d", "https://git.example.com/a@b:c@d"),
    ],
)
def test_secrets_in_urls_are_masked(url: str, shown: str) -> None:
    host = FakeHost(lambda call: Completed(128, "", f"fatal: unable to access '{url}/': refused"))
    with pytest.raises(OptioError) as raised:
        clone_repository(host, url, None, "/w")
    assert str(raised.value).startswith(f"repository {shown}: fatal: unable to access '{shown}/': refused.")
    assert "hunter2" not in str(raised.value)
