# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Many sessions of one lab, each with something else in the place of one of its files, and all that is done with them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.optio.codex.tests.unit.support import hostile_paths, second_user
from ansible_collections.optio.codex.tests.unit.support.hostile_paths import ROLLOUT, SECRET, Outside, copy_session, touched, within
from ansible_collections.optio.codex.tests.unit.support.local_session import Lab, RootLab

#: seconds for a call with many sessions, and for one
MANY, ONE = 120.0, 60.0
#: sessions that are launched in one call
TOGETHER = 8
#: a session with nothing wrong
SOUND = "sound"
#: the workdirs that sessions have: of their own making, specified by the user, cloned
OWN, NAMED, CLONE = SHAPES = ("own", "named", "clone")
#: the paths of each shape, which are traced once
TRACED: dict[tuple[str, type[Lab]], list[str]] = {}
#: the directories of a session that are replaced as a whole
WHOLE = (".", "workdir")


class Field:
    """Many sessions of one lab, each with something else in the place of one of its files.

    A path of a session is relative to its directory. Those below its workdir begin with ``workdir``, wherever it is, and those
    below the directory of its sockets with ``runtime``.
    """

    def __init__(self, lab: Lab, base: Path, shape: str = OWN) -> None:
        self.lab = lab
        self.shape = shape
        #: the id of the user who runs the modules, if it is not the one who runs the tests
        self.user = 0
        self.root = lab.root
        self.projects = self.root.parent / "projects"
        self.outside = Outside(base / "outside")
        self.kinds = hostile_paths.kinds(self.outside)
        self.sown: dict[str, str] = {}
        self.snapshots = self.root.parent / "snapshots"
        self.source = base / "source"
        for directory in (self.snapshots, self.projects):
            directory.mkdir()
        if shape == CLONE:
            _make_repository(self.source)
        self._give()

    @property
    def owner(self) -> int:
        """The id of the user to whom the sessions belong."""
        return second_user.NUMBER if isinstance(self.lab, RootLab) else self.user

    def _give(self) -> None:
        if self.owner:
            self.root.mkdir(exist_ok=True)
            hostile_paths.give(self.owner, self.root, self.snapshots, self.projects, *([self.source] if self.source.exists() else []))
            # a second name has the owner of the first
            hostile_paths.give(0, self.outside.base)

    @property
    def places(self) -> dict[str, Any]:
        """The options that every module takes."""
        user = {"user": second_user.NAME} if isinstance(self.lab, RootLab) else {}
        return {"sessions_dir": str(self.root), **user}

    @property
    def launching(self) -> dict[str, Any]:
        """The options of a launch."""
        given = {name: self.lab.params[name] for name in ("codex_dir", "ttyd_dir", "stop_timeout", "config")}
        repository = {"repository": {"url": f"file://{self.source}"}} if self.shape == CLONE else {}
        asked = {"instructions": "All of it", "prompt": "Do it", "ready_timeout": 5.0}
        return {**given, **self.places, **self.lab.mode(""), **repository, **asked}

    def workdir(self, name: str) -> Path:
        """Return the workdir of a session."""
        return self.projects / name if self.shape == NAMED else self.root / name / "workdir"

    def entry(self, name: str) -> dict[str, Any]:
        """Return the options of one session in the list of a launch."""
        return {"name": name, **({"workdir": str(self.workdir(name))} if self.shape == NAMED else {})}

    def place(self, name: str, path: str) -> Path:
        """Return the absolute path of a path of a session."""
        first, _slash, rest = path.partition("/")
        tops = {"workdir": self.workdir(name), "runtime": hostile_paths.runtime_of(self.lab, name)}
        return tops[first] / rest if first in tops else self.root / name / path

    def trace(self, trace: Path) -> list[str]:
        """Return the paths that are touched in a whole life of one session, with which all traced processes end."""
        key = (self.shape, type(self.lab))
        if key in TRACED:
            return TRACED[key]
        info = ("session_info", {**self.places, "include_screen": True, "transcript_entries": 3, "include_disk_usage": True})
        one = {**self.places, "name": "traced"}
        launch = ("session", {**self.launching, **self.entry("traced")})
        calls: list[tuple[str, dict[str, Any]]] = [launch, info, ("session", {**one, "state": "stopped"})]
        output = {**one, "diff_base": "HEAD"} if self.shape == CLONE else one
        calls += [info, ("session_output", output), ("session_snapshot", {**one, "path": str(self.snapshots / "traced")}), launch]
        calls += [("session", {**one, "state": "absent", "purge": True})]
        # of paths that begin alike, the longer one first
        tops = {top: self.place("traced", top) for top in ("workdir", "runtime", ".")}
        found = touched(calls, tops, trace)
        # where root keeps the sockets, their directory is out of the user's reach
        whole = WHOLE if isinstance(self.lab, RootLab) else (*WHOLE, "runtime")
        # what only the program in codex's place touches
        TRACED[key] = [*whole, *(path for path in found if path not in ("workdir/called", *whole))]
        return TRACED[key]

    def prepare(self) -> None:
        """Make the session of which the others are copies: one that has ended, with a conversation and with logs."""
        within(ONE, "session", **{**self.launching, **self.entry(SOUND)})
        within(ONE, "session", **self.places, name=SOUND, state="stopped")
        (self.root / SOUND / ROLLOUT).parent.mkdir(parents=True)
        (self.root / SOUND / ROLLOUT).write_text('{"timestamp":"x","type":"event_msg","payload":{"type":"task_started"}}\n')
        logs = self.root / SOUND / ("workdir" if self.shape == OWN else "agent")
        for name in ("optio.log", "optio.log.old"):
            (logs / name).write_text("STATUS: [10%] at work\nDELIVERABLE: result.txt\n")
        (self.workdir(SOUND) / "result.txt").write_text("a result\n")
        self._give()

    def copy(self, name: str) -> None:
        """Make another session of the one that has ended."""
        texts = {}
        if self.shape == NAMED:
            texts[str(self.workdir(SOUND))] = str(self.workdir(name))
            shutil.copytree(self.workdir(SOUND), self.workdir(name), symlinks=True)
        copy_session(self.lab, SOUND, name, texts)

    def sow(self, sessions: Mapping[str, str]) -> list[str]:
        """Make sessions by name, each with a kind of thing at a path; return their names."""
        for name, what in sessions.items():
            kind, _colon, path = what.partition(":")
            self.copy(name)
            hostile_paths.replace(self.place(name, path), self.kinds[kind])
        self._give()
        for name in sessions if isinstance(self.lab, RootLab) else ():
            hostile_paths.give(self.owner, hostile_paths.runtime_of(self.lab, name))
        hostile_paths.give(0, self.outside.base)
        self.sown = dict(sessions)
        return list(sessions)

    def call(self, module: str, given: dict[str, Any]) -> dict[str, dict[str, Any]]:
        """Return a module's result by session; fail the test if it hangs, or if anything outside has changed or is in the result."""
        result = within(MANY, module, self.user, **given)
        changes = set(self.outside.state().items()) ^ set(self.outside.before.items())
        assert not changes, (module, given.get("state"), changes)
        assert "sessions" in result, (module, result)
        entries = {entry["name"]: entry for entry in result["sessions"]}
        for name, entry in entries.items():
            shown, what = json.dumps(entry), self.sown.get(name, "")
            # what has a second name in the session is the session's, unless it is of another user
            assert SECRET not in shown or (what.startswith("hard link") and not self.owner), (module, what, shown)
            assert "exception" not in entry and "process died" not in str(entry.get("msg")), (module, what, entry)
        return entries

    def check(self, name: str, data: bytes) -> None:
        """Fail the test if what was taken of a session has the content of a file of others."""
        what = self.sown.get(name, "")
        assert SECRET.encode() not in data or (what.startswith("hard link") and not self.owner), (name, what)

    def spread(self, paths: Iterable[str]) -> dict[str, str]:
        """Return a session for each path, with one of the kinds at it: the kinds in turn."""
        kinds = [kind for kind in hostile_paths.KINDS if kind in self.kinds]
        return {f"s{number}": f"{kinds[number % len(kinds)]}:{path}" for number, path in enumerate(paths)}


def try_all(field: Field, sessions: Mapping[str, str]) -> None:
    """Do everything but a launch with sessions that have a kind of thing at a path, and with one that has not."""
    names = field.sow(sessions)
    places = field.places
    every = [*names, SOUND]
    seen = field.call("session_info", {**places, "include_disk_usage": True, "transcript_entries": 3, "include_screen": True})
    assert seen[SOUND]["status"] == "stopped" and seen[SOUND]["log"] == "DELIVERABLE: result.txt"
    # a record that is not one does not hide its session
    replaced = {name for name, what in sessions.items() if what.endswith(":.")}
    assert {*every} - replaced <= {*seen}
    assert not field.call("session", {**places, "sessions": every, "state": "stopped"})[SOUND].get("failed")
    collect(field, every)
    save(field, every)
    field.call("session", {**places, "sessions": [*names], "state": "absent", "purge": True})


def collect(field: Field, names: list[str]) -> None:
    """Collect the output of sessions, of which one has nothing wrong."""
    diff = {"diff_base": "HEAD"} if field.shape == CLONE else {}
    output = field.call("session_output", {**field.places, **diff, "sessions": names})
    assert "deliverables/result.txt" in [file["path"] for file in output[SOUND]["files"]], output[SOUND]
    for name, entry in output.items():
        taken = Path(entry.get("path") or "/nowhere")
        for path in filter(Path.is_file, taken.rglob("*")):
            field.check(name, path.read_bytes())
        shutil.rmtree(taken, ignore_errors=True)


def save(field: Field, names: list[str]) -> None:
    """Make a snapshot of each of these sessions, of which one has nothing wrong."""
    snapshots = {name: field.snapshots / name for name in names}
    sessions = [{"name": name, "path": str(path)} for name, path in snapshots.items()]
    assert field.call("session_snapshot", {**field.places, "sessions": sessions})[SOUND]["file_count"] > 3
    for name, path in snapshots.items():
        if path.exists():
            with tarfile.open(path) as archive:
                for member in filter(tarfile.TarInfo.isfile, archive):
                    stream = archive.extractfile(member)
                    field.check(name, stream.read(1 << 20) if stream else b"")


def resume_all(field: Field, sessions: Mapping[str, str]) -> None:
    """Resume such sessions, a few at a time, look at them while they run, and end them."""
    names = field.sow(sessions)
    for first in range(0, len(names), TOGETHER):
        some = names[first : first + TOGETHER]
        again = field.call("session", {**field.launching, "sessions": [field.entry(name) for name in (*some, SOUND)]})
        assert again[SOUND]["status"] == "running", again[SOUND]
        assert field.call("session_info", {**field.places, "include_screen": True})[SOUND]["status"] == "running"
        # the files are replaced again while it runs
        for name in some:
            kind, _colon, path = sessions[name].partition(":")
            place = field.place(name, path)
            if place.parent.is_dir() and not place.parent.is_symlink():
                hostile_paths.replace(place, field.kinds[kind])
        stopped = field.call("session", {**field.places, "stop_timeout": 5.0, "sessions": [*some, SOUND], "state": "stopped"})
        assert stopped[SOUND]["status"] == "stopped"
        field.call("session", {**field.places, "sessions": some, "state": "absent", "purge": True})


def _make_repository(source: Path) -> None:
    git = ["git", "-C", str(source), "-c", "user.name=t", "-c", "user.email=t@example.com"]
    subprocess.run(["git", "init", "-q", "--template=", str(source)], check=True)
    (source / "README").write_text("a project\n")
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "-q", "-m", "one"], check=True)
    # a clone by another user asks who owns it
    for path in (source, *source.rglob("*")):
        os.chmod(path, 0o755 if path.is_dir() else 0o644)
