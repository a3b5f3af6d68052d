# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What ``--diff`` shows, word for word.

After a change that is meant, write the files anew with OPTIO_CODEX_WRITE_DIFFS=1 and read what changed in them.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.optio.codex.plugins.module_utils._core.plan import Plan
from ansible_collections.optio.codex.plugins.module_utils._launch.module import RESOURCE
from ansible_collections.optio.codex.plugins.module_utils._launch.spec import SessionSpec
from ansible_collections.optio.codex.plugins.module_utils._session.agents_md import agents_text
from ansible_collections.optio.codex.plugins.module_utils._session.layout import PROJECT
from ansible_collections.optio.codex.plugins.module_utils._session.state import ObservedSession, Workspace
from ansible_collections.optio.codex.plugins.module_utils._session.workspace_module import RESOURCE as WORKSPACE
from ansible_collections.optio.codex.tests.unit.support.session_builders import (
    FIXTURES,
    LAYOUT,
    MADE,
    WORKER,
    options,
    rendered,
    session_of,
    view_of,
)

DIFFS = FIXTURES / "diffs"
PLAIN = options(RESOURCE, name="review")
DETAILED = options(
    RESOURCE,
    name="review",
    instructions="Read the issue.\n\nThen mend it.\n",
    repository={"url": "https://me:hunter2@git.example.com/x.git", "version": "v2.3"},
    environment={"KEY": "hunter2"},
    config={"model": "hunter2"},
    prompt="hunter2",
)
LAUNCHED = SessionSpec.from_params(PLAIN)
DEAD: dict[str, Any] = {"terminal_alive": False, "terminal_pid": 20}
PROJECT_LAYOUT = replace(LAYOUT, workdir="/srv/project", origin=PROJECT)
REPOSITORY = replace(MADE, is_repository=True, logs=("optio.log",))


def planned(view: ObservedSession, **given: object) -> Plan:
    return RESOURCE.plan(view, RESOURCE.parse_options({**PLAIN, **given}))


def files_of(view: ObservedSession, **given: object) -> Plan:
    return WORKSPACE.plan(view, options(WORKSPACE, name="review", **given))


RUNNING = view_of(session_of("running", LAUNCHED))
ABSENT = session_of("absent", LAUNCHED)
SAID = "01a202d2-04bc-7371-ae76-9a22157469e5"
OLD = replace(REPOSITORY, link="/old/codex", instructions=agents_text("Old.\nText.", False, LAYOUT))
PLANS = {
    "first-launch": planned(view_of(ABSENT, Workspace())),
    "first-launch-of-a-bare-worker": planned(view_of(ABSENT, Workspace(), replace(WORKER, codex="", tmux="", ttyd="", git=""))),
    "launch-with-instructions-and-repository": RESOURCE.plan(view_of(ABSENT, Workspace()), RESOURCE.parse_options(DETAILED)),
    "launch-in-a-project": planned(
        view_of(ABSENT, replace(REPOSITORY, config_kind="absent"), layout=PROJECT_LAYOUT), instructions="Mend it."
    ),
    "repair-of-a-terminal": planned(view_of(session_of("running", LAUNCHED, **DEAD))),
    "resume": planned(view_of(session_of("finished", LAUNCHED, session_id=SAID, **DEAD), OLD), resume="always", instructions="New.\nText."),
    "stop": planned(RUNNING, state="stopped"),
    "absent": planned(RUNNING, state="absent"),
    "absent-after-stop": planned(view_of(session_of("stopped", LAUNCHED)), state="absent"),
    "workspace-present": files_of(view_of(ABSENT, Workspace()), instructions="Mend it."),
    "workspace-absent": files_of(view_of(ABSENT, REPOSITORY), state="absent"),
    "workspace-absent-given-workdir": files_of(
        view_of(ABSENT, REPOSITORY, layout=PROJECT_LAYOUT), state="absent", workdir=PROJECT_LAYOUT.workdir
    ),
}


@pytest.mark.parametrize("name", PLANS)
def test_diffs(name: str) -> None:
    path = DIFFS / f"{name}.txt"
    shown = rendered(PLANS[name])
    if os.environ.get("OPTIO_CODEX_WRITE_DIFFS"):
        path.write_text(shown)
    assert shown == path.read_text()
    assert "hunter2" not in shown


def test_no_diff_is_left_over() -> None:
    assert {path.stem for path in DIFFS.iterdir()} == set(PLANS)


def test_nothing_to_do_shows_nothing() -> None:
    assert rendered(planned(RUNNING)) == "--- before\n+++ after\n"
