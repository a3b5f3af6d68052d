# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The digests that upstream states of releases that the table does not have."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.optio.codex.plugins.module_utils._archive.download import HttpOptions, SourceError
from ansible_collections.optio.codex.plugins.module_utils._core.errors import OptioError
from ansible_collections.optio.codex.plugins.module_utils._release.catalog import EXECUTABLE, TTYD, Release
from ansible_collections.optio.codex.plugins.module_utils._release.upstream import fetch_digest
from ansible_collections.optio.codex.tests.unit.support.release_builders import Answer, serving

DIGEST = "b" * 64
LIST = f"{'a' * 64}  ttyd.aarch64\n{DIGEST} *ttyd.x86_64\n"


def digest(assets: list[dict[str, Any]], sums: Answer | None) -> str:
    with serving() as server:
        tool = replace(TTYD, upstream=f"{server.url}/download", upstream_api=f"{server.url}/releases")
        server.answers["/releases/tags/1.7.6"] = Answer(json.dumps({"assets": assets}).encode())
        if sums:
            server.answers["/download/1.7.6/SHA256SUMS"] = sums
        release = Release(tool, "1.7.6", tool.platforms["Linux x86_64"])
        return fetch_digest(release, EXECUTABLE, HttpOptions(), lambda seconds: None)


def test_digest_of_github_comes_first() -> None:
    stated = [{"name": "SHA256SUMS"}, {"name": "ttyd.x86_64", "digest": f"sha256:{'c' * 64}"}]
    assert digest(stated, Answer(LIST.encode())) == f"sha256:{'c' * 64}"


@pytest.mark.parametrize("asset", [{"name": "ttyd.x86_64"}, {"name": "ttyd.x86_64", "digest": None}])
def test_list_of_a_release_that_is_older_than_the_digests_of_github(asset: dict[str, Any]) -> None:
    assert digest([asset, {"name": "SHA256SUMS"}], Answer(LIST.encode())) == f"sha256:{DIGEST}"


@pytest.mark.parametrize(
    ("sums", "cause"),
    [
        (None, "answers HTTP 404"),
        (Answer(b"\xff"), "states no SHA-256 of ttyd.x86_64"),
        (Answer(b"abc  ttyd.x86_64\n"), "sha256:abc"),
    ],
)
def test_list_that_does_not_have_it(sums: Answer | None, cause: str) -> None:
    with pytest.raises(OptioError, match=cause):
        digest([{"name": "SHA256SUMS"}], sums)


def test_release_without_a_list() -> None:
    with pytest.raises(SourceError, match=r"states no SHA-256 of ttyd\.x86_64"):
        digest([{"name": "ttyd.x86_64"}], None)
