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


def decoded(raw: bytes, path: str, secrets: Sequence[tuple[str, Any]]) -> Credential:
    """Return the credential in the bytes of a file; raise OptioError, which names ``path``, for anything else."""
    if is_encrypted(raw):
        try:
            raw = bytes(VaultLib(list(secrets)).decrypt(raw))
        except AnsibleError:
            raise OptioError(path, f"{path} is encrypted with a vault password that this run does not have", _PASSWORD) from None
    return auth_file.of_auth_json(raw.decode("utf-8", "replace"), path)


def encoded(
    text: str, earlier: bytes | None, path: str, vault: bool | None, vault_id: str | None, secrets: Sequence[tuple[str, Any]]
) -> bytes:
    """Return the bytes of the file for a text; ``vault`` None leaves it encrypted, or not, as it is."""
    was = earlier is not None and is_encrypted(earlier)
    if not (was if vault is None else vault):
        return text.encode()
    if was and not vault_id:
        vault_id = parse_vaulttext_envelope(earlier)[3]
    try:
        found = match_encrypt_secret(list(secrets), encrypt_vault_id=vault_id or None)
    except AnsibleError:
        found = None
    if not found:
        cause = f"{path} cannot be encrypted without the password{f' of the vault id {vault_id}' if vault_id else ''}"
        raise OptioError(path, cause, _PASSWORD)
    name, secret = found
    return bytes(VaultLib(list(secrets)).encrypt(text, secret, None if name == "default" else name))


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
        return decoded(raw, self.path, self.secrets)

    def write(self, credential: Credential, vault: bool | None, vault_id: str | None) -> None:
        """Replace the file by one rename; ``vault`` None leaves it encrypted, or not, as it is.

        Whenever a run is killed, the file is the old one or the new one, whole, and on the disk.
        """
        data = encoded(credential.text, self._raw(), self.path, vault, vault_id, self.secrets)
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


def _sync(directory: str) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
