# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The digest that identifies a ChatGPT login without its tokens, and the name of the file with the login."""

from __future__ import annotations

import hashlib

#: below ``CODEX_HOME``
NAME = "auth.json"
#: before a refresh token in its digest
DIGEST_PREFIX = "optio.codex login "


def login_digest(refresh_token: str) -> str:
    """Return the digest by which two copies of a login are compared."""
    return hashlib.sha256(f"{DIGEST_PREFIX}{refresh_token}".encode("utf-8", "surrogateescape")).hexdigest()
