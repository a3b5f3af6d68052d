# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the parser makes of a probe's answer."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.optio.codex.plugins.module_utils._core.errors import OptioError, ProbeError
from ansible_collections.optio.codex.plugins.module_utils._core.probe import Section
from ansible_collections.optio.codex.plugins.module_utils._session.probe import parse_session, parse_task, parse_worker, task_script
from ansible_collections.optio.codex.plugins.module_utils._session.state import Pane
from ansible_collections.optio.codex.tests.unit.support import shells
from ansible_collections.optio.codex.tests.unit.support.session_builders import WORKER


def facts(**fields: str) -> Section:
    worker = {"system": "Linux", "machine": "x86_64", "user": "alice", "node": "w"}
    given = {**worker, "root": "/r", "workdir": "/r/review/workdir", "origin": "own"}
    return Section("worker", {**given, **fields})


def test_an_answer_without_its_worker() -> None:
    for field in ("system", "user"):
        with pytest.raises(ProbeError, match="did not report its system and user"):
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
    with pytest.raises(ProbeError, match="tmux listed 'no server'"):
        parse_session(facts(pane="no server"))


@pytest.mark.parametrize("field", ["root", "workdir"])
def test_paths_must_be_absolute(field: str) -> None:
    with pytest.raises(ProbeError, match="the task's paths"):
        parse_task([facts(**{field: "relative"})], "review")


def test_a_path_too_long_for_a_socket() -> None:
    with pytest.raises(OptioError, match="more than the 107 of a Unix socket"):
        parse_task([facts(root=f"/{'r' * 100}", workdir="/w", origin="project")], "review")


@pytest.mark.parametrize("origin", ["", "mine", "own "])
def test_an_origin_that_is_not_understood(origin: str) -> None:
    with pytest.raises(ProbeError, match="the workdir's origin is"):
        parse_task([facts(origin=origin)], "review")


#: (sessions_dir, workdir, what is wrong with them)
PLACES: list[tuple[str, str, str | None]] = [
    ("/r", "/r/review/workdir", None),
    ("/r", "/w", None),
    ("/r", "/r2", None),
    ("/r", "/r/other/workdir", None),
    ("/r/s", "/r", "workdir /r contains the sessions directory /r/s"),
    ("/r", "/r", "workdir /r contains the sessions directory /r"),
    ("/r", "/r/review", "is in the session's directory /r/review"),
    ("/r", "/r/review/home", "is in the session's directory /r/review"),
    ("/r", "/r/review/workdir/deeper", "is in the session's directory /r/review"),
]


@pytest.mark.parametrize(("root", "workdir", "cause"), PLACES)
def test_a_workdir_in_which_the_agent_could_write_a_sessions_files_is_refused(root: str, workdir: str, cause: str | None) -> None:
    seen = facts(root=root, workdir=workdir, origin="project")
    if cause is None:
        assert parse_task([seen], "review").layout.workdir == workdir
    else:
        with pytest.raises(OptioError, match=cause):
            parse_task([seen], "review")


def test_root_keeps_sockets_apart_from_users() -> None:
    assert WORKER.runtime_root is None
    assert replace(WORKER, privileged=True).runtime_root == "/run/optio-codex"


def test_the_script_by_shellcheck() -> None:
    shells.shellcheck(task_script("it's", root="~", workdir="/w", codex_dir="", ttyd_dir="", user=None, sweep=True), "SC2012")
