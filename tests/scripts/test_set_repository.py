# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The script that sets the public address of the repository."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import set_repository
import yaml

ROOT = Path(__file__).resolve().parents[2]
# in two parts, so that the script does not replace it here
OLD = "https://" + "example.com/optio.codex"
NEW = "https://git.example.org/team/optio.codex"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    (tmp_path / "galaxy.yml").write_text(f"repository: {OLD}\nissues: {OLD}/issues\n")
    (tmp_path / "README.md").write_text(f"See <{OLD}>. Not {OLD}.more, not {OLD}-docs.\n")
    (tmp_path / "picture.png").write_bytes(b"\x89PNG\xff\xfe")
    (tmp_path / "link.md").symlink_to("README.md")
    return tmp_path


def test_every_place(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert set_repository.main([f"{NEW}.git"], tree) == 0
    assert capsys.readouterr().out.split() == ["README.md", "galaxy.yml"]
    assert yaml.safe_load((tree / "galaxy.yml").read_text()) == {"repository": NEW, "issues": f"{NEW}/issues"}
    assert (tree / "README.md").read_text() == f"See <{NEW}>. Not {OLD}.more, not {OLD}-docs.\n"
    # again: nothing
    assert set_repository.main([NEW], tree) == 0
    assert capsys.readouterr().out == ""


def test_the_placeholder_is_refused(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert set_repository.main(["--check"], tree) == 1
    assert f"is the placeholder {OLD}. Run scripts/set_repository.py URL." in capsys.readouterr().err
    set_repository.main([NEW], tree)
    assert set_repository.main(["--check"], tree) == 0


@pytest.mark.parametrize(
    "address", ["", "git.example.org/x", "http://git.example.org/x", "https://a:b@git.example.org/x", "https://git.example.org"]
)
def test_addresses_that_cannot_be_one(tree: Path, address: str) -> None:
    assert set_repository.main([address], tree) == 2
    assert set_repository.current_address(tree) == OLD


def test_the_metadata_comes_from_one_address() -> None:
    document = yaml.safe_load((ROOT / "galaxy.yml").read_text("utf-8"))
    address = document["repository"]
    assert document["homepage"] == address
    assert document["issues"] == f"{address}/issues"
    assert document["documentation"].startswith(f"{address}/blob/main/")
    assert (ROOT / document["documentation"].removeprefix(f"{address}/blob/main/")).is_file()
