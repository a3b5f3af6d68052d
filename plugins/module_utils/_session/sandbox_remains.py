# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The empty directories that codex's sandbox creates in its writable directories, and leaves there when it is killed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress

from .._core import processes
from .._core.safe_open import SafeDirectory
from .record import options_of_record
from .state import ObservedSession

#: codex protects these paths, and creates an empty directory or file if one does not exist
NAMES = (".git", ".codex", ".agents", ".aws")
#: the writable directory that the sandboxes of all users have in common
SHARED = "/tmp"
#: the programs that use such a directory as long as they run
_PROGRAMS = ("codex", "bwrap", "codex-linux-sandbox")


def remove_remains(view: ObservedSession) -> list[str]:
    """Remove the remains of an ended session's sandbox, as the session's user; return the paths.

    Directories that other sessions can write to stay as long as a codex runs: a sandbox loses its protection if one below it
    is removed. The last session removes it.
    """
    own, shared = _roots(view)
    roots = [*own, *(() if _runs_elsewhere() else shared)]
    return [f"{root}/{name}" for root in roots for name in _remove(root)]


def create_shared() -> None:
    """Create the directories below /tmp that every sandbox would create and remove by itself.

    Each user's codex keeps a count of its own. codex 0.169.0 ends with an error if it cannot remove a directory that the
    sandbox of another user created in the same moment.
    """
    for name in NAMES:
        with suppress(OSError):
            os.mkdir(f"{SHARED}/{name}", 0o755)


def remove_shared() -> None:
    """Remove the directories of ``create_shared`` that are the caller's, unless a codex runs."""
    # the look at all processes is not for a worker that has none of them
    if any(os.path.isdir(f"{SHARED}/{name}") for name in NAMES) and not _runs_elsewhere():
        list(_remove(SHARED))


def _remove(root: str) -> Iterator[str]:
    try:
        with SafeDirectory(root) as directory:
            yield from (name for name in NAMES if directory.remove_empty(name))
    except OSError:
        return


def _roots(view: ObservedSession) -> tuple[list[str], list[str]]:
    """Return the directories that a sandbox of the session can write: those of the session alone, and the others."""
    layout = view.layout
    options = options_of_record(view.session) or {}
    roots = options.get("writable_roots")
    given = [root for root in roots if isinstance(root, str) and root.startswith("/")] if isinstance(roots, list) else []
    if layout.workdir.startswith(f"{layout.task}/"):
        return [layout.workdir, layout.agent], [*given, SHARED]
    return [layout.agent], [layout.workdir, *given, SHARED]


def _runs_elsewhere() -> bool:
    for pid in map(int, filter(str.isdigit, os.listdir("/proc"))):
        words = processes.arguments(pid)
        if words and os.path.basename(words[0]) in _PROGRAMS and processes.is_running(pid):
            return True
    return False
