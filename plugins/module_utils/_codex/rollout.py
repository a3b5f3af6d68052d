# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rollout, codex's own record of a conversation: the proof of messages and the state of turns.

One JSON object a line; shapes recorded from codex 0.142.5 and 0.169.0.
"""

from __future__ import annotations

import json
import os
import re
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from .._core.probe import Section
from .._core.safe_open import open_regular
from .rollout_files import size
from .usage_limit import UsageLimit, parse_usage

TURN_STARTED = "task_started"
#: a message is searched in the data appended since it was sent; a second never appended more than this
READ_LIMIT = 8 * 1024 * 1024
#: bytes at the end of a rollout that contain its last turn
TAIL = 1024 * 1024
#: size of a rollout above which its turns are not counted
COUNT_LIMIT = 256 * 1024 * 1024
#: characters of one text that are returned
TEXT_LIMIT = 4000
#: the lines of a rollout about its turns. Only the file's own quotation marks are unescaped, so that the text of a message
#: is never parsed as an event
EVENT_LINE = r'"type": ?"event_msg", ?"payload": ?\{"type": ?"(task_started|task_complete|turn_aborted|token_count|user_message)"'
#: the parts of such a line with the last turn and the usage limits, and with the tokens
TURN_PARTS = "|".join(
    (
        r'"type": ?"(task_started|task_complete|user_message)"',
        r'"type": ?"turn_aborted"[^{}]*',
        r'"started_at": ?[0-9]+',
        r'"completed_at": ?[0-9]+',
        r'"last_agent_message": ?null',
        r'"error": ?\{[^{}]*',
        r'"type": ?"token_count".*',
    )
)
TOKEN_PART = r'"total_token_usage": ?\{[^{}]*\}, ?"last_token_usage": ?\{[^{}]*\}'
SAID_LINE = r'"type": ?"response_item", ?"payload": ?\{"type": ?"message".*"role": ?"assistant"'

#: shell: of successive records of the usage, the last one, and each that is not followed by one with numbers
LAST_USAGE = r'$!N; /^"type": \{0,1\}"token_count".*\n"type": \{0,1\}"token_count", \{0,1\}"info": \{0,1\}{/!P; D'
#: shell: ``declared_line`` prints the last line of a message, as JSON text, that declares the outcome of the task.
#: Backslashes and quotation marks are replaced by their codes first, so that the end of the text and its lines are known
SHELL_DECLARED = r"""
declared_line() {
  sed -n 's/\\\\/\\u005c/g; s/\\"/\\u0022/g; s/\\r//g; /"text": \{0,1\}"/!d
    s/^.*"text": \{0,1\}"\([^"]*\)".*$/\1/; s/\\n/\
/g; p' | grep -E '^(DONE|ERROR)(:|$)' | tail -n 1 | cut -c 1-4000
}
"""
#: shell: ``rollout_facts`` prints facts of the rollout in ``$1`` in bounded memory and time. A mark at the end
#: makes sure that only a line that is still being written is dropped as the last line
SHELL_ROLLOUT = rf"""{SHELL_DECLARED}
rollout_end() {{ {{ tail -c {TAIL} "$1"; echo '#'; }} | tr '\000' ' ' | sed '$d'; }}
rollout_events() {{ rollout_end "$1" | grep -E '{EVENT_LINE}'; }}
rollout_count() {{
  grep -cF -e "\"event_msg\",\"payload\":{{\"type\":\"$2\"" -e "\"event_msg\", \"payload\": {{\"type\": \"$2\"" "$1"
}}
rollout_facts() {{
  set -- "$1" "$(stat -c '%Y %s' "$1")"
  emit updated "${{2% *}}"
  emit rollout_size "${{2#* }}"
  rollout_events "$1" | grep -oE '{TURN_PARTS}' | sed '{LAST_USAGE}' | tail -n 80 | cut -c 1-8000 | sed 's/^/event+/'
  emit tokens "$(rollout_events "$1" | grep -oE '{TOKEN_PART}' | tail -n 1 | cut -c 1-4000)"
  _said=$(rollout_end "$1" | grep -E '{SAID_LINE}' | tail -n 1)
  emit said "$(printf '%s\n' "$_said" | cut -c 1-20000)"
  case $_said in *DONE* | *ERROR*) emit declared "$(printf '%s\n' "$_said" | declared_line)" ;; esac
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
_LIMITED = re.compile(r'"codex_error_info": ?"usage_limit_exceeded"')
_DECLARED = re.compile(r"(DONE|ERROR)(?::\s*(.*?))?\s*\Z", re.DOTALL)
#: why codex gives a turn up without anything having failed
_BY_REQUEST = ("interrupted", "replaced", "review_ended")


@dataclass(frozen=True)
class RolloutSummary:
    """The facts that a rollout contains about its conversation.

    ``turn`` is the state of the last turn: ``open``, ``complete``, ``interrupted`` (by a person) or ``failed``.
    ``turn_ended`` is the time when it was completed, ``limited`` is whether a usage limit ended it, and ``outcome``, ``done``
    or ``error``, is declared by the agent's message at its end.
    """

    turn: str | None = None
    turn_started: int | None = None
    error: str | None = None
    turns: int | None = None
    ended: int | None = None
    tokens: dict[str, Any] | None = None
    message: str | None = None
    turn_ended: int | None = None
    limited: bool = False
    usage: UsageLimit | None = None
    outcome: str | None = None
    outcome_text: str | None = None


def parse_rollout(facts: Section) -> RolloutSummary:
    """Return the rollout facts of a probe; for a damaged rollout, the readable ones."""
    last = _last_turn(facts.lines.get("event", ()))
    turn = last.state
    turns, completed, aborted = (facts.number(name) for name in ("begun", "completed", "aborted"))
    ended = None if completed is None or aborted is None else completed + aborted
    if turn is None and turns and ended is not None and (facts.number("rollout_size") or 0) > TAIL:
        # the last event lies before the part that was searched
        turn = "open" if turns > ended else "complete"
    said = _ASSISTANT_TEXT.search(facts.get("said"))
    message = shortened(_unquoted(said.group(1))) if said else None
    usage = last.newest_usage
    # 0.142.5 records of such a turn only that the limit is used up, and no answer
    limited = last.limited or (turn == "failed" and last.silent and last.usage is not None and last.usage.used_up)
    declared = _DECLARED.match(_unquoted(facts.get("declared"))) if turn == "complete" and last.answered else None
    kind, text = (declared.group(1).lower(), shortened(declared.group(2) or "") or None) if declared else (None, None)
    tokens = _tokens(facts.get("tokens"))
    summary = RolloutSummary(turn, last.started, last.error, turns, ended, tokens, message, last.ended, limited, usage)
    return replace(summary, outcome=kind, outcome_text=text)


@dataclass
class _Turn:
    """The last turn, as far as its events were read."""

    state: str | None = None
    started: int | None = None
    ended: int | None = None
    error: str | None = None
    limited: bool = False
    #: it ended without an answer and without an error
    silent: bool = False
    #: a person has spoken in it
    heard: bool = True
    #: it ended with a message of the agent
    answered: bool = False
    #: the newest usage limit that was recorded in it, whether it has such a record, and the newest before it
    usage: UsageLimit | None = None
    has_usage: bool = False
    earlier_usage: UsageLimit | None = None

    @property
    def newest_usage(self) -> UsageLimit | None:
        """The usage limit by the last record, None if that has none."""
        return self.usage if self.has_usage else self.earlier_usage


def _last_turn(events: Sequence[str]) -> _Turn:
    turn = _Turn()
    for event in events:
        found = _TYPE.match(event)
        kind = found.group(1) if found else event.partition('"')[2].partition('"')[0]
        number = _NUMBER.search(event)
        if kind == TURN_STARTED:
            turn = _Turn("open", heard=False, earlier_usage=turn.newest_usage)
        elif kind == "token_count":
            turn.usage, turn.has_usage = parse_usage(event), True
        elif kind == "user_message":
            turn.heard = True
        elif kind == "task_complete":
            turn.state, turn.answered = "complete", True
        elif kind == "turn_aborted":
            reason = _REASON.search(event)
            why = _unquoted(reason.group(1)) if reason else ""
            by_request = why in _BY_REQUEST
            turn.state, turn.error = ("interrupted", None) if by_request else ("failed", f"codex gave the turn up: {why}")
        elif kind == "started_at" and number:
            turn.started = int(number.group())
            # a release that writes the start of a turn here also writes its errors; 0.142.5 writes neither
            turn.silent = False
        elif kind == "completed_at" and number:
            turn.ended = int(number.group())
        elif kind == "last_agent_message" and turn.state == "complete":
            # a turn without a user's message needs no answer: shell commands of a user, compaction
            turn.silent, turn.answered = turn.heard, False
        elif kind == "error" and turn.state == "complete":
            text = _MESSAGE.search(event)
            turn.state, turn.error = "failed", shortened(_unquoted(text.group(1))) if text else None
            turn.limited = bool(_LIMITED.search(event))
    if turn.state == "complete" and turn.silent:
        turn.state = "failed"
    return turn


def _tokens(usage: str) -> dict[str, Any] | None:
    try:
        found = json.loads(f"{{{usage}}}")
    except (ValueError, RecursionError):
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
        with os.fdopen(open_regular(path), "rb") as stream:
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
    """Return the last ``count`` messages and tool calls within the last READ_LIMIT bytes of a rollout."""
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
        # the user's own text: 0.142.5 has a separate type for text that codex sends in the user's name
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
    """Return whether the last turn within the last READ_LIMIT bytes of a rollout has not ended."""
    kinds = [
        payload.get("type")
        for entry in appended(path, max(size(path) - READ_LIMIT, 0))
        if isinstance(payload := entry.get("payload"), dict)
    ]
    turns = [kind for kind in kinds if kind in (TURN_STARTED, "task_complete", "turn_aborted")]
    return not turns or turns[-1] == TURN_STARTED
