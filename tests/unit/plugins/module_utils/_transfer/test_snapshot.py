# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sessions saved and restored on a real file system, and files that nobody has reason to trust."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import tarfile
import tempfile
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.optio.codex.plugins.module_utils._core import safe_open as below
from ansible_collections.optio.codex.plugins.module_utils._core.errors import OptioError
from ansible_collections.optio.codex.plugins.module_utils._core.host import LocalHost
from ansible_collections.optio.codex.plugins.module_utils._core.runner import converge
from ansible_collections.optio.codex.plugins.module_utils._launch import module as session
from ansible_collections.optio.codex.plugins.module_utils._session import workspace_module as workspace
from ansible_collections.optio.codex.plugins.module_utils._session.agents_md import agents_text
from ansible_collections.optio.codex.plugins.module_utils._session.layout import ORIGINS, OWN, PACKAGE, PROJECT, task_layout
from ansible_collections.optio.codex.plugins.module_utils._transfer import snapshot as session_snapshot
from ansible_collections.optio.codex.plugins.module_utils._transfer import snapshot_archive, snapshot_restore, snapshot_tree
from ansible_collections.optio.codex.plugins.module_utils._transfer.snapshot import RESOURCE
from ansible_collections.optio.codex.tests.unit.support.release_builders import member, pack
from ansible_collections.optio.codex.tests.unit.support.session_builders import options

#: ends as codex writes it; the probe waits for the end of a file that is being written
SECRET = '"secret"}'
OLD, NEW = "01a20f61-0240-7a21-bc56-635829b3bf62", "01a20f61-0e7a-7df0-aa23-3787d5e0d4fe"
SESSIONS = ".codex/sessions/2026/11"
ROLLOUT = f"{SESSIONS}/24/rollout-2026-11-24T21-05-45-{NEW}.jsonl"
CONTENT = {
    "src/main.c": "int main;\n",
    "src/main.o": "object",
    ".git/config": "[core]\n",
    "node_modules/x/index.js": "x",
    "optio.log": "STATUS: at it\n",
}
HOME = {
    ".codex/auth.json": SECRET,
    ".codex/config.toml": "model = 'm'\n",
    ".codex/state_5.sqlite": "db",
    ".codex/shell_snapshots/1.sh": "export KEY=hunter2\n",
    ROLLOUT: '{"a": 1}\n{"b": 2}\n{"hal',
    f"{SESSIONS}/25/rollout-2026-11-25T01-00-00-{OLD}.jsonl": '{"c": 3}\n',
}
AGENT = {".gitconfig": "[user]\n", ".cache/pip/x": "cached", ".cargo/registry/x": "crate", ".cargo/bin/x": "tool"}
#: what of them is in a snapshot
KEPT = {
    *(f"workdir/{name}" for name in ("src/main.c", "src/main.o", "optio.log")),
    *(f"home/{name}" for name in HOME if "rollout" in name or name == ".codex/config.toml"),
    *("agent/.gitconfig", "agent/.cargo/bin/x"),
}
#: a plain user's sessions, whoever runs the tests
LONE = '#!/bin/sh\n[ "$1" = -un ] && echo me && exit\necho 1000\n'


class Host(LocalHost):
    """This machine, with the warnings kept."""

    def __init__(self) -> None:
        super().__init__()
        self.warnings: list[str] = []

    def warn(self, text: str) -> None:
        self.warnings.append(text)


class Place:
    """A root of sessions, one of which has been at work, in a workdir of its own or one that the user named."""

    def __init__(self, base: Path, origin: str = OWN) -> None:
        self.base = base
        self.root = base / "root"
        self.task = self.root / "one"
        self.work = self.task / "workdir" if origin == OWN else base / "work"
        self.home = self.work / "home" if origin == PACKAGE else self.task / "home"
        self.agent = self.task / "agent"
        self.path = base / "one.tar.gz"
        self.host = Host()
        for top, content in ((self.work, CONTENT), (self.home, HOME), (self.agent, AGENT)):
            for name, text in content.items():
                (top / name).parent.mkdir(parents=True, exist_ok=True)
                (top / name).write_text(text)
        (self.work / "src/main.c").chmod(0o755)
        if origin == OWN:
            (self.work / "home").symlink_to(self.home)
            (self.work / "AGENTS.md").write_text(f"Your instructions are in {self.agent}/AGENTS.md. Read that file.\n")
        (self.agent / "AGENTS.md").write_text("copy")
        (self.task / "session").write_text(
            f"name=one\ntask={self.task}\nworkdir={self.work}\norigin={origin}\n"
            "codex=/cache/releases/0.169.0-x86_64-unknown-linux-musl/bin/codex\n"
        )
        (self.task / "exit").write_text("0 1795554346\n")
        (self.task / "environment").write_text("export KEY=hunter2\n")
        self.before = sorted(path.name for path in base.iterdir())

    def run(self, *, check: bool = False, **given: Any) -> dict[str, Any]:
        params = options(RESOURCE, **{"name": "one", "sessions_dir": str(self.root), "path": str(self.path), **given})
        return converge(RESOURCE, params, self.host, check, True)

    def restore(self, name: str = "two", **given: Any) -> dict[str, Any]:
        return self.run(name=name, state="restored", **given)

    def members(self) -> dict[str, bytes]:
        with tarfile.open(self.path) as archive:
            return {one.name: archive.extractfile(one).read() for one in archive if one.isreg()}  # type: ignore[union-attr]

    def everything(self, name: str) -> dict[str, tuple[str, int]]:
        found = {}
        for path in sorted((self.root / name).rglob("*")):
            kind = os.readlink(path) if path.is_symlink() else path.read_text() if path.is_file() else "directory"
            found[str(path.relative_to(self.root / name))] = (kind, path.lstat().st_mode & 0o7777)
        return found

    def left(self) -> list[str]:
        """Return what is new beside the snapshot."""
        return sorted({path.name for path in self.base.iterdir()} - {*self.before, "one.tar.gz"})


@pytest.fixture
def base(open_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    # a directory with a short path, for the sockets
    monkeypatch.setenv("HOME", str(open_path))
    (open_path / "bin").mkdir()
    (open_path / "bin/id").write_text(LONE)
    (open_path / "bin/id").chmod(0o755)
    monkeypatch.setenv("PATH", f"{open_path}/bin:{os.environ['PATH']}")
    return open_path


@pytest.fixture
def place(base: Path) -> Place:
    return Place(base)


def archived(names: set[str], origin: str) -> list[str]:
    """Return the names in the archive of what a session has by its logical names."""
    return sorted(f"workdir/{name}" if origin != PROJECT and name.startswith("home/") else name for name in names)


@pytest.mark.parametrize("origin", ORIGINS)
def test_taken_and_taken_again(base: Path, origin: str) -> None:
    place = Place(base, origin)
    check_mode_result = place.run(check=True)
    assert not place.path.exists() and check_mode_result["sha256"] is None
    taken = place.run()
    unknown = ("size", "sha256", "changed_during_read_count")
    assert {name: value for name, value in taken.items() if name not in unknown} == {
        name: value for name, value in check_mode_result.items() if name not in unknown
    }
    assert taken["changed"] and taken["session_id"] == NEW and taken["version"] == "0.169.0" and taken["status"] == "finished"
    data = place.path.read_bytes()
    assert (taken["size"], taken["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())
    assert place.path.stat().st_mode & 0o7777 == 0o600
    members = place.members()
    manifest = json.loads(members.pop("manifest.json"))
    assert sorted(members) == archived(KEPT, origin)
    rollout = archived({f"home/{ROLLOUT}"}, origin)[0]
    assert members[rollout] == b'{"a": 1}\n{"b": 2}\n', "the line being written is left out"
    assert taken["file_count"] == len(members) == manifest["files"] and taken["skipped_files"] == []
    assert manifest["session_id"] == NEW and manifest["workdir"] == str(place.work)
    assert (manifest["origin"], manifest["agent"]) == (origin, str(place.agent))
    excluded = {".git", "node_modules", "home/.codex/auth.json", "home/.codex/*.sqlite", "home/.codex/shell_snapshots"}
    assert taken["excluded"] == dict.fromkeys({*excluded, "agent/.cache", "agent/.cargo/registry"}, 1)
    assert b"hunter2" not in gzip.decompress(data)
    again = place.run()
    assert not again["changed"] and again["sha256"] == taken["sha256"] and again["size"] == taken["size"]
    for changed in (place.work / "src/main.c", place.home / ".codex/config.toml", place.agent / ".gitconfig"):
        changed.write_text("int more;\n")
        result = place.run()
        assert result["changed"] and result["diff"]["before"].startswith(f"{place.path}: snapshot of 20")
        assert not place.run()["changed"]
    assert not place.host.warnings and place.left() == []


def test_nothing_of_a_project_is_taken_for_the_sessions(base: Path) -> None:
    place = Place(base, PROJECT)
    mine = {f"home/{name}": text for name, text in HOME.items()}
    mine.update({"AGENTS.md": "mine", "home/.cache/x": "x", "agent/.cache/x": "y", "agent/optio.log": "z", "home/.local/bin/codex": "c"})
    for name, text in mine.items():
        (place.work / name).parent.mkdir(parents=True, exist_ok=True)
        (place.work / name).write_text(text)
    (place.agent / "optio.log").write_text("STATUS: the session's")
    taken = place.run()
    assert {name for name in place.members() if name.startswith("workdir/")} >= {f"workdir/{name}" for name in mine}
    assert place.members()[f"workdir/home/{ROLLOUT}"] == HOME[ROLLOUT].encode(), "it is a file like any other"
    place.restore()
    work, task = place.root / "two/workdir", place.root / "two"
    assert {name: (work / name).read_text() for name in mine} == mine
    assert (task / "home" / ROLLOUT).read_text() == '{"a": 1}\n{"b": 2}\n'
    assert (task / "agent/optio.log").read_text() == "STATUS: the session's"
    assert not (task / "home/.codex/auth.json").exists() and taken["file_count"] == len(place.members()) - 1
    assert "origin=project\n" in (task / "session").read_text(), "and stays a project without its repository"
    assert not place.restore()["changed"]


def test_what_is_in_the_place_of_the_sessions_files(place: Place) -> None:
    (place.work / "home").unlink()
    (place.work / "home").mkdir()
    (place.work / "home/mine").write_text("x")
    (place.work / "AGENTS.md").write_text("my own")
    (place.agent / "optio.log").write_text("x")
    os.link(place.home / ".codex/auth.json", place.work / "leak")
    os.link(place.task / "environment", place.agent / "leak")
    os.link(place.work / "src/main.o", place.work / "twin")
    taken = place.run(include_credentials=True)
    assert {entry["path"]: entry["reason"] for entry in taken["skipped_files"]} == {
        "home": "has the name of the link to the session's home",
        "agent/optio.log": "has the name of a log of the session",
        "leak": "is one of the session's own files",
        "agent/leak": "is one of the session's own files",
    }
    names = set(place.members())
    assert {"workdir/AGENTS.md", "workdir/twin", "workdir/home/.codex/auth.json"} < names and "workdir/home/mine" not in names


def test_options_decide_what_is_in_it(place: Place) -> None:
    taken = place.run(exclude=["*.o", "/home/.codex/config.toml"], include_git=True, include_credentials=True)
    names = set(place.members())
    assert {"workdir/.git/config", "workdir/home/.codex/auth.json"} < names
    assert not {"workdir/src/main.o", "workdir/home/.codex/config.toml"} & names
    assert "refresh token" in taken["warnings"][0]
    assert place.run()["changed"], "without the repository it is another snapshot"
    assert place.run(force=True)["changed"]


def test_restored_elsewhere_and_again(place: Place) -> None:
    taken = place.run(include_git=True)
    check_mode_result = place.restore(check=True)
    assert not (place.root / "two").exists()
    made = place.restore(checksum=f"sha256:{taken['sha256']}")
    assert made["actions"] == check_mode_result["actions"] and made["session_id"] == check_mode_result["session_id"] == NEW
    assert made["status"] == "stopped" and made["sha256"] == taken["sha256"] and made["file_count"] == taken["file_count"]
    assert made["origin"]["name"] == "one" and made["origin"]["status"] == "finished"
    after = place.everything("two")
    assert after["workdir/src/main.c"] == (CONTENT["src/main.c"], 0o700)
    assert after["workdir/src/main.o"] == (CONTENT["src/main.o"], 0o600)
    assert after["workdir/.git/config"][0] == "[core]\n"
    assert {mode for kind, mode in after.values() if kind == "directory"} == {0o700}
    assert {name for name, (kind, _mode) in after.items() if kind != "directory"} == {
        *KEPT,
        *("workdir/.git/config", "session", "restored", "stopped", "prompt"),
    }
    copy = place.root / ".records/two"
    assert (copy / "record").read_text() == after["session"][0] and (copy / "prompt").read_text() == f"given {place.root}/two\n"
    assert (place.root / "two/workdir/src/main.o").stat().st_mtime_ns // 10**9 == (place.work / "src/main.o").stat().st_mtime_ns // 10**9
    again = place.restore()
    assert not again["changed"] and again["sha256"] == taken["sha256"] and place.everything("two") == after
    (place.work / "src/main.c").write_text("other")
    place.run()
    with pytest.raises(OptioError, match="session two is stopped and was not restored from this snapshot"):
        place.restore()
    assert place.everything("two") == after


def test_the_session_module_goes_on_with_it(place: Place) -> None:
    place.run()
    place.restore()
    (place.base / "codex").write_text("#!/bin/sh\n")
    (place.base / "codex").chmod(0o755)
    params = options(session.RESOURCE, name="two", sessions_dir=str(place.root), resume="always", codex_dir=str(place.base))
    plan = converge(session.RESOURCE, params, place.host, True, True)
    work = place.root / "two/workdir"
    links = {action["target"] for action in plan["actions"] if action["kind"] == "link"}
    assert links == {f"{work}/home", f"{place.root}/two/home/.local/bin/codex"}
    assert plan["session_id"] == NEW
    requested = session.RESOURCE.parse_options(params)
    observed = session.RESOURCE.observe(place.host, requested)
    launcher = next(a.payload for a in session.RESOURCE.plan(observed, requested).actions if a.target.endswith("launch.sh"))
    assert f"codex resume {NEW} -C {work}" in launcher.script(launcher.trust).text
    never = options(session.RESOURCE, name="two", sessions_dir=str(place.root), resume="never")
    message = converge(session.RESOURCE, never, place.host, True, True)
    assert message["status"] == "stopped" and not message["changed"], "it is a session that was stopped"
    absent = options(session.RESOURCE, name="two", sessions_dir=str(place.root), state="absent")
    gone = converge(session.RESOURCE, absent, place.host, False, True)
    assert gone["changed"] and sorted(path.name for path in (place.root / "two").iterdir()) == ["agent", "home", "workdir"]


def test_credentials_come_only_when_asked_for(place: Place) -> None:
    place.run(include_credentials=True)
    place.restore()
    assert not (place.root / "two/home/.codex/auth.json").exists()
    assert "refresh token" in place.restore("three", include_credentials=True)["warnings"][0]
    assert (place.root / "three/home/.codex/auth.json").read_text() == SECRET


def test_an_empty_workdir_is_filled_and_another_refused(place: Place) -> None:
    place.run()
    given = place.base / "given"
    given.mkdir()
    assert place.restore(workdir=str(given))["workdir"] == str(given)
    assert (given / "src/main.c").exists() and not (place.root / "two/workdir").exists()
    full = place.base / "full"
    full.mkdir()
    (full / ".hidden").write_text("mine")
    with pytest.raises(OptioError, match="full is not empty"):
        place.restore("three", workdir=str(full))
    assert [path.name for path in full.iterdir()] == [".hidden"]
    with pytest.raises(OptioError, match="session one is finished"):
        place.restore("one")


def test_the_logs_and_instructions_of_another_layout(place: Place) -> None:
    text = agents_text(f"Use {place.agent}/bin, not {place.agent}-old.", True, task_layout("one", str(place.root), None, None))
    (place.home / ".codex/AGENTS.md").write_text(text)
    place.run()
    place.restore()
    two = place.root / "two"
    assert (two / "home/.codex/AGENTS.md").read_text() == text.replace(f"{place.agent}/", f"{two}/agent/"), "the logs have the same names"
    assert not (two / "workdir/AGENTS.md").exists() and not (two / "workdir/home").exists(), "a launch makes them again"
    given = place.base / "given"
    place.restore("three", workdir=str(given))
    three = place.root / "three"
    moved = (three / "home/.codex/AGENTS.md").read_text()
    assert f"{three}/agent/optio.log" in moved and f"Use {three}/agent/bin" in moved and f"{place.agent}-old" in moved
    assert (three / "agent/optio.log").read_text() == CONTENT["optio.log"] and not (given / "optio.log").exists()
    place.path.unlink()
    place.run(name="three")
    place.restore("four", workdir=str(place.base / "fourth"))
    assert (place.root / "four/home/.codex/AGENTS.md").read_text() == moved.replace("three", "four")
    assert (place.root / "four/agent/optio.log").read_text() == CONTENT["optio.log"]


def test_a_pointer_that_the_agent_has_added_to(place: Place) -> None:
    with (place.work / "AGENTS.md").open("a") as stream:
        stream.write("See also one/agent.\n")
    place.run()
    place.restore()
    expected = f"Your instructions are in {place.root}/two/agent/AGENTS.md. Read that file.\nSee also one/agent.\n"
    assert (place.root / "two/workdir/AGENTS.md").read_text() == expected


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        (f"home/{ROLLOUT}", f"home has the conversation {NEW}"),
        ("home/.codex/auth.json", "home has the credential home/.codex/auth.json"),
        ("home/.codex/.credentials.json", "home has the credential home/.codex/.credentials.json"),
        ("agent/.gitconfig", "agent has files of another session"),
    ],
)
def test_a_home_that_is_in_use(place: Place, path: str, reason: str) -> None:
    place.run()
    used = place.root / "two" / path
    used.parent.mkdir(parents=True)
    used.write_text("in use")
    before = place.everything("two")
    for check in (True, False):
        with pytest.raises(OptioError) as raised:
            place.restore(check=check)
        assert reason in raised.value.cause.replace(f"{place.root}/two/", "")
        assert place.everything("two") == before
    # a restore that was killed has left a note, and the files of the same snapshot
    digest = hashlib.sha256(place.members()["manifest.json"]).hexdigest()
    (place.root / "two/restored").write_text(f"{digest}\n")
    assert place.restore()["changed"]
    assert "in use" not in [kind for kind, _mode in place.everything("two").values()]


def kill_at_rename(number: int) -> None:
    """End this process at a call of ``os.rename``, as a kill does."""
    real, left = os.rename, iter([*[False] * number, True])

    def rename(*given: Any, **more: Any) -> None:
        if next(left, False):
            os._exit(9)
        real(*given, **more)

    os.rename = rename


def test_a_restore_that_is_killed_at_any_rename(place: Place) -> None:
    place.run()
    for killed_at in range(100):
        name = f"n{killed_at}"
        child = os.fork()
        if child == 0:
            kill_at_rename(killed_at)
            place.restore(name)
            os._exit(0)
        done = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        again = place.restore(name)
        assert again["session_id"] == NEW and again["status"] == "stopped"
        found = {path for path, (kind, _mode) in place.everything(name).items() if kind != "directory" and ".optio-" not in path}
        assert found == {*KEPT, "session", "restored", "stopped", "prompt"}, killed_at
        assert (place.root / f".records/{name}/prompt").read_text() == f"given {place.root}/{name}\n"
        assert not place.restore(name)["changed"]
        if done == 0:
            break
    assert killed_at == 9, "three marks, three directories, the record, its copy and the note of the prompt"


def test_a_home_without_a_conversation_is_replaced(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.run()
    (place.base / "codex").write_text("#!/bin/sh\n")
    (place.base / "codex").chmod(0o755)
    params = options(workspace.RESOURCE, name="two", sessions_dir=str(place.root), instructions="Hello", codex_dir=str(place.base))
    converge(workspace.RESOURCE, params, place.host, False, True)
    (place.root / "two/workdir/home").unlink()
    (place.root / "two/workdir/AGENTS.md").unlink()
    before = place.everything("two")
    assert "home/.codex/AGENTS.md" in before
    real = os.rename

    def refuse(source: str, target: str, **given: Any) -> None:
        if target == f"{place.root}/two/workdir":
            raise OSError(13, "Permission denied")
        real(source, target, **given)

    with monkeypatch.context() as patch:
        patch.setattr("os.rename", refuse)
        with pytest.raises(OptioError, match="two/workdir: permission denied"):
            place.restore()
    assert place.everything("two") == before
    place.restore()
    assert "home/.codex/AGENTS.md" not in place.everything("two") and f"home/{ROLLOUT}" in place.everything("two")


def test_a_workdir_on_another_file_system(place: Place) -> None:
    if os.stat("/dev/shm").st_dev == os.stat(place.base).st_dev:
        pytest.skip("there is one file system only")
    place.run()
    with tempfile.TemporaryDirectory(dir="/dev/shm") as elsewhere:
        place.restore(workdir=f"{elsewhere}/new/given")
        assert os.listdir(elsewhere) == ["new"] and os.listdir(f"{elsewhere}/new") == ["given"]
        assert Path(f"{elsewhere}/new/given/src/main.c").read_text() == CONTENT["src/main.c"]
        assert (place.root / "two/home" / ROLLOUT).exists() and (place.root / "two/agent/.gitconfig").exists()
        assert not place.restore(workdir=f"{elsewhere}/new/given")["changed"]


def test_a_snapshot_of_the_time_before_it_recorded_its_parts(place: Place) -> None:
    texts = {
        "workdir/a": b"x",
        f"workdir/home/{ROLLOUT}": b"{}\n",
        "workdir/AGENTS.md": b"Do it",
        "home/x": b"x",
        "agent/x": b"x",
        "b/x": b"x",
    }
    place.path.write_bytes(pack(manifest(), *(member(name, text) for name, text in texts.items())))
    made = place.restore()
    assert made["session_id"] == NEW
    assert {name for name, (kind, _mode) in place.everything("two").items() if kind != "directory"} == {
        *("session", "restored", "stopped", "prompt", "workdir/a", "workdir/AGENTS.md", f"home/{ROLLOUT}")
    }


def test_what_is_not_there(place: Place) -> None:
    with pytest.raises(OptioError, match=r"one\.tar\.gz: no such file"):
        place.restore()
    check_mode_result = place.restore(check=True)
    assert check_mode_result["changed"] and "no such file" in check_mode_result["warnings"][0]
    with pytest.raises(OptioError, match="session none has no workdir"):
        place.run(name="none")
    assert "has no workdir" in place.run(name="none", check=True)["warnings"][0]
    with pytest.raises(OptioError, match="Create its parent directory first"):
        place.run(path=str(place.base / "no/one.tar.gz"))
    with pytest.raises(OptioError, match="would contain itself"):
        place.run(path=f"{place.work}/one.tar.gz")
    (place.base / "inside").symlink_to(place.work)
    for inside in (f"{place.base}/inside", place.home, f"{place.work}/home/.codex", place.agent):
        with pytest.raises(OptioError, match="would contain itself"):
            place.run(path=f"{inside}/one.tar.gz")


def test_another_file_is_not_replaced(place: Place) -> None:
    place.path.write_text("my thesis")
    with pytest.raises(OptioError, match=r"is not a snapshot of a session: .* Set another path, or set force"):
        place.run()
    assert place.path.read_text() == "my thesis"
    assert place.run(force=True)["changed"]
    place.path.unlink()
    os.mkfifo(place.path)
    with pytest.raises(OptioError, match="is not a file"):
        place.run()


def test_files_that_change_while_they_are_read(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    big = place.work / "big"
    big.write_bytes(b"x" * (snapshot_archive.CHUNK * 3))
    real = below.SafeDirectory.open
    victims: dict[str, Callable[[], object]] = {
        "big": lambda: None,
        "src/main.c": (place.work / "src/main.c").unlink,
        "src/main.o": lambda: (place.work / "src/main.o").write_text("a longer object"),
    }

    def meddle(top: Any, path: str) -> int:
        victims.pop(path, lambda: None)()
        descriptor = real(top, path)
        if path == "big":
            os.truncate(big, snapshot_archive.CHUNK)
        return descriptor

    monkeypatch.setattr(below.SafeDirectory, "open", meddle)
    size_when_seen = os.path.getsize(big)
    taken = place.run()
    assert sorted(taken["changed_during_read"]) == ["big", "src/main.c", "src/main.o"] and taken["changed_during_read_count"] == 3
    assert "changed or disappeared" in place.host.warnings[0]
    members = place.members()
    assert "workdir/src/main.c" not in members
    assert members["workdir/src/main.o"] == b"a longer object"
    assert len(members["workdir/big"]) <= size_when_seen
    place.restore()


def test_a_file_that_shrinks_keeps_its_size(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    big = place.work / "big"
    big.write_bytes(b"x" * (snapshot_archive.CHUNK * 3))
    real = snapshot_archive._Padded.read

    def shrink(padded: Any, size: int = -1) -> bytes:
        os.truncate(big, 10)
        return real(padded, size)

    monkeypatch.setattr(snapshot_archive._Padded, "read", shrink)
    assert place.run()["changed_during_read"] == ["big"]
    assert place.members()["workdir/big"] == b"x" * 10 + bytes(snapshot_archive.CHUNK * 3 - 10)


def test_a_directory_that_becomes_a_link(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    (place.base / "secret").mkdir()
    (place.base / "secret/main.c").write_text("root:x:0")
    real = snapshot_tree.survey

    def swap(*given: Any) -> Any:
        seen = real(*given)
        if not (place.work / "src").is_symlink():
            (place.work / "src").rename(place.work / "old")
            (place.work / "src").symlink_to(place.base / "secret")
        return seen

    params = options(RESOURCE, name="one", sessions_dir=str(place.root), path=str(place.path))
    monkeypatch.setattr(session_snapshot, "survey", swap)
    observed = RESOURCE.observe(place.host, params)
    RESOURCE.apply(RESOURCE.plan(observed, params), observed, params, place.host)
    assert not any(b"root:x" in content for content in place.members().values())


def test_a_full_disk_leaves_the_old_snapshot(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.run()
    before = place.path.read_bytes()
    (place.work / "src/main.c").write_text("other")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OptioError, match=r"no space left on device\. Free space"):
        place.run()
    assert place.path.read_bytes() == before
    with pytest.raises(OptioError, match=r"no space left on device"):
        place.restore()
    assert place.left() == []
    assert not (place.root / "two").exists()


def test_memory_does_not_grow_with_the_files(place: Place) -> None:
    with (place.work / "huge").open("wb") as stream:
        stream.truncate(96 << 20)
    tracemalloc.start()
    place.run()
    place.restore()
    _now, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 40 << 20
    assert (place.root / "two/workdir/huge").stat().st_size == 96 << 20


GOOD = {"format": 1, "session_id": NEW, "files": 1, "bytes": 1, "fingerprint": "0"}


def manifest(**changes: Any) -> tuple[tarfile.TarInfo, bytes]:
    return member("manifest.json", json.dumps({**GOOD, **changes}).encode())


def typed(name: str, kind: bytes, target: str = "") -> tuple[tarfile.TarInfo, bytes]:
    return member(name, type=kind, linkname=target)


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ([manifest(), member("/etc/evil", b"x")], "outside it"),
        ([manifest(), member("workdir/../../evil", b"x")], "outside it"),
        ([manifest(), member("../evil", b"x")], "outside it"),
        ([manifest(), member("workdir/new\nline", b"x")], "cannot be shown"),
        ([manifest(), member("workdir/" + "d/" * 70 + "f", b"x")], "lies too deep"),
        ([manifest(), member("workdir/suid", b"x", 0o4755)], "set-user-ID"),
        ([manifest(), member("workdir/sgid", b"x", 0o2755)], "set-user-ID"),
        ([manifest(), typed("workdir/device", tarfile.CHRTYPE)], "neither a file"),
        ([manifest(), typed("workdir/disk", tarfile.BLKTYPE)], "neither a file"),
        ([manifest(), typed("workdir/pipe", tarfile.FIFOTYPE)], "neither a file"),
        ([manifest(), typed("workdir/hard", tarfile.LNKTYPE, "/etc/passwd")], "neither a file"),
        ([manifest(), typed("workdir/link", tarfile.SYMTYPE, "/etc/passwd")], "leads out of it"),
        ([manifest(), typed("workdir/link", tarfile.SYMTYPE, "../../../one")], "leads out of it"),
        ([manifest(), typed("workdir/link", tarfile.SYMTYPE, ".."), member("workdir/link/session", b"x")], "goes through a symbolic link"),
        (
            [
                *(manifest(), member("workdir/a/b/f", b"x"), typed("workdir/a/b/up", tarfile.SYMTYPE, "../..")),
                typed("workdir/out", tarfile.SYMTYPE, "a/b/up/../../x"),
            ],
            "leads out of it",
        ),
        ([manifest(), typed("workdir/home", tarfile.SYMTYPE, "src"), member("workdir/home/x", b"x")], "workdir/home is not a directory"),
        ([manifest(), member("workdir/home", b"x")], "workdir/home is not a directory"),
        ([manifest(), typed("workdir/home/x", tarfile.SYMTYPE, "../src")], "leads out of it"),
        ([manifest(), typed("agent/x", tarfile.SYMTYPE, "../home/.codex/auth.json")], "leads out of it"),
        ([manifest(origin="project"), typed("workdir/x", tarfile.SYMTYPE, "../home/.codex")], "leads out of it"),
        ([manifest(origin="project"), typed("home/.codex", tarfile.SYMTYPE, "/root/.codex")], "leads out of it"),
        ([manifest(), member("workdir/a", b"x"), member("workdir/a/b", b"y")], "goes through a file"),
        ([manifest(), member("workdir/a", b"x"), member("workdir/a", b"y")], "occurs twice"),
        ([manifest(), member("workdir/f", b"x", pax_headers={"comment": "x" * (3 << 20)})], "headers are larger"),
        ([manifest(format=2)], "is a snapshot of format 2, but this version of the collection reads format 1"),
        ([manifest(format="1")], "its manifest has no format"),
        ([member("manifest.json", b"[]")], "its manifest has no format"),
        ([member("manifest.json", b"{")], "is not a snapshot of a session"),
        ([member("manifest.json", b"[" * 5000)], "is not a snapshot of a session"),
        ([member("manifest.json", b" " * (1 << 20))], "does not begin with manifest.json"),
        ([typed("manifest.json", tarfile.SYMTYPE, "/etc/passwd")], "does not begin with manifest.json"),
        ([member("workdir/f", b"x"), manifest()], "does not begin with manifest.json"),
    ],
)
def test_what_no_snapshot_holds(place: Place, members: list[tuple[tarfile.TarInfo, bytes]], reason: str) -> None:
    place.path.write_bytes(pack(*members))
    before = sorted(str(path) for path in place.base.rglob("*"))
    with pytest.raises(OptioError) as raised:
        place.restore()
    assert reason in raised.value.cause and raised.value.subject == str(place.path)
    assert [path for path in sorted(str(path) for path in place.base.rglob("*")) if not path.endswith(".lock")] == before


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "is not a snapshot"),
        (b"\x7fELF and no archive", "is not a snapshot"),
        (gzip.compress(b"no tar at all " * 100), "is not a snapshot"),
        (pack(manifest(), member("workdir/f", os.urandom(1 << 20)))[:-300_000], "ends early"),
        (pack(manifest(), member("workdir/f", b"x")) + b"more", "something follows"),
    ],
    ids=["nothing", "a program", "text", "half", "more"],
)
def test_what_is_no_archive(place: Place, data: bytes, reason: str) -> None:
    place.path.write_bytes(data)
    with pytest.raises(OptioError, match=reason):
        place.restore()
    assert not (place.root / "two").exists()


@pytest.mark.parametrize(("limit", "value"), [("MOST_ENTRIES", 3), ("LARGEST_SNAPSHOT", 1 << 10)])
def test_a_bomb_is_refused(place: Place, monkeypatch: pytest.MonkeyPatch, limit: str, value: int) -> None:
    files = [member(f"workdir/{number}", bytes(1 << 19)) for number in range(5)]
    place.path.write_bytes(pack(manifest(), *files))
    monkeypatch.setattr(snapshot_restore, limit, value)
    with pytest.raises(OptioError, match=r"unpacks to more than|more than 4 members"):
        place.restore()
    assert not (place.root / "two").exists()


def test_a_wrong_checksum(place: Place) -> None:
    place.run()
    with pytest.raises(OptioError, match=r"expected sha256:0000.* Take the snapshot again"):
        place.restore(checksum=f"sha256:{'0' * 64}", workdir=str(place.base / "new/given"))
    assert not (place.root / "two").exists()
    assert place.left() == []
    with pytest.raises(OptioError, match="checksum must have the form sha256"):
        place.restore(checksum="md5:1")


def test_odd_times_and_links_are_taken_as_they_are(place: Place) -> None:
    odd = [member("workdir/future", b"x", mtime=1 << 40), member("workdir/nan", b"x", pax_headers={"mtime": "nan"})]
    links = [
        typed("workdir/later", tarfile.SYMTYPE, "not/yet"),
        typed("workdir/self", tarfile.SYMTYPE, "self"),
        typed("workdir/top", tarfile.SYMTYPE, "."),
    ]
    place.path.write_bytes(pack(manifest(session_id="; rm -rf /"), *odd, *links))
    made = place.restore()
    assert made["session_id"] is None
    work = place.root / "two/workdir"
    assert os.readlink(work / "later") == "not/yet" and (work / "top/future").read_text() == "x"
