# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The list of hooks from codex's app server, and what a command line says about them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.optio.codex.plugins.module_utils._codex.hooks import ANSWER, MOST, Hook, hooks_request, hooks_state, parse_hooks

#: as 0.142.5 prints it, which lacks three of the fields of 0.169.0
LISTED: dict[str, Any] = {
    "key": "/srv/w/.codex/hooks.json:session_start:0:0",
    "eventName": "sessionStart",
    "handlerType": "command",
    "matcher": "startup|resume",
    "command": "./greet",
    "timeoutSec": 600,
    "statusMessage": None,
    "sourcePath": "/srv/w/.codex/hooks.json",
    "source": "project",
    "pluginId": None,
    "displayOrder": 0,
    "enabled": True,
    "isManaged": False,
    "currentHash": "sha256:8a7295",
    "trustStatus": "untrusted",
}
HOOK = Hook("/srv/w/.codex/hooks.json:session_start:0:0", "sha256:8a7295", "SessionStart", "./greet", "project")


def answer(*hooks: Any) -> str:
    """Return what codex prints, notifications included."""
    result = {"data": [{"cwd": "/srv/w", "hooks": list(hooks), "warnings": [], "errors": []}]}
    lines: list[dict[str, Any]] = [{"id": "start", "result": {}}, {"method": "configWarning"}, {"id": "hooks", "result": result}]
    return "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines)


def test_request() -> None:
    messages = [json.loads(line) for line in hooks_request('/srv/a "b"').splitlines()]
    assert [message["method"] for message in messages] == ["initialize", "initialized", "hooks/list"]
    assert messages[2]["params"] == {"cwds": ['/srv/a "b"']} and ANSWER in answer()


@pytest.mark.parametrize(
    ("hooks", "found"),
    [
        ([], []),
        ([LISTED], [HOOK]),
        ([{**LISTED, "trustStatus": status} for status in ("trusted", "managed", "modified")], [HOOK]),
        ([{**LISTED, "command": None, "handlerType": "prompt", "source": None}], [Hook(HOOK.key, HOOK.hash, HOOK.event, "prompt", "")]),
        ([LISTED] * (MOST + 1), [HOOK] * MOST),
    ],
)
def test_hooks(hooks: list[Any], found: list[Hook]) -> None:
    assert parse_hooks(answer(*hooks)) == found


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Not JSON\n",
        '{"id":"hooks"\n',
        '{"id":"hooks","error":{"code":-32600,"message":"unknown variant `hooks/list`"}}\n',
        '["id",{"id":"hooks"}]\n',
        '{"id":"hooks","result":{"data":7}}\n',
        answer("text"),
        answer({**LISTED, "currentHash": 7}),
        answer({**LISTED, "key": None}),
        answer({name: value for name, value in LISTED.items() if name != "trustStatus"}),
    ],
)
def test_other_answers(text: str) -> None:
    with pytest.raises(ValueError):
        parse_hooks(text)


def test_state_has_the_keys_of_the_session() -> None:
    own = Hook("/s/.questions/config.toml:stop:0:0", "sha256:1", "Stop", "x", "user")
    state = hooks_state([own], [HOOK], ("/s/.questions", "/s/home/.codex"))
    assert state == {
        "/s/home/.codex/config.toml:stop:0:0": {"trusted_hash": "sha256:1"},
        HOOK.key: {"trusted_hash": HOOK.hash, "enabled": False},
    }
