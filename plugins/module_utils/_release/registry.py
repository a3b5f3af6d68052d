# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an npm registry states of a package: its versions, and the digest of each with the registry's signatures."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import Any
from urllib.parse import quote, urlsplit

from .._archive.download import HttpOptions, SourceError, open_body
from .._archive.expected import SHA512, Digest, ExpectedDigests, digest_of
from .._archive.urls import shown
from .._core.addresses import is_loopback
from .._core.errors import OptioError
from .catalog import LATEST, Release, Tool, is_version

#: bytes of a registry's answer
LARGEST_ANSWER = 64 << 20
#: seconds before the second and the third try of a source that failed for a moment
PAUSES = (1.0, 4.0)
_STABLE = re.compile(r"[0-9]+\.[0-9]+\.[0-9]+\Z")
#: releases, and their packages for Linux
_OF_USE = re.compile(r"[0-9]+\.[0-9]+\.[0-9]+(?:-[0-9A-Za-z.-]+)?\Z")

Document = Mapping[str, Any]


@dataclass(frozen=True)
class Statement:
    """The digest that a registry states of one version of a package.

    ``integrity`` is its text, which the ``signatures`` (key and signature in base64) sign. ``published`` is a time in ISO 8601.
    """

    digest: Digest
    integrity: str
    signatures: tuple[tuple[str, str], ...]
    published: str


@dataclass(frozen=True)
class PackageMetadata:
    """The metadata of a package, as far as it is of use here; ``source`` is its URL as messages show it."""

    source: str
    latest: str
    versions: Mapping[str, Document]
    times: Mapping[str, str]

    def choose(self, tool: Tool, selector: str) -> str:
        """Return the version that ``latest`` or a series stands for; raise SourceError if there is none."""
        if selector == LATEST:
            if is_version(self.latest) and self.latest in self.versions:
                return self.latest
            raise self._error(f"states no latest version of {tool.name}")
        found = newest_of(self.versions, selector)
        if not found:
            raise self._error(f"has no stable version of {tool.name} {selector}")
        return found

    def statement(self, release: Release) -> Statement:
        """Return the statement about a release; raise SourceError if it is not there, or has no usable digest."""
        version = release.npm_version
        if version not in self.versions:
            raise self._error(f"has no {release.title}")
        distribution = _mapping(self.versions[version].get("dist"))
        integrity = distribution.get("integrity")
        text = integrity if isinstance(integrity, str) else ""
        for part in text.split():
            try:
                digest = digest_of(part)
            except OptioError:
                continue
            if digest.algorithm == SHA512:
                listed = distribution.get("signatures")
                pairs = [_mapping(row) for row in (listed if isinstance(listed, list) else ())]
                signatures = tuple((str(row.get("keyid")), str(row.get("sig"))) for row in pairs)
                return Statement(digest, text, signatures, self.times.get(version, ""))
        raise self._error(f"states no SHA-512 of {release.title}")

    def _error(self, cause: str) -> SourceError:
        return SourceError(self.source, f"{self.source} {cause}", "Set another version, or another npm_registry")


def newest_of(versions: Iterable[str], series: str) -> str:
    """Return the newest stable version of a series, empty if there is none."""
    stable = [version for version in versions if _STABLE.match(version) and version.startswith(f"{series}.")]
    return max(stable, key=lambda version: tuple(map(int, version.split("."))), default="")


def _mapping(value: object) -> Document:
    return value if isinstance(value, Mapping) else {}


def fetch_document(registry: str, tool: Tool, access: HttpOptions, sleep: Callable[[float], None]) -> dict[str, Any]:
    """Return the useful parts of a package's metadata; raise SourceError if it cannot be read."""
    url = f"{registry.rstrip('/')}/{quote(tool.npm_package or '', safe='@').replace('%2F', '%2f')}"
    if urlsplit(url).scheme == "file":
        raise SourceError(shown(registry), f"{shown(registry)} is a directory, and states no digests", "Set checksum")
    document = _mapping(fetch_json(url, access, sleep))
    versions, times, tags = (_mapping(document.get(name)) for name in ("versions", "time", "dist-tags"))
    kept = {version: {"dist": _mapping(row).get("dist")} for version, row in versions.items() if _OF_USE.match(str(version))}
    return {
        "source": shown(url),
        "latest": str(tags.get("latest") or ""),
        "versions": kept,
        "times": {version: str(times[version]) for version in kept if version in times},
    }


def fetch_json(url: str, access: HttpOptions, sleep: Callable[[float], None]) -> Any:
    """Return the document at a URL, which is read from no other host; raise SourceError if it cannot be read."""
    text = fetch_text(url, access, sleep)
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SourceError(shown(url), f"{shown(url)} does not answer with JSON", "Check the URL, or whether a proxy answers") from error


def fetch_text(url: str, access: HttpOptions, sleep: Callable[[float], None], stay: bool = True) -> bytes:
    """Return the text at a URL, with ``stay`` from no other host; raise SourceError if it cannot be read."""
    for pause in (*PAUSES, None):
        try:
            body = open_body(url, replace(access, stay=stay), ExpectedDigests(None, LARGEST_ANSWER))
            try:
                text = b"".join(iter(body.read, b""))
            finally:
                body.close()
            body.verify()
            return text
        except SourceError as failure:
            if not failure.transient or pause is None:
                raise
            sleep(max(pause, failure.pause))
    raise AssertionError("the last try returns or raises")


def require_encryption(registry: str, access: HttpOptions) -> None:
    """Raise SourceError if an answer may have been changed on its way, and no signature would show it."""
    parts = urlsplit(registry)
    if is_loopback(parts.hostname or ""):
        return
    if parts.scheme != "https":
        cause = f"{shown(registry)} states digests without TLS, so they cannot be trusted"
        raise SourceError(shown(registry), cause, "Set npm_registry to an https:// URL, or set version and checksum")
    if not access.validate_certs:
        cause = f"{shown(registry)} states digests over a connection whose certificate is not verified, so they cannot be trusted"
        raise SourceError(shown(registry), cause, "Set ca_path instead of validate_certs: false, or set version and checksum")


def time_of(text: str) -> datetime:
    """Return a time in ISO 8601, the present one if it is none."""
    try:
        found = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return datetime.now(timezone.utc)
    return found if found.tzinfo else found.replace(tzinfo=timezone.utc)
