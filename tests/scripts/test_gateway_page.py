# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the gateway's page makes of the text that a session writes: the pure functions of ``status.js``, in node."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "roles" / "codex_gateway" / "files" / "status.js"
RUN = """
require("vm").runInThisContext(require("fs").readFileSync(process.argv[1], "utf8"));
const answer = ([name, ...given]) => globalThis[name](...given);
process.stdout.write(JSON.stringify(JSON.parse(require("fs").readFileSync(0, "utf8")).map(answer)));
"""
STATUS = {
    **{"format": 1, "session": "x", "activity": "working", "since": "2026-11-29T21:20:03Z", "reason": None, "turns": 3},
    **{"tokens": 48213, "progress": "half", "last_message": "so far", "codex_version": "0.169.0", "updated_at": "2026-11-29T21:20:03Z"},
    "limit": {"used_percent": 93.4, "resets_at": "2026-11-30T02:00:00Z"},
}
SINCE, RESETS = 1795987203000, 1796004000000
READ = {
    **{"activity": "working", "since": SINCE, "reason": None, "progress": "half", "words": "so far", "turns": 3, "tokens": 48213},
    **{"limit": {"used": 93, "resets": RESETS}, "version": "0.169.0"},
}
Call = Callable[..., list[Any]]


@pytest.fixture(scope="module")
def call() -> Call:
    """Return what calls a function of the page once for each of some arguments."""

    def calls(name: str, *arguments: Any) -> list[Any]:
        given = json.dumps([[name, *one] for one in arguments])
        done = subprocess.run(["node", "-e", RUN, str(SCRIPT)], input=given, capture_output=True, text=True, timeout=60, check=True)
        answers: list[Any] = json.loads(done.stdout)
        return answers

    return calls


NO_TIMES: list[Any] = [5, None, "yesterday", "2026-11-29", "2026-99-29T21:20:03Z", ["2026-11-29T21:20:03Z"]]
NO_COUNTS: list[Any] = [-1, 1.5, "3", True, 1e300, None, {}]
NO_TEXTS: list[Any] = [7, {"toString": "x"}, ["x"], "", " \n", "\u202e\u200b"]
NO_LIMITS: list[Any] = [None, 5, "93", [], {}, {"used_percent": "93"}, {"used_percent": -1}]
CHANGES: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({}, {}),
    ({"more": {"deep": [1]}}, {}),
    *(({"activity": word}, {"activity": word}) for word in ("starting", "idle", "waiting", "limited", "done", "failed")),
    *(({"since": value}, {"since": None}) for value in NO_TIMES),
    *(({"turns": value, "tokens": value}, {"turns": None, "tokens": None}) for value in NO_COUNTS),
    ({"turns": 0}, {"turns": 0}),
    *(({"progress": value}, {"progress": None}) for value in NO_TEXTS),
    *(({"limit": value}, {"limit": None}) for value in NO_LIMITS),
    ({"limit": {"used_percent": 1e9}}, {"limit": {"used": 100, "resets": None}}),
    *(({"codex_version": value}, {"version": None}) for value in (1, "<b>", "0.169.0 ", "x" * 40)),
]


def test_values_of_another_type_are_dropped(call: Call) -> None:
    texts = [json.dumps({**STATUS, **change}) for change, _read in CHANGES]
    assert call("readStatus", *([text] for text in texts)) == [{**READ, **read} for _change, read in CHANGES]


NO_STATUS = [
    *("", "{", "null", "[]", "5", '"working"', "{}", "<script>", "[" * 8192, '{"a":' * 1500),
    *(json.dumps({**STATUS, **change}) for change in ({"format": 2}, {"format": "1"}, {"format": None})),
    *(json.dumps({**STATUS, "activity": word}) for word in ("Working", "unknown2", "constructor", "__proto__", None, ["working"], 1)),
]


def test_an_invalid_status(call: Call) -> None:
    assert call("readStatus", *([text] for text in NO_STATUS)) == [None] * len(NO_STATUS)


TEXTS = {
    "plain <b>text</b> & more": "plain <b>text</b> & more",
    "  two\r\n\tlines\u2028three ": "two lines three",
    "a\x1b[31mred\x07\x00\x7f\x9b": "a [31mred",
    # right-to-left override, isolates, marks, a zero-width space and a soft hyphen
    "ab\u202ecd\u2066e\u2069\u200f\u061c\u200b\u00ad\ufeff": "abcde",
    "שלום עולם": "שלום עולם",
    "漢字 🎉": "漢字 🎉",
    "half \ud83d of one": "half of one",
    f"o{chr(0x30A) * 50}k": f"o{chr(0x30A) * 3}k",
    "é": "é",
    "x" * 400: "x" * 400,
    "🎉" * 401: "🎉" * 400 + "…",
    "x" * 1_000_000: "x" * 400 + "…",
}


def test_text_is_without_what_hides_or_reorders_it(call: Call) -> None:
    assert call("clean", *([text] for text in TEXTS)) == list(TEXTS.values())


def session(name: str, activity: str | None = None, since: int | None = None) -> dict[str, Any]:
    """Return a session as the page keeps it."""
    return {"name": name, "status": activity and {**READ, "activity": activity, "since": since}}


ORDERED = [
    *(session("z", "waiting", 1), session("y", "waiting", 2), session("a", "waiting"), session("f", "failed", 1)),
    *(session("l", "limited", 1), session("w2", "working", 1), session("w10", "working", 1), session("s", "starting", 1)),
    *(session("i", "idle", 1), session("d", "done", 1), session("b"), session("c")),
]


def test_waiting_sessions_are_first(call: Call) -> None:
    pairs = [(one, other) for at, one in enumerate(ORDERED) for other in ORDERED[at + 1 :]]
    assert all(number < 0 for number in call("compare", *pairs))
    assert all(number > 0 for number in call("compare", *((other, one) for one, other in pairs)))


def test_the_summary_counts_them(call: Call) -> None:
    seen = call("summary", [ORDERED], [[]], [ORDERED[1:3] + ORDERED[3:6]])
    assert seen[0] == "3 wait, 1 failed, 1 limited, 2 work, 1 starts, 1 idle, 1 done, 2 without status"
    assert seen[1:] == ["", "2 wait, 1 failed, 1 limited, 1 works"]


FORMATS = [
    *(("duration", milliseconds, text) for milliseconds, text in ((0, "< 1 min"), (59_999, "< 1 min"), (60_000, "1 min"))),
    *(("duration", 60_000 * minutes, text) for minutes, text in ((59, "59 min"), (60, "1 h"), (2879, "47 h"), (2880, "2 d"))),
    *(("short", number, text) for number, text in ((0, "0"), (999, "999"), (48213, "48k"), (999_499, "999k"), (1_840_000, "1.8M"))),
    ("facts", {"turns": 1, "tokens": None}, "1 turn"),
    ("facts", {"turns": 0, "tokens": 5}, "0 turns · 5 tokens"),
    ("lines", {"activity": "working", "reason": "r", "progress": "p", "words": "w"}, ["p", "w"]),
    ("lines", {"activity": "working", "reason": "r", "progress": None, "words": "w"}, ["w", None]),
    ("lines", {"activity": "waiting", "reason": "r", "progress": "p", "words": "w"}, ["r", "w"]),
    ("lines", {"activity": "failed", "reason": None, "progress": "p", "words": "p"}, ["p", None]),
    ("lines", {"activity": "done", "reason": None, "progress": "p", "words": "w"}, ["w", "p"]),
    ("lines", {"activity": "idle", "reason": None, "progress": None, "words": None}, [None, None]),
]


@pytest.mark.parametrize("name", sorted({row[0] for row in FORMATS}))
def test_formats(call: Call, name: str) -> None:
    rows = [row for row in FORMATS if row[0] == name]
    assert call(name, *([given] for _name, given, _text in rows)) == [text for _name, _given, text in rows]


FILTERS = {"": True, "log": True, "LOGIN": True, "wait": True, "waits fix": True, "waiting": True, "fix work": False, "x": True, "z": False}


def test_the_filter_matches_names_and_activities(call: Call) -> None:
    found = call("matches", *([session("fix-login", "waiting", 1), text] for text in FILTERS))
    assert found == list(FILTERS.values())
