# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The action that ends a role on a worker, after the table has shown the worker."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.optio.codex.plugins.action.role_end import ActionModule
from ansible_collections.optio.codex.tests.unit.support.action_runner import Connection, action_arguments

GONE = {"unreached": True, "msg": "Failed to connect to the host via ssh: Connection refused", "sessions": []}
FINE = {"changed": False, "sessions": []}

#: (options, what is returned beside changed)
ENDS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"asked": [FINE]}, {}),
    ({"asked": [FINE, {}], "msg": ""}, {}),
    ({}, {}),
    ({"asked": [FINE, GONE]}, {"unreachable": True, "msg": "Connection refused"}),
    ({"asked": [{"results": [FINE, GONE]}], "msg": "not done"}, {"unreachable": True, "msg": "Connection refused"}),
    ({"asked": [FINE], "msg": "not done"}, {"failed": True, "msg": "not done"}),
    ({"asked": [{"failed": True, "msg": "user nix does not exist"}]}, {"failed": True, "msg": "user nix does not exist"}),
]


@pytest.mark.parametrize(("options", "expected"), ENDS)
def test_the_end_of_a_role(options: dict[str, Any], expected: dict[str, Any]) -> None:
    arguments = action_arguments(Connection(True), args=options, action="optio.codex.role_end")
    assert ActionModule(**arguments).run(task_vars={"inventory_hostname": "w1"}) == {"changed": False, **expected}
