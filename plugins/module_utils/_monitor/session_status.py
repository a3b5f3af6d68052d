# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The reports of a session: the file for a web server's page, and the events of a webhook. Pure functions.

Every text in it comes from the agent or from codex, so it is one line, short, and without control characters.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from datetime import datetime, timezone
from typing import Any

from .._codex import screen
from .._codex.rollout import parse_rollout, shortened
from .._codex.usage_limit import describe_usage
from .._core.probe import Section
from .._session.agent_log import parse_log
from .activity import asks_person

FORMAT = 1
#: bytes of the file
LIMIT = 8192
#: characters of its texts
TEXT_LIMITS: Mapping[str, int] = {"reason": 300, "progress": 200, "last_message": 400}
#: the activities of which a webhook can be notified
EVENTS = ("waiting", "limited", "done", "failed")
#: in these, something changes by itself before long
UNSETTLED = ("starting", "working", "unknown")
#: the fields that an event adds to those of the file
_OF_EVENT = ("session_id", "user", "workdir", "session_dir", "attach_command")


def current_activity(entry: Mapping[str, Any], section: Section, title: str) -> tuple[str | None, str | None]:
    """Return the activity of a session and its reason, as ``session_info`` returns it and for people.

    None for a session that was stopped. An agent whose last log entry is ATTENTION waits for a person. The title of the
    terminal is ahead of the files.
    """
    activity, talk, log = entry["activity"], parse_rollout(section), parse_log(section)
    progress, code = entry["progress"], entry["exit_status"]
    kind = screen.title_kind(title) if entry["status"] == "running" else None
    if kind == "waiting" or (kind == "working" and activity in ("idle", "limited", "done", "failed")):
        activity = kind
    if activity == "waiting":
        return activity, screen.menu_question(entry.get("screen") or "")
    if entry["status"] == "running" and activity in ("idle", "done", "failed") and asks_person(talk, log):
        return "waiting", log.attention
    if activity == "ended":
        return "done", "codex exited"
    if activity == "limited":
        return activity, describe_usage(entry["usage_limit"]) if entry["usage_limit"] else entry["error"]
    if activity == "failed":
        declared = progress["outcome_text"] if progress["outcome"] == "error" else None
        return activity, entry["error"] or (f"codex exited with status {code}" if code else declared)
    return activity, progress["outcome_text"] if activity == "done" else None


def document(entry: Mapping[str, Any], activity: str, reason: str | None, before: Mapping[str, Any], now: float) -> dict[str, Any]:
    """Return the fields of the file; ``before`` is the last document, which an activity that goes on began with."""
    usage = entry["usage_limit"]
    total = (entry["tokens"] or {}).get("total")
    texts = {"reason": reason, "progress": entry["log"], "last_message": entry["message"]}
    shown = {name: plain(text, TEXT_LIMITS[name]) for name, text in texts.items()}
    goes_on = _goes_on(activity, entry["turns"], before) and isinstance(before.get("since"), str)
    return {
        **{"format": FORMAT, "session": entry["name"], "activity": activity},
        "since": before["since"] if goes_on else timestamp(now),
        "reason": shown["reason"],
        "turns": entry["turns"],
        "tokens": total.get("total_tokens") if isinstance(total, Mapping) else None,
        **{name: shown[name] for name in ("progress", "last_message")},
        "limit": {"used_percent": usage["used_percent"], "resets_at": timestamp(usage["resets_at"])} if usage else None,
        "codex_version": entry["version"],
        "updated_at": timestamp(now),
    }


def is_news(fields: Mapping[str, Any], before: Mapping[str, Any]) -> bool:
    """Return whether a document differs from the one before in more than its own time."""
    return {**fields, "updated_at": None} != {**before, "updated_at": None}


def file_text(fields: Mapping[str, Any]) -> str:
    """Return the text of the file, which is never longer than LIMIT bytes."""
    text = f"{json.dumps(fields)}\n"
    if len(text) <= LIMIT:
        return text
    return f"{json.dumps({**fields, **dict.fromkeys(TEXT_LIMITS)})}\n"


def event_of(
    entry: Mapping[str, Any], fields: Mapping[str, Any], before: Mapping[str, Any], events: Collection[str]
) -> dict[str, Any] | None:
    """Return the event of an activity that has just begun, None if it is not one of ``events`` or is not new."""
    activity = fields["activity"]
    if activity not in events or _goes_on(activity, fields["turns"], before):
        return None
    return {**fields, "event": activity, **{name: entry[name] for name in _OF_EVENT}}


def _goes_on(activity: str, turns: int | None, before: Mapping[str, Any]) -> bool:
    """Return whether an activity is that of the document before; the activity between two turns may be too short to be seen."""
    return bool(before.get("activity") == activity and before.get("turns") == turns)


def plain(text: str | None, limit: int) -> str | None:
    """Return a text in one line of characters that can be printed, None if nothing of it is left."""
    if not text:
        return None
    printable = "".join(letter if letter.isprintable() else " " for letter in text[: limit * 8])
    return shortened(" ".join(printable.split()), limit) or None


def timestamp(seconds: float | None) -> str | None:
    """Return a time as ISO 8601 in UTC."""
    return None if seconds is None else f"{datetime.fromtimestamp(int(seconds), timezone.utc):%Y-%m-%dT%H:%M:%SZ}"
