# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What somebody else has done to a session's own files, and what a launch does about it: pure functions over a view."""

from __future__ import annotations

import os
import shlex

from .._core.errors import OptioError
from .._session.layout import TaskLayout
from .._core.plan import Action
from .._session.probe import Session, TaskView


def refuse_blocked_runtime(view: TaskView) -> None:
    """Raise OptioError where something that is no directory is in the place of the one for the sockets."""
    if view.session.runtime_kind == "other":
        raise OptioError(view.layout.runtime, "is not a directory", "Move it away: the session's sockets are kept there")


def removals(view: TaskView) -> list[Action]:
    """Return what makes room for the state files of a launch, which replaces them all."""
    layout = view.layout
    paths = (layout.exit_status, layout.stopped_mark, layout.record, layout.environment, layout.launcher)
    return [Action("remove", path, "damaged", "absent") for path in paths if os.path.basename(path) in view.session.damaged]


def warnings_of(view: TaskView) -> tuple[str, ...]:
    """Return what the user is told of a session that has ended and whose record is damaged."""
    if "session" not in view.session.damaged:
        return ()
    layout = view.layout
    return (f"session {layout.name}: its record {layout.record} is damaged; resume: true writes it anew and goes on with the conversation",)


def repairs(session: Session, layout: TaskLayout, where: str) -> list[Action]:
    """Return what a live session needs before its terminals are opened again; ``where`` is the first one's place."""
    actions = []
    if session.unreachable:
        actions.append(Action("reconnect", layout.tmux_socket, "does not answer", "running"))
    odd = (session.terminal_alive and not (session.terminal_serves and "terminal" not in session.damaged)) or (
        session.watch_alive and not (session.watch_serves and "watch" not in session.damaged)
    )
    if odd:
        actions.append(Action("close", where, "running, on no record or without its socket", "absent"))
    return actions


def check_environment(text: str | None, layout: TaskLayout) -> None:
    """Raise OptioError unless the text of an environment file keeps codex in its own home."""
    try:
        words = shlex.split(text or "") if (text or "").endswith("\n") else []
    except ValueError:
        words = []
    known = dict(word.partition("=")[::2] for word in words)
    if not layout.variables().items() <= known.items():
        raise OptioError(
            f"session {layout.name}",
            f"{layout.environment} is damaged, and the variables of its launch are not known any more",
            "Give the options again, and leave keep_options out",
        )
