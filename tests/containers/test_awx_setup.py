# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The playbook that sets AWX up, with the modules of awx.awx against a stand-in for AWX's API."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from containers.awx_api import TOKEN, Store, served
from containers.playbook_runner import COLLECTIONS, has_collection

ROOT = Path(__file__).resolve().parents[2]
PLAYBOOKS = {path.name for path in (ROOT / "playbooks").glob("*.yml")}
SECRET = "sk-setup-secret"
SITE = {
    "setup_project_url": "https://git.example.com/codex-playbooks.git",
    "setup_machine_credential": "Workers",
    "setup_execution_environment_image": "registry.example.com/codex-ee:1",
    "setup_credential_inputs": {"api_key": SECRET},
    "setup_inventory_variables": {"codex_session_user": "codex"},
    "setup_groups": {"codex_workers": {"worker1": {"ansible_host": "192.0.2.1"}, "worker2": None}, "codex_mirrors": {}},
}

pytestmark = [
    pytest.mark.extended,
    pytest.mark.skipif(not has_collection("awx.awx"), reason="the collection awx.awx is not installed"),
]


@dataclass(frozen=True)
class Setup:
    """Runs the playbook for one stand-in."""

    store: Store
    url: str
    scratch: Path

    def run(self, *options: str) -> tuple[str, dict[str, int]]:
        """Return what a run prints, and the counts of its last line; what it has written is the store's."""
        self.store.writes.clear()
        site = self.scratch / "site.yml"
        site.write_text(yaml.safe_dump(SITE, sort_keys=False), "utf-8")
        (self.scratch / "ansible.cfg").touch()
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "CONTROLLER_", "TOWER_"))}
        environment |= {
            "ANSIBLE_CONFIG": str(self.scratch / "ansible.cfg"),
            "ANSIBLE_COLLECTIONS_PATH": ":".join(map(str, COLLECTIONS)),
            "ANSIBLE_NOCOLOR": "true",
            "ANSIBLE_LOCALHOST_WARNING": "false",
            "CONTROLLER_HOST": self.url,
            "CONTROLLER_OAUTH_TOKEN": TOKEN,
        }
        program = str(Path(sys.executable).parent / "ansible-playbook")
        command = [program, "-v", str(ROOT / "examples/awx/setup.yml"), "-e", f"@{site}", *options]
        done = subprocess.run(command, cwd=self.scratch, env=environment, capture_output=True, text=True, check=False)
        output = done.stdout + done.stderr
        assert done.returncode == 0, output[-4000:]
        assert SECRET not in output
        recap = re.search(r"^localhost\s+:(.*)$", output, re.MULTILINE)
        assert recap, output
        return output, {name: int(count) for name, count in re.findall(r"(\w+)=(\d+)", recap[1])}


@pytest.fixture(scope="module")
def setup(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Setup]:
    """The setup of an AWX that was empty."""
    store = Store(PLAYBOOKS)
    with served(store) as url:
        setup = Setup(store, url, tmp_path_factory.mktemp("setup"))
        _output, counts = setup.run()
        assert counts["changed"] > 0
        yield setup


def test_check_mode_of_an_empty_awx(tmp_path: Path) -> None:
    store = Store(PLAYBOOKS)
    with served(store) as url:
        output, counts = Setup(store, url, tmp_path).run("--check")
    # the organization and the credential type; the others need one of them
    assert counts["changed"] == 2 and not store.writes
    assert "do not exist yet" in output


def test_everything_is_created(setup: Setup) -> None:
    store = setup.store
    assert {item["playbook"] for item in store.items["job_templates"].values()} == PLAYBOOKS
    assert set(store.surveys) == set(store.items["job_templates"])
    assert store.related["organizations", 1, "galaxy_credentials"] == [store.named("credentials", "Ansible Galaxy")["id"]]
    assert store.named("credentials", "Codex")["inputs"] == {"api_key": SECRET}
    assert store.named("credential_types", "Codex")["injectors"]["extra_vars"]["codex_session_credential_api_key"] == "{{ api_key }}"
    assert len(store.related["groups", 1, "hosts"]) == 2
    launch = store.named("job_templates", "Codex - Launch a session")
    assert launch["ask_job_type_on_launch"] and not launch["become_enabled"]
    assert len(store.related["job_templates", launch["id"], "credentials"]) == 2


def test_a_second_run_changes_nothing(setup: Setup) -> None:
    _output, counts = setup.run()
    assert counts["changed"] == 0 and not setup.store.writes


def test_a_change_in_awx_is_found_and_repaired(setup: Setup) -> None:
    store = setup.store
    store.surveys[2]["spec"].pop()
    store.named("job_templates", "Codex - Stop sessions")["ask_limit_on_launch"] = False
    # a host that was added to the group in AWX
    store.create("hosts", {"name": "worker3", "inventory": 1})
    store.related["groups", 1, "hosts"].append(3)

    _output, counts = setup.run("--check")
    assert counts["changed"] == 1 and not store.writes
    setup.run()
    assert store.writes == ["POST survey 2", "PATCH job_templates Codex - Stop sessions"]
    assert store.related["groups", 1, "hosts"] == [1, 2, 3]
