# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The main functions of all modules: observe, plan and apply on the worker."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .errors import OptioError, ProbeError, error_result
from .host import Host, ModuleHost
from .plan import check_mode_result, module_result
from .resource import Params, Resource

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

#: resource, options, host, check mode, diff mode -> the module's result
Converge = Callable[["Resource[Any, Any]", Params, Host, bool, bool], "dict[str, Any]"]


def converge(resource: Resource[Any, Any], params: Params, host: Host, check_mode: bool, diff: bool) -> dict[str, Any]:
    """Return the module's result after making the worker match ``params`` (in check mode: the predicted one)."""
    options = resource.parse_options(params)
    resource.validate(options)
    observed = resource.observe(host, options)
    plan = resource.plan(observed, options)
    unmet = resource.unmet_requirements(observed, options, plan)
    if check_mode or not plan:
        return check_mode_result(plan, unmet, diff)
    if unmet:
        raise unmet[0]
    with resource.lock(observed, options, host):
        # another run may have changed the worker since, so only the observation under the lock counts
        observed = resource.observe(host, options)
        plan = resource.plan(observed, options)
        added = resource.apply(plan, observed, options, host) if plan else {}
    result = module_result(plan, diff)
    result.update(added)
    return result


def run_module(module: AnsibleModule, resource: Resource[Any, Any], converge: Converge = converge) -> None:
    """Run the resource with the module's options and exit with its result or its error.

    A module with the option ``sessions`` calls ``batch_runner.run_batch_module`` instead.
    """
    host = ModuleHost(module)
    invocation = {"module_args": resource.masked(module.params)}
    # for a result with a ``path`` it would add the file's owner and a ``state`` that the probe's answer does not have
    module.add_path_info = lambda result: result
    try:
        result = converge(resource, module.params, host, module.check_mode, bool(module._diff))
    except (OptioError, ProbeError) as error:
        module.fail_json(**error_result(error, resource.name), invocation=invocation)
    for text in result.pop("warnings", ()):
        module.warn(text)
    if result.pop("failed", False):
        module.fail_json(**result, invocation=invocation)
    module.exit_json(**result, invocation=invocation)
