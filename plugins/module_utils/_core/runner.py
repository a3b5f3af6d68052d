# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Observe, plan, apply on the worker: what every module's main() hands over to."""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from .errors import OptioError, UnknownObservation
from .host import Host, ListeningHost, ModuleHost
from .plan import Plan, module_result
from .batch import together
from .parallel import run_side_by_side
from .resource import Params, Subject

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule


def run_module(module: AnsibleModule, subject: Subject[Any]) -> None:
    """Run the subject for the module's options and end the module with its result or its one error."""
    host = ModuleHost(module)
    shown = {"module_args": subject.shown(module.params)}
    check_mode, diff = module.check_mode, bool(module._diff)
    # for a result with a ``path`` it would add the file's owner and a ``state`` that the probe's answer does not have
    module.add_path_info = lambda result: result
    try:
        entries = subject.entries(module.params)
        if entries is None:
            result = converge(subject, module.params, host, check_mode, diff)
        else:
            result = converge_each(subject, entries, check_mode, diff)
    except (OptioError, UnknownObservation) as error:
        module.fail_json(**told(subject, error), invocation=shown)
    for text in result.pop("warnings", ()):
        module.warn(text)
    if result.pop("failed", False):
        module.fail_json(**result, invocation=shown)
    module.exit_json(**result, invocation=shown)


def told(subject: Subject[Any], error: OptioError | UnknownObservation) -> dict[str, Any]:
    """Return an error as a module's result tells it."""
    if isinstance(error, OptioError):
        return {"msg": str(error), "object": error.subject, "cause": error.cause, "remedy": error.remedy, **error.details}
    remedy = "Run the task with -vvv and report the probe's output"
    return {"msg": f"{subject.name}: the worker's answer was not understood: {error}. {remedy}."}


def converge_each(subject: Subject[Any], entries: Sequence[Params], check_mode: bool, diff: bool) -> dict[str, Any]:
    """Return the module's result for many objects, made as they should be side by side; one that fails stops no other."""
    jobs = [partial(_converge_one, subject, params, check_mode, diff) for params in entries]
    answers = run_side_by_side(jobs)
    died = {"failed": True, "msg": f"{subject.name}: its process died. Look into the worker's kernel log (dmesg), and run again."}
    return together([{"name": params["name"], **(answer or died)} for params, answer in zip(entries, answers)])


def _converge_one(subject: Subject[Any], params: Params, check_mode: bool, diff: bool) -> dict[str, Any]:
    host = ListeningHost()
    try:
        result = converge(subject, params, host, check_mode, diff)
    except (OptioError, UnknownObservation) as error:
        result = {"failed": True, **told(subject, error)}
    except Exception as error:
        result = {"failed": True, "msg": f"{subject.name}: {error!r}", "exception": traceback.format_exc()}
    warnings = [*result.get("warnings", ()), *host.warnings]
    return {**result, "warnings": warnings} if warnings else result


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
