# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The agent owns the workdir: projects of every kind get no file of a session, and the instructions reach the model once."""

from __future__ import annotations

import shlex
from typing import Any

import pytest
from e2e.conftest import VERSIONS
from e2e.sessions import ROOT, USER, WITHOUT, WORKERS, Result, Workers, is_idle

pytestmark = pytest.mark.battery

REPOSITORIES = "/home/agent/repositories"
#: a plain repository, one with an AGENTS.md, one with settings for codex, worktrees, and subdirectories
PREPARE = f"""
set -e
rm -rf {REPOSITORIES}; mkdir -p {REPOSITORIES}; cd {REPOSITORIES}
git config --global user.name Tester; git config --global user.email tester@example.com
git config --global --get init.defaultBranch >/dev/null || git config --global init.defaultBranch main
for name in plain own dotc; do git init -q $name; echo text >$name/file; mkdir -p $name/services/a; echo text >$name/services/a/file; done
echo "PROJECTTEXT" >own/AGENTS.md
mkdir dotc/.codex; echo 'model_verbosity = "low"' >dotc/.codex/config.toml
for name in plain own dotc; do (cd $name; git add -A; git commit -qm first); done
git -C plain worktree add -q {REPOSITORIES}/tree -b tree
git -C own worktree add -q {REPOSITORIES}/own-tree -b tree
"""
KINDS: dict[str, dict[str, Any]] = {
    "named": {"workdir": f"{REPOSITORIES}/plain"},
    "own": {"workdir": f"{REPOSITORIES}/own"},
    "worktree": {"workdir": f"{REPOSITORIES}/tree"},
    "subdirectory": {"workdir": f"{REPOSITORIES}/own/services/a"},
    "subdirectory-worktree": {"workdir": f"{REPOSITORIES}/own-tree/services/a"},
    "clone": {"repository": {"url": f"{REPOSITORIES}/own"}},
    "settings": {"repository": {"url": f"{REPOSITORIES}/dotc"}},
}
#: the kinds whose project has instructions too
INSTRUCTED = ("own", "subdirectory", "subdirectory-worktree", "clone")
#: more than codex takes of a workdir's own AGENTS.md
LINES = 2000
LONG = "".join(f"PADDED line {number:08}\n" for number in range(LINES))
INSTRUCTIONS = "MARKEDONCE\nRUN: echo worked >>count.txt && git status --porcelain"


def prepare(workers: Workers) -> None:
    for worker in WORKERS:
        assert workers.shell(worker, f"{PREPARE}echo prepared", user=USER).endswith("prepared\n"), "git is missing"


def dirt(workers: Workers, worker: str, workdir: str) -> str:
    """Return what git sees, and would add, in a workdir beside the file that the agent's command makes."""
    # codex makes and removes empty directories while a command runs, and git warns of one that has just gone
    look = "{ git status --porcelain --ignored; git add --all --dry-run .; } 2>/dev/null | grep -v count.txt"
    return workers.shell(worker, f"cd {workdir} && {look}", user=USER)


def prompt_input(workers: Workers, worker: str, result: Result) -> str:
    """Return what codex itself would send with a first message, with the settings of the launch."""
    launcher = workers.read(worker, f"{result['session_dir']}/launch.sh") or ""
    settings = [word for word in shlex.split(launcher, comments=True) if word.startswith(("projects=", "project_root_markers="))]
    given = " ".join(f"-c {shlex.quote(setting)}" for setting in settings)
    script = f"cd {result['workdir']}; . {result['session_dir']}/environment; {result['codex_path']} {given} debug prompt-input hello"
    return workers.shell(worker, script + " </dev/null 2>&1", user=USER)


def counted(workers: Workers, name: str, halves: str) -> set[str]:
    """Return how often a word, in two halves, is in the next request of the session on each worker."""
    text = f"How often does {halves} occur?"
    assert workers.play({"optio.codex.session_message": {"name": name, "user": USER, "text": text}}).results
    answered = workers.until(name, lambda entry: is_idle(entry) and (entry["message"] or "").isdigit(), "counted")
    return {entry["message"] for entry in answered.values()}


#: each kind with the newest version, and those that differ by the version with the others too
CASES = [
    pytest.param(kind, version, marks=[] if kind in ("own", "clone") else [pytest.mark.extended])
    for version in VERSIONS
    for kind in KINDS
    if version == VERSIONS[-1] or kind in (*INSTRUCTED, "settings")
]


@pytest.mark.parametrize(("kind", "version"), CASES)
def test_a_project_gets_no_file_and_the_model_gets_the_instructions(workers: Workers, kind: str, version: str) -> None:
    prepare(workers)
    name = f"wd-{kind}-{version}"
    asked: dict[str, Any] = {**KINDS[kind], "version": version, "instructions": INSTRUCTIONS, "auto_start": True}
    launched = workers.session(name, **asked)
    workdir = launched[WORKERS[0]]["workdir"]
    assert workdir == KINDS[kind].get("workdir", f"{ROOT}/{name}/workdir")

    def clean(step: str) -> None:
        for worker in WORKERS:
            assert dirt(workers, worker, workdir) == "", step

    clean("launch")
    assert workers.play({"optio.codex.credential": {"name": name, "user": USER, "api_key": "test-key"}}).results
    done = workers.until(name, lambda entry: is_idle(entry) and bool(entry["message"]), "done with its task")
    clean("turn")
    for worker in WORKERS:
        assert workers.read(worker, f"{workdir}/count.txt") == "worked\n", done[worker]["message"]
        sent = prompt_input(workers, worker, launched[worker])
        assert sent.count("MARKEDONCE") == 1, sent
        trusted = version == "0.142.5" or launched[worker]["trust"] == "trusted"
        assert sent.count("PROJECTTEXT") == int(trusted and kind in INSTRUCTED), sent
        assert done[worker]["log_path"] == f"{ROOT}/{name}/agent/optio.log"
    # once in the context, and once in what the command that read the file has printed
    assert counted(workers, name, "MARKED ONCE") == {"2"}
    if kind in INSTRUCTED:
        assert counted(workers, name, "PROJECT TEXT") == {"1"}
    assert all(not result["changed"] for result in workers.session(name, **asked).values())
    workers.session(name, state="stopped")
    clean("stop")
    resumed = workers.session(name, **asked)
    assert all(result["resumed"] and result["status"] == "running" for result in resumed.values())
    clean("resume")
    workers.session(name, state="absent")
    clean("absent")
    workers.session(name, state="absent", purge=True)
    for worker in WORKERS:
        assert workers.shell(worker, f"ls -d {ROOT}/{name} {ROOT}/.records/{name} /var/lib/optio-codex/{name} 2>/dev/null") == ""
        assert workers.processes(worker, name) == []
    if "workdir" in KINDS[kind]:
        clean("purge")


@pytest.mark.parametrize("version", VERSIONS)
def test_instructions_of_any_size_reach_the_model_whole(workers: Workers, version: str) -> None:
    """Counted by the model in the body of the first request; a workdir's own file is cut at 32 KiB."""
    assert len(LONG) > 40_000
    prepare(workers)
    names = [f"long-{trust}-{version}" for trust in ("trusted", "untrusted")]
    for name in names:
        given: dict[str, Any] = {"trust": name.split("-")[1], "instructions": LONG, "prompt": "How often does PAD DED occur?"}
        launched = workers.session(name, hosts=WITHOUT, version=version, workdir=f"{REPOSITORIES}/own", **given)
        assert launched[WITHOUT]["trust"] == given["trust"]
    for name in names:
        answered = workers.until(name, lambda entry: is_idle(entry) and bool(entry["message"]), "answered", hosts=WITHOUT)
        assert answered[WITHOUT]["message"] == str(LINES), name
        workers.session(name, hosts=WITHOUT, state="absent", purge=True)


@pytest.mark.parametrize("version", VERSIONS)
def test_two_sessions_in_one_workdir_have_their_own_homes(workers: Workers, version: str) -> None:
    prepare(workers)
    workdir = f"{REPOSITORIES}/plain"
    names = [f"side-a-{version}", f"side-b-{version}"]
    for name in names:
        workers.session(name, workdir=workdir, version=version, prompt=f"SAY: hello of {name}")
    told = {name: workers.until(name, lambda entry: is_idle(entry) and bool(entry["message"]), "answered") for name in names}
    for worker in WORKERS:
        assert [told[name][worker]["message"] for name in names] == [f"hello of {name}" for name in names]
        assert len({told[name][worker]["session_id"] for name in names}) == 2
    workers.session(names[0], state="absent", purge=True)
    left = workers.info(names[1])
    for worker in WORKERS:
        assert left[worker]["status"] == "running"
        assert dirt(workers, worker, workdir) == ""
    stopped = workers.session(names[1], state="stopped")
    again = workers.session(names[1], workdir=workdir, version=version)
    for worker in WORKERS:
        assert again[worker]["resumed"] and again[worker]["session_id"] == stopped[worker]["session_id"]
    workers.session(names[1], state="absent", purge=True)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_read_only_checkout(workers: Workers, version: str) -> None:
    prepare(workers)
    name, workdir = f"read-only-{version}", "/srv/checkout"
    for worker in WORKERS:
        workers.shell(
            worker, f"rm -rf {workdir}; cp -r {REPOSITORIES}/own {workdir}; chown -R root:root {workdir}; chmod -R a+rX {workdir}"
        )
    asked: dict[str, Any] = {"workdir": workdir, "version": version, "auto_start": True}
    asked["instructions"] = "RUN: cat file\nSAY: DONE: read it"
    workers.session(name, sandbox="read-only", **asked)
    run = workers.play({"optio.codex.session_wait": {"name": name, "user": USER, "state": "done", "timeout": 90}})
    for result in run.results:
        assert result["condition_met"] and result["sessions"][0]["message"] == "DONE: read it\nDone: text"
        assert result["sessions"][0]["progress"]["outcome_text"] == "read it"
    workers.session(name, state="absent", purge=True)


def test_a_workdir_that_contains_the_sessions_is_refused(workers: Workers) -> None:
    run = workers.play(workers.task("inside", workdir=f"/home/{USER}", prompt="x"))
    for record in run.records:
        assert f"workdir /home/{USER} contains the sessions directory {ROOT}" in record.result["msg"]


@pytest.mark.parametrize("version", VERSIONS)
def test_an_agent_that_removes_its_session_gets_no_prompt_again(workers: Workers, version: str) -> None:
    """An agent with danger-full-access removes the directory of its own session."""
    name = f"gone-{version}"
    asked: dict[str, Any] = {"version": version, "sandbox": "danger-full-access"}
    # codex 0.169.0 refuses rm -f in every sandbox
    asked["prompt"] = f"RUN: echo worked >>/tmp/{name}; find {ROOT}/{name} -delete"
    workers.session(name, **asked)
    for worker in WORKERS:
        workers.shell(worker, f"for i in $(seq 450); do [ ! -e /tmp/{name} ] || break; sleep 0.1; done; sleep 1")
        workers.shell(worker, f"pkill -KILL -u {USER} -f '{name}/workdir/home/.local/bin/codex'; sleep 2")
    again = workers.session(name, **asked)
    for worker in WORKERS:
        assert again[worker]["status"] == "running", again[worker]
        assert workers.read(worker, f"/tmp/{name}") == "worked\n"
        assert again[worker]["prompt_given"] in ("yes", "unknown")
    workers.session(name, state="absent", purge=True)
    for worker in WORKERS:
        assert workers.traces(worker, name) == []
