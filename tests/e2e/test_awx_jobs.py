# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The starter project in jobs as AWX runs them."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from containers.gateways import USERS
from e2e.awx_jobs import PACKAGES, Job, Jobs, guide_block
from e2e.conftest import NEW, VERSIONS
from e2e.sessions import SYSTEMD, USER, WITHOUT, WORKERS, Workers
from e2e.test_credentials import MARKER, auth_file, login_variables, seed_of

KEY = "sk-key-of-a-credential"
pytestmark = [
    pytest.mark.extended,
    pytest.mark.skipif(not PACKAGES.is_dir(), reason="ansible-runner is not installed; run tests/environment/bootstrap.sh runner"),
    pytest.mark.skipif(os.geteuid() != 0, reason="the files of a job belong to uid 1000"),
]


@pytest.fixture
def jobs(workers: Workers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jobs]:
    scratch = tmp_path_factory.mktemp("awx") / "jobs"
    scratch.mkdir()
    jobs = Jobs(workers, scratch)
    yield jobs
    jobs.remove_containers()


def succeeded(job: Job) -> Job:
    """Return a job that went well, without its key in what AWX stores."""
    assert job.status == "successful", job.output[-4000:]
    assert not job.contains(KEY)
    return job


def sessions_of(job: Job) -> dict[str, Any]:
    found: dict[str, Any] = job.published["codex_stats"]["sessions"]
    return found


def test_the_verbs_of_a_session(jobs: Jobs) -> None:
    name = {"codex_session_name": "job"}
    launch = {**name, "codex_session_prompt": "Hello"}
    checked = succeeded(jobs.run("launch", launch, options=["--check", "--diff"], api_key=KEY))
    assert checked.changed and "+++ after: job" in checked.output
    assert not jobs.workers.processes(SYSTEMD, "job")

    launched = succeeded(jobs.run("launch", launch, api_key=KEY))
    assert launched.changed and set(sessions_of(launched)) == {f"{worker}/job" for worker in WORKERS}
    assert succeeded(jobs.run("launch", launch, api_key=KEY)).changed == 0

    waited = succeeded(jobs.run("wait", {**name, "codex_session_wait_state": ["idle", "done"], "codex_session_wait_timeout": 60}))
    assert {entry["status"] for entry in sessions_of(waited).values()} == {"running"}
    message = {**name, "codex_session_message": "Two\nlines"}
    assert succeeded(jobs.run("message", message)).changed
    collected = succeeded(jobs.run("collect", name))
    assert "goes away with this job" in collected.output
    place = {"codex_session_collect_host": WITHOUT, "codex_session_collect_dest": "/root/collected"}
    stored = succeeded(jobs.run("collect", {**name, **place}))
    assert "goes away" not in stored.output and jobs.workers.read(WITHOUT, f"/root/collected/{SYSTEMD}/job/summary.json")
    assert stored.published["codex_stats"]["collected"][f"{SYSTEMD}/job"]["host"] == WITHOUT
    for verb in ("stop", "resume", "teardown"):
        assert succeeded(jobs.run(verb, name, api_key=KEY)).changed, verb
        assert succeeded(jobs.run(verb, name, api_key=KEY)).changed == 0, verb
    assert not [worker for worker in WORKERS if jobs.workers.traces(worker, "job")]


def verbs(jobs: Jobs) -> dict[str, dict[str, str]]:
    """Return the answers of a survey for each playbook that is not about one session; the sites of the tests are their own."""
    sites = jobs.workers.variables
    url, digest = str(sites["optio_mirror_url"]), str(sites["optio_ttyd_checksum"])
    ttyd = f"{digest.removeprefix('sha256:')}  ttyd/1.7.7/ttyd.x86_64"
    source = {"codex_worker_mirror_url": url, "codex_worker_ttyd_checksum": digest}
    mirror = {
        "codex_mirror_source_url": url,
        "codex_mirror_extra": ttyd,
        "codex_mirror_listen_port": "8081",
        "codex_mirror_platforms": "x86_64",
    }
    return {
        "provision": {**source, "codex_worker_codex_version": NEW},
        "dispatch": {"codex_dispatch_sessions": json.dumps([{"name": "one", "prompt": "Hello"}, {"name": "two"}])},
        "status": {},
        "verify": {"codex_session_name": "one"},
        "credential_save": {
            "codex_session_all": "true",
            "codex_session_credential_host": WITHOUT,
            "codex_session_credential_save_dest": "/root/logins",
        },
        "artifacts": {"codex_artifacts_host": WITHOUT, "codex_artifacts_dir": "/root/artifacts", "codex_artifacts_codex_versions": NEW},
        "upgrade": {**source, "codex_worker_codex_version": NEW},
        "mirror": {**mirror, "codex_mirror_hosts": WITHOUT, "codex_mirror_codex_versions": NEW},
        "gateway": {"codex_hosts": SYSTEMD, "codex_gateway_mirror_url": url, "codex_gateway_users": json.dumps(USERS)},
    }


def test_the_other_verbs(jobs: Jobs) -> None:
    """Each as a job, twice: the second changes nothing."""
    for verb, answers in verbs(jobs).items():
        succeeded(jobs.run(verb, answers, api_key=KEY))
        again = succeeded(jobs.run(verb, answers, api_key=KEY))
        assert again.changed == 0, f"{verb}: {again.output[-3000:]}"
    for verb in ("mirror", "gateway"):
        assert succeeded(jobs.run(verb, {**verbs(jobs)[verb], f"codex_{verb}_state": "absent"}, api_key=KEY)).changed
    assert succeeded(jobs.run("teardown", {"codex_session_all": "true"})).changed


def test_a_job_that_ansible_runner_transmits(jobs: Jobs) -> None:
    done = succeeded(jobs.stream(jobs.prepare("status", {})))
    assert "PLAY RECAP" in done.output and done.changed == 0


def test_a_login_of_a_credential_is_for_one_session_and_outlasts_its_job(jobs: Jobs) -> None:
    """The store is the second worker. The credential has the login, which codex renews in the first session."""
    workers, path = jobs.workers, "/root/awx-logins/login.json"
    variables = login_variables(workers, "login", VERSIONS[-1], Path(path))
    # the inventory names the place, the credential the login
    hosted = {**variables, "codex_session_credential_host": WITHOUT, "codex_session_credential_auth_json": json.dumps(seed_of("awx"))}
    launched = jobs.run("launch", hosted, options=["--limit", SYSTEMD])
    assert launched.status == "successful" and not launched.contains(MARKER), launched.output[-4000:]

    refused = jobs.run("launch", hosted, options=["--limit", WITHOUT])
    assert refused.status == "failed" and not refused.contains(MARKER)
    assert f"is held by session login of user {USER} on {SYSTEMD} since " in " ".join(refused.output.split())
    assert workers.traces(WITHOUT, "login") == []

    until(lambda: f"{MARKER}-refresh-next" in (workers.read(SYSTEMD, auth_file("login")) or ""), "codex has not renewed its login")
    stopped = jobs.run("stop", hosted, options=["--limit", SYSTEMD])
    assert stopped.status == "successful" and not stopped.contains(MARKER), stopped.output[-4000:]
    assert f"{MARKER}-refresh-next" in (workers.read(WITHOUT, path) or "") and workers.read(SYSTEMD, auth_file("login")) is None

    moved = jobs.run("launch", hosted, options=["--limit", WITHOUT])
    assert moved.status == "successful", moved.output[-4000:]
    assert f"{MARKER}-refresh-next" in (workers.read(WITHOUT, auth_file("login")) or "")
    assert jobs.run("teardown", hosted).status == "successful"


def until(condition: Any, what: str) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.2)


def test_a_workflow_with_an_approval(jobs: Jobs) -> None:
    """Each node gets what the nodes before it have published, as variables of the job; an approval is the time between two jobs."""
    workers, name = jobs.workers, {"codex_session_name": "flow"}
    launched = succeeded(jobs.run("launch", {**name, "codex_session_prompt": "Plan it"}, api_key=KEY))
    waited = succeeded(jobs.run("wait", {**name, "codex_session_wait_timeout": 60, **launched.published}))
    artifacts = {**launched.published, **waited.published}
    assert set(sessions_of(waited)) == {f"{worker}/flow" for worker in WORKERS}
    # nothing of the first jobs is left on the controller, and the sessions wait
    for job in (launched, waited):
        shutil.rmtree(job.directory)
    assert {entry["activity"] for entry in workers.info("flow").values()} == {"idle"}

    text = guide_block("yaml", "# continue.yml")
    approved = succeeded(jobs.run("continue", artifacts, text=text))
    assert approved.changed == len(WORKERS)
    found = workers.until("flow", lambda entry: entry["turns"] == 2 and entry["activity"] == "idle", "answered twice")
    assert {entry["user"] for entry in found.values()} == {USER}

    denied = succeeded(jobs.run("discard", artifacts, text=text.replace("optio.codex.message", "optio.codex.teardown")))
    assert denied.changed and not [worker for worker in WORKERS if workers.traces(worker, "flow")]


def modules_on(workers: Workers, worker: str) -> str:
    return workers.shell(worker, "pgrep -f '[A]nsiballZ_'").strip()


def test_a_canceled_wait_leaves_the_session_alone(jobs: Jobs) -> None:
    workers = jobs.workers
    workers.session("waited", prompt="Hello")
    job = jobs.prepare("wait", {"codex_session_name": "waited", "codex_session_wait_state": ["exited"], "codex_session_wait_timeout": 600})
    process = jobs.start(job)
    until(lambda: "Wait for the sessions]" in job.output and modules_on(workers, SYSTEMD), "no wait began")
    jobs.cancel(job, process)
    until(lambda: not any(modules_on(workers, worker) for worker in WORKERS), "the module did not end with its connection")
    assert workers.info("waited")[SYSTEMD]["status"] == "running"
    succeeded(jobs.run("wait", {"codex_session_name": "waited", "codex_session_wait_timeout": 60}))


def test_a_canceled_launch_is_completed_by_the_next_job(jobs: Jobs) -> None:
    launch = {"codex_session_name": "canceled", "codex_session_prompt": "Hello"}
    job = jobs.prepare("launch", launch, api_key=KEY)
    process = jobs.start(job)
    until(lambda: "Manage the sessions]" in job.output, "no launch began")
    time.sleep(1)
    jobs.cancel(job, process)
    succeeded(jobs.run("launch", launch, api_key=KEY))
    assert succeeded(jobs.run("launch", launch, api_key=KEY)).changed == 0
    found = jobs.workers.until("canceled", lambda entry: entry["turns"] == 1, "answered once")
    assert {entry["user"] for entry in found.values()} == {USER}
