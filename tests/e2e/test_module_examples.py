# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The examples of modules, guides and README run on a worker in check mode: beyond options, their values pass every validation."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import public_names
import pytest
from e2e.sessions import CACHE, SYSTEMD, WITHOUT, Workers
from e2e.test_credentials import seed_of

from scripts import test_examples

#: without the filters and lookups, whose examples are of other playbooks
BLOCKS = [block for block in test_examples.YAML if test_examples.is_tasks(block.document) and not re.match("plugins/[fl]", block.page)]
VARIABLES = ("gateway_key", "git_token", "mirror_password", "new_key", "vault_eda_token", "vault_openai_api_key")
#: other hosts of the examples, and files of a controller
PLACES = {"bastion": WITHOUT, "worker2": WITHOUT}
#: what an example needs from an earlier step, which check mode has not done
MISSING = re.compile(
    r"(session \S+ does not exist in|sessions? .* do(es)? not exist in|is neither in the cache|/usr/bin/ttyd does not exist"
    r"|Could not find or access|sha256:\. Set the sha256|'codex_session_environment' is undefined|'answer\b|no attribute 'sessions'"
    r"|hostvars\['worker1'\])"
)

pytestmark = [pytest.mark.extended]


def prepare(workers: Workers, scratch: Path) -> dict[str, Any]:
    """Make the users of the examples on the workers and their files on the controller; return their variables."""
    release = f"{CACHE}/0.171.0-x86_64-unknown-linux-musl/bin"
    for worker in (SYSTEMD, WITHOUT):
        workers.shell(worker, f"useradd -m codex; useradd -m alice; mkdir -p /opt/codex; ln -sfn {release} /opt/codex/bin")
    login = json.dumps(seed_of("examples"))
    (scratch / "seeds").mkdir()
    for name in (SYSTEMD, "new", "nightly", "one"):
        (scratch / "seeds" / f"{name}.json").write_text(login, "utf-8")
    for name in ("questions.md", "more.md"):
        (scratch / name).write_text("Why?\n", "utf-8")
    (scratch / "access-token").write_text("sk-token", "utf-8")
    return {**dict.fromkeys(VARIABLES, "sk-value"), "codex_auth_json": login}


def examples() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the tasks with their pages: all of a module's documentation, and those of other pages that run a module."""
    for block in BLOCKS:
        of_module = block.page.startswith("plugins/modules/")
        for task in public_names.tasks_of(block.document):
            if of_module or any(str(key).startswith("optio.codex.") for key in task):
                yield Path(block.page).stem, dict(task)


def placed(value: Any, scratch: Path) -> Any:
    """Return an example with this test's files."""
    if isinstance(value, dict):
        return {key: placed(item, scratch) for key, item in value.items()}
    if isinstance(value, list):
        return [placed(item, scratch) for item in value]
    if not isinstance(value, str) or "lookup('ansible.builtin.file'" not in value:
        return value
    return re.sub(r"(?<=ansible\.builtin\.file', ')(/srv/|/etc/codex/)?(?=[a-z])", f"{scratch}/", value)


def test_they_run_in_check_mode(workers: Workers, tmp_path: Path) -> None:
    variables = prepare(workers, tmp_path)
    tasks: list[dict[str, Any]] = []
    for page, task in examples():
        hosts = {"delegate_to": PLACES[task["delegate_to"]]} if task.get("delegate_to") in PLACES else {}
        named = {"name": f"{page}: {task['name']}", "ignore_errors": True, "ignore_unreachable": True}
        tasks.append({**placed(task, tmp_path), **hosts, **named})
    assert len(tasks) > 120
    environment = {"OPENAI_API_KEY": "sk-value"}
    run = workers.play(*tasks, options=["--check"], hosts=SYSTEMD, vars=variables, environment=environment)
    ran = {record.task for record in run.records}
    failed = {record.task: str(record.result.get("msg")) for record in run.records if record.status != "ok"}
    wrong = {name: text for name, text in failed.items() if not MISSING.search(text)}
    assert len(ran) > 110 and not wrong, wrong
