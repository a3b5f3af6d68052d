# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Digests that a registry states, on the worker: pinned by the controller, or looked up by the module itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.optio.codex.plugins.module_utils._core.errors import OptioError
from ansible_collections.optio.codex.plugins.module_utils._release.looked_up import VERIFIED_BY_VARIABLE, converge_looked_up
from ansible_collections.optio.codex.plugins.module_utils._release.module import CODEX_RELEASE
from ansible_collections.optio.codex.plugins.module_utils._release.progress import Progress
from ansible_collections.optio.codex.tests.unit.support.npm_registry import (
    METADATA_PATH,
    Registry,
    archive_of,
    archive_path,
    integrity_of,
    sha512_of,
)
from ansible_collections.optio.codex.tests.unit.support.release_builders import PARAMS, Answer, QuickHost, checksum, serving

VERSION = "0.1.2"
ARCHIVE = archive_of(VERSION)
PINNED: dict[str, Any] = {"checksum": sha512_of(ARCHIVE)}


@pytest.fixture(autouse=True)
def worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv(VERIFIED_BY_VARIABLE, raising=False)
    monkeypatch.setattr("os.fsync", lambda descriptor: None)


@pytest.fixture
def registry() -> Iterator[Registry]:
    with serving() as server:
        made = Registry(server)
        made.add(VERSION)
        yield made


def run(registry: Registry, check_mode: bool = False, **options: Any) -> dict[str, Any]:
    given = {"sources": ["npm"], "npm_registry": registry.server.url, "version": VERSION, "require_verified_by": "integrity"}
    return converge_looked_up(CODEX_RELEASE, {**PARAMS, **given, **options}, QuickHost(), check_mode, True)


def test_a_version_without_a_digest(registry: Registry, tmp_path: Path) -> None:
    check = run(registry, True)
    assert (check["changed"], check["checksum"], check["verified_by"], registry.requests()) == (True, None, "unknown", [])
    done = run(registry)
    assert (done["changed"], done["checksum"], done["verified_by"]) == (True, PINNED["checksum"], "integrity")
    assert registry.requests() == [METADATA_PATH, archive_path(VERSION)]
    # the digest of the result can be used in the place of a registry
    for options in ({}, PINNED, {"checksum": integrity_of(ARCHIVE)}, {"checksum": checksum(ARCHIVE)}):
        again = run(registry, **options)
        assert not again["changed"] and again["verified_by"] == ("checksum" if options else "integrity")
    assert len(registry.requests()) == 2
    assert run(registry, True, checksum="sha512:" + "0" * 128)["changed"]


def test_progress_names_the_registry_of_the_user(registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    named: list[str] = []
    monkeypatch.setattr(Progress, "source", lambda _progress, name: named.append(name))
    (tmp_path / ".npmrc").write_text(f"registry={registry.server.url}/\n")
    run(registry, npm_registry=None)
    assert named[-1] == f"{registry.server.url}{archive_path(VERSION)}"


@pytest.mark.parametrize("stated", ["integrity", "signature"])
def test_digests_that_the_controller_pinned(registry: Registry, monkeypatch: pytest.MonkeyPatch, stated: str) -> None:
    monkeypatch.setenv(VERIFIED_BY_VARIABLE, stated)
    done = run(registry, **PINNED)
    assert (done["verified_by"], registry.requests()) == (stated, [archive_path(VERSION)])
    monkeypatch.delenv(VERIFIED_BY_VARIABLE)
    again = run(registry)
    assert (again["changed"], again["verified_by"], again["checksum"]) == (False, stated, PINNED["checksum"])


def test_a_digest_of_the_user_is_that_of_the_user(registry: Registry) -> None:
    assert run(registry, **PINNED)["verified_by"] == "checksum"
    assert run(registry, require_verified_by="table")["verified_by"] == "checksum"


@pytest.mark.parametrize("pinned", [{}, PINNED, {"checksum": integrity_of(ARCHIVE)}])
def test_other_bytes_are_refused(registry: Registry, tmp_path: Path, pinned: dict[str, Any]) -> None:
    """As of a proxy that changes packages."""
    registry.server.answers[archive_path(VERSION)] = Answer(archive_of("0.1.3"))
    with pytest.raises(OptioError, match=f"expected {PINNED['checksum']}"):
        run(registry, **pinned)
    assert not list(tmp_path.rglob("codex"))


def test_a_mirror_cannot_choose_the_digest(registry: Registry) -> None:
    """A mirror serves what the controller pinned, and states nothing by itself."""
    path = CODEX_RELEASE.tool.release(VERSION, CODEX_RELEASE.tool.target("Linux x86_64")).mirror_url("")
    registry.server.answers[path] = Answer(ARCHIVE)
    with pytest.raises(OptioError, match="is not known to this collection"):
        run(registry, sources=[registry.server.url])
    assert run(registry, sources=[registry.server.url], **PINNED)["source"] == f"{registry.server.url}{path}"


def other_host(registry: Registry) -> None:
    registry.server.answers[METADATA_PATH] = Answer(status=302, headers={"Location": "http://localhost:1/"})


def no_metadata(registry: Registry) -> None:
    del registry.server.answers[METADATA_PATH]


def no_integrity(registry: Registry) -> None:
    for row in registry.versions.values():
        row["dist"].pop("integrity", None)
    registry.publish()


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (other_host, "redirects to another host, http://localhost:1/"),
        (no_metadata, "answers HTTP 404"),
        (no_integrity, "states no SHA-512"),
    ],
)
def test_a_registry_that_states_nothing(registry: Registry, change: Any, cause: str) -> None:
    change(registry)
    with pytest.raises(OptioError, match=cause):
        run(registry)
    assert archive_path(VERSION) not in registry.requests()


@pytest.mark.parametrize("demanded", ["signature", "table"])
def test_a_worker_verifies_no_more_than_the_integrity(registry: Registry, demanded: str) -> None:
    with pytest.raises(OptioError, match=f"a worker cannot verify more than the integrity .* is {demanded}"):
        run(registry, require_verified_by=demanded)
    assert registry.requests() == []


def test_a_site_that_demands_more_later(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bytes are those that the signature is of, so they are hashed and not downloaded again."""
    run(registry)
    check = run(registry, True, require_verified_by="signature")
    assert "damaged: it was verified by integrity, and require_verified_by is signature" in check["diff"]["before"]
    with pytest.raises(OptioError, match="a worker cannot verify more"):
        run(registry, require_verified_by="signature")
    monkeypatch.setenv(VERIFIED_BY_VARIABLE, "signature")
    done = run(registry, require_verified_by="signature", **PINNED)
    assert (done["changed"], done["verified_by"]) == (True, "signature")
    monkeypatch.delenv(VERIFIED_BY_VARIABLE)
    assert not run(registry, require_verified_by="signature")["changed"]
    assert registry.requests() == [METADATA_PATH, archive_path(VERSION)]


def test_latest_by_the_worker_itself(registry: Registry) -> None:
    registry.add("0.1.10")
    check = run(registry, True, version="latest")
    assert (check["version"], check["changed"]) == ("0.1.10", True)
    done = run(registry, version="0.1")
    assert (done["version"], done["verified_by"]) == ("0.1.10", "integrity")
    registry.add("0.2.0")
    again = run(registry, True, version="latest")
    link = [line for line in again["diff"]["before"].splitlines() if "/codex: " in line]
    assert "releases/0.1.10-" in link[0] and "releases/0.2.0-" in again["diff"]["after"]
    assert not run(registry, version="0.1")["changed"]


@pytest.mark.parametrize("version", ["latest", "0.1"])
def test_latest_requires_a_network(registry: Registry, version: str) -> None:
    with pytest.raises(OptioError, match="offline is set") as error:
        run(registry, version=version, offline=True)
    assert error.value.remedy.startswith("Set an exact version") and registry.requests() == []
