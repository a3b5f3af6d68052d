# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the shell finds in a rollout, and what is made of it: recorded, cut anywhere, damaged, and huge."""

from __future__ import annotations

import json
import os
import random
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.optio.codex.plugins.module_utils._codex.rollout import (
    COUNT_LIMIT,
    SHELL_ROLLOUT,
    TAIL,
    TEXT_LIMIT,
    RolloutSummary,
    parse_rollout,
    transcript,
)
from ansible_collections.optio.codex.plugins.module_utils._codex.usage_limit import UsageLimit, describe_usage, parse_usage
from ansible_collections.optio.codex.plugins.module_utils._core.probe import Section, compose, parse
from ansible_collections.optio.codex.tests.unit.support import shells
from ansible_collections.optio.codex.tests.unit.support.session_builders import FIXTURES

ROLLOUTS = FIXTURES / "rollouts"
RECORDED = sorted(path for path in ROLLOUTS.glob("*.jsonl") if not path.name.endswith("-stdout.jsonl"))
EVERY_SHELL = pytest.mark.parametrize("program", shells.SHELLS)
TURN_EVENTS = ("task_started", "task_complete", "turn_aborted")
DENIED = "unexpected status 401 Unauthorized: The stand-in was told to fail with 401, url: http://127.0.0.1:37527/v1/responses"
BUSY = "We\u2019re currently experiencing high demand, which may cause temporary errors."
#: by conversation and release, how the last turn stands, what failed, and what the agent said last
#: by release, what codex records of a limit that is reached: 0.142.5 only that there is no answer
LIMIT = {"0.169.0": "You\u2019ve hit your usage limit. Visit https://chatgpt.com/settings/usage to purchase more credits or try again at "}
SAID: dict[str, tuple[str, dict[str, str | None], str | None]] = {
    "after-limit": ("complete", {}, "again"),
    "approval": ("open", {}, None),
    # 0.142.5 keeps the error only on its screen
    "dead-key": ("failed", {"0.142.5": None, "0.169.0": DENIED}, None),
    "declared": ("complete", {}, 'It works.\nDONE: all "well" in C:\\new\nGoodbye'),
    "exec": ("complete", {}, "Done: proof"),
    "failed-turn": ("failed", {"0.142.5": None, "0.169.0": BUSY}, None),
    "fresh-turn": ("complete", {}, "hello"),
    "in-progress": ("open", {}, None),
    "interrupted": ("interrupted", {}, None),
    "limit": ("failed", {"0.142.5": None, "0.169.0": f"{LIMIT['0.169.0']}May 18th, 2033 3:33 AM."}, None),
    "limit-after-tool": ("failed", {"0.142.5": None, "0.169.0": f"{LIMIT['0.169.0']}May 18th, 2033 3:33 AM."}, None),
    "near-limit": ("complete", {}, "hello"),
    "queued": ("complete", {}, "steered\nDone: slept"),
    "tool-call": ("complete", {}, "Done: proof"),
}
#: by conversation, the more used limit, and whether one ended the last turn
LIMITS: dict[str, tuple[UsageLimit | None, bool]] = {
    "near-limit": (UsageLimit(95, 2_000_600_000, 10080), False),
    "limit": (UsageLimit(100, 2_000_000_000, 300), True),
    # both are used up, and the later reset counts
    "limit-after-tool": (UsageLimit(100, 2_000_600_000, 10080), True),
    "after-limit": (None, False),
}


def release_and_name(path: Path) -> tuple[str, str]:
    release, _dash, name = path.stem.partition("-")
    return release, name


def _without_port(text: str | None) -> str | None:
    return re.sub(r"127\.0\.0\.1:[0-9]+", "127.0.0.1", text) if text else text


def look(program: str, *paths: Path) -> list[Section]:
    """Return what the shell tells of each rollout."""
    calls = "".join(f"section rollout\nrollout_facts {shlex.quote(str(path))}\n" for path in paths)
    return parse(shells.run(program, compose(SHELL_ROLLOUT + calls, {})))[1:]


def known(path: Path, program: str = "dash") -> RolloutSummary:
    return parse_rollout(look(program, path)[0])


def reference(lines: list[bytes]) -> dict[str, Any]:
    """Return the same by a JSON parser, from the whole lines of a recorded rollout."""
    entries = [json.loads(line) for line in lines]
    payloads = [(entry["type"], entry["payload"]) for entry in entries]
    events = [payload for kind, payload in payloads if kind == "event_msg" and payload["type"] in TURN_EVENTS]
    counts = [payload for kind, payload in payloads if kind == "event_msg" and payload["type"] == "token_count"]
    usages = [count["info"] for count in counts if count["info"]]
    limits = [limit for name in ("primary", "secondary") if counts and (limit := counts[-1]["rate_limits"][name])]
    usage = max(limits, key=lambda limit: (limit["used_percent"], limit["resets_at"]), default=None)
    said = [payload for kind, payload in payloads if kind == "response_item" and payload.get("role") == "assistant"]
    began = [event["started_at"] for event in events if "started_at" in event]
    turns = {"task_started": "open", "task_complete": "complete", "turn_aborted": "interrupted"}
    last = events[-1] if events else {}
    turn = turns[last["type"]] if events else None
    if turn == "complete" and last["last_agent_message"] is None:
        turn = "failed"
    silent = turn == "failed" and "error" not in last
    declared = re.findall(r"^(DONE|ERROR)(?:: (.*))?$", (last.get("last_agent_message") or "") if turn == "complete" else "", re.MULTILINE)
    return {
        "turn": turn,
        "turn_ended": last.get("completed_at") if turn != "interrupted" else None,
        "usage": UsageLimit(**usage) if usage else None,
        "limited": bool(silent and usage and usage["used_percent"] >= 100)
        or (last.get("error") or {}).get("codex_error_info") == "usage_limit_exceeded",
        "outcome": declared[-1][0].lower() if declared else None,
        "outcome_text": declared[-1][1] if declared else None,
        "turn_started": began[-1] if began else None,
        "error": (last.get("error") or {}).get("message"),
        "turns": sum(event["type"] == "task_started" for event in events),
        "ended": sum(event["type"] != "task_started" for event in events),
        "tokens": {"total": usages[-1]["total_token_usage"], "last": usages[-1]["last_token_usage"]} if usages else None,
        "message": said[-1]["content"][0]["text"] if said else None,
    }


@EVERY_SHELL
def test_recorded_conversations(program: str) -> None:
    for path, facts in zip(RECORDED, look(program, *RECORDED)):
        release, name = release_and_name(path)
        found = parse_rollout(facts)
        turn, errors, message = SAID[name]
        # a release that scripts/qualify.py has added is like the newest one here, and each has its own server
        error = errors.get(release, errors.get("0.169.0"))
        assert (found.turn, _without_port(found.error), found.message) == (turn, _without_port(error), message), path.name
        assert (found.usage, found.limited) == LIMITS.get(name, (None, False)), path.name
        assert vars(found) == reference(path.read_bytes().splitlines()), path.name
        assert facts.number("rollout_size") == path.stat().st_size
        assert facts.number("updated") == int(path.stat().st_mtime)


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.name)
@pytest.mark.slow
def test_a_rollout_cut_anywhere_is_read_by_its_whole_lines(path: Path, tmp_path: Path) -> None:
    """A line that is still being written counts for nothing, however much of it there is."""
    data = path.read_bytes()
    ends = [place for place, byte in enumerate(data, 1) if byte == 0x0A]
    chance = random.Random(path.name)
    cuts = sorted({0, *ends[::3], *(end - 1 for end in ends[1::2]), *(chance.randrange(len(data)) for _number in range(6))})
    pieces = []
    for cut in cuts:
        pieces.append(tmp_path / f"{cut}.jsonl")
        pieces[-1].write_bytes(data[:cut])
    for cut, facts in zip(cuts, look("dash", *pieces)):
        whole = data[: data.rfind(b"\n", 0, cut) + 1].splitlines()
        found, expected = vars(parse_rollout(facts)), reference(whole)
        # counted in the whole file, in which a cut line may have begun to tell
        assert found.pop("turns") in (expected.pop("turns"), reference(whole)["turns"] + 1)
        assert found.pop("ended") in (expected.pop("ended"), reference(whole)["ended"] + 1)
        assert found == expected, f"cut at {cut}"


@pytest.mark.slow
@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.name)
def test_what_the_shell_cut_off_is_understood_as_far_as_it_goes(path: Path) -> None:
    """Each line of the answer cut at every byte: never an exception, never another text than the beginning of the true one."""
    (facts,) = look("dash", path)
    whole = parse_rollout(facts)
    # in one of them it is the turn before the last that failed
    error = whole.error or f"{LIMIT['0.169.0']}May 18th, 2033 3:33 AM."
    said = facts.get("said")
    for end in range(len(said)):
        message = parse_rollout(Section("rollout", {"said": said[:end]})).message
        assert message is None or (whole.message or "").startswith(message)
    for number, line in enumerate(facts.lines.get("event", ())):
        for end in range(len(line)):
            events = [*facts.lines["event"][:number], line[:end]]
            fields = {"tokens": facts.get("tokens")[:end], "declared": facts.get("declared")[:end]}
            found = parse_rollout(Section("rollout", fields, {"event": events}))
            assert found.turn in (None, "open", "complete", "interrupted", "failed")
            assert found.error is None or found.error.startswith("codex gave the turn up") or error.startswith(found.error)


@pytest.mark.slow
@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.name)
def test_a_transcript_of_a_rollout_cut_anywhere(path: Path, tmp_path: Path) -> None:
    whole = transcript(str(path), 1000)
    assert whole and {"user"} <= {said["who"] for said in whole} <= {"user", "agent", "tool"}
    piece = tmp_path / "piece.jsonl"
    data = path.read_bytes()
    for cut in range(0, len(data), 29):
        piece.write_bytes(data[:cut])
        found = transcript(str(piece), 1000)
        assert found == whole[: len(found)]
    assert transcript(str(path), 1) == whole[-1:]


def test_author_of_each_message() -> None:
    for release in ("0.142.5", "0.169.0"):
        said = transcript(str(ROLLOUTS / f"{release}-queued.jsonl"), 10)
        assert [(entry["who"], entry["text"]) for entry in said] == [
            ("user", "RUN: sleep 6; echo slept"),
            ("tool", 'exec_command: {"cmd": "sleep 6; echo slept"}'),
            ("user", "SAY: steered"),
            ("agent", "steered\nDone: slept"),
        ]
        assert all(entry["time"].startswith("2026-11-22T") for entry in said)


def event(kind: str, **payload: Any) -> str:
    line = {"timestamp": "2026-11-22T10:00:00.000Z", "type": "event_msg", "payload": {"type": kind, **payload}}
    # as codex writes it
    return json.dumps(line, separators=(",", ":")) + "\n"


def answer(text: str) -> str:
    content = [{"type": "output_text", "text": text}]
    line = {"timestamp": "x", "type": "response_item", "payload": {"type": "message", "role": "assistant", "content": content}}
    return json.dumps(line, separators=(",", ":")) + "\n"


STARTED = event("task_started", turn_id="1", started_at=100)
SPOKEN = event("user_message", message="hello")
COMPLETE = event("task_complete", turn_id="1", last_agent_message="done", completed_at=101)
SILENT = event("task_complete", turn_id="1", last_agent_message=None, completed_at=101)
#: 0.169.0 tells when the turn began, and what failed
SILENT_169 = event("task_complete", turn_id="1", last_agent_message=None, started_at=100, completed_at=101)
BROKEN = event("task_complete", turn_id="1", last_agent_message="half", error={"message": 'no "{net}"'}, started_at=100)

#: (what a rollout holds, how its last turn stands, the error)
TURNS: list[tuple[str, str | None, str | None]] = [
    ("", None, None),
    (STARTED + SPOKEN, "open", None),
    (STARTED + SPOKEN + COMPLETE, "complete", None),
    (STARTED + SPOKEN + SILENT, "failed", None),
    (STARTED + SPOKEN + COMPLETE + STARTED, "open", None),
    # a compaction, or the user's own shell command, which have nothing to answer
    (STARTED + SPOKEN + SILENT + STARTED + SILENT, "complete", None),
    (STARTED + SPOKEN + SILENT_169, "complete", None),
    (STARTED + BROKEN, "failed", 'no "'),
    (STARTED + BROKEN + STARTED + COMPLETE, "complete", None),
    (STARTED + event("turn_aborted", turn_id="1", reason="interrupted"), "interrupted", None),
    (STARTED + event("turn_aborted", turn_id="1", reason="replaced"), "interrupted", None),
    (STARTED + event("turn_aborted", turn_id="1", reason="budget_limited"), "failed", "codex gave the turn up: budget_limited"),
    # what somebody said, or a tool printed, is no event
    (STARTED + COMPLETE + answer(STARTED), "complete", None),
    (STARTED + answer(COMPLETE + '"type":"task_complete"'), "open", None),
    (
        STARTED + json.dumps({"type": "event_msg", "payload": {"type": "other", "result": json.loads(COMPLETE)["payload"]}}) + "\n",
        "open",
        None,
    ),
]


@EVERY_SHELL
def test_turns(program: str, tmp_path: Path) -> None:
    paths = []
    for number, (text, _turn, _error) in enumerate(TURNS):
        paths.append(tmp_path / f"{number}.jsonl")
        paths[-1].write_text(text)
    found = [parse_rollout(facts) for facts in look(program, *paths)]
    assert [(talk.turn, talk.error) for talk in found] == [(turn, error) for _text, turn, error in TURNS]


def usage(primary: Any, secondary: Any = None, info: Any = None) -> str:
    return event(
        "token_count", info=info, rate_limits={"limit_id": "codex", "primary": primary, "secondary": secondary, "credits": {"a": 1}}
    )


def window(percent: Any, reset: Any = 2_000_000_000, minutes: Any = 300) -> dict[str, Any]:
    return {"used_percent": percent, "window_minutes": minutes, "resets_at": reset}


COUNTED = {"total_token_usage": {"total_tokens": 7}, "last_token_usage": {"total_tokens": 7}}
FULL = UsageLimit(100, 2_000_000_000, 300)
LIMIT_ERROR = {"message": "You have hit it", "codex_error_info": "usage_limit_exceeded"}
OTHER_ERROR = {"message": 'no "codex_error_info": "usage_limit_exceeded"', "codex_error_info": "other"}
#: (what a rollout holds, the limit, whether it ended the last turn)
LIMITED: list[tuple[str, UsageLimit | None, bool]] = [
    (STARTED + SPOKEN + usage(None) + COMPLETE, None, False),
    (STARTED + SPOKEN + usage(window(80.5)) + COMPLETE, UsageLimit(80.5, 2_000_000_000, 300), False),
    (STARTED + SPOKEN + usage(window(10), window(20, 5, 6)) + COMPLETE, UsageLimit(20, 5, 6), False),
    # 0.142.5: no answer, and nothing left
    (STARTED + SPOKEN + usage(window(100)) + SILENT, FULL, True),
    (STARTED + SPOKEN + usage(window(99)) + SILENT, UsageLimit(99, 2_000_000_000, 300), False),
    (STARTED + SPOKEN + usage(window(50)) + usage(window(100)) + SILENT, FULL, True),
    # an answer all the same
    (STARTED + SPOKEN + usage(window(100)) + COMPLETE, FULL, False),
    # until the next turn begins; that one failed for another reason
    (STARTED + SPOKEN + usage(window(100)) + SILENT + STARTED, FULL, False),
    (STARTED + SPOKEN + usage(window(100)) + SILENT + STARTED + SPOKEN + SILENT, FULL, False),
    (STARTED + SPOKEN + usage(window(100)) + SILENT + STARTED + SPOKEN + usage(None) + COMPLETE, None, False),
    # from 0.169.0 on, with a limit that is not on record, or that is not used up (the credits of a workspace)
    (STARTED + event("task_complete", last_agent_message=None, error=LIMIT_ERROR), None, True),
    (STARTED + usage(window(40)) + event("task_complete", error=LIMIT_ERROR), UsageLimit(40, 2_000_000_000, 300), True),
    (STARTED + usage(window(100)) + event("task_complete", error=OTHER_ERROR), FULL, False),
    # values that codex does not write
    (STARTED + usage(window("95")), None, False),
    (STARTED + usage(window(True)), None, False),
    (STARTED + usage(window(float("nan")), window(-1)), None, False),
    (STARTED + usage(window(10**400), window(1e9)), None, False),
    (STARTED + usage(window(90, reset=10**400, minutes="x")), UsageLimit(90), False),
    (STARTED + usage(window(90, reset=10**15, minutes=-5)), UsageLimit(90), False),
    (STARTED + usage([]) + usage(5), None, False),
    # what a person says is no record
    (STARTED + event("user_message", message=usage(window(100))) + SILENT, None, False),
    # records of the usage hide no other event, however many there are
    (STARTED + SPOKEN + usage(window(100), info=COUNTED) * 500 + SILENT, FULL, True),
]


@EVERY_SHELL
def test_limits(program: str, tmp_path: Path) -> None:
    paths = []
    for number, (text, _usage, _limited) in enumerate(LIMITED):
        paths.append(tmp_path / f"{number}.jsonl")
        paths[-1].write_text(text)
    for case, facts in zip(LIMITED, look(program, *paths)):
        found = parse_rollout(facts)
        assert (found.usage, found.limited) == case[1:], case[0][:400]
        assert len(facts.lines.get("event", ())) < 20, "of successive records, one"


def test_tokens_are_known_after_a_limit(tmp_path: Path) -> None:
    path = tmp_path / "rollout.jsonl"
    path.write_text(STARTED + SPOKEN + usage(window(90), info=COUNTED) + usage(window(100)) + SILENT)
    assert known(path).tokens == {"total": {"total_tokens": 7}, "last": {"total_tokens": 7}}


@pytest.mark.parametrize(
    "record", ["", "{", '"type":"token_count"', '"type":"token_count","rate_limits":' + "[" * 4000, '"a":' + "9" * 5000 + "}"]
)
def test_a_damaged_record_of_the_usage(record: str) -> None:
    assert parse_usage(record) is None


@pytest.mark.parametrize(
    ("limit", "text"),
    [
        (UsageLimit(100, 2_000_000_000, 300), "100% of the 5-hour usage limit used, reset at 2033-05-18 03:33:20 UTC"),
        (UsageLimit(95.5, 2_000_600_000, 10080), "95.5% of the 7-day usage limit used, reset at 2033-05-25 02:13:20 UTC"),
        (UsageLimit(80, None, 90), "80% of the 90-minute usage limit used"),
        (UsageLimit(80), "80% of the usage limit used"),
    ],
)
def test_a_limit_in_words(limit: UsageLimit, text: str) -> None:
    assert describe_usage(limit.as_result()) == text


def said(text: str) -> str:
    return answer(text) + event("task_complete", turn_id="1", last_agent_message=text, completed_at=101)


#: (what a rollout holds, the outcome that the last message declares, its text)
OUTCOMES: list[tuple[str, str | None, str | None]] = [
    (STARTED + SPOKEN + said("DONE"), "done", None),
    (STARTED + SPOKEN + said("DONE: all well"), "done", "all well"),
    (STARTED + SPOKEN + said("Two files.\nERROR: no network\n"), "error", "no network"),
    (STARTED + SPOKEN + said("It works.\r\nDONE: all well\r\n"), "done", "all well"),
    # the last one counts, at the beginning of a line
    (STARTED + SPOKEN + said("DONE: a\nERROR: b\nmore"), "error", "b"),
    (STARTED + SPOKEN + said("ERROR\nDONE:"), "done", None),
    (STARTED + SPOKEN + said("I write DONE: in the log"), None, None),
    (STARTED + SPOKEN + said(" DONE\n- DONE\nDONE with it\ndone\nDONEXT: x"), None, None),
    (STARTED + SPOKEN + said("STATUS: 40% on it\nATTENTION: help"), None, None),
    # no line end: a backslash and an n
    (STARTED + SPOKEN + said("C:\\nDONE: x"), None, None),
    (STARTED + SPOKEN + said('a "quoted \\" text\\\nDONE: "b" \\ é 漢 \u0007'), "done", '"b" \\ é 漢 \u0007'),
    (STARTED + SPOKEN + said("x" * 200_000 + "\nDONE: long\n" + "y" * 200_000), "done", "long"),
    # of an earlier turn, of a turn without an answer, of one that has not ended or was interrupted
    (STARTED + SPOKEN + said("DONE") + STARTED + SPOKEN + said("on it"), None, None),
    (STARTED + SPOKEN + said("DONE") + STARTED + SILENT, None, None),
    (STARTED + SPOKEN + answer("DONE"), None, None),
    (STARTED + SPOKEN + said("DONE") + STARTED, None, None),
    (STARTED + SPOKEN + answer("DONE") + event("turn_aborted", turn_id="1", reason="interrupted"), None, None),
    (STARTED + SPOKEN + answer("DONE") + BROKEN, None, None),
    # a person, and a tool
    (STARTED + event("user_message", message="DONE") + said("no"), None, None),
    (STARTED + SPOKEN + said(json.dumps({"text": "DONE", "last_agent_message": "\nDONE"})), None, None),
]


@EVERY_SHELL
def test_outcomes_of_messages(program: str, tmp_path: Path) -> None:
    paths = []
    for number, (text, _outcome, _text) in enumerate(OUTCOMES):
        paths.append(tmp_path / f"{number}.jsonl")
        paths[-1].write_text(text)
    for case, facts in zip(OUTCOMES, look(program, *paths)):
        found = parse_rollout(facts)
        assert (found.outcome, found.outcome_text) == case[1:], case[0][:400]
        assert found.outcome is None or found.turn_ended == 101


@pytest.mark.parametrize("text", ["", "short", "é" * 300, "😀" * 5000, 'say "x"\\\n\t', "\x00\x1b", "x" * 100_000])
def test_the_last_message_is_bounded_and_readable(text: str, tmp_path: Path) -> None:
    path = tmp_path / "rollout.jsonl"
    path.write_text(STARTED + answer("before") + answer(text) + COMPLETE)
    message = known(path).message
    assert message is not None and len(message) <= TEXT_LIMIT
    assert message == text if len(text) < 1000 else text.startswith(message[:-12])
    message.encode()


# damaged and huge


def damage() -> Iterator[tuple[str, bytes]]:
    """Give rollouts that no codex writes, by what is wrong with each."""
    whole = (ROLLOUTS / "0.169.0-tool-call.jsonl").read_bytes()
    chance = random.Random(4)
    noise = bytes(chance.randrange(256) for _number in range(60_000))
    yield "noise", noise
    yield "no line end", b"x" * 3_000_000
    yield "NULs", b"\0" * 3_000_000
    yield "braces", b'{"type":' * 200_000
    yield "depth", b"[" * 200_000 + b"\n"
    yield "other JSON", b'[1]\n"text"\nnull\n{"payload": 1}\n{"type": "event_msg", "payload": null}\n' * 100
    yield "wrong types", event("task_complete", last_agent_message=5, error={"message": 7}, started_at="x").encode()
    yield "numbers", event("task_started", started_at=10**400).encode()
    yield "no session_meta", b"\n".join(whole.splitlines()[1:]) + b"\n"
    yield "noise in the middle", whole[:5000] + noise + whole[5000:]


@EVERY_SHELL
def test_a_damaged_rollout_is_an_answer_all_the_same(program: str, tmp_path: Path) -> None:
    for number, (what, data) in enumerate(damage()):
        path = tmp_path / f"{number}.jsonl"
        path.write_bytes(data)
        found = known(path, program)
        assert found.turn in (None, "open", "complete", "failed"), what
        json.dumps(vars(found), ensure_ascii=False).encode()
        json.dumps(transcript(str(path), 5), ensure_ascii=False).encode()
    # what is whole behind the damage still counts
    assert known(tmp_path / f"{number}.jsonl", program).message == "Done: proof"


@pytest.fixture(scope="module")
def huge(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a rollout of 100 MB that ends in an open turn after a thousand others."""
    path = tmp_path_factory.mktemp("huge") / "rollout.jsonl"
    output = json.dumps({"type": "response_item", "payload": {"type": "function_call_output", "output": "o" * 9000}}) + "\n"
    turn = STARTED + SPOKEN + output * 11 + answer("so far") + COMPLETE
    with path.open("w") as stream:
        for _number in range(1000):
            stream.write(turn)
        stream.write(STARTED)
    assert path.stat().st_size > 95_000_000
    return path


@EVERY_SHELL
def test_a_huge_rollout_in_bounded_memory(program: str, huge: Path) -> None:
    # in a shell that may not have more, as ulimit says it
    calls = f"ulimit -d 40000\nsection rollout\nrollout_facts {shlex.quote(str(huge))}\n"
    facts = parse(shells.run(program, compose(SHELL_ROLLOUT + calls, {})))[1]
    assert parse_rollout(facts) == RolloutSummary("open", 100, None, 1001, 1000, None, "so far")
    assert [said["who"] for said in transcript(str(huge), 3)] == ["agent", "user", "agent"]


def test_an_event_far_back_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "rollout.jsonl"
    far = json.dumps({"type": "response_item", "payload": {"type": "function_call_output", "output": "o" * TAIL}}) + "\n"
    for text, turn in ((STARTED + far, "open"), (STARTED + COMPLETE + far, "complete")):
        path.write_text(text)
        assert known(path).turn == turn


def test_turns_are_not_counted_without_end(tmp_path: Path) -> None:
    path = tmp_path / "rollout.jsonl"
    path.write_text(STARTED)
    os.truncate(path, COUNT_LIMIT + 1)
    with path.open("a") as stream:
        stream.write(f"\n{STARTED}{COMPLETE}")
    found = known(path)
    assert (found.turn, found.turns, found.ended) == ("complete", None, None)
