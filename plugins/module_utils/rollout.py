# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rollout, codex's own record of a conversation: what it proves of a message and of a turn.

One JSON object a line; shapes recorded from codex 0.142.5 and 0.169.0.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from typing import Any

#: the agent can write here too, and the id goes to a command line
_NAME = re.compile(r"rollout-.*-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\.jsonl\Z")
TURN_STARTED = "task_started"
#: a message is looked for in what was appended since it was sent; more than this was never appended in a second
READ_LIMIT = 8 * 1024 * 1024


def appended(path: str, offset: int) -> Iterator[dict[str, Any]]:
    """Yield the whole objects that a rollout got after ``offset`` bytes; a line being written is left for later."""
    try:
        with open(path, "rb") as stream:
            stream.seek(offset)
            data = stream.read(READ_LIMIT)
    except OSError:
        return
    for line in data[: data.rfind(b"\n") + 1].splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict):
            yield entry


def user_text(entry: dict[str, Any]) -> str | None:
    """Return the text of a user's message, None for any other entry."""
    payload = entry.get("payload")
    if entry.get("type") != "response_item" or not isinstance(payload, dict):
        return None
    if payload.get("type") != "message" or payload.get("role") != "user":
        return None
    content = payload.get("content") or []
    return "".join(part.get("text", "") for part in content if isinstance(part, dict))


def newest(sessions: str) -> str | None:
    """Return the newest rollout below codex's ``sessions`` directory, None when nothing was ever said.

    The id in the name is a UUIDv7 and orders by time; the rest of the name is local time and does not.
    """
    found: list[tuple[str, str]] = []
    for directory, _below, names in os.walk(sessions):
        found.extend((name[-42:-6], os.path.join(directory, name)) for name in names if _NAME.match(name))
    return max(found)[1] if found else None


def size(path: str | None) -> int:
    """Return a rollout's size in bytes, 0 when there is none."""
    try:
        return os.path.getsize(path) if path else 0
    except OSError:
        return 0
