# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The action base: probe with a shell, plan on the controller, ship Python only to change something.

The module's own probe goes through the open connection and its own planner reads the answer here. A worker that is
already right is answered at once; in check mode the plan itself is the answer; everything else, above all anything
odd, is shipped to the module, which looks again and from which every error comes.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Any, ClassVar

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.common.parameters import remove_values
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.optio.codex.plugins.module_utils._core.batch import merge_results
from ansible_collections.optio.codex.plugins.module_utils._core.errors import OptioError, ProbeError
from ansible_collections.optio.codex.plugins.module_utils._core.plan import Plan, check_mode_result
from ansible_collections.optio.codex.plugins.module_utils._core.probed_resource import ProbedResource
from ansible_collections.optio.codex.plugins.module_utils._core.process_limits import is_fork_failure
from ansible_collections.optio.codex.plugins.module_utils._core.resource import Params
from ansible_collections.optio.codex.plugins.plugin_utils._role_options import variable_hints, warning_with_hints

COLLECTION = "optio.codex"
#: one argument of this many bytes is safe below the kernel's limit for a single string (128 KiB)
ARGUMENT_LIMIT = 100_000
#: variables of the task's ``environment`` that decide where things are; no other may reach a command line
PROBED_VARIABLES = ("HOME", "PATH")
PROBED_PREFIXES = ("XDG_", "OPTIO_")

display = Display()


class ProbeAction(ActionBase):
    """Runs one resource; a subclass only names it."""

    resource: ClassVar[ProbedResource[Any, Any]]

    _supports_async = True
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the module's result, from the probe where that suffices."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        answer = self._answer(task_vars or {})
        if answer is None:
            answer = self._ship(task_vars)
        result.update(answer)
        self.complete(result)
        self._name_variables(result)
        return result

    def _name_variables(self, result: dict[str, Any]) -> None:
        """Add to an error, and to warnings, the variables of the role that the task belongs to."""
        role = getattr(getattr(self._task, "_role", None), "_role_name", "")
        if not role:
            return
        if result.get("warnings"):
            result["warnings"] = [warning_with_hints(str(text), self.resource.name, role) for text in result["warnings"]]
        hints = variable_hints(result, self.resource.name, role) if result.get("failed") else []
        if hints:
            result["msg"] = " ".join([str(result.get("msg") or ""), *hints])

    def complete(self, result: dict[str, Any]) -> None:
        """Add values to the result that only the controller knows."""

    def module_args(self) -> dict[str, Any]:
        """Return the options of the task, with additions of the controller."""
        options: dict[str, Any] = self._task.args
        return options

    def before_ship(self, plan: Plan, observed: Any) -> None:
        """Hear of the plan that the module is about to be shipped for."""

    def _answer(self, task_vars: dict[str, Any]) -> dict[str, Any] | None:
        host = task_vars.get("inventory_hostname")
        # an asynchronous task needs a job on the worker even when there is nothing to do
        if self._task.async_val or getattr(self._connection._shell, "SHELL_FAMILY", "") != "sh":
            return None
        validated = ArgumentSpecValidator(**self.resource.specification.to_kwargs()).validate(self.module_args())
        if validated.error_messages:
            return None
        params = validated.validated_parameters
        try:
            entries = self.resource.expand_items(params)
            planned = self._plan([params] if entries is None else entries, entries is not None)
        except (OptioError, ProbeError) as reason:
            display.vvv(f"{self.resource.name}: shipped, because the probe says: {reason}", host=host)
            return None
        taken = sum(len(plan.actions) for _observed, plan, _obstacles in planned)
        if taken and not self._task.check_mode:
            display.vvv(f"{self.resource.name}: shipped, {taken} action(s) to take", host=host)
            for observed, plan, _obstacles in planned:
                self.before_ship(plan, observed)
            return None
        answers = [check_mode_result(plan, obstacles, bool(self._task.diff)) for _observed, plan, obstacles in planned]
        answer = answers[0] if entries is None else merge_results(answers)
        answer["invocation"] = {"module_args": self.resource.masked(params)}
        secrets = validated._no_log_values | self.resource.secrets(params)
        return remove_values(answer, secrets) if secrets else answer

    def _plan(self, entries: Sequence[Params], many: bool) -> list[tuple[Any, Plan, list[OptioError]]]:
        """Return for each object its observation from one common probe, its plan, and the unmet requirements."""
        resource, prefix = self.resource, self._environment_prefix()
        requested = [resource.parse_options(params) for params in entries]
        for options in requested:
            resource.validate(options)
        if many:
            seen = resource.parse_probe_many(self._probe(resource.probe_script_many(requested), prefix), requested)
        else:
            [options] = requested
            seen = [resource.parse_answer(self._probe(resource.probe_script(options), prefix), options)]
        planned = []
        for observed, options in zip(seen, requested, strict=True):
            plan = resource.plan(observed, options)
            planned.append((observed, plan, resource.unmet_requirements(observed, options, plan)))
        return planned

    def _probe(self, script: str, prefix: str) -> str:
        if self._takes_stdin():
            done = self._low_level_execute_command(f"{prefix}/bin/sh", in_data=script.encode(errors="surrogateescape"))
        else:
            # without pipelining ssh may allocate a terminal that mixes the two streams
            command = f"{prefix}/bin/sh -c {shlex.quote(script)} 2>/dev/null"
            if len(command.encode(errors="surrogateescape")) > ARGUMENT_LIMIT:
                raise ProbeError("the probe is too long for one argument; enable pipelining")
            done = self._low_level_execute_command(command)
        if is_fork_failure(str(done.get("stderr", ""))):
            raise ProbeError("the worker could not start a process")
        return str(done["stdout"])

    def _takes_stdin(self) -> bool:
        try:
            return bool(self._is_pipelining_enabled("new"))
        except Exception:  # a replaced connection (mitogen) has no such notion
            return False

    def _environment_prefix(self) -> str:
        raw: dict[str, str] = {}
        self._compute_environment_string(raw)
        known = {name: value for name, value in raw.items() if name in PROBED_VARIABLES or name.startswith(PROBED_PREFIXES)}
        if not known:
            return ""
        return str(self._connection._shell.env_prefix(**known)).rstrip() + " "

    def _ship(self, task_vars: dict[str, Any] | None) -> dict[str, Any]:
        wrap_async = bool(self._task.async_val) and not self._connection.has_native_async
        answer: dict[str, Any] = self._execute_module(
            module_name=f"{COLLECTION}.{self.resource.name}",
            module_args=self.module_args(),
            task_vars=task_vars,
            wrap_async=wrap_async,
        )
        if _lacks_python(answer):
            answer["msg"] = (
                "python: the worker has no Python interpreter that Ansible can use. Install one first "
                "(ansible.builtin.raw: apt-get install -y python3), or set ansible_python_interpreter to its path."
            )
        return answer


def _lacks_python(answer: dict[str, Any]) -> bool:
    if not answer.get("failed") or answer.get("rc") not in (126, 127):
        return False
    said = f"{answer.get('module_stdout', '')}{answer.get('module_stderr', '')}"
    return "not found" in said or "No such file" in said or "Permission denied" in said
