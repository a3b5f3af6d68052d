# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which sources a release has, and the rules for naming them; light enough for the controller."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from .errors import OptioError
from .releases import HOST, NPM, UPSTREAM, Release, Tool
from .urls import origin_of, shown


def check_sources(tool: Tool, params: Mapping[str, Any]) -> None:
    """Raise OptioError for sources that cannot be, or credentials of which nobody could say for whom they are."""
    sources: Sequence[str] = params["sources"]
    if not sources:
        raise OptioError("sources", "is empty", "Name at least one source, or set install: false to only resolve")
    for source in sources:
        if source == NPM:
            _check_npm(tool, params)
        elif source not in (HOST, UPSTREAM):
            _check_url("sources", source)
    given = [name for name in ("url_username", "url_password", "headers") if params.get(name)]
    origins = own_origins(params)
    if given and len(origins) != 1:
        hosts = ", ".join(origins) or "no host of your own"
        raise OptioError(
            ", ".join(given),
            f"is for one host, and the sources name {hosts}",
            "Name one mirror or registry that takes it; upstream and foreign hosts are never sent credentials",
        )


def _check_npm(tool: Tool, params: Mapping[str, Any]) -> None:
    if tool.npm_path is None:
        raise OptioError(f"source {NPM}", f"{tool.name} is not published there", f"Leave {NPM} out of sources")
    if not params.get("npm_registry"):
        raise OptioError(f"source {NPM}", "no registry is named", "Set npm_registry to its URL (npm config get registry prints it)")
    _check_url("npm_registry", params["npm_registry"])


def _check_url(option: str, url: str) -> None:
    parts = urlsplit(url)
    local = parts.scheme == "file" and parts.netloc in ("", "localhost") and parts.path.startswith("/")
    remote = parts.scheme in ("http", "https") and bool(parts.hostname)
    if (local or remote) and url.isprintable():
        return
    raise OptioError(
        f"{option} {shown(url) if parts.netloc else url!r}",
        "is no source",
        f"Give {HOST}, {NPM}, {UPSTREAM} or the URL of a mirror (http://, https:// or file:///)",
    )


def own_origins(params: Mapping[str, Any]) -> list[str]:
    """Return scheme, host and port of each server that the options name."""
    urls = [params["npm_registry"] if source == NPM else source for source in params["sources"]]
    return sorted({origin_of(url) for url in urls if urlsplit(url).scheme in ("http", "https")})


def urls_of(release: Release, params: Mapping[str, Any]) -> list[str]:
    """Return what is tried, in order: ``host`` or a whole URL."""
    tried = []
    for source in params["sources"]:
        if source == HOST:
            tried.append(HOST)
        elif source == NPM:
            tried.append(release.npm_url(params["npm_registry"]))
        else:
            tried.append(release.mirror_url(release.tool.upstream if source == UPSTREAM else source))
    return tried
