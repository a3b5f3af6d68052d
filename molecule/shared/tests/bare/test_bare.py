# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""After check mode on a worker with nothing of codex."""

from __future__ import annotations

from typing import Any

from paths import HOME, ROOT


def test_nothing_was_changed(host: Any) -> None:
    assert not host.exists("tmux")
    assert not host.exists("git")
    for path in (f"{HOME}/.cache/optio-codex", "/var/cache/optio-codex", ROOT, "/run/optio-codex"):
        assert not host.file(path).exists, path
