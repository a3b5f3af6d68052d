# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a session has produced, gathered from a workdir whose owner would rather hand over something else."""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.optio.codex.plugins.module_utils._core.errors import OptioError
from ansible_collections.optio.codex.plugins.module_utils._core.host import LocalHost
from ansible_collections.optio.codex.plugins.module_utils._core.runner import converge
from ansible_collections.optio.codex.plugins.module_utils._session.layout import ORIGINS, OWN, PACKAGE, PROJECT, SessionPaths
from ansible_collections.optio.codex.plugins.module_utils._transfer import git_diff as repository_diff
from ansible_collections.optio.codex.plugins.module_utils._transfer import output as session_output
from ansible_collections.optio.codex.plugins.module_utils._transfer import own_files
from ansible_collections.optio.codex.plugins.module_utils._transfer.output import RESOURCE
from ansible_collections.optio.codex.tests.unit.support.session_builders import options

ID = "01a20f61-0240-7a21-bc56-635829b3bf62"
ROLLOUT = f".codex/sessions/2026/11/24/rollout-2026-11-24T21-05-45-{ID}.jsonl"
SECRET = '"root:x:0:0"}'


class Place:
    """A session's workdir, something outside it, and where copies are made."""

    def __init__(self, base: Path, origin: str = OWN) -> None:
        self.base = base
        self.task = base / "root/one"
        self.work = self.task / "workdir" if origin == OWN else base / "root/work"
        self.home = self.work / "home" if origin == PACKAGE else self.task / "home"
        self.logs = self.task / "agent" if origin == PROJECT else self.work
        for path in (self.work, self.home / ".codex/sessions/2026/11/24", self.task / "agent", base / "copies"):
            path.mkdir(parents=True)
        if origin == OWN:
            (self.work / "home").symlink_to(self.home)
            (self.work / "AGENTS.md").write_text(f"Your instructions are in {self.task}/agent/AGENTS.md. Read that file.\n")
        (base / "outside").write_text(SECRET)
        (self.task / "session").write_text(f"name=one\ntask={self.task}\nworkdir={self.work}\norigin={origin}\n")
        (self.task / "exit").write_text("0 1795554346\n")

    def run(self, *, check: bool = False, **given: Any) -> dict[str, Any]:
        params = options(RESOURCE, name="one", sessions_dir=str(self.base / "root"), **given)
        return converge(RESOURCE, params, LocalHost(), check, True)

    def log(self, *lines: str) -> None:
        (self.logs / "optio.log").write_text("".join(f"{line}\n" for line in lines))

    def git(self, *arguments: str, cwd: Path | None = None) -> str:
        identity = ("-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false", "-c", "protocol.file.allow=always")
        argv = ["git", *identity, *arguments]
        return subprocess.run(argv, cwd=cwd or self.work, check=True, capture_output=True, text=True, timeout=30).stdout

    def repository(self) -> None:
        self.git("init", "-q", "-b", "main")
        for name, text in (("kept", "same\n"), ("changed", "old\n"), ("gone", "bye\n"), ("dir/file", "x\n"), (".gitignore", "*.o\n")):
            (self.work / name).parent.mkdir(exist_ok=True)
            (self.work / name).write_text(text)
        self.git("add", "kept", "changed", "gone", "dir", ".gitignore")
        self.git("commit", "-q", "-m", "one")


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "copies"))
    return tmp_path


@pytest.fixture
def place(base: Path) -> Place:
    return Place(base)


def copies(result: dict[str, Any]) -> dict[str, str]:
    return {entry["path"]: (Path(result["path"]) / entry["path"]).read_text(errors="replace") for entry in result["files"]}


@pytest.mark.slow
@pytest.mark.parametrize("origin", ORIGINS)
def test_everything_that_a_session_leaves(base: Path, origin: str) -> None:
    place = Place(base, origin)
    place.repository()
    (place.work / "changed").write_text("new\n")
    (place.work / "out").mkdir()
    (place.work / "out/report.md").write_text("# Report\n")
    (place.logs / "optio.log.old").write_text("DELIVERABLE: changed\n")
    (place.logs / "resume.log").write_text("2026-11-24T21:05:45Z\n")
    place.log("STATUS: [10%] at it", "DELIVERABLE: out/report.md", f"DELIVERABLE: {place.work}/out/../out/report.md", "DONE")
    (place.home / ROLLOUT).write_text('{"a": 1}\n{"hal')
    check_mode_result = place.run(check=True)
    assert check_mode_result["path"] is None and check_mode_result["files"] == [] and list((place.base / "copies").iterdir()) == []
    result = place.run()
    assert not result["changed"] and result["skipped_files"] == [] and result["session_id"] == ID and result["status"] == "finished"
    found = copies(result)
    summary = json.loads(found.pop("summary.json"))
    assert found.pop("changes.diff").startswith("diff --git a/changed b/changed")
    assert found == {
        **{name: (place.logs / name).read_text() for name in ("optio.log", "optio.log.old", "resume.log")},
        "rollout.jsonl": '{"a": 1}\n',
        "deliverables/changed": "new\n",
        "deliverables/out/report.md": "# Report\n",
    }
    assert summary["files"] == result["files"][:-1] and summary["repository"] == result["repository"] and "path" not in summary
    assert all(
        entry["sha256"] == hashlib.sha256((Path(result["path"]) / entry["path"]).read_bytes()).hexdigest() for entry in result["files"]
    )
    assert Path(result["path"]).stat().st_mode & 0o777 == 0o700
    sources = {entry["path"]: entry["source"] for entry in result["files"]}
    places = {"optio.log": place.logs, "rollout.jsonl": place.home}
    for path, directory in places.items():
        inside = directory.is_relative_to(place.work)
        name = ROLLOUT if path == "rollout.jsonl" else path
        assert sources[path] == (str((directory / name).relative_to(place.work)) if inside else f"{directory}/{name}")
    assert sources["deliverables/out/report.md"] == "out/report.md"
    again = place.run()
    assert copies(again) == copies(result) and again["path"] != result["path"]
    kept = ["agent", "exit", *(["home"] if place.home.parent == place.task else []), "session"]
    assert sorted({path.name for path in place.task.iterdir()} - {"workdir"}) == kept


@pytest.mark.parametrize(
    ("named", "reason"),
    [
        ("/etc/passwd", "leads out of the workdir"),
        ("../session", "leads out of the workdir"),
        ("../../../outside", "leads out of the workdir"),
        ("src/../../session", "leads out of the workdir"),
        ("link", "leads out of the workdir"),
        ("way/outside", "leads out of the workdir"),
        (".", "leads out of the workdir"),
        ("loop", "is a symbolic link"),
        ("none", "no such file"),
        ("src", "is not a regular file"),
        ("pipe", "is not a regular file"),
        ("home/.codex/auth.json", "leads out of the workdir"),
        ("innocent", "leads out of the workdir"),
        ("../home/.codex/auth.json", "leads out of the workdir"),
        ("twin", "is one of the session's own files"),
        ("script", "is one of the session's own files"),
        (".git/config", "belongs to codex or to a repository"),
        ("a\x1b[2Jb", "is not a file name"),
        ("a\x00b", "is not a file name"),
        ("\udcff", "is not a file name"),
        ("", "is not a file name"),
        ("x/" * 2000, "is not a file name"),
        ("x" * 300, "file name too long"),
    ],
)
def test_refused_deliverables(place: Place, named: str, reason: str) -> None:
    (place.work / "src").mkdir()
    for name, target in (("link", "../../../outside"), ("way", "../../.."), ("loop", "loop"), ("innocent", "home/.codex/auth.json")):
        (place.work / name).symlink_to(target)
    os.mkfifo(place.work / "pipe")
    (place.home / ".codex/auth.json").write_text(SECRET)
    (place.task / "environment").write_text(SECRET)
    os.link(place.home / ".codex/auth.json", place.work / "twin")
    os.link(place.task / "environment", place.work / "script")
    (place.work / ".git").mkdir()
    (place.work / ".git/config").write_text(SECRET)
    (place.work / "optio.log").write_bytes(f"DELIVERABLE: {named}\n".encode("utf-8", "surrogateescape"))
    result = place.run()
    assert [reason in entry["reason"] for entry in result["skipped_files"]] == [True], result["skipped_files"]
    assert all(entry["path"].isprintable() for entry in result["skipped_files"])
    assert SECRET not in "".join(text for path, text in copies(result).items() if path != "optio.log")
    assert not any(entry["kind"] == "deliverable" for entry in result["files"])


def test_logs_that_are_links_are_not_followed(place: Place) -> None:
    for name in ("optio.log", "optio.log.old", "resume.log"):
        (place.work / name).symlink_to("../../../outside")
    result = place.run()
    assert list(copies(result)) == ["summary.json"]
    assert [entry["reason"] for entry in result["skipped_files"]] == ["is a symbolic link"] * 3


@pytest.mark.parametrize("origin", [PROJECT, PACKAGE])
def test_files_in_codexs_home(base: Path, origin: str) -> None:
    place = Place(base, origin)
    (place.home / ".codex/auth.json").write_text(SECRET)
    (place.work / "home/mine").parent.mkdir(exist_ok=True)
    (place.work / "home/mine").write_text("mine")
    (place.task / "agent/tool").write_text("x")
    place.log("DELIVERABLE: home/mine", f"DELIVERABLE: {place.home}/.codex/auth.json", f"DELIVERABLE: {place.task}/agent/tool")
    result = place.run()
    reasons = [entry["reason"] for entry in result["skipped_files"]]
    if origin == PACKAGE:
        assert reasons == ["belongs to codex or to a repository itself"] * 2 + ["leads out of the workdir"]
    else:
        assert copies(result)["deliverables/home/mine"] == "mine" and reasons == ["leads out of the workdir"] * 2
    assert SECRET not in "".join(copies(result).values())


def test_logs_that_are_the_credential(place: Place) -> None:
    (place.home / ".codex/auth.json").write_text(SECRET)
    os.link(place.home / ".codex/auth.json", place.work / "optio.log")
    result = place.run()
    assert list(copies(result)) == ["summary.json"]
    assert result["skipped_files"] == [{"path": "optio.log", "reason": "is one of the session's own files"}]


def test_too_many_files_to_compare(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    (place.work / "one").write_text("x")
    os.link(place.work / "one", place.work / "two")
    (place.work / "three").write_text("x")
    place.log("DELIVERABLE: two", "DELIVERABLE: three")
    assert "deliverables/two" in copies(place.run())
    monkeypatch.setattr(own_files, "MOST_ENTRIES", 1)
    assert [entry["path"] for entry in place.run()["skipped_files"]] == ["two"]


@pytest.mark.parametrize("origin", [PROJECT, PACKAGE])
def test_directories_that_are_links_are_not_followed(base: Path, origin: str) -> None:
    place = Place(base, origin)
    (place.home / ROLLOUT).write_text("{}\n")
    swapped = place.logs if origin == PROJECT else place.home
    swapped.rename(base / "elsewhere")
    swapped.symlink_to(base / "elsewhere")
    (base / "elsewhere/optio.log").write_text("DELIVERABLE: x\n")
    result = place.run()
    name = f"{place.logs}/" if origin == PROJECT else "home/"
    assert result["skipped_files"] == [{"path": name, "reason": "not a directory"}]
    assert [entry["kind"] for entry in result["files"]] == (["rollout", "summary"] if origin == PROJECT else ["summary"])


def test_a_link_that_comes_between(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    (place.work / "report").write_text("mine")
    place.log("DELIVERABLE: report")
    real = session_output._inside

    def swap(layout: SessionPaths, named: str) -> str:
        path = real(layout, named)
        (place.work / "report").unlink()
        (place.work / "report").symlink_to("../../../outside")
        return path

    monkeypatch.setattr(session_output, "_inside", swap)
    result = place.run()
    assert result["skipped_files"] == [{"path": "report", "reason": "is a symbolic link"}]
    assert SECRET not in "".join(copies(result).values())


def test_a_log_without_end(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(6):
        (place.work / str(number)).write_text("x")
    monkeypatch.setattr(session_output, "MOST_DELIVERABLES", 4)
    monkeypatch.setattr(session_output, "LONGEST_LINE", 32)
    # what follows the 32nd byte of a line is no line of its own
    place.log("y" * 32 + "DELIVERABLE: 5", *(f"DELIVERABLE: {number}" for number in range(5)))
    result = place.run()
    assert [entry["source"] for entry in result["files"] if entry["kind"] == "deliverable"] == ["0", "1", "2", "3"]
    assert result["skipped_files"] == [{"path": "…", "reason": "only the first 4 are taken"}]


def test_more_than_there_is_room_for(place: Place) -> None:
    with (place.work / "huge").open("wb") as stream:
        stream.truncate(1 << 20)
    (place.work / "small").write_text("x")
    place.log("DELIVERABLE: huge", "DELIVERABLE: small")
    result = place.run(max_bytes=1000)
    assert [entry["path"] for entry in result["files"]] == ["optio.log", "deliverables/small", "summary.json"]
    assert result["skipped_files"] == [{"path": "huge", "reason": f"has {1 << 20} bytes, more than what max_bytes leaves"}]


def test_the_changes_of_a_repository(place: Place) -> None:
    place.repository()
    (place.work / "changed").write_text("new\n")
    (place.work / "gone").unlink()
    (place.work / "dir/file").unlink()
    (place.work / "dir").rmdir()
    (place.work / "dir").symlink_to("/etc")
    (place.work / "new file").write_bytes(b"\0binary")
    (place.work / "ignored.o").write_text("x")
    (place.work / "kept").chmod(0o755)
    (place.work / "large").write_bytes(b"x")
    os.truncate(place.work / "large", repository_diff.LARGEST_UNTRACKED + 1)
    result = place.run()
    assert result["repository"] == {
        "diff_base": "HEAD",
        "commit": place.git("rev-parse", "HEAD").strip(),
        "problem": None,
        "skipped_files": ["large"],
    }
    clone = place.base / "clone"
    place.git("clone", "-q", str(place.work), str(clone), cwd=place.base)
    place.git("apply", "--binary", f"{result['path']}/changes.diff", cwd=clone)
    assert (clone / "changed").read_text() == "new\n" and not (clone / "gone").exists()
    assert (clone / "new file").read_bytes() == b"\0binary" and os.readlink(clone / "dir") == "/etc"
    assert (clone / "kept").stat().st_mode & 0o100
    assert not {path.name for path in clone.iterdir()} & {"ignored.o", "large", "home", "optio.log"}
    assert place.git("status", "--porcelain", "gone") == " D gone\n", "the repository's own index is as it was"


def test_changes_since_a_commit_and_before_the_first(place: Place) -> None:
    place.repository()
    place.git("tag", "start")
    (place.work / "changed").write_text("new\n")
    place.git("commit", "-q", "-a", "-m", "two")
    assert copies(place.run())["changes.diff"] == ""
    assert "+new" in copies(place.run(diff_base="start"))["changes.diff"]
    assert place.run(diff_base="nowhere")["repository"]["problem"] == "it has no commit nowhere"
    for base in ("-x", "a b", "HEAD:changed", ""):
        with pytest.raises(OptioError, match="diff_base must be the name of a commit"):
            place.run(diff_base=base)
    fresh = place.base / "fresh"
    fresh.mkdir()
    place.git("init", "-q", cwd=fresh)
    (fresh / "first").write_text("1\n")
    result = place.run(workdir=str(fresh))
    assert result["repository"]["commit"] is None and "+1" in copies(result)["changes.diff"]


@pytest.mark.parametrize("origin", ORIGINS)
def test_whose_files_are_in_the_changes(base: Path, origin: str) -> None:
    place = Place(base, origin)
    place.git("init", "-q")
    for name in ("AGENTS.md", "home/mine", "optio.log", "resume.log", "twin", "tracked"):
        if origin != OWN or not name.startswith(("home", "AGENTS")):
            (place.work / name).parent.mkdir(exist_ok=True)
            (place.work / name).write_text("mine\n")
    place.git("add", "tracked")
    place.git("commit", "-q", "-m", "one")
    # an ignore file of the agent's shows again what the session has there
    (place.work / ".gitignore").write_text("!home\n!optio.log\n!AGENTS.md\n")
    (place.home / ".codex/auth.json").write_text(SECRET)
    for name in ("twin", "tracked"):
        (place.work / name).unlink()
        os.link(place.home / ".codex/auth.json", place.work / name)
    result = place.run()
    diff = copies(result)["changes.diff"]
    names = {line.split(" b/")[1] for line in diff.splitlines() if line.startswith("diff --git")}
    assert names == {".gitignore", *(("AGENTS.md", "home/mine", "optio.log", "resume.log") if origin == PROJECT else ())}
    assert SECRET not in diff and result["repository"]["skipped_files"] == ["twin", "tracked"]


def test_what_the_agent_has_put_in_the_place_of_the_sessions_files(place: Place) -> None:
    place.git("init", "-q")
    (place.work / "home").unlink()
    (place.work / "home").mkdir()
    (place.work / "home/mine").write_text("mine\n")
    (place.work / "AGENTS.md").write_text("mine\n")
    diff = copies(place.run())["changes.diff"]
    assert "b/home/mine" in diff and "b/AGENTS.md" in diff


def hostile(place: Place, repository: Path, mark: Path) -> None:
    """Have a repository run a program at every opportunity that git gives."""
    program = place.base / "program"
    program.write_text(f'#!/bin/sh\necho "$0 $*" >>{shlex.quote(str(mark))}\ncat\n')
    program.chmod(0o755)
    for name in (
        *("core.fsmonitor", "core.pager", "core.editor", "core.sshCommand", "core.askPass", "core.alternateRefsCommand", "diff.external"),
        *("filter.evil.clean", "filter.evil.smudge", "filter.evil.process", "diff.evil.textconv", "diff.evil.command", "merge.evil.driver"),
        *("interactive.diffFilter", "gpg.program", "credential.helper", "remote.origin.uploadpack", "uploadpack.packObjectsHook"),
    ):
        place.git("config", name, str(program), cwd=repository)
    for name, value in (
        *(("filter.evil.required", "true"), ("core.hooksPath", str(place.base / "hooks")), ("protocol.ext.allow", "always")),
        *(("remote.origin.url", f"ext::{program}"), ("remote.origin.promisor", "true"), ("extensions.partialClone", "origin")),
        *(("core.attributesFile", str(place.base / "attributes")), ("alias.diff", f"!{program}"), ("submodule.recurse", "true")),
        *(("diff.submodule", "diff"), ("status.submoduleSummary", "true")),
    ):
        place.git("config", name, value, cwd=repository)
    (place.base / "attributes").write_text("* filter=evil diff=evil\n")
    (repository / ".gitattributes").write_text("* filter=evil diff=evil merge=evil\n")
    for hooks in (place.base / "hooks", Path(place.git("rev-parse", "--absolute-git-dir", cwd=repository).strip()) / "hooks"):
        hooks.mkdir(exist_ok=True)
        for hook in ("post-index-change", "pre-commit", "post-checkout", "reference-transaction", "fsmonitor-watchman"):
            (hooks / hook).write_text(program.read_text())
            (hooks / hook).chmod(0o755)


def test_nothing_that_a_repository_names_is_run(place: Place) -> None:
    place.repository()
    module = place.base / "module"
    module.mkdir()
    place.git("init", "-q", cwd=module)
    (module / "file").write_text("x")
    place.git("add", ".", cwd=module)
    place.git("commit", "-q", "-m", "one", cwd=module)
    place.git("submodule", "--quiet", "add", str(module), "sub")
    place.git("commit", "-q", "-m", "two")
    place.git("commit", "-q", "--allow-empty", "-m", "more", cwd=place.work / "sub")
    (place.work / "sub/file").write_text("changed")
    (place.work / "changed").write_text("new\n")
    (place.work / "untracked").write_text("u\n")
    mark = place.base / "mark"
    hostile(place, place.work / "sub", mark)
    hostile(place, place.work, mark)
    result = place.run()
    assert not mark.exists(), mark.read_text()
    assert result["repository"]["problem"] is None
    found = copies(result)["changes.diff"]
    assert "+new" in found and "+u" in found and "+Subproject commit" in found and "-dirty" not in found
    subprocess.run(["git", "diff"], cwd=place.work, capture_output=True, timeout=30, check=False)
    assert mark.exists(), "the trap works"


@pytest.mark.parametrize("kind", ["link", "file", "objects"])
def test_a_repository_that_lies_elsewhere(place: Place, kind: str) -> None:
    place.repository()
    elsewhere = place.base / "elsewhere"
    if kind == "objects":
        (place.work / ".git/objects").rename(elsewhere)
        (place.work / ".git/objects").symlink_to(elsewhere)
    else:
        (place.work / ".git").rename(elsewhere)
        if kind == "link":
            (place.work / ".git").symlink_to(elsewhere)
        else:
            (place.work / ".git").write_text(f"gitdir: {elsewhere}\n")
    result = place.run()
    assert "is not a directory of the workdir" in result["repository"]["problem"]
    assert "changes.diff" not in copies(result)


ODD: dict[str, Callable[[Path], object]] = {
    "pipe": os.mkfifo,
    "link to a device": lambda path: path.symlink_to("/dev/zero"),
    "link to /proc": lambda path: path.symlink_to("/proc/self/status"),
}


@pytest.mark.parametrize("kind", ODD)
@pytest.mark.parametrize("name", [".git/HEAD", ".git/config", ".git/packed-refs", ".git/objects/info/alternates", "sub/.gitignore"])
def test_a_file_on_which_git_would_hang(place: Place, name: str, kind: str) -> None:
    """The agent can make an ignore file in its workdir, and with ``git_writable`` most of the others."""
    place.repository()
    (place.work / "sub").mkdir(exist_ok=True)
    path = place.work / name
    path.unlink(missing_ok=True)
    ODD[kind](path)
    began = time.monotonic()
    result = place.run()
    assert time.monotonic() - began < 10
    assert result["repository"]["problem"] == f"{name} is not a file or directory of the workdir"
    assert "changes.diff" not in copies(result)


def test_a_repository_with_files_that_are_too_large(place: Place) -> None:
    place.repository()
    (place.work / "changed").write_text("new\n")
    os.truncate(place.work / "changed", 10 << 30)
    began = time.monotonic()
    result = place.run()
    assert time.monotonic() - began < 20 and result["repository"]["skipped_files"] == ["changed"]
    os.truncate(place.work / ".git/HEAD", 10 << 30)
    assert place.run()["repository"]["problem"].startswith("git failed: ")


def test_a_repository_whose_configuration_includes_a_pipe(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the name of the commit is looked up there, for a short time."""
    monkeypatch.setattr(repository_diff, "NAME_LIMIT", 0.5)
    place.repository()
    os.mkfifo(place.base / "pipe")
    place.git("config", "include.path", str(place.base / "pipe"))
    assert place.run()["repository"]["problem"] == "git failed: no answer within 0.5 s"


def test_a_repository_that_git_refuses(place: Place) -> None:
    place.repository()
    (place.work / ".git/config").write_text("[core\n")
    result = place.run()
    assert result["repository"]["problem"].startswith("git failed: ") and "changes.diff" not in copies(result)
    assert sorted(path.name for path in place.task.iterdir()) == ["agent", "exit", "home", "session", "workdir"]


def test_no_session(place: Place) -> None:
    params = options(RESOURCE, name="none", sessions_dir=str(place.base / "root"))
    with pytest.raises(OptioError, match="session none has no workdir"):
        converge(RESOURCE, params, LocalHost(), False, True)
    assert "has no workdir" in converge(RESOURCE, params, LocalHost(), True, True)["warnings"][0]
    with pytest.raises(OptioError, match="max_bytes must be greater than 0, got "):
        place.run(max_bytes=0)


def test_a_failure_leaves_no_copies(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.log("DONE")

    def full(*_given: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(session_output._Gathering, "add_text", full)
    with pytest.raises(OptioError, match="no space left on device"):
        place.run()
    assert list((place.base / "copies").iterdir()) == []
