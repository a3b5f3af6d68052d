# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Timed runs of ansible-playbook: wall and CPU seconds, what they changed, sent, and spent their time on."""

from __future__ import annotations

import collections
import contextlib
import json
import os
import re
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
COLLECTIONS = HERE.parents[1] / "collections"
GRACE = 10.0  # seconds between asking a run to end and killing it
TAIL = 3000  # characters of a failed run's output

_RECAP = re.compile(r"^(\S+)\s+: ok=\d+ +changed=(\d+) +unreachable=(\d+) +failed=(\d+)", re.MULTILINE)
#: at -vvv: the file of each module that is sent to a worker, and each command through a connection
_SHIPPED = re.compile(r"Using module file \S*/(\w+)\.py")
_EXEC = re.compile(r"SSH: EXEC .*? -o Port=(\d+) ")


class BenchError(Exception):
    """What went wrong with which object, and what to do about it."""


@dataclass(frozen=True)
class Timing:
    """A run that went well. ``wall`` in seconds; ``cpu`` in seconds of ansible-playbook and its children, not of workers."""

    wall: float
    cpu: float
    changed: int
    output: str

    @property
    def shipped(self) -> list[str]:
        """The names of the modules that were sent to workers, in order; needs -vvv."""
        return _SHIPPED.findall(self.output)

    def commands_per_worker(self, workers: int) -> float:
        """Return how many commands went through each worker's connection; needs -vvv."""
        return len(_EXEC.findall(self.output)) / workers


@dataclass(frozen=True)
class Phase:
    """A part of a run: ``wall`` seconds, and how many hosts answered or skipped in it."""

    name: str
    wall: float
    ok: int = 0
    skipped: int = 0


@dataclass(frozen=True)
class Runner:
    """Runs playbooks for one inventory; everything they write is below ``scratch``, a directory with a short path."""

    inventory: Path
    scratch: Path
    workers: int
    variables: Mapping[str, Any]

    def run(self, playbook: str, what: str, *, limit: float, options: Sequence[str] = (), extra: Mapping[str, str] | None = None) -> Timing:
        """Run a playbook within ``limit`` seconds. Raises BenchError when it fails, or misses a worker."""
        log = self.scratch / "output.log"
        argv = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", str(self.inventory)]
        argv += ["--forks", str(self.workers), "--extra-vars", json.dumps(self.variables), *options, playbook]
        status, wall, cpu = timed(argv, what, log, limit, {**self._environment(), **(extra or {})})
        output = log.read_text(encoding="utf-8", errors="replace")
        recaps = _RECAP.findall(output)
        if status or len(recaps) != self.workers or any(int(recap[2]) or int(recap[3]) for recap in recaps):
            raise BenchError(f"{what}: failed (status {status}, {len(recaps)} of {self.workers} workers), last words:\n{tail(log)}")
        return Timing(wall, cpu, sum(int(recap[1]) for recap in recaps), output)

    def phases(self, playbook: str, what: str, limit: float) -> list[Phase]:
        """Run a playbook once more and return where its wall time went, in order."""
        record = self.scratch / "stopwatch.jsonl"
        record.unlink(missing_ok=True)
        extra = {
            "ANSIBLE_CALLBACK_PLUGINS": str(HERE / "callback"),
            "ANSIBLE_CALLBACKS_ENABLED": "stopwatch",
            "STOPWATCH_FILE": str(record),
        }
        begin = time.time()
        self.run(playbook, what, limit=limit, extra=extra)
        end = time.time()
        events = [json.loads(line) for line in record.read_text(encoding="utf-8").splitlines()]
        return phases_of(events, begin, end)

    def _environment(self) -> dict[str, str]:
        # neither the user's configuration nor connections kept from elsewhere may decide the figures
        kept = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
        (self.scratch / "ansible.cfg").touch()
        return {
            **kept,
            "ANSIBLE_CONFIG": str(self.scratch / "ansible.cfg"),
            "ANSIBLE_HOME": str(self.scratch / "home"),
            "ANSIBLE_COLLECTIONS_PATH": f"{COLLECTIONS}:{os.environ.get('ANSIBLE_COLLECTIONS_PATH', '')}".rstrip(":"),
            "ANSIBLE_NOCOLOR": "true",
        }


def phases_of(events: Sequence[Mapping[str, Any]], begin: float, end: float) -> list[Phase]:
    """Return the phases between ``begin`` and ``end`` (seconds since the epoch) from the stopwatch's events."""
    marks = [("python, imports, inventory, playbook", begin)]
    marks += [("play begins", event["time"]) for event in events if event["event"] == "start"]
    marks += [(event["name"], event["time"]) for event in events if event["event"] == "task"]
    marks += [("end of the run", event["time"]) for event in events if event["event"] == "end"]
    answers = collections.Counter((event["event"], event["name"]) for event in events)
    borders = [mark[1] for mark in marks[1:]] + [end]
    return [
        Phase(name, border - start, answers["ok", name], answers["skipped", name])
        for (name, start), border in zip(marks, borders, strict=True)
    ]


def timed(argv: Sequence[str], what: str, log: Path, limit: float, environment: Mapping[str, str]) -> tuple[int, float, float]:
    """Run a program in the directory of its log; return exit status, wall seconds and CPU seconds. Raises BenchError after ``limit``."""
    before, begin = cpu_of_children(), time.monotonic()
    with log.open("wb") as stream:
        process = subprocess.Popen(
            argv,
            cwd=log.parent,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        with ended(process):
            try:
                status = process.wait(limit)
            except subprocess.TimeoutExpired:
                raise BenchError(f"{what}: did not end within {limit:.0f} s, last words:\n{tail(log)}") from None
    return status, time.monotonic() - begin, cpu_of_children() - before


@contextlib.contextmanager
def ended(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Leave with the process and its group gone, however the block ends."""
    try:
        yield
    finally:
        for number in (signal.SIGTERM, signal.SIGKILL):
            if process.poll() is not None:
                break
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(GRACE)


def cpu_of_children() -> float:
    """Return the CPU seconds of all children that have ended, and of theirs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def tail(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace")[-TAIL:]
