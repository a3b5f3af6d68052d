# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The main function of the modules that take one session by ``name`` or many by ``sessions``."""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from .batch import merge_results
from .errors import OptioError, ProbeError, error_result
from .host import BufferedHost, Host
from .parallel import run_side_by_side
from .resource import Params, Resource
from .runner import converge, run_module

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule


def run_batch_module(module: AnsibleModule, resource: Resource[Any, Any]) -> None:
    """Run the resource for the session or the sessions of the module's options and exit with the result."""
    run_module(module, resource, _converge_params)


def _converge_params(resource: Resource[Any, Any], params: Params, host: Host, check_mode: bool, diff: bool) -> dict[str, Any]:
    entries = resource.expand_items(params)
    if entries is None:
        return converge(resource, params, host, check_mode, diff)
    return converge_each(resource, entries, check_mode, diff)


def converge_each(resource: Resource[Any, Any], entries: Sequence[Params], check_mode: bool, diff: bool) -> dict[str, Any]:
    """Return the module's result for several sessions, converged in parallel; a failure does not affect the others."""
    jobs = [partial(_converge_one, resource, params, check_mode, diff) for params in entries]
    results = run_side_by_side(jobs)
    died = {"failed": True, "msg": f"{resource.name}: its process died. Look into the worker's kernel log (dmesg), and run again."}
    return merge_results([{"name": params["name"], **(result or died)} for params, result in zip(entries, results)])


def _converge_one(resource: Resource[Any, Any], params: Params, check_mode: bool, diff: bool) -> dict[str, Any]:
    host = BufferedHost()
    try:
        result = converge(resource, params, host, check_mode, diff)
    except (OptioError, ProbeError) as error:
        result = {"failed": True, **error_result(error, resource.name)}
    except Exception as error:
        result = {"failed": True, "msg": f"{resource.name}: {error!r}", "exception": traceback.format_exc()}
    warnings = [*result.get("warnings", ()), *host.warnings]
    return {**result, "warnings": warnings} if warnings else result
