# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which ended sessions ``state: started`` resumes, and the limit for sessions that keep ending."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.optio.codex.plugins.module_utils._core import processes
from ansible_collections.optio.codex.plugins.module_utils._launch.module import RESOURCE
from ansible_collections.optio.codex.plugins.module_utils._launch.resume import (
    LIMIT,
    PERIOD,
    ResumeDecision,
    resume_decision,
)
from ansible_collections.optio.codex.plugins.module_utils._launch.spec import SessionSpec
from ansible_collections.optio.codex.plugins.module_utils._session.codex_options import CodexOptions
from ansible_collections.optio.codex.tests.unit.support.local_session import Lab, laboratory, until
from ansible_collections.optio.codex.tests.unit.support.session_builders import launcher_of, options, session_of, view_of

NOW = 1_795_343_700


@pytest.mark.parametrize(
    ("status", "exit_status", "expected"),
    [
        ("stopped", 143, {"auto": True, "always": True, "never": False}),
        ("lost", None, {"auto": True, "always": True, "never": False}),
        ("finished", 0, {"auto": False, "always": True, "never": False}),
        ("finished", 1, {"auto": False, "always": True, "never": False}),
        ("finished", 101, {"auto": False, "always": True, "never": False}),
        ("finished", 125, {"auto": False, "always": True, "never": False}),
        ("finished", 128, {"auto": False, "always": True, "never": False}),
        # 128 and the number of the signal: HUP, KILL, TERM and the last one
        ("finished", 129, {"auto": True, "always": True, "never": False}),
        ("finished", 137, {"auto": True, "always": True, "never": False}),
        ("finished", 143, {"auto": True, "always": True, "never": False}),
        ("finished", 192, {"auto": True, "always": True, "never": False}),
        ("finished", 255, {"auto": False, "always": True, "never": False}),
    ],
)
def test_which_sessions_are_resumed(status: str, exit_status: int | None, expected: dict[str, bool]) -> None:
    session = session_of(status, SessionSpec(), exit_status=exit_status)
    assert {resume: resume_decision(session, "one", resume, NOW).resumes for resume in expected} == expected


@pytest.mark.parametrize(("record", "resumes"), [({"adopted": "1"}, False), ({}, True)])
def test_a_lost_session_of_the_package_may_have_ended_by_itself(record: dict[str, str], resumes: bool) -> None:
    session = session_of("lost", SessionSpec(), record={"name": "one", **record})
    assert resume_decision(session, "one", "auto", NOW).resumes is resumes
    assert resume_decision(session, "one", "always", NOW).resumes


@pytest.mark.parametrize(
    ("recorded", "resumes", "kept"),
    [
        ([], True, [NOW]),
        ([NOW - 5], True, [NOW - 5, NOW]),
        ([NOW - 9, NOW - 5], True, [NOW - 9, NOW - 5, NOW]),
        ([NOW - 9, NOW - 5, NOW - 1], False, [NOW - 9, NOW - 5, NOW - 1]),
        ([NOW - PERIOD, NOW - 5, NOW - 1], True, [NOW - 5, NOW - 1, NOW]),
        ([NOW - PERIOD + 1, NOW - 5, NOW - 1], False, [NOW - PERIOD + 1, NOW - 5, NOW - 1]),
        # a clock that was set back does not keep a session down
        ([NOW + 60, NOW + 61, NOW + 62], True, [NOW]),
    ],
)
def test_a_session_that_keeps_ending_is_resumed_three_times_in_ten_minutes(recorded: list[int], resumes: bool, kept: list[int]) -> None:
    record = {"name": "one", "resumed_at": ",".join(map(str, recorded))}
    decision = resume_decision(session_of("lost", SessionSpec(), record=record), "one", "auto", NOW)
    assert (decision.resumes, list(decision.resumed_at)) == (resumes, kept)
    assert ("resume: always" in decision.warning) != resumes
    # an end that was asked for is not counted, and always has no limit
    assert resume_decision(session_of("stopped", SessionSpec(), record=record), "one", "auto", NOW).resumes
    assert resume_decision(session_of("lost", SessionSpec(), record=record), "one", "always", NOW).resumes


@pytest.mark.parametrize("text", ["", "x", "-5,1e3,,٣", "1" * 400])
def test_a_damaged_list_of_resumes_is_harmless(text: str) -> None:
    session = session_of("lost", SessionSpec(), record={"name": "one", "resumed_at": text})
    assert resume_decision(session, "one", "auto", NOW) == ResumeDecision(True, (NOW,))


OWN = "01a202d2-04bd-7371-ae76-9a22157469e5"


@pytest.mark.parametrize(
    ("hidden", "resumed", "said"),
    [
        ({}, False, "without the prompt, which an earlier launch may have given"),
        ({"archived_id": OWN}, False, f"conversation {OWN} is archived. To resume it, stop the session, run CODEX_HOME="),
        # a compressed one: codex decompresses it
        ({"session_id": OWN}, True, ""),
    ],
)
def test_a_conversation_that_cannot_be_resumed_gets_no_prompt_again(hidden: dict[str, Any], resumed: bool, said: str) -> None:
    asked = RESOURCE.parse_options(options(RESOURCE, name="review", prompt="Do it"))
    plan = RESOURCE.plan(view_of(session_of("lost", SessionSpec(codex=CodexOptions(prompt="Do it")), **hidden)), asked)
    assert plan.result["resumed"] is resumed
    assert "Do it" not in launcher_of(plan) and (OWN in launcher_of(plan)) is resumed
    assert said in "".join(plan.warnings) and bool(plan.warnings) is not resumed


def test_a_session_is_not_launched_while_its_conversation_is_one_of_several_compressed_ones() -> None:
    asked = RESOURCE.parse_options(options(RESOURCE, name="review", prompt="Do it"))
    view = view_of(session_of("lost", SessionSpec(codex=CodexOptions(prompt="Do it")), several_compressed=True))
    plan = RESOURCE.plan(view, asked)
    assert "Do it" not in launcher_of(plan)
    [error] = RESOURCE.unmet_requirements(view, asked, plan)
    assert "session review cannot be resumed, because several rollouts in" in error.cause
    assert error.remedy.startswith("Run zstd -d --rm for the rollout to resume, or move all of them elsewhere")


@pytest.fixture
def lab(open_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    with laboratory(open_path, monkeypatch) as lab:
        yield lab


def kill(lab: Lab) -> None:
    processes.send(lab.alive(), signal.SIGKILL)
    until(lambda: not lab.alive())


@pytest.mark.slow
def test_killed_sessions_run_again_until_the_limit_and_their_prompt_is_given_once(lab: Lab) -> None:
    asked: dict[str, Any] = {**lab.mode(""), "prompt": "Do it"}
    lab.run(**asked)
    for _time in range(LIMIT):
        kill(lab)
        again = lab.run(**asked)
        assert (again["status"], again["changed"]) == ("running", True)
        # codex kept no conversation, and the prompt may have reached it
        assert "without the prompt" in again["warnings"][0]
    kill(lab)
    left = lab.run(**asked)
    assert (left["status"], left["changed"]) == ("lost", False)
    assert f"ended {LIMIT} times" in left["warnings"][0]
    assert lab.called.count("Do it") == 1
    assert lab.run(**asked, resume="always")["status"] == "running"


@pytest.mark.slow
def test_purge_removes_the_workdir_that_the_session_made(lab: Lab) -> None:
    lab.run(**lab.mode(""), instructions="Do it")
    directory = Path(lab.layout.task)
    assert directory.is_dir()
    gone = lab.run(state="absent", purge=True)
    assert gone["changed"] and not directory.exists()
    assert not lab.run(state="absent", purge=True)["changed"]


@pytest.mark.slow
def test_purge_leaves_the_files_of_a_workdir_that_the_user_named(lab: Lab, tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / "README").write_text("mine")
    lab.run(**lab.mode(""), workdir=str(project), instructions="Do it")
    lab.run(state="absent", purge=True)
    assert set(os.listdir(project)) - {"called", "mode"} == {"README"}
    assert not Path(lab.layout.task).exists()
