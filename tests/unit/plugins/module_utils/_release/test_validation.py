# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options that are refused on every worker."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.optio.codex.plugins.module_utils._core.errors import OptioError
from ansible_collections.optio.codex.plugins.module_utils._release.module import CODEX_RELEASE, TTYD_RELEASE
from ansible_collections.optio.codex.tests.unit.support.release_builders import PARAMS

OTHER = "sha256:" + "a" * 64
SECRET = {"url_username": "deploy", "url_password": "hunter2"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"version": "newest"}, "is not a version"),
        ({"version": "latest", "offline": True}, "is looked up in the npm registry, and offline is set"),
        ({"version": "0.171", "checksum": OTHER}, "Set the exact version that the checksum is of"),
        ({"version": "latest", "state": "absent"}, "Set the exact version to remove"),
        ({"version": "latest", "install": False}, "and install: false is set"),
        ({"cache_dir": "~daemon/x"}, "another user's home"),
        ({"cache_dir": "cache"}, "is relative"),
        ({"codex_dir": "bin"}, "is relative"),
        ({"codex_dir": "/opt", "cache_dir": "/srv"}, "instead of a cache"),
        ({"ca_path": "ca.pem"}, "is relative"),
        ({"checksum": "a" * 64}, "not a literal SHA-256"),
        ({"timeout": 0}, "timeout must be greater than 0, got "),
        ({"state": "absent", "codex_dir": "/opt"}, "only finds an executable"),
        ({"state": "absent", "install": False}, "only finds an executable"),
        ({"verify": True, "install": False}, "only finds an executable"),
        ({"verify": True, "codex_dir": "/opt"}, "only finds an executable"),
        ({"sources": []}, "sources must not be empty"),
        ({"sources": ["mirror.example"]}, "is not a source"),
        ({"sources": ["ftp://mirror.example"]}, "is not a source"),
        ({"sources": ["http://"]}, "is not a source"),
        ({"sources": ["file://mirror/path"]}, "is not a source"),
        ({"sources": ["file:///mirror%00path"]}, "is not a source"),
        ({"sources": ["https://[::1"]}, "invalid host or port"),
        ({"sources": ["https://deploy:hunter2"]}, "invalid host or port"),
        ({"sources": ["https://mirror.example:99999"]}, "invalid host or port"),
        ({"sources": ["https://mirror.example/\nx"]}, "is not a source"),
        ({"keep_releases": -1}, "keep_releases must be 0 or greater, got -1"),
        ({"sources": ["npm"], **SECRET}, "name no host of your own"),
        ({"sources": ["npm"], "npm_registry": "npm.example"}, "is not a source"),
        ({"sources": ["upstream"], **SECRET}, "name no host of your own"),
        ({"sources": ["https://a.example", "https://b.example"], **SECRET}, "can be sent to one host only"),
        ({"sources": ["https://a.example", "npm"], "npm_registry": "https://b.example", **SECRET}, "can be sent to one host only"),
        ({"sources": ["host"], "headers": {"X-Token": "1"}}, "headers can be sent to one host only"),
    ],
)
def test_bad_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(OptioError, match=message) as error:
        CODEX_RELEASE.validate({**PARAMS, **options})
    assert "hunter2" not in str(error.value)


@pytest.mark.parametrize(
    "options",
    [
        {"sources": ["https://a.example/x", "https://a.example/y", "upstream"], **SECRET},
        {"sources": ["npm", "upstream"], "npm_registry": "https://a.example", **SECRET},
        {"sources": ["file:///srv/mirror", "host"]},
        # what a survey sends for a field that was left empty
        {"version": "", "cache_dir": "", "codex_dir": "", "checksum": "", "npm_registry": "", "ca_path": ""},
    ],
)
def test_good_options(options: dict[str, Any]) -> None:
    CODEX_RELEASE.validate({**PARAMS, **options})


def test_ttyd_is_not_in_npm_registries() -> None:
    with pytest.raises(OptioError, match="source npm does not publish ttyd"):
        TTYD_RELEASE.validate({**PARAMS, "sources": ["npm"]})
