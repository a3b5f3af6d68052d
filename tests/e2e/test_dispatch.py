# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A list of sessions over the workers: each is launched once, stays on its worker, and is reached by its name alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from containers.playbook_runner import Run
from e2e.sessions import SYSTEMD, USER, WITHOUT, WORKERS, Result, Workers

pytestmark = pytest.mark.battery

LEDGER = "/root/.local/share/optio-codex/dispatch/default.json"
NAMES = [f"dispatched-{number}" for number in range(1, 5)]


def variables(workers: Workers, names: Sequence[str]) -> dict[str, Any]:
    """Return the variables of a dispatch; what is free on the machine of the tests is not of interest."""
    return {
        "codex_user": USER,
        "codex_session_config": workers.provider(),
        "codex_session_ready_timeout": 120,
        "codex_dispatch_memory_mib": 0,
        "codex_dispatch_disk_mib": 0,
        "codex_dispatch_sessions": [{"name": name, "prompt": f"This is {name}"} for name in names],
    }


def dispatch(workers: Workers, names: Sequence[str], *options: str, home: Path | None = None, **more: Any) -> Run:
    """Dispatch by a playbook run; ``home`` is the directory of another user of Ansible."""
    environment = {"ANSIBLE_HOME": str(home)} if home else {}
    return workers.controller.playbook("dispatch", {**variables(workers, names), **more}, *options, environment=environment)


def placed(run: Run) -> dict[str, tuple[str, str]]:
    """Return the worker and the state of each session as they were assigned."""
    [assigned] = [record.result for record in run.records if record.task.endswith("Assign the sessions to workers")]
    return {one["name"]: (one["worker"], one["state"]) for one in assigned["sessions"]}


def table(run: Run) -> str:
    [shown] = [record.result for record in run.records if record.task.endswith("Show the dispatched sessions")]
    return "\n".join(line["text"] for line in shown["lines"])


def turns(workers: Workers, name: str) -> dict[str, int]:
    """Return the turns of a session on each worker that has it; a prompt that was given twice is two."""
    run = workers.play({"optio.codex.session_info": {"name": name, "user": USER}})
    return {record.host: entry["turns"] for record in run.records for entry in record.result["sessions"]}


@pytest.fixture
def unreachable(workers: Workers, tmp_path: Path) -> Iterator[Any]:
    """Return a function that returns the workers with one that cannot be reached."""

    def without(worker: str) -> Workers:
        inventory = yaml.safe_load(workers.controller.inventory.read_text("utf-8"))
        inventory["all"]["children"]["codex_workers"]["hosts"][worker]["ansible_port"] = 1
        path = tmp_path / f"without-{worker}.yml"
        path.write_text(yaml.safe_dump(inventory, sort_keys=False), encoding="utf-8")
        return replace(workers, controller=replace(workers.controller, inventory=path))

    yield without


def test_a_list_of_sessions(workers: Workers, tmp_path: Path, unreachable: Any) -> None:
    """Predicted, launched, launched again, by two controllers at once, with a worker that is gone, and after a removal."""
    predicted = dispatch(workers, NAMES, "--check", "--diff")
    assert set(placed(predicted).values()) == {(SYSTEMD, "assigned"), (WITHOUT, "assigned")}
    assert "4 sessions: 4 planned." in table(predicted) and workers.read(SYSTEMD, LEDGER) is None

    first = dispatch(workers, NAMES)
    where = {name: worker for name, (worker, _state) in placed(first).items()}
    assert sorted(where.values()) == sorted([*WORKERS, *WORKERS]) and "4 sessions: 4 new." in table(first)
    # one look at each worker, and one launch
    once = [f"{task} {worker}" for task in ("Inspect the worker", "Manage the sessions") for worker in WORKERS]
    counted = [f"{record.task.rpartition(' : ')[2]} {record.host}" for record in first.records]
    assert [counted.count(one) for one in once] == [1] * len(once), counted
    for name in NAMES:
        workers.until(name, lambda entry: entry["activity"] == "idle", "idle", where[name])
        assert turns(workers, name) == {where[name]: 1}

    again = dispatch(workers, NAMES)
    assert not any(result.get("changed") for result in again.results) and again.shipped == []
    assert "4 sessions: 4 launched." in table(again)

    _two_at_once(workers, tmp_path)
    _without_a_worker(workers, unreachable)
    _after_a_removal(workers, where)
    _another_list(workers)


def _two_at_once(workers: Workers, tmp_path: Path) -> None:
    """One new session, by two controllers."""
    names = [*NAMES, "dispatched-both"]
    other = replace(workers, controller=replace(workers.controller, scratch=tmp_path))
    with ThreadPoolExecutor(2) as pool:
        runs = list(pool.map(lambda one: dispatch(one, names, home=tmp_path / "home" if one is other else None), (workers, other)))
    assert all(run.results for run in runs)
    # the run that assigns it, or both, if the other one began later
    [chosen] = {placed(run)["dispatched-both"][0] for run in runs}
    workers.until("dispatched-both", lambda entry: entry["activity"] == "idle", "idle", chosen)
    assert turns(workers, "dispatched-both") == {chosen: 1}


def _without_a_worker(workers: Workers, unreachable: Any) -> None:
    """The sessions of a worker that is gone stay there, a new one goes to the other; without the ledger nothing is launched."""
    names = [*NAMES, "dispatched-both", "dispatched-late"]
    run = dispatch(unreachable(WITHOUT), names)
    states = placed(run)
    assert run.rc == 4 and states["dispatched-late"] == (SYSTEMD, "assigned")
    assert {state for worker, state in states.values() if worker == WITHOUT} == {"unreachable"}
    assert f"{WITHOUT} was not reached" in table(run)
    lost = dispatch(unreachable(SYSTEMD), [*names, "dispatched-never"])
    assert lost.rc == 2 and "7 sessions: 7 unknown." in table(lost)
    assert f"{SYSTEMD} has the ledger, and was not reached" in table(lost)
    message = lost.failure["msg"]
    assert f"host {SYSTEMD}, which stores the ledger, cannot be reached, so no session was assigned." in message
    assert "dispatched-never" not in str(workers.read(SYSTEMD, LEDGER))


def _after_a_removal(workers: Workers, where: dict[str, str]) -> None:
    """A session is found by its name alone; it is removed, not launched again, and launched again on request."""
    name, kept = NAMES[0], NAMES[1]
    message = {"codex_session_name": f"{name},{kept}", "codex_user": USER, "codex_session_message": "Thank you"}
    sent: list[Result] = [result for result in workers.controller.playbook("message", message).results if result.get("changed")]
    assert sorted(one["name"] for result in sent for one in result["sessions"]) == sorted([name, kept])
    nowhere = workers.controller.playbook("message", {**message, "codex_session_name": f"{kept},dispatched-x"}).failure
    assert nowhere["msg"].startswith(f"session dispatched-x does not exist on {', '.join(WORKERS)}. Set codex_session_name to")

    refused = dispatch(workers, NAMES, codex_dispatch_rerun=name).failure
    assert refused["msg"].startswith(f"rerun contains {name}, but this session is running on {where[name]}.")
    assert workers.controller.playbook("teardown", {"codex_session_name": name, "codex_user": USER}).results
    removed = dispatch(workers, NAMES)
    assert placed(removed)[name] == (where[name], "removed") and "1 removed" in table(removed)
    # an ended session is replaced, too
    assert workers.controller.playbook("stop", {"codex_session_name": kept, "codex_user": USER}).results
    rerun = dispatch(workers, NAMES, codex_dispatch_rerun=[name, kept])
    assert rerun.results and "2 new" in table(rerun)
    for one in (name, kept):
        worker = placed(rerun)[one][0]
        workers.until(one, lambda entry: entry["activity"] == "idle", "idle", worker)
        assert turns(workers, one) == {worker: 1}
    assert sorted(path for path in workers.shell(SYSTEMD, f"cat {LEDGER}").split('"') if path.startswith("dispatched")) == NAMES


def _another_list(workers: Workers) -> None:
    """A session for one of two workers, one that no worker can have, and one whose launch fails."""
    sessions: list[dict[str, Any]] = variables(workers, ["dispatched-one"])["codex_dispatch_sessions"]
    sessions.append({"name": "dispatched-gpu", "prompt": "This is dispatched-gpu", "labels": ["gpu"]})
    given: dict[str, Any] = {"codex_dispatch_name": "other", "codex_dispatch_sessions": sessions}
    run = dispatch(workers, [], **given)
    assert run.results and "2 sessions: 1 new, 1 pending." in table(run) and "no worker has the label gpu" in table(run)
    assert not any(result.get("changed") for result in dispatch(workers, [], **given).results)
    labels: dict[str, Any] = {"codex_dispatch_labels": "{{ ['gpu'] if inventory_hostname == '" + WITHOUT + "' else [] }}"}
    assert "2 sessions: 1 new, 1 launched." in table(dispatch(workers, [], **given, **labels))
    sessions.append({"name": "dispatched-bad", "prompt": "x", "repository": {"url": "file:///nowhere"}})
    failed = dispatch(workers, [], **given)
    assert failed.rc == 2 and "3 sessions: 2 launched, 1 failed." in table(failed)
    assert "repository file:///nowhere cannot be cloned" in table(failed)
