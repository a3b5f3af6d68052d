# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A session's auth.json planted, kept where codex has newer tokens, and removed, on a real file system."""

from __future__ import annotations

import json
import os
import shutil
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.optio.codex.plugins.module_utils._core.errors import OptioError
from ansible_collections.optio.codex.plugins.module_utils._core.host import LocalHost
from ansible_collections.optio.codex.plugins.module_utils._core.probe import parse
from ansible_collections.optio.codex.plugins.module_utils._core.runner import converge
from ansible_collections.optio.codex.plugins.module_utils._credential.module import RESOURCE
from ansible_collections.optio.codex.plugins.module_utils._credential.probe import (
    AuthFileState,
    SessionCredential,
    credential_script,
    parse_credential,
)
from ansible_collections.optio.codex.plugins.module_utils._launch.spec import SessionSpec
from ansible_collections.optio.codex.tests.unit.support import shells
from ansible_collections.optio.codex.tests.unit.support.credential_builders import EARLY, LATE, MARKER, chatgpt, text_of
from ansible_collections.optio.codex.tests.unit.support.session_builders import options, session_of, view_of


class Worker:
    """A root of tasks, and the auth.json of one of them."""

    def __init__(self, base: Path) -> None:
        self.root = base / "root"
        self.home = self.root / "review/home"
        self.auth = self.home / ".codex/auth.json"
        #: the digest of the login that has a copy
        self.mark = self.root / "review/login"

    def run(self, *, check: bool = False, **given: Any) -> dict[str, Any]:
        params = options(RESOURCE, name="review", sessions_dir=str(self.root), **given)
        RESOURCE.validate(params)
        result = converge(RESOURCE, params, LocalHost(), check, True)
        assert MARKER not in json.dumps([result, RESOURCE.masked(params)])
        return result

    def chatgpt(self, **given: Any) -> dict[str, Any]:
        force = given.pop("force", False)
        return self.run(auth_json=text_of(chatgpt(**given)), force=force)


@pytest.fixture
def worker(tmp_path: Path) -> Worker:
    return Worker(tmp_path)


SOURCES: list[dict[str, Any]] = [
    {"api_key": f"sk-{MARKER}"},
    {"access_token": f"at-{MARKER}"},
    {"auth_json": text_of(chatgpt())},
]


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: next(iter(source)))
def test_planted_and_planted_again_and_removed(worker: Worker, source: dict[str, Any]) -> None:
    check_mode_result = worker.run(check=True, **source)
    assert not worker.root.exists()
    made = worker.run(**source)
    marks = [str(worker.mark)] if "auth_json" in source else []
    assert made == check_mode_result and [action["kind"] for action in made["actions"]] == [
        "create",
        "create",
        "write",
        *["write"] * len(marks),
    ]
    assert MARKER in worker.auth.read_text() and worker.auth.stat().st_mode & 0o777 == 0o600
    assert {path.stat().st_mode & 0o777 for path in worker.root.rglob("*") if path.is_dir()} == {0o700}
    assert not (worker.home / ".codex/config.toml").exists(), "the session's own config would have no effect"
    assert not (worker.root / "review/workdir").exists(), "a launch makes it, or clones into it"

    assert not worker.run(**source)["changed"]
    removed = worker.run(state="absent")
    assert [(action["kind"], action["target"]) for action in removed["actions"]] == [
        ("remove", path) for path in (str(worker.auth), *marks)
    ]
    assert removed["kind"] is None and not worker.auth.exists() and worker.home.is_dir()
    assert not worker.run(state="absent")["changed"]


def test_another_kind_or_key_takes_its_place(worker: Worker) -> None:
    befores = []
    for source in (*SOURCES, {"api_key": "sk-two"}, {"api_key": "sk-three"}):
        done = worker.run(**source)
        label = f"{worker.auth}: "
        befores.append(
            tuple(next(line[len(label) :] for line in done["diff"][side].splitlines() if label in line) for side in ("before", "after"))
        )
    assert befores[1:] == [
        ("API key", "access token"),
        ("access token", "ChatGPT account"),
        ("ChatGPT account", "API key"),
        ("API key", "another API key"),
    ]
    assert "sk-three" in worker.auth.read_text()


def test_tokens_that_codex_has_changed_stay(worker: Worker) -> None:
    worker.chatgpt()
    for rotated in (text_of(chatgpt(refreshed=LATE, token="two")), json.dumps(chatgpt(refreshed=LATE, token="two")) + "\n"):
        worker.auth.write_text(rotated)
        kept = worker.chatgpt()
        assert kept["rotated"] and not kept["changed"] and worker.auth.read_text() == rotated
    with pytest.raises(OptioError, match="exists nowhere else"):
        worker.chatgpt(account="account-2")
    assert worker.chatgpt(account="account-2", force=True)["changed"]
    worker.auth.write_text(rotated)
    forced = worker.chatgpt(force=True)
    assert forced["changed"] and not forced["rotated"] and "-one" in worker.auth.read_text()


def test_a_seed_that_is_newer_or_as_new_is_planted(worker: Worker) -> None:
    worker.chatgpt(refreshed=EARLY)
    assert worker.chatgpt(refreshed=LATE, token="two")["changed"]
    assert worker.chatgpt(refreshed=LATE, token="three")["changed"]
    assert not worker.chatgpt(refreshed=EARLY)["changed"]
    assert "three" in worker.auth.read_text()


def test_a_login_that_exists_nowhere_else_is_not_removed(worker: Worker) -> None:
    """Removed is a login as it was written; one that codex has renewed needs a word, in check mode too."""
    worker.chatgpt()
    assert worker.mark.stat().st_mode & 0o777 == 0o600 and MARKER not in worker.mark.read_text()
    rotated = text_of(chatgpt(refreshed=LATE, token="two"))
    worker.auth.write_text(rotated)
    for given in ({"state": "absent"}, {"api_key": "sk-x"}, {"auth_json": text_of(chatgpt(account="account-2"))}):
        for check in (True, False):
            with pytest.raises(OptioError, match="exists nowhere else") as raised:
                worker.run(check=check, **given)
            assert raised.value.subject == str(worker.auth) and "discard_login: true" in raised.value.remedy
    assert worker.auth.read_text() == rotated
    # a source that has the same tokens is a copy, whatever its form
    assert [action["target"] for action in worker.run(auth_json=json.loads(rotated))["actions"]] == [str(worker.mark)]
    worker.auth.write_text(json.dumps(json.loads(rotated)))
    assert worker.run(state="absent")["changed"] and not worker.auth.exists() and not worker.mark.exists()


def test_a_login_can_be_discarded(worker: Worker) -> None:
    worker.chatgpt()
    worker.mark.unlink()
    with pytest.raises(OptioError, match="exists nowhere else"):
        worker.run(state="absent")
    assert worker.run(state="absent", discard_login=True)["changed"] and not worker.auth.exists()


@pytest.mark.slow
@pytest.mark.parametrize("shell", shells.SHELLS)
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (text_of(chatgpt()), "only_copy"),
        (json.dumps(chatgpt()), "only_copy"),
        ('{"OPENAI_API_KEY": "sk-x"}', ""),
        (text_of(chatgpt(tokens={"refresh_token": ""})), ""),
        ('{"tokens": {"refresh_token" : null}}', ""),
        (text_of(chatgpt(tokens={"refresh_token": 'a"b'})), "only_copy"),
        ('{"tokens": {"refresh_token": "s3cr', "only_copy"),
        ("{" + " " * (1 << 20) + "}", "only_copy"),
        ("", ""),
    ],
)
def test_files_that_contain_a_login(worker: Worker, shell: str, text: str, expected: str) -> None:
    """A file that may have a token counts as a login, a damaged one too."""
    worker.auth.parent.mkdir(parents=True)
    worker.auth.write_text(text)
    said = shells.run(shell, credential_script(options(RESOURCE, name="review", sessions_dir=str(worker.root), state="absent")))
    assert parse_credential(parse(said), "review").task.login.kind == expected


def test_a_damaged_file_is_replaced(worker: Worker) -> None:
    worker.chatgpt()
    worker.auth.write_text(text_of(chatgpt(refreshed=LATE)).replace('"account_id"', "") + "}")
    assert worker.chatgpt()["changed"], "it has the refresh token that it was written with"


def test_a_file_that_codex_is_just_writing_is_waited_for(worker: Worker) -> None:
    """As codex 0.142.5 does it: emptied, then filled."""
    worker.chatgpt()
    rotated = text_of(chatgpt(refreshed=LATE, token="two"))
    worker.auth.write_text(rotated[:200])
    writer = threading.Timer(0.3, worker.auth.write_text, [rotated])
    writer.start()
    assert worker.chatgpt()["rotated"]
    writer.join()


def test_a_link_is_replaced_and_what_it_leads_to_stays(worker: Worker, tmp_path: Path) -> None:
    worker.chatgpt()
    other = tmp_path / "other.json"
    other.write_text(worker.auth.read_text())
    worker.auth.unlink()
    worker.auth.symlink_to(other)
    done = worker.run(api_key="sk-mine")
    assert f"{worker.auth}: symbolic link\n" in done["diff"]["before"]
    assert not worker.auth.is_symlink() and "chatgpt" in other.read_text()
    worker.auth.unlink()
    worker.auth.symlink_to(other)
    worker.run(state="absent")
    assert not worker.auth.is_symlink() and other.exists()


@pytest.mark.slow
@pytest.mark.parametrize("state", [{"api_key": "sk-x"}, {"state": "absent"}])
def test_a_home_of_another_user_is_left_alone(worker: Worker, tmp_path: Path, state: dict[str, Any]) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "auth.json").write_text("theirs")
    worker.run(api_key="sk-mine")
    worker.auth.unlink()
    worker.auth.parent.rmdir()
    worker.auth.parent.symlink_to(elsewhere)
    with pytest.raises(OptioError, match="is reached through a symbolic link"):
        worker.run(**state)
    worker.auth.parent.unlink()
    (worker.auth / "directory").mkdir(parents=True)
    with pytest.raises(OptioError, match="is not a file"):
        worker.run(**state)
    assert (elsewhere / "auth.json").read_text() == "theirs"


def test_a_file_that_others_can_read_is_protected(worker: Worker) -> None:
    worker.run(api_key="sk-mine")
    worker.auth.chmod(0o644)
    reader = os.open(worker.auth, os.O_RDONLY)
    done = worker.run(api_key="sk-mine")
    assert [action["kind"] for action in done["actions"]] == ["protect"]
    assert worker.auth.stat().st_mode & 0o777 == 0o600 and "sk-mine" in worker.auth.read_text()
    assert worker.auth.stat().st_ino != os.fstat(reader).st_ino
    os.close(reader)


def test_a_running_session_is_warned_of_when_something_changes() -> None:
    spec = SessionSpec()
    view = SessionCredential(view_of(session_of("running", spec)), AuthFileState(kind="absent", salt="x"))
    planned = RESOURCE.plan(view, options(RESOURCE, name="review", api_key="k"))
    assert planned.warnings == (
        "session review is running, and its codex keeps the credential that it has read. Restart it to use the new one.",
    )
    assert RESOURCE.plan(view, options(RESOURCE, name="review", state="absent")).warnings == ()
    stopped = replace(view, task=view_of(session_of("stopped", spec)))
    assert RESOURCE.plan(stopped, options(RESOURCE, name="review", api_key="k")).warnings == ()


def test_a_project_s_own_home_is_left_alone(worker: Worker, tmp_path: Path) -> None:
    project = tmp_path / "project"
    (project / "home/.codex").mkdir(parents=True)
    (project / "home/.codex/auth.json").write_text("theirs")
    before = sorted(project.rglob("*"))
    calls: list[dict[str, Any]] = [{"api_key": f"sk-{MARKER}"}, {"state": "absent"}]
    for given in calls:
        assert worker.run(workdir=str(project), **given)["changed"]
        assert worker.auth.exists() is ("api_key" in given)
    assert sorted(project.rglob("*")) == before and (project / "home/.codex/auth.json").read_text() == "theirs"


def test_an_adopted_session_has_its_credential_in_its_workdir(worker: Worker, tmp_path: Path) -> None:
    workdir = tmp_path / "workdir"
    (workdir / "home/.codex").mkdir(parents=True)
    worker.home.parent.mkdir(parents=True)
    (worker.home.parent / "session").write_text(f"name=review\nworkdir={workdir}\nadopted=1\n")
    worker.run(api_key="sk-mine")
    assert "sk-mine" in (workdir / "home/.codex/auth.json").read_text() and not worker.auth.exists()


def test_the_link_in_the_workdir_is_not_followed(worker: Worker, tmp_path: Path) -> None:
    """It is in the agent's reach: wherever it leads, the credential is in the session's own home."""
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / ".codex").mkdir(parents=True)
    workdir = worker.root / "review/workdir"
    workdir.mkdir(parents=True)
    (workdir / "home").symlink_to(elsewhere)
    worker.run(api_key="sk-mine")
    assert "sk-mine" in worker.auth.read_text() and list(elsewhere.rglob("*")) == [elsewhere / ".codex"]


def test_no_directory_is_made_where_the_agents_link_leads(worker: Worker, tmp_path: Path) -> None:
    worker.run(api_key="sk-mine")
    local, elsewhere = worker.root / "review/agent/.local", tmp_path / "elsewhere"
    shutil.rmtree(local)
    elsewhere.mkdir()
    local.symlink_to(elsewhere)
    with pytest.raises(OptioError, match=r"agent/\.local is not a directory"):
        worker.run(api_key="sk-other")
    assert list(elsewhere.iterdir()) == []


@pytest.mark.parametrize("name", shells.SHELLS)
def test_the_probe_prints_no_secret_in_any_shell(worker: Worker, name: str) -> None:
    worker.chatgpt(account=f"{MARKER}-account")
    params = options(RESOURCE, name="review", sessions_dir=str(worker.root), state="absent")
    salts = set()
    for as_argument in (False, True):
        script = credential_script(params)
        said = shells.run(name, script, as_argument=as_argument)
        assert MARKER not in said
        kept = parse_credential(parse(said), "review").auth_file
        salts.add(kept.salt)
        assert (kept.kind, kept.mode, kept.holds, kept.refreshed) == ("file", 0o600, "chatgpt", EARLY)
        assert kept.is_of(f"{MARKER}-account") and not kept.is_of("another")
        assert kept.is_text(worker.auth.read_text()) and not kept.is_text("another")
    assert len(salts) == 2


def test_the_probe_can_bring_the_file(worker: Worker) -> None:
    worker.chatgpt()
    worker.auth.write_bytes(b"\x00odd\nlines without an end \xff" + b"x" * 5000 + b"}")
    script = credential_script(options(RESOURCE, name="review", sessions_dir=str(worker.root), state="absent"), content=True)
    for name in shells.SHELLS:
        assert parse_credential(parse(shells.run(name, script)), "review").content == worker.auth.read_bytes()


def test_the_probe_is_sound() -> None:
    shells.shellcheck(credential_script(options(RESOURCE, name="review", state="absent")), "SC2154")
