# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The other examples of the documentation run on workers with sessions: commands, plays of roles, variables, filters and lookups."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import public_names
import pytest
import yaml
from containers.playbook_runner import Controller, Run
from e2e.sessions import SYSTEMD, USER, WITHOUT, Workers, is_idle
from e2e.test_credentials import seed_of
from e2e.test_module_examples import placed

from scripts import test_examples

SESSIONS = ("docs", "fix-1412", "hello", "review")
#: the playbook that reads the variables of a role
PLAYBOOKS = {
    "codex_dispatch": "dispatch",
    "codex_gateway": "gateway",
    "codex_mirror": "mirror",
    "codex_session": "launch",
    "codex_worker": "provision",
}
PREFIX = re.compile(r"(codex_[a-z]+)_")
#: secrets of the examples
SECRETS = dict.fromkeys(
    ("api_key", "access_token", "vault_alice", "vault_bob", "vault_codex_key", "vault_eda_token", "vault_openai_api_key"), "sk-value"
)
#: of the public internet, of files that a person makes, and of a gateway that check mode did not install
MISSING = re.compile(
    r"npm|registry|example\.com|Could not find or access|Unable to access the file '/srv/|does not exist in|codex-artifacts|password_hash"
    r"|certificate|belongs to another user's session"
)

pytestmark = [pytest.mark.extended]


@pytest.fixture(scope="module")
def site(workers: Workers, tmp_path_factory: pytest.TempPathFactory) -> Controller:
    """Return the controller of a site as the guides describe it; its first worker has the sessions of the examples."""
    scratch = tmp_path_factory.mktemp("site")
    for worker in (SYSTEMD, WITHOUT):
        workers.shell(worker, "useradd -m codex; useradd -m alice")
    login = json.dumps(seed_of("examples"))
    workers.shell(WITHOUT, f"mkdir -p /srv/codex-logins; for i in {SYSTEMD} {WITHOUT}; do echo '{login}' >/srv/codex-logins/$i.json; done")
    for name in SESSIONS:
        workers.session(name, hosts=SYSTEMD, prompt="Hello")
    for name in SESSIONS:
        workers.until(name, is_idle, "idle", SYSTEMD)
    inventory = yaml.safe_load(workers.controller.inventory.read_text("utf-8"))
    mirror = inventory["all"]["vars"]["optio_mirror_url"]
    inventory["all"]["vars"] |= {"codex_user": USER, "codex_session_config": workers.provider(), "codex_worker_mirror_url": mirror}
    inventory["all"]["vars"]["codex_gateway_users"] = [{"name": "alice", "password_hash": "$6$salt$hash"}]
    group = inventory["all"]["children"]["codex_workers"]
    inventory["all"]["children"]["others"] = {**group, "hosts": {"bastion": group["hosts"][WITHOUT]}}
    inventory["all"]["children"]["codex_mirrors"] = {"hosts": {WITHOUT: None}}
    (scratch / "inventory.yml").write_text(yaml.safe_dump(inventory), "utf-8")
    (scratch / "password").write_text("secret\n", "utf-8")
    (scratch / "access-token").write_text("sk-token", "utf-8")
    (scratch / "prompts.txt").write_text("one: Hello\ntwo: Hello\n", "utf-8")
    (scratch / "tasks").mkdir()
    (scratch / "tasks/fix.md.j2").write_text("Fix {{ codex_session_current }}.\n", "utf-8")
    dispatched = [block for block in test_examples.YAML if block.page.endswith("guide_dispatch.rst")]
    (scratch / "sessions.yml").write_text(dispatched[0].text, "utf-8")
    return Controller(scratch / "inventory.yml", scratch)


def errors_of(run: Run) -> list[str]:
    """Return the errors of a run but for those that a laboratory cannot avoid."""
    failed = [str(record.result.get("msg")) for record in run.records if record.status != "ok"]
    if run.rc and not failed:
        failed = [run.output[-1500:]]
    return [text for text in failed if not MISSING.search(text)]


def commands() -> Iterator[tuple[str, str, list[str]]]:
    """Yield page, playbook and options of each command of the guides that runs a playbook of the collection."""
    for block in test_examples.CONSOLE:
        for line in re.sub(r"\\\n\s*", " ", block.text).splitlines():
            words = shlex.split(line) if "ansible-playbook" in line else []
            names = [number for number, word in enumerate(words) if word.startswith("optio.codex.")]
            if names:
                yield Path(block.page).stem, words[names[-1]].removeprefix("optio.codex."), words[names[-1] + 1 :]


COMMANDS = list(dict.fromkeys((page, name, tuple(options)) for page, name, options in commands()))


def placed_option(option: str, site: Controller) -> str:
    return option.replace("$PWD", str(site.scratch)).replace("worker1", SYSTEMD)


def test_commands(site: Controller) -> None:
    assert len(COMMANDS) > 40
    found = {}
    for page, name, options in COMMANDS:
        run = site.playbook(name, {}, *(placed_option(option, site) for option in options), "--check")
        if wrong := errors_of(run):
            found[f"{page}: {name} {' '.join(options)}"] = wrong
    assert not found, json.dumps(found, indent=1)


#: the plays of the roles' pages, and of the lookups that are for keywords of a play
PLAYS = [
    block
    for block in test_examples.YAML
    if test_examples.is_tasks(block.document) and "hosts" in block.document[0] and re.match("roles/|plugins/lookup/", block.page)
]


@pytest.mark.parametrize("block", PLAYS, ids=test_examples.label)
def test_plays(site: Controller, block: test_examples.Block) -> None:
    (play,) = block.document
    hosts, tasks = play.pop("hosts"), play.pop("tasks", [])
    run = site.play(tasks, hosts=hosts, options=["--check"], **play)
    assert run.records and not errors_of(run)


def playbook_of(variables: Mapping[str, Any]) -> str:
    """Return the playbook that reads variables: that of their roles but for codex_session, whose variables go with any."""
    roles = [match[1] for name in variables if (match := PREFIX.match(name))]
    return PLAYBOOKS[max(roles, key=lambda name: (name != "codex_session", roles.count(name)))]


def variables_of() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield page and variables of each example that is a file of variables, and not an inventory."""
    for block in test_examples.YAML:
        document = block.document if isinstance(block.document, Mapping) else {}
        if any(PREFIX.match(name) and not test_examples.is_group(name, value) for name, value in document.items()):
            yield Path(block.page).stem, dict(document)


VARIABLES = list(variables_of())


@pytest.mark.parametrize("number", range(len(VARIABLES)))
def test_files_of_variables(site: Controller, number: int) -> None:
    page, variables = VARIABLES[number]
    playbook = playbook_of(variables)
    named = {} if "codex_session_sessions" in variables or playbook != "launch" else {"codex_session_name": "new"}
    run = site.playbook(playbook, {**SECRETS, **named, **placed(variables, site.scratch)}, "-b", "--check")
    assert not errors_of(run), (page, playbook)


def filter_tasks() -> Iterator[dict[str, Any]]:
    for block in test_examples.YAML:
        if re.match("plugins/[fl]", block.page) and not block.document[0].get("hosts"):
            for task in public_names.tasks_of(block.document):
                yield {**task, "name": f"{Path(block.page).stem}: {task['name']}"}


def test_filters_and_lookups(site: Controller) -> None:
    """Each example has the values that its playbook would have."""
    look: dict[str, Any] = {"optio.codex.session_info": {}}
    first = [
        {**look, "register": "here"},
        {**look, "register": "found"},
        {
            "optio.codex.session": {"sessions": "{{ found.sessions | optio.codex.upgrade_requests }}", "state": "upgraded"},
            "register": "upgraded",
        },
        {"ansible.builtin.set_fact": {"codex_session_results": "{{ found.sessions }}"}},
        {"ansible.builtin.raw": "true", "check_mode": False, "register": "probe"},
    ]
    variables = {
        "requests": "{{ found.sessions | optio.codex.upgrade_requests }}",
        "dispatched": {"sessions": [{"name": "docs", "worker": SYSTEMD, "state": "launched"}]},
    }
    tasks = list(filter_tasks())
    assert len(tasks) >= 15
    (site.scratch / "auth.json").write_text(json.dumps(seed_of("examples")), "utf-8")
    run = site.play(
        [*first, *tasks], hosts=SYSTEMD, options=["--check"], vars=variables, module_defaults={"group/optio.codex.session": {"user": USER}}
    )
    assert not errors_of(run) and {record.task for record in run.records} >= {task["name"] for task in tasks}
