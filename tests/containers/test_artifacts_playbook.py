# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lists for a site without a way out, which need no host."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from containers.playbook_runner import Controller, Run
from fleet import dev_cache

from ansible_collections.optio.codex.tests.unit.support.npm_registry import Registry, archive_of, sha512_of
from ansible_collections.optio.codex.tests.unit.support.release_builders import serving

VERSIONS = "0.142.5, 0.169.0"


def changed(run: Run) -> bool:
    return any(result.get("changed") for result in run.results)


def test_the_lists(tmp_path: Path) -> None:
    inventory = tmp_path / "inventory"
    inventory.touch()
    controller, directory = Controller(inventory, tmp_path), tmp_path / "lists"
    ttyd = json.loads((dev_cache() / "artifacts" / "digests.json").read_text(encoding="utf-8"))["ttyd/1.7.7/ttyd.x86_64"]
    variables = {
        **{"codex_artifacts_dir": str(directory), "codex_artifacts_platforms": "x86_64", "codex_artifacts_archives": ""},
        **{"codex_artifacts_codex_versions": VERSIONS, "codex_artifacts_mirror_url": "http://mirror.example"},
        "codex_artifacts_extra": f"{ttyd}  ttyd/1.7.7/ttyd.x86_64",
    }
    assert changed(controller.playbook("artifacts", variables, "--check")) and not directory.exists()
    assert changed(controller.playbook("artifacts", variables))
    assert not changed(controller.playbook("artifacts", variables))
    rows = json.loads((directory / "artifacts.json").read_text(encoding="utf-8"))
    assert [row["version"] for row in rows] == ["0.142.5", "0.169.0", "1.7.7", "6.0.0", "0.11.0"]
    assert (directory / "urls.txt").read_text(encoding="utf-8").splitlines() == [row["url"] for row in rows]
    assert all(row["url"] == f"http://mirror.example/{row['path']}" for row in rows)
    # the paths are those of the mirror that the tests have
    argv, mirror = ["sha256sum", "-c", str(directory / "SHA256SUMS")], dev_cache() / "artifacts" / "mirror"
    done = subprocess.run(argv, cwd=mirror, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == [f"{row['path']}: OK" for row in rows], done.stderr


def test_unset_variables_have_defaults(tmp_path: Path) -> None:
    (tmp_path / "inventory").touch()
    controller = Controller(tmp_path / "inventory", tmp_path)
    variables = {"codex_artifacts_dir": "", "codex_artifacts_tools": "codex,ttyd"}
    assert changed(controller.playbook("artifacts", variables))
    sums = (tmp_path / "codex-artifacts" / "SHA256SUMS").read_text(encoding="utf-8")
    assert len(sums.splitlines()) == 5 and sums.endswith("\n")


def test_versions_that_only_a_registry_knows(tmp_path: Path) -> None:
    """All digests are SHA-512: the other list is empty, and a site without a way out can specify this one."""
    (tmp_path / "inventory").touch()
    controller = Controller(tmp_path / "inventory", tmp_path)
    with serving() as server:
        Registry(server).add("0.999.1")
        given = {
            "codex_versions": "latest",
            "npm_registry": server.url,
            "platforms": "x86_64",
            "tools": "codex",
            "dir": str(tmp_path / "lists"),
        }
        variables = {f"codex_artifacts_{name}": value for name, value in given.items()}
        assert changed(controller.playbook("artifacts", variables))
        assert not changed(controller.playbook("artifacts", variables))
    lists = tmp_path / "lists"
    [row] = json.loads((lists / "artifacts.json").read_text(encoding="utf-8"))
    text = (lists / "SHA512SUMS").read_text(encoding="utf-8")
    assert (row["version"], row["verified_by"], row["checksum"]) == ("0.999.1", "integrity", sha512_of(archive_of("0.999.1")))
    assert text == f"{row['checksum'].removeprefix('sha512:')}  {row['path']}\n"
    assert (lists / "SHA256SUMS").read_text(encoding="utf-8") == ""
    variables |= {
        "codex_artifacts_npm_registry": "http://127.0.0.1:1",
        "codex_artifacts_codex_versions": "0.999.1",
        "codex_artifacts_extra": text,
    }
    assert changed(controller.playbook("artifacts", variables))
    [pinned] = json.loads((lists / "artifacts.json").read_text(encoding="utf-8"))
    assert (pinned["checksum"], pinned["verified_by"]) == (row["checksum"], "checksum")
