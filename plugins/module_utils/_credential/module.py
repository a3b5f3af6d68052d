# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module ``credential``: the auth.json of one session planted or removed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

from .._codex import auth_file
from .._core import files
from .._codex.auth_file import CHATGPT, WORDS, Credential
from .probe import CredentialView, Kept, credential_script, parse_credential
from .._core.errors import OptioError
from .._core.host import Host
from .._session.layout import TaskLayout
from .._core.plan import Action, Plan
from .._core.probe import Section
from .._core.executor import FileText, carry_out
from .._core.resource import MASK, Params, Specification, Subject
from .._session.lock import task_lock
from .._session.probe import TaskView
from .._session.workspace import PLACE_OPTIONS, check_place, own_home, refuse_foreign

SOURCES = ("api_key", "access_token", "auth_json")
MODE = 0o600


def wanted(params: Params) -> Credential | None:
    """Return the credential that a module's options name; raise OptioError for one that codex could not use."""
    if params["state"] == "absent":
        return None
    if params.get("api_key") is not None:
        return auth_file.of_api_key(params["api_key"])
    if params.get("access_token") is not None:
        return auth_file.of_access_token(params["access_token"])
    return auth_file.of_auth_json(params["auth_json"], "auth_json")


def is_rotated(kept: Kept, wish: Credential) -> bool:
    """Return whether codex has changed the tokens of this login since it was planted."""
    return wish.kind == CHATGPT and kept.is_of(wish.account_id) and auth_file.is_newer(kept.refreshed, wish.refreshed)


def plan_credential(view: CredentialView, wish: Credential | None, force: bool) -> tuple[list[Action], bool]:
    """Return what makes the session's auth.json as wished, and whether codex's newer tokens stay; purely."""
    task, kept = view.task, view.kept
    _refuse(task, kept)
    if wish is None:
        return ([] if kept.kind == "absent" else [Action("remove", _path(task.layout), _words(kept), "absent")]), False
    actions = _plan_home(task)
    rotated = is_rotated(kept, wish) and not force
    text = None if rotated or kept.is_text(wish.text) else wish.text
    if text is not None:
        after = WORDS[wish.kind] if wish.kind != kept.holds else f"another {WORDS[wish.kind]}"
        if kept.is_of(wish.account_id):
            after = f"another login of the {WORDS[wish.kind]}"
        actions.append(Action("write", _path(task.layout), _words(kept), after, FileText(text, MODE)))
    elif kept.mode != MODE:
        actions.append(Action("protect", _path(task.layout), f"mode {kept.mode:04o}", f"mode {MODE:04o}"))
    return actions, rotated


def _refuse(task: TaskView, kept: Kept) -> None:
    refuse_foreign(task)
    layout = task.layout
    if task.workspace.home_foreign:
        raise own_home(layout)
    if kept.linked:
        raise OptioError(layout.codex_home, "is reached through a symbolic link", "Replace the link by a directory of the session's own")
    if kept.kind == "other":
        raise OptioError(_path(layout), "is not a file", "Move it away")


def _plan_home(view: TaskView) -> list[Action]:
    seen, layout = view.workspace, view.layout
    actions = []
    if seen.task_kind == "absent":
        actions.append(Action("create", layout.task, after="directory 0700"))
    if seen.workdir_kind == "absent":
        actions.append(Action("create", layout.workdir, after="directory 0700"))
    if seen.home_kind == "absent" or not seen.home_complete:
        actions.append(Action("create", layout.home, after="isolated home", payload=layout.directories()))
    return actions


def _words(kept: Kept) -> str:
    if kept.kind == "file":
        return WORDS.get(kept.holds, "another credential")
    return {"link": "symbolic link"}.get(kept.kind, kept.kind)


def _path(layout: TaskLayout) -> str:
    return f"{layout.codex_home}/{auth_file.NAME}"


def _warnings(view: CredentialView, wish: Credential | None, actions: Sequence[Action]) -> tuple[str, ...]:
    if not actions or view.task.session.status != "running":
        return ()
    name = f"session {view.task.layout.name}"
    if wish is None:
        return (f"{name}: runs, and its codex keeps the credential that it has read, and may write it again. Stop it first.",)
    return (f"{name}: runs, and its codex keeps the credential that it has read. Restart it to have the new one read.",)


def _write(action: Action) -> None:
    content: FileText = action.payload
    files.write_text(action.target, content.text, content.mode, follow=False)


def _protect(action: Action) -> None:
    # by another file, for whoever has the old one open keeps it
    files.write_text(action.target, files.read_text(action.target) or "", MODE, follow=False)


class CredentialSubject(Subject[CredentialView]):
    """The auth.json of one session."""

    name = "credential"
    specification = Specification(
        argument_spec={
            **PLACE_OPTIONS,
            **{option: {"type": "json" if option == "auth_json" else "str", "no_log": True} for option in SOURCES},
            "force": {"type": "bool", "default": False},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
        mutually_exclusive=[SOURCES],
        required_if=[("state", "present", SOURCES, True)],
    )

    def shown(self, params: Params) -> dict[str, Any]:
        return {**params, **{option: MASK for option in SOURCES if params.get(option) is not None}}

    def check(self, params: Params) -> None:
        check_place(params)
        wanted(params)

    def script(self, params: Params) -> str:
        return credential_script(params)

    def observe(self, sections: Sequence[Section], params: Params) -> CredentialView:
        return parse_credential(sections, params["name"])

    def plan(self, observed: CredentialView, params: Params) -> Plan:
        wish = wanted(params)
        actions, rotated = plan_credential(observed, wish, params["force"])
        layout = observed.task.layout
        result = {
            **{"name": layout.name, "codex_home": layout.codex_home, "path": _path(layout)},
            **{"kind": wish.kind if wish else None, "rotated": rotated, "account": (wish.account if wish else "") or None},
        }
        return Plan(tuple(actions), result, _warnings(observed, wish, actions))

    def lock(self, observed: CredentialView, params: Params, host: Host) -> AbstractContextManager[Any]:
        return task_lock(observed.task.layout, params.get("user") or None, host)

    def apply(self, plan: Plan, observed: CredentialView, params: Params, host: Host) -> Mapping[str, Any]:
        with host.acting_as(params.get("user") or None):
            carry_out(plan, {"write": _write, "protect": _protect})
        return {}


SUBJECT = CredentialSubject()
