# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a sandbox that was killed leaves behind: it goes with the session, and nothing else does."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from ansible_collections.optio.codex.plugins.module_utils._session import sandbox_remains
from ansible_collections.optio.codex.plugins.module_utils._session.layout import PROJECT, task_layout
from ansible_collections.optio.codex.plugins.module_utils._session.sandbox_remains import (
    NAMES,
    create_shared,
    remove_remains,
    remove_shared,
)
from ansible_collections.optio.codex.plugins.module_utils._session.state import ObservedSession, Session, Worker, Workspace


@pytest.fixture
def view(open_path: Path, monkeypatch: pytest.MonkeyPatch) -> ObservedSession:
    monkeypatch.setattr(sandbox_remains, "_runs_elsewhere", lambda: False)
    layout = task_layout("one", str(open_path / "root"), None, None)
    options = {"writable_roots": [str(open_path / "more"), "relative", 3]}
    session = Session(record={"name": "one", "options": json.dumps(options)})
    for directory in (layout.workdir, layout.agent, str(open_path / "more")):
        os.makedirs(directory)
    worker = Worker("Linux", "x86_64", "w", "me", "/home/me", "/bin", privileged=False, systemd=False)
    return ObservedSession(worker, layout, Workspace(), session)


def test_empty_ones_go_from_every_writable_directory(view: ObservedSession, open_path: Path) -> None:
    roots = [Path(view.layout.workdir), Path(view.layout.agent), open_path / "more"]
    for root in roots:
        for name in (".git", ".codex", ".aws"):
            (root / name).mkdir()
        (root / ".agents").touch()
    removed = remove_remains(view)
    assert {*removed} >= {f"{root}/{name}" for root in roots for name in (".git", ".codex", ".agents", ".aws")}
    assert not [path for root in roots for path in root.iterdir()]


def test_directories_with_files_stay(view: ObservedSession, open_path: Path) -> None:
    workdir = Path(view.layout.workdir)
    (workdir / ".git/hooks").mkdir(parents=True)
    (workdir / ".codex").write_text("x")
    (open_path / "target").mkdir()
    (workdir / ".agents").symlink_to(open_path / "target")
    os.mkfifo(workdir / ".aws")
    assert not [path for path in remove_remains(view) if path.startswith(str(open_path))]
    assert sorted(path.name for path in workdir.iterdir()) == [".agents", ".aws", ".codex", ".git"]
    assert (open_path / "target").is_dir()


def test_what_another_user_owns_stays(view: ObservedSession, monkeypatch: pytest.MonkeyPatch) -> None:
    (Path(view.layout.workdir) / ".git").mkdir()
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    assert remove_remains(view) == []


def test_shared_directories_keep_theirs_while_a_codex_runs(view: ObservedSession, open_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    project = open_path / "project"
    project.mkdir()
    view = replace(view, layout=replace(view.layout, workdir=str(project), origin=PROJECT))
    roots = [project, Path(view.layout.agent), open_path / "more"]
    for root in roots:
        (root / ".git").mkdir()
    with subprocess.Popen(["bash", "-c", "exec -a /opt/x/codex sleep 60"]) as process:
        try:
            # bash names it too, before it becomes it
            while not Path(f"/proc/{process.pid}/cmdline").read_bytes().startswith(b"/opt/x/codex"):
                pass
            assert remove_remains(view) == [f"{view.layout.agent}/.git"]
        finally:
            process.kill()
    assert (project / ".git").is_dir()


def test_what_the_sandboxes_of_all_users_share(open_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is there as long as a codex runs, and what another user owns or has put there stays."""
    monkeypatch.setattr(sandbox_remains, "SHARED", str(open_path))
    (open_path / NAMES[0]).symlink_to("/nowhere")
    (open_path / NAMES[1]).mkdir()
    (open_path / NAMES[1] / "file").touch()
    for _again in range(2):
        create_shared()
        assert sorted(path.name for path in open_path.iterdir()) == sorted(NAMES)
    monkeypatch.setattr(sandbox_remains, "_runs_elsewhere", lambda: True)
    remove_shared()
    assert len(list(open_path.iterdir())) == len(NAMES)
    monkeypatch.setattr(sandbox_remains, "_runs_elsewhere", lambda: False)
    remove_shared()
    assert sorted(path.name for path in open_path.iterdir()) == sorted(NAMES[:2])
