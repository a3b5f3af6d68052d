# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What has to be done to a cache so that it holds a release, no longer holds it, or holds no more than it should."""

from __future__ import annotations

import posixpath
from typing import Any

from .._archive.expected import ExpectedDigests
from .._core.errors import OptioError
from .._core.plan import ABSENT, UNKNOWN, Action, Plan
from .._core.resource import Params
from .catalog import BINARY_ARCHIVE, NPM, NPM_ARCHIVE, PACKAGE_FILE, UPSTREAM, Release
from .manifest import (
    CHECKSUM,
    CONTENTS,
    DOWNLOAD,
    EXECUTABLE,
    MANIFEST_SUFFIX,
    PROGRAMS,
    RANKS,
    TABLE,
    ReleaseManifest,
)
from .probe import Observed
from .sources import sources_of


def damage(release: Release, observed: Observed, expected: ExpectedDigests | None, params: Params) -> str | None:
    """Return why the tree that is there cannot serve, None when it can."""
    manifest = observed.manifest
    if manifest is None:
        return "its manifest is not readable" if observed.record else "it has no manifest"
    found = foreign(release, manifest, expected, params) or unproven(release, manifest, params) or manifest.damage(observed.files)
    if found is None and params.get("verify"):
        return _other_bytes(manifest, observed)
    return found


def _other_bytes(manifest: ReleaseManifest, observed: Observed) -> str | None:
    if observed.digests is None:
        cause = "sha256sum is missing on the worker, and verify requires it"
        raise OptioError("sha256sum", cause, "Install coreutils, or omit verify")
    for path, digest in manifest.digests.items():
        if observed.digests.get(path) != digest:
            return f"{path} has sha256:{observed.digests.get(path)}, verified was sha256:{digest}"
    return None


def is_bare(release: Release, manifest: ReleaseManifest) -> bool:
    """Return whether the release is only the executable of what should be a package."""
    return release.tool.packaged and PACKAGE_FILE not in manifest.files


def foreign(release: Release, manifest: ReleaseManifest, expected: ExpectedDigests | None, params: Params) -> str | None:
    """Return why the manifest is not one of the expected bytes, None when it is."""
    if (manifest.version, manifest.target) != (release.version, release.target.name):
        return f"its manifest is that of {manifest.version} for {manifest.target}"
    bare = is_bare(release, manifest)
    if bare and not params.get("allow_bare"):
        return "it is the executable alone, without the package of the release"
    if expected is None:
        return None
    for path, digest in expected.programs.items():
        found = manifest.digests.get(path)
        if found != digest and (found or not bare):
            return f"its {path} had sha256:{found}" if found else f"it lacks {path}"
    right = {
        DOWNLOAD: manifest.sha256 in expected.archives or (bool(expected.sha512) and manifest.sha512 == expected.sha512),
        CONTENTS: manifest.sha256 == expected.tree_sha256,
        PROGRAMS: bool(expected.programs),
        EXECUTABLE: bool(expected.programs),
    }
    return None if right.get(manifest.verified) else f"its {manifest.verified} had sha256:{manifest.sha256}"


def required_rank(params: Params) -> int:
    """Return the least that the site demands of what states a digest, as a value of ``RANKS``."""
    return RANKS.get(params.get("require_verified_by") or "", 0)


def unproven(release: Release, manifest: ReleaseManifest, params: Params) -> str | None:
    """Return why the site demands more than what stated the digest of the release, None when it does not."""
    given = params.get("checksum") and not params.get("checksum_verified_by")
    stated = CHECKSUM if given else TABLE if release.known else manifest.verified_by
    if required_rank(params) <= RANKS.get(stated, max(RANKS.values())):
        return None
    return f"it was verified by {stated}, and require_verified_by is {params['require_verified_by']}"


def verified_by(release: Release, manifest: ReleaseManifest | None, params: Params) -> str:
    """Return what states the digest of a release, as far as that is known."""
    if params.get("checksum"):
        # the action plugin sets it for a digest that it looked up
        return str(params.get("checksum_verified_by") or CHECKSUM)
    if release.known:
        return TABLE
    return manifest.verified_by if manifest and manifest.verified_by else UNKNOWN


def is_recognised(release: Release, manifest: ReleaseManifest, expected: ExpectedDigests | None, params: Params) -> bool:
    """Return whether a release is the expected one if its files still have the digests of its manifest."""
    if foreign(release, manifest, expected, params):
        return False
    # a digest that was looked up proves more than the manifest alone
    return expected is not None or not unproven(release, manifest, params)


def plan_present(release: Release, observed: Observed, params: Params) -> Plan:
    """Return how the release gets there and becomes the current one, and which others go."""
    cache, tool = observed.cache, release.tool
    link = cache.link(tool.name)
    if observed.link_kind == "directory":
        raise OptioError(link, f"{link} is a directory, but must be a link to {tool.name}", "Move it away and run again")
    checksum, archive = params.get("checksum"), params.get("archive")
    expected = release.expected(checksum, archive) if checksum or release.known else None
    actions = _leftovers(observed)
    wrong = damage(release, observed, expected, params) if observed.tree else None
    manifest = observed.manifest if observed.tree and not wrong else None
    if manifest is None:
        if expected is None and not _can_be_looked_up(release, params):
            expected = release.expected(checksum, archive)
        before = f"damaged: {wrong}" if wrong else ABSENT
        proof = (expected.archive or "verified by its files") if expected else "its digest is looked up"
        actions.append(Action("install", cache.tree(release.directory), before, f"{release.title}, {proof}"))
    target = cache.link_target(release.directory, manifest.entrypoint if manifest else tool.entrypoint)
    if observed.link != target:
        actions.append(Action("link", link, observed.link or observed.link_kind or ABSENT, target))
    actions += _removals(release, observed, params)
    source = manifest.source if manifest else _predicted_source(release, observed, params)
    result = {**result_of(release, observed, source, expected), "verified_by": verified_by(release, manifest, params)}
    return Plan(tuple(actions), result, _warnings(release, manifest, params))


def _can_be_looked_up(release: Release, params: Params) -> bool:
    if params.get("offline") or not release.tool.npm_package:
        return False
    return params.get("archive") in (None, "", NPM_ARCHIVE) or NPM in params["sources"] or UPSTREAM in params["sources"]


def not_writable(observed: Observed) -> OptioError:
    """Return the error for a cache that has to be changed, and that the user of the task cannot write."""
    cache = f"cache {observed.cache.path}"
    if observed.mount and observed.mount.read_only:
        point = observed.mount.point
        return OptioError(
            cache,
            f"{cache} is on a filesystem that is mounted read-only at {point}",
            f"Remount it read-write (mount -o remount,rw {point}), or set cache_dir to a directory on another filesystem",
        )
    if observed.root:
        return OptioError(
            cache,
            f"{cache} is not writable, not even by root",
            "Check its mount and attributes (NFS with root_squash, lsattr), or set cache_dir to a directory that root can write",
        )
    return OptioError(
        cache,
        f"{cache} is not writable by the user that runs the task",
        "Set become: true, or set cache_dir to a directory that this user can write",
    )


def _leftovers(observed: Observed) -> list[Action]:
    # who cannot write there is not stopped by another user's remains
    paths = observed.leftovers if observed.writable else ()
    return [Action("remove", path, "left by a run that was killed", ABSENT) for path in paths]


def _warnings(release: Release, manifest: ReleaseManifest | None, params: Params) -> tuple[str, ...]:
    return (*_bare_warnings(release, manifest, params), *_untested_warnings(release))


def _untested_warnings(release: Release) -> tuple[str, ...]:
    if release.version in release.tool.table:
        return ()
    what = "its questions, screens, rollouts and sandbox" if release.tool.packaged else "its pages and options"
    tested = ", ".join(release.tool.table)
    name = f"{release.tool.name} {release.version}"
    return (f"{name} was not tested with this collection, so {what} may have changed. Tested versions: {tested}.",)


def _bare_warnings(release: Release, manifest: ReleaseManifest | None, params: Params) -> tuple[str, ...]:
    comes_bare = params.get("archive") == BINARY_ARCHIVE and params.get("allow_bare")
    if not (is_bare(release, manifest) if manifest else comes_bare):
        return ()
    return (
        f"{release.title} is the executable alone. Its sandboxed commands fail unless the worker has a bwrap of its own "
        "that works, and from 0.144.0 on tool calls require codex-code-mode-host in the same directory.",
    )


def _removals(release: Release, observed: Observed, params: Params) -> list[Action]:
    """Return how the releases go that are one too many: neither kept as the newest nor held on to by anything."""
    keep = params.get("keep_releases")
    if keep is None:
        return []
    cache = observed.cache
    others: dict[str, int] = {}
    for name, time in observed.releases.items():
        directory = name[: -len(MANIFEST_SUFFIX)] if name.endswith(MANIFEST_SUFFIX) else name
        # a home that several machines share holds their platforms' releases too
        if directory.endswith(f"-{release.target.name}") and release.tool.version_in(directory) and directory != release.directory:
            others[directory] = max(time, others.get(directory, 0))
    newest = sorted(others, key=lambda directory: (others[directory], directory), reverse=True)
    actions = []
    for directory in sorted(set(newest[keep:]) - observed.held):
        version = release.tool.version_in(directory)
        if directory in observed.releases:
            actions.append(Action("remove", cache.tree(directory), f"{release.tool.name} {version} for {release.target.name}", ABSENT))
        if directory + MANIFEST_SUFFIX in observed.releases:
            actions.append(Action("remove", cache.manifest(directory), "present", ABSENT))
    return actions


def _predicted_source(release: Release, observed: Observed, params: Params) -> str:
    # with several sources, only trying them shows which one works
    sources = sources_of(release, params, observed.cache.path)
    return sources[0].shown if len(sources) == 1 else UNKNOWN


def result_of(release: Release, observed: Observed, source: str, expected: ExpectedDigests | None) -> dict[str, Any]:
    """Return the values that every answer about a release in the cache has."""
    manifest = observed.manifest
    entrypoint = manifest.entrypoint if manifest else release.tool.entrypoint
    archive = expected.archive if expected else checksum_of(manifest) if manifest else None
    return {
        "version": release.version,
        "path": f"{observed.cache.tree(release.directory)}/{entrypoint}",
        "link": observed.cache.link(release.tool.name),
        "cache_dir": observed.cache.path,
        "source": source,
        "checksum": archive or None,
        "verified_by": manifest.verified_by if manifest and manifest.verified_by else UNKNOWN,
        "platform": release.target.name,
    }


def checksum_of(manifest: ReleaseManifest) -> str | None:
    """Return the digest of the archive that a release came in, None when its files were verified instead."""
    if manifest.verified != DOWNLOAD:
        return None
    return f"sha512:{manifest.sha512}" if manifest.sha512 else f"sha256:{manifest.sha256}"


def plan_absent(release: Release, observed: Observed) -> Plan:
    """Return how the release goes, and the link if it leads there."""
    cache = observed.cache
    tree, link = cache.tree(release.directory), cache.link(release.tool.name)
    actions = _leftovers(observed)
    # the link goes first, so that it never dangles
    if observed.link is not None and _leads_into(tree, cache.path, observed.link):
        actions.append(Action("remove", link, observed.link, ABSENT))
    if observed.tree:
        actions.append(Action("remove", tree, release.title, ABSENT))
    if observed.record:
        actions.append(Action("remove", cache.manifest(release.directory), "present", ABSENT))
    result = result_of(release, observed, observed.manifest.source if observed.manifest else UNKNOWN, None)
    return Plan(tuple(actions), result)


def _leads_into(tree: str, directory: str, target: str) -> bool:
    return posixpath.normpath(posixpath.join(directory, target)).startswith(f"{tree}/")
