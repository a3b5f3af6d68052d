# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One probe for the worker and for the releases of codex and ttyd: what it says is pending."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.optio.codex.plugins.action.worker_info import ActionModule
from ansible_collections.optio.codex.tests.unit.support.action_runner import HOST, Connection, action_arguments


@pytest.fixture(params=[True, False], ids=["stdin", "argument"])
def connection(request: pytest.FixtureRequest) -> Connection:
    return Connection(request.param)


def look(connection: Connection, tmp_path: Path, **args: Any) -> dict[str, Any]:
    given = {"sessions_dir": str(tmp_path / "sessions"), "check_sandbox": False, **args}
    arguments = action_arguments(connection, args=given, action="optio.codex.worker_info")
    return dict(ActionModule(**arguments).run(task_vars=dict(HOST)))


def program(directory: Path, name: str) -> str:
    """Put an executable for this machine into a directory."""
    directory.mkdir(exist_ok=True)
    shutil.copy("/bin/true", directory / name)
    return str(directory)


def test_sessions_are_omitted_on_request(connection: Connection, tmp_path: Path) -> None:
    record = tmp_path / "sessions/one/session"
    record.parent.mkdir(parents=True)
    record.write_text(f"name=one\ntask={record.parent}\nworkdir={record.parent}/workdir\n")
    found = look(connection, tmp_path)
    without = look(connection, tmp_path, include_sessions=False)
    assert ([session["name"] for session in found["sessions"]], without["sessions"]) == (["one"], [])
    # the free space and memory are of another moment
    other = dict.fromkeys(("sessions", "invocation", "filesystems"))
    for result in (found, without):
        del result["platform"]["memory_available_mib"]
    assert {**found, **other} == {**without, **other}


def test_nothing_is_compared_unless_requested(connection: Connection, tmp_path: Path) -> None:
    result = look(connection, tmp_path)
    assert (result["pending"], result["codex_release"], result["ttyd_release"]) == (None, None, None)


def test_missing_parts_are_pending_in_one_round_trip(connection: Connection, tmp_path: Path) -> None:
    cache = {"cache_dir": str(tmp_path / "cache"), "scope": None, "version": ""}
    result = look(connection, tmp_path, codex_release=cache, ttyd_release=cache)
    assert result["pending"] == ["codex", "ttyd"] and result["codex_release"]["changed"]
    assert len(connection.commands) == 1
    assert not (tmp_path / "cache").exists()


def test_matching_parts_are_not_pending(connection: Connection, tmp_path: Path) -> None:
    right = {"codex_dir": program(tmp_path / "bin", "codex")}
    result = look(connection, tmp_path, codex_release=right, ttyd_release={"cache_dir": str(tmp_path / "cache")})
    assert result["pending"] == ["ttyd"]
    assert result["codex_release"]["path"] == f"{tmp_path}/bin/codex" and not result["codex_release"]["changed"]


@pytest.mark.parametrize(
    ("codex_dir", "publish", "published"),
    [("bin", True, True), ("bin", "yes", True), ("bin", False, False), ("elsewhere", True, False)],
)
def test_versions_are_statistics_if_nothing_is_pending(tmp_path: Path, codex_dir: str, publish: Any, published: bool) -> None:
    program(tmp_path / "bin", "codex")
    right = {"ttyd_dir": program(tmp_path / "bin", "ttyd")}
    result = look(Connection(True), tmp_path, codex_release={"codex_dir": str(tmp_path / codex_dir)}, ttyd_release=right, publish=publish)
    assert ("ansible_stats" in result) == published == (publish is not False and result["pending"] == [])
    if published:
        stats = result["ansible_stats"]
        wanted = {name: result[name] for name in ("codex_release", "ttyd_release", "user")}
        assert stats["data"] == {"codex_stats": {"workers": {HOST["inventory_hostname"]: wanted}}}
        # one dictionary of all workers
        assert stats["aggregate"] and not stats["per_host"]


@pytest.mark.parametrize(
    "wrong",
    [{"codex_dir": "/nonexistent"}, {"version": "not a version"}, {"keep_releases": -1}, {"timeout": "soon"}, {"no_such_option": 1}],
)
def test_refused_values_are_pending(tmp_path: Path, wrong: dict[str, Any]) -> None:
    """The error comes from the module itself, which the role runs for what is pending."""
    result = look(Connection(True), tmp_path, codex_release=wrong, ttyd_release={"ttyd_dir": program(tmp_path / "bin", "ttyd")})
    assert result["pending"] == ["codex"] and result["codex_release"] is None


@pytest.mark.parametrize("answer", [b"", b"optio-probe-begin\n"])
def test_an_answer_that_is_cut_leaves_it_to_the_modules(tmp_path: Path, answer: bytes) -> None:
    """Everything after the worker's own part is missing."""
    end = b"\noptio-probe-end\n"

    def cut(printed: bytes) -> bytes:
        head, mark, _rest = printed.partition(end)
        return head + mark + answer

    result = look(Connection(True, cut), tmp_path, codex_release={}, ttyd_release={})
    assert result["pending"] is None and result["privileged"] in (True, False)


def test_a_digest_is_chosen_by_the_architecture(tmp_path: Path) -> None:
    machine = look(Connection(True), tmp_path)["platform"]["machine"]
    cache = {"cache_dir": str(tmp_path / "cache"), "version": "99.0.0"}
    digests = {machine: f"sha256:{'0' * 64}", "other": "sha256:x"}
    unknown = look(Connection(True), tmp_path, codex_release={**cache, "offline": True})
    known = look(Connection(True), tmp_path, codex_release={**cache, "offline": True, "checksums": digests})
    assert unknown["codex_release"] is None
    assert known["codex_release"]["changed"] and known["codex_release"]["version"] == "99.0.0"
