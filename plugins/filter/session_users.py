# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which Unix user each session of a worker gets, where each session or each tenant has one of its own."""

from __future__ import annotations

DOCUMENTATION = r"""
name: session_users
short_description: A Unix user for each session, or for each tenant's sessions
version_added: 0.1.0
description:
  - Adds the C(user) to what a play says of its sessions, so that each session, or all sessions of a tenant, belong to a
    Unix user of their own.
  - The user's name is O(prefix) and the name of the session or tenant. Where that is no name of a user, because it is longer
    than 32 characters or has others than C(a-z), C(0-9), C(_) and C(-), it is cut and cleaned, and a digest follows.
  - The role P(optio.codex.codex_session#role) uses it.
options:
  _input:
    description: The names of the sessions, in order.
    type: list
    elements: str
    required: true
  own:
    description: What sessions have of their own, as dictionaries with a C(name). A C(user) of its own stays.
    type: list
    elements: dict
    default: []
  per:
    description: Whether each session or each C(tenant) of them has a user.
    type: str
    choices: [session, tenant]
    default: session
  prefix:
    description: What the names of the users begin with.
    type: str
    default: codex-
  found:
    description: The sessions that are on record, with C(name) and C(user), whose users hold.
    type: list
    elements: dict
    default: []
author:
  - The optio.codex contributors (@optio-codex)
"""

EXAMPLES = r"""
- name: Whom the sessions belong to
  ansible.builtin.debug:
    msg: "{{ ['fix-1412', 'fix-1413'] | optio.codex.session_users | items2dict(key_name='name', value_name='user') }}"
"""

RETURN = r"""
_value:
  description: A dictionary for each session, with its name, its user and what it has of its own.
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
    own: Iterable[Mapping[str, Any]] = (),
    per: str = "session",
    prefix: str = "codex-",
    found: Iterable[Mapping[str, Any]] = (),
) -> list[dict[str, Any]]:
    """Return for each session what it has of its own and its user."""
    if per not in ("session", "tenant"):
        raise AnsibleFilterError(f"session_users: per is {per!r}, and can be session or tenant")
    by_name = {str(options.get("name")): options for options in reversed(list(own))}
    known = {str(session["name"]): session["user"] for session in found}
    return [{**by_name.get(name, {}), "name": name, "user": _user(name, by_name.get(name, {}), per, prefix, known)} for name in names]


def _user(name: str, own: Mapping[str, Any], per: str, prefix: str, known: Mapping[str, str]) -> str:
    if own.get("user"):
        return str(own["user"])
    if name in known:
        return known[name]
    if per == "session":
        return unix_user(prefix, name)
    if not own.get("tenant"):
        raise AnsibleFilterError(f"session_users: session {name} has no tenant. Give it one (tenant), or a user of its own.")
    return unix_user(prefix, str(own["tenant"]))


class FilterModule:
    """Makes the filter known to Ansible."""

    def filters(self) -> Mapping[str, Callable[..., Any]]:
        """Return the filter by its name."""
        return {"session_users": session_users}
