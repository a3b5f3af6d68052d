# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Workers as a probe shows them, and plans for them."""

from __future__ import annotations

from typing import Any

from ansible_collections.optio.codex.plugins.module_utils._core.plan import Plan
from ansible_collections.optio.codex.plugins.module_utils._release.cache import Cache
from ansible_collections.optio.codex.plugins.module_utils._release.catalog import Release
from ansible_collections.optio.codex.plugins.module_utils._release.manifest import FileState, ReleaseManifest
from ansible_collections.optio.codex.plugins.module_utils._release.module import ReleaseResource
from ansible_collections.optio.codex.plugins.module_utils._release.probe import Observed
from ansible_collections.optio.codex.tests.unit.support.release_builders import PARAMS

CACHE = "/home/worker/.cache/optio-codex/bin"
STATE = FileState(10, 20, 30, "755")


def release_of(subject: ReleaseResource, platform: str, version: str | None = None) -> Release:
    return subject.tool.release(version or subject.tool.default_version, subject.tool.target(platform))


def right(subject: ReleaseResource, platform: str, version: str | None = None) -> Observed:
    """Return a worker that holds the release and links to it."""
    release = release_of(subject, platform, version)
    entrypoint = subject.tool.entrypoint
    known = release.known
    assert known is not None
    more = {"codex-package.json": "d" * 64} if subject.tool.packaged else {}
    digests = {**known.programs, **more}
    manifest = ReleaseManifest(
        release.version,
        release.target.name,
        entrypoint,
        "download",
        known.archives[subject.tool.archive][0],
        "https://mirror.example/file",
        dict.fromkeys(digests, STATE),
        digests,
    )
    return Observed(
        platform,
        Cache(CACHE),
        home="/home/worker",
        link=f"releases/{release.directory}/{entrypoint}",
        tree=True,
        record=True,
        manifest=manifest,
        files=manifest.files,
        writable=True,
    )


def bare(platform: str) -> Observed:
    return Observed(platform, Cache(CACHE), home="/home/worker", writable=True)


def planned(subject: ReleaseResource, observed: Observed, **options: Any) -> Plan:
    params = {**PARAMS, **options}
    subject.validate(params)
    return subject.plan(observed, params)
