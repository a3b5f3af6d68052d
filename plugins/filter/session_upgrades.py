# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Add the results of upgrades to the sessions of a worker."""

from __future__ import annotations

DOCUMENTATION = r"""
name: session_upgrades
short_description: Add the results of upgrades to the sessions of a worker
version_added: 1.0.0
description:
  - Adds the result of M(optio.codex.session) with O(optio.codex.session#module:state=upgraded) to the sessions for which it was called.
  - The role P(optio.codex.codex_session#role) uses this filter.
options:
  _input:
    description: The sessions of one worker, as M(optio.codex.session_info) or this filter returns them.
    type: list
    elements: dict
    required: true
  result:
    description: The result of the module. A result that was skipped adds nothing.
    type: dict
    required: true
  requests:
    description: The option O(optio.codex.session#module:sessions) of the call, in the order of its results.
    type: list
    elements: dict
    required: true
  planned:
    description: Whether the module was called in check mode. A session that it would upgrade is V(planned).
    type: bool
    default: false
  version:
    description: The version of codex that the worker would have. Sessions with another version are V(planned), or V(busy).
    type: str
author:
  - The optio.codex contributors (@optio-codex)
"""

EXAMPLES = r"""
- name: Show what became of the sessions
  ansible.builtin.debug:
    msg: "{{ found.sessions | optio.codex.session_upgrades(upgraded, requests) | map(attribute='upgrade') }}"
"""

RETURN = r"""
_value:
  description:
    - The sessions. C(upgrade) of a session is RV(optio.codex.session#module:upgrade), and its status can also be V(planned).
  type: list
  elements: dict
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.optio.codex.plugins.module_utils._launch.upgrade import DRAFT_REASON, RESTARTABLE

#: activities in which a session is not restarted
Session = Mapping[str, Any]


def session_upgrades(
    sessions: Sequence[Session],
    result: Mapping[str, Any],
    requests: Sequence[Mapping[str, Any]],
    planned: bool = False,
    version: str | None = None,
) -> list[dict[str, Any]]:
    """Return the sessions with what an upgrade did, or would do."""
    if isinstance(sessions, (str, Mapping)) or not isinstance(result, Mapping):
        raise AnsibleFilterError("session_upgrades requires a list of sessions and the result of a task")
    requests = [] if result.get("skipped") else requests
    answers = [] if result.get("skipped") else result.get("sessions") or [{"failed": True, "msg": result.get("msg")} for _each in requests]
    if len(requests) != len(answers):
        raise AnsibleFilterError(f"session_upgrades: the result has {len(answers)} sessions, and the call had {len(requests)}")
    by_place = {_place(request): answer for request, answer in zip(requests, answers, strict=True)}
    updated = []
    for session in sessions:
        place = (session.get("name"), session.get("user"), str(session.get("session_dir") or "").rpartition("/")[0])
        if place in by_place:
            session = _updated(session, by_place[place], planned)
        elif "upgrade" not in session:
            session = {**session, "upgrade": _unasked(session)}
        updated.append(_foreseen(session, version) if planned and version else dict(session))
    return updated


def _place(request: Mapping[str, Any]) -> tuple[Any, ...]:
    return request.get("name"), request.get("user"), request.get("sessions_dir")


def _unasked(session: Session) -> dict[str, Any]:
    version = session.get("version")
    reason = f"it is {session.get('status')}"
    programs = {"codex_before": version, "codex_after": None, "ttyd_before": None, "ttyd_after": None}
    return {"status": "ended", "reason": reason, **programs, "draft": False}


def _updated(session: Session, answer: Mapping[str, Any], planned: bool) -> dict[str, Any]:
    known = session.get("upgrade") or {}
    upgrade = dict(answer.get("upgrade") or known or _unasked(session))
    if answer.get("failed") and upgrade.get("status") != "restored":
        upgrade.update(status="failed", reason=answer.get("msg"))
    elif planned and upgrade["status"] == "upgraded":
        upgrade["status"] = "planned"
    elif known.get("status") in ("planned", "busy") and upgrade["status"] == "current":
        # another run was faster
        upgrade = {**known, "status": "upgraded", "reason": None}
    if known.get("ttyd_after") and not upgrade.get("ttyd_after"):
        # the terminal was replaced before
        upgrade.update(ttyd_before=known["ttyd_before"], ttyd_after=known["ttyd_after"])
    values = {name: answer[name] for name in ("version", "pid", "session_id", "msg") if name in answer}
    return {**session, **values, "upgrade": upgrade}


def _foreseen(session: Session, version: str) -> dict[str, Any]:
    """Return a session as it would be if its worker had a version of codex that it does not have yet."""
    upgrade = dict(session["upgrade"])
    if upgrade["status"] == "current" and session.get("version") and session["version"] != version:
        upgrade.update(codex_after=version, status="planned")
        if session.get("activity") not in RESTARTABLE:
            upgrade.update(status="busy", reason=f"it is {session['activity']}")
        elif upgrade.get("draft"):
            upgrade.update(status="busy", reason=DRAFT_REASON)
    return {**session, "upgrade": upgrade}


class FilterModule:
    """The filters of this file, for Ansible."""

    def filters(self) -> Mapping[str, Callable[..., Any]]:
        """Return each filter by its name."""
        return {"session_upgrades": session_upgrades}
