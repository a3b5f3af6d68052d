# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The starter project for AWX, and the repository itself as a project."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
PLAYBOOKS = sorted(path.stem for path in (ROOT / "playbooks").glob("*.yml"))
#: AWX lists the files with such a line, outside of these directories
PLAYBOOK_LINE = re.compile(r"^\s*?-?\s*?(?:hosts|include|(?:ansible\.builtin\.)?import_playbook):", re.MULTILINE)
SKIPPED = {"roles", "tasks", "group_vars", "host_vars"}


def is_listed(path: Path) -> bool:
    """Return whether AWX lists a file of the repository as a playbook."""
    parts = path.parent.parts
    hidden = SKIPPED & set(parts) or any(part.startswith(".") for part in parts)
    return not hidden and PLAYBOOK_LINE.search((ROOT / path).read_text("utf-8", "replace")) is not None


def test_awx_lists_the_playbooks_the_starter_project_and_its_setup_only() -> None:
    argv = ["git", "-C", str(ROOT), "ls-files", "--", "*.yml", "*.yaml"]
    tracked = map(Path, subprocess.run(argv, capture_output=True, text=True, check=True).stdout.splitlines())
    directories = ("playbooks", "examples/awx/project")
    expected = {f"{top}/{name}.yml" for top in directories for name in PLAYBOOKS} | {"examples/awx/setup.yml"}
    assert {str(path) for path in tracked if is_listed(path)} == expected


@pytest.mark.parametrize("playbook", PLAYBOOKS)
def test_each_file_imports_one_playbook(playbook: str) -> None:
    (play,) = yaml.safe_load((ROOT / f"examples/awx/project/{playbook}.yml").read_text("utf-8"))
    assert play == {"name": play["name"], "ansible.builtin.import_playbook": f"optio.codex.{playbook}"}


def test_the_repository_finds_its_own_collection() -> None:
    assert (ROOT / "playbooks/collections/ansible_collections/optio/codex").resolve() == ROOT
    requirements = yaml.safe_load((ROOT / "collections/requirements.yml").read_text("utf-8"))
    assert requirements == {"collections": [{"name": ".", "type": "dir"}]}


def test_the_execution_environment_has_the_collection_and_a_supported_core() -> None:
    dependencies = yaml.safe_load((ROOT / "examples/awx/execution-environment.yml").read_text("utf-8"))["dependencies"]
    galaxy = yaml.safe_load((ROOT / "galaxy.yml").read_text("utf-8"))
    oldest = yaml.safe_load((ROOT / "meta/runtime.yml").read_text("utf-8"))["requires_ansible"].removesuffix(".0")
    assert dependencies["galaxy"]["collections"] == [{"name": "optio.codex", "version": f">={galaxy['version']}"}]
    assert dependencies["ansible_core"]["package_pip"].startswith(f"ansible-core{oldest},")
