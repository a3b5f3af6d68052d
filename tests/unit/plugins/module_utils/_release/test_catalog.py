# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What upstream publishes: names, addresses, digests, and the refusals."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from ansible_collections.optio.codex.plugins.module_utils._archive.expected import ExpectedDigests
from ansible_collections.optio.codex.plugins.module_utils._core.errors import OptioError
from ansible_collections.optio.codex.plugins.module_utils._release.catalog import CODEX, TTYD, Release, Tool

HEX = "0123456789abcdef" * 4


def release(tool: Tool, platform: str, version: str | None = None) -> Release:
    return tool.release(version or tool.default_version, tool.target(platform))


@pytest.mark.parametrize(
    ("tool", "platform", "directory", "path"),
    [
        (
            CODEX,
            "Linux x86_64",
            "0.171.0-x86_64-unknown-linux-musl",
            "rust-v0.171.0/codex-npm-linux-x64-0.171.0.tgz",
        ),
        (
            CODEX,
            "Linux aarch64",
            "0.171.0-aarch64-unknown-linux-musl",
            "rust-v0.171.0/codex-npm-linux-arm64-0.171.0.tgz",
        ),
        (TTYD, "Linux x86_64", "ttyd-1.7.7-x86_64", "1.7.7/ttyd.x86_64"),
        (TTYD, "Linux aarch64", "ttyd-1.7.7-aarch64", "1.7.7/ttyd.aarch64"),
        (TTYD, "Linux armv7l", "ttyd-1.7.7-armhf", "1.7.7/ttyd.armhf"),
    ],
)
def test_names_and_addresses(tool: Tool, platform: str, directory: str, path: str) -> None:
    found = release(tool, platform)
    assert found.directory == directory
    assert found.mirror_url("https://mirror.example/base/") == f"https://mirror.example/base/{path}"


def test_the_address_in_a_registry() -> None:
    url = release(CODEX, "Linux aarch64", "0.142.5").npm_url("https://npm.example/repository/npm/")
    assert url == "https://npm.example/repository/npm/@openai/codex/-/codex-0.142.5-linux-arm64.tgz"


@pytest.mark.parametrize("tool", [CODEX, TTYD])
def test_the_table_knows_each_platform_of_each_version(tool: Tool) -> None:
    targets = {target.name for target in tool.platforms.values()}
    assert tool.default_version in tool.table
    for version, rows in tool.table.items():
        tool.validate_version(version)
        assert set(rows) == targets
        for known in rows.values():
            assert tool.archive in known.archives and set(known.archives) <= set(tool.archives)
            assert tool.entrypoint in known.programs and set(known.programs) <= {tool.entrypoint, *tool.companions}
            assert bool(known.tree) == tool.packaged == bool(known.size)
            for digest in (*(row[0] for row in known.archives.values()), *known.programs.values()):
                assert re.fullmatch("[0-9a-f]{64}", digest)
    digests = [row[0] for rows in tool.table.values() for known in rows.values() for row in known.archives.values()]
    assert len(digests) == len(set(digests))


@pytest.mark.parametrize(
    ("tool", "platform", "named"),
    [
        (CODEX, "Linux armv7l", "codex on Linux/armv7l"),
        (CODEX, "Darwin arm64", "codex on Darwin/arm64"),
        (CODEX, "FreeBSD amd64", "codex on FreeBSD/amd64"),
        (TTYD, "Linux riscv64", "ttyd on Linux/riscv64"),
        (TTYD, "", "ttyd on an unknown system/unknown"),
    ],
)
def test_other_platforms_are_refused_with_a_way_out(tool: Tool, platform: str, named: str) -> None:
    with pytest.raises(OptioError) as error:
        tool.target(platform)
    assert error.value.subject == named
    assert "Linux/x86_64" in error.value.cause
    assert "directory" in error.value.remedy
    assert "cache" in error.value.remedy


@pytest.mark.parametrize("version", ["0.169.0", "1.7.7", "0.170.0-alpha.3"])
def test_versions(version: str) -> None:
    CODEX.validate_version(version)


@pytest.mark.parametrize(
    "version", ["latest", "v0.169.0", "rust-v0.169.0", "0.169", "0.169.0/..", "../0.169.0", "0.169.0\n", "0.169.0-", ""]
)
def test_an_invalid_version(version: str) -> None:
    with pytest.raises(OptioError, match="not a version of codex"):
        CODEX.validate_version(version)


def test_the_expected_bytes() -> None:
    known = release(CODEX, "Linux x86_64")
    row = known.known
    assert row is not None
    sha256, size = row.archives["npm"]
    expected = known.expected(None)
    assert expected == ExpectedDigests(sha256, size, row.programs, row.tree, frozenset({sha256}))
    assert known.expected(f"sha256:{sha256.upper()}") == expected
    # another digest says nothing of what is in the archive
    assert known.expected(f"sha256:{HEX}") == ExpectedDigests(HEX, archives=frozenset({HEX}))
    # of an archive that the table has no digest of, what is in it decides
    assert known.expected(None, "package") == replace(expected, sha256=None, size=None)
    unknown = release(CODEX, "Linux x86_64", "9.9.9")
    assert unknown.expected(f"sha256:{HEX}").sha256 == HEX
    with pytest.raises(OptioError, match=r"knows 0\.142\.5, 0\.169\.0, 0\.171\.0\. Set checksum") as error:
        unknown.expected(None)
    assert error.value.subject == "codex 9.9.9 for x86_64-unknown-linux-musl"


def test_each_archive_has_its_own_digest() -> None:
    older = release(CODEX, "Linux x86_64", "0.142.5")
    assert older.known is not None
    assert older.expected(None, "binary").sha256 == older.known.archives["binary"][0] != older.expected(None).sha256
    assert older.expected(None, "binary").archives == older.expected(None).archives
    assert older.mirror_url("https://m", "package") == "https://m/rust-v0.142.5/codex-package-x86_64-unknown-linux-musl.tar.gz"
    assert older.mirror_url("https://m", "binary") == "https://m/rust-v0.142.5/codex-x86_64-unknown-linux-musl.tar.gz"
    assert older.file_name() == "codex-npm-linux-x64-0.142.5.tgz"
    # what a binary alone lacks depends on the version
    bwrap = {"codex-resources/bwrap": "bwrap-x86_64-unknown-linux-musl.tar.gz"}
    assert older.companions() == bwrap
    assert set(release(CODEX, "Linux x86_64").companions()) == {*bwrap, "bin/codex-code-mode-host"}
    assert release(CODEX, "Linux x86_64", "9.9.9").companions() == {}
