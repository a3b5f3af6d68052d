# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PLUGINS = Path(__file__).resolve().parents[5] / "plugins"
#: modules whose work is done by their action plugin
ON_CONTROLLER = ("credential_fetch", "credential_store", "report", "role_end", "role_options")
MODULES = [path for path in sorted((PLUGINS / "modules").glob("*.py")) if path.stem not in ("__init__", *ON_CONTROLLER)]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_a_module_runs_many_sessions_if_its_resource_takes_them(path: Path) -> None:
    imports = {
        alias.name: PLUGINS.joinpath(*(node.module or "").split(".")[4:]).with_suffix(".py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    sources = [source for source in imports.values() if source.is_file() and source.parent.name != "_core"]
    assert sources
    takes_many = any("BatchResource" in source.read_text("utf-8") for source in sources)
    assert ("run_batch_module" in imports, "run_module" in imports) == (takes_many, not takes_many)
