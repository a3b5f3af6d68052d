# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lookup, as a play calls it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible import constants
from ansible.errors import AnsibleError

from ansible_collections.optio.codex.plugins.lookup.release_artifacts import DOCUMENTATION, LookupModule
from ansible_collections.optio.codex.plugins.module_utils._release.module import CODEX_RELEASE
from ansible_collections.optio.codex.plugins.plugin_utils import _npm_keys
from ansible_collections.optio.codex.tests.unit.support.npm_registry import (
    Registry,
    archive_of,
    archive_path,
    integrity_of,
    npm_version,
    sha512_of,
)
from ansible_collections.optio.codex.tests.unit.support.release_builders import serving

NAME = "optio.codex.release_artifacts"


def query(*terms: Any, **options: Any) -> list[dict[str, Any]]:
    # what Ansible's loader does, which would also take over the import of collections
    constants.config.initialize_plugin_configuration_definitions("lookup", NAME, yaml.safe_load(DOCUMENTATION)["options"])
    plugin = LookupModule()
    plugin._load_name = NAME
    return plugin.run(list(terms), variables={}, **options)


@pytest.mark.slow
def test_empty_strings_are_the_defaults() -> None:
    empty = dict.fromkeys(("codex_versions", "ttyd_versions", "platforms", "archives", "mirror_url", "npm_registry", "extra"), "")
    assert query("", **empty) == query(**dict.fromkeys(empty)) == query([], **{**empty, "platforms": []}) == query() != []


def test_text_and_lists_are_alike() -> None:
    text = query("codex, ttyd", codex_versions="0.142.5\n0.169.0", platforms="x86_64,aarch64", archives="npm", ttyd_versions="all")
    lists = query(
        "codex", ["ttyd"], codex_versions=["0.142.5", "0.169.0"], platforms=["x86_64", "aarch64"], archives=["npm"], ttyd_versions=["1.7.7"]
    )
    assert text == lists and len(text) == 6


def test_xterm_comes_from_the_registry_that_npm_is_configured_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.lower().startswith("npm_config_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".npmrc").write_text("registry=https://npm.example/all/\n@xterm:registry=https://npm.example/xterm/\n", encoding="utf-8")
    urls = ["https://npm.example/xterm/@xterm/xterm/-/xterm-6.0.0.tgz", "https://npm.example/xterm/@xterm/addon-fit/-/addon-fit-0.11.0.tgz"]
    assert [row["url"] for row in query("xterm")] == [row["url"] for row in query()[-2:]] == urls
    assert query("xterm", npm_registry="https://other.example")[0]["url"].startswith("https://other.example/@xterm/")


def test_errors_are_whole_sentences() -> None:
    with pytest.raises(AnsibleError, match=r"^platform vax is not a platform that upstream publishes for\. Set one of .*\.$"):
        query(platforms="vax")


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Registry]:
    """A registry with a version that the table does not have, signed by a known key."""
    monkeypatch.setattr(constants, "DEFAULT_LOCAL_TMP", str(tmp_path / "run"))
    monkeypatch.setenv("HOME", str(tmp_path))
    with serving() as server:
        made = Registry(server)
        monkeypatch.setattr(_npm_keys, "KEYS", made.known_key())
        made.add("0.999.1")
        yield made


@pytest.mark.parametrize("version", ["0.999.1", "latest", "0.999"])
def test_digests_that_the_registry_states(registry: Registry, version: str) -> None:
    options = {"platforms": "x86_64", "npm_registry": registry.server.url}
    [row] = query("codex", codex_versions=version, **options)
    assert (row["version"], row["sha256"], row["verified_by"]) == ("0.999.1", None, "signature")
    assert row["checksum"] == sha512_of(archive_of("0.999.1")) and row["url"] == f"{registry.server.url}{archive_path('0.999.1')}"
    # a digest of the user is not looked up
    requests = len(registry.requests())
    [own] = query("codex", codex_versions="0.999.1", extra=f"{'a' * 64}  {row['path']}", **options)
    assert (own["sha256"], own["checksum"], own["verified_by"]) == ("a" * 64, f"sha256:{'a' * 64}", "checksum")
    [known] = query("codex", codex_versions="0.169.0", **options)
    assert known["verified_by"] == "table" and known["checksum"] == f"sha256:{known['sha256']}"
    assert len(registry.requests()) == requests == 1


def test_credentials_are_for_the_registry(registry: Registry) -> None:
    options = {"platforms": "x86_64", "codex_versions": "latest", "url_username": "me", "url_password": "secret", "force_basic_auth": True}
    query("codex", npm_registry=registry.server.url, headers={"X-Token": "abc"}, timeout=5, ca_path="/none.pem", **options)
    assert registry.server.authorizations() == ["Basic bWU6c2VjcmV0"]
    assert registry.server.seen[0][1]["x-token"] == "abc"


def test_wrong_signature_and_a_version_that_nobody_has(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    options = {"platforms": "x86_64", "npm_registry": registry.server.url}
    monkeypatch.setattr(CODEX_RELEASE, "tool", replace(CODEX_RELEASE.tool, upstream_api=f"{registry.server.url}/none"))
    registry.versions[npm_version("0.999.1")]["dist"]["integrity"] = integrity_of(b"other")
    registry.publish()
    with pytest.raises(AnsibleError, match=r"the signature that .* is not valid"):
        query("codex", codex_versions="0.999.1", **options)
    with pytest.raises(AnsibleError, match=r"is not known to this collection, and could not be looked up: .* has no codex 0\.999\.2"):
        query("codex", codex_versions="0.999.2", archives="npm", **options)
