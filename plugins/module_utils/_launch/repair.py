# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Damage to a session's own files, and how a launch repairs it: pure functions over a view."""

from __future__ import annotations

import os
import shlex

from .._core.errors import OptioError
from .._core.plan import Action
from .._session.layout import SessionPaths
from .._session.state import ObservedSession, Session


def refuse_blocked_runtime(view: ObservedSession) -> None:
    """Raise OptioError if the path of the sockets' directory is not a directory."""
    if view.session.runtime_kind == "other":
        raise OptioError(
            view.layout.runtime, f"{view.layout.runtime} is not a directory", "Move it away, because the session keeps its sockets there"
        )


def removals(view: ObservedSession) -> list[Action]:
    """Return the actions that remove damaged state files before a launch, which replaces them all."""
    layout = view.layout
    paths = (layout.exit_status, layout.stopped_mark, layout.record, layout.environment, layout.launcher)
    return [Action("remove", path, "damaged", "absent") for path in paths if os.path.basename(path) in view.session.damaged]


def warnings_of(view: ObservedSession) -> tuple[str, ...]:
    """Return warnings about an ended session whose record is damaged."""
    layout, session = view.layout, view.session
    if session.status == "damaged":
        return (f"session {layout.name}: its record {layout.record} is gone; resume: always writes a new one and resumes the conversation",)
    if "session" not in session.damaged:
        return ()
    return (f"session {layout.name}: its record {layout.record} is damaged; resume: always writes a new one and resumes the conversation",)


def repairs(session: Session, layout: SessionPaths, where: str) -> list[Action]:
    """Return the actions that a live session needs before its terminals are opened again; ``where`` is the first one's socket."""
    actions = []
    if session.unreachable:
        actions.append(Action("reconnect", layout.tmux_socket, "does not answer", "running"))
    odd = (session.terminal_alive and not (session.terminal_serves and "terminal" not in session.damaged)) or (
        session.watch_alive and not (session.watch_serves and "watch" not in session.damaged)
    )
    if odd:
        actions.append(Action("close", where, "running, on no record or without its socket", "absent"))
    return actions


def check_environment(text: str | None, layout: SessionPaths) -> None:
    """Raise OptioError unless the text of an environment file keeps codex in its own home."""
    try:
        words = shlex.split(text or "") if (text or "").endswith("\n") else []
    except ValueError:
        words = []
    known = dict(word.partition("=")[::2] for word in words)
    if not layout.variables().items() <= known.items():
        raise OptioError(
            f"session {layout.name}",
            f"the environment of session {layout.name}, {layout.environment}, is damaged, so the variables of its launch are unknown",
            "Set the options again, and omit keep_options",
        )
