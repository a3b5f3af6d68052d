# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The root of the project, set on codex's command line if the workdir is a subdirectory of a repository.

codex reads ``AGENTS.md`` from the root down to the workdir, and takes the nearest directory with a ``.git`` for the root. While a
sandboxed program runs, and codex 0.169.0 reads files by one, codex keeps an empty ``.git`` in the workdir itself.
"""

from __future__ import annotations

import os
import stat
from typing import Any

from .._session.layout import OWN, SessionPaths
from .acknowledged import read_config

SETTING = "project_root_markers"


def root_settings(layout: SessionPaths) -> dict[str, Any]:
    """Return the settings of codex that name the root of the project; none if codex finds it, or if codex's file sets them."""
    # a workdir that the session created is not part of a repository around it
    if layout.origin == OWN or SETTING in read_config(layout):
        return {}
    root = find_root(layout.workdir)
    return {} if root in (None, layout.workdir) else {SETTING: [_marker(root or "", layout.workdir)]}


def find_root(workdir: str) -> str | None:
    """Return the nearest directory with a ``.git`` that is not empty, from the workdir upward."""
    directory = workdir
    while True:
        if _has_git(directory):
            return directory
        parent = os.path.dirname(directory)
        if parent == directory:
            return None
        directory = parent


def _has_git(directory: str) -> bool:
    path = os.path.join(directory, ".git")
    try:
        if not stat.S_ISDIR(os.lstat(path).st_mode):
            return True
        with os.scandir(path) as entries:
            return next(entries, None) is not None
    except PermissionError:
        return True
    except OSError:
        return False


def _marker(root: str, workdir: str) -> str:
    """Return a relative path that exists seen from the root and from no directory below it: up to the top, and down to the workdir."""
    return os.path.join(*[".."] * root.count("/"), workdir.lstrip("/"))
