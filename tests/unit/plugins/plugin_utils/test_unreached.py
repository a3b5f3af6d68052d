# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.optio.codex.plugins.plugin_utils._unreached import brief_cause, cause, is_unreached

REFUSED = "ssh: connect to host 192.0.2.7 port 22: Connection refused"
#: (what ansible-core says, the cause, the cause in a table)
MESSAGES = [
    (f"Failed to connect to the host via ssh: {REFUSED}", REFUSED, "Connection refused"),
    (
        f'Task failed: Data could not be sent to remote host "w7". Make sure this host can be reached over ssh: {REFUSED}\r\n',
        REFUSED,
        "Connection refused",
    ),
    (
        "Failed to connect to the host via ssh: Warning: added w7\r\nw7: Permission denied (publickey).",
        *["w7: Permission denied (publickey)."] * 2,
    ),
    ("Failed to connect to the host via ssh: Connection to w7 port 22 timed out", "Connection to w7 port 22 timed out", "timed out"),
    ("timed out", "timed out", "timed out"),
    ("", "", ""),
]


@pytest.mark.parametrize(("message", "full", "brief"), MESSAGES)
def test_the_cause_is_the_last_line_without_the_words_of_ansible(message: str, full: str, brief: str) -> None:
    for registered in (
        {"unreached": True, "msg": message},
        {"msg": "all items completed", "results": [{"unreachable": True, "msg": message}]},
    ):
        assert is_unreached(registered) and (cause(registered), brief_cause(registered)) == (full, brief)


def test_an_error_of_a_worker_that_was_reached_is_left() -> None:
    registered = {"failed": True, "msg": "Task failed: one\ntwo"}
    assert not is_unreached(registered) and cause(registered) == "one\ntwo"


@pytest.mark.parametrize("found", [None, [], "", {}, {"results": [{"sessions": []}, "text"]}, {"results": "text"}])
def test_a_worker_that_was_reached(found: Any) -> None:
    assert not is_unreached(found) and brief_cause(found) == ""
