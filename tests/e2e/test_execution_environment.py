# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The shipped definition of an execution environment, built as the guide shows it, and jobs in it."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from containers.galaxy_server import served
from e2e.awx_jobs import ROOT, Jobs, guide_block
from e2e.sessions import SYSTEMD, WORKERS, Workers
from fleet import IMAGE_PREFIX, dev_cache
from scripts.test_artifact import build

BUILDER = dev_cache() / "builder" / str(sys.implementation.cache_tag)
KEY = "sk-key-of-an-environment"
#: the Debian of the guide, with this machine's way to its packages
BASE = f"{IMAGE_PREFIX}:trixie-nopython"
CERTIFICATES = Path(os.environ.get("SSL_CERT_FILE") or "/etc/ssl/certs/ca-certificates.crt")

pytestmark = [
    pytest.mark.extended,
    pytest.mark.skipif(not BUILDER.is_dir(), reason="ansible-builder is not installed; run tests/environment/bootstrap.sh builder"),
    pytest.mark.skipif(os.geteuid() != 0, reason="the files of a job belong to uid 1000"),
]


def run(*argv: str, **environment: str) -> None:
    done = subprocess.run(argv, env={**os.environ, **environment}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]


def build_base(name: str, context: Path) -> None:
    """Build the guide's base image of Debian, with the certificates of this machine for pip."""
    lines = re.sub(r"^FROM .*", f"FROM {BASE}", guide_block("docker", "FROM"), flags=re.MULTILINE)
    context.mkdir()
    (context / "host-ca.crt").write_bytes(CERTIFICATES.read_bytes() if CERTIFICATES.exists() else b"")
    more = "COPY host-ca.crt /opt/host-ca.crt\nENV PIP_CERT=/opt/host-ca.crt\n" if CERTIFICATES.exists() else ""
    (context / "Containerfile").write_text(lines + more, "utf-8")
    run("podman", "build", "--network=host", "--layers=false", "-t", name, str(context))


def build_environment(name: str, base: str, scratch: Path) -> None:
    """Run the guide's command for a base image of Debian; the collection comes from a stand-in for Galaxy."""
    command = shlex.split(guide_block("console", "$ ansible-builder build").replace("\\\n", " "))[2:]
    values = {"registry.example.com/codex-ee:1": name, "EE_BASE_IMAGE=registry.example.com/debian-python:1": f"EE_BASE_IMAGE={base}"}
    arguments = [values.pop(word, word) for word in command]
    assert not values, arguments
    (scratch / "artifact").mkdir()
    with served(build(scratch / "artifact")) as url:
        galaxy = ["--build-arg", f"ANSIBLE_GALAXY_CLI_COLLECTION_OPTS=--server {url}"]
        galaxy.append("--extra-build-cli-args=--network=host --layers=false")
        program = [sys.executable, "-m", "ansible_builder", *arguments, *galaxy, "--context", str(scratch / "context")]
        run("env", "-C", str(ROOT), *program, PYTHONPATH=str(BUILDER))


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    scratch, prefix = tmp_path_factory.mktemp("environment"), f"localhost/optio-codex-dev/ee-{os.getpid()}"
    names = [f"{prefix}:1", f"{prefix}-base:1"]
    try:
        build_base(names[1], scratch / "base")
        build_environment(names[0], names[1], scratch)
        yield names[0]
    finally:
        subprocess.run(["podman", "rmi", "--force", *names], capture_output=True, check=False)


@pytest.fixture
def jobs(image: str, workers: Workers, tmp_path: Path) -> Iterator[Jobs]:
    (tmp_path / "jobs").mkdir()
    jobs = Jobs(workers, tmp_path / "jobs", image)
    yield jobs
    jobs.remove_containers()


def test_it_has_what_a_job_needs(image: str) -> None:
    """As AWX starts a job, without a network, as a user without a name and a home."""
    script = "set -e; id -u; command -v git ssh ansible-runner ansible-playbook; ansible-doc optio.codex.session >/dev/null"
    options = ["--rm", "--user", "1000:0", "--network", "none"]
    run("podman", "run", *options, image, "env", "-u", "HOME", "sh", "-c", script)


def test_jobs_run_in_it(jobs: Jobs) -> None:
    launch = {"codex_session_name": "environment", "codex_session_prompt": "Hello"}
    launched = jobs.run("launch", launch, api_key=KEY)
    assert launched.status == "successful" and launched.changed and not launched.contains(KEY), launched.output[-4000:]
    shown = jobs.run("status", {})
    assert shown.status == "successful" and shown.changed == 0, shown.output[-4000:]
    assert {f"{worker}/environment" for worker in WORKERS} <= set(shown.published["codex_stats"]["sessions"])
    assert SYSTEMD in shown.output and "environment" in shown.output
    removed = jobs.run("teardown", {"codex_session_name": "environment"})
    assert removed.status == "successful" and removed.changed, removed.output[-4000:]


def test_a_job_that_is_transmitted_to_it(jobs: Jobs) -> None:
    done = jobs.stream(jobs.prepare("status", {}))
    assert done.status == "successful" and "PLAY RECAP" in done.output, done.output[-4000:]
