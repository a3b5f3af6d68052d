# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Map sessions to separate Unix users for each session or tenant."""

from __future__ import annotations

DOCUMENTATION = r"""
name: session_users
short_description: Map sessions to separate Unix users for each session or tenant
version_added: 1.0.0
description:
  - Adds C(user) to the options of each session, so that each session, or all sessions of a tenant, have a separate Unix user.
  - The user name is O(prefix) followed by the name of the session or tenant. If this is not a valid user name, because it is
    longer than 32 characters or contains characters other than C(a-z), C(0-9), C(_) and C(-), it is truncated and sanitized,
    and a digest is appended.
  - The role P(optio.codex.codex_session#role) uses this filter.
options:
  _input:
    description: The names of the sessions, in order.
    type: list
    elements: str
    required: true
  overrides:
    description: Options of individual sessions, as dictionaries with a C(name). A C(user) in an entry takes precedence.
    type: list
    elements: dict
    default: []
  isolation:
    description: Determines whether each session or each C(tenant) has a separate user.
    type: str
    choices: [session, tenant]
    default: session
  prefix:
    description: Prefix of the user names.
    type: str
    default: codex-
  existing:
    description: Existing sessions, as dictionaries with C(name) and C(user). Their users do not change.
    type: list
    elements: dict
    default: []
author:
  - The optio.codex contributors (@optio-codex)
"""

EXAMPLES = r"""
- name: Show the user of each session
  ansible.builtin.debug:
    msg: "{{ ['fix-1412', 'fix-1413'] | optio.codex.session_users | items2dict(key_name='name', value_name='user') }}"
"""

RETURN = r"""
_value:
  description: A dictionary for each session, with its name, its user and its overrides.
  type: list
  elements: dict
"""

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError

#: characters that utmp and useradd take
LONGEST = 32
_PREFIX = re.compile(r"[a-z_][a-z0-9_-]{0,15}\Z")
_OTHER = re.compile(r"[^a-z0-9_-]")


def unix_user(prefix: str, name: str) -> str:
    """Return the name of the user of a session or tenant; no two have the same."""
    if not _PREFIX.match(prefix):
        raise AnsibleFilterError(
            f"session_users: the prefix {prefix!r} begins no user's name. Use 1 to 16 of a-z, 0-9, _ and -, the first a letter or _."
        )
    plain = _OTHER.sub("-", name.lower())
    if plain == name and len(prefix + plain) <= LONGEST and not re.search(r"-[0-9a-f]{8}\Z", plain):
        return prefix + plain
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{(prefix + plain)[: LONGEST - 9]}-{digest}"


def session_users(
    names: Iterable[str],
    overrides: Iterable[Mapping[str, Any]] = (),
    isolation: str = "session",
    prefix: str = "codex-",
    existing: Iterable[Mapping[str, Any]] = (),
) -> list[dict[str, Any]]:
    """Return the user and the options of each session."""
    if isolation not in ("session", "tenant"):
        raise AnsibleFilterError(f"session_users: isolation must be session or tenant, got {isolation!r}")
    by_name = {str(options.get("name")): options for options in reversed(list(overrides))}
    existing_users = {str(session["name"]): session["user"] for session in existing}
    return [
        {**by_name.get(name, {}), "name": name, "user": _user(name, by_name.get(name, {}), isolation, prefix, existing_users)}
        for name in names
    ]


def _user(name: str, own: Mapping[str, Any], isolation: str, prefix: str, existing_users: Mapping[str, str]) -> str:
    if own.get("user"):
        return str(own["user"])
    if name in existing_users:
        return existing_users[name]
    if isolation == "session":
        return unix_user(prefix, name)
    if not own.get("tenant"):
        raise AnsibleFilterError(f"session_users: session {name} has no tenant. Set its tenant or user.")
    return unix_user(prefix, str(own["tenant"]))


class FilterModule:
    """Makes the filter known to Ansible."""

    def filters(self) -> Mapping[str, Callable[..., Any]]:
        """Return the filter by its name."""
        return {"session_users": session_users}
