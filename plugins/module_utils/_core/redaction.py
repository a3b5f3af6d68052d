# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Texts of servers and programs without the secrets in them."""

from __future__ import annotations

import re
from collections.abc import Collection

#: characters of a text that are shown
DETAIL_LENGTH = 300
_KEY = re.compile(r"\bsk-[\w*.-]{6,}|\beyJ[\w-]{8,}(?:\.[\w-]*){0,2}|(?<=Bearer )\S+|(?<=://)[^/@\s]+(?=@)")
REDACTED = "***"


def redacted(text: str, secrets: Collection[str]) -> str:
    """Return a text in one line, shortened, without the known ``secrets`` and everything that looks like one."""
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, REDACTED)
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in _KEY.sub(REDACTED, text)).split())
    return line if len(line) <= DETAIL_LENGTH else f"{line[:DETAIL_LENGTH]}…"
