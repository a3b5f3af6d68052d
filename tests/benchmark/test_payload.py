# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The payloads of modules."""

from __future__ import annotations

from pathlib import Path

import pytest
from benchmark.payload import ROOT, payload_of

BATCH = {f"plugins/module_utils/_core/{name}.py" for name in ("batch", "batch_runner", "parallel")}


def test_every_import_is_followed(tmp_path: Path) -> None:
    texts = {
        "modules/one.py": "from ansible_collections.optio.codex.plugins.module_utils._core.a import x\nimport os",
        "module_utils/_core/a.py": "def f():\n    from . import b",
        "module_utils/_core/b.py": "from .._session.c import y",
        "module_utils/_session/c.py": "",
        "module_utils/_session/d.py": "from .c import y",
    }
    for name, text in texts.items():
        path = tmp_path / "plugins" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    payload = payload_of(tmp_path, "one")
    assert payload.files == tuple(f"plugins/{name}" for name in sorted(texts) if not name.endswith("d.py"))
    assert payload.size > 0


@pytest.mark.slow
@pytest.mark.parametrize(("module", "many"), [("trust", False), ("ttyd_release", False), ("session", True)])
def test_only_modules_with_many_sessions_ship_the_batch_code(module: str, many: bool) -> None:
    assert BATCH & set(payload_of(ROOT, module).files) == (BATCH if many else set())
