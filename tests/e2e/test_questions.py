# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The questions of real releases of codex, which a launch answers: about newer models and hooks."""

from __future__ import annotations

import json
import shlex
import time
from typing import Any

import pytest
from e2e.conftest import CANDIDATE, NEW, OLD, VERSIONS
from e2e.sessions import ROOT, USER, WITHOUT, Result, Workers, is_idle

pytestmark = pytest.mark.battery

#: a model of each release that has a successor, and the successor
SUCCEEDED = {**dict.fromkeys(VERSIONS, ("gpt-5.5", "gpt-6-sol")), "0.142.5": ("gpt-5.3-codex", "gpt-5.4")}
#: seconds after which codex asks if it has a key and no network
LATE = 8
SOURCE = f"/home/{USER}/hooked.git"
RAN = f"/home/{USER}/hooks-ran"


def hook(event: str, **more: Any) -> dict[str, Any]:
    """Return a table of hooks with one that leaves a trace."""
    command = f"echo {event} >>{RAN}-$(basename $(dirname $PWD))"
    return {event: [{"hooks": [{"type": "command", "command": command, **more}]}]}


@pytest.fixture(scope="module")
def source(workers: Workers) -> str:
    """A repository with two hooks in hooks.json and one in config.toml, on the worker."""
    own = {"hooks": {**hook("SessionStart"), **hook("Stop", timeout=5, statusMessage="né")}}
    config = f"[[hooks.UserPromptSubmit]]\n[[hooks.UserPromptSubmit.hooks]]\n{_toml(hook('UserPromptSubmit'))}"
    script = f"""mkdir -p {SOURCE}/.codex && cd {SOURCE} && printf %s {shlex.quote(json.dumps(own))} >.codex/hooks.json &&
    printf %s {shlex.quote(config)} >.codex/config.toml && git init -q &&
    git add . && git -c user.name=t -c user.email=t@example.com commit -qm x"""
    workers.shell(WITHOUT, script, user=USER)
    return SOURCE


def _toml(table: dict[str, Any]) -> str:
    [[group]] = table.values()
    return "".join(f"{name} = {json.dumps(value)}\n" for name, value in group["hooks"][0].items())


def launch(workers: Workers, name: str, **options: Any) -> Result:
    """Launch a session, wait until its first turn is over, and check that a second run changes nothing and returns the same."""
    given = {"hosts": WITHOUT, "prompt": "SAY: hello", **options}
    launched = workers.session(name, **given)[WITHOUT]
    assert launched.get("status") == "running", launched
    workers.until(name, is_idle, "idle", hosts=WITHOUT)
    again = workers.play(workers.task(name, **{key: value for key, value in given.items() if key != "hosts"}), hosts=WITHOUT)
    assert again.shipped == [] and not again.results[0]["changed"]
    assert again.results[0]["acknowledged"] == launched["acknowledged"]
    return launched


def end(workers: Workers, *names: str) -> None:
    for name in names:
        workers.session(name, hosts=WITHOUT, state="absent")
        workers.shell(WITHOUT, f"rm -rf {RAN}-{name} {ROOT}/{name}")


def provider(workers: Workers, **more: Any) -> dict[str, Any]:
    return {**workers.provider(), **more}


def ran(workers: Workers, name: str) -> list[str]:
    """Return the events at which a hook of the session ran."""
    return sorted((workers.read(WITHOUT, f"{RAN}-{name}") or "").split())


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("place", ["option", "config"])
def test_model_with_a_successor_is_kept(workers: Workers, version: str, place: str) -> None:
    model, successor = SUCCEEDED[version]
    name = f"model-{version[3]}-{place}"
    given: dict[str, Any] = {"model": model} if place == "option" else {"config": provider(workers, model=model)}
    launched = launch(workers, name, version=version, **given)
    assert launched["acknowledged"] == [{"question": "model_migration", "name": model, "detail": successor}]
    assert workers.shell(WITHOUT, f'grep -rhoE \'"model":"[^"]+"\' {ROOT}/{name}/ --include=\'rollout-*\' | sort -u').split() == [
        f'"model":"{model}"'
    ]
    end(workers, name)


@pytest.mark.parametrize("version", VERSIONS)
def test_no_question_comes_late_with_a_key_and_no_network(workers: Workers, version: str) -> None:
    """codex then shows its composer for some seconds before it asks, so a launch that does not answer is ready too."""
    (model, successor), name = SUCCEEDED[version], f"late-{version[3]}"
    for task in ("workspace", "credential"):
        given = {"name": name, "user": USER, **({"api_key": "test-key"} if task == "credential" else {})}
        assert workers.play({f"optio.codex.{task}": given}, hosts=WITHOUT).results
    options: dict[str, Any] = {"version": version, "model": model, "config": {}}
    proxy = "http://127.0.0.1:9"
    options["environment"] = {"https_proxy": proxy, "HTTPS_PROXY": proxy, "no_proxy": "", "NO_PROXY": ""}
    launched = workers.session(name, hosts=WITHOUT, **options)[WITHOUT]
    assert launched["acknowledged"] == [{"question": "model_migration", "name": model, "detail": successor}]
    time.sleep(LATE)
    entry = workers.info(name, hosts=WITHOUT, include_screen=True)[WITHOUT]
    assert (entry["status"], entry["activity"]) == ("running", "idle"), entry
    assert successor not in entry["screen"].replace("\n", " ")
    end(workers, name)


def test_session_of_an_older_release_is_resumed_by_a_newer_one(workers: Workers) -> None:
    model, successor = SUCCEEDED[NEW]
    # 0.142.5 does not know the successor, and newer versions do
    assert (launch(workers, "older", version=OLD, model=model)["acknowledged"] == []) == (not CANDIDATE)
    workers.session("older", hosts=WITHOUT, state="stopped")
    resumed = workers.session("older", hosts=WITHOUT, version=NEW, keep_options=True)[WITHOUT]
    assert resumed.get("resumed") is True, resumed
    assert resumed["acknowledged"] == [{"question": "model_migration", "name": model, "detail": successor}]
    workers.until("older", is_idle, "idle", hosts=WITHOUT)
    end(workers, "older")


@pytest.mark.parametrize("version", VERSIONS)
def test_hooks_run_where_they_are_declared(workers: Workers, source: str, version: str) -> None:
    trusted, undeclared, own = (f"hooks-{version[3]}-{kind}" for kind in ("trusted", "undeclared", "own"))
    given = {"version": version, "repository": {"url": source}}
    found = launch(workers, trusted, trust="trusted", **given)["acknowledged"]
    assert {(entry["question"], entry["name"]) for entry in found} == {
        ("hook", each) for each in ("SessionStart", "Stop", "UserPromptSubmit")
    }
    assert all(RAN in entry["detail"] for entry in found)
    assert ran(workers, trusted) == ["SessionStart", "Stop", "UserPromptSubmit"]
    # a repository that was not trusted brings none, and no question either
    left = launch(workers, undeclared, **given)
    assert left["trust"] == "untrusted" and {entry["question"] for entry in left["acknowledged"]} <= {"folder_access"}
    assert ran(workers, undeclared) == []
    # hooks of the session's own, beside those that are not declared
    mine = launch(workers, own, config=provider(workers, hooks=hook("Stop")), trust="untrusted", **given)["acknowledged"]
    assert [(entry["question"], entry["name"]) for entry in mine if entry["question"] == "hook"] == [("hook", "Stop")]
    assert ran(workers, own) == ["Stop"]
    end(workers, trusted, undeclared, own)


@pytest.mark.parametrize("version", VERSIONS)
def test_question_that_is_asked_in_spite_of_it_is_answered_by_a_key(workers: Workers, version: str) -> None:
    """A successor that the installed release does not know yet; the wrong answer in the configuration has the same effect."""
    model, name = SUCCEEDED[version][0], f"key-{version[3]}"
    config = provider(workers, model=model, notice={"model_migrations": {model: "another"}})
    assert launch(workers, name, version=version, config=config)["acknowledged"] == [
        {"question": "model_migration", "name": model, "detail": None}
    ]
    end(workers, name)
