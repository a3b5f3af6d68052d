# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The traps of an action plugin that answers from a shell probe, each in a real run.

The subject is ``codex_release`` with ``state: absent``: a cache that holds a release is cold (one module has to be
shipped to remove it), an empty one is warm (nothing may be shipped). ``trust`` has no probe: it is always shipped.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from containers.playbook_runner import Controller, Run, has_collection

RELEASE = "optio.codex.codex_release"
VERSION = "0.169.0"
SSH: dict[str, Any] = {}
WITHOUT_PIPELINING: dict[str, Any] = {"ansible_pipelining": False}
ROOT: dict[str, Any] = {"ansible_become": True}
NOBODY: dict[str, Any] = {"ansible_become": True, "ansible_become_user": "nobody"}

Shell = Callable[[str, str], str]
Cold = Callable[..., str]


@pytest.fixture
def cold(shell: Shell, numbers: Iterator[int]) -> Cold:
    """Make a cache that holds a release on a worker; return its path."""

    def make(worker: str = "ready", owner: str = "agent") -> str:
        cache = f"/srv/traps/{next(numbers)}"
        trees = " ".join(f"{cache}/releases/{VERSION}-{machine}-unknown-linux-musl" for machine in ("x86_64", "aarch64"))
        shell(worker, f"mkdir -p {trees}; chown -R {owner} {cache}")
        return cache

    return make


def release(cache: str | None, **keywords: Any) -> dict[str, Any]:
    """Return a task that wants no release in a cache (the default one for None)."""
    options = {"state": "absent", "version": VERSION, **({"cache_dir": cache} if cache else {})}
    return {"name": "release", RELEASE: options, **keywords}


def four_ways(cache: str) -> list[dict[str, Any]]:
    """Return the tasks: check, do, check again, do again."""
    check = {"check_mode": True, "diff": True}
    return [release(cache, **check), release(cache, diff=True), release(cache, **check), release(cache)]


def assert_four_ways(run: Run, cache: str) -> None:
    """Only the second task ships, and the first predicted it to the letter."""
    predicted, done, *again = run.results
    assert predicted["actions"] == done["actions"] != []
    assert predicted["diff"] == done["diff"]
    assert predicted["invocation"] == done["invocation"]
    assert sorted(set(predicted) ^ set(done)) == []
    assert [result["changed"] for result in run.results] == [True, True, False, False]
    assert [result["actions"] for result in again] == [[], []]
    assert {result["cache_dir"] for result in run.results} == {cache}
    assert run.shipped == ["codex_release"]


# ---- connections ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("variables", "owner"),
    [
        (SSH, "agent"),
        (WITHOUT_PIPELINING, "agent"),
        (ROOT, "root"),
        ({**ROOT, **WITHOUT_PIPELINING}, "root"),
        (NOBODY, "nobody"),
    ],
    ids=["ssh", "ssh without pipelining", "sudo", "sudo without pipelining", "to nobody"],
)
def test_over_ssh(controller: Controller, cold: Cold, variables: dict[str, Any], owner: str) -> None:
    cache = cold(owner=owner)
    assert_four_ways(controller.play(four_ways(cache), vars=variables), cache)


def test_on_this_machine(controller: Controller, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    for machine in ("x86_64", "aarch64"):
        (cache / "releases" / f"{VERSION}-{machine}-unknown-linux-musl").mkdir(parents=True)
    variables = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    assert_four_ways(controller.play(four_ways(str(cache)), hosts="localhost", vars=variables), str(cache))


@pytest.mark.parametrize("plugin", ["podman_exec", "containers.podman.podman"])
def test_into_a_container(controller: Controller, cold: Cold, plugin: str) -> None:
    if "." in plugin and not has_collection("containers.podman"):
        pytest.skip("the collection containers.podman, which has the podman connection, is not installed")
    cache = cold()
    # podman_exec knows no user, and a directory that root made in a home would be in the way of its owner
    variables = {"ansible_connection": plugin, "ansible_host": "{{ optio_container }}", "ansible_user": "root"}
    assert_four_ways(controller.play(four_ways(cache), vars=variables), cache)


@pytest.mark.parametrize("variables", [SSH, WITHOUT_PIPELINING], ids=["ssh", "ssh without pipelining"])
def test_a_login_shell_that_talks(controller: Controller, shell: Shell, variables: dict[str, Any]) -> None:
    shell("ready", "cp -p ~agent/.bashrc /srv/bashrc; sed -i '1i echo welcome; echo warning >&2' ~agent/.bashrc")
    try:
        run = controller.play([release("/srv/none")], vars=variables)
    finally:
        shell("ready", "cp -p /srv/bashrc ~agent/.bashrc")
    assert run.results[0]["changed"] is False
    assert run.shipped == []
    assert "welcome" in run.output


def test_a_worker_that_is_away_is_unreachable(controller: Controller) -> None:
    run = controller.play([release("/srv/none")], vars={"ansible_port": 1})
    assert [record.status for record in run.records] == ["unreachable"]


def test_become_nobody_without_pipelining_a_warm_run_works(controller: Controller) -> None:
    run = controller.play([release("/srv/none")], vars={**NOBODY, **WITHOUT_PIPELINING})
    assert [result["changed"] for result in run.results] == [False]
    assert run.shipped == []


def test_become_nobody_without_pipelining_a_cold_run_fails_as_ansible_does(controller: Controller, cold: Cold, shell: Shell) -> None:
    cache = cold(owner="nobody")
    run = controller.play([release(cache)], vars={**NOBODY, **WITHOUT_PIPELINING})
    assert "Failed to set permissions on the temporary files Ansible needs to create" in run.failure["msg"]
    assert f"{VERSION}-x86_64-unknown-linux-musl" in shell("ready", f"ls {cache}/releases")


# ---- task keywords -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("variables", [SSH, WITHOUT_PIPELINING], ids=["stdin", "argument"])
def test_environment(controller: Controller, cold: Cold, variables: dict[str, Any]) -> None:
    cache = cold()
    warm = "/srv/it's none"
    run = controller.play(
        [
            release(None, environment={"OPTIO_CODEX_CACHE_DIR": "{{ place }}", "TOKEN": "hunter2"}),
            release(None, environment={"OPTIO_CODEX_CACHE_DIR": cache}),
        ],
        vars={**variables, "place": warm},
    )
    assert [(result["cache_dir"], result["changed"]) for result in run.results] == [(warm, False), (cache, True)]
    assert run.shipped == ["codex_release"]
    assert "hunter2" not in run.output


def test_the_whole_run_in_check_mode(controller: Controller, cold: Cold, shell: Shell) -> None:
    cache = cold()
    run = controller.play([release(cache)], options=["--check", "--diff"])
    assert run.results[0]["changed"] is True
    assert f"-{cache}/releases/{VERSION}" in run.output.replace("\\n", "\n")
    assert run.shipped == []
    assert VERSION in shell("ready", f"ls {cache}/releases")


def test_asynchronous_tasks_that_are_waited_for(controller: Controller, cold: Cold) -> None:
    cache, keywords = cold(), {"async": 60, "poll": 1}
    run = controller.play([release(cache, check_mode=True, **keywords), release(cache, **keywords)])
    predicted, done = run.results
    assert predicted["changed"] is done["changed"] is True
    assert predicted["actions"] == done["actions"] != []
    assert predicted["ansible_job_id"] != done["ansible_job_id"]


def test_a_warm_asynchronous_task_that_is_asked_for_later(controller: Controller) -> None:
    status = {
        "ansible.builtin.async_status": {"jid": "{{ job.ansible_job_id }}"},
        "register": "done",
        "until": "done is finished",
        "retries": 60,
        "delay": 1,
    }
    run = controller.play([release("/srv/none", **{"async": 60, "poll": 0, "register": "job"}), status])
    assert (run.results[-1]["changed"], run.results[-1]["actions"]) == (False, [])


@pytest.mark.parametrize("variables", [SSH, WITHOUT_PIPELINING], ids=["stdin", "argument"])
def test_secrets(controller: Controller, cold: Cold, variables: dict[str, Any]) -> None:
    secret = {"url_username": "u", "url_password": "hunter2", "headers": {"Authorization": "swordfish"}}
    tasks = [release("/srv/none"), release(cold()), release("/srv/none", no_log=True)]
    for task in tasks:
        task[RELEASE].update(secret)
    run = controller.play(tasks, vars=variables)
    warm, shipped, censored = run.results
    for result in (warm, shipped):
        shown = result["invocation"]["module_args"]
        assert shown["url_password"] in ("VALUE_SPECIFIED_IN_NO_LOG_PARAMETER", "********")
        assert shown["headers"] == {"Authorization": "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"}
    assert "censored" in censored
    assert "path" not in censored
    assert "hunter2" not in run.output
    assert "swordfish" not in run.output


def test_a_loop(controller: Controller, cold: Cold) -> None:
    caches = [cold(), "/srv/none", cold()]
    run = controller.play([release("{{ item }}", loop=caches)])
    assert [item["changed"] for item in run.results[0]["results"]] == [True, False, True]
    assert [item["cache_dir"] for item in run.results[0]["results"]] == caches
    assert run.shipped == ["codex_release"] * 2


def test_a_delegated_task(controller: Controller, cold: Cold) -> None:
    tasks = [release(None, delegate_to="ready"), release(cold(), delegate_to="ready")]
    run = controller.play(tasks, hosts="localhost")
    warm, done = run.results
    assert warm["cache_dir"] == "/home/agent/.cache/optio-codex/bin"
    assert done["changed"] is True
    assert run.shipped == ["codex_release"]


def test_module_defaults(controller: Controller, cold: Cold) -> None:
    cache = cold()
    module_defaults = {
        "group/optio.codex.release": {"state": "absent", "cache_dir": cache},
        "optio.codex.ttyd_release": {"version": "1.7.7"},
    }
    tasks: list[dict[str, Any]] = [{RELEASE: {"version": VERSION}}, {"optio.codex.ttyd_release": {}}]
    run = controller.play(tasks, module_defaults=module_defaults)
    said = [(result["cache_dir"], result["version"], result["changed"]) for result in run.results]
    assert said == [(cache, VERSION, True), (cache, "1.7.7", False)]
    assert run.shipped == ["codex_release"]


def test_ad_hoc(controller: Controller, cold: Cold) -> None:
    options = {"state": "absent", "cache_dir": cold(), "version": VERSION}
    for flags, changed, shipped in ((["--check"], True, []), ([], True, ["codex_release"])):
        run = controller.ad_hoc(RELEASE, options, *flags)
        assert (run.results[0]["changed"], run.shipped) == (changed, shipped)


def test_errors_come_from_the_module(controller: Controller) -> None:
    wrong = {
        "is in another user's home": {"cache_dir": "~daemon/x", "state": "absent"},
        "Unsupported parameters for (optio.codex.codex_release) module: stat": {"stat": "absent"},
        "value of state must be one of: present, absent": {"state": "gone"},
    }
    run = controller.play([{RELEASE: options, "ignore_errors": True} for options in wrong.values()])
    assert [record.status for record in run.records] == ["failed"] * 3
    for record, told in zip(run.records, wrong, strict=True):
        assert told in record.result["msg"]
    assert run.shipped == ["codex_release"] * 3


# ---- other engines, bare workers -----------------------------------------------------------------------------------


def test_mitogen(controller: Controller, cold: Cold) -> None:
    spec = importlib.util.find_spec("ansible_mitogen.plugins.strategy")
    assert spec and spec.submodule_search_locations, "mitogen is one of the tools that the tests are set up with"
    cache = cold()
    strategies = {"ANSIBLE_STRATEGY_PLUGINS": str(spec.submodule_search_locations[0])}
    run = controller.play(four_ways(cache), environment=strategies, strategy="mitogen_linear")
    assert [result["changed"] for result in run.results] == [True, True, False, False]
    # mitogen sends modules in its own way and reports none; the action base says what it ships
    assert run.shipped == []
    assert run.output.count("codex_release: shipped") == 1


def test_a_worker_without_python(controller: Controller, cold: Cold, shell: Shell) -> None:
    cache = cold("nopython")
    warm, predicted = controller.play([release("/srv/none"), release(cache, check_mode=True)], hosts="nopython").results
    assert (warm["changed"], predicted["changed"]) == (False, True)
    for variables in (SSH, {"ansible_python_interpreter": "auto_silent", **WITHOUT_PIPELINING}):
        run = controller.play([release(cache)], hosts="nopython", vars=variables)
        assert run.failure["msg"].startswith("python: the worker has no Python interpreter that Ansible can use.")
    assert VERSION in shell("nopython", f"ls {cache}/releases")


@pytest.mark.parametrize("variables", [SSH, {**ROOT, **WITHOUT_PIPELINING}], ids=["stdin", "file"])
def test_a_module_without_a_probe(controller: Controller, shell: Shell, numbers: Iterator[int], variables: dict[str, Any]) -> None:
    place = f"/home/agent/trap {next(numbers)}"
    shell("ready", f"mkdir '{place}'; chown agent '{place}'")
    options = {"path": place, "config_file": f"{place}/.codex/config.toml", "user": "agent"}
    tasks: list[dict[str, Any]] = [
        {"optio.codex.trust": options, **keywords} for keywords in ({"check_mode": True, "diff": True}, {"diff": True}, {})
    ]
    run = controller.play(tasks, vars=variables)
    predicted, done, again = run.results
    assert predicted == done
    assert done["diff"]["after"] == f'{place}/.codex/config.toml: projects."{place}".trust_level = "trusted"\n'
    assert (done["changed"], again["changed"]) == (True, False)
    assert run.shipped == ["trust"] * 3
    assert shell("ready", f"stat -c '%U %a' '{place}/.codex/config.toml'") == "agent 600\n"


def test_the_ratchet_a_warm_run_ships_nothing(controller: Controller) -> None:
    place = "/srv/none"
    run = controller.play(
        [
            release(place),
            {"optio.codex.ttyd_release": {"state": "absent", "cache_dir": place}},
            {"optio.codex.session": {"name": "none", "state": "absent"}},
            {"optio.codex.session_info": {}},
        ]
    )
    assert [result["changed"] for result in run.results] == [False] * 4
    assert run.shipped == []
    assert json.dumps(run.output).count("optio-probe-begin") >= 4
