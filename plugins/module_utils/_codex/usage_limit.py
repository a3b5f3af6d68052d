# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The usage limits of the account, as codex records them in a rollout with each answer of the model."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

#: seconds since the epoch that can be written as a date
_LATEST = 253_402_300_799


@dataclass(frozen=True)
class UsageLimit:
    """The more used of the account's two limits: percent, when it is reset in seconds since the epoch, and its minutes."""

    used_percent: float
    resets_at: int | None = None
    window_minutes: int | None = None

    @property
    def used_up(self) -> bool:
        """Whether nothing is left."""
        return self.used_percent >= 100

    def as_result(self) -> dict[str, Any]:
        """Return the limit as modules return it."""
        return {"used_percent": self.used_percent, "resets_at": self.resets_at, "window_minutes": self.window_minutes}


def parse_usage(record: str) -> UsageLimit | None:
    """Return the limit in codex's record of the usage, from its type on; None if the record is cut off or has no limit."""
    try:
        payload, _end = json.JSONDecoder().raw_decode(f"{{{record}")
    except (ValueError, RecursionError):
        return None
    limits = payload.get("rate_limits")
    windows = [limits.get(name) for name in ("primary", "secondary")] if isinstance(limits, dict) else []
    found = [limit for limit in map(_limit, windows) if limit]
    # of two that are used up, the later reset counts
    return max(found, key=lambda limit: (min(limit.used_percent, 100), limit.resets_at or 0), default=None)


def _limit(window: Any) -> UsageLimit | None:
    used = window.get("used_percent") if isinstance(window, dict) else None
    if isinstance(used, bool) or not isinstance(used, (int, float)) or not 0 <= used <= 1000:
        return None
    return UsageLimit(float(used), _whole(window.get("resets_at")), _whole(window.get("window_minutes")))


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _LATEST else None


def describe_usage(usage: dict[str, Any]) -> str:
    """Return a clause with a limit as modules return it."""
    window = usage["window_minutes"]
    reset = usage["resets_at"]
    name = f"the {_span(window)} usage limit" if window else "the usage limit"
    until = f", reset at {datetime.fromtimestamp(reset, timezone.utc):%Y-%m-%d %H:%M:%S} UTC" if reset else ""
    return f"{usage['used_percent']:g}% of {name} used{until}"


def _span(minutes: int) -> str:
    for size, unit in ((1440, "day"), (60, "hour")):
        if minutes >= size and minutes % size == 0:
            return f"{minutes // size}-{unit}"
    return f"{minutes}-minute"
