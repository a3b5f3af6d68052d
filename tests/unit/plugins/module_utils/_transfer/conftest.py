# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A place for each test of snapshots."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ansible_collections.optio.codex.tests.unit.support.snapshot_place import LONE, Place


@pytest.fixture
def base(open_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    # a directory with a short path, for the sockets
    monkeypatch.setenv("HOME", str(open_path))
    (open_path / "bin").mkdir()
    (open_path / "bin/id").write_text(LONE)
    (open_path / "bin/id").chmod(0o755)
    monkeypatch.setenv("PATH", f"{open_path}/bin:{os.environ['PATH']}")
    return open_path


@pytest.fixture
def place(base: Path) -> Place:
    return Place(base)
