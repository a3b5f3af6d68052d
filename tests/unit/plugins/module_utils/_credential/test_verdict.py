# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a credential is, by what two real releases of codex printed."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.optio.codex.plugins.module_utils._credential.verdict import (
    _KNOWN,
    ANSWER,
    CHALLENGE,
    CredentialVerdict,
    known,
    parse_events,
    verdict,
)

FIXTURES = Path(__file__).resolve().parents[3] / "fixtures" / "challenges"
VERSIONS = ("0.142.5", "0.169.0")
RECORDED = {
    "right": "answered",
    "wrong": "wrong_answer",
    "hang": "timeout",
    "400": "unexpected_status",
    "401": "unauthorized",
    "403": "forbidden",
    "404": "unexpected_status",
    "429": "rate_limited",
    "500": "server_error",
    "503": "server_error",
    "quota": "quota",
    "address": "forbidden",
    "refused": "network",
    "no-such-name": "network",
    "no-variable": "not_logged_in",
    "no-login": "not_logged_in",
    "key-login-401": "unauthorized",
    "broken-login": "not_logged_in",
    "renewal-401": "login_expired",
    "renewal-403": "forbidden",
    "renewal-429": "rate_limited",
    "renewal-500": "server_error",
    "renewal-refused": "network",
    "broken-config": "codex_failed",
}
#: where the two releases do not say the same
OLDER = {"quota": "rate_limited", "broken-login": "codex_failed"}
#: of a codex 0.142.5 that stood still after it
PANIC = """\
thread 'tokio-rt-worker' (7065) panicked at /x/notify-8.2.0/src/inotify.rs:558:32:
called `Result::unwrap()` on an `Err` value: SendError { .. }
"""


@cache
def recording(version: str) -> dict[str, Any]:
    recorded: dict[str, Any] = json.loads((FIXTURES / f"{version}.json").read_text())
    return recorded


def of(rc: int | None, stdout: list[str], stderr: list[str]) -> CredentialVerdict:
    return verdict(parse_events("\n".join(stdout)), rc, rc is None, "\n".join(stderr))


def failed(message: str, rc: int | None = 1) -> CredentialVerdict:
    return verdict([{"type": "turn.started"}, {"type": "turn.failed", "error": {"message": message}}], rc, rc is None, "")


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("recorded", RECORDED)
def test_verdict_of_recorded_output(version: str, recorded: str) -> None:
    found = of(**recording(version)[recorded])
    wanted = {**RECORDED, **(OLDER if version == "0.142.5" else {})}[recorded]
    assert found.reason == wanted, found
    dead = {"unauthorized", "login_expired", "not_logged_in"}
    assert found.verdict == ("alive" if wanted == "answered" else "dead" if wanted in dead else "inconclusive")
    assert found.cause and (found.remedy or found.verdict == "alive")


def test_every_recording_is_looked_at() -> None:
    assert {name for version in VERSIONS for name in recording(version)} == set(RECORDED)


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("Your access token could not be refreshed because your refresh token has expired. Please log out.", "login_expired"),
        ("Your access token could not be refreshed because your refresh token was revoked. Please log out.", "login_expired"),
        ("Your access token could not be refreshed because you have since logged out or signed in to another account.", "codex_failed"),
        ("You've hit your usage limit. Upgrade to Pro or try again in 3 days.", "quota"),
        ("unexpected status 403 Forbidden: <!DOCTYPE html><title>Just a moment...</title>, url: https://x/responses", "forbidden"),
        ("unexpected status 407 Proxy Authentication Required, url: https://x/responses", "unexpected_status"),
        ("exceeded retry limit, last status: 502 Bad Gateway", "server_error"),
        ("stream disconnected before completion: idle timeout waiting for SSE", "network"),
        ("", "codex_failed"),
        ("a sentence that no release has said yet", "codex_failed"),
    ],
)
def test_verdict_of_what_users_report(said: str, reason: str) -> None:
    assert failed(said).reason == reason


def test_a_time_out_is_never_dead() -> None:
    """Not even after a 401 that codex goes on after; a network that it waits for is told."""
    refused = {"type": "error", "message": "Reconnecting... 1/5 (unexpected status 401 Unauthorized)"}
    assert verdict([refused], None, True, "").reason == "timeout"
    waiting = {"type": "error", "message": "Reconnecting... waiting for network (Connection failed: error sending request)"}
    assert verdict([waiting], None, True, "").reason == "network"
    assert verdict([], None, True, PANIC) == known("codex_failed", PANIC)


def test_answer_counts_only_as_a_whole_number_and_does_not_occur_in_the_question() -> None:
    assert not ANSWER.search(CHALLENGE)
    for text, right in (("42", True), ("It is **42**.", True), ("19 + 23 = 42", True), ("142", False), ("4.42", False), ("42.5", False)):
        assert bool(ANSWER.search(text)) is right, text
    # the last word counts, and only with it
    events = [{"type": "item.completed", "item": {"type": "agent_message", "text": text}} for text in ("42", "no, 43")]
    assert verdict(events, 0, False, "").reason == "wrong_answer"
    assert verdict([], 0, False, "").reason == "codex_failed"


def test_odd_lines_are_not_events() -> None:
    assert parse_events('\n{"type"\nnull\n[1]\n{"type": 1}\n{"type": "turn.started"}\nWARNING') == [{"type": "turn.started"}]
    assert verdict([{"type": "turn.failed", "error": "x"}, {"type": "turn.failed", "error": None}], 1, False, "").reason == "codex_failed"


def test_each_reason_has_its_sentence() -> None:
    for reason in _KNOWN:
        found = known(reason)
        for sentence in (found.cause, found.remedy or "."):
            assert sentence[:-1].strip() == sentence[:-1] and (sentence == "." or not sentence.endswith("."))
