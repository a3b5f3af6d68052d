# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Names, paths and the directories of a session."""

from __future__ import annotations

import os

import pytest
from unit import shell

from ansible_collections.optio.codex.plugins.module_utils._session import layout
from ansible_collections.optio.codex.plugins.module_utils._core.errors import OptioError
from ansible_collections.optio.codex.plugins.module_utils._core.probe import compose, parse


@pytest.mark.parametrize("name", ["a", "A-z_0.9", "x" * 64, "a..b", "_", "0"])
def test_names_of_sessions(name: str) -> None:
    layout.check_name(name)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("", "character"),
        ("x" * 65, "has 65 characters"),
        ("a/b", "character"),
        ("a b", "character"),
        ("a\n", "character"),
        ("ä", "character"),
        (".", "hidden file or an option"),
        ("..", "hidden file or an option"),
        (".hidden", "hidden file or an option"),
        ("-rf", "hidden file or an option"),
    ],
)
def test_names_that_are_refused(name: str, told: str) -> None:
    with pytest.raises(OptioError, match=told) as raised:
        layout.check_name(name)
    assert "64 characters of A-Z" in raised.value.remedy


@pytest.mark.parametrize("path", [None, "/", "/a b/'c'", "~", "~/x", "/a~b", "/~daemon"])
def test_paths(path: str | None) -> None:
    layout.check_path("workdir", path)


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("", "is relative"),
        ("a/b", "is relative"),
        ("./a", "is relative"),
        ("~daemon", "another user's home"),
        ("~daemon/x", "another user's home"),
        ("~~", "another user's home"),
        ("/a\nb", "control character"),
        ("/a\x7f", "control character"),
    ],
)
def test_paths_that_are_refused(path: str, told: str) -> None:
    with pytest.raises(OptioError, match=told) as raised:
        layout.check_path("workdir", path)
    assert raised.value.subject.startswith("workdir ")


#: (as given, as expanded with HOME=/home/w)
EXPANSIONS = [
    ("~", "/home/w"),
    ("~/", "/home/w"),
    ("~/a b/", "/home/w/a b"),
    ("/a///", "/a"),
    ("/", "/"),
    ("//", "/"),
    ("/~/x", "/~/x"),
]


@pytest.mark.parametrize(("given", "expanded"), EXPANSIONS)
def test_the_home_is_the_worker_s(given: str, expanded: str) -> None:
    assert layout.expand(given, "/home/w") == expanded


@pytest.mark.parametrize("name", shell.SHELLS)
@pytest.mark.parametrize(("given", "expanded"), EXPANSIONS)
def test_the_shell_expands_alike(name: str, given: str, expanded: str) -> None:
    body = f'{layout.SHELL_DIRECTORIES}\nexpand "$given"; trim; emit path "$REPLY"'
    environment = {"HOME": "/home/w", "PATH": os.environ["PATH"]}
    answered = parse(shell.run(name, compose(body, {"given": given}), environment=environment))
    assert answered[0].get("path") == expanded


@pytest.mark.parametrize("name", shell.SHELLS)
@pytest.mark.parametrize(
    ("environment", "cache", "data"),
    [
        ({}, "/home/w/.cache/optio-codex/bin", "/home/w/.local/share/optio-codex"),
        ({"XDG_CACHE_HOME": "/c", "XDG_DATA_HOME": "/d/"}, "/c/optio-codex/bin", "/d//optio-codex"),
        ({"XDG_CACHE_HOME": "/c", "OPTIO_CODEX_CACHE_DIR": "/x y//"}, "/x y", "/home/w/.local/share/optio-codex"),
        ({"OPTIO_CODEX_CACHE_DIR": "~/x"}, "/home/w/x", "/home/w/.local/share/optio-codex"),
        (
            {"XDG_CACHE_HOME": "", "XDG_DATA_HOME": "", "OPTIO_CODEX_CACHE_DIR": ""},
            "/home/w/.cache/optio-codex/bin",
            "/home/w/.local/share/optio-codex",
        ),
    ],
)
def test_the_default_directories(name: str, environment: dict[str, str], cache: str, data: str) -> None:
    body = f'{layout.SHELL_DIRECTORIES}\nuser_cache; emit cache "$REPLY"\ndata_root; emit data "$REPLY"'
    variables = {"HOME": "/home/w", "PATH": os.environ["PATH"], **environment}
    fields = parse(shell.run(name, compose(body, {}), environment=variables))[0].fields
    assert fields == {"cache": cache, "data": data}


def test_the_shell_functions_pass_shellcheck() -> None:
    shell.shellcheck(compose(f"{layout.SHELL_DIRECTORIES}\nuser_cache; data_root; trim", {}))


def test_what_must_be_trusted_lies_beside_the_workdir() -> None:
    task = layout.task_layout("one", "/data", None, "/run/optio-codex")
    assert task.workdir == "/data/one/workdir"
    assert task.variables() == {
        "HOME": "/data/one/workdir/home",
        "CODEX_HOME": "/data/one/workdir/home/.codex",
        "XDG_CONFIG_HOME": "/data/one/workdir/home/.config",
        "XDG_DATA_HOME": "/data/one/workdir/home/.local/share",
        "XDG_CACHE_HOME": "/data/one/workdir/home/.cache",
    }
    assert task.codex_link == "/data/one/workdir/home/.local/bin/codex"
    assert task.config == "/data/one/workdir/home/.codex/config.toml"
    for path in (task.record, task.environment, task.launcher, task.exit_status, task.terminal_log):
        assert os.path.dirname(path) == "/data/one"
    assert {task.tmux_socket, task.terminal_socket} == {
        "/run/optio-codex/one/tmux.sock",
        "/run/optio-codex/one/ttyd.sock",
    }


def test_directories_come_after_their_parents() -> None:
    task = layout.task_layout("one", "/data", "/srv/w", None)
    seen = {task.workdir}
    for directory in task.directories():
        assert os.path.dirname(directory) in seen
        seen.add(directory)
    assert set(task.variables().values()) <= seen
    assert os.path.dirname(task.codex_link) in seen


def test_a_user_s_sockets_are_short_and_their_own() -> None:
    names = ("x" * 64, "x" * 63 + "y")
    runtimes = {layout.task_layout(name, "/home/some.body/.local/share/optio-codex", None, None).runtime for name in names}
    assert len(runtimes) == 2


def test_a_socket_path_that_is_too_long_names_the_limit() -> None:
    at_limit = layout.task_layout("one", "/" + "r" * 73, None, None)
    assert max(len(at_limit.tmux_socket), len(at_limit.terminal_socket)) <= layout.SOCKET_PATH_LIMIT
    with pytest.raises(OptioError, match="a unix socket takes 107") as raised:
        layout.task_layout("one", "/" + "r" * 100, None, None)
    assert raised.value.remedy == "Set root to a shorter directory"
    with pytest.raises(OptioError, match="bytes"):
        layout.task_layout("one", "/" + "ü" * 50, None, None)
