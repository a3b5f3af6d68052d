# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Credentials whose secret parts can be looked for."""

from __future__ import annotations

import json
from typing import Any

#: in every secret value
MARKER = "s3cret"
EARLY, LATE = "2026-01-01T00:00:00.000000Z", "2026-01-02T00:00:00.123456789Z"


def chatgpt(account: str = "account-1", refreshed: str | None = EARLY, token: str = "one", **changes: Any) -> dict[str, Any]:
    """Return the auth.json of a ChatGPT login."""
    tokens = {name: f"{MARKER}-{name}-{token}" for name in ("id_token", "access_token", "refresh_token")}
    data = {"auth_mode": "chatgpt", "OPENAI_API_KEY": None, "tokens": {**tokens, "account_id": account}, "last_refresh": refreshed}
    return {name: value for name, value in {**data, **changes}.items() if value is not ...}


def text_of(data: dict[str, Any]) -> str:
    """Return an auth.json as codex writes it."""
    return json.dumps(data, indent=2)
