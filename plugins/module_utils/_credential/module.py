# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module ``credential``: writes or removes the auth.json of sessions."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

from .._codex import auth_file
from .._codex.auth_file import CHATGPT, WORDS, Credential
from .._codex.login_digest import NAME
from .._core import files
from .._core.batch import SESSIONS, BatchResource, with_sessions
from .._core.errors import OptioError
from .._core.executor import FileText, execute
from .._core.host import Host
from .._core.paths import is_name
from .._core.plan import Action, Plan
from .._core.probe import Section
from .._core.resource import MASK, ArgumentSpec, Params
from .._session.layout import SessionPaths
from .._session.location import PLACE_OPTIONS, Location, refuse_foreign, validate_location
from .._session.lock import task_lock
from .._session.login import mark_text, require_copy
from .._session.state import ObservedSession
from .probe import (
    AuthFileState,
    SessionCredential,
    credential_script,
    credential_script_many,
    parse_credential,
    parse_credential_many,
)

SOURCES = ("api_key", "access_token", "auth_json")
MODE = 0o600
#: how diffs call the file that records that a login has a copy
_MARK = "digest of the login"


def credential_from_params(params: Params) -> Credential | None:
    """Return the credential in a module's options, None for state absent; raise OptioError for an invalid one."""
    if params["state"] == "absent":
        return None
    if params.get("api_key") is not None:
        return auth_file.of_api_key(params["api_key"])
    if params.get("access_token") is not None:
        return auth_file.of_access_token(params["access_token"])
    return auth_file.of_auth_json(params["auth_json"], "auth_json")


def is_rotated(state: AuthFileState, spec: Credential) -> bool:
    """Return whether codex has renewed the tokens of this login since it was written."""
    return spec.kind == CHATGPT and state.is_of(spec.account_id) and auth_file.is_newer(state.refreshed, spec.refreshed)


def plan_credential(
    view: SessionCredential, spec: Credential | None, force: bool, discard_login: bool = False
) -> tuple[list[Action], bool]:
    """Return the actions for the session's auth.json, and whether codex's newer tokens are kept; pure.

    Raise OptioError if they would destroy the only copy of a login.
    """
    task, state = view.task, view.auth_file
    _validate_paths(task, state)
    if spec is None:
        return _plan_absent(view, discard_login), False
    actions = _plan_home(task)
    rotated = is_rotated(state, spec) and not force
    text = None if rotated or state.is_text(spec.text) else spec.text
    if text is not None:
        if not _replaces(view, spec):
            _require_copy(view, discard=force or discard_login)
        after = WORDS[spec.kind] if spec.kind != state.holds else f"another {WORDS[spec.kind]}"
        if state.is_of(spec.account_id):
            after = f"another login of the {WORDS[spec.kind]}"
        actions.append(Action("write", _path(task.layout), _describe(state), after, FileText(text, MODE)))
    elif state.mode != MODE:
        actions.append(Action("protect", _path(task.layout), f"mode {state.mode:04o}", f"mode {MODE:04o}"))
    if not rotated:
        actions.extend(_plan_mark(view, spec.login))
    return actions, rotated


def _plan_absent(view: SessionCredential, discard_login: bool) -> list[Action]:
    task, state = view.task, view.auth_file
    _require_copy(view, discard=discard_login)
    actions = [] if state.kind == "absent" else [Action("remove", _path(task.layout), _describe(state), "absent")]
    return [*actions, *_plan_mark(view, "")]


def _replaces(view: SessionCredential, spec: Credential) -> bool:
    """Return whether a credential is the same login, or a newer one of the same account."""
    state = view.auth_file
    newer = state.is_of(spec.account_id) and auth_file.is_newer(spec.refreshed, state.refreshed)
    return spec.kind == CHATGPT and (newer or state.is_login(spec.login))


def _require_copy(view: SessionCredential, *, discard: bool) -> None:
    layout = view.task.layout
    require_copy(view.task.login, layout.name, _path(layout), discard=discard)


def _plan_mark(view: SessionCredential, digest: str) -> list[Action]:
    """Return the mark that a login has a copy elsewhere; the empty string for none."""
    marked, path = view.task.login.marked, view.task.layout.login_mark
    if not digest:
        return [Action("remove", path, _MARK, "absent")] if marked else []
    if view.auth_file.is_marked(digest):
        return []
    return [Action("write", path, "digest of another login" if marked else "absent", _MARK, FileText(mark_text(digest), MODE))]


def _validate_paths(task: ObservedSession, state: AuthFileState) -> None:
    refuse_foreign(task)
    layout = task.layout
    if state.linked:
        raise OptioError(
            layout.codex_home, f"{layout.codex_home} is reached through a symbolic link", "Replace the link with a directory of the session"
        )
    if state.kind == "other":
        raise OptioError(_path(layout), f"{_path(layout)} is not a file", "Move it away")


def _plan_home(view: ObservedSession) -> list[Action]:
    workspace, layout = view.workspace, view.layout
    actions = []
    if workspace.task_kind == "absent":
        actions.append(Action("create", layout.task, after="directory 0700"))
    if workspace.home_kind == "absent" or not workspace.home_complete:
        actions.append(Action("create", layout.home, after="isolated home", payload=layout.directories()))
    return actions


def _describe(state: AuthFileState) -> str:
    if state.kind == "file":
        return WORDS.get(state.holds, "another credential")
    return {"link": "symbolic link"}.get(state.kind, state.kind)


def _path(layout: SessionPaths) -> str:
    return f"{layout.codex_home}/{NAME}"


def _warnings(view: SessionCredential, spec: Credential | None, actions: Sequence[Action]) -> tuple[str, ...]:
    if not actions or view.task.session.status != "running":
        return ()
    name = f"session {view.task.layout.name}"
    if spec is None:
        return (f"{name} is running, and its codex keeps the credential that it has read and may write it again. Stop it first.",)
    return (f"{name} is running, and its codex keeps the credential that it has read. Restart it to use the new one.",)


def _write(action: Action) -> None:
    content: FileText = action.payload
    files.write_text(action.target, content.text, content.mode, follow=False)


def _protect(action: Action) -> None:
    # a new file, because other processes may have the old one open
    files.write_text(action.target, files.read_text(action.target) or "", MODE, follow=False)


class CredentialResource(BatchResource[SessionCredential, Params]):
    """The auth.json of one session."""

    name = "credential"
    one = ArgumentSpec(
        argument_spec={
            **PLACE_OPTIONS,
            **{option: {"type": "json" if option == "auth_json" else "str", "no_log": True} for option in SOURCES},
            "force": {"type": "bool", "default": False},
            "discard_login": {"type": "bool", "default": False},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
        mutually_exclusive=[SOURCES],
        required_if=[("state", "present", SOURCES, True)],
    )
    specification = with_sessions(one)

    def masked(self, params: Params) -> dict[str, Any]:
        return {**super().masked(params), **{option: MASK for option in SOURCES if params.get(option) is not None}}

    def secrets(self, params: Params) -> set[str]:
        sessions = params.get(SESSIONS)
        entries = [params, *(sessions if isinstance(sessions, list) else [])]
        values = [entry.get(option) for entry in entries if isinstance(entry, Mapping) for option in SOURCES]
        texts = [json.dumps(value) if isinstance(value, dict) else str(value) for value in values if value is not None]
        return {text for value in texts for text in (value, value.strip()) if text}

    def expand_items(self, params: Params) -> list[Params] | None:
        for number, entry in enumerate(params.get(SESSIONS) or (), 1):
            # the error must not quote it: a list in the form of text is split at its commas, also inside a secret
            if isinstance(entry, str) and not is_name(entry):
                subject = f"session {number} of {SESSIONS}"
                raise OptioError(subject, f"{subject} is not a valid name", "Set sessions to a list of names and dictionaries")
        return super().expand_items(params)

    def validate(self, params: Params) -> None:
        validate_location(Location.from_params(params))
        credential_from_params(params)

    def probe_script(self, params: Params) -> str:
        return credential_script(params)

    def parse_probe(self, sections: Sequence[Section], params: Params) -> SessionCredential:
        return parse_credential(sections, params["name"])

    def probe_script_many(self, entries: Sequence[Params]) -> str:
        return credential_script_many(entries)

    def parse_probe_many(self, answer: str, entries: Sequence[Params]) -> list[SessionCredential]:
        return parse_credential_many(answer, entries)

    def plan(self, observed: SessionCredential, params: Params) -> Plan:
        spec = credential_from_params(params)
        actions, rotated = plan_credential(observed, spec, params["force"], params["discard_login"])
        layout = observed.task.layout
        result = {
            **{"name": layout.name, "codex_home": layout.codex_home, "path": _path(layout)},
            **{"kind": spec.kind if spec else None, "rotated": rotated, "account": (spec.account if spec else "") or None},
        }
        return Plan(tuple(actions), result, _warnings(observed, spec, [action for action in actions if action.target == _path(layout)]))

    def lock(self, observed: SessionCredential, params: Params, host: Host) -> AbstractContextManager[Any]:
        return task_lock(observed.task.layout, params.get("user") or None, host)

    def apply(self, plan: Plan, observed: SessionCredential, params: Params, host: Host) -> Mapping[str, Any]:
        with host.acting_as(params.get("user") or None):
            execute(plan, {"write": _write, "protect": _protect})
        return {}


RESOURCE = CredentialResource()
