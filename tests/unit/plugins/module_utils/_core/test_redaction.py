# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.optio.codex.plugins.module_utils._core.redaction import redacted

KEY = "sk-proj-abcdefghijklmnopqrstuvwxyz0123456789"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"key {KEY}.", "key ***"),
        ("provided: sk-proj-****************6789., url: http://x/", "provided: ***, url: http://x/"),
        ("Authorization: Bearer abc.def-ghi", "Authorization: Bearer ***"),
        ("token eyJhbGciOiJub25lIn0.eyJleHAiOjF9.e30 is old", "token *** is old"),
        ("proxy http://joe:pa55@proxy:3128/ said no", "proxy http://***@proxy:3128/ said no"),
        ("plain-secret-value and\n\x1b[31mred", "*** and [31mred"),
        ("x" * 400, "x" * 300 + "…"),
    ],
)
def test_nothing_that_is_or_looks_like_a_secret_is_shown(text: str, shown: str) -> None:
    assert redacted(text, ["plain-secret-value", "secret"]) == shown
