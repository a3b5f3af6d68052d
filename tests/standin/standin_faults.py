# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The faults that the stand-in has on request: chosen by the path or by the key of a request, so it keeps no state.

The error objects are those that the API documents for the status, so that what codex makes of them is what a user sees.
"""

from __future__ import annotations

import re
from typing import Any

FAULTS = """\
faults, by the base URL http://HOST:PORT/faults/<fault>/v1, or by a key that ends in -fault-<fault>:
  400 to 599  answer with this HTTP status
  quota       429, as for an account whose money is spent
  address     401, as for a key that is not meant for this address
  hang        take the request and never answer
  wrong       answer, but not what was asked
A request for a new token ends in /oauth/token below such a base URL; the status 401 says that it was used before.
"""

_PATH = re.compile(r"/faults/(\w+)(/.*)\Z")
_KEY = re.compile(r"Bearer \S*-fault-(\w+)\Z")
_ERRORS: dict[str, tuple[str, str, str]] = {
    "401": ("invalid_request_error", "invalid_api_key", "Incorrect API key provided: {key}."),
    "address": ("invalid_request_error", "ip_not_authorized", "Your request IP does not match the configured IP allowlist."),
    "403": ("request_forbidden", "unsupported_country_region_territory", "Country, region, or territory not supported"),
    "429": ("rate_limit_error", "rate_limit_exceeded", "Rate limit reached for requests."),
    "quota": ("insufficient_quota", "insufficient_quota", "You exceeded your current quota, please check your plan."),
}
_INVALID = ("invalid_request_error", "invalid_request", "The request is not valid.")
_BROKEN = ("server_error", "server_error", "The server had an error while processing your request.")
_REFRESH = ("invalid_request_error", "refresh_token_reused", "Your refresh token has already been used.")


def fault_of(path: str, authorization: str) -> tuple[str | None, str]:
    """Return the fault that a request asks for, None without one, and the path without it."""
    found = _PATH.match(path)
    if found:
        return found[1], found[2]
    key = _KEY.match(authorization)
    return key[1] if key else None, path


def status_of(fault: str) -> int | None:
    """Return the HTTP status of a fault, None for one that is not told by a status."""
    named = {"quota": 429, "address": 401}
    return named.get(fault) or (int(fault) if re.fullmatch(r"[45]\d\d", fault) else None)


def fault_error(fault: str, authorization: str, path: str) -> dict[str, Any]:
    """Return the API's error object for a fault; a refused key is shown masked, as the API does."""
    key = authorization.removeprefix("Bearer ")
    kind, code, message = _ERRORS.get(fault, _INVALID if fault.startswith("4") else _BROKEN)
    if path.endswith("/oauth/token") and fault == "401":
        kind, code, message = _REFRESH
    elif fault == "401" and not key:
        message = "Missing bearer or basic authentication in header"
    masked = f"{key[:8]}{'*' * max(len(key) - 12, 0)}{key[-4:]}" if key else "(none)"
    return {"error": {"message": message.format(key=masked), "type": kind, "code": code, "param": None}}
