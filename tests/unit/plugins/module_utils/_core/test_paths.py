# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Names, paths and the default directories."""

from __future__ import annotations

import os

import pytest

from ansible_collections.optio.codex.plugins.module_utils._core import paths
from ansible_collections.optio.codex.plugins.module_utils._core.errors import OptioError
from ansible_collections.optio.codex.plugins.module_utils._core.probe import compose, parse
from ansible_collections.optio.codex.tests.unit.support import shells


@pytest.mark.parametrize("name", ["a", "A-z_0.9", "x" * 64, "a..b", "_", "0"])
def test_names_of_sessions(name: str) -> None:
    paths.validate_name(name)


@pytest.mark.parametrize(
    ("name", "message"),
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
def test_names_that_are_refused(name: str, message: str) -> None:
    with pytest.raises(OptioError, match=message) as raised:
        paths.validate_name(name)
    assert "64 characters of A-Z" in raised.value.remedy


@pytest.mark.parametrize("path", [None, "/", "/a b/'c'", "~", "~/x", "/a~b", "/~daemon"])
def test_paths(path: str | None) -> None:
    paths.validate_path("workdir", path)


@pytest.mark.parametrize(
    ("path", "message"),
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
def test_paths_that_are_refused(path: str, message: str) -> None:
    with pytest.raises(OptioError, match=message) as raised:
        paths.validate_path("workdir", path)
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
    assert paths.expand(given, "/home/w") == expanded


@pytest.mark.parametrize("name", shells.SHELLS)
@pytest.mark.parametrize(("given", "expanded"), EXPANSIONS)
def test_the_shell_expands_alike(name: str, given: str, expanded: str) -> None:
    body = f'{paths.SHELL_DIRECTORIES}\nexpand "$given"; trim; emit path "$REPLY"'
    environment = {"HOME": "/home/w", "PATH": os.environ["PATH"]}
    answered = parse(shells.run(name, compose(body, {"given": given}), environment=environment))
    assert answered[0].get("path") == expanded


@pytest.mark.parametrize("name", shells.SHELLS)
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
    body = f'{paths.SHELL_DIRECTORIES}\nuser_cache; emit cache "$REPLY"\ndata_root; emit data "$REPLY"'
    variables = {"HOME": "/home/w", "PATH": os.environ["PATH"], **environment}
    fields = parse(shells.run(name, compose(body, {}), environment=variables))[0].fields
    assert fields == {"cache": cache, "data": data}


def test_the_shell_functions_pass_shellcheck() -> None:
    shells.shellcheck(compose(f"{paths.SHELL_DIRECTORIES}\nuser_cache; data_root; trim", {}))
