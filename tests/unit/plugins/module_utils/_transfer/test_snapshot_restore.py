# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Restoring a session from a snapshot: elsewhere, again, into what is there already, killed at any rename."""

from __future__ import annotations

import hashlib
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.optio.codex.plugins.module_utils._core.errors import OptioError
from ansible_collections.optio.codex.plugins.module_utils._core.runner import converge
from ansible_collections.optio.codex.plugins.module_utils._launch import module as session
from ansible_collections.optio.codex.plugins.module_utils._session import workspace_module as workspace
from ansible_collections.optio.codex.plugins.module_utils._session.agents_md import agents_text
from ansible_collections.optio.codex.plugins.module_utils._session.layout import PACKAGE, task_layout
from ansible_collections.optio.codex.tests.unit.support.release_builders import member, pack
from ansible_collections.optio.codex.tests.unit.support.session_builders import options
from ansible_collections.optio.codex.tests.unit.support.snapshot_place import CONTENT, KEPT, NEW, ROLLOUT, SECRET, Place, manifest


@pytest.mark.slow
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


@pytest.mark.parametrize("elsewhere", [False, True])
def test_a_snapshot_of_the_package_is_restored(base: Path, elsewhere: bool) -> None:
    """It is the output of tar for the workdir, in which codex's home is."""
    place = Place(base, PACKAGE)
    link = place.home / ".local/bin/codex"
    link.unlink(missing_ok=True)
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to("/var/cache/optio-codex/bin/codex")
    subprocess.run(["/bin/sh", "-c", f"tar -C {place.work} --exclude=.git -cf - . | gzip -1 >{place.path}"], check=True)
    given: dict[str, Any] = {"workdir": str(base / "else")} if elsewhere else {}
    predicted = place.restore(check=True, **given)
    made = place.restore(**given)
    assert made["actions"] == predicted["actions"]
    assert (made["status"], made["session_id"]) == ("stopped", NEW)
    after, work = place.everything("two"), base / "else" if elsewhere else place.root / "two/workdir"
    assert (work / "src/main.c").read_text() == CONTENT["src/main.c"] and not (work / "home").exists()
    assert after[f"home/{ROLLOUT}"][0].startswith('{"a": 1}\n')
    assert "home/.codex/auth.json" not in after and "home/.local/bin/codex" not in after
    again = place.restore(**given)
    assert not again["changed"] and again["sha256"] == made["sha256"] and place.everything("two") == after


@pytest.mark.slow
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


@pytest.mark.slow
def test_credentials_come_only_when_asked_for(place: Place) -> None:
    place.run(include_credentials=True)
    place.restore()
    assert not (place.root / "two/home/.codex/auth.json").exists()
    assert "refresh token" in place.restore("three", include_credentials=True)["warnings"][0]
    assert (place.root / "three/home/.codex/auth.json").read_text() == SECRET


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
def test_a_pointer_that_the_agent_has_added_to(place: Place) -> None:
    with (place.work / "AGENTS.md").open("a") as stream:
        stream.write("See also one/agent.\n")
    place.run()
    place.restore()
    expected = f"Your instructions are in {place.root}/two/agent/AGENTS.md. Read that file.\nSee also one/agent.\n"
    assert (place.root / "two/workdir/AGENTS.md").read_text() == expected


@pytest.mark.slow
@pytest.mark.parametrize(
    ("path", "reason"),
    [
        (f"home/{ROLLOUT}", f"home already contains the conversation {NEW}"),
        ("home/.codex/auth.json", "home already contains the credential home/.codex/auth.json"),
        ("home/.codex/.credentials.json", "home already contains the credential home/.codex/.credentials.json"),
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


@pytest.mark.slow
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


@pytest.mark.slow
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
