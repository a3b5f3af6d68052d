# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The ordered sources of a release: each is tried until one gives the expected bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from . import files, layout
from .cache import Manifest, survey
from .errors import OptioError
from .fetch import Access, SourceError, open_body, origin_of, shown
from .package import check_tree, copy_from_host
from .probe import parse
from .release_probe import host_script
from .releases import HOST, NPM, UPSTREAM, Published, Release, Tool
from .unpack import store, unpack

if TYPE_CHECKING:
    from .host import Host

#: seconds before the second and the third try of a source that failed for a moment
PAUSES = (1.0, 4.0)


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
    origins = _own_origins(params)
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


def _own_origins(params: Mapping[str, Any]) -> list[str]:
    urls = [params["npm_registry"] if source == NPM else source for source in params["sources"]]
    return sorted({origin_of(url) for url in urls if urlsplit(url).scheme in ("http", "https")})


def access_of(params: Mapping[str, Any], home: str) -> Access:
    """Return how the options say the sources are reached."""
    origins = _own_origins(params)
    ca_path = params.get("ca_path")
    return Access(
        timeout=params["timeout"],
        validate_certs=params["validate_certs"],
        ca_path=layout.expand(ca_path, home) if ca_path else None,
        use_proxy=params["use_proxy"],
        username=params.get("url_username") or None,
        password=params.get("url_password") or None,
        headers={name: str(value) for name, value in (params.get("headers") or {}).items()},
        force_basic_auth=params["force_basic_auth"],
        origin=origins[0] if len(origins) == 1 else None,
    )


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


def obtain(release: Release, expected: Published, params: Mapping[str, Any], home: str, tree: str, host: Host) -> Manifest:
    """Fill the new directory ``tree`` from the first source that can; return what was verified of it.

    Raises OptioError with the reason of every source when none can.
    """
    access = access_of(params, home)
    failures: list[SourceError] = []
    for source in urls_of(release, params):
        for pause in (*PAUSES, None):
            try:
                return _from(source, release, expected, access, tree, host)
            except SourceError as failure:
                files.remove(tree)
                if failure.transient and pause is not None:
                    host.sleep(pause)
                    continue
                failures.append(failure)
                break
    raise OptioError(
        release.title,
        "no source could serve it: " + "; ".join(f"{failure.subject} {failure.cause}" for failure in failures),
        "; ".join(dict.fromkeys(failure.remedy for failure in failures)),
        failures=[{"source": one.subject, "cause": one.cause, "remedy": one.remedy} for one in failures],
    )


def _from(source: str, release: Release, expected: Published, access: Access, tree: str, host: Host) -> Manifest:
    if source == HOST:
        command = parse(host.probe(host_script(release.tool)))[0].get("command") or None
        entrypoint, sha256 = copy_from_host(command, release, expected, tree)
        verified = "executable" if release.tool.packaged else "download"
        return _manifest(release, entrypoint, verified, sha256, HOST, tree)
    with open_body(source, access, expected) as body:
        if release.tool.packaged:
            unpack(body, tree, f"package/vendor/{release.target.name}")
        else:
            store(body, f"{tree}/{release.tool.entrypoint}")
    entrypoint = check_tree(tree, release, shown(source))
    return _manifest(release, entrypoint, "download", expected.sha256, shown(source), tree)


def _manifest(release: Release, entrypoint: str, verified: str, sha256: str, source: str, tree: str) -> Manifest:
    return Manifest(release.version, release.target.name, entrypoint, verified, sha256, source, *survey(tree))
