# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Variables of the role codex_session that its module does not have: credentials, leases, templates, and files on the controller."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterable, Mapping
from typing import Any

#: options with which a session has a credential to manage
KINDS = ("api_key", "access_token", "auth_json", "auth_file")
SHARED_KINDS = ("api_key", "access_token")
#: the host that keeps leases if none is set
CONTROLLER = "localhost"
#: the key of the settings of every session without its own
OTHERS = ""

Options = Mapping[str, Any]


def logins(options: Options, entries: Iterable[Options], directory: str, worker: str) -> dict[str, Any]:
    """Return where logins and leases are kept, which sessions have a credential, ``shared`` credentials, and the settings of each session.

    ``options`` are those of the role, ``entries`` the sessions with their own. Relative paths on the controller are relative to
    ``directory``; ``worker`` is the name of the worker in the inventory.
    """
    host = options.get("credential_host", "")
    saved = resolved_path(options.get("credential_save_dest", ""), directory, host)
    own = list(entries)
    settings = {
        OTHERS: session_settings(options, {}, directory),
        **{entry["name"]: session_settings(options, entry, directory) for entry in own},
    }
    for_all = any(f"credential_{kind}" in options for kind in KINDS)
    with_own = [entry["name"] for entry in own if "credential" in entry]
    return {
        # empty for the controller
        "host": host,
        "is_leased": options.get("credential_lease", True),
        "lease_host": options.get("credential_lease_host") or host or CONTROLLER,
        "save_dir": f"{saved}/{worker}" if saved else "",
        # options of each session for the filter session_options; the key OTHERS has those of the sessions that are not in entries
        "kinds": {name: {"kind": credential_kind(one) if for_all or name in with_own else ""} for name, one in settings.items()},
        "shared": {name: {kind: one[kind] for kind in SHARED_KINDS if one[kind]} for name, one in settings.items()},
        "settings": settings,
    }


def credential_kind(settings: Options) -> str:
    """Return ``file`` for a login with a file, ``login`` for another login, and ``shared`` for a credential of any number of sessions."""
    return "file" if settings["auth_file"] else "login" if settings["auth_json"] else "shared"


def session_settings(options: Options, entry: Options, directory: str) -> dict[str, Any]:
    """Return the credential of a session, its place, and the other settings that the module session does not have."""
    # a session's own credential replaces all of the role's variables
    common = {name: options.get(f"credential_{name}") for name in (*KINDS, "lease_name")}
    given = entry.get("credential", common)
    host = options.get("credential_host", "")
    auth_file = resolved_path(given.get("auth_file") or "", directory, host)
    beside_login = posixpath.dirname(auth_file) if "credential_lease_host" not in options else ""
    return {
        "api_key": given.get("api_key") or "",
        "access_token": given.get("access_token") or "",
        "auth_json": given.get("auth_json") or "",
        # empty for the account of the login
        "lease_name": given.get("lease_name") or "",
        "auth_file": auth_file,
        "on_login_host": bool(host and auth_file),
        # empty for the default of the module
        "lease_dir": options.get("credential_lease_dir", beside_login),
        "discard_login": entry.get("discard_login", options.get("discard_login", False)),
        "template": "" if "instructions" in entry else entry.get("instructions_template", options.get("instructions_template", "")),
    }


def resolved_path(path: str, directory: str, host: str) -> str:
    """Return an absolute path on the controller, unless the path is empty or on another host."""
    if not path or host:
        return path
    return os.path.expanduser(path) if path.startswith(("/", "~")) else f"{directory}/{path}"


def collected(options: Options, directory: str, worker: str) -> dict[str, str]:
    """Return the host that collected files are copied to, empty for the controller, and the directory for those of a worker."""
    host = options.get("collect_host", "")
    default = "~/collected" if host else f"{directory}/collected"
    return {"host": host, "directory": f"{options.get('collect_dest', default)}/{worker}"}
