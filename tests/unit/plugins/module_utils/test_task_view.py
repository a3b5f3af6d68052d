# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the parser makes of a probe's answer, and which status follows from it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from unit import shell
from unit.session_kit import WORKER

from ansible_collections.optio.codex.plugins.module_utils._core.errors import OptioError, UnknownObservation
from ansible_collections.optio.codex.plugins.module_utils._core.probe import Section
from ansible_collections.optio.codex.plugins.module_utils._session.probe import (
    Pane,
    Session,
    parse_session,
    parse_task,
    parse_worker,
    task_script,
)


def facts(**fields: str) -> Section:
    given = {"system": "Linux", "machine": "x86_64", "user": "alice", "node": "w", "root": "/r", "workdir": "/r/review/workdir"}
    return Section("worker", {**given, **fields})


def test_an_answer_without_its_worker() -> None:
    for field in ("system", "user"):
        with pytest.raises(UnknownObservation, match="did not say what it is"):
            parse_worker(facts(**{field: ""}))


@pytest.mark.parametrize("field", ["user_missing", "user_refused"])
def test_another_user_is_refused(field: str) -> None:
    with pytest.raises(OptioError):
        parse_worker(facts(**{field: "1"}))


@pytest.mark.parametrize(
    ("line", "children", "pane"),
    [
        ("", "", None),
        ("11 10 0 0 99", "12 13 ", Pane(11, 10, False, False, 99, 12)),
        ("11 10 1 1 99", "", Pane(11, 10, True, True, 99, None)),
    ],
)
def test_a_pane(line: str, children: str, pane: Pane | None) -> None:
    assert parse_session(facts(pane=line, launcher_children=children)).pane == pane


def test_a_pane_that_is_not_understood() -> None:
    with pytest.raises(UnknownObservation, match="tmux listed 'no server'"):
        parse_session(facts(pane="no server"))


@pytest.mark.parametrize("field", ["root", "workdir"])
def test_paths_must_be_absolute(field: str) -> None:
    with pytest.raises(UnknownObservation, match="the task's paths"):
        parse_task([facts(**{field: "relative"})], "review")


def test_a_path_too_long_for_a_socket() -> None:
    with pytest.raises(OptioError, match="a unix socket takes 107"):
        parse_task([facts(root=f"/{'r' * 100}")], "review")


STATUSES = {
    "absent": Session(),
    "running": Session(record={"a": "b"}, pane=Pane(1, 2, False, False, 3)),
    "lost": Session(record={"a": "b"}, pane=Pane(1, 2, True, False, 3)),
    "finished": Session(record={"a": "b"}, pane=Pane(1, 2, False, False, 3), exit_status=0),
    "stopped": Session(record={"a": "b"}, exit_status=143, stopped=True),
}


@pytest.mark.parametrize("status", STATUSES)
def test_statuses(status: str) -> None:
    assert STATUSES[status].status == status


def test_root_keeps_sockets_apart_from_users() -> None:
    assert WORKER.runtime_root is None
    assert replace(WORKER, privileged=True).runtime_root == "/run/optio-codex"


def test_the_script_by_shellcheck() -> None:
    shell.shellcheck(task_script("it's", root="~", workdir="/w", codex_dir="", ttyd="", user=None, sweep=True), "SC2012")
