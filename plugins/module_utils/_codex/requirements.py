# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The effect of a worker's /etc/codex/requirements.toml on the options of a launch."""

from __future__ import annotations

from collections.abc import Sequence

from .._core.toml import parse
from .requirements_probe import REQUIREMENTS


def policy_warnings(name: str, requirements: Sequence[str], sandbox: str, approval_policy: str) -> tuple[str, ...]:
    """Return warnings if codex will not run with the requested options."""
    warnings = []
    for line in requirements:
        try:
            allowed = parse(line)
        except ValueError:
            continue
        for key, option, asked in (
            ("allowed_sandbox_modes", "sandbox", sandbox),
            ("allowed_approval_policies", "approval_policy", approval_policy),
        ):
            values = allowed.get(key)
            if isinstance(values, list) and asked not in values:
                warnings.append(
                    f"session {name}: {option} is {asked}, and {REQUIREMENTS} of the worker only allows "
                    f"{', '.join(map(str, values)) or 'nothing'}; codex does not start, or runs with one of these. Set one of them"
                )
    return tuple(warnings)
