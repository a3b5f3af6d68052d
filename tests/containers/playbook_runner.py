# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Real runs of ansible against a small fleet, and what came of them."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from containers.ansible_server import ServedProcess, Server
from fleet import dev_cache

HERE = Path(__file__).resolve().parent
#: this one first, then where the user keeps others
COLLECTIONS = [
    HERE.parents[1] / "collections",
    *map(Path, filter(None, os.environ.get("ANSIBLE_COLLECTIONS_PATH", "").split(":"))),
    dev_cache() / "collections",
    Path.home() / ".ansible" / "collections",
    Path("/usr/share/ansible/collections"),
]
DEADLINE = 300  # seconds, for one run: what hangs is found, and a slow machine passes
#: discovery would add its own facts to the first result of a run
INTERPRETER = {"ansible_python_interpreter": "/usr/bin/python3"}

#: the server of this process, once a test has used it
SERVERS: list[Server] = []

#: of a run at -vvv: the file of each module that was sent to a worker
_SHIPPED = re.compile(r"Using module file \S*/(\w+)\.py")


@dataclass(frozen=True)
class Record:
    """One result: ``status`` is ok, failed or unreachable."""

    status: str
    host: str
    task: str
    result: dict[str, Any]


@dataclass(frozen=True)
class Run:
    """A finished run: everything it printed at -vvv, and its results in order."""

    rc: int
    output: str
    records: list[Record]

    @property
    def shipped(self) -> list[str]:
        """The names of the modules that were sent to workers, in order."""
        return _SHIPPED.findall(self.output)

    @property
    def results(self) -> list[dict[str, Any]]:
        """The results of a run in which every task went well."""
        odd = [record for record in self.records if record.status != "ok"]
        assert self.rc == 0 and not odd, f"rc {self.rc}: {[record.result.get('msg') for record in odd]}\n{self.output[-4000:]}"
        return [record.result for record in self.records]

    @property
    def failure(self) -> dict[str, Any]:
        """The result of the one task that failed."""
        failed = [record.result for record in self.records if record.status == "failed"]
        assert len(failed) == 1, f"{len(failed)} failures\n{self.output[-4000:]}"
        return failed[0]


@dataclass(frozen=True)
class Running:
    """A run that has been started."""

    process: subprocess.Popen[bytes] | ServedProcess
    output: Path
    record: Path

    def wait_for(self, text: str) -> None:
        """Wait until the run has printed something."""
        deadline = time.monotonic() + DEADLINE
        while text not in (printed := self.output.read_text(encoding="utf-8", errors="replace")):
            assert self.process.poll() is None and time.monotonic() < deadline, f"{text!r} is not printed:\n{printed[-4000:]}"
            time.sleep(0.1)

    def finish(self) -> Run:
        """Wait for the end and return what came of it."""
        rc = self.process.wait(DEADLINE)
        output = self.output.read_text(encoding="utf-8", errors="replace")
        lines = self.record.read_text(encoding="utf-8").splitlines() if self.record.exists() else []
        return Run(rc, output, [Record(**json.loads(line)) for line in lines])


def has_collection(name: str) -> bool:
    """Return whether a collection is installed where runs look for it."""
    return any((place / "ansible_collections" / name.replace(".", "/")).is_dir() for place in COLLECTIONS)


@dataclass(frozen=True)
class Controller:
    """Runs Ansible for one inventory, in a scratch directory of its own."""

    inventory: Path
    scratch: Path
    #: where its programs are
    programs: Path = Path(sys.executable).parent

    def play(
        self,
        tasks: Sequence[Mapping[str, Any]],
        *,
        hosts: str = "ready",
        options: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        terminal: bool = False,
        **keywords: Any,
    ) -> Run:
        """Run a play of ``tasks``; ``keywords`` are the play's own, ``options`` those of ansible-playbook."""
        argv = self._written(tasks, hosts, options, keywords)
        with self._started(argv, environment or {}, terminal, served=True) as run:
            return run.finish()

    @contextmanager
    def started(
        self,
        tasks: Sequence[Mapping[str, Any]],
        *,
        hosts: str = "ready",
        options: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        terminal: bool = False,
        **keywords: Any,
    ) -> Iterator[Running]:
        """Start a play on a ``terminal`` or without; it is killed when the context is left before its end."""
        with self._started(self._written(tasks, hosts, options, keywords), environment or {}, terminal) as run:
            yield run

    def _written(self, tasks: Sequence[Mapping[str, Any]], hosts: str, options: Sequence[str], keywords: dict[str, Any]) -> list[str]:
        """Write the play and return the command that runs it."""
        playbook = self.scratch / "play.yml"
        variables = {**INTERPRETER, **keywords.pop("vars", {})}
        play = {"hosts": hosts, "gather_facts": False, "vars": variables, **keywords}
        play["tasks"] = [dict(task) for task in tasks]
        playbook.write_text(yaml.safe_dump([play], sort_keys=False), encoding="utf-8")
        return ["ansible-playbook", str(playbook), *options]

    def playbook(self, name: str, variables: Mapping[str, Any], *options: str, environment: Mapping[str, str] | None = None) -> Run:
        """Run one of the collection's own playbooks; with other variables than a job's by a process of its own, beside other runs."""
        return self._run(["ansible-playbook", f"optio.codex.{name}", "-e", json.dumps(variables), *options], environment or {})

    def ad_hoc(self, module: str, arguments: Mapping[str, Any], *options: str, hosts: str = "ready") -> Run:
        """Run one module from the command line."""
        argv = ["ansible", hosts, "-m", module, "-a", json.dumps(arguments), "-e", json.dumps(INTERPRETER), *options]
        return self._run(argv, {"ANSIBLE_LOAD_CALLBACK_PLUGINS": "true"})

    def _run(self, argv: Sequence[str], environment: Mapping[str, str]) -> Run:
        with self._started(argv, environment, served=True) as run:
            return run.finish()

    @contextmanager
    def _started(
        self, argv: Sequence[str], environment: Mapping[str, str], terminal: bool = False, served: bool = False
    ) -> Iterator[Running]:
        # an empty configuration: the user's own must not decide how the tests end
        (self.scratch / "ansible.cfg").touch()
        record = self.scratch / "record.jsonl"
        record.unlink(missing_ok=True)
        program = self.programs / argv[0]
        command = [str(program), "-i", str(self.inventory), "-vvv", *argv[1:]]
        if terminal:
            command = ["script", "--quiet", "--return", "--command", shlex.join(command), "/dev/null"]
        output = self.scratch / "output"
        process: subprocess.Popen[bytes] | ServedProcess
        # other variables could be Ansible's, which the server has read
        of_job = all(name.startswith("AWX_") for name in environment)
        if served and of_job and not terminal and self._can_be_served(argv[0]):
            process = self._server().start(command, self.scratch, output, {**self._environment(record), **environment})
        else:
            with output.open("wb") as file:
                process = subprocess.Popen(
                    command,
                    cwd=self.scratch,
                    env={**self._environment(record), **environment},
                    stdin=subprocess.DEVNULL,
                    stdout=file,
                    stderr=subprocess.STDOUT,
                )
        try:
            yield Running(process, output, record)
        finally:
            process.kill()
            process.wait()

    def _can_be_served(self, program: str) -> bool:
        # the server has read a configuration without settings
        has_settings = (self.scratch / "ansible.cfg").stat().st_size > 0
        return program == "ansible-playbook" and self.programs == Path(sys.executable).parent and not has_settings

    def _server(self) -> Server:
        """Return the server of this process; a run only has another file for its results."""
        if not SERVERS:
            configuration = Path(tempfile.mkdtemp(prefix="optio-ansible-")) / "ansible.cfg"
            configuration.touch()
            environment = self._environment(configuration)
            SERVERS.append(Server({**environment, "ANSIBLE_CONFIG": str(configuration)}))
        return SERVERS[0]

    def _environment(self, record: Path) -> dict[str, str]:
        # a test decides for itself whether it plays a CI system
        # pytest-xdist sets the size of a terminal that it does not have
        dropped = ("CI", "COLUMNS", "LINES")
        kept = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_") and name not in dropped}
        return {
            **kept,
            "TERM": "xterm",
            "ANSIBLE_CONFIG": str(self.scratch / "ansible.cfg"),
            "ANSIBLE_COLLECTIONS_PATH": ":".join(map(str, COLLECTIONS)),
            "ANSIBLE_CALLBACK_PLUGINS": str(HERE / "callback"),
            "ANSIBLE_CALLBACKS_ENABLED": "recorder",
            "ANSIBLE_CONNECTION_PLUGINS": str(HERE / "connection"),
            "ANSIBLE_LOCALHOST_WARNING": "false",
            "ANSIBLE_NOCOLOR": "true",
            "RECORDER_FILE": str(record),
        }
