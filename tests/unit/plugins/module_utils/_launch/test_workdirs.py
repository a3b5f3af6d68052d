# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a launch writes where: a workdir of the session's own making, one that the user named, and a clone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.optio.codex.plugins.module_utils._launch.module import RESOURCE
from ansible_collections.optio.codex.plugins.module_utils._launch.spec import SessionOptions, SessionSpec
from ansible_collections.optio.codex.plugins.module_utils._session.command_line import AUTO_START_PROMPT
from ansible_collections.optio.codex.plugins.module_utils._session.layout import PROJECT, SessionPaths
from ansible_collections.optio.codex.plugins.module_utils._session.state import Workspace
from ansible_collections.optio.codex.tests.unit.support.session_builders import LAYOUT, MADE, launcher_of, options, session_of, view_of

PROJECT_LAYOUT = replace(LAYOUT, workdir="/srv/project", origin=PROJECT)


def asked(**given: Any) -> SessionOptions:
    return RESOURCE.parse_options(options(RESOURCE, **{"name": "review", **given}))


PLAIN = asked().spec


@pytest.mark.parametrize(
    ("layout", "files", "names"),
    [
        (LAYOUT, {}, "AGENTS.md"),
        (LAYOUT, {"pointer": f"Your instructions are in {LAYOUT.agent}/AGENTS.md. Read that file."}, "AGENTS.md"),
        # the agent has made one of its own
        (LAYOUT, {"pointer": "# Mine"}, f"{LAYOUT.agent}/AGENTS.md"),
        (PROJECT_LAYOUT, {}, f"{LAYOUT.agent}/AGENTS.md"),
        (PROJECT_LAYOUT, {"instructions": "From before\n"}, f"{LAYOUT.agent}/AGENTS.md"),
    ],
)
def test_auto_start_names_the_instructions(layout: SessionPaths, files: dict[str, Any], names: str) -> None:
    given = {} if "instructions" in files else {"instructions": "x"}
    view = view_of(session_of("absent", PLAIN, layout), replace(MADE, **files), layout=layout)
    plan = RESOURCE.plan(view, asked(auto_start=True, **given))
    launcher = launcher_of(plan)
    assert f"-- 'Read {names} and execute the task it describes'\n" in launcher


def test_without_instructions_auto_start_is_the_projects_own() -> None:
    view = view_of(session_of("absent", PLAIN, PROJECT_LAYOUT), replace(MADE), layout=PROJECT_LAYOUT)
    plan = RESOURCE.plan(view, asked(auto_start=True))
    launcher = launcher_of(plan)
    assert f"-- '{AUTO_START_PROMPT}'\n" in launcher


def test_a_project_gets_no_file_of_the_session() -> None:
    view = view_of(session_of("absent", SessionSpec(), PROJECT_LAYOUT), Workspace(workdir_kind="directory"), layout=PROJECT_LAYOUT)
    plan = RESOURCE.plan(view, asked(instructions="x", config={"a": 1}))
    assert not [action.target for action in plan.actions if action.target.startswith(PROJECT_LAYOUT.workdir)]


@pytest.mark.parametrize(("blocked", "path"), [(False, f"{LAYOUT.workdir}/home"), (True, LAYOUT.home)])
def test_what_the_agent_puts_in_the_place_of_the_link_is_left_and_reported(blocked: bool, path: str) -> None:
    layout = replace(LAYOUT, link_blocked=blocked)
    plan = RESOURCE.plan(view_of(session_of("absent", SessionSpec(), layout), replace(MADE, home_link=None), layout=layout), asked())
    assert (f"{LAYOUT.workdir}/home" in [action.target for action in plan.actions]) == (not blocked)
    assert plan.result["codex_path"] == f"{path}/.local/bin/codex"
    assert any("is not the link to the session's home" in warning for warning in plan.warnings) == blocked
