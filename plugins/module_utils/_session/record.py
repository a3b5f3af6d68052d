# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The record of a session: the values that its launch wrote, and the values that modules return for it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from .command_line import SshTarget, TerminalOptions, attach_command
from .state import ObservedSession, Session
from .terminal import describe_terminal

_RELEASE = re.compile(r"/releases/([^/]+?)-(?:x86_64|aarch64)-[^/]*/")


def codex_version(path: str) -> str | None:
    """Return the version of a codex in a cache, from its path; None for a codex from elsewhere."""
    found = _RELEASE.search(path)
    return found.group(1) if found else None


def describe(view: ObservedSession, status: str, terminal: TerminalOptions) -> dict[str, Any]:
    """Return the values that every session module returns for one session."""
    layout, session, worker = view.layout, view.session, view.worker
    running = status == "running"
    codex = session.record.get("codex") or worker.codex
    return {
        "name": layout.name,
        "status": status,
        "user": worker.user,
        "tmux_socket": layout.tmux_socket,
        "session_dir": layout.task,
        "workdir": layout.workdir,
        "home": layout.home,
        "log_path": layout.log,
        "codex_path": layout.codex_path,
        "version": codex_version(codex),
        "supervisor": session.record.get("supervisor") or view.supervisor,
        "pid": session.pane.codex if session.pane and running else None,
        "exit_status": session.exit_status,
        "ended_at": session.ended,
        "session_id": session.session_id,
        "prompt_given": session.prompt_given,
        "attach_command": attach_command(SshTarget(worker.node), worker.user, layout.tmux_socket)
        if running and not session.unreachable
        else None,
        **describe_terminal(view, terminal, running),
    }


def terminal_of_record(session: Session) -> TerminalOptions:
    """Return the terminal's options as the session was launched with them."""
    try:
        recorded = json.loads(session.record["options"]).get("terminal") or {}
        return TerminalOptions(**{name: value for name, value in recorded.items() if value is not None})
    except (KeyError, ValueError, TypeError, AttributeError):
        return TerminalOptions(listen="tcp" if session.terminal_port else "unix", port=session.terminal_port or 0)


def record_fields(view: ObservedSession, **more: str) -> dict[str, str]:
    """Return the fields of every record of a session, and more."""
    layout = view.layout
    places = {"task": layout.task, "workdir": layout.workdir, "origin": layout.origin, "runtime": layout.runtime}
    return {"name": layout.name, "user": view.worker.user, **places, **more}


def options_of_record(session: Session) -> dict[str, Any] | None:
    """Return the options of a session's launch by its record, None if they cannot be read."""
    try:
        options = json.loads(session.record.get("options", "{}" if session.adopted else ""))
    except ValueError:
        return None
    return options if isinstance(options, dict) else None


def record_text(view: ObservedSession, options: Mapping[str, Any], *, resumed_at: Sequence[int] = (), continued: bool = False) -> str:
    """Return the record of a session launched with ``options``; ``started`` is added once it has started.

    ``resumed_at`` lists the times, in seconds since the epoch, at which an unexpected end was followed by a resume. ``continued`` is
    whether the launch goes on with a conversation without a message.
    """
    fields = record_fields(view, codex=view.worker.codex, supervisor=view.supervisor, options=json.dumps(options, sort_keys=True))
    if resumed_at:
        fields["resumed_at"] = ",".join(map(str, resumed_at))
    if continued:
        fields["continued"] = "1"
    return "".join(f"{name}={value}\n" for name, value in fields.items())
