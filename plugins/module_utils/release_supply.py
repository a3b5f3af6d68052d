# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Getting a release: its sources are tried in order until one gives the expected bytes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from . import files, layout
from .cache import Manifest, survey
from .errors import OptioError
from .fetch import Access, SourceError, open_body
from .package import check_tree, copy_from_host
from .probe import parse
from .release_probe import host_script
from .release_sources import own_origins, urls_of
from .releases import HOST, Published, Release
from .unpack import store, unpack
from .urls import shown

if TYPE_CHECKING:
    from .host import Host

#: seconds before the second and the third try of a source that failed for a moment
PAUSES = (1.0, 4.0)


def access_of(params: Mapping[str, Any], home: str) -> Access:
    """Return how the options say the sources are reached."""
    origins = own_origins(params)
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
