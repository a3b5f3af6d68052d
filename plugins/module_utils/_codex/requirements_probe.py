# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The shell that reads a worker's own /etc/codex/requirements.toml."""

from __future__ import annotations

REQUIREMENTS = "/etc/codex/requirements.toml"

#: shell: ``policy_facts`` prints the two settings that a launch is compared with, where each is on one line
SHELL_POLICY = rf"""
policy_facts() {{
  [ ! -r {REQUIREMENTS} ] || sed -n 's/^\(allowed_\(sandbox_modes\|approval_policies\) *=.*\)/requirements+\1/p' {REQUIREMENTS}
}}
"""
