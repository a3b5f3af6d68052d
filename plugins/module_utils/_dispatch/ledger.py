# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The ledger: which session was assigned to which worker, in one JSON file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from .._core.errors import OptioError
from .._core.paths import is_name
from .assignment import Entry

FORMAT = 1


def ledger_text(entries: Mapping[str, Entry]) -> str:
    """Return the text of a ledger: JSON with one line for each session, in the order of the names."""
    lines = [f"    {json.dumps(name)}: {json.dumps(vars(entries[name]))}" for name in sorted(entries)]
    return "\n".join([f'{{\n  "format": {FORMAT},\n  "sessions": {{', ",\n".join(lines), "  }\n}\n"])


def parse_ledger(text: str, path: str) -> dict[str, Entry]:
    """Return the entries of a ledger by the names of the sessions; raise OptioError if the text is not a ledger."""
    try:
        loaded = json.loads(text)
        if loaded["format"] != FORMAT:
            raise ValueError
        return {name: _entry(name, fields) for name, fields in loaded["sessions"].items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise OptioError(
            path,
            f"{path} is not a ledger of this version of the module",
            "Restore it from a backup. If you remove it, sessions that exist stay on their workers, and all others are launched again",
        ) from None


def _entry(name: str, fields: Mapping[str, Any]) -> Entry:
    worker, assigned, launched = fields["worker"], fields["assigned_at"], fields["launched_at"]
    if not is_name(name) or not isinstance(worker, str) or not worker:
        raise ValueError
    if not isinstance(assigned, int) or not (launched is None or isinstance(launched, int)):
        raise ValueError
    return Entry(worker, assigned, launched)
