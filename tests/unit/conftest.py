# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Makes ``ansible_collections.optio.codex`` importable: pyproject.toml puts ``collections`` on the path."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

LINK = Path(__file__).resolve().parents[2] / "collections" / "ansible_collections" / "optio" / "codex"

# tables fit the terminal, and pytest-xdist sets the size of one
os.environ["COLUMNS"] = "120"

LINK.parent.mkdir(parents=True, exist_ok=True)
if not LINK.is_symlink():
    LINK.symlink_to("../../..")


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers of pyproject.toml, which ansible-test does not read."""
    for marker in ("slow", "extended"):
        config.addinivalue_line("markers", f"{marker}: see pyproject.toml")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave `make check` one shell of those that a probe is tried in: dash, Debian's sh."""
    for item in items:
        callspec = getattr(item, "callspec", None)
        if callspec and not {"bash", "busybox"}.isdisjoint(callspec.id.split("-")):
            item.add_marker("slow")


@pytest.fixture(autouse=True)
def no_shared_directories(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep launches from creating /tmp/.git on this machine, below which git and Ansible's own tools would fail."""
    from ansible_collections.optio.codex.plugins.module_utils._session import sandbox_remains

    monkeypatch.setattr(sandbox_remains, "SHARED", str(tmp_path_factory.getbasetemp()))


@pytest.fixture
def open_path() -> Iterator[Path]:
    """Give a directory that every user may enter, which pytest's own ``tmp_path`` is not."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        os.chmod(name, 0o755)
        yield Path(name)
