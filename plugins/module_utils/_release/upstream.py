# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The releases of a project on GitHub: the newest version, and the digests of the assets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .._archive.download import HttpOptions, SourceError
from .._archive.expected import SHA256, digest_of
from .._archive.urls import shown
from .._core.errors import OptioError
from .catalog import LATEST, Release, Tool, is_version
from .registry import fetch_json, fetch_text, newest_of

#: the asset of ttyd's releases that lists the digests of the others
SUMS = "SHA256SUMS"
#: releases of one answer, the most that GitHub returns
LISTED = 100

Sleep = Callable[[float], None]


def fetch_version(tool: Tool, selector: str, access: HttpOptions, sleep: Sleep) -> str:
    """Return the version that ``latest`` or a series stands for; raise SourceError if there is none."""
    url = f"{tool.upstream_api}/latest" if selector == LATEST else f"{tool.upstream_api}?per_page={LISTED}"
    answer = fetch_json(url, access, sleep)
    tags = [row.get("tag_name") for row in (answer if isinstance(answer, list) else [answer]) if isinstance(row, Mapping)]
    versions = [tag.removeprefix(tool.tag_prefix) for tag in tags if isinstance(tag, str) and tag.startswith(tool.tag_prefix)]
    found = (versions[0] if versions else "") if selector == LATEST else newest_of(versions, selector)
    if not is_version(found):
        cause = f"{shown(url)} has no {selector} version of {tool.name}"
        raise SourceError(shown(url), cause, "Set an exact version")
    return found


def fetch_digest(release: Release, archive: str, access: HttpOptions, sleep: Sleep) -> str:
    """Return the digest that GitHub or upstream's list states of an asset, as ``sha256:…``; raise SourceError if there is none."""
    url = f"{release.tool.upstream_api}/tags/{release.tool.tag_prefix}{release.version}"
    name, answer = release.file_name(archive), fetch_json(url, access, sleep)
    assets: Any = answer.get("assets") if isinstance(answer, Mapping) else None
    rows = [asset for asset in assets if isinstance(asset, Mapping)] if isinstance(assets, list) else []
    for asset in rows:
        if asset.get("name") != name:
            continue
        try:
            digest = digest_of(str(asset.get("digest")))
        except OptioError:
            break
        if digest.algorithm == SHA256:
            return str(digest)
    if any(asset.get("name") == SUMS for asset in rows):
        # GitHub has no digests of assets from before 2025
        listed = _listed_digest(f"{release.mirror_url(release.tool.upstream, archive).rpartition('/')[0]}/{SUMS}", name, access, sleep)
        if listed:
            return listed
    cause = f"{shown(url)} states no SHA-256 of {name}"
    raise SourceError(shown(url), cause, "Set checksum to a digest that you verified")


def _listed_digest(url: str, name: str, access: HttpOptions, sleep: Sleep) -> str | None:
    """Return the digest of a file in a list that ``sha256sum`` wrote."""
    # GitHub redirects to the host of its files, and the list has no secret
    for line in fetch_text(url, access, sleep, stay=False).decode("utf-8", "replace").splitlines():
        digest, _blank, file = line.partition(" ")
        if file.strip().lstrip("*") == name:
            return str(digest_of(f"sha256:{digest}"))
    return None
