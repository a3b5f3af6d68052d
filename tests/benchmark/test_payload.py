# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The payloads of modules."""

from __future__ import annotations

from pathlib import Path

import pytest
from benchmark.payload import ROOT, payload_of, payloads

BATCH = {f"plugins/module_utils/_core/{name}.py" for name in ("batch", "batch_runner", "parallel")}
#: KiB that a worker is sent at most. Lower a ceiling when a payload shrinks; before raising one, look for a file that the
#: module imports for a small part of it, and move that part to a file of its own.
CEILINGS = {
    **{"codex_release": 89, "ttyd_release": 86, "worker_info": 93, "role_options": 2, "role_end": 2, "report": 2, "trust": 30},
    **{"credential": 71, "credential_fetch": 3, "credential_info": 90, "credential_lease": 31, "credential_store": 3},
    **{"session": 195, "session_info": 86, "session_wait": 90, "session_message": 89, "session_output": 94, "session_snapshot": 111},
    **{"session_dispatch": 33, "session_user": 46, "workspace": 78},
}
#: what starts sessions or writes their files
WRITERS = {f"plugins/module_utils/{name}.py" for name in ("_session/clone", "_session/supervisor", "_session/workspace", "_core/toml")}


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


def test_no_payload_is_larger_than_its_ceiling() -> None:
    sizes = {payload.module: payload.size / 1024 for payload in payloads(ROOT)}
    assert set(sizes) == set(CEILINGS)
    assert {module: size for module, size in sizes.items() if size > CEILINGS[module]} == {}


@pytest.mark.parametrize("module", ["session_info", "session_wait", "session_message", "worker_info", "credential"])
def test_modules_that_start_nothing_do_not_ship_what_starts_sessions(module: str) -> None:
    files = set(payload_of(ROOT, module).files)
    assert files & WRITERS == set()
    assert set(payload_of(ROOT, "session").files) >= WRITERS
