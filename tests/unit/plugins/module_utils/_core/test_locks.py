# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Waiting for a lock always ends, with an error that names what is locked and what to do."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from ansible_collections.optio.codex.plugins.module_utils._core.errors import OptioError
from ansible_collections.optio.codex.plugins.module_utils._core.locks import acquire, open_lock


class Clock:
    now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_the_error_names_the_lock_and_the_remedy(tmp_path: Path) -> None:
    path = str(tmp_path / "lock")
    with open(path, "w") as holder:
        fcntl.flock(holder, fcntl.LOCK_EX)
        clock, descriptor = Clock(), open_lock(path)
        with pytest.raises(OptioError) as caught:
            acquire(descriptor, "cache /x", path, clock, 7, flock=True)
    assert str(caught.value) == (
        f"another run has held the lock {path} of cache /x for 7 s. "
        f"Wait for that run to end, or end it if it hangs (fuser {path} shows its process), and run again."
    )
    assert 7 <= clock.now < 8
    acquire(descriptor, "cache /x", path, clock, 7, flock=True)
    os.close(descriptor)


def test_a_file_system_without_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unsupported(*_arguments: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", unsupported)
    descriptor = open_lock(str(tmp_path / "lock"))
    acquire(descriptor, "x", "/lock", Clock(), 7, flock=True, required=False)
    with pytest.raises(OptioError, match="/lock cannot be locked: Operation not supported"):
        acquire(descriptor, "x", "/lock", Clock(), 7, flock=True)
    os.close(descriptor)
