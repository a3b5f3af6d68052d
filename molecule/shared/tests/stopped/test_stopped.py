# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""After stop, and a launch that must not start it again: nothing runs, everything is kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from paths import RUNTIME, SUPERVISED, TASK, UNITS, WORKDIR


def test_nothing_runs(host: Any, tagged: Callable[[], list[str]]) -> None:
    assert tagged() == []
    assert host.run("pgrep -a -x 'ttyd|tmux: server|codex'").stdout == ""


def test_no_unit_is_active(host: Any) -> None:
    if SUPERVISED:
        for unit in UNITS:
            assert not host.service(unit).is_running


def test_no_socket_is_left(host: Any) -> None:
    assert host.check_output(f"find {RUNTIME} -type s 2>/dev/null || true") == ""


def test_files_and_record_stay(host: Any) -> None:
    for path in (f"{WORKDIR}/inside.txt", f"{WORKDIR}/AGENTS.md", f"{TASK}/session", f"{TASK}/stopped"):
        assert host.file(path).is_file, path


def test_true_exit_status_is_kept_in_the_sessions_directory(host: Any) -> None:
    # TERM
    assert host.file(f"{TASK}/exit").content_string.split()[0] == "143"


def test_an_end_by_request_is_not_reported_as_the_agents(host: Any) -> None:
    log = host.file(f"{WORKDIR}/optio.log")
    assert not log.exists or "DONE" not in log.content_string
