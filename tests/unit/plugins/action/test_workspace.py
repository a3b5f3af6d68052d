# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The files of many sessions in one call of the module workspace, on a real file system."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar

from ansible_collections.optio.codex.plugins.action.workspace import ActionModule
from ansible_collections.optio.codex.plugins.module_utils._core.batch_runner import converge_each
from ansible_collections.optio.codex.plugins.module_utils._core.errors import OptioError
from ansible_collections.optio.codex.plugins.module_utils._core.host import LocalHost
from ansible_collections.optio.codex.plugins.module_utils._core.resource import MASK
from ansible_collections.optio.codex.plugins.module_utils._session.workspace_module import RESOURCE
from ansible_collections.optio.codex.tests.unit.support.action_runner import Connection
from ansible_collections.optio.codex.tests.unit.support.session_builders import options


class Worker:
    """A codex, and a directory for the sessions."""

    def __init__(self, base: Path) -> None:
        self.root = base / "root"
        self.codex_dir = base / "bin"
        self.codex_dir.mkdir()
        (self.codex_dir / "codex").write_text("#!/bin/sh\n")
        (self.codex_dir / "codex").chmod(0o755)

    def entries(self, sessions: list[Any], **shared: Any) -> list[Any]:
        params = options(RESOURCE, sessions=sessions, sessions_dir=str(self.root), codex_dir=str(self.codex_dir), **shared)
        return list(RESOURCE.expand_items(params) or [])

    def run(self, sessions: list[Any], *, check: bool = False, **shared: Any) -> dict[str, Any]:
        return converge_each(RESOURCE, self.entries(sessions, **shared), check, True)

    def act(self, connection: Connection, sessions: list[Any], *, check: bool = False) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """Return the result of the action plugin, and the modules that it shipped."""
        loader = DataLoader()
        args = {"sessions": sessions, "sessions_dir": str(self.root), "codex_dir": str(self.codex_dir)}
        action = ActionModule(
            task=SimpleNamespace(async_val=0, check_mode=check, diff=False, environment=None, action="optio.codex.workspace", args=args),
            connection=connection,
            play_context=SimpleNamespace(executable="/bin/sh", remote_user="worker", pipelining=connection.pipelining),
            loader=loader,
            templar=Templar(loader=loader),
            shared_loader_obj=None,
        )
        shipped: list[dict[str, Any]] = []

        def execute(**module: Any) -> dict[str, Any]:
            shipped.append(module)
            return {"shipped": True}

        action._execute_module = execute
        return action.run(task_vars={"inventory_hostname": "worker"}), shipped

    def directories(self) -> list[str]:
        return sorted(path.name for path in self.root.iterdir() if not path.name.startswith("."))


@pytest.fixture
def worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Worker:
    monkeypatch.setenv("HOME", str(tmp_path))
    return Worker(tmp_path)


def test_many_are_prepared_and_removed_in_one_call(worker: Worker) -> None:
    sessions = ["one", {"name": "two", "instructions": "Other work."}]
    preview = worker.run(sessions, check=True, instructions="Work.")
    assert preview["changed"] and not worker.root.exists()
    assert [diff["before_header"] for diff in preview["diff"]] == ["one", "two"]

    made = worker.run(sessions, instructions="Work.")
    assert made["changed"] and "failed" not in made and worker.directories() == ["one", "two"]
    assert [entry["name"] for entry in made["sessions"]] == ["one", "two"]
    texts = [Path(entry["codex_home"], "AGENTS.md").read_text() for entry in made["sessions"]]
    assert texts[0].endswith("\nWork.\n") and texts[1].endswith("\nOther work.\n")

    again = worker.run(sessions, instructions="Work.")
    assert not again["changed"] and [entry["actions"] for entry in again["sessions"]] == [[], []]

    mixed = worker.run([{"name": "one", "state": "absent"}, "two", "three"])
    assert [entry["changed"] for entry in mixed["sessions"]] == [True, False, True]
    assert worker.directories() == ["three", "two"]


def test_a_failure_does_not_affect_the_others(worker: Worker) -> None:
    bad = {"name": "bad", "repository": {"url": str(worker.root / "missing")}}
    done = worker.run(["one", bad, "two"])
    assert done["failed"] and done["changed"] and done["msg"].startswith("1 of 3 sessions failed. ")
    assert [bool(entry.get("failed")) for entry in done["sessions"]] == [False, True, False]
    assert worker.directories() == ["one", "two"]


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"name": "two", "modle": "m"}, "session two has invalid options: modle. Supported parameters include"),
        ({"name": "two", "state": "started"}, "session two has invalid options: value of state must be one of"),
        ({"name": "one"}, "session one is listed more than once"),
        ({"instructions": "Work."}, "session 2 of sessions has no name"),
    ],
)
def test_an_invalid_entry_is_refused_before_anything_changes(worker: Worker, entry: dict[str, Any], message: str) -> None:
    with pytest.raises(OptioError) as refused:
        worker.run(["one", entry])
    assert message in str(refused.value) and not worker.root.exists()


def test_one_probe_observes_many_as_the_probe_of_each(worker: Worker) -> None:
    worker.run(["one"])
    entries = worker.entries(["new", "one"])
    host = LocalHost()
    observed = RESOURCE.parse_probe_many(host.probe(RESOURCE.probe_script_many(entries)), entries)
    assert observed == [RESOURCE.observe(host, entry) for entry in entries]
    assert [view.workspace.task_kind for view in observed] == ["absent", "directory"]


@pytest.mark.parametrize("pipelining", [True, False], ids=["stdin", "argument"])
def test_a_warm_run_is_one_probe_and_ships_nothing(worker: Worker, pipelining: bool) -> None:
    connection = Connection(pipelining)
    preview, shipped = worker.act(connection, ["one", "two"], check=True)
    assert shipped == [] and preview["changed"] and not worker.root.exists()
    _result, shipped = worker.act(connection, ["one", "two"])
    assert [module["module_name"] for module in shipped] == ["optio.codex.workspace"]

    worker.run(["one", "two"])
    connection.commands.clear()
    result, shipped = worker.act(connection, ["one", {"name": "two", "config": {"key": "hunter2"}}, {"name": "gone", "state": "absent"}])
    assert shipped == [] and not result["changed"] and len(connection.commands) == 1
    assert [(entry["name"], entry["actions"]) for entry in result["sessions"]] == [("one", []), ("two", []), ("gone", [])]
    assert "hunter2" not in str(result)


def test_the_config_of_an_entry_is_masked() -> None:
    sessions = ["one", {"name": "two", "config": {"key": "hunter2"}}, {"name": "three", "config": '{"key": "hunter2"}'}]
    shown = RESOURCE.masked({"name": None, "sessions": sessions, "config": {"key": "hunter2"}})
    assert shown["config"] == {"key": MASK}
    assert shown["sessions"] == ["one", {"name": "two", "config": {"key": MASK}}, {"name": "three", "config": MASK}]
