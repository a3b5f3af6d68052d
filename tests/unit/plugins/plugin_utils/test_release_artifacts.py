# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a mirror holds, from the table and from what the user adds."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.optio.codex.plugins.module_utils._core.errors import OptioError
from ansible_collections.optio.codex.plugins.module_utils._release.catalog import CODEX, TTYD
from ansible_collections.optio.codex.plugins.plugin_utils._release_artifacts import (
    ArtifactFilter,
    ExtraArtifact,
    artifacts,
    extras,
    machine_names,
    words,
)

HEX = "0123456789abcdef" * 4
X86 = "codex/rust-v0.171.0/codex-npm-linux-x64-0.171.0.tgz"
TTYD_X86 = "ttyd/1.7.7/ttyd.x86_64"
XTERM = ("xterm/xterm-6.0.0.tgz", "xterm/addon-fit-0.11.0.tgz")


def paths(**options: Any) -> list[str]:
    return [row["path"] for row in artifacts(ArtifactFilter(**options))]


@pytest.mark.parametrize(
    ("value", "items"),
    [
        (None, []),
        ("", []),
        ([], []),
        (" , \n", []),
        ("a,b\nc", ["a", "b", "c"]),
        ([" a ", "", 1.0], ["a", "1.0"]),
        (("a",), ["a"]),
    ],
)
def test_lists_and_text(value: object, items: list[str]) -> None:
    assert words(value) == items


def test_artifacts_of_the_tested_releases() -> None:
    rows = artifacts(ArtifactFilter())
    assert [row["path"] for row in rows] == [
        X86,
        "codex/rust-v0.171.0/codex-npm-linux-arm64-0.171.0.tgz",
        TTYD_X86,
        "ttyd/1.7.7/ttyd.aarch64",
        "ttyd/1.7.7/ttyd.armhf",
    ]
    sha256, size = CODEX.table["0.171.0"]["x86_64-unknown-linux-musl"].archives["npm"]
    url = "https://github.com/openai/codex/releases/download/rust-v0.171.0/codex-npm-linux-x64-0.171.0.tgz"
    assert rows[0] == {
        **{"tool": "codex", "version": "0.171.0", "platform": "x86_64", "archive": "npm"},
        **{"path": X86, "url": url, "size": size, "sha256": sha256},
        **{"checksum": f"sha256:{sha256}", "verified_by": "table"},
    }
    assert rows[-1]["platform"] == "armv7l" and rows[-1]["archive"] == "executable" and rows[-1]["size"] is None
    assert rows[-1]["url"] == "https://github.com/tsl0922/ttyd/releases/download/1.7.7/ttyd.armhf"


def test_a_choice_of_them() -> None:
    chosen = paths(tools=["codex"], versions={"codex": ["0.142.5", "0.171.0", "0.142.5"]}, platforms=["arm64"], archives=["npm"])
    assert chosen == [f"codex/rust-v{version}/codex-npm-linux-arm64-{version}.tgz" for version in ("0.142.5", "0.171.0")]
    # a platform for which one of the tools is not published
    assert paths(platforms=["armv8l"]) == ["ttyd/1.7.7/ttyd.armhf"]
    assert {path.split("/")[1] for path in paths(tools=["codex"], versions={"codex": ["all"]})} == {f"rust-v{v}" for v in CODEX.table}
    both = paths(tools=["codex"], versions={"codex": ["0.142.5"]}, platforms=["x86_64"], archives=["npm", "binary"])
    assert both[1] == "codex/rust-v0.142.5/codex-x86_64-unknown-linux-musl.tar.gz"
    # shapes are codex's own
    assert paths(tools=["ttyd"], archives=["binary"], platforms=["amd64"]) == [TTYD_X86]


def test_the_names_of_platforms() -> None:
    names = machine_names()
    assert {names[name] for name in ("x86_64", "amd64", "x64", "x86_64-unknown-linux-musl")} == {"x86_64"}
    assert {names[name] for name in ("aarch64", "arm64")} == {"aarch64"}
    assert {names[name] for name in ("armv7l", "armv8l", "armhf")} == {"armv7l"}
    machines = {platform.partition(" ")[2] for tool in (CODEX, TTYD) for platform in tool.platforms}
    assert machines <= set(names)


def test_where_they_are_to_be_had() -> None:
    rows = artifacts(ArtifactFilter(platforms=["x86_64"], mirror_url="https://mirror.example/base/"))
    assert [row["url"] for row in rows] == [f"https://mirror.example/base/{path}" for path in (X86, TTYD_X86, *XTERM)]
    rows = artifacts(ArtifactFilter(platforms=["x86_64"], npm_registry="https://npm.example/repository/npm/"))
    assert rows[0]["url"] == "https://npm.example/repository/npm/@openai/codex/-/codex-0.171.0-linux-x64.tgz"
    assert rows[1]["url"] == f"{TTYD.upstream}/1.7.7/ttyd.x86_64"
    assert rows[2]["url"] == "https://npm.example/repository/npm/@xterm/xterm/-/xterm-6.0.0.tgz"


def test_xterm_is_only_in_npm_registries() -> None:
    """It is listed where a registry is known; without one, an explicit request is an error."""
    row = artifacts(ArtifactFilter(configured_registry="https://npm.example/"))[-1]
    assert (row["tool"], row["platform"], row["url"]) == ("xterm", None, "https://npm.example/@xterm/addon-fit/-/addon-fit-0.11.0.tgz")
    # codex has another source, so the configured registry is not used for it
    assert artifacts(ArtifactFilter(configured_registry="https://npm.example/"))[0]["url"].startswith(CODEX.upstream)
    with pytest.raises(OptioError, match="no npm registry is configured"):
        artifacts(ArtifactFilter(tools=["xterm"]))
    own = ExtraArtifact(XTERM[0], HEX, "https://files.example/x.tgz")
    rows = artifacts(ArtifactFilter(tools=["xterm"], mirror_url="https://mirror.example", extra=[own]))
    assert [row["path"] for row in rows] == list(XTERM)
    assert (rows[0]["sha256"], rows[0]["url"], rows[1]["url"]) == (HEX, own.url, f"https://mirror.example/{XTERM[1]}")


def test_artifacts_of_the_user() -> None:
    unknown = "codex/rust-v0.170.0/codex-npm-linux-x64-0.170.0.tgz"
    added = [
        ExtraArtifact(TTYD_X86, HEX),
        ExtraArtifact(unknown, HEX, size=7),
        ExtraArtifact("tools/more", HEX, "https://files.example/more"),
    ]
    rows = artifacts(ArtifactFilter(platforms=["x86_64"], versions={"codex": ["0.171.0", "0.170.0"]}, extra=added))
    assert [row["path"] for row in rows] == [X86, unknown, TTYD_X86, "tools/more"]
    assert [row["sha256"] for row in rows[1:]] == [HEX] * 3
    assert [row["size"] for row in rows[1:]] == [7, None, None]
    assert rows[1]["url"] == f"{CODEX.upstream}/rust-v0.170.0/codex-npm-linux-x64-0.170.0.tgz"
    assert (rows[3]["tool"], rows[3]["version"], rows[3]["url"]) == (None, None, "https://files.example/more")
    # a list of SHA-512 digests instead of a registry
    [row] = artifacts(ArtifactFilter(["codex"], {"codex": ["0.170.0"]}, ["x86_64"], extra=[ExtraArtifact(unknown, "", sha512=HEX * 2)]))
    assert (row["sha256"], row["checksum"], row["verified_by"]) == (None, f"sha512:{HEX * 2}", "checksum")
    # the table's own size goes with the table's own digest
    sha256, size = CODEX.table["0.171.0"]["x86_64-unknown-linux-musl"].archives["npm"]
    assert [artifacts(ArtifactFilter(extra=[ExtraArtifact(X86, digest)]))[0]["size"] for digest in (sha256, HEX)] == [size, None]


def test_the_forms_in_which_it_is_added() -> None:
    assert extras(None) == extras("") == extras([]) == []
    text = f"{HEX}  a/b\n{HEX.upper()} *./c\n\n"
    assert extras(text) == [ExtraArtifact("a/b", HEX), ExtraArtifact("c", HEX)]
    assert extras(f"{HEX * 2}  a/b") == extras({"path": "a/b", "sha512": HEX * 2}) == [ExtraArtifact("a/b", "", sha512=HEX * 2)]
    row = {"path": "a/b", "sha256": f"sha256:{HEX}", "url": "https://files.example/b", "size": "12"}
    assert extras([row]) == extras(row) == [ExtraArtifact("a/b", HEX, "https://files.example/b", 12)]


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("a/b", "is not a SHA-256 digest"),
        (f"{HEX}  /etc/passwd", "is not a path below a mirror"),
        (f"{HEX}  a/../b", "is not a path below a mirror"),
        (f"{HEX}  a//b", "is not a path below a mirror"),
        (f"{HEX}  .htaccess", "is not a path below a mirror"),
        (f"{HEX}  -rf", "is not a path below a mirror"),
        (f"{HEX}  a b", "is not a path below a mirror"),
        (f"{HEX}  SHA256SUMS", "is not a path below a mirror"),
        ([{"path": "a"}], "does not describe an artifact"),
        ([{"path": "a", "sha256": HEX, "checksum": HEX}], "extra path, sha256, checksum does not describe an artifact"),
        (["a"], "is not a SHA-256 digest"),
        ([{"path": "a", "sha512": HEX}], "is not a SHA-512 digest. Set the 128 hex digits that sha512sum prints."),
        ([{"path": "a", "sha256": HEX, "sha512": HEX * 2}], "extra path, sha256, sha512 does not describe an artifact"),
        ([{"path": "a", "sha256": HEX, "size": "big"}], "is not a number of bytes"),
        ([{"path": "a", "sha256": HEX, "url": "file:///etc/passwd"}], "is not the URL of a server"),
    ],
)
def test_what_cannot_be_added(value: object, says: str) -> None:
    with pytest.raises(OptioError) as error:
        extras(value)
    assert says in str(error.value)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"tools": ["tmux"]}, "tool tmux is not known"),
        ({"platforms": ["riscv64"]}, "platform riscv64 is not a platform that upstream publishes for. Set one of x86_64, aarch64, armv7l"),
        ({"archives": ["zip"]}, "archive zip is not an archive"),
        ({"versions": {"codex": ["v1"]}}, "is not a version of codex"),
        ({"archives": ["package"]}, "the digest of codex/rust-v0.171.0/codex-package-x86_64-unknown-linux-musl.tar.gz is not known"),
        ({"versions": {"ttyd": ["1.7.8"]}, "mirror_url": "http://m"}, "its bytes are at http://m/ttyd/1.7.8/ttyd.x86_64"),
        ({"mirror_url": "mirror.example"}, "mirror_url mirror.example is not the URL of a server"),
        ({"npm_registry": "https://me:secret@npm.example"}, "npm_registry https://npm.example contains a user or a password"),
        ({"extra": [ExtraArtifact("tools/more", HEX)]}, "extra tools/more has no url"),
    ],
)
def test_refusals(options: dict[str, Any], says: str) -> None:
    with pytest.raises(OptioError) as error:
        artifacts(ArtifactFilter(**options))
    assert says in str(error.value) and "secret" not in str(error.value)
