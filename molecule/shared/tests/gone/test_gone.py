# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""After teardown, twice: nothing of the session is left, and the worker is still one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from paths import CACHE, RUNTIME, SUPERVISED, TASK


def test_no_process(host: Any, tagged: Callable[[], list[str]]) -> None:
    assert tagged() == []
    assert host.run("pgrep -a -x 'ttyd|tmux: server|codex'").stdout == ""


def test_no_file(host: Any) -> None:
    for path in (TASK, RUNTIME):
        assert not host.file(path).exists, path
    # where a directory is closed to the user, nothing of theirs is in it either
    assert host.run("find /tmp /var/tmp /run -name '*optio*' -type s").stdout == ""


def test_no_unit(host: Any) -> None:
    if SUPERVISED:
        assert host.check_output("systemctl list-units --all --no-legend --plain 'optio-*'") == ""
        assert host.check_output("systemctl list-unit-files --no-legend --plain 'optio-*' || true") == ""


def test_programs_stay(host: Any) -> None:
    assert host.file(f"{CACHE}/codex").exists
    assert host.file(f"{CACHE}/ttyd").exists
