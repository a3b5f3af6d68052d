# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The base of the actions that read credentials: their options are validated here, and no connection shows the credentials."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.optio.codex.plugins.module_utils._codex.auth_file import WORDS, Credential
from ansible_collections.optio.codex.plugins.module_utils._core.errors import OptioError, ProbeError, error_result
from ansible_collections.optio.codex.plugins.module_utils._core.resource import MASK, Params
from ansible_collections.optio.codex.plugins.plugin_utils._action_base import ProbeAction

#: options and results with a whole credential
SECRET = "auth_json"


class CredentialAction(ProbeAction):
    """An action without a module: it reads by a probe, and its result may contain a credential."""

    _supports_async = False

    def _answer(self, task_vars: dict[str, Any]) -> dict[str, Any]:
        validated = ArgumentSpecValidator(**self.resource.specification.to_kwargs()).validate(self._task.args)
        if validated.error_messages:
            return {"failed": True, "msg": "; ".join(validated.error_messages)}
        params = validated.validated_parameters
        try:
            answer = self._perform(params)
        except OptioError as error:
            return {"failed": True, **error_result(error, self.resource.name)}
        except ProbeError as odd:
            return {"failed": True, "msg": f"{self.resource.name}: the host's answer was not understood: {odd}. Run again."}
        if SECRET in answer:
            # it can be registered, and is not shown
            answer["_ansible_no_log"] = True
        masked = {name: MASK if value is not None and name.endswith(SECRET) else value for name, value in params.items()}
        return {**answer, "invocation": {"module_args": masked}}

    def _perform(self, params: Params) -> dict[str, Any]:
        """Return the result for valid options; raise OptioError or ProbeError."""
        raise NotImplementedError

    @property
    def _vault_secrets(self) -> tuple[tuple[str, Any], ...]:
        return tuple(self._loader._vault.secrets or ())

    @contextmanager
    def _unseen(self) -> Iterator[None]:
        # connections show the output of a command at -vvv, unless the task is not to be logged
        context = self._play_context
        earlier = context.no_log
        context.no_log = True
        try:
            yield
        finally:
            context.no_log = earlier


def description(credential: Credential | None) -> str:
    """Return what diffs show of a credential."""
    if credential is None:
        return "absent"
    return f"{WORDS[credential.kind]}, refreshed {credential.refreshed or 'never'}"
