# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lookup, as a play calls it."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleError
from ansible.plugins.loader import init_plugin_loader, lookup_loader

init_plugin_loader()


def query(*terms: Any, **options: Any) -> list[dict[str, Any]]:
    plugin = lookup_loader.get("optio.codex.release_artifacts")
    rows: list[dict[str, Any]] = plugin.run(list(terms), variables={}, **options)
    return rows


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
