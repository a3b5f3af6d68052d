# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A credential in a file on the controller, plain or encrypted with Ansible's vault, replaced so that no crash harms it."""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ansible.errors import AnsibleError
from ansible.parsing.vault import VaultLib, is_encrypted, match_encrypt_secret, parse_vaulttext_envelope

from ansible_collections.optio.codex.plugins.module_utils._codex import auth_file
from ansible_collections.optio.codex.plugins.module_utils._codex.auth_file import CHATGPT, Credential
from ansible_collections.optio.codex.plugins.module_utils._core import files
from ansible_collections.optio.codex.plugins.module_utils._core.errors import OptioError

#: left by a run that was killed, and removed by the next one
SCRATCH = ".optio-codex-credential-"
_PASSWORD = "Pass the vault password to ansible-playbook (--vault-password-file, --vault-id or --ask-vault-pass)"


def is_to_save(saved: Credential | None, seen: Credential, dest: str, force: bool) -> bool:
    """Return whether a session's credential replaces the saved one; raise OptioError for another account's."""
    if seen.kind != CHATGPT:
        # the other kinds never change
        return False
    if saved is None:
        return True
    if saved.account_id != seen.account_id and not force:
        raise OptioError(dest, f"{dest} contains the credential of another account", "Set another dest, or set force")
    return saved.text != seen.text and (force or auth_file.is_newer(seen.refreshed, saved.refreshed))


@dataclass
class CredentialFile:
    """The file at ``path``; ``secrets`` are the vault's passwords that Ansible was started with."""

    path: str
    secrets: Sequence[tuple[str, Any]] = ()

    def read(self) -> Credential | None:
        """Return the saved credential, None if the file does not exist; raise OptioError if it is not a credential."""
        raw = self._raw()
        if raw is None:
            return None
        if is_encrypted(raw):
            try:
                raw = bytes(VaultLib(list(self.secrets)).decrypt(raw))
            except AnsibleError:
                raise OptioError(
                    self.path, f"{self.path} is encrypted with a vault password that this run does not have", _PASSWORD
                ) from None
        return auth_file.of_auth_json(raw.decode("utf-8", "replace"), self.path)

    def write(self, credential: Credential, vault: bool | None, vault_id: str | None) -> None:
        """Replace the file by one rename; ``vault`` None leaves it encrypted, or not, as it is.

        Whenever a run is killed, the file is the old one or the new one, whole, and on the disk.
        """
        data = self._encrypted(credential.text, vault, vault_id)
        target = os.path.realpath(self.path)
        directory = os.path.dirname(target)
        try:
            for left in glob.glob(f"{glob.escape(directory)}/{SCRATCH}*"):
                os.unlink(left)
            with files.replacing(target, SCRATCH) as stream:
                stream.write(data)
            _sync(directory)
        except OSError as error:
            raise files.failure(self.path, error) from error

    def _raw(self) -> bytes | None:
        try:
            with open(self.path, "rb") as stream:
                return stream.read()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise files.failure(self.path, error) from error

    def _encrypted(self, text: str, vault: bool | None, vault_id: str | None) -> bytes:
        raw = self._raw()
        was = raw is not None and is_encrypted(raw)
        if not (was if vault is None else vault):
            return text.encode()
        if was and not vault_id:
            vault_id = parse_vaulttext_envelope(raw)[3]
        secrets = list(self.secrets)
        try:
            found = match_encrypt_secret(secrets, encrypt_vault_id=vault_id or None)
        except AnsibleError:
            found = None
        if not found:
            cause = f"{self.path} cannot be encrypted without the password{f' of the vault id {vault_id}' if vault_id else ''}"
            raise OptioError(self.path, cause, _PASSWORD)
        name, secret = found
        return bytes(VaultLib(secrets).encrypt(text, secret, None if name == "default" else name))


def _sync(directory: str) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
