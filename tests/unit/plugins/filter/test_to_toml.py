# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.optio.codex.plugins.filter.to_toml import to_toml


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"allowed_sandbox_modes": ["read-only"], "allowed_approval_policies": []},
        {"a": 1, "b": {"c d": {"e": 'x"\\\n'}, "f": True}, "g": 1.5},
        {"rules": {"prefix_rules": [{"pattern": [{"token": "rm"}], "decision": "forbidden"}]}},
        {"mcp_servers": {"x": {"identity": {"command": "y"}}}, "empty": {}},
    ],
)
def test_document_is_read_back_as_it_was(document: dict[str, Any]) -> None:
    assert tomllib.loads(to_toml(document)) == document


@pytest.mark.parametrize(("wrong", "said"), [([], "wants a dictionary"), ("x", "wants a dictionary"), ({"a": None}, "is of type NoneType")])
def test_what_toml_cannot_hold_is_refused(wrong: Any, said: str) -> None:
    with pytest.raises(AnsibleFilterError, match=said):
        to_toml(wrong)
