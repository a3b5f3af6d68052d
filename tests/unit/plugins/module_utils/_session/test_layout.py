# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The paths of a session."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest

from ansible_collections.optio.codex.plugins.module_utils._core.errors import OptioError
from ansible_collections.optio.codex.plugins.module_utils._core.paths import COPY_ROOT
from ansible_collections.optio.codex.plugins.module_utils._session import layout


def test_everything_of_a_session_is_outside_the_workdir() -> None:
    task = layout.task_layout("one", "/data", None, "/run/optio-codex")
    assert task.workdir == "/data/one/workdir"
    assert task.variables() == {
        "HOME": "/data/one/home",
        "CODEX_HOME": "/data/one/home/.codex",
        "XDG_CONFIG_HOME": "/data/one/home/.config",
        "XDG_DATA_HOME": "/data/one/home/.local/share",
        "XDG_CACHE_HOME": "/data/one/home/.cache",
    }
    assert task.command_variables() == {
        "HOME": "/data/one/agent",
        "XDG_CONFIG_HOME": "/data/one/agent/.config",
        "XDG_DATA_HOME": "/data/one/agent/.local/share",
        "XDG_CACHE_HOME": "/data/one/agent/.cache",
    }
    assert task.codex_link == "/data/one/home/.local/bin/codex"
    assert task.config == "/data/one/home/.codex/config.toml"
    assert (task.instructions, task.instructions_copy) == ("/data/one/home/.codex/AGENTS.md", "/data/one/agent/AGENTS.md")
    for path in (task.record, task.environment, task.launcher, task.exit_status, task.prompt_mark, task.terminal_log):
        assert os.path.dirname(path) == "/data/one"
    assert {task.tmux_socket, task.terminal_socket} == {
        "/run/optio-codex/one/tmux.sock",
        "/run/optio-codex/one/ttyd.sock",
    }


#: by origin: the home, the path of codex, the directory of the logs, the link to the home, the workdir's AGENTS.md
ORIGINS: dict[str, tuple[str, str, str, str | None, str | None]] = {
    "own": ("/data/one/home", "/w/home/.local/bin/codex", "/w", "/w/home", "/w/AGENTS.md"),
    "project": ("/data/one/home", "/data/one/home/.local/bin/codex", "/data/one/agent", None, None),
    "package": ("/w/home", "/w/home/.local/bin/codex", "/w", None, None),
}


@pytest.mark.parametrize("origin", layout.ORIGINS)
def test_what_the_workdir_is_decides_the_places(origin: str) -> None:
    task = layout.task_layout("one", "/data", "/w", None, origin)
    assert (task.home, task.codex_path, task.log_dir, task.home_link, task.instructions_pointer) == ORIGINS[origin]
    assert (task.agent, task.codex_link) == ("/data/one/agent", f"{task.home}/.local/bin/codex")
    assert {os.path.dirname(log) for log in task.logs} == {task.log_dir}


def test_a_blocked_link_leaves_the_real_path_of_codex() -> None:
    task = replace(layout.task_layout("one", "/data", None, None), link_blocked=True)
    assert task.codex_path == task.codex_link == "/data/one/home/.local/bin/codex"


@pytest.mark.parametrize("origin", ["own", "project"])
def test_a_project_gets_no_path_of_a_session(origin: str) -> None:
    """Nothing that is the session's leads into the workdir, but for the paths of a workdir of its own making."""
    task = layout.task_layout("one", "/data", "/w", None, origin)
    names = [name for name, kind in vars(layout.SessionPaths).items() if isinstance(kind, property)]
    within = {name for name in names if str(getattr(task, name)).startswith("/w")}
    named = {"home_link", "codex_path", "instructions_pointer", "log_dir", "log", "log_old", "resume_log"}
    assert within == (named if origin == "own" else set())


def test_the_copy_of_the_record_lies_outside_of_the_session() -> None:
    assert layout.task_layout("one", "/data", None, None).record_copy == "/data/.records/one"
    assert layout.task_layout("one", "/data", None, layout.RUNTIME_ROOT).record_copy == f"{COPY_ROOT}/one"


@pytest.mark.parametrize("origin", layout.ORIGINS)
def test_directories_come_after_their_parents(origin: str) -> None:
    task = layout.task_layout("one", "/data", "/srv/w", None, origin)
    seen = {task.workdir, task.task}
    for directory in task.directories():
        assert os.path.dirname(directory) in seen
        seen.add(directory)
    assert {*task.variables().values(), *task.command_variables().values()} <= seen
    assert os.path.dirname(task.codex_link) in seen


def test_a_user_s_sockets_are_short_and_their_own() -> None:
    names = ("x" * 64, "x" * 63 + "y")
    runtimes = {layout.task_layout(name, "/home/some.body/.local/share/optio-codex", None, None).runtime for name in names}
    assert len(runtimes) == 2


def test_a_socket_path_that_is_too_long_names_the_limit() -> None:
    at_limit = layout.task_layout("one", "/" + "r" * 73, None, None)
    assert max(len(at_limit.tmux_socket), len(at_limit.terminal_socket)) <= layout.SOCKET_PATH_LIMIT
    with pytest.raises(OptioError, match="more than the 107 of a Unix socket") as raised:
        layout.task_layout("one", "/" + "r" * 100, None, None)
    assert raised.value.remedy == "Set sessions_dir to a shorter directory"
    with pytest.raises(OptioError, match="bytes"):
        layout.task_layout("one", "/" + "ü" * 50, None, None)
