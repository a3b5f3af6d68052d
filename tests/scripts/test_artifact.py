# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The artifact holds the files that users need, and nothing else."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

#: files in the top directory, and directories of which all files but those below belong to the artifact
FILES = {"CHANGELOG.rst", "CODE_OF_CONDUCT.md", "FILES.json", "LICENSE", "MANIFEST.json", "README.md", "REUSE.toml", "SECURITY.md"}
DIRECTORIES = {"LICENSES", "docs", "examples", "extensions", "meta", "playbooks", "plugins", "roles"}
LINK = re.compile(r"\]\((?!https?:)([^)#]+)")


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The files of the artifact: of the one that release.sh has built, or of one that is built from the checkout."""
    built = os.environ.get("OPTIO_CODEX_ARTIFACT")
    artifact = Path(built) if built else build(tmp_path_factory.mktemp("artifact"))
    with tarfile.open(artifact) as archive:
        return {member.name for member in archive if not member.isdir()}


def tracked() -> list[str]:
    listing = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listing, cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines()
    return [name for name in names if (ROOT / name).exists()]


def build(place: Path) -> Path:
    """Build the collection from a copy of the project's files, those of tests left out to save time."""
    for name in tracked():
        if not name.startswith("tests/unit/fixtures/"):
            (place / "source" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, place / "source" / name, follow_symlinks=False)
    command = ["ansible-galaxy", "collection", "build", "--output-path", str(place)]
    subprocess.run(command, cwd=place / "source", check=True, capture_output=True)
    (artifact,) = place.glob("*.tar.gz")
    return artifact


def belongs(name: str) -> bool:
    if name == "changelogs/changelog.yaml":
        return True
    # the link by which a checkout is a project of AWX, and a project whose playbooks lint finds only if the collection is installed
    if name.startswith(("playbooks/collections", "examples/awx/project/")):
        return False
    return name in FILES or name.split("/")[0] in DIRECTORIES


def test_nothing_else(names: set[str]) -> None:
    assert not sorted(name for name in names if not belongs(name) or "/." in name or name.startswith("."))


def test_all_that_users_need(names: set[str]) -> None:
    assert not sorted(name for name in tracked() if belongs(name) and name not in names)


def test_the_links_of_its_pages_stay_inside(names: set[str]) -> None:
    for page in ("README.md", "SECURITY.md", "CODE_OF_CONDUCT.md"):
        assert not [link for link in LINK.findall((ROOT / page).read_text("utf-8")) if link not in names], page
