# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Does the work of ``optio.codex.credential_fetch``: it reads by a probe and writes here, on the controller."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.optio.codex.plugins.module_utils._codex import auth_file
from ansible_collections.optio.codex.plugins.module_utils._codex.auth_file import WORDS, Credential
from ansible_collections.optio.codex.plugins.module_utils._credential.probe import CredentialView, credential_script, parse_credential
from ansible_collections.optio.codex.plugins.module_utils._core.locks import directory_lock
from ansible_collections.optio.codex.plugins.module_utils._core.errors import OptioError, UnknownObservation
from ansible_collections.optio.codex.plugins.module_utils._core.host import LocalHost
from ansible_collections.optio.codex.plugins.module_utils._core.plan import Action, Plan
from ansible_collections.optio.codex.plugins.module_utils._core.probe import parse
from ansible_collections.optio.codex.plugins.module_utils._core.runner import predicted
from ansible_collections.optio.codex.plugins.module_utils._core.resource import Params, Specification, Subject
from ansible_collections.optio.codex.plugins.module_utils._session.workspace import PLACE_OPTIONS, check_place
from ansible_collections.optio.codex.plugins.plugin_utils.credential_file import CredentialFile, is_to_save
from ansible_collections.optio.codex.plugins.plugin_utils.probe_action import ProbeAction

SPECIFICATION = Specification(
    argument_spec={
        **PLACE_OPTIONS,
        "dest": {"type": "str", "required": True},
        "vault": {"type": "bool"},
        "vault_id": {"type": "str"},
        "force": {"type": "bool", "default": False},
    }
)


class FetchSubject(Subject[CredentialView]):
    """What the base asks of a subject; there is no module to ship."""

    name = "credential_fetch"
    specification = SPECIFICATION


class ActionModule(ProbeAction):
    """The action of the module of the same name, which has no code of its own."""

    subject = FetchSubject()
    _supports_async = False

    def _answer(self, task_vars: dict[str, Any]) -> dict[str, Any]:
        validated = ArgumentSpecValidator(**SPECIFICATION.rules()).validate(self._task.args)
        if validated.error_messages:
            return {"failed": True, "msg": "; ".join(validated.error_messages)}
        params = validated.validated_parameters
        try:
            check_place(params)
            with self._unseen():
                said = self._probe(credential_script(params, content=True), self._environment_prefix())
            view = parse_credential(parse(said), params["name"])
            # where the command line means it: the controller's own paths
            dest = os.path.abspath(os.path.expanduser(params["dest"]))
            answer = self._save(dest, credential_of(view), params)
        except OptioError as error:
            told = {"object": error.subject, "cause": error.cause, "remedy": error.remedy}
            return {"failed": True, "msg": str(error), **told, **error.details}
        except UnknownObservation as odd:
            return {"failed": True, "msg": f"{self.subject.name}: the worker's answer was not understood: {odd}. Run again."}
        return {**answer, "invocation": {"module_args": dict(params)}}

    @contextmanager
    def _unseen(self) -> Iterator[None]:
        # connections show at -vvv what a command prints, unless the task is not to be logged
        context = self._play_context
        earlier = context.no_log
        context.no_log = True
        try:
            yield
        finally:
            context.no_log = earlier

    def _save(self, dest: str, seen: Credential | None, params: Params) -> dict[str, Any]:
        kept = CredentialFile(dest, tuple(self._loader._vault.secrets or ()))
        plan = plan_save(dest, kept.read(), seen, params["force"])
        if plan and not self._task.check_mode:
            with directory_lock(os.path.dirname(dest), LocalHost()):
                # two sessions may be saved to one file, and the newer one is to win
                plan = plan_save(dest, kept.read(), seen, params["force"])
                for action in plan.actions:
                    kept.write(action.payload, params["vault"], params["vault_id"] or None)
        return predicted(plan, [], bool(self._task.diff))


def credential_of(view: CredentialView) -> Credential | None:
    """Return what a session has, None when it has nothing; raise OptioError for a file that codex could not use."""
    path = f"{view.task.layout.codex_home}/{auth_file.NAME}"
    if view.kept.kind == "absent":
        return None
    if view.kept.kind != "file" or view.kept.linked or view.content is None:
        raise OptioError(path, "is no file of the session's own", "Look at it on the worker; what is saved stays as it is")
    return auth_file.of_auth_json(view.content.decode("utf-8", "replace"), path)


def plan_save(dest: str, saved: Credential | None, seen: Credential | None, force: bool) -> Plan:
    """Return what brings a session's credential to the file, purely."""
    actions = []
    if seen is not None and is_to_save(saved, seen, dest, force):
        actions.append(Action("write", dest, _words(saved), _words(seen), seen))
    known = seen or saved
    result: Mapping[str, Any] = {
        **{"dest": dest, "present": seen is not None},
        **{"kind": known.kind if known else None, "account": (known.account if known else "") or None},
        **{"last_refresh": (known.refreshed if known else "") or None},
    }
    return Plan(tuple(actions), result)


def _words(credential: Credential | None) -> str:
    if credential is None:
        return "absent"
    return f"{WORDS[credential.kind]}, refreshed {credential.refreshed or 'never'}"
