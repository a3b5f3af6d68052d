# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Jobs as AWX runs them: by ansible-runner in a container, as uid 1000 without HOME, from a private data directory in AWX's layout."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import awx_definitions
import yaml
from e2e.sessions import USER, Workers
from fleet import IMAGE_PREFIX, dev_cache

ROOT = Path(__file__).resolve().parents[2]
#: ansible-runner and ansible-core for Debian 12, whose Python the container has
PACKAGES = dev_cache() / "runner" / "cpython-311"
IMAGE = f"{IMAGE_PREFIX}:bookworm-ready"
GUIDE = ROOT / "docs/docsite/rst/guide_awx.rst"
COLLECTION = "/runner/requirements_collections/ansible_collections/optio/codex"
COLORS = re.compile(r"\x1b\[[0-9;]*m")
PROGRAMS = {"ansible-runner": "ansible_runner.__main__", "ansible-playbook": "ansible.cli.playbook"}
#: what AWX sets for a job
ENVIRONMENT = {
    "ANSIBLE_FORCE_COLOR": "True",
    "ANSIBLE_HOST_KEY_CHECKING": "False",
    "ANSIBLE_INVENTORY_UNPARSED_FAILED": "True",
    "ANSIBLE_RETRY_FILES_ENABLED": "False",
    "ANSIBLE_SSH_CONTROL_PATH_DIR": "/runner/cp",
    "ANSIBLE_COLLECTIONS_PATH": "/runner/requirements_collections:~/.ansible/collections:/usr/share/ansible/collections",
    "AWX_HOST": "https://awx.example.com",
    "AWX_PRIVATE_DATA_DIR": "/runner",
    "INVENTORY_ID": "1",
    "JOB_ID": "7",
    "MAX_EVENT_RES": "700000",
    "PROJECT_REVISION": "0123abc",
}
JOB_VARIABLES = {"awx_job_id": 7, "awx_user_name": "ann", "tower_job_id": 7, "awx_inventory_name": "Codex"}


class Unsafe(str):
    """Text that Ansible must not evaluate."""


class Dumper(yaml.SafeDumper):
    """Writes such text as AWX does."""


Dumper.add_representer(Unsafe, lambda dumper, text: dumper.represent_scalar("!unsafe", str(text)))


def unsafe(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: unsafe(item) for key, item in value.items()}
    if isinstance(value, list):
        return [unsafe(item) for item in value]
    return Unsafe(value) if isinstance(value, str) else value


def guide_block(language: str, beginning: str) -> str:
    """Return the example of the guide that begins with a text."""
    pattern = rf"^\.\. code-block:: {language}\n\n((?:  .*\n|\n)+)"
    examples: list[str] = re.findall(pattern, GUIDE.read_text("utf-8"), re.MULTILINE)
    (found,) = [text for text in examples if text.strip().startswith(beginning)]
    return re.sub(r"^  ", "", found, flags=re.MULTILINE)


@dataclass(frozen=True)
class Job:
    """A job's directory, and what came of it."""

    name: str
    directory: Path
    playbook: str

    @property
    def artifacts(self) -> Path:
        return self.directory / "artifacts" / "1"

    @property
    def status(self) -> str:
        return (self.artifacts / "status").read_text("utf-8")

    @property
    def output(self) -> str:
        path = self.artifacts / "stdout"
        return COLORS.sub("", path.read_text("utf-8")) if path.exists() else ""

    @property
    def changed(self) -> int:
        return sum(map(int, re.findall(r"^\w+ +: .*changed=(\d+)", self.output, re.MULTILINE)))

    @property
    def published(self) -> dict[str, Any]:
        """The artifacts of the job, from its last event."""
        result: dict[str, Any] = {}
        for path in self.artifacts.glob("job_events/*.json"):
            result |= json.loads(path.read_text("utf-8")).get("event_data", {}).get("artifact_data") or {}
        return result

    def contains(self, text: str) -> list[str]:
        """Return the files of the artifacts that contain a text."""
        files = (path for path in self.artifacts.rglob("*") if path.is_file())
        return [path.name for path in files if text in path.read_text("utf-8", "replace")]


@dataclass(frozen=True)
class Jobs:
    """Runs the starter project's playbooks for the workers."""

    workers: Workers
    scratch: Path
    #: an execution environment with all that a job needs; without one, the programs and the collection are mounted into a worker's image
    image: str = ""

    def prepare(self, playbook: str, answers: Mapping[str, Any], *, options: Sequence[str] = (), api_key: str = "", text: str = "") -> Job:
        """Write the directory of a job with the answers of its survey; the text of the other questions is empty.

        ``text`` is a playbook that a team has added to the project, with a template without a survey.
        """
        name = f"{self.workers.fleet.name}-job-{len(list(self.scratch.iterdir()))}"
        job = Job(name, self.scratch / name, playbook)
        for part in ("env", "inventory", "artifacts", "cp", "requirements_collections"):
            (job.directory / part).mkdir(parents=True)
        shutil.copytree(ROOT / "examples/awx/project", job.directory / "project")
        if text:
            (job.directory / "project" / f"{playbook}.yml").write_text(text, "utf-8")
        self._write_environment(job, answers, options, api_key)
        self._write_inventory(job)
        subprocess.run(["chown", "-R", "1000:0", str(job.directory)], check=True)
        return job

    def _write_environment(self, job: Job, answers: Mapping[str, Any], options: Sequence[str], api_key: str) -> None:
        template = next((template for template in awx_definitions.TEMPLATES if template["playbook"] == job.playbook), {})
        kinds = {question["variable"]: question["type"] for question in awx_definitions.QUESTIONS}
        variables: dict[str, Any] = {name: "" for name in awx_definitions.asked(template) if kinds[name] in ("text", "textarea")}
        if template.get("credential"):
            injected = awx_definitions.CREDENTIAL_TYPE["injectors"]["extra_vars"]
            variables |= {name: api_key if text == "{{ api_key }}" else "" for name, text in injected.items()}
        # of the template: the model of the tests, and the sessions' user
        variables |= {"codex_session_config": json.dumps(self.workers.provider()), "codex_user": USER, **JOB_VARIABLES, **answers}
        environment = job.directory / "env"
        (environment / "extravars").write_text(yaml.dump(unsafe(variables), Dumper=Dumper), "utf-8")
        (environment / "npmrc").touch()
        (environment / "envvars").write_text(json.dumps({**ENVIRONMENT, "NPM_CONFIG_USERCONFIG": "/runner/env/npmrc"}), "utf-8")
        (environment / "settings").write_text(json.dumps({"suppress_ansible_output": True}), "utf-8")
        (environment / "cmdline").write_text(" ".join(["-u", self.workers.fleet.user, *options]), "utf-8")
        shutil.copy(self._group()["vars"]["ansible_ssh_private_key_file"], environment / "ssh_key")

    def _group(self) -> dict[str, Any]:
        group: dict[str, Any] = yaml.safe_load(self.workers.controller.inventory.read_text("utf-8"))["all"]["children"]["codex_workers"]
        return group

    def _write_inventory(self, job: Job) -> None:
        group = self._group()
        variables = {"ansible_host": "127.0.0.1", "ansible_python_interpreter": "/usr/bin/python3"}
        hosts = {name: {**host, "remote_tower_enabled": "true"} for name, host in group["hosts"].items()}
        document = {
            "_meta": {"hostvars": hosts},
            "all": {"children": ["codex_workers"]},
            "codex_workers": {"hosts": list(hosts), "vars": variables},
        }
        path = job.directory / "inventory" / "hosts"
        path.write_text(f"#!/usr/bin/env python3\nprint({json.dumps(document)!r})\n", "utf-8")
        path.chmod(0o700)

    def run(self, playbook: str, answers: Mapping[str, Any], *, options: Sequence[str] = (), api_key: str = "", text: str = "") -> Job:
        """Run a job to its end."""
        job = self.prepare(playbook, answers, options=options, api_key=api_key, text=text)
        self.start(job).wait()
        return job

    def start(self, job: Job) -> subprocess.Popen[bytes]:
        """Start a job in a container named after it."""
        argv = [*self._podman(job, f"{job.directory}:/runner"), "ansible-runner", "run", "/runner", "-p", f"{job.playbook}.yml", "-i", "1"]
        return subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def cancel(self, job: Job, process: subprocess.Popen[bytes]) -> None:
        """Kill the container, as AWX does."""
        subprocess.run(["podman", "kill", job.name], check=True, capture_output=True)
        process.wait()

    def remove_containers(self) -> None:
        """Remove what a test that failed has left."""
        names = [path.name for path in self.scratch.iterdir()]
        subprocess.run(["podman", "rm", "--force", "--ignore", *names], check=False, capture_output=True)

    def stream(self, job: Job) -> Job:
        """Run a job by ansible-runner transmit, worker and process; the worker has only what was transmitted."""
        runner = [sys.executable, "-m", "ansible_runner"]
        environment = {**os.environ, "PYTHONPATH": str(PACKAGES)}
        done = Job(job.name, self.scratch / f"{job.name}-processed", job.playbook)
        argv = [*runner, "transmit", str(job.directory), "-p", f"{job.playbook}.yml", "-i", "1"]
        sent = subprocess.run(argv, env=environment, capture_output=True, check=True).stdout
        worker = [*self._podman(job, None), "ansible-runner", "worker", "--private-data-dir", "/runner"]
        returned = subprocess.run(worker, input=sent, capture_output=True, check=True).stdout
        argv = [*runner, "process", str(done.directory), "-i", "1"]
        subprocess.run(argv, env=environment, input=returned, capture_output=True, check=True)
        return done

    def _podman(self, job: Job, volume: str | None) -> list[str]:
        data = ["-v", volume] if volume else ["--tmpfs", "/runner:mode=0777"]
        options = ["--network", "host", "--user", "1000:0", *data]
        command = ["podman", "run", "--rm", "--interactive", "--name", job.name, "--workdir", "/"]
        if self.image:
            return [*command, *options, self.image, "env", "-u", "HOME"]
        mounts = [f"{PACKAGES}:/opt/packages:ro", f"{self._programs()}:/opt/programs:ro", f"{ROOT}:{COLLECTION}:ro"]
        options += [part for mount in mounts for part in ("-v", mount)]
        environment = ["env", "-u", "HOME", "PYTHONPATH=/opt/packages", "PATH=/opt/programs:/usr/bin:/bin", "LC_ALL=C.UTF-8"]
        return [*command, *options, IMAGE, *environment]

    def _programs(self) -> Path:
        """Return the directory with the programs of a job."""
        programs = self.scratch.parent / "programs"
        programs.mkdir(exist_ok=True)
        for name, module in PROGRAMS.items():
            (programs / name).write_text(f"#!/usr/bin/python3\nimport sys\nfrom {module} import main\nsys.exit(main())\n", "utf-8")
            (programs / name).chmod(0o755)
        return programs
