# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The hunt for secrets: unique markers as key, token and password, and every place where somebody else could come upon them."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from containers.playbook_runner import Controller, Run
from e2e.conftest import VERSIONS
from e2e.sessions import ROOT, USER, WITHOUT, WORKERS, Workers, is_idle

pytestmark = pytest.mark.battery

#: what nobody may see, by what it is given as
SECRETS = {what: f"s3cret-{what}-5f1d9c0e7b" for what in ("key", "token", "password", "variable", "setting", "webhook")}
#: codex keeps copies of its shell's variables in its own home, and its settings there are what it was given
KEPT = {
    "key": {"home/.codex/auth.json"},
    "token": {"home/.codex/auth.json"},
    "password": {"environment"},
    "variable": {"environment"},
    "setting": {"home/.codex/config.toml"},
    "webhook": {"events/config"},
}
SNAPSHOTS = "home/.codex/shell_snapshots/"


def forms_of(secret: str) -> tuple[str, str]:
    """Return a secret, and the same in base64."""
    return secret, base64.b64encode(f":{secret}".encode()).decode().rstrip("=")[4:-2]


def pattern_of(*secrets: str) -> str:
    """Return a pattern of secrets in every form that does not find the search itself."""
    return "|".join(f"[{text[0]}]{text[1:]}" for secret in secrets for text in forms_of(secret))


def holders(workers: Workers, worker: str, secrets: Sequence[str], user: str) -> dict[str, set[str]]:
    """Return the files that hold each secret and that a user of the worker can read, of those that are newer than the worker."""
    seek = f"-exec grep -HaoE '{pattern_of(*secrets)}' {{}} + 2>/dev/null"
    command = (
        f"find / -xdev -path /proc -prune -o -path /sys -prune -o -type f -newer /etc/hostname -size -4096k -readable {seek}; "
        f"find /run /tmp /dev/shm -type f -readable {seek}"
    )
    found: dict[str, set[str]] = {secret: set() for secret in secrets}
    for line in workers.shell(worker, command, user=user).splitlines():
        path, text = line.rsplit(":", 1)
        found[next(secret for secret in secrets if text in forms_of(secret))].add(path)
    return found


def hunt(workers: Workers, names: dict[str, str]) -> None:
    """Look for every secret where others may look, and find it nowhere but in the 0600 files of its own session."""
    pattern, secrets = pattern_of(*SECRETS.values()), list(SECRETS.values())
    for worker in WORKERS:
        assert workers.shell(worker, f"grep -laE '{pattern}' /proc/[0-9]*/cmdline") == ""
        assert workers.shell(worker, f"journalctl --no-pager 2>/dev/null | grep -E '{pattern}'") == ""
        for other in ("nobody", "www-data"):
            assert workers.shell(worker, f"grep -laE '{pattern}' /proc/[0-9]*/environ 2>/dev/null", user=other) == ""
            assert not any(holders(workers, worker, secrets, other).values())
        found = holders(workers, worker, secrets, "root")
        for what, secret in SECRETS.items():
            place = f"{ROOT}/{names[what]}"
            own = {path for path in found[secret] if not path.startswith(f"{place}/{SNAPSHOTS}")}
            assert own == {f"{place}/{path}" for path in KEPT[what]}, what
            for path in own:
                assert workers.shell(worker, f"stat -c '%a %U' {path}").split() == ["600", USER], path
            assert workers.shell(worker, f"stat -c %a {place}/home").strip() == "700"


def controller_with_facts(workers: Workers, directory: Path, cache: Path) -> Controller:
    """Return a controller that stores the facts of hosts in files."""
    settings = f"[defaults]\nfact_caching = jsonfile\nfact_caching_connection = {cache}\ngathering = implicit\n"
    (directory / "ansible.cfg").write_text(settings)
    return Controller(workers.controller.inventory, directory)


def require_variable(workers: Workers) -> None:
    """Expect that codex has the secret variable on each worker."""
    look = f"grep -laE '{pattern_of(SECRETS['variable'])}' /proc/$pid/environ"
    codex = f"for pid in $(pgrep -u {USER} -x codex); do {look}; done | wc -l"
    for worker in WORKERS:
        assert workers.shell(worker, codex, user=USER).strip() == "1", "codex did not get its variable"


def texts_of(runs: Sequence[Run], facts: Path, collected: Path) -> list[str]:
    """Return everything that runs left on the controller: output, results, cached facts and collected files."""
    kept = [path for place in (facts, collected) for path in place.rglob("*") if path.is_file()]
    assert any(path.is_relative_to(facts) for path in kept) and any(path.name == "summary.json" for path in kept)
    results = [json.dumps(record.result) for run in runs for record in run.records]
    return [*(run.output for run in runs), *results, *(path.read_text(errors="replace") for path in kept)]


def test_no_secret_is_anywhere_else(workers: Workers, tmp_path: Path) -> None:
    """From launch to teardown, at -vvv with diff and a cache of facts: on the worker, in the output, in results and in the cache."""
    cache = tmp_path / "facts"
    controller = controller_with_facts(workers, tmp_path, cache)
    keyed, tokened = "hunt-key", "hunt-token"
    names = {**dict.fromkeys(("key", "password", "variable", "setting", "webhook"), keyed), "token": tokened}
    marked = {**workers.provider(), "shell_environment_policy": {"set": {"SETTING": SECRETS["setting"]}}}
    marked["model_providers"]["stub"]["requires_openai_auth"] = True
    variables: dict[str, Any] = {
        "codex_session_user": USER,
        "codex_session_sessions": [
            {
                "name": keyed,
                "credential": {"api_key": SECRETS["key"]},
                "environment": {"VARIABLE": SECRETS["variable"], "PASSWORD": SECRETS["password"]},
                "config": marked,
                "webhook": {"url": "http://127.0.0.1:9/", "token": SECRETS["webhook"]},
                "prompt": "RUN: true\nSAY: hello",
            },
            {"name": tokened, "credential": {"access_token": SECRETS["token"]}, "config": workers.provider()},
        ],
    }
    output: list[Run] = []

    def play(playbook: str, *options: str, **more: Any) -> None:
        run = controller.playbook(playbook, {**variables, **more}, "--diff", *options)
        assert run.results, playbook
        output.append(run)

    play("launch", "--check")
    play("launch")
    workers.until(keyed, lambda entry: is_idle(entry) and "• hello" in entry["screen"], "answered")
    require_variable(workers)
    hunt(workers, names)
    for playbook in ("launch", "status", "wait"):
        play(playbook)
    play("message", codex_session_message="SAY: again")
    play("verify", codex_session_name=keyed, codex_session_sessions=[], codex_session_verify_timeout=60)
    play("collect", codex_session_collect_dest=str(tmp_path / "collected"))
    assert workers.play({"ansible.builtin.setup": {}}, hosts="codex_workers").results
    hunt(workers, names)
    play("resume", codex_session_all=True, codex_session_sessions=[])
    play("teardown")

    found = {worker: holders(workers, worker, list(SECRETS.values()), "root") for worker in WORKERS}
    assert not any(any(places.values()) for places in found.values()), found
    texts = texts_of(output, cache, tmp_path / "collected")
    for what, secret in SECRETS.items():
        assert not [text[:200] for text in texts if any(form in text for form in forms_of(secret))], what


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("ended", ["running", "killed"])
def test_no_value_of_environment_is_left_by_a_session_that_keeps_its_files(workers: Workers, version: str, ended: str) -> None:
    name, secret = f"left-{ended}-{version}", f"s3cret-{ended}-{version}-9d27"
    task: dict[str, Any] = {"version": version, "environment": {"KEPT": secret}, "prompt": "RUN: true\nSAY: hello"}
    workers.session(name, hosts=WITHOUT, **task)
    workers.until(name, is_idle, "idle", hosts=WITHOUT)
    snapshots = {path for path in holders(workers, WITHOUT, [secret], "root")[secret] if path.startswith(f"{ROOT}/{name}/{SNAPSHOTS}")}
    assert snapshots, "codex keeps no copy any more, so this test shows nothing"
    if ended == "killed":
        workers.shell(WITHOUT, f"pkill -KILL -u {USER} -f /{name}/")
    workers.session(name, hosts=WITHOUT, state="absent")
    assert holders(workers, WITHOUT, [secret], "root") == {secret: set()}
    assert workers.read(WITHOUT, f"{ROOT}/{name}/home/.codex/config.toml"), "purged"
    workers.session(name, hosts=WITHOUT, state="absent", purge=True)
