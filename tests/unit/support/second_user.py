# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A second Unix user for tests that run as root: in a mount namespace, so that the machine's own accounts and /run are not touched."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

NAME, NUMBER = "optio-second", 54321
CLONE_NEWNS = 0x00020000

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root acts for another user")


def home_of(base: Path) -> Path:
    """Return the home of the second user."""
    return base / "second"


def in_namespace(base: Path, act: Callable[[], None]) -> None:
    """Run ``act`` in a child process that sees the second user and empty directories /run and /var/lib; raise where it failed."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            _prepare(base)
            act()
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0, "see the traceback of the child process"


def _prepare(base: Path) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS):
        raise OSError(ctypes.get_errno(), "unshare")
    commands = [["--make-rprivate", "/"], *(["-t", "tmpfs", "tmpfs", place] for place in ("/run", "/var/lib"))]
    line = {"passwd": f"{NAME}:x:{NUMBER}:{NUMBER}::{home_of(base)}:/bin/sh\n", "group": f"{NAME}:x:{NUMBER}:\n"}
    for file, more in line.items():
        (base / file).write_text(Path("/etc", file).read_text() + more)
        commands.append(["--bind", str(base / file), f"/etc/{file}"])
    for command in commands:
        subprocess.run(["mount", *command], check=True)
    home_of(base).mkdir(mode=0o700)
    shutil.chown(home_of(base), NUMBER, NUMBER)
