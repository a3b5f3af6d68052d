# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.optio.codex.plugins.filter.session_workers import session_workers

SESSION = {"name": "a", "status": "running"}
GONE = {"unreached": True, "msg": "timed out", "sessions": []}
FAILED = {"failed": True, "msg": "why"}

HOSTVARS: dict[str, dict[str, Any]] = {
    "fine": {"codex_session_results": [SESSION], "codex_session__run": {"results": [{"sessions": [SESSION]}]}},
    # the results of an earlier role of the play
    "gone": {"codex_session_results": [SESSION], "codex_session__run": {"results": [GONE]}},
    "gone at first": {"codex_session_results": [], "codex_session__run": {"results": []}, "codex_session__looked": GONE},
    "failed": {"codex_session__run": FAILED},
    "partly": {"codex_session_results": [SESSION, FAILED], "codex_session__run": {"failed": True, "sessions": [SESSION, FAILED]}},
    "begun": {"codex_session__run": {}},
    "lost": {"codex_session__run": {"unreachable": True}},
    "never": {},
    "lost early": {"codex_session__run": {}},
}
LOST = ["lost", "never", "lost early"]


def test_the_results_and_the_tasks_that_had_none() -> None:
    names = [name for name in HOSTVARS if name not in LOST]
    found = session_workers(names, HOSTVARS, lost=LOST)
    assert list(found) == [*LOST, *names]
    assert found == {
        **{"lost": {"unreachable": True}, "never": None, "fine": [SESSION], "gone": {"results": [GONE]}, "gone at first": GONE},
        **{"failed": FAILED, "partly": [SESSION, FAILED], "begun": None, "lost early": None},
    }


def test_input_that_is_not_a_list_is_refused() -> None:
    with pytest.raises(AnsibleFilterError, match="the input is not a list of names, but str"):
        session_workers("w1", HOSTVARS)
