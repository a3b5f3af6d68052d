# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files that somebody else may have replaced are opened only if they are regular files."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from ansible_collections.optio.codex.plugins.module_utils._codex import rollout_files
from ansible_collections.optio.codex.plugins.module_utils._core import files
from ansible_collections.optio.codex.plugins.module_utils._core.errors import OptioError
from ansible_collections.optio.codex.plugins.module_utils._core.safe_open import SafeDirectory, open_regular

ROLLOUT = "rollout-2026-01-01T00-00-00-01a202d2-04bc-7371-ae76-9a22157469e5.jsonl"


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: os.symlink("/etc/passwd", path)], ids=["pipe", "directory", "link"])
def test_only_regular_files_are_opened(tmp_path: Path, make: Callable[[str], object]) -> None:
    make(str(tmp_path / "file"))
    for flags in (os.O_RDONLY, os.O_WRONLY | os.O_APPEND | os.O_CREAT):
        with pytest.raises(OSError):
            open_regular(str(tmp_path / "file"), flags=flags)


@pytest.mark.timeout(30)
@pytest.mark.parametrize("path", ["pipe", "link", "directory", "way/file", "gone", "../file", "directory/../file", ".", ".."])
def test_below_a_directory_no_link_is_followed(tmp_path: Path, path: str) -> None:
    """Neither in the place of a file nor of a directory in its path, and a pipe is not waited for."""
    (tmp_path / "top/directory").mkdir(parents=True)
    (tmp_path / "top/directory/file").touch()
    (tmp_path / "file").touch()
    os.mkfifo(tmp_path / "top/pipe")
    (tmp_path / "top/link").symlink_to("directory/file")
    (tmp_path / "top/way").symlink_to("directory")
    with SafeDirectory(str(tmp_path / "top")) as directory:
        os.close(directory.open("directory/file"))
        with pytest.raises(OSError):
            directory.open(path)


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / ROLLOUT)
    with pytest.raises(OptioError, match="is not a regular file"):
        files.read_text(str(tmp_path / ROLLOUT))
    assert rollout_files.newest(str(tmp_path)) == str(tmp_path / ROLLOUT)


def test_a_text_has_a_limit(tmp_path: Path) -> None:
    (tmp_path / "text").touch()
    os.truncate(tmp_path / "text", 10 << 30)
    with pytest.raises(OptioError, match="has more than 16 MiB"):
        files.read_text(str(tmp_path / "text"))
    assert files.read_text(os.devnull) == ""


def test_only_empty_directories_are_removed(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "filled").mkdir()
    (tmp_path / "filled/entry").touch()
    (tmp_path / "text").write_text("x")
    (tmp_path / "link").symlink_to("empty")
    with SafeDirectory(str(tmp_path)) as directory:
        names = ("file", "filled", "text", "link", "absent", "empty")
        assert [name for name in names if directory.remove_empty(name)] == ["file", "empty"]
