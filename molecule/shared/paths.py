# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where everything of the scenarios' session is on its worker, written out: the tests take no path from the code."""

from __future__ import annotations

NAME = "molecule"
TASK = f"/root/.local/share/optio-codex/{NAME}"
WORKDIR = f"{TASK}/workdir"
RUNTIME = f"/run/optio-codex/{NAME}"
CACHE = "/root/.cache/optio-codex/bin"
UNITS = (f"optio-codex@{NAME}.service", f"optio-ttyd@{NAME}.service")
