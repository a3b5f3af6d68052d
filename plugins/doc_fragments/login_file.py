# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options that ``credential_fetch`` and ``credential_store`` share."""

from __future__ import annotations


class ModuleDocFragment:
    """Use ``optio.codex.login_file``."""

    DOCUMENTATION = r"""
options:
  vault:
    description:
      - Determines whether to encrypt the file with Ansible Vault. The vault password must have been provided to Ansible.
      - By default, an encrypted file stays encrypted, an unencrypted file stays unencrypted, and a new file is not encrypted.
    type: bool
  vault_id:
    description:
      - The vault ID to encrypt the file with. The default is the vault ID of the existing file, else the first vault ID that was
        provided to Ansible.
      - An empty string is treated as if the option is omitted.
    type: str
  force:
    description:
      - If V(true), the file is also replaced by older tokens, and by tokens of a different account.
    type: bool
    default: false
"""
