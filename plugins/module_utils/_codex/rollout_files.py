# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rollout files of a codex home: their names, sizes, and the newest of the session's own."""

from __future__ import annotations

import os
import re

from .._core.safe_open import open_regular

#: the agent can write here too, and the id goes to a command line
_NAME = re.compile(r"rollout-.*-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\.jsonl\Z")
#: bytes of a rollout's first line that contain its source; the directory's name precedes it
HEAD = 16384
#: sources of rollouts that are not the session's own conversation: sub-agents, and a codex that the agent has run. codex
#: writes them to the same directory, with later ids
OTHERS = r'"source": ?(\{"subagent"|"exec"|"mcp")'
_OTHERS = re.compile(OTHERS.encode())


def session_id_of(path: str) -> str:
    """Return the id of the conversation in a rollout's name, ``rollout-<local time>-<UUID>.jsonl``."""
    return path[-42:-6]


def newest(sessions: str) -> str | None:
    """Return the rollout of the newest conversation below codex's ``sessions`` directory, None if there is none.

    The id in the name is a UUIDv7 and orders by time; the rest of the name is local time and does not.
    """
    found: list[tuple[str, str]] = []
    for directory, _below, names in os.walk(sessions):
        found.extend((session_id_of(name), os.path.join(directory, name)) for name in names if _NAME.match(name))
    return next((path for _id, path in sorted(found, reverse=True) if not _is_other(path)), None)


def _is_other(path: str) -> bool:
    """Return whether a rollout is not the session's own conversation, by its source."""
    try:
        with os.fdopen(open_regular(path), "rb") as stream:
            return bool(_OTHERS.search(stream.readline(HEAD)))
    except OSError:
        return False


def size(path: str | None) -> int:
    """Return a rollout's size in bytes, 0 when there is none."""
    try:
        return os.path.getsize(path) if path else 0
    except OSError:
        return 0


def sizes(sessions: str) -> dict[str, int]:
    """Return every rollout below codex's ``sessions`` directory with its size; codex's helpers write some of their own."""
    paths = (os.path.join(directory, name) for directory, _below, names in os.walk(sessions) for name in names if _NAME.match(name))
    return {path: size(path) for path in paths}
