# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The sessions in the variables of the role codex_session: its options as those of the module, and each session's own."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.optio.codex.plugins.plugin_utils._role_options import Option, RoleVariableError, as_typed, is_unset, typed_value

ROLE = "codex_session"
VARIABLE = f"{ROLE}_sessions"
#: dictionaries of a session, which are one variable of the role for each key
GROUPS = ("repository", "git_identity", "terminal", "webhook", "credential")
#: options of the role alone, not of one of its sessions
_FOR_ALL = ("sessions", "all", "state", "show_commands", "report_dest", "user_isolation", "user_prefix")
#: options of the role that the module does not have
_FOR_THE_ROLE = ("name", "instructions_template", "tenant", "credential")
#: options of the call, which the role sets itself
_FOR_THE_CALL = ("purge", "discard_login")
_TENANT = {"type": "str"}
#: the options of the group ``credential`` that a session can set
_OF_CREDENTIAL = ("api_key", "access_token", "auth_json", "auth_file", "lease_name")


def grouped(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return options with ``terminal_port`` as ``terminal: {port: ...}``."""
    result: dict[str, Any] = {}
    for name, value in options.items():
        group = next((group for group in GROUPS if name.startswith(f"{group}_")), None)
        if group is None:
            result[name] = value
        else:
            result.setdefault(group, {})[name.removeprefix(f"{group}_")] = value
    return result


def common_options(options: Mapping[str, Any], spec: Mapping[str, Option]) -> dict[str, Any]:
    """Return the options of the module for every session, from those of the role; ``spec`` is that of its entry point main."""
    chosen = {name: value for name, value in options.items() if f"{ROLE}_{name}" in spec and name not in _FOR_ALL}
    result = {name: value for name, value in grouped(chosen).items() if name not in (*_FOR_THE_ROLE, *_FOR_THE_CALL)}
    if "repository" in result:
        # with an empty url nothing is cloned
        result["repository"] = {"url": "", **result["repository"]}
    return result


def is_plain(options: Mapping[str, Any], entries: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether no session has a template, a credential or a Unix user of its own, which the role would have to prepare."""
    special = ("instructions_template", *(f"credential_{kind}" for kind in ("api_key", "access_token", "auth_json", "auth_file")))
    own = any(name in entry for entry in entries for name in ("instructions_template", "credential"))
    return not own and not any(name in options for name in special) and options.get("user_isolation", "none") == "none"


def session_entries(given: Any, spec: Mapping[str, Option]) -> tuple[list[dict[str, Any]], list[str]]:
    """Return each session with the options that it sets itself, and a sentence for each session that is wrong."""
    entries, wrong = [], []
    for number, item in enumerate(given, 1):
        try:
            entries.append(_entry(item, number, spec))
        except RoleVariableError as error:
            wrong.append(str(error))
    return entries, wrong


def _entry(item: Any, number: int, spec: Mapping[str, Option]) -> dict[str, Any]:
    if isinstance(item, str):
        return {"name": item}
    if not isinstance(item, Mapping) or is_unset(item.get("name")):
        raise RoleVariableError(f"{VARIABLE}: session {number} must be a name, or a dictionary with a name.")
    label = f"{VARIABLE}: session {item['name']}"
    entry: dict[str, Any] = {"name": str(item["name"])}
    for key, value in item.items():
        if key in GROUPS and not is_unset(value):
            entry[key] = _group(label, key, value, spec)
        elif key != "name" and key not in GROUPS:
            option = _option(label, key, key, _keys(spec), spec)
            if not is_unset(value):
                entry[key] = typed_value(f"{label}: {key}", value, option)
    return entry


def _group(label: str, group: str, value: Any, spec: Mapping[str, Option]) -> dict[str, Any]:
    try:
        loaded = as_typed(value, {"type": "dict"})
    except ValueError:
        loaded = None
    if not isinstance(loaded, Mapping):
        raise RoleVariableError(f"{label}: {group} must be a dictionary.")
    keys = [name.removeprefix(f"{ROLE}_{group}_") for name in spec if name.startswith(f"{ROLE}_{group}_")]
    known = [key for key in keys if group != "credential" or key in _OF_CREDENTIAL]
    result = {}
    for key, inner in loaded.items():
        option = _option(f"{label}: {group}", key, f"{group}_{key}", known, spec)
        if not is_unset(inner):
            result[key] = typed_value(f"{label}: {group}.{key}", inner, option)
        elif key == "url" and group in ("repository", "webhook"):
            # this session clones nothing, or has no webhook
            result[key] = ""
    return result


def _option(label: str, key: str, name: str, known: list[str], spec: Mapping[str, Option]) -> Option:
    if key == "tenant":
        return _TENANT
    if key not in known:
        nearest = difflib.get_close_matches(str(key), known, n=1, cutoff=0.0)
        raise RoleVariableError(f"{label}: {key} is not an option. Use {nearest[0]}, or one of the other options of the module session.")
    return spec[f"{ROLE}_{name}"]


def _keys(spec: Mapping[str, Option]) -> list[str]:
    names = [name.removeprefix(f"{ROLE}_") for name in spec]
    flat = tuple(f"{group}_" for group in GROUPS)
    return [*GROUPS, "tenant", *(name for name in names if name not in _FOR_ALL and not name.startswith(flat))]
