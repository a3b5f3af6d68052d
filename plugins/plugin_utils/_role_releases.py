# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of the two releases in the variables of the role codex_worker."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.optio.codex.plugins.module_utils._core.errors import OptioError
from ansible_collections.optio.codex.plugins.module_utils._release.catalog import is_selector

ROLE = "codex_worker"
TOOLS = ("codex", "ttyd")
#: options of both modules with one variable for both
_OF_BOTH = (
    *("scope", "cache_dir", "validate_certs", "ca_path", "timeout", "use_proxy", "offline", "verify", "keep_releases"),
    *("url_username", "url_password", "force_basic_auth", "headers"),
)
#: options that only matter for a download; without them a release that is there is still compared
DOWNLOADS = (
    "validate_certs",
    "ca_path",
    "timeout",
    "use_proxy",
    "url_username",
    "url_password",
    "force_basic_auth",
    "headers",
    "npm_registry",
)


def default_sources(options: Mapping[str, Any], tool: str) -> list[str] | None:
    """Return the sources of a tool that follow from the mirror and the registry, None for those of the module."""
    mirror, registry = options.get("mirror_url"), tool == "codex" and "npm_registry" in options
    if mirror:
        return [f"{mirror.rstrip('/')}/{tool}", *(["npm"] if registry else [])]
    return ["host", "npm", "upstream"] if registry else None


def release_options(options: Mapping[str, Any], tool: str) -> dict[str, Any]:
    """Return the options of a tool's module from those of the role; ``checksums`` has digests by architecture."""
    found = {name: options[name] for name in _OF_BOTH if name in options}
    prefix = f"{tool}_"
    # the directory keeps its prefix in the module
    found.update({name.removeprefix(prefix): value for name, value in options.items() if name.startswith(prefix) and name != f"{tool}_dir"})
    for name in (f"{tool}_dir", *(("npm_registry",) if tool == "codex" else ())):
        if name in options:
            found[name] = options[name]
    sources = found.get("sources") or default_sources(options, tool)
    return {**found, "sources": sources} if sources else found


def compared_options(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that decide whether a release is right, without those for downloads, some of which are secrets."""
    return {name: value for name, value in found.items() if name not in DOWNLOADS}


def with_exact_version(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of codex with the version that ``latest`` or a series stands for in this run.

    They are unchanged if it cannot be looked up here: then the module looks it up, or has the error.
    """
    options = dict(found)
    if not is_selector(options.get("version")) or options.get("checksums"):
        return options
    # these take long to import, and most runs need none of them
    from ansible_collections.optio.codex.plugins.module_utils._release.module import CODEX_RELEASE
    from ansible_collections.optio.codex.plugins.plugin_utils._release_lookup import chosen_version

    validated = ArgumentSpecValidator(**CODEX_RELEASE.specification.to_kwargs()).validate(options)
    params = validated.validated_parameters
    if validated.error_messages:
        return options
    try:
        CODEX_RELEASE.validate(params)
        return {**options, "version": chosen_version(CODEX_RELEASE.tool, params["version"], params)}
    except OptioError:
        return options
