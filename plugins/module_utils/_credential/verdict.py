# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The verdict on a credential, from the output of a real ``codex exec``: pure functions.

``dead`` requires a server's final refusal. Any result that may differ tomorrow, or elsewhere, is inconclusive.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

ALIVE, DEAD, INCONCLUSIVE = "alive", "dead", "inconclusive"
#: the answer does not occur in the question, so that no echo passes for an answer
CHALLENGE = "What is the sum of 19 and 23? Answer with the number alone, in digits, without running any command."
ANSWER = re.compile(r"(?<![\d.,])42(?![\d]|[.,]\d)")
#: of a Rust program that failed at something it took for impossible
PANIC = "panicked at"

Event = Mapping[str, Any]


@dataclass(frozen=True)
class CredentialVerdict:
    """``verdict`` with the ``reason`` for programs, and for people the cause, the remedy and codex's message."""

    verdict: str
    reason: str
    cause: str
    remedy: str | None = None
    detail: str | None = None


#: reason: verdict, cause, remedy
_KNOWN: Mapping[str, tuple[str, str, str | None]] = {
    "answered": (ALIVE, "the model gave the right answer", None),
    "unauthorized": (DEAD, "the server refuses the credential (401)", "Set a new key or login, and stop using this one"),
    "login_expired": (
        DEAD,
        "the login cannot be renewed, because its refresh token is used up, expired or revoked",
        "Log in again, and use each login in only one session of one worker",
    ),
    "not_logged_in": (
        DEAD,
        "codex has no credential for its model provider",
        "Set an auth.json, or the environment variable of the provider",
    ),
    "forbidden": (
        INCONCLUSIVE,
        "the server refuses this account or address (403), whether or not the credential is valid",
        "Check the detail: a region, an allowlist, a challenge of a proxy, or a model that the account may not use",
    ),
    "rate_limited": (INCONCLUSIVE, "the server accepts no more requests from this account for now (429)", "Try again later"),
    "quota": (INCONCLUSIVE, "the account's quota is used up", "Check the plan and the billing of the account, then try again"),
    "server_error": (INCONCLUSIVE, "the server fails (5xx)", "Try again later"),
    "unexpected_status": (
        INCONCLUSIVE,
        "the server refuses the request",
        "Check the base_url and the model of the provider in config.toml",
    ),
    "network": (
        INCONCLUSIVE,
        "the server was not reached",
        "Check the network, the name resolution and the proxy of the worker, then try again",
    ),
    "timeout": (INCONCLUSIVE, "the server did not answer in time", "Raise timeout, or check the base_url of the provider and the network"),
    "wrong_answer": (
        INCONCLUSIVE,
        "the answer to the question is wrong",
        "Check the base_url and the model of the provider: a portal or another service may have answered",
    ),
    "codex_failed": (INCONCLUSIVE, "codex itself failed", "Run codex exec on the worker and read its error"),
    "skipped": (INCONCLUSIVE, "codex does not run in check mode", "Run without check mode"),
}

#: messages of codex 0.142.5 and 0.169.0, in order of precedence
_SAID: Sequence[tuple[str, re.Pattern[str]]] = tuple(
    (reason, re.compile(pattern, re.IGNORECASE))
    for reason, pattern in (
        ("not_logged_in", r"Missing environment variable|Missing bearer or basic authentication"),
        # the login was replaced while codex ran
        ("codex_failed", r"since logged out or signed in to another account"),
        ("login_expired", r"access token could not be refreshed"),
        # a key that is good elsewhere
        ("forbidden", r"\b403 Forbidden\b|\b401 Unauthorized\b.*\bIP\b.*\b(?:allowlist|authorized)\b"),
        ("quota", r"Quota exceeded|usage limit|insufficient_quota|out of credits"),
        ("rate_limited", r"\b429 Too Many Requests\b|rate limit"),
        ("server_error", r"\b(?:status:?|token:) 5\d\d\b|experiencing high demand|server had an error|overloaded"),
        # of the token's renewal as well as of the model
        ("unauthorized", r"\bunexpected status 401\b"),
        ("network", r"error sending request|Connection failed|failed to lookup|stream disconnected|waiting for network|timed? ?out"),
        ("unexpected_status", r"\bunexpected status \d|\"type\": *\"invalid_request_error\"|\"error\":"),
    )
)


def known(reason: str, detail: str | None = None) -> CredentialVerdict:
    """Return the verdict that belongs to a reason."""
    verdict, cause, remedy = _KNOWN[reason]
    return CredentialVerdict(verdict, reason, cause, remedy, detail)


def verdict(events: Sequence[Event], rc: int | None, timed_out: bool, stderr: str) -> CredentialVerdict:
    """Return the verdict on a run of codex: its events, exit status (None if it was ended), and standard error."""
    said = failure_of(events)
    if not events and PANIC in stderr:
        return known("codex_failed", last_words(stderr))
    if said is None and (timed_out or rc is None):
        last = last_error_of(events)
        # 0.169 waits for a network for ever
        return known("network" if last and reason_of(last) == "network" else "timeout", last)
    if said is not None:
        return known(reason_of(said) or "codex_failed", said)
    answers = [str(event["item"].get("text", "")) for event in events if _is_answer(event)]
    if answers:
        return known("answered") if ANSWER.search(answers[-1]) else known("wrong_answer", answers[-1])
    return known("codex_failed", last_words(stderr) or f"exit status {rc}")


def last_words(stderr: str) -> str:
    """Return the error that codex ends with, which may take several lines; else the last line."""
    found = re.search(r"^(?:Error\b|thread '[^']*' .*panicked at).*", stderr, re.MULTILINE | re.DOTALL)
    return found.group() if found else stderr.strip().rpartition("\n")[2]


def reason_of(message: str) -> str | None:
    """Return the reason for a message of codex, None if the message is not known."""
    return next((reason for reason, pattern in _SAID if pattern.search(message)), None)


def failure_of(events: Iterable[Event]) -> str | None:
    """Return the message of a failed turn, None if it has not failed."""
    failed = [event for event in events if event.get("type") == "turn.failed"]
    return _text((failed[-1].get("error") or {}).get("message")) if failed else None


def last_error_of(events: Iterable[Event]) -> str | None:
    """Return the last error that codex goes on after."""
    errors = [_text(event.get("message")) for event in events if event.get("type") == "error"]
    return errors[-1] if errors else None


def _is_answer(event: Event) -> bool:
    item = event.get("item")
    return event.get("type") == "item.completed" and isinstance(item, dict) and item.get("type") == "agent_message"


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def parse_events(output: str) -> list[dict[str, Any]]:
    """Return the events of ``codex exec --json``; other lines, such as a truncated one, are ignored."""
    events = []
    for line in output.splitlines():
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if isinstance(event, dict) and isinstance(event.get("type"), str):
            events.append(event)
    return events
