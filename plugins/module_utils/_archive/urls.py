# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""URL origin comparison and redaction; small enough for the controller."""

from __future__ import annotations

from urllib.parse import SplitResult, urlsplit, urlunsplit

DEFAULT_PORTS = {"http": 80, "https": 443}


def origin_of(url: str) -> str:
    """Return scheme, host and port of a URL, the port always written."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname or ''}:{_port(parts)}"


def same_party(origin: str, url: str) -> bool:
    """Return whether ``url`` is of the same origin, or the same host's move from plain HTTP to TLS."""
    if origin_of(url) == origin_of(origin):
        return True
    before, after = urlsplit(origin), urlsplit(url)
    upgraded = (before.scheme, _port(before), after.scheme, _port(after)) == ("http", 80, "https", 443)
    return upgraded and before.hostname == after.hostname


def _port(parts: SplitResult) -> int:
    return parts.port or DEFAULT_PORTS.get(parts.scheme, 0)


def shown(url: str) -> str:
    """Return a URL as messages and records show it: without user, password, query and fragment."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
