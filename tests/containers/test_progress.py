# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is said of a long install of a real codex, and what becomes of one that the controller leaves."""

from __future__ import annotations

import importlib.util
import re
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import fleet as fleets
import pytest
import yaml
from containers.playbook_runner import Controller, Run

pytestmark = pytest.mark.battery

RELEASE = "optio.codex.codex_release"
#: the smaller one of the two in the mirror, 109 MB
VERSION = "0.142.5"
#: MB a second: some seconds for the download
RATE = 24
DONE = [".lock", "codex", "releases"]
DEADLINE = 60  # seconds

Shell = Callable[[str, str], str]


def install(cache: str, rate: int = RATE, **keywords: Any) -> dict[str, Any]:
    """Return a task that downloads a codex at a bounded rate, by a URL with a password in it."""
    source = "{{ optio_mirror_url | replace('//', '//user:hunter2@') }}" + f"/fault/rate-{rate}/codex"
    return {"name": "codex", RELEASE: {"version": VERSION, "cache_dir": cache, "sources": [source]}, **keywords}


def said(run: Run) -> list[str]:
    """Return the lines about the progress."""
    return re.findall(rf"^\[.*\] codex {re.escape(VERSION)}: .*$", run.output.replace("\r", ""), re.MULTILINE)


@pytest.fixture
def cache(shell: Shell, numbers: Iterator[int]) -> str:
    """A directory for a cache that is not there yet, in one that everybody may write to."""
    shell("ready", "mkdir -p -m 1777 /srv/progress")
    return f"/srv/progress/{next(numbers)}"


def listing(shell: Shell, path: str) -> list[str]:
    return shell("ready", f"ls -A {path}").split()


def wait_for(shell: Shell, condition: str) -> None:
    """Wait until a shell condition holds on the worker."""
    deadline = time.monotonic() + DEADLINE
    while shell("ready", f"if {condition}; then echo yes; fi") != "yes\n":
        assert time.monotonic() < deadline, f"{condition} does not come true"
        time.sleep(0.1)


@pytest.mark.slow
@pytest.mark.parametrize(
    "variables",
    [
        {},
        pytest.param({"ansible_become": True, "ansible_pipelining": False}, marks=pytest.mark.extended),
        {"ansible_become": True, "ansible_become_user": "nobody"},
    ],
    ids=["ssh", "sudo without pipelining", "to nobody"],
)
def test_on_a_terminal(controller: Controller, shell: Shell, cache: str, variables: Mapping[str, Any]) -> None:
    tasks = [install(cache, rate=9, check_mode=True), install(cache, rate=9), install(cache, rate=9)]
    run = controller.play(tasks, vars=variables, terminal=True)
    predicted, done, again = run.results
    assert [result["changed"] for result in run.results] == [True, True, False]
    assert predicted == {**done, "invocation": predicted["invocation"]}
    assert sorted(set(done) - set(again)) == []
    assert run.shipped == ["codex_release"]
    lines = said(run)
    # the first after two seconds, the second five seconds later, if it takes so long
    assert 1 <= len(lines) <= 8, lines
    # a slow machine may not have received anything yet, or may still verify the files
    trying = r"\[ready\] codex \S+: (?:trying http://services:8080/\S+|checking the files from http://services:8080/…)"
    amount = r"\[ready\] codex \S+: \d+ of 109 MB \(\d+ %\), http://services:8080/…"
    assert all(re.fullmatch(f"{trying}|{amount}", line) for line in lines), lines
    assert any(re.fullmatch(amount, line) for line in lines), lines
    assert "hunter2" not in "".join(lines)
    assert listing(shell, cache) == DONE
    assert "ANSIBLE_ASYNC_DIR" not in run.output


@pytest.mark.slow
def test_a_log_hears_less_even_where_it_is_a_terminal(controller: Controller, cache: str) -> None:
    run = controller.play([install(cache, rate=9)], terminal=True, environment={"CI": "true"})
    assert run.results[0]["changed"] is True
    assert len(said(run)) == 1


@pytest.mark.slow
def test_runs_that_share_a_cache(controller: Controller, traps: fleets.Fleet, shell: Shell, cache: str) -> None:
    variables = {**yaml.safe_load(traps.inventory.read_text())["all"]["children"]["codex_workers"]["hosts"]["ready"]}
    twin = controller.scratch / "twin.yml"
    twin.write_text(yaml.safe_dump({"all": {"children": {"codex_workers": {"hosts": {"twin": variables}}}}}))
    run = controller.play([install(cache, rate=12)], hosts="ready,twin", options=["-i", str(twin)], terminal=True)
    assert sorted(result["changed"] for result in run.results) == [False, True]
    waiting = [line for line in said(run) if "waiting for another run on the same cache (codex " in line]
    assert waiting
    assert len({line.partition("]")[0] for line in waiting}) == 1
    assert len({line.partition("]")[0] for line in said(run)}) == 2
    assert listing(shell, cache) == DONE


@pytest.mark.slow
def test_a_controller_that_is_interrupted(controller: Controller, shell: Shell, cache: str) -> None:
    with controller.started([install(cache)], vars={"ansible_become": True}) as run:
        wait_for(shell, f"ls {cache}/.scratch-*/progress >/dev/null 2>&1")
        run.process.send_signal(signal.SIGINT)
        assert run.finish().rc != 0
    again = controller.play([install(cache, rate=500)], vars={"ansible_become": True})
    assert again.results[0]["path"].startswith(cache)
    assert listing(shell, cache) == DONE


@pytest.mark.slow
def test_a_connection_that_is_lost(controller: Controller, shell: Shell, cache: str) -> None:
    with controller.started([install(cache, rate=16)], terminal=True) as run:
        run.wait_for("of 109 MB")
        shell("ready", "kill -KILL $(pgrep -u agent sshd)")
        record = run.finish().records[0]
    assert record.status == "unreachable"
    assert "The connection was lost during an install; the last thing heard was: codex 0.142.5: " in record.result["msg"]
    again = controller.play([install(cache, rate=500)])
    assert again.results[0]["path"].startswith(cache)
    assert listing(shell, cache) == DONE


@pytest.mark.slow
@pytest.mark.parametrize(
    "way",
    ["no_log", "async", *(pytest.param(way, marks=pytest.mark.extended) for way in ("ssh that keeps no connection", "mitogen"))],
)
def test_nothing_is_printed(controller: Controller, shell: Shell, cache: str, way: str) -> None:
    task = install(cache)
    keywords: dict[str, Any] = {}
    if way == "no_log":
        task["no_log"] = True
    elif way == "async":
        task.update({"async": 60, "poll": 1})
    elif way.startswith("ssh"):
        keywords["vars"] = {"ansible_ssh_args": "-o ControlMaster=no"}
    else:
        spec = importlib.util.find_spec("ansible_mitogen.plugins.strategy")
        assert spec and spec.submodule_search_locations
        keywords = {
            "environment": {"ANSIBLE_STRATEGY_PLUGINS": str(spec.submodule_search_locations[0])},
            "strategy": "mitogen_linear",
        }
    run = controller.play([task], terminal=True, **keywords)
    assert run.results[0]["changed"] is True
    assert said(run) == []
    assert listing(shell, cache) == DONE
