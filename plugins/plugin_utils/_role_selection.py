# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The sessions that a run of the role codex_session acts on, as far as its variables determine them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.optio.codex.plugins.plugin_utils._role_sessions import is_plain

#: values of ``state`` for launches, and for the end of sessions
LAUNCHES = ("started", "restarted")
ENDS = ("stopped", "absent")
#: variables that only a launch uses; a file or a lookup in them may be gone when the session ends
ONLY_FOR_LAUNCHES = ("instructions", "instructions_template", "prompt", "environment", "config")
#: defaults of a verb
VERB = {"state": "started", "requires_names": True, "finds_all": True, "only_existing": False, "keep_options": False}

Place = list[str]


def selection(options: Mapping[str, Any], entries: Sequence[Mapping[str, Any]], verb: Mapping[str, Any]) -> dict[str, Any]:
    """Return the names of the sessions, and how the others are found.

    ``options`` are those of the role, ``entries`` the sessions with their own, and ``verb`` has the keys of ``VERB``.
    """
    names = session_names(options, entries)
    isolation = options.get("user_isolation", "none")
    own_users = isolation != "none"
    unnamed = bool(options.get("all")) or not names
    finds = own_users or verb["only_existing"] or ((verb["requires_names"] or verb["finds_all"]) and unnamed)
    launches = verb["state"] in LAUNCHES
    prepares = not is_plain(options, entries)
    default = [options.get("user", ""), options.get("sessions_dir", "")]
    readable = ["" if own_users else default[0], default[1]]
    return {
        "names": names,
        "all": bool(options.get("all")),
        "isolation": isolation,
        "launches": launches,
        # sessions on record can be launched without the options of the role
        "needs_names": launches and not (verb["keep_options"] or options.get("keep_options", False)),
        "finder": _finder(own_users, verb["only_existing"] and not unnamed) if finds else "",
        # users, templates and credentials
        "prepares": prepares,
        "has_templates": any("instructions_template" in one for one in (options, *entries)),
        "is_plain": not finds and not prepares,
        # sessions of users of their own are found before
        "places": [] if own_users else places(default, entries),
        "read_places": places(readable, entries),
    }


def session_names(options: Mapping[str, Any], entries: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the names in ``codex_session_name``, separated by commas or lines, and those of the listed sessions."""
    named = [name.strip() for name in re.split(r"[,\n]", options.get("name", ""))]
    return list(dict.fromkeys(name for name in [*named, *(entry["name"] for entry in entries)] if name))


def places(default: Place, entries: Iterable[Mapping[str, Any]]) -> list[Place]:
    """Return each pair of a user and a directory of sessions, the ``default`` first."""
    pairs = [default]
    for entry in entries:
        pair = [entry.get("user", default[0]), entry.get("sessions_dir", default[1])]
        if pair not in pairs:
            pairs.append(pair)
    return pairs


def _finder(own_users: bool, by_name: bool) -> str:
    """Return the tasks that find the sessions, without the suffix of the file."""
    return "find_existing" if by_name and not own_users else "find"


def waited_for(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the states that a wait ends with, and the title of the list of sessions that are in none of them."""
    states = options.get("wait_state", ["idle"])
    seconds = int(options.get("wait_timeout", 300))
    sessions = "one session of each worker is" if options.get("wait_mode") == "any" else "these sessions are"
    return {"states": states, "title": f"Waiting up to {seconds} seconds until {sessions} {' or '.join(states)}:"}
