# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The values of sessions that only the controller knows: their address on a gateway."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from ansible.errors import AnsibleConnectionFailure

from ansible_collections.optio.codex.plugins.action.session_info import ActionModule
from ansible_collections.optio.codex.tests.unit.support.action_runner import Connection, action_arguments

HOST = {"inventory_hostname": "worker-1", "ansible_host": ""}
SERVED = {"name": "docs", "attach_command": "tmux attach", "terminal_socket": "/run/optio-codex-web/docs/type.sock"}

#: (variables of the host, changes of the session, the address)
ADDRESSES: list[tuple[dict[str, Any], dict[str, Any], str | None]] = [
    ({"codex_gateway_server_name": ["codex.example.com", "other"]}, {}, "https://codex.example.com/type/docs/"),
    ({"codex_gateway_server_name": "*, codex.example.com"}, {}, "https://codex.example.com/type/docs/"),
    ({"codex_gateway_server_name": "*"}, {}, "https://worker-1/type/docs/"),
    ({"codex_gateway_users": [], "ansible_host": "10.0.0.7"}, {}, "https://10.0.0.7/type/docs/"),
    ({"codex_gateway_users": [], "ansible_host": "fd00::7", "codex_gateway_listen_port": "8443"}, {}, "https://[fd00::7]:8443/type/docs/"),
    # AWX sends an empty string for an unanswered question
    ({"codex_gateway_server_name": "", "codex_gateway_listen_port": ""}, {}, "https://worker-1/type/docs/"),
    # no gateway, a terminal that it does not serve, a session that is not running
    ({}, {}, None),
    ({"codex_gateway_users": []}, {"terminal_socket": "/run/optio-codex/docs/ttyd.sock"}, None),
    ({"codex_gateway_users": []}, {"terminal_socket": None}, None),
    ({"codex_gateway_users": []}, {"attach_command": None}, None),
]


@pytest.mark.parametrize(("variables", "changes", "address"), ADDRESSES)
def test_address_on_the_gateway(variables: dict[str, Any], changes: dict[str, Any], address: str | None) -> None:
    action = ActionModule(**action_arguments(Connection(True)))
    action._variables = {**HOST, **variables}
    result = {"sessions": [{**SERVED, **changes}]}
    action.complete(result)
    assert result["sessions"][0]["gateway_url"] == address


@pytest.mark.parametrize(
    ("collection", "ignored", "is_raised"), [("optio.codex", True, False), ("optio.codex", False, True), ("a.b", True, True)]
)
def test_a_role_gets_a_worker_that_was_not_reached_as_a_result(
    monkeypatch: pytest.MonkeyPatch, collection: str, ignored: bool, is_raised: bool
) -> None:
    """Only on request, and only a role of this collection: for others, ignore_unreachable is what Ansible documents."""
    action = ActionModule(
        **action_arguments(Connection(True), ignore_unreachable=ignored, _role=SimpleNamespace(_role_collection=collection))
    )

    def lose(*_args: Any) -> None:
        raise AnsibleConnectionFailure("timed out")

    monkeypatch.setattr(action, "_answer", lose)
    if is_raised:
        with pytest.raises(AnsibleConnectionFailure):
            action.run(task_vars=HOST)
    else:
        assert action.run(task_vars=HOST) == {"changed": False, "unreached": True, "msg": "timed out", "sessions": []}
