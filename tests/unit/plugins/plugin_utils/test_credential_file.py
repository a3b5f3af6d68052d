# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is saved on the controller, and that a run which is killed at any step leaves the old file or the new one."""

from __future__ import annotations

import os
import signal
import tempfile
from pathlib import Path
from typing import Any

import pytest
from ansible.parsing.vault import VaultLib, VaultSecret, is_encrypted

from ansible_collections.optio.codex.plugins.module_utils._codex.auth_file import Credential, of_api_key, of_auth_json
from ansible_collections.optio.codex.plugins.module_utils._core.errors import OptioError
from ansible_collections.optio.codex.plugins.plugin_utils import _credential_file as credential_file
from ansible_collections.optio.codex.plugins.plugin_utils._credential_file import SCRATCH, CredentialFile, is_to_save
from ansible_collections.optio.codex.tests.unit.support.credential_builders import LATE, MARKER, chatgpt, text_of

PROD, TEST = ("prod", VaultSecret(b"one")), ("test", VaultSecret(b"two"))


def login(**given: Any) -> Credential:
    return of_auth_json(text_of(chatgpt(**given)), "auth.json")


OLD, NEW = login(), login(refreshed=LATE, token="two")


@pytest.mark.parametrize(
    ("saved", "seen", "force", "expected"),
    [
        (None, OLD, False, True),
        (OLD, NEW, False, True),
        (OLD, OLD, False, False),
        (OLD, OLD, True, False),
        (NEW, OLD, False, False),
        (NEW, OLD, True, True),
        # as new, and yet another: the worker's own file is what anybody there can write
        (OLD, login(token="two"), False, False),
        (OLD, login(refreshed="3000", token="two"), False, False),
        (login(refreshed=None), OLD, False, True),
        (OLD, of_api_key("sk-x"), False, False),
        (None, of_api_key("sk-x"), False, False),
        (login(account="b"), NEW, True, True),
        (of_api_key("sk-x"), NEW, True, True),
    ],
)
def test_which_logins_are_saved(saved: Credential | None, seen: Credential, force: bool, expected: bool) -> None:
    assert is_to_save(saved, seen, "seed.json", force) is expected


@pytest.mark.parametrize("saved", [login(account="b"), login(account="b", refreshed=None), of_api_key("sk-x")])
def test_another_account_is_refused(saved: Credential) -> None:
    with pytest.raises(OptioError, match="contains the credential of another account"):
        is_to_save(saved, NEW, "seed.json", False)


def test_written_and_read(tmp_path: Path) -> None:
    kept = CredentialFile(str(tmp_path / "seed.json"))
    assert kept.read() is None
    old_mask = os.umask(0)
    kept.write(OLD, None, None)
    os.umask(old_mask)
    path = tmp_path / "seed.json"
    assert kept.read() == OLD and path.read_text() == OLD.text and path.stat().st_mode & 0o777 == 0o600
    kept.write(NEW, None, None)
    assert kept.read() == NEW and list(tmp_path.iterdir()) == [path]


def test_a_link_on_the_controller_is_written_through(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link.json").symlink_to("real/seed.json")
    kept = CredentialFile(str(tmp_path / "link.json"))
    kept.write(OLD, None, None)
    kept.write(NEW, None, None)
    assert (tmp_path / "link.json").is_symlink() and (tmp_path / "real/seed.json").read_text() == NEW.text


def test_an_encrypted_file_stays_encrypted_with_its_vault_id(tmp_path: Path) -> None:
    path = tmp_path / "seed.json"
    path.write_bytes(VaultLib([TEST]).encrypt(OLD.text, TEST[1], "test"))
    kept = CredentialFile(str(path), (PROD, TEST))
    assert kept.read() == OLD
    kept.write(NEW, None, None)
    assert path.read_text().startswith("$ANSIBLE_VAULT;1.2;AES256;test\n") and MARKER not in path.read_text()
    assert CredentialFile(str(path), (TEST,)).read() == NEW
    kept.write(NEW, True, "prod")
    assert CredentialFile(str(path), (PROD,)).read() == NEW
    kept.write(NEW, False, None)
    assert path.read_text() == NEW.text
    kept.write(NEW, True, None)
    assert is_encrypted(path.read_bytes()) and CredentialFile(str(path), (PROD,)).read() == NEW


@pytest.mark.parametrize(("secrets", "vault_id"), [((), None), ((PROD,), "nobody")])
def test_without_the_password_nothing_is_written(tmp_path: Path, secrets: Any, vault_id: str | None) -> None:
    kept = CredentialFile(str(tmp_path / "seed.json"), secrets)
    with pytest.raises(OptioError, match="cannot be encrypted without the password"):
        kept.write(OLD, True, vault_id)
    assert list(tmp_path.iterdir()) == []


def test_an_invalid_credential_is_reported_without_its_content(tmp_path: Path) -> None:
    path = tmp_path / "seed.json"
    path.write_text(f"{MARKER} {{")
    with pytest.raises(OptioError, match="is not JSON") as raised:
        CredentialFile(str(path)).read()
    assert MARKER not in str(raised.value)
    path.write_bytes(VaultLib([PROD]).encrypt(OLD.text, PROD[1]))
    with pytest.raises(OptioError, match="is encrypted with a vault password that this run does not have"):
        CredentialFile(str(path), (TEST,)).read()
    path.unlink()
    path.mkdir()
    with pytest.raises(OptioError, match="is a directory"):
        CredentialFile(str(path)).read()


#: every call that writing makes of the system, in order
STEPS = ("open", "write", "fsync", "rename", "sync directory")


@pytest.mark.parametrize("encrypted", [False, True], ids=["plain", "vault"])
@pytest.mark.parametrize("step", range(len(STEPS)), ids=STEPS)
def test_killed_before_any_step_the_file_is_whole(tmp_path: Path, step: int, encrypted: bool) -> None:
    """A real process that ends as by SIGKILL; the next run saves, and clears up."""
    path = tmp_path / "seed.json"
    kept = CredentialFile(str(path), (PROD,))
    kept.write(OLD, encrypted, None)
    child = os.fork()
    if child == 0:
        _die_before(step)
        kept.write(NEW, None, None)
        os._exit(0)
    _pid, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status), "the step never came"
    assert kept.read() == (OLD if step <= STEPS.index("rename") else NEW)
    assert MARKER not in "".join(left.read_text() for left in tmp_path.glob(f"{SCRATCH}*")) or not encrypted
    assert all(left.stat().st_mode & 0o777 == 0o600 for left in tmp_path.iterdir())
    kept.write(NEW, None, None)
    assert kept.read() == NEW and list(tmp_path.iterdir()) == [path]


def _die_before(step: int) -> None:
    """Make this process end at one of its next system calls."""
    calls = iter(range(len(STEPS)))

    def counted(original: Any) -> Any:
        def call(*arguments: Any, **keywords: Any) -> Any:
            if next(calls, None) == step:
                os.kill(os.getpid(), signal.SIGKILL)
            return original(*arguments, **keywords)

        return call

    class Stream:
        def __init__(self, stream: Any) -> None:
            self._stream = stream
            self.write = counted(stream.write)

        def __enter__(self) -> Any:
            return self

        def __exit__(self, *_exception: object) -> None:
            self._stream.close()

        def __getattr__(self, name: str) -> Any:
            return getattr(self._stream, name)

    tempfile.mkstemp = counted(tempfile.mkstemp)
    fdopen = os.fdopen
    os.fdopen = lambda *arguments, **keywords: Stream(fdopen(*arguments, **keywords))  # type: ignore[assignment]
    os.fsync = counted(os.fsync)
    os.rename = counted(os.rename)
    credential_file._sync = counted(credential_file._sync)
