# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What must hold of every plan of a session, over thousands of workers, sessions and options."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import pytest

from ansible_collections.optio.codex.plugins.module_utils._core.plan import Plan, module_result
from ansible_collections.optio.codex.plugins.module_utils._launch.module import RESOURCE
from ansible_collections.optio.codex.plugins.module_utils._launch.spec import SessionSpec
from ansible_collections.optio.codex.plugins.module_utils._session.command_line import RESUME_NOTICE
from ansible_collections.optio.codex.plugins.module_utils._session.record import describe, terminal_of_record
from ansible_collections.optio.codex.plugins.module_utils._session.state import ObservedSession, Workspace
from ansible_collections.optio.codex.tests.unit.support.session_builders import (
    CODEX,
    LAYOUT,
    MADE,
    WORKER,
    after,
    options,
    session_of,
    view_of,
)

LAUNCHES = ("started", "restarted")
STATES = (*LAUNCHES, "stopped", "absent")
STATUSES = ("absent", "running", "finished", "stopped", "lost")
#: values that no output may show, wherever they are given
SECRETS = ("hunter2-environment", "hunter2-config")
PROMPT = "Do the one thing, once"
#: a prime, so that the sample has every value of every dimension
SAMPLE = 7
WISHES: dict[str, dict[str, Any]] = {
    "nothing": {},
    "prompt": {"prompt": PROMPT},
    "auto_start": {"auto_start": True, "instructions": "Do this.\r\n\n"},
    "resume": {"resume": "always", "prompt": PROMPT, "model": "m"},
    "secrets": {"environment": {"KEY": SECRETS[0]}, "config": {"a": {"b": [SECRETS[1]]}}, "prompt": PROMPT},
    "repository": {"repository": {"url": "https://git.example.com/x.git"}, "instructions": "Do that."},
    "keep": {
        "resume": "always",
        "keep_options": True,
        "sandbox": "danger-full-access",
        "prompt": PROMPT,
        "environment": {"KEY": SECRETS[0]},
    },
    "never": {"resume": "never", "prompt": PROMPT},
    "restart_on_drift": {"restart_on_drift": True, "model": "m", "prompt": PROMPT},
    "limits": {"memory_max": "2G", "cpu_quota": "150%", "tasks_max": "500", "resume": "always"},
    "tcp": {"terminal": {"listen": "tcp", "port": 7681, "writable": True}, "sandbox": "read-only", "resume": "always"},
    "surveys": {"prompt": "", "model": "", "ttyd_dir": "", "user": "", "instructions": "", "codex_dir": ""},
}
FILES = {
    "nothing": Workspace(),
    "an empty workdir": Workspace(task_kind="directory", workdir_kind="directory"),
    "all": MADE,
    "half": replace(MADE, home_complete=False, link="/old/codex", config_kind="absent", instructions="Old.\n", home_link="/elsewhere"),
    "a repository": replace(MADE, is_repository=True, logs=("optio.log",)),
}
WORKERS = {
    "detached": WORKER,
    "systemd": replace(WORKER, privileged=True, systemd=True),
    "user's systemd": replace(WORKER, user_manager=True, uid=1000),
    "bare": replace(WORKER, tmux="", git="", codex="", ttyd=""),
}
TERMINALS: dict[str, dict[str, Any]] = {
    "alive": {"terminal_pid": 20, "terminal_alive": True, "terminal_socket": True},
    "dead": {"terminal_pid": 20, "terminal_alive": False, "terminal_socket": True},
    "none": {"terminal_pid": None, "terminal_alive": False, "terminal_socket": False},
}
REMAINS: dict[str, dict[str, Any]] = {
    "nothing": {},
    "processes": {"leftovers": (31, 32)},
    "units": {"units": ("optio-codex@review.service", "optio-ttyd@review.service")},
}
COPY_OF_ROOT = "/var/lib/optio-codex/review"
INHERITED = {"LANG": "C.UTF-8", "https_proxy": "http://proxy.example.com:3128"}


@dataclass(frozen=True)
class Case:
    """One worker with one session, and what is asked of it."""

    name: str
    view: ObservedSession
    params: dict[str, Any]
    plan: Plan

    @property
    def status(self) -> str:
        return self.view.session.status


@cache
def asked(spec: str, state: str) -> dict[str, Any]:
    return options(RESOURCE, name="review", state=state, **WISHES[spec])


def launched_by(spec: str) -> SessionSpec:
    return SessionSpec.from_params(asked(spec, "started"))


def views() -> Iterator[tuple[str, ObservedSession]]:
    for status, terminal, remains, files, worker, launched, said in itertools.product(
        STATUSES, TERMINALS, REMAINS, FILES, WORKERS, ("nothing", "tcp", "prompt"), (None, "01a202d2-04bc-7371-ae76-9a22157469e5")
    ):
        if terminal == "alive" and status != "running":
            continue
        if launched != "nothing" and (status == "running") != (launched == "tcp"):
            continue
        if status == "absent" and launched != "nothing":
            continue
        if said and status not in ("finished", "stopped"):
            continue
        # what is left matters to an end, the files to a launch: one of the two varies at a time
        if remains != "nothing" and files != "all":
            continue
        seen = session_of(status, launched_by(launched), session_id=said, **TERMINALS[terminal], **REMAINS[remains])
        name = f"{status}, terminal {terminal}, {remains} left, files: {files}, {worker}, launched: {launched}, said: {said}"
        yield name, view_of(seen, FILES[files], WORKERS[worker])


def combinations() -> Iterator[tuple[str, ObservedSession, str, str]]:
    """Give name, worker, state and options of each case; those of states that do not look at the options are taken once."""
    for name, view in views():
        for state in STATES:
            for spec in WISHES if state in LAUNCHES else ("secrets",):
                yield name, view, state, spec


@pytest.fixture(scope="module", params=[pytest.param(1, id="every", marks=pytest.mark.slow), pytest.param(SAMPLE, id="sample")])
def step(request: pytest.FixtureRequest) -> int:
    """Give 1 for every combination, and for `make check` SAMPLE."""
    return int(request.param)


@pytest.fixture(scope="module")
def cases(step: int) -> list[Case]:
    """Give the combinations, one of ``step``."""
    patch = pytest.MonkeyPatch()
    patch.setattr("ansible_collections.optio.codex.plugins.module_utils._launch.module.inherited_environment", lambda removed: INHERITED)
    found = []
    for name, view, state, spec in itertools.islice(combinations(), 0, None, step):
        params = asked(spec, state)
        files = view.workspace
        launch = view.session.status in ("absent", "stopped", "lost") or state == "restarted"
        if spec == "repository" and launch and files.workdir_filled and not files.is_repository:
            continue  # refused: there is nothing that a clone could go on with
        found.append(Case(f"{state} ({spec}) of: {name}", view, params, RESOURCE.plan(view, RESOURCE.parse_options(params))))
    patch.undo()
    return found


def kinds(plan: Plan) -> list[str]:
    return [action.kind for action in plan.actions]


def of(cases: list[Case], *states: str) -> list[Case]:
    chosen = [case for case in cases if case.params["state"] in states]
    assert len(chosen) > 100
    return chosen


def texts(plan: Plan) -> str:
    """Return everything of a plan that anybody may see."""
    return json.dumps([module_result(plan, diff=True), repr(plan.actions)], ensure_ascii=False)


def test_there_are_thousands(cases: list[Case], step: int) -> None:
    assert len(cases) * step > 3000
    assert {case.status for case in cases} == set(STATUSES)


def test_a_live_session_is_never_touched(cases: list[Case]) -> None:
    for case in of(cases, "started"):
        if case.status == "running" and not (case.params["restart_on_drift"] and case.plan.result["drift"]):
            files = case.view.workspace
            # the link is in the agent's reach
            linked = ["link"] if files.workdir_kind == "directory" and files.home_link != LAYOUT.home else []
            assert kinds(case.plan) == [*linked, *([] if case.view.session.terminal_alive else ["open"])], case.name


def test_started_runs_afterwards_unless_the_session_ended_by_itself(cases: list[Case]) -> None:
    for case in of(cases, "started"):
        resume = case.params["resume"]
        if case.status in ("absent", "running"):
            continue
        if resume == "never" or (resume == "auto" and case.status == "finished"):
            assert not case.plan.actions, case.name
            assert case.plan.result["status"] == case.status, case.name
        else:
            assert case.plan.actions_of_kind("start"), case.name
            assert case.plan.result["status"] == "running", case.name


def test_a_prompt_is_given_once_and_never_again(cases: list[Case]) -> None:
    given = 0
    for case in of(cases, *STATES):
        shown = repr([action.payload for action in case.plan.actions])
        session = case.view.session
        fresh = case.status == "absent" or (not session.session_id and session.prompt_given == "no")
        if case.plan.actions_of_kind("start") and fresh and case.params["prompt"]:
            assert PROMPT in shown, case.name
            given += 1
        else:
            assert PROMPT not in shown, case.name
        resumed = case.plan.actions_of_kind("start") and case.status != "absent" and case.view.session.session_id
        payloads = [action.payload for action in case.plan.actions if action.target == LAYOUT.launcher]
        launchers = [payload.script(payload.trust).text for payload in payloads]
        assert [f"-- '{RESUME_NOTICE}" in text for text in launchers] == [bool(resumed)] * len(launchers), case.name
        assert bool(launchers) or not resumed, case.name
        assert case.plan.result.get("resumed", False) == bool(resumed), case.name
        # a start that is not what was asked for is told
        unasked = case.plan.actions_of_kind("start") and case.status != "absent" and not resumed
        assert any("starting a new one" in warning for warning in case.plan.warnings) == bool(unasked), case.name
    assert given > 20


def test_everything_lies_in_the_tasks_own_directories(cases: list[Case]) -> None:
    layout = LAYOUT
    own = (layout.task, layout.workdir, layout.runtime, layout.record_copy, COPY_OF_ROOT)
    for case in of(cases, *STATES):
        for action in case.plan.actions:
            inside = any(action.target == path or action.target.startswith(f"{path}/") for path in own)
            assert inside or (action.kind, action.target) == ("open", "127.0.0.1:7681"), (case.name, action)


def test_the_second_run_changes_nothing(cases: list[Case]) -> None:
    for case in of(cases, *STATES):
        view = after(case.view, case.plan)
        # a restart is asked for once
        state = "started" if case.params["state"] == "restarted" else case.params["state"]
        again = RESOURCE.plan(view, RESOURCE.parse_options({**case.params, "state": state}))
        # where codex is not installed yet the link cannot have been made either
        rest = [action for action in again.actions if case.view.worker.codex or action.kind != "link"]
        assert not rest, (case.name, rest)
        assert again.result["status"] == case.plan.result["status"], case.name
        if case.params["state"] in LAUNCHES:
            assert view.session.status == case.plan.result["status"], case.name


def test_absent_leaves_nothing_but_the_workdir(cases: list[Case]) -> None:
    for case in of(cases, "absent"):
        view = after(case.view, case.plan)
        session = view.session
        assert session.status == "absent", case.name
        assert not (session.pane or session.leftovers or session.units or session.terminal_alive), case.name
        assert session.runtime_kind == "absent", case.name
        assert view.workspace == case.view.workspace, case.name


def test_stopping_keeps_record_and_files(cases: list[Case]) -> None:
    for case in of(cases, "stopped"):
        assert set(kinds(case.plan)) <= {"close", "stop"}, case.name
        view = after(case.view, case.plan)
        assert view.session.record == case.view.session.record, case.name
        assert view.session.pane is None and not view.session.leftovers, case.name


def test_values_of_secrets_are_never_shown(cases: list[Case]) -> None:
    carried = 0
    for case in of(cases, *STATES):
        shown = texts(case.plan)
        for secret in (*SECRETS, INHERITED["https_proxy"]):
            assert secret not in shown, (case.name, secret)
        carried += SECRETS[0] in repr([action.payload for action in case.plan.actions])
    assert carried > 20


def test_secrets_are_in_files_for_their_owner_alone(cases: list[Case]) -> None:
    found = [0, 0]
    for case in of(cases, *LAUNCHES):
        for action in case.plan.actions:
            text = getattr(action.payload, "text", "")
            for number, place in enumerate((LAYOUT.environment, LAYOUT.config)):
                if SECRETS[number] in text:
                    assert (action.target, action.payload.mode) == (place, 0o600), case.name
                    found[number] += 1
    assert all(found), found


def test_every_run_returns_the_same_keys(cases: list[Case]) -> None:
    view = view_of(session_of("running", launched_by("nothing")))
    described = set(describe(view, "running", terminal_of_record(view.session)))
    for case in of(cases, *STATES):
        # a real run adds what describe says of the worker as it then is
        expected = {*described, "killed_processes"} | (
            {"drift", "resumed", "unenforced_limits", "acknowledged", "permission_profile", "trust", "project_config"}
            if case.params["state"] in LAUNCHES
            else set()
        )
        assert set(case.plan.result) == expected, case.name
        json.dumps(case.plan.result)


def test_a_launch_is_in_an_order_that_can_work(cases: list[Case]) -> None:
    launches = [case for case in of(cases, *LAUNCHES) if case.plan.actions_of_kind("start")]
    assert len(launches) > 300
    for case in launches:
        order = [(action.kind, action.target) for action in case.plan.actions]
        assert kinds(case.plan)[-2:] == ["start", "open"], case.name
        targets = [target for _kind, target in order]
        kept = case.params["keep_options"] and case.status != "absent"
        for path in (LAYOUT.environment, LAYOUT.launcher, LAYOUT.record):
            assert targets.count(path) == (0 if kept and path == LAYOUT.environment else 1), (case.name, path)
        # what is there of the last run would end the new session's start
        seen, stops = case.view.session, bool(case.plan.actions_of_kind("stop"))
        assert (("remove", LAYOUT.exit_status) in order) == (seen.exit_status is not None or stops), case.name
        assert (("remove", LAYOUT.stopped_mark) in order) == (seen.stopped or (stops and seen.exit_status is None)), case.name
        assert ("append", LAYOUT.resume_log) in order, case.name
        assert (("rotate", LAYOUT.log) in order) >= bool(case.view.workspace.logs), case.name
        if stops:
            assert order.index(("stop", LAYOUT.tmux_socket)) < order.index(("append", LAYOUT.resume_log)), case.name
            assert not case.view.session.terminal_alive or order[0][0] == "close", case.name
        made = [target for kind, target in order if kind in ("create", "clone")]
        assert made == [path for path in (LAYOUT.task, LAYOUT.workdir, LAYOUT.home) if path in made], case.name
        # what is known of a launch that is ended at any point is enough to complete it
        assert targets.index(LAYOUT.launcher) < targets.index(LAYOUT.record) < kinds(case.plan).index("copy"), case.name


def test_a_restart_ends_what_runs_and_recreate_only_what_differs(cases: list[Case]) -> None:
    for case in of(cases, *LAUNCHES):
        if case.status == "running":
            restart = case.params["state"] == "restarted" or (case.params["restart_on_drift"] and case.plan.result["drift"])
            assert ("stop" in kinds(case.plan)) == ("start" in kinds(case.plan)) == bool(restart), case.name
            assert case.params["restart_on_drift"] <= bool(case.plan.result["drift"]), case.name


def test_options_of_the_launch_are_kept_on_request(cases: list[Case]) -> None:
    kept = [case for case in of(cases, *LAUNCHES) if case.params["keep_options"] and case.status != "absent"]
    assert len(kept) > 50
    for case in kept:
        assert not case.plan.result["drift"], case.name
        for action in case.plan.actions_of_kind("write"):
            if action.target == LAYOUT.record:
                wanted = case.view.session.record["options"]
                assert f"options={wanted}\n" in action.payload.text, case.name


def test_limits_without_effect_are_reported(cases: list[Case]) -> None:
    message = 0
    for case in of(cases, *LAUNCHES):
        limited = bool(case.params["memory_max"] and case.plan.actions_of_kind("start"))
        lost = limited and case.view.supervisor == "detached"
        assert case.plan.result["unenforced_limits"] == (["memory_max", "cpu_quota", "tasks_max"] if lost else []), case.name
        assert any("memory_max, cpu_quota, tasks_max has no effect" in text for text in case.plan.warnings) == lost, case.name
        message += lost
    assert message > 20


def test_every_action_changes_something(cases: list[Case]) -> None:
    for case in of(cases, *STATES):
        for action in case.plan.actions:
            assert action.before != action.after, (case.name, action)
        changed = [(action.kind, action.target) for action in case.plan.actions]
        assert len(changed) == len(set(changed)), case.name


def test_what_a_bare_worker_lacks_is_named_before_anything_changes(cases: list[Case]) -> None:
    for case in of(cases, *STATES):
        obstacles = [error.subject for error in RESOURCE.unmet_requirements(case.view, RESOURCE.parse_options(case.params), case.plan)]
        if case.view.worker.codex == CODEX:
            assert not obstacles, case.name
            continue
        expected = ["codex", "tmux"] if case.plan.actions_of_kind("start") else []
        if case.plan.actions_of_kind("clone"):
            expected.insert(1, "git")
        assert obstacles == expected + (["ttyd"] if case.plan.actions_of_kind("open") else []), case.name
