# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The actions of the credential modules, over a connection that runs commands here; and the filter."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible.parsing.dataloader import DataLoader
from ansible.parsing.vault import VaultSecret
from ansible.template import Templar

from ansible_collections.optio.codex.plugins.action import credential_fetch
from ansible_collections.optio.codex.plugins.action.credential import ActionModule as Plant
from ansible_collections.optio.codex.plugins.action.credential_fetch import ActionModule as Fetch
from ansible_collections.optio.codex.plugins.filter.credential_account import credential_account
from ansible_collections.optio.codex.plugins.module_utils._codex.auth_file import account_name
from ansible_collections.optio.codex.plugins.module_utils._codex.login_digest import login_digest
from ansible_collections.optio.codex.plugins.module_utils._core.resource import MASK
from ansible_collections.optio.codex.plugins.module_utils._session.login import mark_text
from ansible_collections.optio.codex.tests.unit.support.action_runner import Connection
from ansible_collections.optio.codex.tests.unit.support.credential_builders import LATE, MARKER, chatgpt, text_of


class Quiet(Connection):
    """Notes whether the connection was told not to show what a command prints."""

    def __init__(self, pipelining: bool, context: SimpleNamespace) -> None:
        super().__init__(pipelining)
        self.context = context
        self.unseen: list[bool] = []

    def exec_command(self, cmd: str, in_data: bytes | None = None, sudoable: bool = True) -> tuple[int, bytes, bytes]:
        self.unseen.append(self.context.no_log)
        return super().exec_command(cmd, in_data, sudoable)


class Lab:
    """A session's auth.json, and actions that look at it."""

    def __init__(self, base: Path, pipelining: bool) -> None:
        self.root = base / "root"
        self.auth = self.root / "review/home/.codex/auth.json"
        for name in (".codex", ".config", ".local/share", ".local/bin", ".cache"):
            (self.root / "review/home" / name).mkdir(parents=True)
        for name in (".config", ".local/share", ".cache"):
            (self.root / "review/agent" / name).mkdir(parents=True)
        self.auth.write_text(text_of(chatgpt()))
        self.auth.chmod(0o600)
        self.mark = self.root / "review/login"
        self.mark.write_text(mark_text(login_digest(chatgpt()["tokens"]["refresh_token"])))
        self.dest = base / "seeds/one.json"
        self.context = SimpleNamespace(executable="/bin/sh", remote_user="worker", pipelining=pipelining, no_log=False)
        self.connection = Quiet(pipelining, self.context)

    def act(self, kind: type[Plant] | type[Fetch], args: Mapping[str, Any], check: bool = False) -> tuple[dict[str, Any], Any]:
        loader = DataLoader()
        loader.set_vault_secrets([("default", VaultSecret(b"password"))])
        task: dict[str, Any] = {"async_val": 0, "check_mode": check, "diff": True, "environment": None, "action": "optio.codex.x"}
        action = kind(
            task=SimpleNamespace(
                **task, args={**({} if "sessions" in args else {"name": "review"}), "sessions_dir": str(self.root), **args}
            ),
            connection=self.connection,
            play_context=self.context,
            loader=loader,
            templar=Templar(loader=loader),
            shared_loader_obj=None,
        )
        shipped: list[dict[str, Any]] = []

        def execute(**arguments: Any) -> dict[str, Any]:
            shipped.append(arguments)
            return {"shipped": True}

        action._execute_module = execute
        result = action.run(task_vars={"inventory_hostname": "worker"})
        return result, shipped

    def fetch(self, check: bool = False, **args: Any) -> dict[str, Any]:
        result, shipped = self.act(Fetch, {"dest": str(self.dest), **args}, check)
        assert shipped == [] and MARKER not in json.dumps(result)
        assert MARKER not in json.dumps(self.connection.commands)
        return result

    def rotate(self) -> str:
        text = text_of(chatgpt(refreshed=LATE, token="two"))
        self.auth.write_text(text)
        return text


@pytest.fixture(params=[True, False], ids=["stdin", "argument"])
def lab(request: pytest.FixtureRequest, tmp_path: Path) -> Lab:
    return Lab(tmp_path, request.param)


@pytest.mark.parametrize("shape", [text_of, dict], ids=["text", "dictionary"])
def test_an_unchanged_credential_is_answered_without_shipping(lab: Lab, shape: Any) -> None:
    result, shipped = lab.act(Plant, {"auth_json": shape(chatgpt())})
    assert shipped == [] and result["changed"] is False and result["kind"] == "chatgpt"
    assert result["account"] == account_name("account-1")
    assert MARKER not in json.dumps(result) and MARKER not in json.dumps(lab.connection.commands)


def test_a_dictionary_is_shipped_as_one_text(lab: Lab) -> None:
    wanted = chatgpt(refreshed=LATE)
    _result, shipped = lab.act(Plant, {"auth_json": wanted})
    assert json.loads(shipped[0]["module_args"]["auth_json"]) == wanted


def test_several_sessions_are_answered_by_one_probe(lab: Lab) -> None:
    sessions = [{"name": "review", "auth_json": chatgpt()}, {"name": "none", "state": "absent"}]
    result, shipped = lab.act(Plant, {"sessions": sessions})
    assert shipped == [] and result["changed"] is False and len(lab.connection.commands) == 1
    assert [(entry["name"], entry["kind"]) for entry in result["sessions"]] == [("review", "chatgpt"), ("none", None)]
    assert MARKER not in json.dumps(result) and MARKER not in json.dumps(lab.connection.commands)
    assert result["invocation"]["module_args"]["sessions"][0]["auth_json"] == MASK


def test_several_sessions_are_shipped_with_their_auth_json_as_text(lab: Lab) -> None:
    sessions = ["review", {"name": "two", "auth_json": chatgpt()}]
    _result, shipped = lab.act(Plant, {"sessions": sessions, "api_key": f"sk-{MARKER}"})
    assert shipped[0]["module_args"]["sessions"][0] == "review"
    assert json.loads(shipped[0]["module_args"]["sessions"][1]["auth_json"]) == chatgpt()
    assert MARKER not in json.dumps(lab.connection.commands)
    preview, shipped = lab.act(Plant, {"sessions": sessions, "api_key": f"sk-{MARKER}"}, check=True)
    assert shipped == [] and preview["changed"] and MARKER not in json.dumps(preview)


@pytest.mark.slow
def test_saved_when_it_is_newer(lab: Lab) -> None:
    assert lab.fetch(check=True)["changed"] and not lab.dest.parent.exists()
    first = lab.fetch()
    assert first["changed"] and first["actions"] == [{"kind": "write", "target": str(lab.dest)}]
    assert lab.dest.read_text() == lab.auth.read_text() and lab.dest.stat().st_mode & 0o777 == 0o600
    assert not lab.fetch()["changed"]
    rotated = lab.rotate()
    done = lab.fetch()
    assert done["changed"] and lab.dest.read_text() == rotated
    assert done["diff"]["after"] == f"{lab.dest}: ChatGPT account, refreshed {LATE}\n"
    assert (done["kind"], done["account"], done["last_refresh"]) == ("chatgpt", account_name("account-1"), LATE)
    lab.auth.write_text(text_of(chatgpt()))
    assert not lab.fetch()["changed"] and lab.dest.read_text() == rotated
    assert set(lab.connection.unseen) == {True} and lab.context.no_log is False


@pytest.mark.slow
def test_a_saved_login_is_recorded_on_the_worker(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """A login that was saved to a place that lasts can be removed; one that is newer again cannot."""
    monkeypatch.setattr(credential_fetch, "temporary_parent", lambda path, environ: None)
    lab.rotate()
    assert lab.fetch(check=True)["actions"][-1] == {"kind": "record", "target": str(lab.mark)}
    refused, _shipped = lab.act(Plant, {"state": "absent"}, check=True)
    assert refused == {"shipped": True}, "the error comes from the module"
    saved = lab.fetch(require_lasting=True)
    assert [action["kind"] for action in saved["actions"]] == ["write", "record"] and saved["outlasts_run"]
    assert lab.mark.stat().st_mode & 0o777 == 0o600
    removed, _shipped = lab.act(Plant, {"state": "absent"}, check=True)
    assert [action["target"] for action in removed["actions"]] == [str(lab.auth), str(lab.mark)]
    assert not lab.fetch(require_lasting=True)["changed"]
    # the file may have been saved without the record, or be newer
    lab.mark.unlink()
    assert [action["kind"] for action in lab.fetch()["actions"]] == ["record"]
    lab.auth.write_text(text_of(chatgpt()))
    assert [action["kind"] for action in lab.fetch()["actions"]] == ["record"]
    lab.auth.write_text(text_of(chatgpt(refreshed=LATE, token="three")))
    assert not lab.fetch()["changed"], "as new as the saved one, but another"


def test_a_record_that_cannot_be_written_is_warned_of(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(credential_fetch, "temporary_parent", lambda path, environ: None)
    lab.rotate()
    lab.mark.unlink()
    (lab.root / "review/login.new/x").mkdir(parents=True)
    saved = lab.fetch()
    assert [action["kind"] for action in saved["actions"]] == ["write"] and "counts as not saved" in saved["warnings"][0]


@pytest.mark.slow
def test_a_place_that_goes_away_does_not_count(lab: Lab) -> None:
    rotated = lab.rotate()
    for check in (True, False):
        refused = lab.fetch(check=check, require_lasting=True)
        assert refused["failed"] and f"dest {lab.dest} is in " in refused["msg"] and not lab.dest.exists()
    saved = lab.fetch()
    assert [action["kind"] for action in saved["actions"]] == ["write"] and lab.dest.read_text() == rotated
    assert not saved["outlasts_run"] and "does not outlast this run" in saved["warnings"][0]
    lab.mark.write_text(mark_text(login_digest(chatgpt(token="two")["tokens"]["refresh_token"])))
    assert "failed" not in lab.fetch(require_lasting=True), "it has a copy elsewhere"


@pytest.mark.slow
def test_saved_by_the_vault_s_password(lab: Lab) -> None:
    assert lab.fetch(vault=True)["changed"] and lab.dest.read_text().startswith("$ANSIBLE_VAULT;1.1;AES256\n")
    lab.rotate()
    assert lab.fetch()["changed"] and lab.dest.read_text().startswith("$ANSIBLE_VAULT;1.1;AES256\n")
    assert not lab.fetch()["changed"]


def test_nothing_there_is_nothing_to_save(lab: Lab) -> None:
    lab.fetch()
    lab.auth.unlink()
    again = lab.fetch()
    assert (again["changed"], again["present"], again["account"]) == (False, False, account_name("account-1"))
    lab.dest.unlink()
    assert lab.fetch()["account"] is None


@pytest.mark.parametrize("damage", ["", "{", '{"tokens": {}}', text_of(chatgpt())[:-30] + "}"])
@pytest.mark.slow
def test_a_damaged_file_is_not_saved(lab: Lab, damage: str) -> None:
    lab.fetch()
    saved = lab.dest.read_text()
    lab.auth.write_text(damage)
    failed = lab.fetch()
    assert failed["failed"] and failed["object"] == str(lab.auth) and lab.dest.read_text() == saved


def test_a_link_is_not_followed(lab: Lab) -> None:
    theirs = lab.root / "theirs.json"
    lab.auth.rename(theirs)
    lab.auth.symlink_to(theirs)
    assert "is not a regular file of the session" in lab.fetch()["msg"]


@pytest.mark.parametrize("args", [{"saved_auth_json": "{}"}, {"nonsense": 1}, {"name": "a/b"}])
def test_wrong_options_are_reported(lab: Lab, args: dict[str, Any]) -> None:
    assert lab.fetch(**args)["failed"]


def test_the_filter_takes_text_and_dictionaries() -> None:
    assert credential_account(chatgpt()) == credential_account(text_of(chatgpt())) == account_name("account-1")
    assert credential_account({"OPENAI_API_KEY": "k"}) == ""
    with pytest.raises(AnsibleFilterError, match=r"auth.json lacks tokens") as raised:
        credential_account(chatgpt(tokens={"access_token": MARKER}))
    assert MARKER not in str(raised.value)
