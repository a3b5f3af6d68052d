# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The groups of ``module_defaults``: every module of a group takes the options that the group is for."""

from __future__ import annotations

from pathlib import Path

import public_names
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
GROUPS = yaml.safe_load((ROOT / "meta" / "runtime.yml").read_text("utf-8"))["action_groups"]
OPTIONS = {
    "session": {"user", "sessions_dir"},
    "release": {"version", "sources", "scope", "cache_dir", "ca_path", "validate_certs", "timeout", "offline", "url_username"},
}


def test_each_group_has_options_in_common() -> None:
    assert GROUPS.keys() == OPTIONS.keys()


@pytest.mark.parametrize("group", OPTIONS)
def test_a_group_is_all_modules_that_take_its_options(group: str) -> None:
    names = sorted(path.stem for path in (ROOT / "plugins" / "modules").glob("*.py"))
    assert GROUPS[group] == [name for name in names if OPTIONS[group] <= public_names.module_options(ROOT, name).keys()]


@pytest.mark.parametrize(("group", "module"), [(group, module) for group in GROUPS for module in GROUPS[group]])
def test_the_documentation_of_a_module_names_its_group(group: str, module: str) -> None:
    text = (ROOT / "plugins" / "modules" / f"{module}.py").read_text("utf-8")
    assert f"optio.codex.attributes.actiongroup_{group}" in text


def test_every_module_documents_all_attributes() -> None:
    for path in (ROOT / "plugins" / "modules").glob("*.py"):
        assert "  - optio.codex.attributes\n" in (text := path.read_text("utf-8")) or "  - optio.codex.attributes.info\n" in text, path.name
