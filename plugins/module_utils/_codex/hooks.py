# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The hooks that codex would ask about, as its app server lists them.

codex asks at start about each hook whose hash is not the one in ``hooks.state``. Which hooks it knows, their keys and their hashes differ
between versions, so the installed codex is asked. It answers without network and login, and starts no MCP server.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

SERVER_COMMAND = ("app-server",)
#: in the line of the answer, and in no other
ANSWER = '"id":"hooks"'
#: bytes
ANSWER_LIMIT = 4 << 20
#: the number of hooks that are read
MOST = 100
#: the tables of config.toml that decide which hooks there are; others may name files relative to CODEX_HOME, or hold secrets
CONFIG_KEYS = ("hooks", "features", "projects", "project_root_markers")
#: the file of hooks in CODEX_HOME and in a project's ``.codex``
HOOKS_FILE = "hooks.json"
#: of a hook from a project's ``.codex``
PROJECT = "project"


@dataclass(frozen=True)
class Hook:
    """One hook that codex would ask about."""

    key: str
    hash: str
    #: as in ``hooks.json``, such as SessionStart
    event: str
    command: str
    source: str


def hooks_request(workdir: str) -> str:
    """Return the request for the hooks of a session in ``workdir``."""
    client = {"name": "optio-codex", "title": None, "version": "0"}
    messages: list[dict[str, Any]] = [
        {"id": "start", "method": "initialize", "params": {"clientInfo": client}},
        {"method": "initialized"},
        {"id": "hooks", "method": "hooks/list", "params": {"cwds": [workdir]}},
    ]
    return "".join(f"{json.dumps(message)}\n" for message in messages)


def parse_hooks(answer: str) -> list[Hook]:
    """Return the hooks that codex would ask about; raise ValueError if the answer is not a list of hooks."""
    lines = [line for line in answer.splitlines() if ANSWER in line]
    message = json.loads(lines[-1]) if lines else {}
    error = message.get("error") if isinstance(message, dict) else None
    if isinstance(error, dict):
        raise ValueError(f"answers {error.get('message')}")
    try:
        entries = [entry for place in message["result"]["data"] for entry in place["hooks"]]
        return [
            Hook(
                key=_text(entry["key"]),
                hash=_text(entry["currentHash"]),
                event=_text(entry["eventName"])[:1].upper() + entry["eventName"][1:],
                command=str(entry.get("command") or entry.get("handlerType") or ""),
                source=str(entry.get("source") or ""),
            )
            for entry in entries[:MOST]
            if entry["trustStatus"] in ("untrusted", "modified")
        ]
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"answers without {error}") from error


def hooks_state(trusted: Sequence[Hook], disabled: Sequence[Hook], home: tuple[str, str]) -> dict[str, Mapping[str, Any]]:
    """Return the value of ``hooks.state`` that keeps codex from asking: hooks that run, and hooks that do not.

    ``home`` is the CODEX_HOME of the codex that listed the hooks, and the one of the session: both are part of the keys.
    """
    return {
        **{_moved(hook.key, home): {"trusted_hash": hook.hash} for hook in trusted},
        **{_moved(hook.key, home): {"trusted_hash": hook.hash, "enabled": False} for hook in disabled},
    }


def _moved(key: str, home: tuple[str, str]) -> str:
    asked, own = home
    return f"{own}{key[len(asked) :]}" if key.startswith(f"{asked}/") else key


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("a text")
    return value
