# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Jobs in processes of their own: their results in order, and what is left of one that dies."""

from __future__ import annotations

import os
import signal
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.optio.codex.plugins.module_utils._core.parallel import run_side_by_side


def killed() -> dict[str, Any]:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("unreachable")


def test_results_are_in_the_order_of_the_jobs() -> None:
    # more than a pipe holds
    long = "x" * (1 << 20)
    results = [{"number": number, "text": long} for number in range(5)]
    assert run_side_by_side([partial(dict, result) for result in results], limit=2) == results
    assert run_side_by_side([]) == []


def test_a_job_that_dies_has_no_result_and_the_others_have_theirs() -> None:
    assert run_side_by_side([lambda: {"a": 1}, killed, lambda: {"b": 2}]) == [{"a": 1}, None, {"b": 2}]


def test_half_a_result_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process can be killed while it writes a result that is larger than the pipe."""

    def half(descriptor: int, *_mode: str) -> Any:
        os.write(descriptor, b'{"a": ')
        killed()

    def dying() -> dict[str, Any]:
        # in the process of this job alone
        monkeypatch.setattr(os, "fdopen", half)
        return {"a": 1}

    assert run_side_by_side([dying, lambda: {"b": 2}]) == [None, {"b": 2}]


def test_no_more_jobs_run_at_once_than_the_limit(tmp_path: Path) -> None:
    def job() -> dict[str, Any]:
        mine = tmp_path / str(os.getpid())
        mine.touch()
        seen = len(list(tmp_path.iterdir()))
        mine.unlink()
        return {"seen": seen}

    results = run_side_by_side([job] * 8, limit=2)
    assert all(result is not None and result["seen"] <= 2 for result in results)


def test_no_process_is_left() -> None:
    for result in run_side_by_side([lambda: {"pid": os.getpid()}] * 3):
        assert result is not None
        with pytest.raises(ChildProcessError):
            os.waitpid(result["pid"], os.WNOHANG)
