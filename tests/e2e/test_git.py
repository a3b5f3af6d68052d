# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A real codex commits where the play allows it, reads why not elsewhere, and never reaches hooks and configuration."""

from __future__ import annotations

import re
from typing import Any

import pytest
from e2e.conftest import VERSIONS
from e2e.sessions import USER, WORKERS, Workers, is_idle, workdir

pytestmark = pytest.mark.battery

LAB = f"/home/{USER}/repositories"
#: an upstream with two more refs, a clone with a worktree, a clone with a submodule, and a clone whose subdirectory is used
MAKE = f"""set -e; rm -rf {LAB}; mkdir {LAB}; cd {LAB}; export HOME=/home/{USER}
git() {{ command git -c user.name=t -c user.email=t@example.com -c protocol.file.allow=always "$@"; }}
git init -q -b main up; cd up; mkdir -p services/a; echo a >services/a/a; git add -A; git commit -q -m one
git update-ref refs/pull/7/head HEAD; git commit -q --allow-empty -m two; cd ..
git clone -q up main; git -C main worktree add -q -b tree ../tree
git clone -q up super; git -C super submodule add -q {LAB}/up lib; git -C super commit -q -m lib
git clone -q up mono; echo made"""
PLACES = {"clone": None, "tree": f"{LAB}/tree", "module": f"{LAB}/super/lib", "part": f"{LAB}/mono/services/a"}
IDENTITY = {"name": "Ann O'Neil", "email": "ann@example.com"}
COMMIT = """RUN: git checkout -q -b fix && echo x >x && git add x && git commit -q -m done
RUN: cd "$(git rev-parse --git-common-dir)" && for f in config hooks/pre-commit commondir; do echo x >>"$f"; mkdir "$f.d" 2>/dev/null; done
RUN: g=$(git rev-parse --absolute-git-dir); echo x >"$g/commondir"; mv "$g" "$g.moved"; git config user.name evil; touch ~/outside
SAY: through"""
#: what a command may not do; the two versions refuse it with different words
REFUSED = {
    **dict.fromkeys(VERSIONS, "rm -f style commands are not permitted. Use a safer approach"),
    "0.142.5": "rejected: blocked by policy",
}


@pytest.fixture(scope="module", autouse=True)
def repositories(workers: Workers) -> None:
    for worker in WORKERS:
        assert workers.shell(worker, MAKE, user=USER) == "made\n"


def place(name: str, kind: str) -> str:
    return PLACES[kind] or workdir(name)


def git(workers: Workers, worker: str, directory: str, command: str) -> str:
    return workers.shell(worker, f"HOME=/home/{USER} git -C {directory} {command} 2>&1", user=USER)


@pytest.mark.parametrize("version", VERSIONS)
def test_commits_in_every_kind_of_repository(workers: Workers, version: str) -> None:
    for worker in WORKERS:
        workers.shell(worker, MAKE, user=USER)
    names = {f"commits-{kind}-{version}": kind for kind in PLACES}
    opened: dict[str, Any] = {"git_writable": True, "git_identity": IDENTITY}
    for name, kind in names.items():
        where: dict[str, Any] = {"workdir": PLACES[kind]} if PLACES[kind] else {"repository": {"url": f"{LAB}/up"}}
        workers.session(name, version=version, prompt=COMMIT, **where, **opened)
    for name, kind in names.items():
        workers.until(name, lambda entry: is_idle(entry) and "through" in (entry["screen"] or ""), "through")
        for worker in WORKERS:
            found = git(workers, worker, place(name, kind), "log -1 '--format=%an %ae %cn %s' fix")
            assert found == "Ann O'Neil ann@example.com Ann O'Neil done\n", (kind, worker)
            closed = 'cd "$(git rev-parse --git-common-dir)" && ls -d hooks/pre-commit *.d; tail -n 1 config; cat commondir'
            left = workers.shell(worker, f"cd {place(name, kind)} && {closed} 2>/dev/null; ls ~/outside", user=USER)
            assert "x\n" not in left and "evil" not in git(workers, worker, place(name, kind), "config --list"), (kind, worker)

    # a resume has the same rights, and no more
    for name, kind in names.items():
        workers.session(name, state="stopped")
        resumed = workers.session(name, version=version, keep_options=True)
        assert all(result["resumed"] for result in resumed.values())
        text = 'RUN: git commit -q --allow-empty -m again\nRUN: echo x >>"$(git rev-parse --git-common-dir)/config"\nSAY: again'
        assert workers.play({"optio.codex.session_message": {"name": name, "user": USER, "text": text}}).results
        workers.until(name, lambda entry: is_idle(entry) and "again" in (entry["screen"] or ""), "again")
        for worker in WORKERS:
            assert git(workers, worker, place(name, kind), "log -1 '--format=%cn %s' fix") == "Ann O'Neil again\n", (kind, worker)
            assert git(workers, worker, place(name, kind), "status --porcelain -uno") == "", (kind, worker)
        workers.session(name, state="absent", purge=True)


@pytest.mark.parametrize("version", VERSIONS)
def test_the_errors_of_the_guide(workers: Workers, version: str) -> None:
    """Without the options, the agent reads the errors that the guide lists."""
    name = f"refused-{version}"
    prompt = "RUN: git commit --allow-empty -m no\nRUN: rm -f services/a/a\nRUN: rm -r services/a\nRUN: touch /home/agent/outside"
    repository = {"url": f"{LAB}/up", "version": "refs/pull/7/head", "depth": 1}
    workers.session(name, version=version, repository=repository, prompt=prompt)
    seen = workers.until(name, is_idle, "idle")
    for worker in WORKERS:
        screen = re.sub(r"\s+", " ", seen[worker]["screen"])
        assert ".git/index.lock': Read-only file system" in screen and REFUSED[version] in screen
        assert git(workers, worker, workdir(name), "rev-list --count HEAD") == "1\n"
        assert workers.shell(worker, f"ls {workdir(name)}/services; ls /home/{USER}/outside", user=USER) == ""
    workers.session(name, state="absent", purge=True)


def test_the_role_passes_the_options_on(workers: Workers) -> None:
    name = "by-role"
    variables = {
        **{"codex_session_name": name, "codex_session_user": USER, "codex_session_config": workers.provider()},
        **{"codex_session_repository_url": f"{LAB}/super", "codex_session_repository_depth": "1"},
        **{"codex_session_git_writable": "true", "codex_session_git_identity_name": "Ann", "codex_session_git_identity_email": "a@b"},
        "codex_session_prompt": "RUN: git commit -q --allow-empty -m done",
    }
    run = workers.controller.playbook("launch", variables)
    assert run.rc == 0, run.output[-2000:]
    workers.until(name, is_idle, "idle")
    for worker in WORKERS:
        assert git(workers, worker, workdir(name), "log -1 '--format=%an %ae %s'") == "Ann a@b done\n"
        # the server is a path, and git takes no submodule from one
        assert git(workers, worker, workdir(name), "submodule status").startswith("-")
    again = workers.controller.playbook("launch", variables)
    assert again.rc == 0 and not any(result.get("changed") for result in again.results)
    workers.session(name, state="absent", purge=True)


def test_a_clone_that_fails_shows_no_token_and_leaves_nothing(workers: Workers) -> None:
    token = "glpat-hunter2"
    repository = {"url": "http://127.0.0.1:1/x.git", "token": token, "submodules": True}
    for task in (
        workers.task("secret", repository=repository),
        {"optio.codex.workspace": {"user": USER, "sessions": [{"name": "secret", "repository": repository}]}},
    ):
        run = workers.play(task, options=["-vvv", "--diff"])
        failed = [record.result for record in run.records if record.status == "failed"]
        assert len(failed) == 2 and all(
            "repository http://127.0.0.1:1/x.git cannot be cloned: fatal: " in result["msg"] for result in failed
        )
        assert token not in run.output
    for worker in WORKERS:
        assert workers.shell(worker, f"ls -d /home/{USER}/.local/share/optio-codex/secret; grep -rl hunter2 /home/{USER} /tmp") == ""


def test_a_git_directory_that_leads_elsewhere_is_refused(workers: Workers) -> None:
    """The file .git of a workdir is in the agent's reach; a git directory of another repository is not opened by it."""
    for worker in WORKERS:
        workers.shell(worker, f"mkdir -p {LAB}/planted && echo 'gitdir: {LAB}/main/.git' >{LAB}/planted/.git", user=USER)
    run = workers.play(workers.task("planted", workdir=f"{LAB}/planted", git_writable=True))
    failed = [record.result for record in run.records if record.status == "failed"]
    assert len(failed) == 2 and all(result["object"] == f"{LAB}/planted/.git" for result in failed)
    assert all("does not belong to this directory, so git_writable does not open it" in result["msg"] for result in failed)
    for worker in WORKERS:
        assert workers.traces(worker, "planted") == []
