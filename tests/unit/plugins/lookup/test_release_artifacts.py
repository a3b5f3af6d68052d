# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lookup, as a play calls it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible import constants
from ansible.errors import AnsibleError

from ansible_collections.optio.codex.plugins.lookup.release_artifacts import DOCUMENTATION, LookupModule

NAME = "optio.codex.release_artifacts"


def query(*terms: Any, **options: Any) -> list[dict[str, Any]]:
    # what Ansible's loader does, which would also take over the import of collections
    constants.config.initialize_plugin_configuration_definitions("lookup", NAME, yaml.safe_load(DOCUMENTATION)["options"])
    plugin = LookupModule()
    plugin._load_name = NAME
    return plugin.run(list(terms), variables={}, **options)


@pytest.mark.slow
def test_empty_strings_are_the_defaults() -> None:
    empty = dict.fromkeys(("codex_versions", "ttyd_versions", "platforms", "archives", "mirror_url", "npm_registry", "extra"), "")
    assert query("", **empty) == query(**dict.fromkeys(empty)) == query([], **{**empty, "platforms": []}) == query() != []


def test_text_and_lists_are_alike() -> None:
    text = query("codex, ttyd", codex_versions="0.142.5\n0.169.0", platforms="x86_64,aarch64", archives="npm", ttyd_versions="all")
    lists = query(
        "codex", ["ttyd"], codex_versions=["0.142.5", "0.169.0"], platforms=["x86_64", "aarch64"], archives=["npm"], ttyd_versions=["1.7.7"]
    )
    assert text == lists and len(text) == 6


def test_xterm_comes_from_the_registry_that_npm_is_configured_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.lower().startswith("npm_config_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".npmrc").write_text("registry=https://npm.example/all/\n@xterm:registry=https://npm.example/xterm/\n", encoding="utf-8")
    urls = ["https://npm.example/xterm/@xterm/xterm/-/xterm-6.0.0.tgz", "https://npm.example/xterm/@xterm/addon-fit/-/addon-fit-0.11.0.tgz"]
    assert [row["url"] for row in query("xterm")] == [row["url"] for row in query()[-2:]] == urls
    assert query("xterm", npm_registry="https://other.example")[0]["url"].startswith("https://other.example/@xterm/")


def test_errors_are_whole_sentences() -> None:
    with pytest.raises(AnsibleError, match=r"^platform vax is not a platform that upstream publishes for\. Set one of .*\.$"):
        query(platforms="vax")
