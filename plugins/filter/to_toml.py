# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Convert a dictionary to TOML, the format of codex's configuration."""

from __future__ import annotations

DOCUMENTATION = r"""
name: to_toml
short_description: Convert a dictionary to TOML
version_added: 1.0.0
description:
  - Converts a dictionary to the text of a TOML document. Scalar values are written first, then a table for each nested dictionary. Lists
    are written on one line.
  - Null values are rejected, because TOML does not support them. Values must be dictionaries, lists, strings, numbers or booleans.
options:
  _input:
    description: The dictionary to convert.
    type: dict
    required: true
author:
  - The optio.codex contributors (@optio-codex)
"""

EXAMPLES = r"""
- name: Set a policy for every user of the worker
  ansible.builtin.copy:
    dest: /etc/codex/requirements.toml
    content: "{{ {'allowed_sandbox_modes': ['read-only', 'workspace-write']} | optio.codex.to_toml }}"
    mode: "0644"
"""

RETURN = r"""
_value:
  description: The TOML document.
  type: str
"""

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.optio.codex.plugins.module_utils._core.errors import OptioError
from ansible_collections.optio.codex.plugins.module_utils._core.toml import dumps


def to_toml(document: Mapping[str, Any]) -> str:
    """Return the text; raise AnsibleFilterError for values that TOML does not support."""
    if not isinstance(document, Mapping):
        raise AnsibleFilterError(f"to_toml wants a dictionary, not {type(document)}")
    try:
        return dumps(document)
    except OptioError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """Makes the filter known to Ansible."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by its name."""
        return {"to_toml": to_toml}
