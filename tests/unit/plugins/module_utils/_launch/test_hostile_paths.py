# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every path that the product touches below a session's directory, as a link, a pipe, a device, too large, unreadable."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.optio.codex.tests.unit.support import hostile_paths
from ansible_collections.optio.codex.tests.unit.support.hostile_paths import KINDS, ROLLOUT, SECRET, Outside, copy_session, touched, within
from ansible_collections.optio.codex.tests.unit.support.local_session import Lab, laboratory

#: seconds for a call with many sessions, and for one
MANY, ONE = 120.0, 60.0
#: sessions that are launched in one call
TOGETHER = 8
#: a session with nothing wrong
SOUND = "sound"
#: the paths, which are traced once
TRACED: list[str] = []
#: a user without any right
NOBODY = 65534


class Field:
    """Many sessions of one lab, each with something else in the place of one of its files."""

    def __init__(self, lab: Lab, base: Path) -> None:
        self.lab = lab
        #: the id of the user who runs the modules, if it is not the one who runs the tests
        self.user = 0
        self.root = lab.root
        self.outside = Outside(base / "outside")
        self.kinds = hostile_paths.kinds(self.outside)
        self.sown: dict[str, str] = {}
        self.snapshots = base / "snapshots"
        self.snapshots.mkdir()

    @property
    def places(self) -> dict[str, Any]:
        """The options that every module takes."""
        return {"sessions_dir": str(self.root)}

    @property
    def launching(self) -> dict[str, Any]:
        """The options of a launch."""
        given = {name: self.lab.params[name] for name in ("codex_dir", "ttyd_dir", "stop_timeout", "config")}
        return {**given, **self.places, **self.lab.mode(""), "instructions": "All of it", "prompt": "Do it", "ready_timeout": 5.0}

    def trace(self, trace: Path) -> list[str]:
        """Return the paths that are touched in a whole life of one session, with which all traced processes end."""
        if TRACED:
            return TRACED
        info = ("session_info", {**self.places, "include_screen": True, "transcript_entries": 3, "include_disk_usage": True})
        one = {**self.places, "name": "traced"}
        launch = ("session", {**self.launching, "name": "traced"})
        calls: list[tuple[str, dict[str, Any]]] = [launch, info, ("session", {**one, "state": "stopped"})]
        calls += [info, ("session_output", one), ("session_snapshot", {**one, "path": str(self.snapshots / "traced")}), launch]
        calls += [("session", {**one, "state": "absent", "purge": True})]
        # what only the program in codex's place touches, and the directory that a user may have elsewhere
        TRACED.extend(path for path in touched(calls, self.root / "traced", trace) if path not in ("workdir/called", "workdir"))
        return TRACED

    def prepare(self) -> None:
        """Make the session of which the others are copies: one that has ended, with a conversation and with logs."""
        within(ONE, "session", **{**self.launching, "name": SOUND})
        within(ONE, "session", **self.places, name=SOUND, state="stopped")
        directory = self.root / SOUND
        (directory / ROLLOUT).parent.mkdir(parents=True)
        (directory / ROLLOUT).write_text('{"timestamp":"x","type":"event_msg","payload":{"type":"task_started"}}\n')
        for name in ("optio.log", "optio.log.old"):
            (directory / "workdir" / name).write_text("STATUS: [10%] at work\nDELIVERABLE: result.txt\n")
        (directory / "workdir/result.txt").write_text("a result\n")

    def sow(self, sessions: Mapping[str, str]) -> list[str]:
        """Make sessions by name, each with a kind of thing at a path; return their names."""
        for name, what in sessions.items():
            kind, _colon, path = what.partition(":")
            hostile_paths.replace(copy_session(self.root, SOUND, name) / path, self.kinds[kind])
        if self.user:
            hostile_paths.give(self.user, self.root, self.snapshots)
            # a second name has the owner of the first
            hostile_paths.give(0, self.outside.base)
        self.sown = dict(sessions)
        return list(sessions)

    def call(self, module: str, given: dict[str, Any]) -> dict[str, dict[str, Any]]:
        """Return a module's result by session; fail the test if it hangs, or if anything outside has changed or is in the result."""
        result = within(MANY, module, self.user, **given)
        assert self.outside.state() == self.outside.before, (module, given)
        assert "sessions" in result, (module, result)
        entries = {entry["name"]: entry for entry in result["sessions"]}
        for name, entry in entries.items():
            shown = json.dumps(entry)
            # what has a second name in the session is the session's
            assert SECRET not in shown or self.sown.get(name, "").startswith("hard link"), (module, self.sown.get(name), shown)
            assert "exception" not in entry and "process died" not in str(entry.get("msg")), (module, self.sown.get(name), entry)
        return entries


@pytest.fixture
def field(open_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Field]:
    with laboratory(open_path, monkeypatch) as lab:
        yield Field(lab, open_path)


def try_all(field: Field, sessions: Mapping[str, str]) -> None:
    """Do everything but a launch with sessions that have a kind of thing at a path, and with one that has not."""
    names = field.sow(sessions)
    places = field.places
    every = [*names, SOUND]
    snapshots = [{"name": name, "path": f"{field.snapshots}/{name}"} for name in every]
    seen = field.call("session_info", {**places, "include_disk_usage": True, "transcript_entries": 3, "include_screen": True})
    assert seen[SOUND]["status"] == "stopped" and seen[SOUND]["log"] == "DELIVERABLE: result.txt"
    # a record that is not one does not hide its session
    assert set(every) <= set(seen)
    assert not field.call("session", {**places, "sessions": every, "state": "stopped"})[SOUND].get("failed")
    output = field.call("session_output", {**places, "sessions": every})
    assert "deliverables/result.txt" in [file["path"] for file in output[SOUND]["files"]]
    for entry in output.values():
        shutil.rmtree(entry.get("path") or "/nowhere", ignore_errors=True)
    assert field.call("session_snapshot", {**places, "sessions": snapshots})[SOUND]["file_count"] > 3
    field.call("session", {**places, "sessions": [*names], "state": "absent", "purge": True})


def resume_all(field: Field, sessions: Mapping[str, str]) -> None:
    """Resume such sessions, a few at a time, look at them while they run, and end them."""
    names = field.sow(sessions)
    for first in range(0, len(names), TOGETHER):
        some = names[first : first + TOGETHER]
        again = field.call("session", {**field.launching, "sessions": [*some, SOUND]})
        assert again[SOUND]["status"] == "running", again[SOUND]
        assert field.call("session_info", {**field.places, "include_screen": True})[SOUND]["status"] == "running"
        # the files are replaced again while it runs
        for name in some:
            path = field.root / name / sessions[name].partition(":")[2]
            if path.parent.is_dir() and not path.parent.is_symlink():
                hostile_paths.replace(path, field.kinds[sessions[name].partition(":")[0]])
        stopped = field.call("session", {**field.places, "stop_timeout": 5.0, "sessions": [*some, SOUND], "state": "stopped"})
        assert stopped[SOUND]["status"] == "stopped"
        field.call("session", {**field.places, "sessions": some, "state": "absent", "purge": True})


@pytest.mark.slow
@pytest.mark.parametrize("user", [0, NOBODY], ids=["the same user", "another user"])
def test_every_path_as_something_else(field: Field, open_path: Path, user: int) -> None:
    """Each path as one kind of thing, for all that is done with a session that has ended."""
    if user and os.geteuid() != 0:
        pytest.skip("only root can run a module as another user")
    paths = field.trace(open_path / "trace")
    # a trace that does not work finds less
    assert {"session", "exit", "home/.codex/config.toml", "workdir/optio.log", "agent/AGENTS.md", "workdir/.codex/config.toml"} <= {*paths}
    field.prepare()
    field.user = user
    kinds = [kind for kind in KINDS if kind in field.kinds]
    try_all(field, {f"s{number}": f"{kinds[number % len(kinds)]}:{path}" for number, path in enumerate(paths)})


@pytest.mark.extended
@pytest.mark.parametrize("kind", KINDS)
def test_every_path_as_each_kind(field: Field, open_path: Path, kind: str) -> None:
    """Each path as each kind of thing; a session is resumed with each path as one of them."""
    if kind not in field.kinds:
        pytest.skip("only root can make a device")
    paths = field.trace(open_path / "trace")
    field.prepare()
    try_all(field, {f"s{number}": f"{kind}:{path}" for number, path in enumerate(paths)})
    share = len(KINDS)
    resume_all(field, {f"r{number}": f"{kind}:{path}" for number, path in enumerate(paths[KINDS.index(kind) :: share])})
