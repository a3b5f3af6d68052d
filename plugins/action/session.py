# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Answers ``optio.codex.session`` from a probe where nothing has to change."""

from __future__ import annotations

from ansible_collections.optio.codex.plugins.module_utils._launch.module import RESOURCE
from ansible_collections.optio.codex.plugins.plugin_utils._action_session import SessionAction


class ActionModule(SessionAction):
    """The action of the module of the same name."""

    resource = RESOURCE
