# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The playbooks' second runs change nothing, and send no Python to a worker that is right already."""

from __future__ import annotations

from typing import Any

from containers.playbook_runner import Run
from e2e.sessions import USER, WORKERS, Workers

#: each is run twice, in this order
PLAYBOOKS = ("provision", "launch", "wait", "status", "stop", "resume", "teardown")


def published(run: Run) -> set[str]:
    """Return the workers in the statistics of a run."""
    stats = [record.result["ansible_stats"]["data"]["codex_stats"] for record in run.records if "ansible_stats" in record.result]
    return {worker for one in stats for worker in one["workers"]}


def test_second_run_of_each_playbook_ships_nothing(workers: Workers) -> None:
    """From provisioning to teardown as root for another user, each playbook twice: the first may change, the second only looks."""
    variables: dict[str, Any] = {
        "codex_worker_mirror_url": workers.variables["optio_mirror_url"],
        "codex_worker_ttyd_checksum": workers.variables["optio_ttyd_checksum"],
        "codex_user": USER,
        "codex_session_name": "played",
        "codex_session_config": workers.provider(),
    }
    for name in PLAYBOOKS:
        # a session on record needs no name
        given = {**variables, "codex_session_name": "", "codex_session_all": True} if name == "resume" else variables
        first = workers.controller.playbook(name, given)
        assert first.results
        again = workers.controller.playbook(name, given)
        assert again.results and not any(result.get("changed") for result in again.results), name
        assert again.shipped == [], name
        if name == "launch":
            # the same session on every worker is rarely what someone wants
            shown = [line["text"] for record in first.records for line in record.result.get("lines") or ()]
            assert any("are separate sessions with the same task. To launch a session on one worker, use --limit" in line for line in shown)
        if name == "status":
            # root sees the sessions of every user, in a table without quotes
            everything = workers.controller.playbook(name, {})
            shown = [line["text"] for line in everything.records[-1].result["lines"]]
            rows = [line.split()[:2] for line in shown]
            assert all([worker, "played"] in rows for worker in WORKERS), shown
            assert "\n".join(shown) in everything.output and everything.shipped == []
        if name == "provision":
            # the variables, and one look with the statistics; everything that changes something is behind one include
            assert len(again.records) == 2 * len(WORKERS), [record.task for record in again.records]
            assert published(first) == published(again) == set(WORKERS)
    for worker in WORKERS:
        assert workers.traces(worker, "played") == []
        assert workers.read(worker, f"/home/{USER}/.local/share/optio-codex/played") is None


def test_packages_that_cannot_be_installed_are_named_with_a_remedy(workers: Workers) -> None:
    """What the package manager says, and a worker that has none."""
    variables = {"codex_hosts": WORKERS[1], "codex_worker_packages": {"bwrap": "no-such-package"}}
    told = [record.result for record in workers.controller.playbook("provision", variables).records if record.status == "failed"][-1]
    assert told["msg"].startswith("packages no-such-package were not installed by apt: No package matching"), told
    assert told["msg"].endswith("Fix the error, or install them by other means.")

    def refused(manager: str | None, **tools: str | None) -> str:
        role = {"name": "optio.codex.codex_worker", "tasks_from": "packages.yml"}
        info = {"platform": {"package_manager": manager, "node": "odd"}, "user": "root", "privileged": True, "tools": tools}
        given = {"codex_worker_info": info, "ansible_package_use": manager}
        validated = {"optio.codex.role_options": {"role": "codex_worker"}, "register": "codex_worker__validated"}
        run = workers.play(validated, {"ansible.builtin.include_role": role}, hosts=WORKERS[1], vars=given)
        return str([record.result["msg"] for record in run.records if record.status == "failed"][-1])

    none = refused(None, tmux=None, git="/usr/bin/git")
    assert none.startswith("packages tmux are missing, and odd does not have a supported package manager (apt,")
    foreign = refused("zypper", git=None, ca_certificates=None)
    assert foreign.startswith("packages git, ca-certificates-mozilla were not installed by zypper: ")
    assert "Install the collection community.general" in foreign
