# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether a new session has a credential: without one, codex shows a login menu and never accepts input."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from .._codex.login_digest import NAME
from .._core.errors import OptioError
from .._session.state import ObservedSession
from .spec import NO_WAITING, SessionSpec

#: the site's own settings may name a model provider
SITE_CONFIG = "/etc/codex/config.toml"
#: settings with which codex may need no auth.json; the terminal interface ignores OPENAI_API_KEY and CODEX_API_KEY
_SETTINGS = ("model_provider", "profile", "oss_provider", "cli_auth_credentials_store")
_VARIABLES = ("CODEX_ACCESS_TOKEN",)


def needs_login(config: Mapping[str, Any], environment: Mapping[str, str]) -> bool:
    """Return whether codex with these settings and variables requires an auth.json."""
    return not any(config.get(name) for name in _SETTINGS) and not any(environment.get(name) for name in _VARIABLES)


def check_credential(view: ObservedSession, spec: SessionSpec, site_config: str = SITE_CONFIG) -> None:
    """Raise OptioError if a session that is launched for the first time has no credential."""
    path = f"{view.layout.codex_home}/{NAME}"
    # an earlier launch has written a config.toml, which a person may have changed
    is_new = view.workspace.config_kind == "absent"
    if not is_new or not needs_login(spec.files.config, spec.environment) or os.path.lexists(path) or os.path.exists(site_config):
        return
    cause = f"session {view.layout.name} was given no credential, so codex would only show its login menu"
    if "OPENAI_API_KEY" in spec.environment:
        cause = f"session {view.layout.name} was given no credential, because codex's terminal interface does not use OPENAI_API_KEY"
    raise OptioError(
        f"session {view.layout.name}",
        cause,
        "Set one with optio.codex.credential (in the role, codex_session_credential_api_key or another codex_session_credential variable), "
        f"set a model_provider in config, or set {NO_WAITING} to log in at the terminal",
    )
