# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Validates the variables of a role on the controller."""

from __future__ import annotations

import os
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase

from ansible_collections.optio.codex.plugins.module_utils._core.errors import OptioError
from ansible_collections.optio.codex.plugins.plugin_utils._role_credentials import collected, logins
from ansible_collections.optio.codex.plugins.plugin_utils._role_dispatch import ROLE as DISPATCH
from ansible_collections.optio.codex.plugins.plugin_utils._role_dispatch import dispatch_options
from ansible_collections.optio.codex.plugins.plugin_utils._role_options import (
    Option,
    RoleVariableError,
    known_variables,
    prefixes,
    role_options,
    role_spec,
    typed_value,
    unknown_variables,
)
from ansible_collections.optio.codex.plugins.plugin_utils._role_policy import policy_errors, policy_files
from ansible_collections.optio.codex.plugins.plugin_utils._role_releases import ROLE as WORKER
from ansible_collections.optio.codex.plugins.plugin_utils._role_releases import TOOLS, compared_options, release_options, with_exact_version
from ansible_collections.optio.codex.plugins.plugin_utils._role_selection import ENDS, ONLY_FOR_LAUNCHES, VERB, selection, waited_for
from ansible_collections.optio.codex.plugins.plugin_utils._role_sessions import ROLE as SESSION
from ansible_collections.optio.codex.plugins.plugin_utils._role_sessions import common_options, session_entries
from ansible_collections.optio.codex.plugins.plugin_utils._role_sites import VALUES as SITES
from ansible_collections.optio.codex.plugins.plugin_utils._role_sites import site_errors, site_values

EXEMPT = "codex_extra_variables"


class ActionModule(ActionBase):
    """The action of the module of the same name; it has no part on the worker."""

    _requires_connection = False
    _supports_check_mode = True
    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the options that are set, or the errors of all that are wrong."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        variables = task_vars or {}
        role, entry = str(self._task.args["role"]), str(self._task.args.get("entry_point") or "main")
        try:
            result.update(self._options(role, entry, variables))
        except RoleVariableError as error:
            return {**result, "failed": True, "msg": str(error)}
        # the options may be secrets; an error has none, and is shown
        return {**result, "changed": False, "_ansible_no_log": True}

    def _options(self, role: str, entry: str, variables: dict[str, Any]) -> dict[str, Any]:
        verb = self._task.args.get("verb") or {}
        ignored = {f"{role}_{name}" for name in ONLY_FOR_LAUNCHES if verb.get("state") in ENDS}
        main = role_spec(role, "main")
        spec = main if entry == "main" else role_spec(role, entry)
        evaluated = {name: option for name, option in spec.items() if name not in ignored}
        options, wrong = role_options(role, evaluated, lambda name: self._value(name, variables))
        wrong = [*self._unknown(variables), *wrong, *site_errors(role, options)]
        result: dict[str, Any] = {"options": options}
        if role == WORKER:
            wrong += _add_worker(result, options)
        elif role == SESSION:
            wrong += _add_sessions(result, options, main, {**VERB, **verb})
            result |= _places(options, result["sessions"], str(variables.get("inventory_hostname", "")))
        elif role == DISPATCH:
            wrong += self._add_dispatch(result, options, variables)
        if wrong:
            raise RoleVariableError(" ".join(wrong))
        if role in SITES and options.get("state") != "absent":
            hosts = (self._value(name, variables) for name in ("inventory_hostname", "ansible_host"))
            result["site"] = site_values(role, options, [str(host) for host in hosts if host])
        return result

    def _add_dispatch(self, result: dict[str, Any], options: dict[str, Any], variables: dict[str, Any]) -> list[str]:
        session_spec = role_spec(SESSION, "main")
        session_options, wrong = role_options(SESSION, session_spec, lambda name: self._value(name, variables))
        # before a session is assigned, all that it would be launched with must be right
        listed, errors = dispatch_options(options, session_options, session_spec)
        result.update(listed)
        return [*wrong, *errors]

    def _value(self, name: str, variables: dict[str, Any]) -> Any:
        if name not in variables:
            return None
        try:
            return self._templar.template(variables[name])
        except AnsibleError as error:
            raise RoleVariableError(f"{name} is a template that fails: {str(error).strip().rstrip('.')}.") from error

    def _unknown(self, variables: dict[str, Any]) -> list[str]:
        exempt = typed_value(EXEMPT, self._value(EXEMPT, variables) or [], {"type": "list", "elements": "str"})
        return unknown_variables(variables, known_variables(), prefixes(), exempt)


def _add_worker(result: dict[str, Any], options: dict[str, Any]) -> list[str]:
    """Add the releases and the policy of the role codex_worker to a result; return the errors."""
    for tool in TOOLS:
        release = release_options(options, tool)
        if tool == "codex":
            release = with_exact_version(release)
        result |= {f"{tool}_release": release, f"{tool}_compared": compared_options(release)}
    try:
        result["policy"] = policy_files(options)
    except OptioError as error:
        return [str(error)]
    return policy_errors(options)


def _add_sessions(result: dict[str, Any], options: dict[str, Any], spec: dict[str, Option], verb: dict[str, Any]) -> list[str]:
    """Add the sessions of the role codex_session to a result; return the errors."""
    result["sessions"], errors = session_entries(options.pop("sessions", ()), spec)
    result["common"] = common_options(options, spec)
    result["selection"] = selection(options, result["sessions"], verb)
    result["wait"] = waited_for(options)
    return errors


def _places(options: dict[str, Any], entries: list[dict[str, Any]], worker: str) -> dict[str, Any]:
    """Return the parts of a result that depend on the directory in which Ansible was started."""
    directory = os.environ.get("PWD", "")
    return {"logins": logins(options, entries, directory, worker), "collected": collected(options, directory, worker)}
