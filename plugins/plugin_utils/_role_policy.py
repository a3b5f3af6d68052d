# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The files of codex's policy in ``/etc/codex`` that the role codex_worker manages."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from ansible_collections.optio.codex.plugins.module_utils._core.toml import dumps

ROLE = "codex_worker"
#: names of the files without their suffix, which are the names of the options too
FILES = ("requirements", "config")
_HEADER = "# Written by the role optio.codex.codex_worker.\n"


def policy_files(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``texts``, the text of each file to write, and ``expected``, what worker_info returns for files that are right.

    Raises OptioError for a value that TOML does not have.
    """
    if options.get("policy_state") == "absent":
        return {"texts": {}, "expected": dict.fromkeys(FILES)}
    texts = {name: _HEADER + dumps(options[name]) for name in FILES if options.get(name)}
    return {"texts": texts, "expected": {name: f"0:644 {hashlib.sha256(text.encode()).hexdigest()}" for name, text in texts.items()}}


def policy_errors(options: Mapping[str, Any]) -> list[str]:
    """Return a sentence for a policy that codex does not start with."""
    modes = (options.get("requirements") or {}).get("allowed_sandbox_modes")
    if modes is None or options.get("policy_state") == "absent" or (isinstance(modes, list) and "read-only" in modes):
        return []
    return [f"{ROLE}_requirements.allowed_sandbox_modes must include read-only, got {modes}. codex does not start without it."]
