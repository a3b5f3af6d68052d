# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Versions, digests and signatures of releases in the npm registry that the controller uses."""

from __future__ import annotations

import base64
import binascii
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from ansible_collections.optio.codex.plugins.module_utils._archive.download import HttpOptions, SourceError
from ansible_collections.optio.codex.plugins.module_utils._core.errors import OptioError
from ansible_collections.optio.codex.plugins.module_utils._core.host import LocalHost
from ansible_collections.optio.codex.plugins.module_utils._release.acquire import access_of
from ansible_collections.optio.codex.plugins.module_utils._release.catalog import NPM_ARCHIVE, UPSTREAM, Release, Tool
from ansible_collections.optio.codex.plugins.module_utils._release.manifest import INTEGRITY, RANKS, SIGNATURE
from ansible_collections.optio.codex.plugins.module_utils._release.npmrc import find_registry
from ansible_collections.optio.codex.plugins.module_utils._release.plan import required_rank
from ansible_collections.optio.codex.plugins.module_utils._release.registry import (
    PackageMetadata,
    Statement,
    fetch_document,
    require_encryption,
    time_of,
)
from ansible_collections.optio.codex.plugins.module_utils._release.upstream import fetch_digest, fetch_version
from ansible_collections.optio.codex.plugins.plugin_utils import _npm_keys
from ansible_collections.optio.codex.plugins.plugin_utils._npm_keys import RegistryKey
from ansible_collections.optio.codex.plugins.plugin_utils._once import once

Options = Mapping[str, Any]
Found = TypeVar("Found")


@dataclass(frozen=True)
class VerifiedDigest:
    """The digest of a release in the form of ``checksum``, and its origin: ``signature`` or ``integrity``."""

    checksum: str
    verified_by: str


def chosen_version(tool: Tool, selector: str, params: Options) -> str:
    """Return the version that ``latest`` or a series stands for, the same in the whole run; raise SourceError if it cannot be had."""

    def of_registry() -> str:
        metadata = _metadata(tool, params)
        # a tag is never signed
        require_encryption(metadata.source, _access(params))
        return metadata.choose(tool, selector)

    def of_upstream() -> str:
        return _upstream(f"{tool.name} {selector}", tool, params, lambda access: fetch_version(tool, selector, access, time.sleep))

    return _first([of_registry, of_upstream] if UPSTREAM in params["sources"] else [of_registry])


def verified_digest(release: Release, params: Options) -> VerifiedDigest:
    """Return the digest of a release; raise SourceError if it cannot be had, and any other OptioError if it must not be used."""
    archive = params.get("archive") or release.tool.archive

    def of_registry() -> VerifiedDigest:
        return _registry_digest(release, params)

    def of_upstream() -> VerifiedDigest:
        key = f"{release.title} {archive}"
        digest = _upstream(key, release.tool, params, lambda access: fetch_digest(release, archive, access, time.sleep))
        return _sufficient(VerifiedDigest(digest, INTEGRITY), release.tool.upstream_api, release, params)

    return _first(([of_registry] if archive == NPM_ARCHIVE else []) + ([of_upstream] if UPSTREAM in params["sources"] else []))


def _first(lookups: Sequence[Callable[[], Found]]) -> Found:
    """Return the first answer; raise SourceError with the reasons of all if there is none."""
    failures: list[SourceError] = []
    for look_up in lookups:
        try:
            return look_up()
        except SourceError as failure:
            failures.append(failure)
    causes = "; ".join(failure.cause for failure in failures)
    raise SourceError(failures[0].subject, causes, "; ".join(dict.fromkeys(failure.remedy for failure in failures)))


def _upstream(key: str, tool: Tool, params: Options, look_up: Callable[[HttpOptions], str]) -> str:
    access = _access(params)
    require_encryption(tool.upstream_api, access)

    def answer() -> dict[str, Any]:
        try:
            return {"found": look_up(access)}
        except SourceError as failure:
            return {"failure": [failure.subject, failure.cause, failure.remedy]}

    found = once(f"{key} upstream", answer)
    if "failure" in found:
        raise SourceError(*found["failure"])
    return str(found["found"])


def _registry_digest(release: Release, params: Options) -> VerifiedDigest:
    metadata = _metadata(release.tool, params)
    statement = metadata.statement(release)
    proven = is_signed(metadata.source, release, statement, _npm_keys.KEYS)
    if not proven:
        require_encryption(metadata.source, _access(params))
    found = VerifiedDigest(str(statement.digest), SIGNATURE if proven else INTEGRITY)
    return _sufficient(found, metadata.source, release, params)


def _sufficient(found: VerifiedDigest, source: str, release: Release, params: Options) -> VerifiedDigest:
    if RANKS[found.verified_by] < required_rank(params):
        raise OptioError(
            "require_verified_by",
            f"{source} states the {found.verified_by} of {release.title}, and require_verified_by is {params['require_verified_by']}",
            "Set checksum to a digest that you verified, use a registry with npm's signatures, or set require_verified_by: integrity",
        )
    return found


def _metadata(tool: Tool, params: Options) -> PackageMetadata:
    given = params.get("npm_registry") or ""
    answer = once(f"{tool.name} {given}", lambda: _answer(tool, given, params))
    if "failure" in answer:
        raise SourceError(*answer["failure"])
    return PackageMetadata(**answer)


def _answer(tool: Tool, given: str, params: Options) -> dict[str, Any]:
    try:
        registry = find_registry(given or None, os.path.expanduser("~"), LocalHost())
        return fetch_document(registry.url, tool, registry.access(_access(params)), time.sleep)
    except SourceError as failure:
        # the other hosts need not wait for it too
        return {"failure": [failure.subject, failure.cause, failure.remedy]}


def _access(params: Options) -> HttpOptions:
    access = access_of(params, os.path.expanduser("~"))
    # the option names a file of the worker
    return access if access.ca_path and os.path.isfile(access.ca_path) else replace(access, ca_path=None)


def is_signed(source: str, release: Release, statement: Statement, keys: Mapping[str, RegistryKey]) -> bool:
    """Return whether a known key of the registry signs the digest; raise OptioError if a signature is wrong or its key expired."""
    message = f"{release.tool.npm_package}@{release.npm_version}:{statement.integrity}".encode()
    proven = False
    for name, signature in statement.signatures:
        known = keys.get(name)
        if known is None:
            continue
        if known.expires and time_of(statement.published) >= time_of(known.expires):
            when = f"was published on {statement.published}" if statement.published else "has no time of publication"
            raise _untrusted(source, release, f"key {name} expired on {known.expires}, and the package {when}")
        if not _signs(known, signature, message):
            raise _untrusted(source, release, f"it is not that of key {name}")
        proven = True
    return proven


def _signs(known: RegistryKey, signature: str, message: bytes) -> bool:
    # ansible-core depends on it, and the import test of ansible-test does not have it
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = serialization.load_der_public_key(base64.b64decode(known.key))
    if not isinstance(key, ec.EllipticCurvePublicKey):
        return False
    try:
        key.verify(base64.b64decode(signature, validate=True), message, ec.ECDSA(hashes.SHA256()))
    except (InvalidSignature, binascii.Error):
        return False
    return True


def _untrusted(source: str, release: Release, cause: str) -> OptioError:
    return OptioError(
        release.title,
        f"the signature that {source} has of {release.title} is not valid: {cause}",
        "Find out who changed the package, or set checksum to a digest that you verified",
    )
