# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files with a second name: one of the session's own is refused, one of another user too, and a build result is not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ansible_collections.optio.codex.plugins.module_utils._session.layout import task_layout
from ansible_collections.optio.codex.plugins.module_utils._transfer.own_files import FOREIGN, REASON, OwnFiles


def refusal(base: Path, path: str, owner: int | None = None) -> str | None:
    """Return why a second name of a file of a session is refused."""
    layout = task_layout("one", str(base / "root"), None, None)
    file, twin = Path(layout.task, path), Path(layout.workdir, "twin")
    for parent in (file.parent, twin.parent, Path(layout.codex_home)):
        parent.mkdir(parents=True, exist_ok=True)
    file.write_text("x")
    assert OwnFiles(layout).refusal(file.stat()) is None, "it has one name"
    os.link(file, twin)
    if owner is not None:
        os.chown(file, owner, owner)
    return OwnFiles(layout).refusal(twin.stat())


@pytest.mark.parametrize(
    "path", ["home/.codex/config.toml", "home/.codex/auth.json", "home/.codex/sessions/a/b.jsonl", "session", "environment"]
)
def test_a_second_name_of_a_file_of_the_session(tmp_path: Path, path: str) -> None:
    assert refusal(tmp_path, path) == REASON


@pytest.mark.parametrize("path", ["workdir/build/result", "agent/.cache/result"])
def test_a_second_name_of_a_build_result(tmp_path: Path, path: str) -> None:
    assert refusal(tmp_path, path) is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a file that belongs to another user")
def test_a_second_name_of_another_users_file(tmp_path: Path) -> None:
    assert refusal(tmp_path, "workdir/theirs", 65534) == FOREIGN
