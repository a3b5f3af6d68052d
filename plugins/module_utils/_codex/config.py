# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A session's config.toml: the settings for unattended runs, and the user's own as TOML."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._core.toml import dumps

#: Measured on codex 0.142.5 and 0.169.0. The update nag swallows the Enter that submits a prompt; the plugin sync and
#: the metrics each wait for the network; the shared daemon of 0.169 outlives the session; tooltips and the note of a
#: screen reader make codex rewrite the file; the animation of a running turn takes 3 to 4 % of a core, without it 0.7 %.
UNATTENDED: Mapping[str, Any] = {
    "check_for_update_on_startup": False,
    "features": {"plugins": False, "daemon_auto_start": False},
    "analytics": {"enabled": False},
    "tui": {"animations": False, "show_tooltips": False, "screen_reader_detection_done": True},
}


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
    return dumps(merged(UNATTENDED, added))
