# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Catalogs of models, as codex prints them and as it does not."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.optio.codex.plugins.module_utils._codex.successors import MOST, successors


def model(slug: Any, successor: Any = None) -> dict[str, Any]:
    """Return a model of a catalog, with the fields that are read."""
    upgrade = {"model": successor, "migration_markdown": "# Meet it"} if successor else None
    return {"slug": slug, "display_name": "x", "upgrade": upgrade}


@pytest.mark.parametrize(
    ("models", "found"),
    [
        ([], {}),
        (
            [model("gpt-6-sol"), model("gpt-5.5", "gpt-6-sol"), model("gpt-5.6-luna", "gpt-6-luna")],
            {"gpt-5.5": "gpt-6-sol", "gpt-5.6-luna": "gpt-6-luna"},
        ),
        # names that cannot be models are not passed on
        (
            [model('a"}', "b"), model("a", 'b"}'), model("a b", "c"), model("", "c"), model(7, "c"), model("a", 7), model("a" * 101, "b")],
            {},
        ),
        (["text", None, {"slug": "a", "upgrade": "b"}, {"slug": "a", "upgrade": {}}, {"upgrade": {"model": "b"}}], {}),
        ([model(f"m{number}", "n") for number in range(MOST + 5)], {f"m{number}": "n" for number in range(MOST)}),
    ],
)
def test_successors(models: list[Any], found: dict[str, str]) -> None:
    assert successors(json.dumps({"models": models})) == found


@pytest.mark.parametrize("text", ["", "{", "[]", "7", "{}", '{"models": {}}', "error: unrecognized subcommand"])
def test_other_texts(text: str) -> None:
    with pytest.raises(ValueError):
        successors(text)
