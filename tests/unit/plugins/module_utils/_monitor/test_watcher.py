# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The program of a session, with a session that the test makes up: one look at a time, each change once, bounded files."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.optio.codex.plugins.module_utils._monitor import session_status, watcher, webhook
from ansible_collections.optio.codex.plugins.module_utils._monitor.watcher import QUEUED, Watcher

ENTRY: Mapping[str, Any] = {
    **{"name": "one", "status": "running", "turns": 1, "tokens": None, "usage_limit": None, "log": None, "message": None},
    **{"version": "0.169.0", "session_id": "01a2", "user": "alice", "workdir": "/w", "session_dir": "/s/one", "attach_command": "tmux"},
}
Found = tuple[Mapping[str, Any], str, "str | None", "str | None"]


class Scene:
    """A program's directory, and the looks that the program gets to see, the last one again and again."""

    def __init__(self, base: Path, patch: pytest.MonkeyPatch) -> None:
        self.directory = base / "one" / "events"
        self.directory.mkdir(parents=True)
        self.web = base / "web" / "one"
        self.web.mkdir(parents=True)
        self.looks: list[Found | None] = []
        self.taken = 0
        self.pauses: list[float] = []
        self.sent: list[Mapping[str, Any]] = []
        patch.setattr(watcher, "WEB_ROOT", str(base / "web"))
        patch.setattr(time, "sleep", self.pauses.append)
        patch.setattr(Watcher, "_observe", lambda _self: self._next())
        patch.setattr(webhook, "send", lambda _config, event, _deadline: self.sent.append(event))
        self.configure(web=True, url="http://127.0.0.1:9/", events=list(session_status.EVENTS))

    def configure(self, **config: Any) -> None:
        (self.directory / "config").write_text(json.dumps(config))

    def _next(self) -> Found | None:
        self.taken += 1
        return self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]

    def look(self, *looks: Found | None) -> dict[str, Any]:
        """Return the file for the web server after the program has seen these looks."""
        self.looks = list(looks)
        Watcher(str(self.directory)).look()
        path = self.web / "status.json"
        return dict(json.loads(path.read_text())) if path.is_file() else {}

    @property
    def queue(self) -> list[Path]:
        return sorted((self.directory / "queue").glob("*.json"))


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    return Scene(tmp_path, monkeypatch)


def seen(activity: str | None, turns: int = 1, title: str = "", **changes: Any) -> Found:
    return {**ENTRY, "turns": turns, **changes}, title, activity, None


def test_each_change_is_posted_once(scene: Scene) -> None:
    shown = []
    for activity, turns in (
        ("idle", 0),
        ("working", 1),
        ("waiting", 1),
        ("waiting", 1),
        ("done", 1),
        ("done", 1),
        ("done", 2),
        ("failed", 3),
    ):
        shown.append(scene.look(seen(activity, turns))["activity"])
        Watcher(str(scene.directory)).post()
    assert shown == ["idle", "working", "waiting", "waiting", "done", "done", "done", "failed"]
    assert [event["event"] for event in scene.sent] == ["waiting", "done", "done", "failed"]
    assert len({event["id"] for event in scene.sent}) == 4
    assert scene.queue == []


def test_the_file_is_for_the_group_and_is_written_for_news_only(scene: Scene) -> None:
    scene.look(seen("idle"))
    path = scene.web / "status.json"
    before = path.stat()
    assert before.st_mode & 0o777 == 0o640
    scene.look(seen("idle"))
    assert path.stat().st_ino == before.st_ino
    scene.look(seen("idle", log="STATUS: x"))
    assert path.stat().st_ino != before.st_ino
    assert [entry.name for entry in scene.web.iterdir()] == ["status.json"]


def test_no_file_without_a_web_server(scene: Scene) -> None:
    scene.configure(url="http://127.0.0.1:9/", events=["done"])
    assert scene.look(seen("done")) == {} and len(scene.queue) == 1
    assert (scene.directory / "settled").exists()


def test_a_link_in_the_place_of_the_file_is_replaced(scene: Scene, tmp_path: Path) -> None:
    (tmp_path / "target").write_text("keep")
    (scene.web / "status.json").symlink_to(tmp_path / "target")
    assert scene.look(seen("idle"))["activity"] == "idle"
    assert (tmp_path / "target").read_text() == "keep" and not (scene.web / "status.json").is_symlink()


@pytest.mark.parametrize("kind", ["absent", "link", "file"])
def test_another_directory_is_not_written_to(scene: Scene, tmp_path: Path, kind: str) -> None:
    scene.web.rmdir()
    (tmp_path / "elsewhere").mkdir()
    if kind == "link":
        scene.web.symlink_to(tmp_path / "elsewhere")
    elif kind == "file":
        scene.web.write_text("")
    scene.look(seen("idle"))
    assert list((tmp_path / "elsewhere").iterdir()) == []
    # it is looked for again
    assert not (scene.directory / "settled").exists()


#: (the looks, the activity that is reported, how many looks were taken)
SETTLING: list[tuple[list[Found | None], str | None, int]] = [
    ([seen("working", title="Ready"), seen("working", title="Ready"), seen("done", title="Ready")], "done", 3),
    ([seen("working", title="Ready")], "working", 6),
    ([seen("working", title="Working")], "working", 1),
    ([seen("starting", title="")], "starting", 1),
    ([seen("idle", title="Ready")], "idle", 1),
    # what cannot be examined says nothing
    ([None], None, 6),
    ([None, seen("idle")], "idle", 2),
    ([seen(None, status="stopped")], None, 1),
]


@pytest.mark.parametrize(("looks", "activity", "taken"), SETTLING)
def test_a_look_waits_for_files_that_are_behind_the_title(
    scene: Scene, looks: list[Found | None], activity: str | None, taken: int
) -> None:
    assert scene.look(*looks).get("activity") == activity
    assert scene.taken == taken and sum(scene.pauses) < 10


def test_an_unknown_activity_changes_nothing(scene: Scene) -> None:
    assert scene.look(seen("unknown"))["activity"] == "starting"
    scene.look(seen("done"))
    assert scene.look(seen("unknown"))["activity"] == "done"
    assert len(scene.queue) == 1


#: (an activity, whether the next look is taken without a sign of a change)
@pytest.mark.parametrize(
    ("activity", "settled"), [("working", False), ("starting", False), ("idle", True), ("waiting", True), ("done", True)]
)
def test_looks_go_on_while_something_happens(scene: Scene, activity: str, settled: bool) -> None:
    scene.look(seen(activity))
    assert (scene.directory / "settled").exists() is settled


def test_one_looks_at_a_time_and_the_others_are_not_lost(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    entered, leave, running, most = threading.Event(), threading.Event(), [0], [0]

    def observe(_self: Watcher) -> Found:
        running[0] += 1
        most[0] = max(most[0], running[0])
        scene.taken += 1
        entered.set()
        assert leave.wait(10)
        running[0] -= 1
        return seen("idle")

    monkeypatch.setattr(Watcher, "_observe", observe)
    first = threading.Thread(target=Watcher(str(scene.directory)).look)
    first.start()
    assert entered.wait(10)
    for _number in range(5):
        # they leave at once
        Watcher(str(scene.directory)).look()
    leave.set()
    first.join()
    # and the first has looked once more for all of them
    assert (most[0], scene.taken) == (1, 2)
    assert not (scene.directory / "again").exists()


def test_a_queue_is_bounded(scene: Scene) -> None:
    for number in range(QUEUED + 4):
        scene.look(seen("done", number))
    assert len(scene.queue) == QUEUED
    assert json.loads(scene.queue[-1].read_text())["turns"] == QUEUED + 3
    assert len((scene.directory / "log").read_text().splitlines()) == 4


def test_what_a_receiver_does_not_take_is_in_the_log_without_secrets(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.configure(url="http://127.0.0.1:9/secret-path", token="t0ken", events=["done"])
    monkeypatch.setattr(webhook, "send", lambda *_arguments: "the answer is 500")
    for number in range(60):
        scene.look(seen("done", number))
        Watcher(str(scene.directory)).post()
    lines = (scene.directory / "log").read_text().splitlines()
    assert len(lines) == watcher.LOG_LINES and lines[-1].endswith("the answer is 500") and " done of 20" in lines[-1]
    assert "secret-path" not in str(lines) and "t0ken" not in str(lines)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"activity": 7, "since": []}', "[" * 100_000, "x" * 200_000])
@pytest.mark.parametrize("name", ["state", "config"])
def test_damaged_files_do_not_end_it(scene: Scene, name: str, text: str) -> None:
    (scene.directory / name).write_text(text)
    scene.look(seen("done"))
    assert json.loads((scene.directory / "state").read_text())["activity"] == "done"


@pytest.mark.parametrize("name", ["lock", "state", "again", "config"])
def test_a_pipe_holds_nothing_up(scene: Scene, name: str) -> None:
    path = scene.directory / name
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    # only the session's user can put it there, and then nothing is reported
    with suppress(OSError):
        scene.look(seen("done"))
