# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A session's config.toml: what is written must be read back as what was meant."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest

from ansible_collections.optio.codex.plugins.module_utils._codex.config import (
    UNATTENDED,
    base_config,
    merged,
)
from ansible_collections.optio.codex.plugins.module_utils._core.errors import OptioError
from ansible_collections.optio.codex.plugins.module_utils._core.toml import dumps, toml_value
from ansible_collections.optio.codex.tests.unit.support import toml_reader

#: characters that TOML, JSON or a shell treat in some way of their own
ODD = "aZ0_-. \"'\\#=[]{}\t\n\r\x00\x01\x1f\x7f\x80\u2028é€😀\ud7ff"
DOCUMENTS = 1500


def a_text(chance: random.Random) -> str:
    return "".join(chance.choice(ODD) for _position in range(chance.randrange(8)))


def a_value(chance: random.Random, depth: int) -> Any:
    kind = chance.randrange(7 if depth else 5)
    if kind == 0:
        return chance.choice([True, False])
    if kind == 1:
        return chance.randrange(-(2**63), 2**63)
    if kind == 2:
        return chance.choice([0.0, -0.5, 1e300, 1e-7, 1e16, chance.random()])
    if kind in (3, 4):
        return a_text(chance)
    if kind == 5:
        return [a_value(chance, depth - 1) for _position in range(chance.randrange(4))]
    return a_table(chance, depth - 1)


def a_table(chance: random.Random, depth: int) -> dict[str, Any]:
    return {a_text(chance): a_value(chance, depth) for _position in range(chance.randrange(5))}


@pytest.mark.parametrize("seed", range(5))
def test_any_document_is_read_back_as_it_was(seed: int) -> None:
    chance = random.Random(seed)
    for _number in range(DOCUMENTS // 5):
        document = a_table(chance, 4)
        assert toml_reader.loads(dumps(document)) == document, document


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true"),
        (False, "false"),
        (0, "0"),
        (-1, "-1"),
        (1.5, "1.5"),
        ("a", '"a"'),
        ('say "hi"\\', '"say \\"hi\\"\\\\"'),
        ("two\nlines", '"two\\nlines"'),
        ("\x7f", '"\\u007F"'),
        ("é😀", '"é😀"'),
        ([1, "a", [True]], '[1, "a", [true]]'),
        ((), "[]"),
        ({"a b": {"c": 1}}, '{"a b" = {c = 1}}'),
        ({}, "{}"),
    ],
)
def test_inline_values(value: object, text: str) -> None:
    assert toml_value(value) == text


@pytest.mark.parametrize("value", [math.inf, -math.inf])
def test_infinity_has_a_spelling(value: float) -> None:
    assert toml_reader.loads(dumps({"a": value})) == {"a": value}


@pytest.mark.parametrize("value", [None, object(), b"bytes", {1, 2}])
def test_what_toml_lacks_is_refused(value: object) -> None:
    with pytest.raises(OptioError, match="which TOML does not have"):
        base_config({"model_providers": {"mine": {"key": [value]}}})


def test_the_refusal_does_not_show_other_settings() -> None:
    with pytest.raises(OptioError) as refusal:
        base_config({"token": "hunter2", "model": None})
    assert "hunter2" not in str(refusal.value)


def test_without_settings_codex_runs_unattended() -> None:
    assert toml_reader.loads(base_config({})) == UNATTENDED
    assert toml_reader.loads(base_config({}))["check_for_update_on_startup"] is False


def test_settings_of_the_user_win_and_keep_the_others() -> None:
    document = toml_reader.loads(base_config({"features": {"plugins": True, "mine": 1}, "model": "m"}))
    assert document["features"] == {"plugins": True, "daemon_auto_start": False, "mine": 1}
    assert document["model"] == "m"
    assert document["analytics"] == {"enabled": False}


def test_merging_leaves_both_as_they_were() -> None:
    base, added = {"a": {"b": 1}}, {"a": {"c": 2}}
    assert merged(base, added) == {"a": {"b": 1, "c": 2}}
    assert (base, added) == ({"a": {"b": 1}}, {"a": {"c": 2}})
    assert merged({"a": {"b": 1}}, {"a": 3}) == {"a": 3}


def test_plain_values_come_before_tables() -> None:
    # after a table's header a plain key would belong to that table
    text = dumps({"table": {"x": 1}, "plain": 2, "empty": {}})
    assert text == "plain = 2\n\n[table]\nx = 1\n\n[empty]\n"
