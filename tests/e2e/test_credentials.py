# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Credentials of real sessions: a real codex works with them, changes them, and loses them; and nobody else sees them."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from ansible.parsing.vault import VaultLib, VaultSecret
from containers.playbook_runner import Run
from e2e.conftest import VERSIONS
from e2e.sessions import CACHE, DEADLINE, ROOT, USER, WORKERS, Workers, is_idle, workdir

pytestmark = pytest.mark.battery

#: in every secret value
MARKER = "s3cret-7c41d0"
KEY = f"sk-{MARKER}"
#: long enough ago for codex to change the tokens at its start
LONG_AGO = "2026-01-01T00:00:00.000000Z"


def seed_of(account: str) -> dict[str, Any]:
    """Return the auth.json of a login whose access token has expired."""
    profile = {"chatgpt_account_id": account, "chatgpt_plan_type": "plus"}
    claims = {"exp": 1, "email": "a@example.com", "https://api.openai.com/auth": profile}
    header, body = (base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in ({"alg": "none"}, claims))
    token = f"{header}.{body}.{MARKER}"
    tokens = {"id_token": token, "access_token": token, "refresh_token": f"{MARKER}-refresh", "account_id": account}
    return {"auth_mode": "chatgpt", "OPENAI_API_KEY": None, "tokens": tokens, "last_refresh": LONG_AGO}


def played(
    workers: Workers, playbook: str, variables: Mapping[str, Any], *options: str, environment: Mapping[str, str] | None = None
) -> Run:
    """Run a playbook with diff; nothing of it may hold a secret."""
    run = workers.controller.playbook(playbook, variables, "--diff", *options, environment=environment)
    assert MARKER not in run.output
    assert MARKER not in str([record.result for record in run.records])
    return run


def hunt(workers: Workers) -> None:
    """Look for secrets where others may look: command lines and journals."""
    # the pattern's brackets keep the search itself from being found
    pattern = f"[{MARKER[0]}]{MARKER[1:]}"
    for worker in WORKERS:
        assert workers.shell(worker, f"grep -la '{pattern}' /proc/[0-9]*/cmdline") == ""
        assert workers.shell(worker, f"journalctl --no-pager 2>/dev/null | grep '{pattern}'") == ""
        readable = f"find / -xdev -type f -newer /etc/hostname -size -4096k -readable -exec grep -la '{pattern}' {{}} + 2>/dev/null"
        assert workers.shell(worker, readable, user="nobody") == ""


def heard(workers: Workers) -> set[str]:
    """Return the digests of the authorizations that the model has had."""
    container = f"optio-codex-{workers.fleet.name}-model"
    argv = ["podman", "logs", container]
    log = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60, check=True).stdout
    entries = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    return {entry["authorization_sha256"] for entry in entries if entry["path"] == "/v1/responses"}


def auth_file(name: str) -> str:
    return f"{workdir(name)}/home/.codex/auth.json"


def provider(workers: Workers) -> dict[str, Any]:
    """Return codex's settings for a model that wants the session's own credential."""
    settings = workers.provider()
    settings["model_providers"]["stub"]["requires_openai_auth"] = True
    return settings


def test_an_api_key_reaches_the_model_and_nobody_else(workers: Workers) -> None:
    """Planted before the launch, by the role; a second run only looks; another key replaces it; gone with the session."""
    own = {"name": "keyed", "prompt": "SAY: hello", "credential": {"api_key": KEY}}
    variables: dict[str, Any] = {
        **{"codex_session_sessions": [own], "codex_session_user": USER, "codex_session_config": provider(workers)},
        # what a session has of its own goes before it
        "codex_session_credential_access_token": f"at-{MARKER}",
    }
    assert any(result.get("changed") for result in played(workers, "launch", variables, "--check").results)
    assert workers.shell(WORKERS[0], f"ls -d {ROOT}/keyed") == ""
    played(workers, "launch", variables)
    workers.until("keyed", lambda entry: is_idle(entry) and "• hello" in (entry["screen"] or ""), "answered")
    assert hashlib.sha256(f"Bearer {KEY}".encode()).hexdigest() in heard(workers)
    for worker in WORKERS:
        assert json.loads(workers.read(worker, auth_file("keyed")) or "") == {"auth_mode": "apikey", "OPENAI_API_KEY": KEY}
        assert workers.shell(worker, f"stat -c '%a %U' {auth_file('keyed')}").split() == ["600", USER]
    hunt(workers)
    again = played(workers, "launch", variables)
    assert again.results and not any(result.get("changed") for result in again.results) and again.shipped == []
    # the look before the credential suffices
    looks = [record.host for record in again.records if record.status == "ok" and record.task.endswith(" : Manage the sessions")]
    assert looks == [], looks

    other = {"optio.codex.credential": {"name": "keyed", "user": USER, "access_token": "{{ token }}"}}
    run = workers.play(other, options=["--diff"], vars={"token": f"at-{MARKER}"})
    assert MARKER not in run.output and "session keyed is running, and its codex keeps the credential that it has read." in run.output
    for result in run.results:
        assert result["diff"]["before"].endswith("auth.json: API key\n") and result["diff"]["after"].endswith("auth.json: access token\n")
    for worker in WORKERS:
        status = f"env -i HOME=/tmp CODEX_HOME={workdir('keyed')}/home/.codex {workdir('keyed')}/home/.local/bin/codex login status 2>&1"
        # it would ask the account's server, which cannot be reached here
        assert "personal access token" in workers.shell(worker, status, user=USER)

    played(workers, "teardown", {**variables, "codex_session_purge": False})
    for worker in WORKERS:
        assert workers.traces(worker, "keyed") == [] and workers.read(worker, auth_file("keyed")) is None
        assert workers.shell(worker, f"ls -d {workdir('keyed')}").strip() == workdir("keyed")
    played(workers, "teardown", variables)


@pytest.fixture
def lasting_path() -> Iterator[Path]:
    """Give a directory outside of the temporary ones, where a saved login counts as saved."""
    path = Path(tempfile.mkdtemp(prefix="optio-codex-test-", dir=Path.home()))
    yield path
    shutil.rmtree(path)


def login_variables(workers: Workers, name: str, version: str, seed: Path) -> dict[str, Any]:
    """Return the variables of a session with the login of a file, which codex renews at the model's server."""
    refresh_url = workers.variables["optio_model_url"].replace("/v1", "/oauth/token")
    return {
        # with requires_openai_auth codex 0.169.0 would ask the account's server which host to use, and accept no http
        **{"codex_session_name": name, "codex_session_user": USER, "codex_session_config": workers.provider()},
        **{"codex_session_codex_dir": f"{CACHE}/{version}-x86_64-unknown-linux-musl/bin", "codex_session_prompt": "RUN: sleep 300"},
        "codex_session_environment": {"CODEX_REFRESH_TOKEN_URL_OVERRIDE": refresh_url},
        "codex_session_credential_auth_file": str(seed),
    }


def in_turn(entry: Mapping[str, Any]) -> bool:
    """Return whether codex runs the command of its prompt."""
    return bool(entry["activity"] == "working" and "sleep 300" in (entry["screen"] or ""))


def require_one_winner(workers: Workers, name: str, run: Run) -> str:
    """Return the worker that got the login of both; the other one was refused, and has nothing of the session."""
    failed = [record for record in run.records if record.status == "failed"]
    refused = failed[0]
    (winner,) = set(WORKERS) - {refused.host}
    assert {record.host for record in failed} == {refused.host}, failed
    assert f"is held by session {name} of user {USER} on {winner} since " in refused.result["msg"]
    assert workers.read(refused.host, auth_file(name)) is None and workers.traces(refused.host, name) == []
    return winner


@pytest.mark.parametrize(("version", "encrypted"), [(VERSIONS[0], False), (VERSIONS[1], True)])
def test_one_login_for_two_hosts_and_saved_in_the_middle_of_a_turn(
    workers: Workers, lasting_path: Path, version: str, encrypted: bool
) -> None:
    """Of two hosts that ask at once one gets it; what codex makes of it comes back with a teardown in the middle of a turn."""
    name, tmp_path = f"login-{version}", lasting_path
    (tmp_path / "password").write_text("correct horse\n")
    seed, given = tmp_path / "seeds/one.json", json.dumps(seed_of(f"account-{version}"), indent=2).encode()
    seed.parent.mkdir()
    secret = VaultSecret(b"correct horse")
    seed.write_bytes(VaultLib([("default", secret)]).encrypt(given, secret) if encrypted else given)
    vault = f"--vault-password-file={tmp_path / 'password'}"
    # the lease is in the directory of the seed, or on a host that all controllers reach
    lease_host = WORKERS[0] if encrypted else ""
    variables = {**login_variables(workers, name, version, seed), "codex_session_credential_lease_host": lease_host}

    def leases() -> list[str]:
        kept = workers.shell(WORKERS[0], "ls /root/.local/share/optio-codex/leases/*.lease 2>/dev/null").split()
        return kept if encrypted else [str(path) for path in seed.parent.glob("*.lease")]

    stranger = played(workers, "launch", {**variables, "codex_session_user": "no-such-user", "codex_hosts": WORKERS[0]}, vault)
    messages = [record.result["msg"] for record in stranger.records if record.status == "failed"]
    assert "user no-such-user does not exist" in messages[-1]
    assert leases() == [], "a session that gets no credential keeps no lease"

    winner = require_one_winner(workers, name, played(workers, "launch", variables, vault))
    assert len(leases()) == 1
    hunt(workers)
    workers.until(name, in_turn, "in its turn", hosts=winner)
    rotated = _rotated(workers, winner, name)
    again = played(workers, "launch", {**variables, "codex_hosts": winner}, vault)
    assert again.results and not any(result.get("changed") for result in again.results) and again.shipped == []

    saved = tmp_path / f"saved/{winner}/{name}.json"
    copied = {**variables, "codex_hosts": winner, "codex_session_credential_save_dest": str(tmp_path / "saved")}
    assert any(result.get("changed") for result in played(workers, "credential_save", copied, vault).results)
    assert saved.read_text() == rotated and saved.stat().st_mode & 0o777 == 0o600
    assert not any(result.get("changed") for result in played(workers, "credential_save", copied, vault).results)

    assert in_turn(workers.info(name, winner, include_screen=True)[winner])
    assert played(workers, "teardown", variables, vault).results
    kept = seed.read_bytes()
    assert kept.startswith(b"$ANSIBLE_VAULT;") is encrypted
    assert (VaultLib([("default", secret)]).decrypt(kept) if encrypted else kept).decode() == rotated
    assert seed.stat().st_mode & 0o777 == 0o600 and leases() == []
    for worker in WORKERS:
        assert workers.traces(worker, name) == [] and workers.shell(worker, f"ls -d {ROOT}/{name}") == ""
    again = played(workers, "teardown", variables, vault)
    assert again.results and not any(result.get("changed") for result in again.results) and again.shipped == []
    assert seed.read_bytes() == kept


@pytest.mark.parametrize("version", VERSIONS[:2])
def test_no_login_is_removed_unsaved(workers: Workers, tmp_path: Path, lasting_path: Path, version: str) -> None:
    """A job gets its login as a file that goes away; codex renews it; stop and teardown refuse until it is saved elsewhere."""
    name, worker = f"kept-{version}", WORKERS[0]
    source = tmp_path / "injected.json"
    source.write_text(json.dumps(seed_of(f"kept-{version}"), indent=2))
    refresh_url = workers.variables["optio_model_url"].replace("/v1", "/oauth/token")
    place = {"codex_session_name": name, "codex_session_user": USER, "codex_hosts": worker}
    login = {"codex_session_credential_auth_file": str(source)}
    launch = {
        **{"codex_session_config": workers.provider(), "codex_session_prompt": "SAY: hello"},
        "codex_session_codex_dir": f"{CACHE}/{version}-x86_64-unknown-linux-musl/bin",
        "codex_session_environment": {"CODEX_REFRESH_TOKEN_URL_OVERRIDE": refresh_url},
    }
    assert played(workers, "launch", {**place, **login, **launch}).results
    rotated = _rotated(workers, worker, name)
    before = workers.info(name, worker)[worker]

    def refused(playbook: str, reason: str, given: Mapping[str, Any], *options: str) -> None:
        run = played(workers, playbook, {**place, **given}, *options)
        # the error of one item of a loop is not in the task's own result
        assert any(record.status == "failed" for record in run.records) and reason in run.output, run.output
        after = workers.info(name, worker)[worker]
        assert (after["status"], after["pid"]) == ("running", before["pid"]) and workers.read(worker, auth_file(name)) == rotated

    for options in (["--check"], []):
        refused("stop", "which does not outlast this run", login, *options)
        refused("teardown", "which does not outlast this run", login, *options)
        # the source is not attached to the job
        refused("teardown", "exists nowhere else", {}, *options)
        refused("teardown", "exists nowhere else", {"codex_session_credential_auth_json": json.loads(source.read_text())}, *options)
    module = {"optio.codex.session": {"name": name, "user": USER, "state": "absent", "purge": True}}
    assert "exists nowhere else" in workers.play(module, hosts=worker).failure["msg"]

    assert played(workers, "credential_save", {**place, "codex_session_credential_save_dest": str(lasting_path)}).results
    assert (lasting_path / worker / f"{name}.json").read_text() == rotated
    assert played(workers, "teardown", {**place, **launch}).results
    assert workers.traces(worker, name) == [] and workers.shell(worker, f"ls -d {ROOT}/{name}") == ""


def test_jobs_without_a_disk_share_a_login_on_a_host(workers: Workers, lasting_path: Path) -> None:
    """Two jobs with directories of their own: one gets the login, the other is refused; codex renews it, and a later job has it."""
    jobs = [{"AWX_PRIVATE_DATA_DIR": str(lasting_path / job)} for job in ("job_1", "job_2", "job_3")]
    injected = lasting_path / "job_1/env/login.json"
    injected.parent.mkdir(parents=True)
    injected.write_text(json.dumps(seed_of("account-hosted"), indent=2))
    one, other = WORKERS[:2]
    store, logins = other, "/root/codex-logins"
    variables = login_variables(workers, "hosted", VERSIONS[0], Path(f"{logins}/hosted.json"))
    hosted = {**variables, "codex_session_credential_host": store}

    # a login of the job: its lease would go with the job
    own = {**variables, "codex_session_credential_auth_file": str(injected), "codex_hosts": one}
    refused = played(workers, "launch", own, environment=jobs[0])
    assert "goes away with this job, so other jobs would not see the lease" in refused.output and refused.rc
    assert workers.read(one, auth_file("hosted")) is None
    # the first launch stores the login; one that cannot run keeps neither login nor lease
    seeded = {**hosted, "codex_session_credential_auth_json": injected.read_text()}
    failed = played(workers, "launch", {**seeded, "codex_hosts": one, "codex_session_codex_dir": "/nonexistent"}, environment=jobs[0])
    assert failed.rc and workers.read(one, f"{ROOT}/hosted/home/.codex/auth.json") is None
    assert workers.shell(store, f"ls {logins}/*.lease 2>/dev/null") == ""
    assert played(workers, "launch", {**seeded, "codex_hosts": one}, environment=jobs[0]).results
    second = played(workers, "launch", {**hosted, "codex_hosts": other}, environment=jobs[1])
    assert f"is held by session hosted of user {USER} on {one} since " in second.output and second.rc
    assert workers.read(other, auth_file("hosted")) is None and workers.traces(other, "hosted") == []
    hunt(workers)

    rotated = _rotated(workers, one, "hosted")
    again = played(workers, "launch", {**seeded, "codex_hosts": one}, environment=jobs[1])
    assert not any(result.get("changed") for result in again.results)
    # saving all does not fail for a session with an API key
    keyed = {"name": "keyed-too", "credential": {"api_key": KEY}}
    played(workers, "launch", {**place_of(variables), "codex_session_sessions": [keyed], "codex_hosts": one})
    everything = {**place_of(hosted), "codex_session_all": True, "codex_session_credential_save_dest": f"{logins}/saved"}
    assert played(workers, "credential_save", {**everything, "codex_hosts": one}, environment=jobs[1]).results
    assert workers.read(store, f"{logins}/saved/{one}/hosted.json") == rotated
    temporary = {**hosted, "codex_session_credential_auth_file": "/tmp/hosted.json", "codex_hosts": one}
    workers.shell(one, f"rm -f {ROOT}/hosted/login")
    assert "does not outlast this run" in played(workers, "stop", temporary, environment=jobs[2]).output
    assert workers.info("hosted", one)[one]["status"] == "running"

    assert played(workers, "stop", {**hosted, "codex_hosts": one}, environment=jobs[2]).results
    assert workers.read(store, f"{logins}/hosted.json") == rotated and workers.read(one, auth_file("hosted")) is None
    assert workers.shell(store, f"stat -c %a {logins}/hosted.json; ls {logins}/*.lease 2>/dev/null").split() == ["600"]
    assert played(workers, "launch", {**hosted, "codex_hosts": other}, environment=jobs[2]).results
    assert f"{MARKER}-refresh-next" in (workers.read(other, auth_file("hosted")) or "")
    assert played(workers, "teardown", {**hosted, "codex_session_name": "hosted,keyed-too"}, environment=jobs[2]).results
    for worker in WORKERS[:2]:
        assert workers.traces(worker, "hosted") == [] and workers.shell(worker, f"ls -d {ROOT}/hosted") == ""


def place_of(variables: Mapping[str, Any]) -> dict[str, Any]:
    """Return the variables that are not about one session."""
    names = ("codex_session_user", "codex_session_config", "codex_session_credential_host")
    return {name: variables[name] for name in names if name in variables}


def _rotated(workers: Workers, worker: str, name: str) -> str:
    """Return the auth.json of a session once codex has changed its tokens."""
    deadline = time.monotonic() + DEADLINE
    while f"{MARKER}-refresh-next" not in (text := workers.read(worker, auth_file(name)) or ""):
        assert time.monotonic() < deadline, "codex has not changed its tokens"
    return text
