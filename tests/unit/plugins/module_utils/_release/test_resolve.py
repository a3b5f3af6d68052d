# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which executable counts where nothing is installed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.optio.codex.plugins.module_utils._core.errors import OptioError
from ansible_collections.optio.codex.plugins.module_utils._release.cache import Cache
from ansible_collections.optio.codex.plugins.module_utils._release.module import CODEX_RELEASE
from ansible_collections.optio.codex.plugins.module_utils._release.probe import Installation, Observed
from ansible_collections.optio.codex.tests.unit.support.release_plans import CACHE, bare, planned, right

REAL = f"{CACHE}/releases/0.142.5-x86_64-unknown-linux-musl/bin/codex"


@pytest.mark.parametrize(
    ("found", "version", "path", "link", "seen_version", "warned"),
    [
        (Installation("cache", f"{CACHE}/codex", REAL, "0.142.5"), None, REAL, f"{CACHE}/codex", "0.142.5", False),
        (Installation("cache", f"{CACHE}/codex", REAL, ""), None, REAL, f"{CACHE}/codex", "0.142.5", False),
        (Installation("host", "/usr/bin/codex", "/opt/x/bin/codex", "0.1.0"), None, "/usr/bin/codex", None, "0.1.0", False),
        (Installation("host", "/usr/bin/codex", "/opt/x/bin/codex", ""), "0.2.0", "/usr/bin/codex", None, None, False),
        (Installation("host", "/usr/bin/codex", "/opt/x/bin/codex", "0.1.0"), "0.2.0", "/usr/bin/codex", None, "0.1.0", True),
    ],
)
def test_resolving(found: Installation, version: str | None, path: str, link: str | None, seen_version: str | None, warned: bool) -> None:
    plan = planned(CODEX_RELEASE, replace(bare("Linux x86_64"), found=(found,)), install=False, version=version)
    assert not plan
    assert plan.result == {
        "version": seen_version,
        "path": path,
        "link": link,
        "cache_dir": CACHE,
        "source": found.origin,
        "checksum": None,
        "verified_by": None,
        "platform": "x86_64-unknown-linux-musl",
    }
    assert bool(plan.warnings) is warned


def test_resolving_a_version_prefers_its_release() -> None:
    linked = Installation("cache", f"{CACHE}/codex", REAL, "0.142.5")
    host = Installation("host", "/usr/bin/codex", "/usr/bin/codex", "")
    good = replace(right(CODEX_RELEASE, "Linux x86_64"), found=(linked, host))
    plan = planned(CODEX_RELEASE, good, install=False, version="0.171.0")
    assert plan.result["path"] == f"{CACHE}/releases/0.171.0-x86_64-unknown-linux-musl/bin/codex"
    # the link leads to another version, so the login shell's is what is left
    plan = planned(CODEX_RELEASE, replace(good, files={}), install=False, version="0.171.0")
    assert plan.result["path"] == "/usr/bin/codex"
    with pytest.raises(OptioError, match="neither in the cache"):
        planned(CODEX_RELEASE, replace(good, files={}, found=(linked,)), install=False, version="0.171.0")


def test_resolving_works_where_upstream_publishes_nothing() -> None:
    seen = replace(bare("Linux riscv64"), found=(Installation("host", "/usr/bin/codex", "/usr/bin/codex", ""),))
    assert planned(CODEX_RELEASE, seen, install=False).result["platform"] == "Linux riscv64"
    seen = Observed("Linux riscv64", Cache(""), found=seen.found, directory="/usr/bin")
    plan = planned(CODEX_RELEASE, seen, codex_dir="/usr/bin")
    assert (plan.result["path"], plan.result["cache_dir"]) == ("/usr/bin/codex", None)


@pytest.mark.parametrize(
    ("present", "command", "cause"),
    [
        (True, True, "/opt/bin/codex is not a file that this user can execute"),
        (True, False, "/opt/bin/codex does not exist"),
        (False, False, "/opt/bin/codex does not exist, nor does the directory /opt/bin"),
    ],
)
def test_an_explicit_directory_without_codex(present: bool, command: bool, cause: str) -> None:
    seen = Observed("Linux x86_64", Cache(""), directory="/opt/bin", directory_present=present, command_present=command)
    with pytest.raises(OptioError) as error:
        planned(CODEX_RELEASE, seen, codex_dir="/opt/bin")
    assert (error.value.subject, error.value.cause) == ("/opt/bin/codex", cause)
    assert "omit codex_dir" in error.value.remedy
