# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Observe, plan, apply on the worker: what every module's main() hands over to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .errors import OptioError, UnknownObservation
from .host import Host, ModuleHost
from .plan import Plan, module_result
from .subject import Params, Subject

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule


def run_module(module: AnsibleModule, subject: Subject[Any]) -> None:
    """Run the subject for the module's options and end the module with its result or its one error."""
    host = ModuleHost(module)
    shown = {"module_args": subject.shown(module.params)}
    # for a result with a ``path`` it would add the file's owner and a ``state`` that the probe's answer does not have
    module.add_path_info = lambda result: result
    try:
        result = converge(subject, module.params, host, module.check_mode, bool(module._diff))
    except OptioError as error:
        module.fail_json(
            msg=str(error),
            **{"object": error.subject, "cause": error.cause, "remedy": error.remedy, **error.details},
            invocation=shown,
        )
    except UnknownObservation as odd:
        module.fail_json(
            msg=f"{subject.name}: the worker's answer was not understood: {odd}. Run the task with -vvv and report the probe's output.",
            invocation=shown,
        )
    for text in result.pop("warnings", ()):
        module.warn(text)
    module.exit_json(**result, invocation=shown)


def converge(subject: Subject[Any], params: Params, host: Host, check_mode: bool, diff: bool) -> dict[str, Any]:
    """Return the module's result after making the worker match ``params`` (in check mode: the predicted one)."""
    subject.check(params)
    observed = subject.observe_on(host, params)
    plan = subject.plan(observed, params)
    obstacles = subject.preconditions(observed, params, plan)
    if check_mode or not plan:
        return predicted(plan, obstacles, diff)
    if obstacles:
        raise obstacles[0]
    with subject.lock(observed, params, host):
        # another run may have changed the worker since, so only what is seen under the lock counts
        observed = subject.observe_on(host, params)
        plan = subject.plan(observed, params)
        added = subject.apply(plan, observed, params, host) if plan else {}
    result = module_result(plan, diff)
    result.update(added)
    return result


def predicted(plan: Plan, obstacles: list[OptioError], diff: bool) -> dict[str, Any]:
    """Return the result of a plan that is not carried out, its obstacles as warnings."""
    result = module_result(plan, diff)
    if obstacles:
        result["warnings"] = [*result.get("warnings", []), *(str(obstacle) for obstacle in obstacles)]
    return result
