# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Identifier of the account of a ChatGPT login that can be shown to others."""

from __future__ import annotations

DOCUMENTATION = r"""
name: credential_account
short_description: Return an identifier of the account of a codex credential
version_added: 1.0.0
description:
  - Returns the account identifier of an C(auth.json), which M(optio.codex.credential) returns as C(account). Use it for
    O(optio.codex.credential_lease#module:name) of M(optio.codex.credential_lease). It is a digest of the account's ID, and does not
    change when codex refreshes the tokens.
  - For API keys and access tokens, which any number of sessions can use, an empty string is returned.
options:
  _input:
    description: The content of an C(auth.json), as text or as a dictionary.
    type: raw
    required: true
author:
  - The optio.codex contributors (@optio-codex)
"""

EXAMPLES = r"""
- name: Show the account identifier
  ansible.builtin.debug:
    msg: "{{ lookup('ansible.builtin.file', 'auth.json') | optio.codex.credential_account }}"
"""

RETURN = r"""
_value:
  description: The account identifier (16 hexadecimal digits), or an empty string.
  type: str
"""

import json
from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.optio.codex.plugins.module_utils._codex.auth_file import of_auth_json
from ansible_collections.optio.codex.plugins.module_utils._core.errors import OptioError


def credential_account(content: Any) -> str:
    """Return the name; raise AnsibleFilterError without any value if codex could not use the credential."""
    # values encrypted with Ansible's vault are not text before ansible-core 2.19
    text = json.dumps(content, default=str) if isinstance(content, dict) else str(content)
    try:
        return of_auth_json(text, "auth.json").account
    except OptioError as error:
        raise AnsibleFilterError(str(error)) from None


class FilterModule:
    """Makes the filter known to Ansible."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by its name."""
        return {"credential_account": credential_account}
