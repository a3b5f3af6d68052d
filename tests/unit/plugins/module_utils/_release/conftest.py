# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A home and sources for releases that are installed on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.optio.codex.tests.unit.support.release_builders import (
    Answer,
    Server,
    serving,
)
from ansible_collections.optio.codex.tests.unit.support.release_sources import (
    ARCHIVE,
    CODEX_PATH,
    TTYD,
    TTYD_PATH,
    Mirror,
)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "home"
    path.mkdir()
    monkeypatch.setenv("HOME", str(path))
    for name in ("XDG_CACHE_HOME", "OPTIO_CODEX_CACHE_DIR", "http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    return path


@pytest.fixture
def quick_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not wait for the disk: nothing here loses power."""
    monkeypatch.setattr("os.fsync", lambda descriptor: None)


@pytest.fixture
def mirror(tmp_path: Path) -> Mirror:
    made = Mirror(tmp_path / "mirror")
    made.put(CODEX_PATH, ARCHIVE)
    made.put(TTYD_PATH, TTYD)
    return made


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as running:
        running.answers[CODEX_PATH] = Answer(ARCHIVE)
        running.answers[TTYD_PATH] = Answer(TTYD)
        yield running
