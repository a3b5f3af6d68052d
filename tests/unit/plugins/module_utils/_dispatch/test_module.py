# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The ledger on its host: assigned once, recorded, forgotten, damaged, and by many runs at once."""

from __future__ import annotations

import json
import multiprocessing
import os
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.optio.codex.plugins.module_utils._core.errors import OptioError
from ansible_collections.optio.codex.plugins.module_utils._core.host import LocalHost
from ansible_collections.optio.codex.plugins.module_utils._core.probe import parse
from ansible_collections.optio.codex.plugins.module_utils._core.runner import converge
from ansible_collections.optio.codex.plugins.module_utils._dispatch.assignment import Entry
from ansible_collections.optio.codex.plugins.module_utils._dispatch.ledger import ledger_text, parse_ledger
from ansible_collections.optio.codex.plugins.module_utils._dispatch.module import RESOURCE
from ansible_collections.optio.codex.tests.unit.support import shells
from ansible_collections.optio.codex.tests.unit.support.session_builders import options

#: the children need what the test has imported; from Python 3.14 on, it is not the default
FORK = multiprocessing.get_context("fork")
RUNS = 8
WORKERS = ("w1", "w2")


def worker(name: str, **given: Any) -> dict[str, Any]:
    free = {"memory_available_mib": None, "disk_available_mib": None}
    return {"name": name, "labels": [], "sessions": {}, "max_sessions": 10, "obstacle": None, **free, **given}


def request(name: str, **given: Any) -> dict[str, Any]:
    return {"name": name, "labels": [], "memory_mib": 0, "disk_mib": 0, **given}


def params(directory: Path, names: str = "abc", **given: Any) -> dict[str, Any]:
    wanted = {"sessions": [request(name) for name in names], "workers": [worker(name) for name in WORKERS]}
    chosen = {**wanted, "ledger_dir": str(directory), **given}
    return options(RESOURCE, **{name: value for name, value in chosen.items() if value is not None})


def run(given: dict[str, Any], check: bool = False) -> dict[str, Any]:
    RESOURCE.validate(given)
    return converge(RESOURCE, given, LocalHost(), check, True)


def ledger(directory: Path) -> dict[str, Entry]:
    path = directory / "default.json"
    return parse_ledger(path.read_text(), str(path))


def test_assigned_recorded_and_forgotten(tmp_path: Path) -> None:
    directory = tmp_path / "new/dispatch"
    planned = run(params(directory), check=True)
    assert planned["changed"] and not directory.exists()
    assert planned["diff"] == {
        "before": "a: absent\nb: absent\nc: absent\n",
        "after": "a: w1, assigned\nb: w2, assigned\nc: w1, assigned\n",
    }
    done = run(params(directory))
    assert [(one["name"], one["worker"], one["state"]) for one in done["sessions"]] == [
        *(("a", "w1", "assigned"), ("b", "w2", "assigned"), ("c", "w1", "assigned"))
    ]
    assert (directory / "default.json").stat().st_mode & 0o777 == 0o600 and directory.stat().st_mode & 0o777 == 0o700
    again = run(params(directory))
    assert not again["changed"] and {**done, "changed": False, "actions": []} == {**again, "diff": done["diff"]}
    recorded = run(params(directory, sessions=None, launched=["a", "c", "unknown"]))
    assert recorded["diff"]["after"] == "a: w1, launched\nc: w1, launched\n"
    assert [one["state"] for one in recorded["sessions"]] == ["launched", "assigned", "launched"]
    assert not run(params(directory, sessions=None, launched=["a", "c"]))["changed"]
    # a is removed from its worker, c from the list
    left = run(params(directory, "abd"))
    assert [(one["name"], one["state"]) for one in left["sessions"]] == [("a", "removed"), ("b", "assigned"), ("d", "assigned")]
    assert left["actions"] == [{"kind": "forget", "target": "c"}, {"kind": "assign", "target": "d"}]
    assert sorted(ledger(directory)) == ["a", "b", "d"]
    assert run(params(directory, "abd", rerun=["a"]))["sessions"][0]["state"] == "assigned"


def test_sessions_found_on_a_worker_are_recorded(tmp_path: Path) -> None:
    """A launch whose record was lost, as of a run that was killed after it."""
    run(params(tmp_path, "a"))
    seen = [worker("w1", sessions={"a": "running"}), worker("w2")]
    assert run(params(tmp_path, "a", workers=seen))["actions"] == [{"kind": "record", "target": "a"}]
    assert ledger(tmp_path)["a"].launched_at is not None


def test_a_ledger_newer_than_its_sessions_is_reported(tmp_path: Path) -> None:
    workers = [worker("w1", sessions={"a": "finished"}), worker("w2", sessions={"a": "running"})]
    first = run(params(tmp_path, "ab", workers=workers))
    assert len(first["warnings"]) == 2
    assert "did not exist, but 1 of the sessions do. If the ledger is on another host" in first["warnings"][0]
    assert first["warnings"][1] == "session a exists on w1, w2. Only that on w2 is dispatched."
    assert len(run(params(tmp_path, "ab", workers=workers))["warnings"]) == 1


def test_two_ledgers_in_one_directory(tmp_path: Path) -> None:
    run(params(tmp_path, "a", name="one"))
    run(params(tmp_path, "b", name="two"))
    assert sorted(path.name for path in tmp_path.glob("*.json")) == ["one.json", "two.json"]


ENTRY = {"worker": "w", "assigned_at": 1, "launched_at": None}
NO_LEDGERS: list[Any] = [
    *(None, [], {"format": 2, "sessions": {}}, {"format": 1}, {"format": 1, "sessions": []}),
    *({"format": 1, "sessions": {"a": entry}} for entry in ({}, 1, {**ENTRY, "worker": ""}, {**ENTRY, "worker": 1})),
    *({"format": 1, "sessions": {"a": entry}} for entry in ({**ENTRY, "assigned_at": "1"}, {**ENTRY, "launched_at": "1"})),
    {"format": 1, "sessions": {"../a": ENTRY}},
]


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, *map(json.dumps, NO_LEDGERS)])
def test_a_damaged_ledger_is_left_as_it_is(tmp_path: Path, text: str) -> None:
    path = tmp_path / "default.json"
    path.write_text(text)
    with pytest.raises(OptioError, match="is not a ledger of this version of the module"):
        run(params(tmp_path))
    assert path.read_text() == text


def test_a_link_in_the_place_of_the_ledger_is_refused(tmp_path: Path) -> None:
    (tmp_path / "default.json").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OptioError, match="is not a file"):
        run(params(tmp_path))
    assert not (tmp_path / "elsewhere").exists()


def test_the_text_of_a_ledger_is_read_back() -> None:
    entries = {"a": Entry("w1", 1), "b": Entry('w "2"', 2, 3)}
    assert parse_ledger(ledger_text(entries), "") == entries and parse_ledger(ledger_text({}), "") == {}
    assert ledger_text(entries).count("\n") == 7


@pytest.mark.parametrize(
    ("odd", "message"),
    [
        ({"sessions": [request("a"), request("a")]}, "sessions contains a 2 times. Use each name once in sessions."),
        ({"workers": [worker("w"), worker("w")]}, "workers contains w 2 times"),
        ({"sessions": [request("a/b")]}, "session name 'a/b' has a character"),
        ({"sessions": [request("a", memory_mib=-1)]}, "memory_mib of session a must be 0 or greater, got -1"),
        ({"workers": [worker("w", max_sessions=-1)]}, "max_sessions of worker w must be 0 or greater, got -1"),
        ({"name": "../x"}, "session name '../x'"),
        ({"ledger_dir": "x"}, "ledger_dir"),
    ],
)
def test_odd_options_are_refused(tmp_path: Path, odd: dict[str, Any], message: str) -> None:
    with pytest.raises(OptioError) as raised:
        run(params(tmp_path, **odd))
    assert str(raised.value).startswith(message)


def _assign(directory: Path, number: int, start: Barrier, answers: multiprocessing.Queue[Any]) -> None:
    # each run has workers of its own, so that all of them would assign the session differently
    start.wait()
    done = run(params(directory, "a", workers=[worker(f"w{number}")], unreached=[f"w{other}" for other in range(RUNS)]))
    answers.put((done["sessions"][0]["worker"], done["changed"]))


def test_of_many_runs_at_once_one_assigns(tmp_path: Path) -> None:
    start: Barrier = FORK.Barrier(RUNS)
    answers: multiprocessing.Queue[Any] = FORK.Queue()
    runs = [FORK.Process(target=_assign, args=(tmp_path, number, start, answers)) for number in range(RUNS)]
    for one in runs:
        one.start()
    found = [answers.get(timeout=60) for _one in runs]
    for one in runs:
        one.join()
    assert {chosen for chosen, _changed in found} == {ledger(tmp_path)["a"].worker}
    assert [changed for _chosen, changed in found].count(True) == 1


@pytest.mark.parametrize("name", shells.SHELLS)
def test_the_probe_in_any_shell(tmp_path: Path, name: str) -> None:
    given = params(tmp_path)
    run(given)
    seen = RESOURCE.parse_probe(parse(shells.run(name, RESOURCE.probe_script(given))), given)
    assert seen.exists and sorted(seen.entries) == ["a", "b", "c"]
    shells.shellcheck(RESOURCE.probe_script(given), "SC2154")


def test_a_pipe_in_the_place_of_the_ledger_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "default.json")
    with pytest.raises(OptioError, match="is not a file"):
        run(params(tmp_path))
