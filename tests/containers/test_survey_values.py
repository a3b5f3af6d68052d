# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every playbook in check mode on this machine, with an empty string for every variable, as a survey of AWX sends it."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from containers.playbook_runner import Controller

ROOT = Path(__file__).resolve().parents[2]
PLAYBOOKS = sorted(path.stem for path in (ROOT / "playbooks").glob("*.yml"))
PRIVATE = ("codex_nginx_", "codex_session_users_")
#: the variables without which a playbook has nothing to do
NEEDED: dict[str, dict[str, Any]] = {
    "launch": {"codex_session_name": "optio-survey-test"},
    "message": {"codex_session_message": "text", "codex_session_all": "true"},
    "dispatch": {"codex_dispatch_sessions": "optio-survey-test"},
    "gateway": {"codex_gateway_users": "[{name: ann, password_hash: $6$salt$digest}]"},
}
ALL = {"codex_session_all": "true"}


def variables_of(playbook: str) -> dict[str, Any]:
    """Return an empty string for every variable of all roles and of the playbook."""
    names = set(re.findall(r"codex_(?:artifacts_\w+|serial|become|user)\b", (ROOT / f"playbooks/{playbook}.yml").read_text("utf-8")))
    for path in ROOT.glob("roles/*/meta/argument_specs.yml"):
        for spec in yaml.safe_load(path.read_text("utf-8"))["argument_specs"].values():
            names |= {name for name in spec["options"] if not name.startswith(PRIVATE)}
    return {**dict.fromkeys(names, ""), "codex_extra_variables": "", **NEEDED.get(playbook, ALL)}


@pytest.mark.battery
@pytest.mark.parametrize("playbook", PLAYBOOKS)
def test_an_empty_answer_is_no_answer(playbook: str, tmp_path: Path) -> None:
    inventory = tmp_path / "inventory.yml"
    host = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    inventory.write_text(yaml.safe_dump({"all": {"hosts": {"localhost": host}}}), "utf-8")
    hosts = {"codex_hosts": "localhost", "codex_mirror_hosts": "localhost"}
    run = Controller(inventory, tmp_path).playbook(playbook, {**variables_of(playbook), **hosts}, "--check")
    assert run.rc == 0, run.output[-3000:]
