# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A session's config.toml: what codex must be told to run unattended, and TOML for what the user adds."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from .._core.errors import OptioError

#: Measured on codex 0.142.5 and 0.169.0. The update nag swallows the Enter that submits a prompt; the plugin sync and
#: the metrics each wait for the network; the shared daemon of 0.169 outlives the session; tooltips and the note of a
#: screen reader make codex rewrite the file.
UNATTENDED: Mapping[str, Any] = {
    "check_for_update_on_startup": False,
    "features": {"plugins": False, "daemon_auto_start": False},
    "analytics": {"enabled": False},
    "tui": {"show_tooltips": False, "screen_reader_detection_done": True},
}
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+\Z")


def merged(base: Mapping[str, Any], added: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``base`` with the entries of ``added``, tables merged, other values replaced."""
    result = dict(base)
    for key, value in added.items():
        known = result.get(key)
        if isinstance(known, Mapping) and isinstance(value, Mapping):
            result[key] = merged(known, value)
        else:
            result[key] = value
    return result


def base_config(added: Mapping[str, Any]) -> str:
    """Return the text of a fresh config.toml: the unattended defaults and the user's own settings over them."""
    return to_toml(merged(UNATTENDED, added))


def to_toml(document: Mapping[str, Any], path: tuple[str, ...] = ()) -> str:
    """Return a mapping as TOML: plain values first, then one table for each nested mapping."""
    lines = [f"{_key(key)} = {inline(value)}\n" for key, value in document.items() if not isinstance(value, Mapping)]
    tables = [(key, value) for key, value in document.items() if isinstance(value, Mapping)]
    text = "".join(lines)
    if path and (lines or not tables):
        text = f"\n[{'.'.join(_key(key) for key in path)}]\n{text}"
    return text + "".join(to_toml(value, (*path, str(key))) for key, value in tables)


def inline(value: Any) -> str:
    """Return one value in TOML's inline spelling, for a file or for codex's ``-c key=value``."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, str):
        return _string(value)
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(inline(entry) for entry in value)}]"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_key(key)} = {inline(entry)}" for key, entry in value.items()) + "}"
    raise OptioError(f"config value {value!r}", f"TOML has no {type(value).__name__}", "Give a string, number, boolean, list or dict")


def _key(key: object) -> str:
    text = str(key)
    return text if _BARE_KEY.match(text) else _string(text)


def _string(text: str) -> str:
    # JSON's escapes are TOML's too, but for DEL, which TOML wants escaped, and surrogate pairs, which it forbids
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007F")
