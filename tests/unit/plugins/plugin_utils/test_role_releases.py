# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of codex and ttyd in the variables of the role codex_worker."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.optio.codex.plugins.module_utils._release.module import CODEX_RELEASE, TTYD_RELEASE
from ansible_collections.optio.codex.plugins.plugin_utils._role_options import role_spec
from ansible_collections.optio.codex.plugins.plugin_utils._role_releases import compared_options, default_sources, release_options


@pytest.mark.parametrize(
    ("options", "codex", "ttyd"),
    [
        ({}, None, None),
        ({"mirror_url": "https://m/x/"}, ["https://m/x/codex"], ["https://m/x/ttyd"]),
        # a registry that is set is a source
        ({"npm_registry": "https://n"}, ["host", "npm", "upstream"], None),
        ({"mirror_url": "https://m", "npm_registry": "https://n"}, ["https://m/codex", "npm"], ["https://m/ttyd"]),
    ],
)
def test_default_sources(options: dict[str, Any], codex: list[str] | None, ttyd: list[str] | None) -> None:
    assert (default_sources(options, "codex"), default_sources(options, "ttyd")) == (codex, ttyd)


@pytest.mark.parametrize(
    ("tool", "options", "wanted"),
    [
        ("codex", {}, {}),
        ("codex", {"codex_version": "1.0.0", "ttyd_version": "2", "user": "u", "sessions_dir": "/s"}, {"version": "1.0.0"}),
        ("codex", {"codex_dir": "/opt/bin", "ttyd_dir": "/opt/t"}, {"codex_dir": "/opt/bin"}),
        ("ttyd", {"codex_dir": "/opt/bin", "ttyd_dir": "/opt/t", "npm_registry": "https://n"}, {"ttyd_dir": "/opt/t"}),
        ("codex", {"codex_sources": ["npm"], "mirror_url": "https://m"}, {"sources": ["npm"]}),
        # a program's own credential replaces that of both
        ("codex", {"url_username": "a", "codex_url_username": "b", "headers": {"x": "y"}}, {"url_username": "b", "headers": {"x": "y"}}),
        ("ttyd", {"url_username": "a", "codex_url_username": "b", "verify": False}, {"url_username": "a", "verify": False}),
        ("codex", {"codex_checksums": {"x86_64": "sha256:a"}}, {"checksums": {"x86_64": "sha256:a"}}),
    ],
)
def test_options(tool: str, options: dict[str, Any], wanted: dict[str, Any]) -> None:
    assert release_options(options, tool) == wanted


@pytest.mark.parametrize(("tool", "release"), [("codex", CODEX_RELEASE), ("ttyd", TTYD_RELEASE)])
def test_every_variable_for_a_release_reaches_its_module(tool: str, release: Any) -> None:
    spec = role_spec("codex_worker", "main")
    names = [name.removeprefix("codex_worker_") for name in spec]
    found = release_options({name: f"value of {name}" for name in names if name != "mirror_url"}, tool)
    assert found.keys() - {"checksums"} == release.specification.argument_spec.keys() - {"state"}


def test_secrets_are_only_for_downloads() -> None:
    found = {"version": "1", "url_password": "hunter2", "headers": {"X": "hunter2"}, "timeout": 5, "verify": True}
    assert compared_options(found) == {"version": "1", "verify": True}
