# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a mirror has of its artifacts, which of its files are stale, and the list that it serves."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.optio.codex.plugins.filter.mirror_plan import mirror_plan

ONE, TWO, OTHER = "1" * 64, "2" * 64, "f" * 64
LONG, WRONG = "a" * 128, "b" * 128


def known(path: str, digest: str = ONE) -> dict[str, Any]:
    return {"path": path, "sha256": digest, "checksum": f"sha256:{digest}"}


#: only its SHA-512 digest is known
LOOKED_UP = {"path": "codex/new.tgz", "sha256": None, "checksum": f"sha512:{LONG}"}


@pytest.mark.parametrize(
    ("artifacts", "probed", "missing"),
    [
        ([], "", []),
        ([known("a")], "", ["a"]),
        ([known("a")], f"present=a {ONE}", []),
        ([known("a")], f"present=a {OTHER}", ["a"]),
        # the list says what is served, not what was verified
        ([known("a")], f"listed=a {ONE}", ["a"]),
        ([known("a"), known("b/c", TWO)], f"present=a {ONE}\npresent=b/c {ONE}", ["b/c"]),
        ([LOOKED_UP], "", ["codex/new.tgz"]),
        ([LOOKED_UP], f"sha512=codex/new.tgz {LONG}\npresent=codex/new.tgz {TWO}", []),
        ([LOOKED_UP], f"sha512=codex/new.tgz {WRONG}\npresent=codex/new.tgz {TWO}", ["codex/new.tgz"]),
        ([LOOKED_UP], f"present=codex/new.tgz {TWO}", ["codex/new.tgz"]),
        ([LOOKED_UP], f"sha512=codex/new.tgz {LONG}", ["codex/new.tgz"]),
        # a digest of another algorithm has another length
        ([known("a")], f"sha512=a {LONG}", ["a"]),
        ([known("a")], f"present=a {ONE}{ONE}", ["a"]),
    ],
)
def test_missing(artifacts: list[dict[str, Any]], probed: str, missing: list[str]) -> None:
    assert [artifact["path"] for artifact in mirror_plan(artifacts, probed)["missing"]] == missing


def test_arguments_of_the_probe() -> None:
    assert mirror_plan([known("a"), LOOKED_UP])["arguments"] == ["a", "sha512:codex/new.tgz"]


@pytest.mark.parametrize("path", ["/etc/passwd", "../a", "a/../b", ".a", "a b", "a//b", "-a", "a/", ""])
def test_other_paths_than_the_lookups_are_ignored(path: str) -> None:
    """Other users may have written the list, and what it lists may be removed."""
    assert mirror_plan([], f"listed={path} {ONE}", prune=True)["stale"] == []


def test_stale_files_are_removed_on_request() -> None:
    probed = f"listed=a {ONE}\nlisted=b {TWO}\nunlisted line\n"
    assert mirror_plan([known("a")], probed)["stale"] == []
    plan = mirror_plan([known("a")], probed, prune=True)
    assert plan["stale"] == ["b"] and plan["listed"] == {"a": ONE, "b": TWO}


@pytest.mark.parametrize(
    ("artifacts", "probed", "options", "wanted"),
    [
        ([], "", {}, {}),
        ([known("a")], f"present=a {ONE}", {}, {"a": ONE}),
        # it was not stored
        ([known("a")], "", {}, {}),
        ([known("a")], "", {"stored": ["a"]}, {"a": ONE}),
        # in check mode, as it would be
        ([known("a")], "", {"planned": True}, {"a": ONE}),
        # one that failed to download keeps its old digest
        ([known("a")], f"listed=a {OTHER}\npresent=a {OTHER}", {}, {"a": OTHER}),
        ([known("a")], f"listed=a {OTHER}\npresent=a {OTHER}", {"stored": ["a"]}, {"a": ONE}),
        ([known("a")], f"listed=b {TWO}\npresent=a {ONE}", {}, {"a": ONE, "b": TWO}),
        ([known("a")], f"listed=b {TWO}\npresent=a {ONE}", {"prune": True}, {"a": ONE}),
        # its SHA-256 digest is known once it is there
        ([LOOKED_UP], "", {"stored": ["codex/new.tgz"]}, {}),
        ([LOOKED_UP], f"sha512=codex/new.tgz {LONG}\npresent=codex/new.tgz {TWO}", {}, {"codex/new.tgz": TWO}),
        ([known("b"), known("C"), known("a")], "", {"planned": True}, {"a": ONE, "b": ONE, "C": ONE}),
    ],
)
def test_list(artifacts: list[dict[str, Any]], probed: str, options: dict[str, Any], wanted: dict[str, str]) -> None:
    assert mirror_plan(artifacts, probed, **options)["sums"] == "".join(f"{digest}  {path}\n" for path, digest in wanted.items())


@pytest.mark.parametrize("artifacts", ["a", {"path": "a"}])
def test_anything_but_a_list_is_an_error(artifacts: Any) -> None:
    with pytest.raises(AnsibleFilterError, match="not a list of artifacts"):
        mirror_plan(artifacts)
