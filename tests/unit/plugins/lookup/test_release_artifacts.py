# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lookup, as a play calls it."""

from __future__ import annotations

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


def test_empty_strings_are_the_defaults() -> None:
    empty = dict.fromkeys(("codex_versions", "ttyd_versions", "platforms", "archives", "mirror_url", "npm_registry", "extra"), "")
    assert query("", **empty) == query(**dict.fromkeys(empty)) == query([], **{**empty, "platforms": []}) == query() != []


def test_text_and_lists_are_alike() -> None:
    text = query("codex, ttyd", codex_versions="0.142.5\n0.169.0", platforms="x86_64,aarch64", archives="npm", ttyd_versions="all")
    lists = query(
        "codex", ["ttyd"], codex_versions=["0.142.5", "0.169.0"], platforms=["x86_64", "aarch64"], archives=["npm"], ttyd_versions=["1.7.7"]
    )
    assert text == lists and len(text) == 6


def test_errors_are_whole_sentences() -> None:
    with pytest.raises(AnsibleError, match=r"^platform vax: is none that upstream publishes for\. Give one of .*\.$"):
        query(platforms="vax")
