# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The sessions in the variables of the role codex_dispatch: their needs and their options."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.optio.codex.plugins.plugin_utils._role_options import Option, RoleVariableError, is_unset, typed_value
from ansible_collections.optio.codex.plugins.plugin_utils._role_sessions import session_entries

ROLE = "codex_dispatch"
VARIABLE = f"{ROLE}_sessions"
FILE = f"{ROLE}_file"
#: keys of a session that are not options of the module session, with the defaults of the role
NEEDS: Mapping[str, Option] = {
    "labels": {"type": "list", "elements": "str"},
    "memory_mib": {"type": "int"},
    "disk_mib": {"type": "int"},
}
#: variables of the role codex_session that a dispatch sets
_NAMING = ("name", "sessions", "all", "state")
#: bytes of a file of prompts
MOST = 4 << 20
_LINE = re.compile(r"([A-Za-z0-9_][A-Za-z0-9._-]{0,63}):\s+(\S.*)\Z")


def dispatch_options(
    options: dict[str, Any], session_options: Mapping[str, Any], session_spec: Mapping[str, Option]
) -> tuple[dict[str, Any], list[str]]:
    """Return the sessions of the list with their needs, and a sentence for each variable that is wrong.

    ``options`` are those of the role, from which the list is taken; ``session_options`` are those of the role codex_session.
    """
    wrong = [
        f"codex_session_{name} must not be set for a dispatch, which takes the sessions from {VARIABLE}."
        for name in _NAMING
        if name in session_options
    ]
    listed = list(options.pop("sessions", ()))
    try:
        listed += file_entries(options.pop("file", ""))
    except RoleVariableError as error:
        wrong.append(str(error))
    if not listed and not wrong:
        wrong.append(f"{VARIABLE} must be set to a list of sessions, or {FILE} to a file with a line for each.")
    requests, rest = [], []
    for item in listed:
        needs, entry = _split(item)
        requests.append(needs)
        rest.append(entry)
    entries, errors = session_entries(rest, session_spec)
    wrong += [error.replace("codex_session_sessions", VARIABLE) for error in errors]
    typed = []
    # an entry that is wrong is missing in the entries
    for entry, needs in zip(entries, requests, strict=True) if not errors else ():
        try:
            typed.append(_typed_needs(entry["name"], needs, options))
        except RoleVariableError as error:
            wrong.append(str(error))
    wrong += [f"{VARIABLE} contains session {name} {count} times." for name, count in _names(entries).items() if count > 1]
    return {"sessions": entries, "requests": typed}, wrong


def file_entries(path: str) -> list[dict[str, str]]:
    """Return a session for each line ``NAME: PROMPT`` of a text file; empty lines and lines that begin with # are comments."""
    if not path:
        return []
    try:
        with Path(path).expanduser().open("rb") as stream:
            data = stream.read(MOST + 1)
        text = data.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        cause = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise RoleVariableError(f"{FILE} {path} cannot be read: {cause}.") from None
    if len(data) > MOST:
        raise RoleVariableError(f"{FILE} {path} must have at most {MOST >> 20} MiB.")
    entries = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        found = _LINE.match(line.strip())
        if not found:
            raise RoleVariableError(f"{FILE} {path}: line {number} must be the name of a session, a colon, a space and its prompt.")
        entries.append({"name": found[1], "prompt": found[2]})
    return entries


def _split(item: Any) -> tuple[dict[str, Any], Any]:
    """Return the needs of a session, and its other options."""
    if not isinstance(item, Mapping):
        return {}, item
    return {key: item[key] for key in NEEDS if key in item}, {key: value for key, value in item.items() if key not in NEEDS}


def _typed_needs(name: str, needs: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
    typed: dict[str, Any] = {"name": name}
    for key, option in NEEDS.items():
        if not is_unset(needs.get(key)):
            typed[key] = typed_value(f"{VARIABLE}: session {name}: {key}", needs[key], option)
        elif key != "labels" and key in options:
            typed[key] = options[key]
    return typed


def _names(entries: list[dict[str, Any]]) -> Counter[str]:
    return Counter(entry["name"] for entry in entries)
