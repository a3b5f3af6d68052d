# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Versions and digests that are looked up: by the controller, or on the worker if the controller cannot."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from .._core.resource import Params, Resource
from .._core.runner import converge
from .catalog import Tool, is_selector
from .manifest import RANKS

if TYPE_CHECKING:
    from .._core.host import Host
    from .module import ReleaseResource

#: of the module, what stated the digest that the action plugin looked up
VERIFIED_BY_VARIABLE = "OPTIO_CHECKSUM_VERIFIED_BY"


def converge_looked_up(resource: Resource[Any, Any], params: Params, host: Host, check_mode: bool, diff: bool) -> dict[str, Any]:
    """Return the module's result, for an exact version in the place of ``latest`` or a series."""
    resource.validate(params)
    options = dict(params)
    verified_by = os.environ.get(VERIFIED_BY_VARIABLE)
    if verified_by in RANKS and options.get("checksum"):
        options["checksum_verified_by"] = verified_by
    if is_selector(options.get("version")):
        options["version"] = _chosen(_tool(resource), options, host)
    return converge(resource, options, host, check_mode, diff)


def _tool(resource: ReleaseResource | Resource[Any, Any]) -> Tool:
    tool: Tool = getattr(resource, "tool")  # noqa: B009  # the runner knows only the base class
    return tool


def _chosen(tool: Tool, params: Params, host: Host) -> str:
    from .acquire import access_of
    from .npmrc import find_registry
    from .registry import PackageMetadata, fetch_document, require_encryption

    home = os.path.expanduser("~")
    registry = find_registry(params.get("npm_registry") or None, home, host)
    access = registry.access(access_of(params, home))
    # a tag is never signed
    require_encryption(registry.url, access)
    return PackageMetadata(**fetch_document(registry.url, tool, access, host.sleep)).choose(tool, params["version"])
