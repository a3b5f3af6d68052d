# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the action of ``codex_release`` looks up before the module is shipped, for several workers of one run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible import constants

from ansible_collections.optio.codex.plugins.action.codex_release import ActionModule
from ansible_collections.optio.codex.plugins.module_utils._release.catalog import CODEX, Release
from ansible_collections.optio.codex.plugins.module_utils._release.looked_up import VERIFIED_BY_VARIABLE
from ansible_collections.optio.codex.plugins.module_utils._release.module import ReleaseResource
from ansible_collections.optio.codex.plugins.plugin_utils import _npm_keys
from ansible_collections.optio.codex.tests.unit.support.action_runner import HOST, Connection, action_arguments
from ansible_collections.optio.codex.tests.unit.support.npm_registry import METADATA_PATH, Registry, archive_of, archive_path, sha512_of
from ansible_collections.optio.codex.tests.unit.support.release_builders import TARGET, Answer, Server, serving

VERSION = "0.199.0"


class Action(ActionModule):
    """Notes what would be shipped; ``answer`` is the module's."""

    answer: dict[str, Any]

    def _execute_module(self, **shipped: Any) -> dict[str, Any]:
        self.shipped = {**shipped["module_args"], "check_mode": self._task.check_mode, "environment": list(self._task.environment or ())}
        return dict(self.answer)


@pytest.fixture(autouse=True)
def controller(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "DEFAULT_LOCAL_TMP", str(tmp_path / "run"))
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    with serving() as server:
        made = Registry(server)
        made.add(VERSION)
        monkeypatch.setattr(_npm_keys, "KEYS", made.known_key())
        yield made


def run(registry: Registry | str, tmp_path: Path, check_mode: bool = False, answer: dict[str, Any] | None = None, **args: Any) -> Any:
    """Run the task for one more worker; return the action and its result."""
    url = registry if isinstance(registry, str) else registry.server.url
    given = {"version": VERSION, "npm_registry": url, "sources": ["npm"], "cache_dir": str(tmp_path / "cache"), "timeout": 5, **args}
    action = Action(
        **action_arguments(Connection(True), args=given, action="optio.codex.codex_release", check_mode=check_mode, no_log=False)
    )
    action.answer = answer or {"changed": True}
    action.shipped = {}
    return action, action.run(task_vars=dict(HOST))


def test_all_workers_get_the_same_digest(registry: Registry, tmp_path: Path) -> None:
    """Also from a mirror, and after the registry has changed."""
    for sources in (["npm"], ["https://mirror.example.com/codex"]):
        action, _result = run(registry, tmp_path, sources=sources)
        assert action.shipped["checksum"] == sha512_of(archive_of(VERSION))
        assert action.shipped["environment"] == [{VERIFIED_BY_VARIABLE: "signature"}]
        assert not action._task.environment
        registry.add(VERSION, b"other bytes")
    assert registry.requests() == [METADATA_PATH]


def test_latest_is_an_exact_version_for_the_module(registry: Registry, tmp_path: Path) -> None:
    for _worker in range(2):
        action, _result = run(registry, tmp_path, version="latest")
        assert (action.shipped["version"], action.shipped["checksum"]) == (VERSION, sha512_of(archive_of(VERSION)))
        registry.add("0.172.0")
    assert registry.requests() == [METADATA_PATH]


@pytest.mark.parametrize(("version", "requests"), [(VERSION, 0), ("latest", 1), (VERSION.rpartition(".")[0], 1)])
def test_check_mode_ships_nothing(registry: Registry, tmp_path: Path, version: str, requests: int) -> None:
    action, result = run(registry, tmp_path, True, version=version)
    assert (action.shipped, result["version"], result["verified_by"]) == ({}, VERSION, "unknown")
    assert len(registry.requests()) == requests


@pytest.mark.parametrize(
    "args",
    [{"version": "0.142.5"}, {"checksum": "sha256:" + "a" * 64}, {"archive": "package", "sources": ["npm"]}, {"state": "absent"}],
)
def test_what_needs_no_registry_asks_none(registry: Registry, tmp_path: Path, args: dict[str, Any]) -> None:
    action, _result = run(registry, tmp_path, **args)
    assert action.shipped.get("checksum") == args.get("checksum") and registry.requests() == []


@pytest.fixture
def github(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """Serve GitHub's list of the releases of codex."""
    with serving() as server:
        monkeypatch.setattr(Action, "resource", ReleaseResource(replace(CODEX, upstream_api=f"{server.url}/releases")))
        yield server


@pytest.mark.parametrize("archive", ["npm", "package"])
def test_upstream_states_the_digests_of_its_assets(github: Server, tmp_path: Path, archive: str) -> None:
    """As for a controller without an npm registry, or for an archive that npm does not have."""
    name = Release(CODEX, VERSION, TARGET).file_name(archive)
    assets = [{"name": "other", "digest": "sha256:x"}, {"name": name, "digest": f"sha256:{'b' * 64}"}]
    github.answers["/releases/latest"] = Answer(json.dumps({"tag_name": f"rust-v{VERSION}"}).encode())
    github.answers[f"/releases/tags/rust-v{VERSION}"] = Answer(json.dumps({"assets": assets}).encode())
    for _worker in range(2):
        action, _result = run("http://127.0.0.1:1", tmp_path, version="latest", archive=archive, sources=["host", "upstream"])
        assert (action.shipped["version"], action.shipped["checksum"]) == (VERSION, f"sha256:{'b' * 64}")
        assert action.shipped["environment"] == [{VERIFIED_BY_VARIABLE: "integrity"}]
    assert len(github.seen) == 2
    action, result = run("http://127.0.0.1:1", tmp_path, archive=archive, sources=["upstream"], require_verified_by="signature")
    assert result["failed"] and "and require_verified_by is signature" in result["msg"] and action.shipped == {}


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        (Answer(b"{}"), "states no SHA-256 of codex-npm-linux-"),
        (Answer(b"[]"), "states no SHA-256 of codex-npm-linux-"),
        (Answer(b'{"assets": [1, {"name": 2}]}'), "states no SHA-256 of codex-npm-linux-"),
        (Answer(b"no", 403), "answers HTTP 403"),
        (Answer(status=302, headers={"Location": "http://localhost:1/"}), "redirects to another host"),
    ],
)
def test_upstream_states_nothing(github: Server, tmp_path: Path, answer: Answer, cause: str) -> None:
    github.answers[f"/releases/tags/rust-v{VERSION}"] = answer
    failed = {"failed": True, "msg": "no source could serve it."}
    _action, result = run("http://127.0.0.1:1", tmp_path, sources=["upstream"], answer=failed)
    assert cause in result["msg"] and "http://127.0.0.1:1/" in result["msg"]


def test_a_series_of_upstream(github: Server, tmp_path: Path) -> None:
    tags = ["rust-v0.171.10", "rust-v0.172.0-alpha.1", "rust-v0.171.9", "v0.171.11", "rust-v0.170.3", 5]
    github.answers["/releases?per_page=100"] = Answer(json.dumps([{"tag_name": tag} for tag in tags]).encode())
    _action, result = run("http://127.0.0.1:1", tmp_path, True, version="0.171", sources=["upstream"])
    assert result["version"] == "0.171.10"
    action, result = run("http://127.0.0.1:1", tmp_path, version="0.9", sources=["upstream"], answer={"failed": True, "msg": "no."})
    assert result["failed"] and "has no 0.9 version of codex" in result["msg"] and action.shipped["check_mode"]


def test_a_wrong_signature_fails_and_ships_nothing(registry: Registry, tmp_path: Path) -> None:
    for row in registry.versions.values():
        row["dist"]["signatures"] = registry.sign("another message")
    registry.publish()
    action, result = run(registry, tmp_path)
    assert result["failed"] and "is not valid: it is not that of key" in result["msg"] and action.shipped == {}
    assert result["object"].startswith(f"codex {VERSION} for ")


def test_without_a_way_out_the_module_looks_it_up(tmp_path: Path) -> None:
    action, result = run("http://127.0.0.1:1", tmp_path)
    assert "checksum" not in action.shipped and action.shipped["environment"] == [] and "msg" not in result
    failed = {"failed": True, "msg": "no source could serve it."}
    _action, result = run("http://127.0.0.1:1", tmp_path, answer=failed)
    assert result["msg"].startswith("no source could serve it. The controller could not look it up: http://127.0.0.1:1/")


def test_one_worker_finds_latest_for_all(tmp_path: Path) -> None:
    action, _result = run("http://127.0.0.1:1", tmp_path, version="latest", answer={"version": "0.169.0"})
    assert (action.shipped["version"], action.shipped["check_mode"]) == ("0.169.0", False)
    action, _result = run("http://127.0.0.1:1", tmp_path, version="latest", answer={"version": "0.142.5"})
    assert action.shipped["version"] == "0.169.0"


def test_latest_is_not_found(tmp_path: Path) -> None:
    action, result = run("http://127.0.0.1:1", tmp_path, version="latest", answer={"failed": True, "msg": "no way out."})
    assert action.shipped["check_mode"] is True
    assert result["failed"] and result["msg"].startswith("no way out. Set an exact version. The controller could not look it up: ")


@pytest.mark.parametrize(
    ("args", "cause"),
    [
        ({"offline": True}, "offline is set"),
        ({"checksum": "sha256:" + "a" * 64}, "checksum is set"),
        ({"state": "absent"}, "absent is set"),
    ],
)
def test_what_latest_cannot_be_combined_with(registry: Registry, tmp_path: Path, args: dict[str, Any], cause: str) -> None:
    action, result = run(registry, tmp_path, version="latest", **args)
    assert result["failed"] and cause in result["msg"]
    assert (action.shipped, registry.requests()) == ({}, [])


def test_a_real_run_asks_once_for_all_batches(registry: Registry, tmp_path: Path) -> None:
    """Three hosts, one after the other, in processes of their own; the registry goes back to an older version after the first."""
    registry.add("0.170.0")
    older = registry.server.answers[METADATA_PATH]
    registry.add(VERSION)
    registry.server.answers[METADATA_PATH] = Answer(older.body, first=registry.server.answers[METADATA_PATH])
    options = {"version": "latest", "npm_registry": registry.server.url, "sources": ["npm"]}
    task = {"optio.codex.codex_release": {**options, "cache_dir": f"{tmp_path}/{{{{ inventory_hostname }}}}"}}
    play = {"hosts": "all", "gather_facts": False, "serial": 1, "tasks": [task]}
    (tmp_path / "play.yml").write_text(json.dumps([play]))
    hosts = {name: {"ansible_connection": "local", "ansible_python_interpreter": sys.executable} for name in "abc"}
    (tmp_path / "hosts.yml").write_text(json.dumps({"all": {"hosts": hosts}}))
    argv = [sys.executable, "-m", "ansible", "playbook", "-i", str(tmp_path / "hosts.yml"), str(tmp_path / "play.yml")]
    environment = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(Path(sys.modules[ActionModule.__module__].__file__ or "").parents[5])}
    done = subprocess.run(argv, capture_output=True, text=True, timeout=300, check=False, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert {os.readlink(tmp_path / host / "codex").split("-")[0] for host in hosts} == {f"releases/{VERSION}"}
    assert registry.requests() == [METADATA_PATH, *[archive_path(VERSION)] * 3]
    assert "verified_by integrity\n" in next((tmp_path / "c/releases").glob("*.manifest")).read_text()
