# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Logins on a host that outlasts the jobs, over a connection that runs commands here; and leases in places that go away."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.parsing.vault import VaultSecret
from ansible.template import Templar

from ansible_collections.optio.codex.plugins.action import credential_store
from ansible_collections.optio.codex.plugins.action.credential_lease import validate_place
from ansible_collections.optio.codex.plugins.action.credential_store import ActionModule as Store
from ansible_collections.optio.codex.plugins.module_utils._codex.auth_file import account_name
from ansible_collections.optio.codex.plugins.module_utils._core.errors import OptioError
from ansible_collections.optio.codex.plugins.plugin_utils._credential_file import SCRATCH
from ansible_collections.optio.codex.tests.unit.support.action_runner import Connection
from ansible_collections.optio.codex.tests.unit.support.credential_builders import LATE, MARKER, chatgpt, text_of

EARLIER, LATER = text_of(chatgpt()), text_of(chatgpt(refreshed=LATE, token="two"))


class StoreHost:
    """A directory for logins, and the action that reads and writes there."""

    def __init__(self, base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.path = base / "logins/one.json"
        self.connection = Connection(pipelining=True)
        self.source = base / "source"
        monkeypatch.setattr(credential_store, "remote_temporary_parent", lambda path: None)
        monkeypatch.setattr(Store, "_make_tmp_path", lambda action: str(base))
        monkeypatch.setattr(Store, "_remove_tmp_path", lambda action, path: self.source.unlink())
        monkeypatch.setattr(Store, "_transfer_data", lambda action, path, data: self._transferred(path, data))

    def _transferred(self, path: str, data: bytes) -> str:
        assert path == str(self.source)
        self.source.write_bytes(data)
        return path

    def act(self, check: bool = False, **args: Any) -> dict[str, Any]:
        loader = DataLoader()
        loader.set_vault_secrets([("default", VaultSecret(b"password"))])
        task = {"async_val": 0, "check_mode": check, "diff": True, "environment": None, "action": "optio.codex.credential_store"}
        action = Store(
            task=SimpleNamespace(**task, args={"path": str(self.path), **args}),
            connection=self.connection,
            play_context=SimpleNamespace(executable="/bin/sh", remote_user="worker", pipelining=True, no_log=False),
            loader=loader,
            templar=Templar(loader=loader),
            shared_loader_obj=None,
        )
        result: dict[str, Any] = action.run(task_vars={"inventory_hostname": "bastion"})
        assert result.get("failed") or result["_ansible_no_log"], "the result has the login"
        shown = {name: value for name, value in result.items() if name != "auth_json"}
        assert MARKER not in json.dumps([shown, self.connection.commands])
        return result


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StoreHost:
    return StoreHost(tmp_path, monkeypatch)


def test_the_newer_login_is_saved_and_returned(store: StoreHost) -> None:
    missing = store.act()
    assert (missing["changed"], missing["present"], missing["auth_json"]) == (False, False, "")
    predicted = store.act(check=True, auth_json=EARLIER)
    assert predicted["changed"] and predicted["auth_json"] == EARLIER and not store.path.parent.exists()
    saved = store.act(auth_json=EARLIER)
    assert saved["changed"] and saved["account"] == account_name("account-1") and store.path.read_text() == EARLIER
    assert (store.path.stat().st_mode & 0o777, store.path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert store.act(auth_json=LATER)["changed"] and store.act()["auth_json"] == LATER
    older = store.act(auth_json=EARLIER)
    assert (older["changed"], older["auth_json"]) == (False, LATER), "the newer login of the host is returned"
    assert store.act(auth_json=EARLIER, force=True)["changed"]
    assert sorted(path.name for path in store.path.parent.iterdir()) == [".optio-codex.lock", "one.json"]


def test_other_credentials_are_not_saved(store: StoreHost) -> None:
    assert not store.act(auth_json=json.dumps({"OPENAI_API_KEY": f"sk-{MARKER}"}))["changed"] and not store.path.exists()
    store.act(auth_json=EARLIER)
    refused = store.act(auth_json=text_of(chatgpt(account="account-2", refreshed=LATE)))
    assert "contains the credential of another account" in refused["msg"] and store.path.read_text() == EARLIER


def test_encrypted_files_stay_encrypted(store: StoreHost) -> None:
    store.act(auth_json=EARLIER, vault=True)
    assert store.path.read_text().startswith("$ANSIBLE_VAULT;1.1;AES256\n")
    assert store.act(auth_json=LATER)["changed"] and store.path.read_text().startswith("$ANSIBLE_VAULT;1.1;AES256\n")
    assert store.act()["auth_json"] == LATER


def test_a_login_of_another_run_is_not_overwritten(store: StoreHost, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another run saves a newer login between the comparison and the write."""
    store.act(auth_json=EARLIER)
    newest = text_of(chatgpt(refreshed="2026-02-01T00:00:00Z", token="three"))
    transferred = store._transferred

    def racing(path: str, data: bytes) -> str:
        store.path.write_text(newest)
        return transferred(path, data)

    monkeypatch.setattr(store, "_transferred", racing)
    result = store.act(auth_json=LATER)
    assert (result["changed"], result["auth_json"], store.path.read_text()) == (False, newest, newest)


def test_scratch_of_a_killed_run_is_removed(store: StoreHost) -> None:
    store.path.parent.mkdir()
    (store.path.parent / f"{SCRATCH}1").write_text("half")
    store.act(auth_json=EARLIER)
    assert list(store.path.parent.glob(f"{SCRATCH}*")) == []


@pytest.mark.parametrize("place", ["link", "directory", "damaged"])
def test_anything_else_in_the_place_of_the_file_is_an_error(store: StoreHost, place: str) -> None:
    store.path.parent.mkdir()
    other = store.path.parent / "other"
    other.write_text(EARLIER)
    if place == "link":
        store.path.symlink_to(other)
    elif place == "directory":
        store.path.mkdir()
    else:
        store.path.write_text(f'{{"tokens": {{"id_token": "{MARKER}"')
    failed = store.act(auth_json=LATER)
    assert failed["failed"] and str(store.path) in failed["msg"] and other.read_text() == EARLIER


@pytest.mark.parametrize("args", [{"path": "relative.json"}, {"auth_json": "{"}, {"nonsense": 1}])
def test_wrong_options_are_errors(store: StoreHost, args: dict[str, Any]) -> None:
    assert store.act(**args)["failed"]


def test_a_temporary_directory_of_the_host_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = StoreHost(tmp_path, monkeypatch)
    monkeypatch.undo()
    store.path = Path("/tmp/optio-codex-unwritten/one.json")
    for check in (True, False):
        refused = store.act(check=check, auth_json=EARLIER, require_lasting=True)
        assert "is in /tmp, which does not outlast this run" in refused["msg"] and "codex_session_credential_host" in refused["msg"]
    assert not store.path.parent.exists() and not store.act()["outlasts_run"]
    shutil.rmtree(store.path.parent, ignore_errors=True)


def test_a_directory_of_the_job_on_the_controller_is_refused(store: StoreHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store.connection.transport = "local"
    monkeypatch.setenv("AWX_PRIVATE_DATA_DIR", str(tmp_path))
    for check in (True, False):
        refused = store.act(check=check, auth_json=EARLIER, require_lasting=True)
        assert f"is in {tmp_path}, which does not outlast this run" in refused["msg"]
    assert not store.path.parent.exists() and not store.act()["outlasts_run"]


def test_leases_in_a_job_s_own_places_are_refused() -> None:
    job = {"AWX_PRIVATE_DATA_DIR": "/srv/job_7"}
    with pytest.raises(OptioError, match=r"lease_dir /srv/job_7/env is in /srv/job_7, which goes away with this job") as raised:
        validate_place({"lease_dir": "/srv/job_7/env", "require_lasting": True}, job)
    assert "codex_session_credential_host" in str(raised.value)
    for args, environ in (
        ({"lease_dir": "/srv/job_7/env", "require_lasting": True, "state": "absent"}, job),
        ({"lease_dir": "/srv/job_7/env"}, job),
        ({"lease_dir": "/srv/job_7/env", "require_lasting": True}, {}),
        ({"lease_dir": "/tmp/leases", "require_lasting": True}, {}),
    ):
        validate_place(args, environ)
