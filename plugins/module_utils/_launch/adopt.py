# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sessions of the Python package optio-codex, put on record here: pure functions over one view of the worker."""

from __future__ import annotations

from dataclasses import replace

from .._core.errors import OptioError
from .._core.executor import FileText
from .._core.plan import Action, Plan
from .._session.command_line import TerminalOptions
from .._session.layout import package_socket
from .._session.location import refuse_foreign
from .._session.project_trust import recorded
from .._session.record import describe, record_fields
from .._session.state import ObservedSession
from .plan import refuse_foreign_session


def plan_adopted(view: ObservedSession, state: str) -> Plan:
    """Return the actions that record a live session of the package, without changing the session."""
    if state == "restarted":
        raise OptioError(
            f"session {view.layout.name}",
            f"session {view.layout.name} is not on record in {view.layout.task}, and adopt does not restart sessions",
            "Adopt it with state: started, then restart it",
        )
    refuse_foreign_session(view)
    refuse_foreign(view)
    layout, pane = replace(view.layout, adopted=True), view.session.adoptable
    # its options are not known: only its processes have them
    record = record_fields(
        view, codex=view.workspace.link or "", supervisor="detached", adopted="1", started=str(pane.created if pane else 0)
    )
    text = "".join(f"{name}={value}\n" for name, value in record.items())
    actions = []
    if view.workspace.task_kind == "absent":
        actions.append(Action("create", layout.task, after="directory 0700"))
    actions.append(Action("write", layout.record, "absent", "file 0600", FileText(text)))
    seen = replace(view, layout=layout, session=replace(view.session, pane=pane, record=record))
    result = {
        "drift": [],
        "resumed": False,
        "unenforced_limits": [],
        "acknowledged": [],
        "permission_profile": False,
        **recorded(seen.session),
    }
    return Plan(tuple(actions), {**describe(seen, "running", TerminalOptions()), **result})


def adoption_obstacles(view: ObservedSession) -> list[OptioError]:
    """Return why there is nothing to put on record."""
    session, name, socket = view.session, f"session {view.layout.name}", package_socket(view.layout.workdir)
    if session.record or session.adoptable is not None:
        return []
    if session.socket_foreign:
        cause = f"{name} cannot be adopted, because {socket} is not a socket of {view.worker.user}"
        return [OptioError(name, cause, "Set user to the owner of the package's sessions, or check who created that file")]
    cause = f"{name} cannot be adopted, because no session of the Python package optio-codex runs in {view.layout.workdir}, on {socket}"
    return [OptioError(name, cause, "Set workdir and user as in the package, or omit adopt")]
