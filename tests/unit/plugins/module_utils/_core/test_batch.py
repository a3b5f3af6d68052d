# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Many sessions in one call: whose options hold for which, what is refused, and what the task answers."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.optio.codex.plugins.module_utils._core import processes
from ansible_collections.optio.codex.plugins.module_utils._core.batch import combined, merge_results
from ansible_collections.optio.codex.plugins.module_utils._core.batch_runner import converge_each
from ansible_collections.optio.codex.plugins.module_utils._core.errors import OptioError, ProbeError
from ansible_collections.optio.codex.plugins.module_utils._core.host import LocalHost
from ansible_collections.optio.codex.plugins.module_utils._core.parallel import run_side_by_side
from ansible_collections.optio.codex.plugins.module_utils._core.resource import MASK, Params
from ansible_collections.optio.codex.plugins.module_utils._credential import info as credential_info
from ansible_collections.optio.codex.plugins.module_utils._launch import module as session
from ansible_collections.optio.codex.plugins.module_utils._session import workspace_module as workspace
from ansible_collections.optio.codex.plugins.module_utils._transfer import message as session_message
from ansible_collections.optio.codex.plugins.module_utils._transfer import output as session_output
from ansible_collections.optio.codex.plugins.module_utils._transfer import snapshot as session_snapshot
from ansible_collections.optio.codex.tests.unit.support.example_resource import MarkResource
from ansible_collections.optio.codex.tests.unit.support.local_session import Lab, laboratory
from ansible_collections.optio.codex.tests.unit.support.session_builders import options

SESSION, MESSAGE = session.RESOURCE, session_message.RESOURCE
RESOURCES: list[Any] = [SESSION, MESSAGE, session_output.RESOURCE, session_snapshot.RESOURCE, credential_info.RESOURCE, workspace.RESOURCE]


def entries(resource: Any = SESSION, **given: Any) -> list[Any]:
    found = resource.expand_items(options(resource, **given))
    assert found is not None
    return list(found)


@pytest.mark.parametrize("resource", RESOURCES)
def test_one_by_its_name_is_as_ever(resource: Any) -> None:
    more = {"session_message": {"text": "a"}, "session_snapshot": {"path": "/a"}}.get(resource.name, {})
    params = options(resource, name="one", **more)
    assert resource.expand_items(params) is None
    (entry,) = entries(resource, sessions=["one"], **more)
    assert entry == params


@pytest.mark.parametrize("resource", RESOURCES)
@pytest.mark.parametrize("given", [{}, {"name": "one", "sessions": ["two"]}])
def test_either_one_or_many(resource: Any, given: dict[str, Any]) -> None:
    if resource.name == "credential_info" and not given:
        # it has a default place outside of sessions
        return
    more = {"session_message": {"text": "a"}, "session_snapshot": {"path": "/a"}}.get(resource.name, {})
    with pytest.raises(AssertionError):
        options(resource, **given, **more)


@pytest.mark.parametrize(
    ("shared", "own", "option", "wanted"),
    [
        ({"model": "large"}, {}, "model", "large"),
        ({"model": "large"}, {"model": "small"}, "model", "small"),
        ({"model": "large"}, {"model": None}, "model", "large"),
        # a text may be empty, which the module takes for none
        ({"model": "large"}, {"model": ""}, "model", ""),
        # for all else an empty text is no answer, and the module's default holds
        ({"network_access": True}, {"network_access": ""}, "network_access", False),
        ({"ready_timeout": 5}, {"ready_timeout": ""}, "ready_timeout", 30.0),
        ({"writable_roots": ["/a"]}, {"writable_roots": ""}, "writable_roots", []),
        ({"network_access": True}, {"network_access": "no"}, "network_access", False),
        ({}, {"ready_timeout": "7"}, "ready_timeout", 7.0),
        ({"environment": {"A": "1"}}, {"environment": {"B": "2"}}, "environment", {"B": "2"}),
        ({"state": "stopped"}, {}, "state", "stopped"),
        ({"state": "stopped"}, {"state": "absent"}, "state", "absent"),
    ],
)
def test_a_sessions_own_options_go_first(shared: dict[str, Any], own: dict[str, Any], option: str, wanted: Any) -> None:
    (entry,) = entries(sessions=[{"name": "one", **own}], **shared)
    assert entry[option] == wanted


REPOSITORY = {"url": "https://one.example/r", "token": "t", "version": "v0"}


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        ({"version": "v1"}, {**REPOSITORY, "version": "v1"}),
        # a token is for the host of one URL
        ({"url": "https://two.example/r"}, {"url": "https://two.example/r"}),
        ({"url": REPOSITORY["url"], "depth": 1}, {"url": REPOSITORY["url"], "depth": 1}),
    ],
)
def test_the_repository_of_a_session_over_the_common_one(own: dict[str, Any], expected: dict[str, Any]) -> None:
    common = {"repository": REPOSITORY, "model": "m"}
    assert combined(common, {"name": "one", "repository": own}) == {"name": "one", "model": "m", "repository": expected}


def test_each_key_of_the_terminal_for_itself() -> None:
    shared = {"listen": "tcp", "writable": True, "max_clients": 3}
    one, two, three = entries(
        sessions=[{"name": "one", "terminal": {"writable": False}}, "two", {"name": "three", "terminal": {"port": "99"}}], terminal=shared
    )
    assert {**one["terminal"], "writable": True} == two["terminal"] == {**three["terminal"], "port": 0}
    assert (one["terminal"]["writable"], two["terminal"]["max_clients"], three["terminal"]["port"]) == (False, 3, 99)


def test_what_each_needs_may_be_given_once_or_by_each() -> None:
    assert [entry["text"] for entry in entries(MESSAGE, sessions=["one", {"name": "two", "text": "b"}], text="a")] == ["a", "b"]
    assert [entry["keys"] for entry in entries(MESSAGE, sessions=[{"name": "one", "keys": ["Enter"]}])] == [["Enter"]]
    assert [entry["path"] for entry in entries(session_snapshot.RESOURCE, sessions=[{"name": "one", "path": "/a"}])] == ["/a"]


@pytest.mark.parametrize(
    ("resource", "given", "message"),
    [
        (SESSION, [], "sessions is an empty list"),
        (SESSION, [7], "session 1 of sessions is of type int"),
        (SESSION, ["one", {"model": "large"}], "session 2 of sessions has no name"),
        (SESSION, [{"name": "one", "modle": "large"}], "session one has invalid options: modle. Supported parameters include"),
        (
            SESSION,
            [{"name": "one", "terminal": {"prot": 1}}],
            "session one has invalid options: terminal.prot. Supported parameters include",
        ),
        (SESSION, [{"name": "one", "state": "gone"}], "session one has invalid options: value of state must be one of"),
        (SESSION, [{"name": "one", "sessions": ["two"]}], "session one has invalid options: sessions. Supported parameters include"),
        (SESSION, ["one", "two", "one"], "session one is listed more than once"),
        (
            SESSION,
            [{"name": "one", "workdir": "/w", "repository": {"url": "/r"}}, {"name": "two", "workdir": "/w/", "repository": {"url": "/r"}}],
            "session two clones into the same workdir as another",
        ),
        (MESSAGE, ["one"], "session one has invalid options: one of the following is required: text, keys"),
        (
            MESSAGE,
            [{"name": "one", "text": "a", "keys": ["y"]}],
            "session one has invalid options: parameters are mutually exclusive: text|keys",
        ),
        (session_snapshot.RESOURCE, ["one"], "session one has invalid options: missing required arguments: path"),
    ],
)
def test_refused_options(resource: Any, given: list[Any], message: str) -> None:
    with pytest.raises(OptioError) as refusal:
        entries(resource, sessions=given)
    assert message in str(refusal.value)


def test_one_name_below_two_roots_is_two_sessions() -> None:
    found = entries(
        sessions=[
            {"name": "one", "sessions_dir": "/a"},
            {"name": "one", "sessions_dir": "/b", "user": "bob"},
            {"name": "one", "user": "bob"},
        ]
    )
    assert len(found) == 3


def test_secrets_of_each_are_masked() -> None:
    shown = SESSION.masked(options(SESSION, sessions=["one", {"name": "two", "environment": {"KEY": "hunter2"}}]))
    assert shown["sessions"] == ["one", {"name": "two", "environment": {"KEY": MASK}}]
    shown = MESSAGE.masked(options(MESSAGE, sessions=[{"name": "two", "text": "hunter2"}]))
    assert shown["sessions"] == [{"name": "two", "text": MASK}]


def test_the_answer_for_all() -> None:
    good = {"name": "one", "changed": True, "diff": {"before": "a", "after": "b"}, "warnings": ["mind it"]}
    same = {"name": "two", "changed": False}
    bad = {"name": "three", "failed": True, "msg": "session three is odd. Fix it."}
    other = {"name": "four", "failed": True, "msg": "it broke"}
    assert merge_results([good, same]) == {
        "changed": True,
        "sessions": [{"name": "one", "changed": True}, same],
        "diff": [{"before_header": "one", "after_header": "one", "before": "a", "after": "b"}],
        "warnings": ["mind it"],
    }
    assert merge_results([same]) == {"changed": False, "sessions": [same]}
    answer = merge_results([good, bad, other])
    assert answer["failed"] and answer["changed"]
    assert answer["msg"] == "2 of 3 sessions failed. session three is odd. Fix it. four: it broke"


# ---- side by side --------------------------------------------------------------------------------------------------


def test_jobs_run_at_the_same_time_and_answer_in_order() -> None:
    """Each writes its part and waits for the other's: one after the other they would wait for ever."""
    first, second = os.pipe(), os.pipe()

    def meet(said: int, heard: int, answer: str) -> dict[str, Any]:
        os.write(said, b"x")
        return {"answer": answer, "heard": os.read(heard, 1).decode()}

    signal.alarm(20)
    try:
        results = run_side_by_side([lambda: meet(first[1], second[0], "a"), lambda: meet(second[1], first[0], "b")])
    finally:
        signal.alarm(0)
        for descriptor in (*first, *second):
            os.close(descriptor)
    assert results == [{"answer": "a", "heard": "x"}, {"answer": "b", "heard": "x"}]


@pytest.mark.slow
@pytest.mark.parametrize("limit", [1, 3, 100])
def test_many_jobs_and_large_answers(limit: int) -> None:
    results = run_side_by_side([partial(dict, number=number, text="x" * 200_000) for number in range(20)], limit)
    assert [result["number"] for result in results if result] == list(range(20))


def test_a_job_that_dies_has_no_result() -> None:
    def die() -> dict[str, Any]:
        os.kill(os.getpid(), signal.SIGKILL)
        return {}

    assert run_side_by_side([die, lambda: {"fine": True}]) == [None, {"fine": True}]


def test_the_options_of_each_session_are_parsed_once(tmp_path: Path) -> None:
    log = tmp_path / "log"

    class Logged(MarkResource):
        def parse_options(self, params: Params) -> Params:
            with log.open("a") as file:
                file.write(f"{params['name']}\n")
            return super().parse_options(params)

    subject = Logged()
    names = ["a", "b"]
    made = converge_each(subject, [{**options(subject, path=str(tmp_path / name)), "name": name} for name in names], False, False)
    assert [result["changed"] for result in made["sessions"]] == [True, True]
    assert sorted(log.read_text().split()) == names


# ---- real sessions -------------------------------------------------------------------------------------------------


@pytest.fixture
def lab(open_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    with laboratory(open_path, monkeypatch) as lab:
        yield lab
        for task in lab.root.glob("*/session"):
            tag = f"{task.parent}:"
            processes.send([int(pid.name) for pid in Path("/proc").glob("[0-9]*") if _has_tag(pid, tag)], signal.SIGKILL)


def _has_tag(process: Path, tag: str) -> bool:
    try:
        return f"OPTIO_CODEX_TASK={tag}".encode() in (process / "environ").read_bytes()
    except OSError:
        return False


def many(lab: Lab, sessions: list[Any], check: bool = False, **given: Any) -> dict[str, Any]:
    shared = {name: lab.params[name] for name in ("sessions_dir", "codex_dir", "ttyd_dir", "stop_timeout", "config")}
    params = options(SESSION, sessions=sessions, **shared, **given)
    return converge_each(SESSION, SESSION.expand_items(params) or [], check, True)


@pytest.mark.slow
def test_sessions_live_and_end_side_by_side_and_one_that_fails_stops_no_other(lab: Lab) -> None:
    names = ["a", "b", "c"]
    bad: dict[str, Any] = {"name": "bad", "environment": {"MODE": "dies", "KEY": "hunter2"}}
    check_mode_result = many(lab, [*names, bad], check=True)
    assert [entry["status"] for entry in check_mode_result["sessions"]] == ["running"] * 4 and len(check_mode_result["diff"]) == 4
    assert not lab.root.exists()

    launched = many(lab, [*names, bad])
    assert launched["changed"] and launched["failed"]
    assert launched["msg"].startswith("1 of 4 sessions failed. session bad did not start: codex ended with exit status 7")
    assert [entry.get("status") for entry in launched["sessions"]] == ["running"] * 3 + [None]
    assert launched["sessions"][3]["object"] == "session bad" and "hunter2" not in str(launched)
    assert len({entry["pid"] for entry in launched["sessions"][:3]}) == 3
    assert sorted(path.name for path in lab.root.iterdir() if not path.name.startswith(".")) == names

    again = many(lab, names)
    assert (again["changed"], "failed" in again) == (False, False)
    assert [entry["pid"] for entry in again["sessions"]] == [entry["pid"] for entry in launched["sessions"][:3]]

    ended = many(lab, ["a", {"name": "b", "state": "stopped"}, "gone"], state="absent")
    assert [entry["changed"] for entry in ended["sessions"]] == [True, True, False]
    assert [entry["status"] for entry in ended["sessions"]] == ["absent", "stopped", "absent"]
    assert many(lab, ["c"])["sessions"][0]["pid"] == again["sessions"][2]["pid"]
    assert not many(lab, ["b", "c"], state="absent").get("failed")


@pytest.mark.slow
def test_one_probe_of_many_equals_a_probe_of_each(lab: Lab) -> None:
    many(lab, ["a", "b"])
    shared = {name: lab.params[name] for name in ("sessions_dir", "codex_dir", "ttyd_dir")}
    params = options(SESSION, sessions=["b", {"name": "new", "state": "absent"}, {"name": "a", "resume": "always"}], **shared)
    found = [SESSION.parse_options(entry) for entry in SESSION.expand_items(params) or []]
    host = LocalHost()
    seen = SESSION.parse_probe_many(host.probe(SESSION.probe_script_many(found)), found)
    assert seen == [SESSION.observe(host, entry) for entry in found]
    assert [view.layout.name for view in seen] == ["b", "new", "a"]
    with pytest.raises(ProbeError, match="answered for 3 of 2 sessions"):
        SESSION.parse_probe_many(host.probe(SESSION.probe_script_many(found)), found[:2])
    many(lab, ["a", "b"], state="absent")
