# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which sources a release has, and the rules for naming them; light enough for the controller."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

from .._archive.urls import origin_of, shown
from .._core.errors import OptioError
from .._core.paths import archives_directory
from .._core.plan import UNKNOWN
from .catalog import HOST, NPM, UPSTREAM, Release, Tool

URL = "url"


def validate_sources(tool: Tool, params: Mapping[str, Any]) -> None:
    """Raise OptioError for invalid sources, and for credentials without a definite server."""
    sources: Sequence[str] = params["sources"]
    if not sources:
        raise OptioError("sources", "sources must not be empty", "Specify at least one source, or set install: false to only resolve")
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
            f"{', '.join(given)} can be sent to one host only, and sources name {hosts}",
            "Specify one mirror or registry that requires them; upstream and foreign hosts are never sent credentials",
        )


def _check_npm(tool: Tool, params: Mapping[str, Any]) -> None:
    if tool.npm_path is None:
        raise OptioError(f"source {NPM}", f"source {NPM} does not publish {tool.name}", f"Remove {NPM} from sources")
    if params.get("npm_registry"):
        _check_url("npm_registry", params["npm_registry"])


def _check_url(option: str, url: str) -> None:
    try:
        parts = urlsplit(url)
        _port = parts.port
    except ValueError:
        # not quoted: what stands in the port's place may be a password
        cause = f"{option} contains a URL with an invalid host or port"
        raise OptioError(option, cause, "Write it as https://host:port/path") from None
    local = parts.scheme == "file" and parts.netloc in ("", "localhost") and parts.path.startswith("/") and "%00" not in url
    remote = parts.scheme in ("http", "https") and bool(parts.hostname)
    if (local or remote) and url.isprintable():
        return
    subject = f"{option} {shown(url) if parts.netloc else url!r}"
    raise OptioError(
        subject,
        f"{subject} is not a source",
        f"Specify {HOST}, {NPM}, {UPSTREAM} or the URL of a mirror (http://, https:// or file:///)",
    )


def own_origins(params: Mapping[str, Any]) -> list[str]:
    """Return scheme, host and port of each server that the options name."""
    urls = [(params.get("npm_registry") or "") if source == NPM else source for source in params["sources"]]
    return sorted({origin_of(url) for url in urls if urlsplit(url).scheme in ("http", "https")})


def is_local(url: str) -> bool:
    """Return whether a URL is that of a file of the worker."""
    return urlsplit(url).scheme == "file"


@dataclass(frozen=True)
class Source:
    """Where to try: ``host``, ``npm`` (whose URL is empty while its registry is not known), or a whole URL."""

    kind: str
    url: str = ""

    @property
    def shown(self) -> str:
        """How results name the source before it was tried."""
        return self.kind if self.kind == HOST else shown(self.url) if self.url else UNKNOWN


def sources_of(release: Release, params: Mapping[str, Any], cache: str) -> list[Source]:
    """Return the sources to try, in order; offline, the cache's own directory of archives is the last."""
    archive = params.get("archive") or release.tool.archive
    tried = []
    for source in params["sources"]:
        if source == HOST:
            tried.append(Source(HOST))
        elif source == NPM:
            registry = params.get("npm_registry")
            tried.append(Source(NPM, release.npm_url(registry) if registry else ""))
        else:
            tried.append(Source(URL, release.mirror_url(release.tool.upstream if source == UPSTREAM else source, archive)))
    if params.get("offline"):
        tried.append(Source(URL, f"file://{quote(archives_directory(cache))}/{release.file_name(archive)}"))
    return tried
