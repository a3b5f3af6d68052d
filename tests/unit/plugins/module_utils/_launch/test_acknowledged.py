# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The questions of codex that a launch answers: the settings for its command line, and the entries of the result."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.optio.codex.plugins.module_utils._core.host import Completed
from ansible_collections.optio.codex.plugins.module_utils._core.toml import loads
from ansible_collections.optio.codex.plugins.module_utils._launch.acknowledged import (
    Answers,
    Questions,
    entry,
    predicted_answers,
    recorded_answers,
)
from ansible_collections.optio.codex.plugins.module_utils._launch.spec import SessionSpec
from ansible_collections.optio.codex.plugins.module_utils._session.codex_options import CodexOptions
from ansible_collections.optio.codex.plugins.module_utils._session.layout import SessionPaths
from ansible_collections.optio.codex.plugins.module_utils._session.state import Session
from ansible_collections.optio.codex.tests.unit.support.local_session import Lab, laboratory
from ansible_collections.optio.codex.tests.unit.support.session_builders import MADE, WORKER, Call, FakeHost, session_of, view_of

CATALOG = json.dumps({"models": [{"slug": "old", "upgrade": {"model": "new"}}, {"slug": "older", "upgrade": {"model": "new"}}]})
NUDGE = {"notice.hide_rate_limit_model_nudge": True}
MIGRATIONS = {"notice.model_migrations": {"old": "new", "older": "new"}}
OLD = {"question": "model_migration", "name": "old", "detail": "new"}
HOOKS = {"Stop": [{"hooks": [{"type": "command", "command": "./report"}]}]}


class Machine:
    """A session's files, and a codex that is asked."""

    def __init__(self, base: Path) -> None:
        self.layout = SessionPaths("review", f"{base}/review", f"{base}/review/workdir", f"{base}/run/review")
        os.makedirs(self.layout.codex_home)
        self.catalog = Completed(0, CATALOG, "")
        #: source and key of each hook, its key relative to codex's home if it has no other directory
        self.hooks: list[tuple[str, str]] = []
        self.answer_of_server: Completed | None = None
        self.host = FakeHost(self.answer)
        #: the files in the home of the codex that was asked for its hooks
        self.home: dict[str, str] = {}

    def answer(self, call: Call) -> Completed:
        assert call.environment is not None and set(call.environment) == {"HOME", "CODEX_HOME", "PATH"}
        home = call.environment["CODEX_HOME"]
        assert call.argv[0] == WORKER.codex and home != self.layout.codex_home
        assert os.stat(home).st_mode & 0o777 == 0o700
        if call.argv[1] == "debug":
            return self.catalog
        self.home = {name: Path(home, name).read_text() for name in sorted(os.listdir(home))}
        entries = [
            {
                "key": key if key.startswith("/") else f"{os.path.realpath(home)}/{key}",
                **{"currentHash": f"sha256:{number}", "eventName": "stop", "command": f"run {number}"},
                **{"source": source, "trustStatus": "untrusted"},
            }
            for number, (source, key) in enumerate(self.hooks)
        ]
        line = json.dumps({"id": "hooks", "result": {"data": [{"hooks": entries}]}}, separators=(",", ":"))
        return self.answer_of_server or Completed(0, f"{line}\n", "")

    def ask(
        self, *, trust: str | None = "trusted", asked: str | None = "auto", project: bool = False, model: str | None = None, **config: Any
    ) -> Answers:
        view = view_of(session_of("absent", SessionSpec(), self.layout), MADE, WORKER, self.layout)
        found = Questions(self.host, view, config).answers(CodexOptions(trust=trust, model=model), asked, project)
        assert not os.path.exists(f"{self.layout.codex_home}/.questions")
        return found

    def servers(self) -> list[list[str]]:
        """Return the command lines by which codex was asked for its hooks."""
        return [argv for argv in self.host.argvs() if argv[1] == "app-server"]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


# models


def test_a_new_session_without_anything(machine: Machine) -> None:
    assert machine.ask() == Answers({**NUDGE, **MIGRATIONS}, [])
    assert [argv[1:] for argv in machine.host.argvs()] == [["debug", "models", "--bundled"]] and not machine.host.warnings


@pytest.mark.parametrize(
    ("text", "model", "entries"),
    [
        ("", "old", [OLD]),
        ("", "new", []),
        ('model = "old"\n', None, [OLD]),
        ('model = "old"\n', "new", []),
        ('model = "new"\n', "older", [{**OLD, "name": "older"}]),
        ("model = 7\n", None, []),
        ('model = "old', None, []),
    ],
)
def test_the_model_in_use_is_named(machine: Machine, text: str, model: str | None, entries: list[dict[str, Any]]) -> None:
    Path(machine.layout.config).write_text(text)
    found = machine.ask(model=model)
    assert (found.settings, found.entries) == ({**NUDGE, **MIGRATIONS}, entries)


@pytest.mark.parametrize(
    ("text", "config", "settings"),
    [
        # false too
        ("[notice]\nhide_rate_limit_model_nudge = false\n", {}, MIGRATIONS),
        ("", {"notice": {"model_migrations": {"old": "other"}}}, {**NUDGE, "notice.model_migrations": {"older": "new"}}),
        ("", {"notice": {"model_migrations": {"old": "other", "older": "x"}}}, NUDGE),
        ("", {"notice": "?", "hooks": 7}, {**NUDGE, **MIGRATIONS}),
        # what codex itself has written for another release does not count
        ('[notice.model_migrations]\nold = "former"\n', {}, {**NUDGE, **MIGRATIONS}),
    ],
)
def test_answers_of_the_user_take_precedence(machine: Machine, text: str, config: dict[str, Any], settings: dict[str, Any]) -> None:
    Path(machine.layout.config).write_text(text)
    assert machine.ask(**config).settings == settings


@pytest.mark.parametrize(
    ("catalog", "reason"),
    [
        (Completed(124, "", "no answer within 15 s"), "ends with no answer within 15 s"),
        (Completed(2, "error: unrecognized subcommand", ""), "ends with error: unrecognized subcommand"),
        (Completed(0, '{"data": []}', ""), "has no list of models"),
        (Completed(0, "", ""), "Expecting value"),
        (Completed(0, "[" * 100_000, ""), "recursion" if sys.version_info < (3, 14) else "overflow"),
    ],
)
def test_a_codex_that_does_not_list_its_models(machine: Machine, catalog: Completed, reason: str) -> None:
    machine.catalog = catalog
    assert machine.ask(model="old") == Answers(NUDGE, [], "old")
    [warning] = machine.host.warnings
    assert warning.startswith(f"session review: codex {WORKER.codex} did not list its models (") and reason in warning


def test_the_downloaded_catalog_counts_too(machine: Machine) -> None:
    path = Path(machine.layout.codex_home, "models_cache.json")
    path.write_text(json.dumps({"fetched_at": "x", "models": [{"slug": "old", "upgrade": {"model": "newest"}}]}))
    assert machine.ask().settings["notice.model_migrations"] == {"old": "newest", "older": "new"}
    for text in ("{", "[]"):
        path.write_text(text)
        assert machine.ask().settings == {**NUDGE, **MIGRATIONS}
    path.unlink()
    path.symlink_to(machine.layout.config)
    assert machine.ask().settings == {**NUDGE, **MIGRATIONS}
    assert not machine.host.warnings


# hooks


@pytest.mark.parametrize(
    ("text", "hooks_file", "trust", "project", "asks"),
    [
        ("", False, "trusted", False, False),
        ("[hooks]\n", False, "trusted", False, True),
        ("", True, "untrusted", False, True),
        ("", False, "trusted", True, True),
        ("", False, None, True, True),
        ("", False, "untrusted", True, False),
    ],
)
def test_codex_is_asked_for_hooks_only_where_there_may_be_some(
    machine: Machine, text: str, hooks_file: bool, trust: str | None, project: bool, asks: bool
) -> None:
    Path(machine.layout.config).write_text(text)
    if hooks_file:
        Path(machine.layout.codex_home, "hooks.json").write_text("{}")
    assert machine.ask(trust=trust, project=project).settings == {**NUDGE, **MIGRATIONS}
    assert bool(machine.servers()) == asks
    level = [f'projects={{"{machine.layout.workdir}" = {{trust_level = "{trust}"}}}}'] if trust else []
    assert [argv[3:] for argv in machine.servers()] == [level] * asks


@pytest.mark.parametrize(("trust", "asked", "runs"), [("trusted", "trusted", True), ("trusted", "auto", False), (None, None, True)])
def test_hooks_are_declared_by_their_hashes(machine: Machine, trust: str | None, asked: str | None, runs: bool) -> None:
    project = f"{machine.layout.workdir}/.codex/hooks.json:stop:0:0"
    machine.hooks = [("user", "config.toml:stop:0:0"), ("project", project)]
    Path(machine.layout.config).write_text('[[hooks.Stop]]\n[[hooks.Stop.hooks]]\ntype = "command"\ncommand = "x"\n')
    found = machine.ask(trust=trust, asked=asked, project=True)
    own = f"{os.path.realpath(machine.layout.codex_home)}/config.toml:stop:0:0"
    theirs = {"trusted_hash": "sha256:1"} if runs else {"trusted_hash": "sha256:1", "enabled": False}
    assert found.settings["hooks.state"] == {own: {"trusted_hash": "sha256:0"}, project: theirs}
    assert [each["detail"] for each in found.entries] == ["run 0", "run 1"][: 1 + runs]
    assert {(each["question"], each["name"]) for each in found.entries} == {("hook", "Stop")}


def test_the_codex_that_is_asked_gets_what_decides_hooks_and_no_more(machine: Machine) -> None:
    text = 'model_instructions_file = "./mine"\n[features]\nhooks = true\n[mcp_servers.x]\nenv = {KEY = "hunter2"}\n[hooks]\nStop = []\n'
    Path(machine.layout.config).write_text(text)
    Path(machine.layout.codex_home, "hooks.json").write_text('{"hooks": {}}')
    machine.ask()
    assert machine.home["hooks.json"] == '{"hooks": {}}' and set(machine.home) == {"hooks.json", "config.toml"}
    assert loads(machine.home["config.toml"]) == {"features": {"hooks": True}, "hooks": {"Stop": []}}


@pytest.mark.parametrize(
    "answer", [Completed(1, "", ""), Completed(0, "", ""), Completed(0, '{"id":"hooks","error":{"message":"no"}}\n', "")]
)
def test_a_codex_that_does_not_list_its_hooks(machine: Machine, answer: Completed) -> None:
    machine.answer_of_server = answer
    Path(machine.layout.config).write_text("[hooks]\n")
    assert machine.ask().settings == {**NUDGE, **MIGRATIONS}
    assert "did not list its hooks (" in machine.host.warnings[0] and "so it may ask about hooks" in machine.host.warnings[0]


# results


def test_answers_by_keys_are_added_once() -> None:
    folder, key = entry("folder_access", "/srv/w", "restricted"), entry("model_migration", None, None)
    assert Answers({}, [], "old").with_keys([key, folder]) == [{**key, "name": "old"}, folder]
    assert Answers({}, [OLD], "old").with_keys([key]) == [OLD]
    assert entry("hook", "Stop", "curl -H 'Bearer abc'\n")["detail"] == "curl -H 'Bearer ***"


@pytest.mark.parametrize("text", ["", "{", "7", "{}"])
def test_records_without_answers(text: str) -> None:
    assert recorded_answers(Session(record={"acknowledged": text} if text else {})) == []


@pytest.mark.parametrize(
    ("config_kind", "trust", "names"),
    [
        ("absent", "auto", ["Stop"]),
        ("absent", "trusted", ["Stop", "SessionStart"]),
        ("file", "trusted", ["SessionStart"]),
        ("file", "untrusted", []),
    ],
)
def test_check_mode_names_the_declared_hooks(config_kind: str, trust: str, names: list[str]) -> None:
    found = ({"kind": "hook", "name": "SessionStart", "command": "./greet"}, {"kind": "mcp_server", "name": "x", "command": "y"})
    view = view_of(session_of("absent", SessionSpec()), replace(MADE, config_kind=config_kind, project=found))
    assert [each["name"] for each in predicted_answers(view, {"hooks": HOOKS}, trust)] == names


@pytest.fixture
def lab(open_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    with laboratory(open_path, monkeypatch) as made:
        yield made


def test_a_session_returns_its_answers_in_every_run(lab: Lab) -> None:
    given: dict[str, Any] = {"config": {"model": "old", "model_provider": "stand_in"}}
    assert lab.run(check=True, **given)["acknowledged"] == []
    assert lab.run(**given)["acknowledged"] == [OLD]
    assert 'notice.model_migrations={old = "new"}' in lab.called and "notice.hide_rate_limit_model_nudge=true" in lab.called
    again = lab.run(**given)
    assert (again["changed"], again["acknowledged"]) == (False, [OLD])
    assert lab.run(state="restarted", model="new", **given)["acknowledged"] == []
    assert lab.run(model="new", **given)["acknowledged"] == [] and not lab.warnings
