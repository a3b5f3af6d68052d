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
from unit.session_kit import FIXTURES, LAYOUT, MADE, WORKER, options, rendered, session_of, view_of

from ansible_collections.optio.codex.plugins.module_utils._session.agents_md import agents_text
from ansible_collections.optio.codex.plugins.module_utils._core.plan import Plan
from ansible_collections.optio.codex.plugins.module_utils._launch.module import SUBJECT
from ansible_collections.optio.codex.plugins.module_utils._launch.plan import SessionWish
from ansible_collections.optio.codex.plugins.module_utils._session.probe import TaskView, Workspace
from ansible_collections.optio.codex.plugins.module_utils._session.workspace import SUBJECT as WORKSPACE

DIFFS = FIXTURES / "diffs"
PLAIN = options(SUBJECT, name="review")
DETAILED = options(
    SUBJECT,
    name="review",
    instructions="Read the issue.\n\nThen mend it.\n",
    repository={"url": "https://me:hunter2@git.example.com/x.git", "version": "v2.3"},
    environment={"KEY": "hunter2"},
    config={"model": "hunter2"},
    prompt="hunter2",
)
LAUNCHED = SessionWish.of(PLAIN)
DEAD: dict[str, Any] = {"terminal_alive": False, "terminal_pid": 20}
REPOSITORY = replace(MADE, is_repository=True, exclude=("# mine", "/home/", "/AGENTS.md", "*.swp"), logs=("optio.log",))


def planned(view: TaskView, **given: object) -> Plan:
    return SUBJECT.plan(view, {**PLAIN, **given})


def files_of(view: TaskView, **given: object) -> Plan:
    return WORKSPACE.plan(view, options(WORKSPACE, name="review", **given))


RUNNING = view_of(session_of("running", LAUNCHED))
ABSENT = session_of("absent", LAUNCHED)
SAID = "01a202d2-04bc-7371-ae76-9a22157469e5"
OLD = replace(REPOSITORY, link="/old/codex", instructions=agents_text("Old.\nText.", False))
PLANS = {
    "first-launch": planned(view_of(ABSENT, Workspace())),
    "first-launch-of-a-bare-worker": planned(view_of(ABSENT, Workspace(), replace(WORKER, codex="", tmux="", ttyd="", git=""))),
    "launch-with-instructions-and-repository": SUBJECT.plan(view_of(ABSENT, Workspace()), DETAILED),
    "launch-in-a-project": planned(view_of(ABSENT, replace(REPOSITORY, config_kind="absent")), instructions="Mend it."),
    "repair-of-a-terminal": planned(view_of(session_of("running", LAUNCHED, **DEAD))),
    "resume": planned(view_of(session_of("finished", LAUNCHED, session_id=SAID, **DEAD), OLD), resume=True, instructions="New.\nText."),
    "stop": planned(RUNNING, state="stopped"),
    "absent": planned(RUNNING, state="absent"),
    "absent-after-stop": planned(view_of(session_of("stopped", LAUNCHED)), state="absent"),
    "workspace-present": files_of(view_of(ABSENT, Workspace()), instructions="Mend it."),
    "workspace-absent": files_of(view_of(ABSENT, REPOSITORY), state="absent"),
    "workspace-absent-given-workdir": files_of(
        view_of(ABSENT, replace(REPOSITORY, instructions=agents_text("Mend it.", True))), state="absent", workdir=LAYOUT.workdir
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
