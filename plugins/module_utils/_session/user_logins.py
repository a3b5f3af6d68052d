# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""ChatGPT logins in a user's home that exist nowhere else: the home of a session that was removed without purge may have one."""

from __future__ import annotations

import os
from contextlib import suppress
from itertools import islice

from .._codex.auth_file import of_auth_json
from .._codex.login_digest import NAME
from .._core.errors import OptioError
from .._core.safe_open import SafeDirectory
from .login import LIMIT

#: below the home of a user
SESSIONS_DIR = ".local/share/optio-codex"
#: sessions that are looked at
_SESSIONS = 10_000
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def only_copies(home: str, sessions_dir: str | None) -> tuple[str, ...]:
    """Return the auth.json of each session below a home whose login has no copy; the user may change all of it meanwhile."""
    place = _below(home, sessions_dir)
    if place is None:
        return ()
    found = []
    with suppress(OSError), SafeDirectory(home, follow=False) as directory:
        for name in _names(home, place):
            path = f"{place}/{name}/home/.codex/{NAME}"
            digest = _digest(_read(directory, path))
            if digest is not None and digest != (_read(directory, f"{place}/{name}/login") or "").strip():
                found.append(f"{home}/{path}")
    return tuple(found)


def _below(home: str, sessions_dir: str | None) -> str | None:
    """Return the path of the sessions relative to the home, None if they are elsewhere and stay."""
    path = (sessions_dir or f"~/{SESSIONS_DIR}").rstrip("/")
    path = home + path[1:] if path.startswith("~/") else path
    relative = os.path.relpath(path, home)
    return None if relative.startswith("..") else relative


def _names(home: str, place: str) -> list[str]:
    directory = os.open(home, _DIRECTORY)
    try:
        for part in place.split("/"):
            below = os.open(part, _DIRECTORY, dir_fd=directory)
            os.close(directory)
            directory = below
        with os.scandir(directory) as entries:
            return [entry.name for entry in islice(entries, _SESSIONS)]
    finally:
        os.close(directory)


def _read(directory: SafeDirectory, path: str) -> str | None:
    try:
        descriptor = directory.open(path)
    except OSError:
        return None
    with os.fdopen(descriptor, "rb") as stream:
        return stream.read(LIMIT + 1).decode("utf-8", "replace")


def _digest(text: str | None) -> str | None:
    """Return the digest of the login in an auth.json, None without a login; a damaged one may have a token."""
    if text is None:
        return None
    try:
        return of_auth_json(text, NAME).login or None
    except OptioError:
        return "damaged" if '"refresh_token"' in text else None
