# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A mark for tests that mount filesystems in a namespace of their own."""

from __future__ import annotations

import subprocess

import pytest


def can_mount() -> bool:
    """Return whether this user may create a mount namespace: root may, except in a container without the capability."""
    return subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode == 0


needs_mounts = pytest.mark.skipif(
    not can_mount(), reason="mounting requires root (CAP_SYS_ADMIN), which a developer may not have; continuous integration does"
)
