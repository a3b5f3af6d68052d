# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Answers ``optio.codex.codex_release`` from a probe if nothing has to change, and shows the progress of an install."""

from __future__ import annotations

from ansible_collections.optio.codex.plugins.module_utils._release.module import CODEX_RELEASE
from ansible_collections.optio.codex.plugins.plugin_utils._action_release import ReleaseAction


class ActionModule(ReleaseAction):
    """The action of the module of the same name."""

    resource = CODEX_RELEASE
