# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.optio.codex.plugins.filter.credential_table import credential_table
from ansible_collections.optio.codex.plugins.plugin_utils._table import width

ALIVE = {
    "name": "fix-1412",
    "verdict": "alive",
    "reason": "answered",
    "provider": "openai",
    "version": "0.169.0",
    "message": "session fix-1412: the model gave the right answer.",
}
DEAD = {**ALIVE, "name": "review", "verdict": "dead", "reason": "unauthorized", "message": "session review: refused (401). Give a new key."}


def test_table_of_several_workers() -> None:
    assert credential_table({"w1": [ALIVE, DEAD], "worker-2": []}) == [
        "WORKER    CREDENTIAL  VERDICT      REASON        PROVIDER  VERSION  NOTE",
        "w1        fix-1412    alive        answered      openai    0.169.0",
        "w1        review      dead         unauthorized  openai    0.169.0  refused (401). Give a new key.",
        "worker-2  -           no sessions",
    ]


def test_what_could_not_be_asked_is_shown_with_its_message() -> None:
    failed = {"msg": "session gone has no directory /x. Launch it.", "codex_session_current": "gone", "failed": False}
    outside = {"name": None, "codex_home": "/srv/c", "verdict": "inconclusive", "reason": "skipped", "message": "credential /srv/c: none"}
    assert credential_table({"w": [failed, outside]}) == [
        "WORKER  CREDENTIAL  VERDICT       REASON   NOTE",
        "w       gone        not asked              session gone has no directory /x. Launch it.",
        "w       /srv/c      inconclusive  skipped  none",
    ]


def test_a_long_or_odd_note_stays_one_line() -> None:
    lines = credential_table({"w": [{**DEAD, "message": f"session review: \x1b[31mred\n{'long ' * 99}"}]}, width=100)
    assert len(lines) == 2 and width(lines[1]) <= 100 and "\x1b" not in lines[1] and lines[1].endswith("…")


def test_colors() -> None:
    colored = credential_table({"w": [ALIVE, DEAD, {**ALIVE, "verdict": "inconclusive"}], "v": []}, colors=True)
    assert [line["color"] for line in colored] == ["", "ok", "error", "warn", ""]
    assert all(line["text"] for line in colored)


@pytest.mark.parametrize("wrong", [[], "text", None])
def test_anything_but_workers_is_refused(wrong: Any) -> None:
    with pytest.raises(AnsibleFilterError, match="credential_table requires a dictionary"):
        credential_table(wrong)
