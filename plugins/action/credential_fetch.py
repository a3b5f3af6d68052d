# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Does the work of ``optio.codex.credential_fetch``: it reads by a probe and writes here, on the controller."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ansible_collections.optio.codex.plugins.module_utils._codex import auth_file
from ansible_collections.optio.codex.plugins.module_utils._codex.auth_file import Credential
from ansible_collections.optio.codex.plugins.module_utils._codex.login_digest import NAME
from ansible_collections.optio.codex.plugins.module_utils._core.errors import OptioError
from ansible_collections.optio.codex.plugins.module_utils._core.host import LocalHost
from ansible_collections.optio.codex.plugins.module_utils._core.locks import directory_lock
from ansible_collections.optio.codex.plugins.module_utils._core.plan import Action, Plan, check_mode_result
from ansible_collections.optio.codex.plugins.module_utils._core.probe import compose, parse
from ansible_collections.optio.codex.plugins.module_utils._core.probed_resource import ProbedResource
from ansible_collections.optio.codex.plugins.module_utils._core.resource import ArgumentSpec, Params
from ansible_collections.optio.codex.plugins.module_utils._credential.probe import SessionCredential, credential_script, parse_credential
from ansible_collections.optio.codex.plugins.module_utils._session.location import PLACE_OPTIONS, Location, validate_location
from ansible_collections.optio.codex.plugins.plugin_utils._credential_action import SECRET, CredentialAction, description
from ansible_collections.optio.codex.plugins.plugin_utils._credential_file import CredentialFile, is_to_save
from ansible_collections.optio.codex.plugins.plugin_utils._lasting import temporary_parent

SPECIFICATION = ArgumentSpec(
    argument_spec={
        **PLACE_OPTIONS,
        "dest": {"type": "str"},
        "vault": {"type": "bool"},
        "vault_id": {"type": "str"},
        "force": {"type": "bool", "default": False},
        "require_lasting": {"type": "bool", "default": False},
        "return_content": {"type": "bool", "default": False},
        "saved_auth_json": {"type": "json", "no_log": True},
    },
    mutually_exclusive=[("dest", "saved_auth_json")],
)
#: shell: writes the digest of a login that has a copy; a link in the place of the file is replaced
_RECORD = """
umask 077
rm -f "$mark.new"
set -C
printf '%s\\n' "$digest" >"$mark.new" && mv -f "$mark.new" "$mark" && emit recorded 1
"""


class FetchResource(ProbedResource[SessionCredential, Params]):
    """The options of the action, which does not ship a module."""

    name = "credential_fetch"
    specification = SPECIFICATION


class ActionModule(CredentialAction):
    """The action of the module of the same name, which has no code of its own."""

    resource = FetchResource()

    def _perform(self, params: Params) -> dict[str, Any]:
        validate_location(Location.from_params(params))
        with self._unseen():
            answer = self._probe(credential_script(params, content=True), self._environment_prefix())
        view = parse_credential(parse(answer), params["name"])
        seen = credential_of(view)
        if params["dest"]:
            # where the command line means it: the controller's own paths
            plan = self._save(os.path.abspath(os.path.expanduser(params["dest"])), view, seen, params)
        else:
            saved = params["saved_auth_json"]
            known = auth_file.of_auth_json(saved, "saved_auth_json") if saved else None
            plan = plan_record(known, seen, view)
            if not self._task.check_mode:
                plan = self._record(plan, params)
        result = check_mode_result(plan, [], bool(self._task.diff))
        if params["return_content"]:
            result[SECRET] = seen.text if seen else ""
        return result

    def _save(self, dest: str, view: SessionCredential, seen: Credential | None, params: Params) -> Plan:
        kept = CredentialFile(dest, self._vault_secrets)
        temporary = temporary_parent(dest, os.environ)
        plan = plan_save(dest, kept.read(), seen, params["force"], view, temporary)
        if temporary and params["require_lasting"]:
            require_lasting(dest, temporary, view)
        if plan and not self._task.check_mode:
            with directory_lock(os.path.dirname(dest), LocalHost()):
                # two sessions may be saved to one file, and the newer one is to win
                plan = plan_save(dest, kept.read(), seen, params["force"], view, temporary)
                for action in plan.actions_of_kind("write"):
                    kept.write(action.payload, params["vault"], params["vault_id"] or None)
            plan = self._record(plan, params)
        return plan

    def _record(self, plan: Plan, params: Params) -> Plan:
        """Note on the worker that the login has a copy, because a login without the note is not removed."""
        for action in plan.actions_of_kind("record"):
            script = compose(_RECORD, {"mark": action.target, "digest": action.payload}, params["user"] or None)
            with self._unseen():
                answer = parse(self._probe(script, self._environment_prefix()))
            if not answer[0].flag("recorded"):
                warning = f"{action.target} could not be written on the worker, so the saved login counts as not saved"
                actions = tuple(other for other in plan.actions if other is not action)
                return replace(plan, actions=actions, warnings=(*plan.warnings, warning))
        return plan


def credential_of(view: SessionCredential) -> Credential | None:
    """Return a session's credential, None if it has none; raise OptioError for a file that codex could not use."""
    path = f"{view.task.layout.codex_home}/{NAME}"
    if view.auth_file.kind == "absent":
        return None
    if view.auth_file.kind != "file" or view.auth_file.linked or view.content is None:
        raise OptioError(path, f"{path} is not a regular file of the session", "Check it on the worker; the saved credential is unchanged")
    return auth_file.of_auth_json(view.content.decode("utf-8", "replace"), path)


def plan_save(
    dest: str, saved: Credential | None, seen: Credential | None, force: bool, view: SessionCredential, temporary: str | None = None
) -> Plan:
    """Return the actions that save a session's credential to the file, and record on the worker that it has a copy; purely.

    ``temporary`` is the directory of the file that does not outlast the run, if there is one. A copy there does not count.
    """
    actions = []
    if seen is not None and is_to_save(saved, seen, dest, force):
        actions.append(Action("write", dest, description(saved), description(seen), seen))
    if seen and not temporary and (actions or _is_copied(saved, seen)):
        actions.extend(_marked(seen, view))
    result = {"dest": dest, **_facts(saved, seen, view), "outlasts_run": temporary is None}
    warning = (
        f"{dest} is in {temporary}, which does not outlast this run, so the login of session {view.task.layout.name} counts as not saved"
    )
    return Plan(tuple(actions), result, (warning,) if temporary and view.task.login.is_only_copy else ())


def plan_record(saved: Credential | None, seen: Credential | None, view: SessionCredential) -> Plan:
    """Return what records on the worker that the session's login has a copy, if ``saved`` is one; purely."""
    actions = _marked(seen, view) if seen and _is_copied(saved, seen) else []
    return Plan(tuple(actions), {"dest": None, **_facts(None, seen, view), "outlasts_run": None})


def _marked(seen: Credential, view: SessionCredential) -> list[Action]:
    if not seen.login or not view.task.login.is_only_copy:
        return []
    before = "digest of another login" if view.task.login.marked else "absent"
    return [Action("record", view.task.layout.login_mark, before, "digest of the login", seen.login)]


def _facts(saved: Credential | None, seen: Credential | None, view: SessionCredential) -> Mapping[str, Any]:
    known = seen or saved
    return {
        **{"present": seen is not None, "only_copy": view.task.login.is_only_copy},
        **{"kind": known.kind if known else None, "account": (known.account if known else "") or None},
        "last_refresh": (known.refreshed if known else "") or None,
    }


def _is_copied(saved: Credential | None, seen: Credential) -> bool:
    """Return whether the saved login is the session's, or a newer one of its account."""
    if saved is None or saved.account_id != seen.account_id:
        return False
    return saved.login == seen.login or auth_file.is_newer(saved.refreshed, seen.refreshed)


def require_lasting(dest: str, temporary: str, view: SessionCredential) -> None:
    """Raise OptioError if a login that exists on the worker alone would be saved to a place that goes away."""
    if not view.task.login.is_only_copy:
        return
    raise OptioError(
        dest,
        f"dest {dest} is in {temporary}, which does not outlast this run, and the login of session {view.task.layout.name} exists "
        "nowhere else",
        "Set dest (codex_session_credential_auth_file) to a file that outlasts the run, or store it on a host of the inventory "
        "(codex_session_credential_host), save the login with the playbook "
        "optio.codex.credential_save first, or set codex_session_discard_login: true to remove it",
    )
