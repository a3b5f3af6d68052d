# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Paths that users and the environment specify: validation, expansion, and the default directories."""

from __future__ import annotations

import re

from .errors import OptioError

#: where root keeps a copy of the records of the sessions it launches, out of their users' reach
COPY_ROOT = "/var/lib/optio-codex"
#: world-readable, root-owned, for workers whose sessions belong to other users
SYSTEM_CACHE = "/var/cache/optio-codex/bin"
NAME_LIMIT = 64
#: in the environment of every process of a session; exact where a command line is not
TAG_VARIABLE = "OPTIO_CODEX_TASK"
_NAME = re.compile(r"[A-Za-z0-9._-]+\Z")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")

#: shell: ``user_cache`` and ``data_root`` set REPLY to the per-user defaults; ``trim`` drops trailing slashes
SHELL_DIRECTORIES = r"""
trim() { while :; do case $REPLY in /) return ;; */) REPLY=${REPLY%/} ;; *) return ;; esac; done; }
user_cache() {
  REPLY=${OPTIO_CODEX_CACHE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/optio-codex/bin}
  expand "$REPLY"; trim
}
data_root() { expand "${XDG_DATA_HOME:-$HOME/.local/share}/optio-codex"; trim; }
"""


def validate_name(name: str) -> None:
    """Raise OptioError unless ``name`` can name a session, its directory and its units."""
    remedy = f"Use 1 to {NAME_LIMIT} characters of A-Z, a-z, 0-9, '.', '_' and '-', the first neither '.' nor '-'"
    label = f"session name {name!r}"
    if len(name) > NAME_LIMIT:
        label = f"session name {name[:16]}…"
        raise OptioError(label, f"{label} has {len(name)} characters", remedy)
    if not _NAME.match(name):
        raise OptioError(label, f"{label} has a character that is not allowed in paths and units", remedy)
    if name.startswith((".", "-")):
        raise OptioError(label, f"{label} looks like a hidden file or an option", remedy)


def is_name(text: str) -> bool:
    """Return whether ``text`` can name a session."""
    try:
        validate_name(text)
    except OptioError:
        return False
    return True


def validate_path(option: str, path: str | None) -> None:
    """Raise OptioError unless ``path`` is None, absolute, ``~`` or ``~/…`` (the worker user's home)."""
    if path is None:
        return
    if _CONTROL.search(path):
        raise OptioError(f"{option} {path!r}", f"{option} {path!r} contains a control character", "Use a path without line breaks")
    label = f"{option} {path}"
    home = "or ~/… for the worker user's home"
    if path.startswith("~") and path != "~" and not path.startswith("~/"):
        raise OptioError(label, f"{label} is in another user's home", f"Set an absolute path, {home}")
    if not path.startswith(("/", "~")):
        raise OptioError(label, f"{label} is relative", f"Set an absolute path, {home}")


def expand(path: str, home: str) -> str:
    """Return ``path`` with a leading ``~`` replaced by the worker user's home, without trailing slashes."""
    if path == "~":
        path = home
    elif path.startswith("~/"):
        path = f"{home}/{path[2:]}"
    return path.rstrip("/") or "/"


def archives_directory(cache: str) -> str:
    """Return where an archive is placed by hand, for a worker that downloads nothing."""
    return f"{cache}/archives"
