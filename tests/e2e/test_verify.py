# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Credentials tried by a real codex: the right verdict for each of what a server and a network can do, and nothing left."""

from __future__ import annotations

import json
import re
import shlex
from typing import Any

import pytest
from e2e.conftest import NEW, OLD, VERSIONS
from e2e.sessions import CACHE, USER, WITHOUT, WORKERS, Workers, is_idle, workdir

from ansible_collections.optio.codex.plugins.module_utils._codex.config import base_config

KEY = "sk-proj-abcdefghijklmnopqrstuvwxyz0123456789"
HOMES = f"/home/{USER}/asked"
#: the base URL, below the stand-in's where it is a path, and what is to be found
CASES = {
    "right": ("/v1", "alive", "answered"),
    "wrong": ("/faults/wrong/v1", "inconclusive", "wrong_answer"),
    "401": ("/faults/401/v1", "dead", "unauthorized"),
    "403": ("/faults/403/v1", "inconclusive", "forbidden"),
    "429": ("/faults/429/v1", "inconclusive", "rate_limited"),
    "500": ("/faults/500/v1", "inconclusive", "server_error"),
    "hang": ("/faults/hang/v1", "inconclusive", "timeout"),
    "refused": ("http://127.0.0.1:9/v1", "inconclusive", "network"),
    "no-such-name": ("http://no-such-host.invalid/v1", "inconclusive", "network"),
    # exec would take CODEX_API_KEY in place of the login, and the stand-in refuses it
    "scrubbed": ("/v1", "alive", "answered"),
}
TIMEOUTS = {"hang": 4}


def provider(workers: Workers, url: str, **more: Any) -> dict[str, Any]:
    """Return codex's settings for a fault of the stand-in's."""
    config = workers.provider()
    stub = config["model_providers"]["stub"]
    stub["base_url"] = url if url.startswith("http") else stub["base_url"].removesuffix("/v1") + url
    stub.update(more or {"env_key": "STUB_KEY"})
    return config


def make_homes(workers: Workers, version: str) -> None:
    """Put a CODEX_HOME for each case on the worker."""
    script = "umask 077\n"
    for name, (url, _verdict, _reason) in CASES.items():
        home = f"{HOMES}/{version}/{name}"
        more = {"requires_openai_auth": True} if name == "scrubbed" else {}
        script += f"mkdir -p {home}; printf %s {shlex.quote(base_config(provider(workers, url, **more)))} >{home}/config.toml\n"
        if more:
            login = json.dumps({"auth_mode": "apikey", "OPENAI_API_KEY": KEY})
            script += f"printf %s {shlex.quote(login)} >{home}/auth.json\n"
    workers.shell(WITHOUT, script, user=USER)


def left(workers: Workers, worker: str) -> str:
    """Return what still runs of a question."""
    return workers.shell(worker, "grep -la 'OPTIO_CODEX_TASK=[a]sk:' /proc/[0-9]*/environ; pgrep -af '[c]odex exec'")


@pytest.mark.parametrize("version", VERSIONS)
def test_verdict_of_each_answer(workers: Workers, version: str) -> None:
    make_homes(workers, version)
    names = list(CASES)
    ask = {
        "codex_home": f"{HOMES}/{version}/{{{{ item }}}}",
        "codex_dir": f"{CACHE}/{version}-x86_64-unknown-linux-musl/bin",
        "user": USER,
        "timeout": "{{ timeouts[item] | default(60) }}",
        "environment": {"STUB_KEY": KEY, "CODEX_API_KEY": "sk-other-fault-401", "OPENAI_API_KEY": "sk-other-fault-401"},
    }
    # side by side: one of them takes its whole time
    start = {"optio.codex.credential_info": ask, "loop": names, "async": 90, "poll": 0, "register": "started"}
    wait = {
        "ansible.builtin.async_status": {"jid": "{{ item.ansible_job_id }}"},
        "loop": "{{ started.results }}",
        **{"register": "asked", "until": "asked is finished", "retries": 100, "delay": 1},
    }
    run = workers.play(start, wait, hosts=WITHOUT, vars={"timeouts": TIMEOUTS})
    found = {entry["codex_home"].rpartition("/")[2]: entry for entry in run.results[-1]["results"]}
    assert {name: (entry["verdict"], entry["reason"]) for name, entry in found.items()} == {
        name: (verdict, reason) for name, (_url, verdict, reason) in CASES.items()
    }, {name: entry["detail"] for name, entry in found.items()}
    assert all(entry["version"] == version and entry["provider"] == "stub" and not entry["changed"] for entry in found.values())
    assert found["hang"]["elapsed"] >= TIMEOUTS["hang"]
    assert found["401"]["detail"].startswith("unexpected status 401 Unauthorized: Incorrect API key provided: ***")
    assert KEY not in run.output and "sk-proj" not in run.output
    assert left(workers, WITHOUT) == ""
    # no conversation, no scratch, and the settings as they were
    traces = f"find {HOMES}/{version} '(' -name 'rollout-*' -o -name '.ask-*' ')'; grep -rl trust_level {HOMES}/{version}/*/config.toml"
    assert workers.shell(WITHOUT, traces) == ""


def test_fleet_is_asked_by_a_playbook_that_names_the_dead(workers: Workers) -> None:
    """Two sessions a worker, one of them with a key that is refused; they do not notice."""
    alive = {"version": OLD, "config": provider(workers, "/v1"), "prompt": "SAY: hello"}
    dead = {"version": NEW, "config": provider(workers, "/faults/401/v1")}
    launched = workers.play(
        *(workers.task(f"asked-{name}", environment={"STUB_KEY": KEY}, **given) for name, given in (("alive", alive), ("dead", dead)))
    )
    assert launched.results
    before = workers.until("asked-alive", is_idle, "idle")

    variables = {"codex_session_user": USER, "codex_session_name": "asked-alive,asked-dead", "codex_session_verify_timeout": 60}
    run = workers.controller.playbook("verify", variables)
    failed = [record for record in run.records if record.status == "failed"]
    assert sorted(record.host for record in failed) == sorted(WORKERS)
    assert all(record.result["msg"].startswith("session asked-dead: the server refuses the credential (401).") for record in failed)
    for worker in WORKERS:
        rows = zip(("asked-alive +alive +answered", "asked-dead +dead +unauthorized"), (OLD, NEW), strict=True)
        for shown in (f"{worker} +{row} +stub +{version}" for row, version in rows):
            assert re.search(shown, run.output), run.output[-3000:]
        assert left(workers, worker) == ""
    assert KEY not in run.output

    after = workers.info("asked-alive")
    for worker in WORKERS:
        kept = {field: before[worker][field] for field in ("status", "session_id", "turns", "rollout", "pid")}
        assert kept == {field: after[worker][field] for field in kept}
        sessions = f"find {workdir('asked-alive')}/home/.codex/sessions -name 'rollout-*' | wc -l"
        assert workers.shell(worker, sessions).strip() == "1"

    lenient = workers.controller.playbook("verify", {**variables, "codex_session_verify_fail": False})
    assert lenient.results and not any(result.get("changed") for result in lenient.results)
    checked = workers.controller.playbook("verify", {**variables, "codex_session_name": "asked-dead"}, "--check")
    assert [entry["reason"] for result in checked.results for entry in result.get("sessions", [])] == ["skipped"] * len(WORKERS)
    missing = workers.controller.playbook("verify", {**variables, "codex_session_name": "nobody", "codex_hosts": WITHOUT})
    assert missing.failure["msg"].startswith(f"session nobody does not exist on {WITHOUT}."), missing.failure
    for name in ("asked-alive", "asked-dead"):
        workers.session(name, state="absent")
