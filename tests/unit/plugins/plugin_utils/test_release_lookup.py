# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the controller believes of a registry: a real server on the loopback address, with a key of the tests' own."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible import constants

from ansible_collections.optio.codex.plugins.module_utils._archive.download import HttpOptions, SourceError
from ansible_collections.optio.codex.plugins.module_utils._archive.expected import digest_of
from ansible_collections.optio.codex.plugins.module_utils._core.errors import OptioError
from ansible_collections.optio.codex.plugins.module_utils._release.catalog import CODEX, Release
from ansible_collections.optio.codex.plugins.module_utils._release.registry import Statement, require_encryption
from ansible_collections.optio.codex.plugins.plugin_utils import _npm_keys
from ansible_collections.optio.codex.plugins.plugin_utils._once import once
from ansible_collections.optio.codex.plugins.plugin_utils._release_lookup import chosen_version, is_signed, verified_digest
from ansible_collections.optio.codex.plugins.plugin_utils._role_releases import with_exact_version
from ansible_collections.optio.codex.tests.unit.support.npm_registry import (
    METADATA_PATH,
    PACKAGE,
    Registry,
    archive_of,
    integrity_of,
    npm_version,
    sha512_of,
)
from ansible_collections.optio.codex.tests.unit.support.release_builders import PARAMS, TARGET, Answer, serving

VERSION = "0.171.0"
RELEASE = Release(CODEX, VERSION, TARGET)


@pytest.fixture(autouse=True)
def run_of_ansible(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Each test is a run of its own; the controller's user has no npm configuration."""
    monkeypatch.setattr(constants, "DEFAULT_LOCAL_TMP", str(tmp_path / "run"))
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path / "run"


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    with serving() as server:
        made = Registry(server)
        monkeypatch.setattr(_npm_keys, "KEYS", made.known_key())
        yield made


def params(registry: Registry, **options: Any) -> dict[str, Any]:
    return {
        **PARAMS,
        "sources": ["npm"],
        "npm_registry": registry.server.url,
        "archive": "npm",
        "require_verified_by": "integrity",
        **options,
    }


# ---- digests and signatures ------------------------------------------------------------------------------------------


def test_a_signed_digest(registry: Registry) -> None:
    registry.add(VERSION)
    found = verified_digest(RELEASE, params(registry, require_verified_by="signature"))
    assert (found.checksum, found.verified_by) == (sha512_of(archive_of(VERSION)), "signature")
    assert registry.requests() == [METADATA_PATH]


def test_a_real_signature_of_npm() -> None:
    """The signature of a public package, with the keys that are built in; one character more, and it is not valid."""
    package = replace(CODEX, npm_package="@anthropic-ai/claude-code", npm_version="{version}")
    integrity = "sha512-qecREauMWXHplkpjqsuDuUv4ww+NprMl71k9sMuLkZU7qwjLMkTPxRBjuKvZWWMrAPvZWdGZE9LljUTfCQ1lWQ=="
    signature = "MEQCIGvolW/eLJuocfuN94cinl0Vz9arMrshmIhulXk/9JEBAiAW18CskQ+uEkWf90x4Dc0TqDoRBQ7lmCAXhpXpqbEJDA=="
    signatures = (("SHA256:DhQ8wR5APBvFHLF/+Tc+AYvPOdTpcIDqOhxsBHRwC7U", signature),)
    statement = Statement(digest_of(integrity), integrity, signatures, "")
    assert is_signed("registry", Release(package, "2.1.98", TARGET), statement, _npm_keys.KEYS)
    with pytest.raises(OptioError, match="is not valid"):
        is_signed("registry", Release(package, "2.1.97", TARGET), statement, _npm_keys.KEYS)


def no_signature(registry: Registry, stated: dict[str, Any]) -> None:
    del stated["signatures"]


def unknown_key(registry: Registry, stated: dict[str, Any]) -> None:
    stated["signatures"][0]["keyid"] = "SHA256:of-nobody"


def odd_signatures(registry: Registry, stated: dict[str, Any]) -> None:
    stated["signatures"] = {"keyid": 1}


@pytest.mark.parametrize("change", [no_signature, unknown_key, odd_signatures])
def test_a_digest_that_nothing_signs(registry: Registry, change: Callable[[Registry, dict[str, Any]], None]) -> None:
    change(registry, registry.add(VERSION))
    registry.publish()
    assert verified_digest(RELEASE, params(registry)).verified_by == "integrity"
    with pytest.raises(OptioError, match=r"states the integrity of codex .* and require_verified_by is signature") as error:
        verified_digest(RELEASE, params(registry, require_verified_by="signature"))
    # the worker could not do better, so it is not asked
    assert not isinstance(error.value, SourceError)


def other_integrity(registry: Registry, stated: dict[str, Any]) -> None:
    stated["integrity"] = integrity_of(b"other bytes")


def other_key(registry: Registry, stated: dict[str, Any]) -> None:
    stated["signatures"] = Registry(registry.server).sign(f"{PACKAGE}@{npm_version(VERSION)}:{stated['integrity']}")


def of_another_version(registry: Registry, stated: dict[str, Any]) -> None:
    stated["signatures"] = registry.sign(f"{PACKAGE}@{npm_version('0.142.5')}:{stated['integrity']}")


def of_another_package(registry: Registry, stated: dict[str, Any]) -> None:
    stated["signatures"] = registry.sign(f"codex@{npm_version(VERSION)}:{stated['integrity']}")


def not_base64(registry: Registry, stated: dict[str, Any]) -> None:
    stated["signatures"][0]["sig"] = "not base64"


def one_right_one_wrong(registry: Registry, stated: dict[str, Any]) -> None:
    stated["signatures"] += registry.sign("another message")


@pytest.mark.parametrize("change", [other_integrity, other_key, of_another_version, of_another_package, not_base64, one_right_one_wrong])
def test_a_wrong_signature_is_refused(registry: Registry, change: Callable[[Registry, dict[str, Any]], None]) -> None:
    """The worker could not see it, so it must not be asked instead."""
    change(registry, registry.add(VERSION))
    registry.publish()
    with pytest.raises(OptioError, match=r"the signature that .* is not valid: it is not that of key") as error:
        verified_digest(RELEASE, params(registry))
    assert not isinstance(error.value, SourceError)


@pytest.mark.parametrize(
    ("published", "is_valid"),
    [
        ("2026-11-20T10:00:00.000Z", True),
        ("2026-11-21T00:00:00.000Z", False),
        ("2027-01-01T00:00:00Z", False),
        ("", False),
        ("soon", False),
    ],
)
def test_a_key_that_expired(registry: Registry, monkeypatch: pytest.MonkeyPatch, published: str, is_valid: bool) -> None:
    """What was published before is signed; without a time, the present one counts."""
    registry.add(VERSION)
    registry.times = {npm_version(VERSION): published} if published else {}
    registry.publish()
    # of the two ends, one is past whenever this runs
    expires = "2026-11-21T00:00:00.000Z" if published[:2] == "20" else "2020-01-01T00:00:00.000Z"
    monkeypatch.setattr(_npm_keys, "KEYS", registry.known_key(expires))
    if is_valid:
        assert verified_digest(RELEASE, params(registry)).verified_by == "signature"
        return
    with pytest.raises(OptioError, match=r"key SHA256:of-the-tests expired on 20") as error:
        verified_digest(RELEASE, params(registry))
    assert not isinstance(error.value, SourceError)


# ---- registries that state nothing of use ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        (Answer(b"no", 404), "answers HTTP 404"),
        (Answer(b"<html>sign in</html>"), "answers with a web page"),
        (Answer(b"[[["), "does not answer with JSON"),
        (Answer(b"[" * 100_000), "does not answer with JSON"),
        (Answer(b"[]"), "has no codex 0.171.0 for "),
        (Answer(b'{"versions": {"0.171.0": null}, "time": [], "dist-tags": 3}'), "has no codex 0.171.0 for "),
        (Answer(b"{}", cut=1), "ended after 1 of 2 bytes"),
    ],
)
def test_no_metadata(registry: Registry, monkeypatch: pytest.MonkeyPatch, answer: Answer, cause: str) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    registry.server.answers[METADATA_PATH] = answer
    with pytest.raises(SourceError) as error:
        verified_digest(RELEASE, params(registry))
    assert cause in error.value.cause and error.value.remedy
    count = len(registry.requests())
    # the other hosts of the run get the same error at once
    with pytest.raises(SourceError) as again:
        verified_digest(RELEASE, params(registry))
    assert (str(again.value), len(registry.requests())) == (str(error.value), count)


@pytest.mark.parametrize("integrity", [None, 5, "", "sha1-" + "A" * 28, "sha512-short", "sha256-" + "A" * 43 + "="])
def test_no_digest_of_use(registry: Registry, integrity: Any) -> None:
    registry.add(VERSION)["integrity"] = integrity
    registry.publish()
    with pytest.raises(SourceError, match=r"states no SHA-512 of codex 0\.171\.0"):
        verified_digest(RELEASE, params(registry))


def test_a_redirect_to_another_host_is_not_followed(registry: Registry) -> None:
    registry.add(VERSION)
    with serving() as other:
        other.answers[METADATA_PATH] = registry.server.answers[METADATA_PATH]
        registry.server.answers[METADATA_PATH] = Answer(status=302, headers={"Location": f"{other.url}{METADATA_PATH}"})
        with pytest.raises(SourceError, match=f"redirects to another host, {other.url}"):
            verified_digest(RELEASE, params(registry))
        assert other.seen == []


def test_a_redirect_on_the_same_host_is_followed(registry: Registry) -> None:
    registry.add(VERSION)
    registry.server.answers["/elsewhere"] = registry.server.answers[METADATA_PATH]
    registry.server.answers[METADATA_PATH] = Answer(status=302, headers={"Location": "/elsewhere"})
    assert verified_digest(RELEASE, params(registry)).verified_by == "signature"


@pytest.mark.parametrize(
    ("url", "verifies", "cause"),
    [
        ("https://npm.example.com", True, None),
        ("http://127.0.0.1:4873/npm", True, None),
        ("http://[::1]:4873", False, None),
        ("http://localhost", True, None),
        ("http://npm.example.com", True, "without TLS"),
        ("http://127.0.0.1.example.com", True, "without TLS"),
        ("https://npm.example.com", False, "whose certificate is not verified"),
    ],
)
def test_answers_without_tls_prove_nothing(url: str, verifies: bool, cause: str | None) -> None:
    access = HttpOptions(validate_certs=verifies)
    if cause is None:
        require_encryption(url, access)
        return
    with pytest.raises(SourceError, match=cause):
        require_encryption(url, access)


# ---- versions ------------------------------------------------------------------------------------------------------------


def test_latest_and_series(registry: Registry) -> None:
    for version in ("0.170.0", "0.171.9", "0.171.10", "0.171.11-alpha.1", "0.17.3", "0.172.0"):
        registry.add(version)
    registry.latest = "0.171.9"
    registry.publish()
    wanted = {"latest": "0.171.9", "0.171": "0.171.10", "0.17": "0.17.3", "0": "0.172.0"}
    assert {selector: chosen_version(CODEX, selector, params(registry)) for selector in wanted} == wanted
    with pytest.raises(SourceError, match=r"has no stable version of codex 0\.173"):
        chosen_version(CODEX, "0.173", params(registry))
    assert registry.requests() == [METADATA_PATH]


@pytest.mark.parametrize("tag", ["", "../../etc", "9.9.9", "latest", "0.171"])
def test_a_tag_that_is_not_a_version(registry: Registry, tag: str) -> None:
    registry.add(VERSION)
    registry.latest = tag
    registry.publish()
    with pytest.raises(SourceError, match="states no latest version of codex"):
        chosen_version(CODEX, "latest", params(registry))


def test_latest_does_not_change_in_a_run(registry: Registry, run_of_ansible: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A registry that goes back to an old version, and changes its bytes, in the midst of a play."""
    registry.add("0.170.0", b"old")
    digest = registry.add(VERSION)["integrity"]
    first = (chosen_version(CODEX, "latest", params(registry)), verified_digest(RELEASE, params(registry)))
    registry.add(VERSION, b"other bytes")
    registry.latest = "0.170.0"
    registry.publish()
    assert (chosen_version(CODEX, "latest", params(registry)), verified_digest(RELEASE, params(registry))) == first
    assert first[0] == VERSION and first[1].checksum == str(digest_of(digest))
    monkeypatch.setattr(constants, "DEFAULT_LOCAL_TMP", str(run_of_ansible / "next"))
    assert chosen_version(CODEX, "latest", params(registry)) == "0.170.0"


def test_a_role_has_the_version_of_the_run(registry: Registry) -> None:
    registry.add(VERSION)
    given = {"version": "latest", "sources": ["npm"], "npm_registry": registry.server.url, "keep_releases": 1}
    assert with_exact_version(given) == {**given, "version": VERSION}


@pytest.mark.parametrize(
    "options",
    [
        {"version": "0.169.0"},
        {},
        {"version": "latest", "npm_registry": "http://127.0.0.1:1"},
        {"version": "latest", "offline": True},
        {"version": "latest", "checksum": "sha256:" + "a" * 64},
        {"version": "latest", "checksums": {"x86_64": "sha256:" + "a" * 64}},
        {"version": "latest", "timeout": "soon"},
        {"version": "0.9"},
    ],
)
def test_what_cannot_be_looked_up_is_left_to_the_module(registry: Registry, options: dict[str, Any]) -> None:
    registry.add(VERSION)
    given = {"sources": ["npm"], "npm_registry": registry.server.url, **options}
    assert with_exact_version(given) == given


# ---- once in a run -------------------------------------------------------------------------------------------------------


def count(path: str) -> Any:
    def compute() -> int:
        with open(path, "a", encoding="utf-8") as stream:
            stream.write("x")
        return Path(path).stat().st_size

    return once("key", compute)


def test_many_processes_compute_it_once(tmp_path: Path) -> None:
    # as Ansible's own workers are
    with multiprocessing.get_context("fork").Pool(8) as pool:
        assert pool.map(count, [str(tmp_path / "calls")] * 24) == [1] * 24
    assert (tmp_path / "calls").read_text() == "x"


def test_an_exception_is_not_kept() -> None:
    def fail() -> None:
        raise ValueError("once")

    with pytest.raises(ValueError, match="once"):
        once("key", fail)
    assert once("key", lambda: 3) == 3
