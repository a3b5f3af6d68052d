# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A session's auth.json planted, kept where codex has newer tokens, and removed, on a real file system."""

from __future__ import annotations

import json
import os
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from unit import shell
from unit.credential_kit import EARLY, LATE, MARKER, chatgpt, text_of
from unit.session_kit import MADE, options, session_of, view_of

from ansible_collections.optio.codex.plugins.module_utils._credential.module import SUBJECT, plan_credential
from ansible_collections.optio.codex.plugins.module_utils._credential.probe import CredentialView, Kept, credential_script, parse_credential
from ansible_collections.optio.codex.plugins.module_utils._core.errors import OptioError
from ansible_collections.optio.codex.plugins.module_utils._core.host import LocalHost
from ansible_collections.optio.codex.plugins.module_utils._core.probe import parse
from ansible_collections.optio.codex.plugins.module_utils._core.runner import converge
from ansible_collections.optio.codex.plugins.module_utils._launch.plan import SessionWish


class Worker:
    """A root of tasks, and the auth.json of one of them."""

    def __init__(self, base: Path) -> None:
        self.root = base / "root"
        self.home = self.root / "review/workdir/home"
        self.auth = self.home / ".codex/auth.json"

    def run(self, *, check: bool = False, **given: Any) -> dict[str, Any]:
        params = options(SUBJECT, name="review", root=str(self.root), **given)
        SUBJECT.check(params)
        result = converge(SUBJECT, params, LocalHost(), check, True)
        assert MARKER not in json.dumps([result, SUBJECT.shown(params)])
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
    predicted = worker.run(check=True, **source)
    assert not worker.root.exists()
    made = worker.run(**source)
    assert made == predicted and [action["kind"] for action in made["actions"]] == ["create", "create", "create", "write"]
    assert MARKER in worker.auth.read_text() and worker.auth.stat().st_mode & 0o777 == 0o600
    assert {path.stat().st_mode & 0o777 for path in worker.root.rglob("*") if path.is_dir()} == {0o700}
    assert not (worker.home / ".codex/config.toml").exists(), "the session's own config would have no effect"

    assert not worker.run(**source)["changed"]
    removed = worker.run(state="absent")
    assert [(action["kind"], action["target"]) for action in removed["actions"]] == [("remove", str(worker.auth))]
    assert removed["kind"] is None and not worker.auth.exists() and worker.home.is_dir()
    assert not worker.run(state="absent")["changed"]


def test_another_kind_or_key_takes_its_place(worker: Worker) -> None:
    befores = []
    for source in (*SOURCES, {"api_key": "sk-two"}, {"api_key": "sk-three"}):
        done = worker.run(**source)
        befores.append((done["diff"]["before"].rpartition(": ")[2].strip(), done["diff"]["after"].rpartition(": ")[2].strip()))
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
    assert worker.chatgpt(account="account-2")["changed"], "another account's tokens are no reason to keep these"
    worker.auth.write_text(rotated)
    forced = worker.chatgpt(force=True)
    assert forced["changed"] and not forced["rotated"] and "-one" in worker.auth.read_text()


def test_a_seed_that_is_newer_or_as_new_is_planted(worker: Worker) -> None:
    worker.chatgpt(refreshed=EARLY)
    assert worker.chatgpt(refreshed=LATE, token="two")["changed"]
    assert worker.chatgpt(refreshed=LATE, token="three")["changed"]
    assert not worker.chatgpt(refreshed=EARLY)["changed"]
    assert "three" in worker.auth.read_text()


def test_a_damaged_file_is_replaced(worker: Worker) -> None:
    worker.chatgpt()
    worker.auth.write_text(text_of(chatgpt(refreshed=LATE)).replace('"account_id"', "") + "}")
    assert worker.chatgpt()["changed"]


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
    assert done["diff"]["before"].endswith("symbolic link\n")
    assert not worker.auth.is_symlink() and "chatgpt" in other.read_text()
    worker.auth.unlink()
    worker.auth.symlink_to(other)
    worker.run(state="absent")
    assert not worker.auth.is_symlink() and other.exists()


@pytest.mark.parametrize("state", [{"api_key": "sk-x"}, {"state": "absent"}])
def test_a_home_of_somebody_else_is_left_alone(worker: Worker, tmp_path: Path, state: dict[str, Any]) -> None:
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
    wish = SessionWish()
    view = CredentialView(view_of(session_of("running", wish)), Kept(kind="absent", salt="x"))
    planned = SUBJECT.plan(view, options(SUBJECT, name="review", api_key="k"))
    assert planned.warnings == (
        "session review: runs, and its codex keeps the credential that it has read. Restart it to have the new one read.",
    )
    assert SUBJECT.plan(view, options(SUBJECT, name="review", state="absent")).warnings == ()
    stopped = replace(view, task=view_of(session_of("stopped", wish)))
    assert SUBJECT.plan(stopped, options(SUBJECT, name="review", api_key="k")).warnings == ()


def test_a_project_s_own_home_is_refused() -> None:
    view = CredentialView(view_of(session_of("absent", SessionWish()), replace(MADE, home_foreign=True)), Kept(salt="x"))
    with pytest.raises(OptioError, match="is the project's own"):
        plan_credential(view, None, False)


@pytest.mark.parametrize("name", shell.SHELLS)
def test_the_probe_says_nothing_secret_in_any_shell(worker: Worker, name: str) -> None:
    worker.chatgpt(account=f"{MARKER}-account")
    params = options(SUBJECT, name="review", root=str(worker.root), state="absent")
    salts = set()
    for as_argument in (False, True):
        script = credential_script(params)
        said = shell.run(name, script, as_argument=as_argument)
        assert MARKER not in said
        kept = parse_credential(parse(said), "review").kept
        salts.add(kept.salt)
        assert (kept.kind, kept.mode, kept.holds, kept.refreshed) == ("file", 0o600, "chatgpt", EARLY)
        assert kept.is_of(f"{MARKER}-account") and not kept.is_of("another")
        assert kept.is_text(worker.auth.read_text()) and not kept.is_text("another")
    assert len(salts) == 2


def test_the_probe_can_bring_the_file(worker: Worker) -> None:
    worker.chatgpt()
    worker.auth.write_bytes(b"\x00odd\nlines without an end \xff" + b"x" * 5000 + b"}")
    script = credential_script(options(SUBJECT, name="review", root=str(worker.root), state="absent"), content=True)
    for name in shell.SHELLS:
        assert parse_credential(parse(shell.run(name, script)), "review").content == worker.auth.read_bytes()


def test_the_probe_is_sound() -> None:
    shell.shellcheck(credential_script(options(SUBJECT, name="review", state="absent")), "SC2154")
