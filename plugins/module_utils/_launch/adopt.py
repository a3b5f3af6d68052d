# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sessions of the Python package optio-codex, put on record here: pure functions over one view of the worker."""

from __future__ import annotations

from dataclasses import replace

from .._session.command_line import TerminalOptions
from .._core.errors import OptioError
from .._session.layout import package_socket
from .._core.plan import Action, Plan
from .._session.project_trust import recorded
from .plan import describe, record_fields, refuse_foreign_session
from .._core.executor import FileText
from .._session.probe import TaskView
from .._session.workspace import refuse_foreign


def plan_adopted(view: TaskView, state: str) -> Plan:
    """Return what puts a live session of the package on record; nothing of it is touched."""
    if state == "restarted":
        raise OptioError(
            f"session {view.layout.name}",
            f"is not on record in {view.layout.task}, and adopt ends no session",
            "Adopt it with state: started, and restart it then",
        )
    refuse_foreign_session(view)
    refuse_foreign(view)
    layout, pane = replace(view.layout, adopted=True), view.session.adoptable
    # somebody else launched it, by options that only its processes know
    record = record_fields(
        view, codex=view.workspace.link or "", supervisor="detached", adopted="1", started=str(pane.created if pane else 0)
    )
    text = "".join(f"{name}={value}\n" for name, value in record.items())
    actions = []
    if view.workspace.task_kind == "absent":
        actions.append(Action("create", layout.task, after="directory 0700"))
    actions.append(Action("write", layout.record, "absent", "file 0600", FileText(text)))
    seen = replace(view, layout=layout, session=replace(view.session, pane=pane, record=record))
    result = {"drift": [], "resumed": False, "unenforced_limits": [], **recorded(seen.session)}
    return Plan(tuple(actions), {**describe(seen, "running", TerminalOptions()), **result})


def adoption_obstacles(view: TaskView) -> list[OptioError]:
    """Return why there is nothing to put on record."""
    session, name, socket = view.session, f"session {view.layout.name}", package_socket(view.layout.workdir)
    if session.record or session.adoptable is not None:
        return []
    if session.socket_foreign:
        cause = f"{socket} is not {view.worker.user}'s own socket, and nothing was sent to it"
        return [OptioError(name, cause, "Set user to whom the package's sessions belong, or see who made that file")]
    cause = f"no session of the Python package optio-codex runs in {view.layout.workdir}, on {socket}"
    return [OptioError(name, cause, "Give workdir and user as the package has them, or leave adopt out")]
