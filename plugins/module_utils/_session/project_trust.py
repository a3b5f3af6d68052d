# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether a workdir is trusted, and which programs its trust would run.

codex 0.142.5 and 0.169.0 read ``.codex`` of a trusted directory, not of its parents, if that directory's own path is
trusted. They start its MCP servers, obey its rules and settings, and run the hooks that a launch declares. Settings that
they ignore there (notifiers, model providers, telemetry) are not listed.
"""

from __future__ import annotations

import json
import os
import shlex
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from .._codex.requirements import policy_warnings
from .._core.errors import ProbeError
from .._core.plan import UNKNOWN, Action
from .._core.redaction import redacted
from .._core.safe_open import SafeDirectory
from .._core.toml import loads
from .codex_options import CodexOptions
from .state import ObservedSession, Session, Workspace

AUTO, TRUSTED, UNTRUSTED, NONE = "auto", "trusted", "untrusted", "none"
DIRECTORY = ".codex"
Entry = dict[str, Any]

#: bytes of one file, and the maximum of listed entries
READ, MOST = 1 << 20, 100
#: of config.toml: codex takes them from no project
IGNORED = frozenset(("notify", "model_provider", "model_providers", "otel", "profile", "profiles", "openai_base_url", "chatgpt_base_url"))


def resolved(asked: str | None, seen: Workspace, cloning: bool) -> str | None:
    """Return the trust of a launch: ``auto`` does not trust a project with settings of its own.

    Unknown while the project is still to be cloned.
    """
    if asked != AUTO:
        return asked
    if seen.project_config and seen.project is None:
        raise ProbeError(f"only Python can read the settings in {DIRECTORY} of the workdir")
    return UNKNOWN if cloning else UNTRUSTED if seen.project_config else TRUSTED


def launch_trust(view: ObservedSession, asked: str | None, actions: Iterable[Action]) -> str | None:
    return resolved(asked, view.workspace, any(action.kind == "clone" for action in actions))


def trust_of_launch(view: ObservedSession, codex: CodexOptions, actions: Iterable[Action]) -> tuple[dict[str, Any], list[str]]:
    """Return the two values of a launch, and warnings about it and the worker's policy."""
    project = list(view.workspace.project or ())
    result = {"trust": launch_trust(view, codex.trust, actions) or NONE, "project_config": project}
    warnings = [unused_warning(view.layout.name, project)] if codex.trust == AUTO and view.workspace.project_config else []
    return result, [*warnings, *policy_warnings(view.layout.name, view.worker.requirements, codex.sandbox, codex.approval_policy)]


def recorded(session: Session) -> dict[str, Any]:
    """Return the two values of a session on record; null for one of the Python package."""
    try:
        trust = session.record.get("trust") or json.loads(session.record.get("options", "{}")).get("trust", "")
        project = json.loads(session.record.get("project", "[]"))
    except (ValueError, AttributeError):
        trust, project = "", []
    # an incomplete launch has recorded no decision
    known = NONE if trust is None else trust if trust in (TRUSTED, UNTRUSTED, NONE) else None
    return {"trust": known, "project_config": project if isinstance(project, list) else []}


def compared(session: Session, options: Mapping[str, Any], wanted: str | None) -> str | None:
    """Return the trust of a live session for the comparison with ``wanted``, independent of its launch options."""
    if wanted == AUTO:
        return AUTO
    effective = session.record.get("trust") or options.get("trust")
    return None if effective in (None, NONE) else str(effective)


def unused_warning(name: str, project: Sequence[Entry]) -> str:
    """Return a warning about a project whose settings stay unused."""
    named = ", ".join(filter(None, (_entry_text(entry) for entry in project[:5])))
    more = f" and {len(project) - 5} more" if len(project) > 5 else ""
    return (
        f"session {name}: its workdir has a {DIRECTORY}, which codex ignores because the workdir is not trusted. "
        f"Trusting it would use {named or DIRECTORY}{more}. Set trust: trusted for that, or trust: untrusted to silence this warning"
    )


def _entry_text(entry: Entry) -> str:
    what = f"{entry['kind']} {entry['name'] or entry['path']}"
    detail = entry["command"] or entry["problem"]
    return f"{what} ({detail})" if detail else what


def read_project(workdir: str) -> list[Entry] | None:
    """Return the settings that trusting a directory would use, None if it has none."""
    top = os.path.join(workdir, DIRECTORY)
    try:
        seen = os.lstat(top)
    except FileNotFoundError:
        return None
    except OSError as error:
        return [_unreadable(DIRECTORY, str(error.strerror))]
    mode = seen.st_mode
    if stat.S_ISREG(mode) and not seen.st_size:
        # a sandbox that was killed leaves this file as a placeholder
        return None
    if not stat.S_ISDIR(mode):
        return [_unreadable(DIRECTORY, "is a symbolic link" if stat.S_ISLNK(mode) else "is not a directory")]
    entries: list[Entry] = []
    try:
        with SafeDirectory(top, follow=False) as directory:
            names = sorted(directory.names())
            for name in names[:MOST]:
                entries.extend(_read_entry(directory, name))
    except OSError as error:
        return [_unreadable(DIRECTORY, str(error.strerror))]
    return entries[:MOST] if names else None


def _read_entry(top: SafeDirectory, name: str) -> Iterator[Entry]:
    path = f"{DIRECTORY}/{_shown(name)}"
    if name not in ("config.toml", "hooks.json"):
        yield _entry(path, "rules" if name == "rules" else "file")
        return
    try:
        text = _text(top, name)
        document = loads(text) if name == "config.toml" else json.loads(text)
        if not isinstance(document, dict):
            raise ValueError("is not a table")
    except (OSError, ValueError, RecursionError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        yield _unreadable(path, f"could not be read: {reason}")
        return
    yield from _servers(path, document.get("mcp_servers"))
    yield from hook_entries(path, document.get("hooks"))
    for key in document:
        if name == "config.toml" and key not in IGNORED and key not in ("mcp_servers", "hooks"):
            yield _entry(path, "setting", key)


def _servers(path: str, servers: object) -> Iterator[Entry]:
    for name, server in _items(servers):
        given = server if isinstance(server, dict) else {}
        words = [given.get("command"), *(given["args"] if isinstance(given.get("args"), list) else [])]
        command = shlex.join(str(word) for word in words if word is not None) or given.get("url")
        yield _entry(path, "mcp_server", name, command)


def hook_entries(path: str, hooks: object) -> Iterator[Entry]:
    """Yield an entry for each hook of a table of hooks."""
    for event, groups in _items(hooks):
        for group in groups if isinstance(groups, list) else ():
            inner = group.get("hooks") if isinstance(group, dict) else None
            for hook in inner if isinstance(inner, list) else ():
                if isinstance(hook, dict):
                    yield _entry(path, "hook", event, hook.get("command") or hook.get("type"))


def _items(table: object) -> list[tuple[str, Any]]:
    return [(str(key), value) for key, value in table.items()] if isinstance(table, dict) else []


def _text(top: SafeDirectory, name: str) -> str:
    with os.fdopen(top.open(name), "rb") as stream:
        data = stream.read(READ + 1)
    if len(data) > READ:
        raise ValueError(f"has more than {READ} bytes")
    return data.decode("utf-8")


def _entry(path: str, kind: str, name: str | None = None, command: object = None) -> Entry:
    shown = redacted(str(command), ()) if command else None
    return {"path": path, "kind": kind, "name": _shown(name) if name else None, "command": shown, "problem": None}


def _unreadable(path: str, problem: str) -> Entry:
    return {**_entry(path, "unreadable"), "problem": redacted(problem, ())}


def _shown(text: str) -> str:
    return redacted(text.encode("utf-8", "replace").decode("utf-8"), ())
