# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options that the filters for tables share."""

from __future__ import annotations


class ModuleDocFragment:
    """Use ``optio.codex.table``."""

    DOCUMENTATION = r"""
options:
  colors:
    description: Determines whether to return dictionaries with C(text) and C(color), for O(optio.codex.report#module:lines).
    type: bool
    default: false
  width:
    description: The longest line, in columns of the screen. By default, that of the terminal, or 120 without a terminal.
    type: int
"""
