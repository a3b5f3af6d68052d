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
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from .._core.probe import Section

#: the agent can write here too, and the id goes to a command line
_NAME = re.compile(r"rollout-.*-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\.jsonl\Z")
TURN_STARTED = "task_started"
#: bytes of a rollout's first line within which it says where it comes from; the directory's name comes before
HEAD = 16384
#: what the rollouts say that are no conversation of the session's own: a sub-agent's, and those of a codex that the
#: agent has run. codex writes them beside it, and later ones have later ids
OTHERS = r'"source": ?(\{"subagent"|"exec"|"mcp")'
_OTHERS = re.compile(OTHERS.encode())
#: a message is looked for in what was appended since it was sent; more than this was never appended in a second
READ_LIMIT = 8 * 1024 * 1024
#: bytes of a rollout's end that tell of its last turn
TAIL = 1024 * 1024
#: bytes of a rollout beyond which nobody counts its turns
COUNT_LIMIT = 256 * 1024 * 1024
#: characters of one text that are returned
TEXT_LIMIT = 4000
#: the lines of a rollout that tell of its turns. An unescaped quotation mark is the file's own, so that no text of a
#: message is taken for an event
EVENT_LINE = r'"type": ?"event_msg", ?"payload": ?\{"type": ?"(task_started|task_complete|turn_aborted|token_count|user_message)"'
#: what is taken of such a line for the last turn, and for the tokens
TURN_PARTS = "|".join(
    (
        r'"type": ?"(task_started|task_complete|user_message)"',
        r'"type": ?"turn_aborted"[^{}]*',
        r'"started_at": ?[0-9]+',
        r'"last_agent_message": ?null',
        r'"error": ?\{[^{}]*',
    )
)
TOKEN_PART = r'"total_token_usage": ?\{[^{}]*\}, ?"last_token_usage": ?\{[^{}]*\}'
SAID_LINE = r'"type": ?"response_item", ?"payload": ?\{"type": ?"message".*"role": ?"assistant"'

#: shell: ``rollout_facts`` tells of the rollout in ``$1`` in bounded memory and time, whatever is in it. The mark at
#: the end of what is read takes a line that is still being written along when the last line is dropped
SHELL_ROLLOUT = rf"""
rollout_end() {{ {{ tail -c {TAIL} "$1"; echo '#'; }} | tr '\000' ' ' | sed '$d'; }}
rollout_events() {{ rollout_end "$1" | grep -E '{EVENT_LINE}'; }}
rollout_count() {{
  grep -cF -e "\"event_msg\",\"payload\":{{\"type\":\"$2\"" -e "\"event_msg\", \"payload\": {{\"type\": \"$2\"" "$1"
}}
rollout_facts() {{
  set -- "$1" "$(stat -c '%Y %s' "$1")"
  emit updated "${{2% *}}"
  emit rollout_size "${{2#* }}"
  rollout_events "$1" | grep -oE '{TURN_PARTS}' | tail -n 20 | cut -c 1-8000 | sed 's/^/event+/'
  emit tokens "$(rollout_events "$1" | grep -oE '{TOKEN_PART}' | tail -n 1)"
  emit said "$(rollout_end "$1" | grep -E '{SAID_LINE}' | tail -n 1 | cut -c 1-20000)"
  [ "${{2#* }}" -le {COUNT_LIMIT} ] || return 0
  emit begun "$(rollout_count "$1" task_started)"
  emit completed "$(rollout_count "$1" task_complete)"
  emit aborted "$(rollout_count "$1" turn_aborted)"
}}
"""
_NUMBER = re.compile(r"[0-9]{1,15}\Z")
_TYPE = re.compile(r'"type": ?"(\w+)"')
#: the beginning of a JSON string, which may be cut anywhere
_TEXT = r'"{}": ?"((?:[^"\\]|\\.)*)'
_ASSISTANT_TEXT = re.compile(r'"role": ?"assistant".*?' + _TEXT.format("text"))
_MESSAGE = re.compile(_TEXT.format("message"))
_REASON = re.compile(_TEXT.format("reason"))
#: why codex gives a turn up without anything having failed
_BY_REQUEST = ("interrupted", "replaced", "review_ended")


@dataclass(frozen=True)
class Conversation:
    """What a rollout says of its conversation so far.

    ``turn`` is how the last turn stands: ``open``, ``complete``, ``interrupted`` (a person has) or ``failed``.
    """

    turn: str | None = None
    turn_started: int | None = None
    error: str | None = None
    turns: int | None = None
    ended: int | None = None
    tokens: dict[str, Any] | None = None
    message: str | None = None


def parse_rollout(facts: Section) -> Conversation:
    """Return what the probe found in a rollout; of a damaged one, what can be read."""
    turn, started, error = _last_turn(facts.lines.get("event", ()))
    turns, completed, aborted = (facts.number(name) for name in ("begun", "completed", "aborted"))
    ended = None if completed is None or aborted is None else completed + aborted
    if turn is None and turns and ended is not None and (facts.number("rollout_size") or 0) > TAIL:
        # the last event lies before the part that was searched
        turn = "open" if turns > ended else "complete"
    said = _ASSISTANT_TEXT.search(facts.get("said"))
    message = shortened(_unquoted(said.group(1))) if said else None
    return Conversation(turn, started, error, turns, ended, _tokens(facts.get("tokens")), message)


def _last_turn(events: Sequence[str]) -> tuple[str | None, int | None, str | None]:
    turn: str | None = None
    started: int | None = None
    error: str | None = None
    silent, heard = False, True
    for event in events:
        found = _TYPE.match(event)
        kind = found.group(1) if found else event.partition('"')[2].partition('"')[0]
        if kind == TURN_STARTED:
            turn, started, error, silent, heard = "open", None, None, False, False
        elif kind == "user_message":
            heard = True
        elif kind == "task_complete":
            turn = "complete"
        elif kind == "turn_aborted":
            reason = _REASON.search(event)
            why = _unquoted(reason.group(1)) if reason else ""
            turn, error = ("interrupted", None) if why in _BY_REQUEST else ("failed", f"codex gave the turn up: {why}")
        elif kind == "started_at" and (number := _NUMBER.search(event)):
            started = int(number.group())
            # a release that says here when the turn began also says what failed, 0.142.5 neither
            silent = False
        elif kind == "last_agent_message" and turn == "complete":
            # only one that somebody spoke to has to answer: a user's own shell command and a compaction do not
            silent = heard
        elif kind == "error" and turn == "complete":
            text = _MESSAGE.search(event)
            turn, error = "failed", shortened(_unquoted(text.group(1))) if text else None
    return "failed" if turn == "complete" and silent else turn, started, error


def _tokens(usage: str) -> dict[str, Any] | None:
    try:
        found = json.loads(f"{{{usage}}}")
    except ValueError:
        return None
    return {"total": found.get("total_token_usage"), "last": found.get("last_token_usage")} if found else None


def _unquoted(text: str) -> str:
    """Return the text of a JSON string that may be cut anywhere."""
    # the longest escape is a pair of surrogates, so that much may be broken
    for end in range(len(text), max(len(text) - 12, 0) - 1, -1):
        try:
            return str(json.loads(f'"{text[:end]}"', strict=False))
        except ValueError:
            continue
    return ""


def shortened(text: str, limit: int = TEXT_LIMIT) -> str:
    """Return a text that can be printed, of ``limit`` characters at most, an ellipsis where it was cut."""
    readable = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return readable if len(readable) <= limit else f"{readable[: limit - 1]}…"


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
        except (ValueError, RecursionError):
            continue
        if isinstance(entry, dict):
            yield entry


def transcript(path: str, count: int) -> list[dict[str, Any]]:
    """Return the last ``count`` messages and tool calls of a rollout, as far as its last READ_LIMIT bytes tell of them."""
    start = max(size(path) - READ_LIMIT, 0)
    found = (_said(entry) for entry in appended(path, start))
    return list(deque((said for said in found if said), maxlen=count))


def _said(entry: dict[str, Any]) -> dict[str, Any] | None:
    payload = entry.get("payload")
    if not isinstance(payload, dict):
        return None
    kind, text = payload.get("type"), None
    if kind in ("function_call", "custom_tool_call", "local_shell_call"):
        arguments = payload.get("arguments") or payload.get("input") or json.dumps(payload.get("action"))
        who, text = "tool", f"{payload.get('name') or kind}: {arguments}"
    elif kind == "message" and payload.get("role") == "assistant":
        who, text = "agent", _joined(payload.get("content"))
    elif kind == "user_message":
        # what a person said, as 0.142.5 tells it apart from what codex says in the user's name
        who, text = "user", str(payload.get("message") or "")
    elif kind == "item_completed" and isinstance(item := payload.get("item"), dict) and item.get("type") == "UserMessage":
        # and 0.169.0
        who, text = "user", _joined(item.get("content"))
    if not text:
        return None
    return {"time": entry.get("timestamp") if isinstance(entry.get("timestamp"), str) else None, "who": who, "text": shortened(text)}


def _joined(content: Any) -> str:
    parts = content if isinstance(content, list) else []
    return "".join(part["text"] for part in parts if isinstance(part, dict) and isinstance(part.get("text"), str))


def user_text(entry: dict[str, Any]) -> str | None:
    """Return the text of a user's message, None for any other entry."""
    payload = entry.get("payload")
    if entry.get("type") != "response_item" or not isinstance(payload, dict):
        return None
    if payload.get("type") != "message" or payload.get("role") != "user":
        return None
    return _joined(payload.get("content"))


def turn_may_run(path: str) -> bool:
    """Return whether a rollout's last turn has not ended, as far as its last READ_LIMIT bytes tell of it."""
    kinds = [
        payload.get("type")
        for entry in appended(path, max(size(path) - READ_LIMIT, 0))
        if isinstance(payload := entry.get("payload"), dict)
    ]
    turns = [kind for kind in kinds if kind in (TURN_STARTED, "task_complete", "turn_aborted")]
    return not turns or turns[-1] == TURN_STARTED


def newest(sessions: str) -> str | None:
    """Return the rollout of the newest conversation below codex's ``sessions`` directory, None when nothing was ever said.

    The id in the name is a UUIDv7 and orders by time; the rest of the name is local time and does not.
    """
    found: list[tuple[str, str]] = []
    for directory, _below, names in os.walk(sessions):
        found.extend((name[-42:-6], os.path.join(directory, name)) for name in names if _NAME.match(name))
    return next((path for _id, path in sorted(found, reverse=True) if not _is_other(path)), None)


def _is_other(path: str) -> bool:
    """Return whether a rollout says of itself that it is none of the session's own."""
    try:
        with open(path, "rb") as stream:
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
