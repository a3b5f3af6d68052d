#!/usr/bin/env python
# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cost of a warm provision, launch and status of a fleet beside a ping, a raw command and pyinfra, in turn in one run.

Fails when a run fails, changes something or sends a module to a worker; never because of a time.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS), str(TESTS / "environment")]

import fleet as fleets
from benchmark.measure import BenchError, Phase, Runner, Timing
from benchmark.pyinfra_run import Pyinfra

IMAGE = "bookworm-ready"
COLD_LIMIT, WARM_LIMIT = 900.0, 180.0  # seconds
PROVISION, LAUNCH, STATUS = "optio.codex.provision", "optio.codex.launch", "optio.codex.status"
SESSIONS = "one,two,three"
PYINFRA = "G"
#: where the provision of root puts codex and ttyd
CACHE = "/root/.cache/optio-codex/bin"
#: in the place of codex: thirty idle ones would take a processor
STAND_IN = "/opt/stand-in"


@dataclass(frozen=True)
class Contender:
    """One of the playbooks that take turns; ``warm`` ones must change nothing."""

    letter: str
    title: str
    playbook: str
    warm: bool


def contenders(scratch: Path, variables: Mapping[str, Any]) -> list[Contender]:
    """Write the playbooks that are not the collection's own below ``scratch``."""
    source = variables["codex_worker_mirror_url"]
    codex = {"sources": [f"{source}/codex"], "version": variables["codex_worker_codex_version"]}
    ttyd = {"sources": [f"{source}/ttyd"], "checksum": variables["codex_worker_ttyd_checksum"]}
    look = {"check_sandbox": False, "include_sessions": False, "codex_release": codex, "ttyd_release": ttyd}
    modules: list[dict[str, Any]] = [{"name": "Look", "optio.codex.worker_info": look}]
    return [
        Contender("A", "warm provision", PROVISION, True),
        Contender("B", "ping", write(scratch, "ping", [{"name": "Ping", "ansible.builtin.ping": {}}]), False),
        Contender("C", "raw: true", write(scratch, "raw", [{"name": "Raw", "ansible.builtin.raw": "true"}]), False),
        Contender("D", "A's probe, no role", write(scratch, "modules", modules), True),
        Contender("E", "warm launch", LAUNCH, True),
        Contender("F", "status", STATUS, True),
        Contender("H", "launch with an API key", with_key(scratch), True),
        Contender(PYINFRA, "pyinfra provision", "", True),
    ]


def with_key(scratch: Path) -> str:
    """Write a launch whose sessions have a credential; the first run installs it."""
    path = scratch / "with_key.yml"
    play = {"name": "Launch", "ansible.builtin.import_playbook": LAUNCH, "vars": {"codex_session_credential_api_key": "sk-benchmark"}}
    path.write_text(json.dumps([play]), encoding="utf-8")
    return str(path)


def write(scratch: Path, name: str, tasks: Sequence[Mapping[str, Any]]) -> str:
    play = {"name": name, "hosts": "codex_workers", "gather_facts": False, "tasks": list(tasks)}
    path = scratch / f"{name}.yml"
    # every JSON text is YAML
    path.write_text(json.dumps([play]), encoding="utf-8")
    return str(path)


def variables_of(fleet: fleets.Fleet, version: str) -> dict[str, Any]:
    """Return the role's variables for the fleet's mirror; an empty ``version`` is the collection's default."""
    ttyd = [digest for path, digest in fleets.checksums().items() if path.startswith("ttyd/")]
    if not ttyd:
        raise BenchError("mirror: holds no ttyd; run tests/environment/bootstrap.sh artifacts")
    return {
        "codex_worker_mirror_url": fleet.mirror_url,
        "codex_worker_codex_version": version,
        "codex_worker_ttyd_checksum": ttyd[0],
        # discovery would make every ping dearer, and the comparison too kind
        "ansible_python_interpreter": "/usr/bin/python3",
        "codex_session_name": SESSIONS,
        "codex_session_codex_dir": STAND_IN,
        "codex_session_ready_timeout": 0,
        "codex_session_config": {"model_provider": "none"},
    }


def say(text: str) -> None:
    print(text, flush=True)


def benchmark(fleet: fleets.Fleet, scratch: Path, args: argparse.Namespace) -> bool:
    """Provision, measure, print; whether no warm run changed or sent anything."""
    workers, rounds = len(fleet.workers), args.rounds
    variables = variables_of(fleet, args.codex_version)
    runner = Runner(fleet.inventory, scratch, workers, variables)
    say(f"provisioning {workers} workers from the local mirror …")
    cold = runner.run(PROVISION, "the cold provision", limit=COLD_LIMIT)
    say(f"provisioned in {cold.wall:.1f} s, {cold.changed} changes")
    script = f"mkdir -p {STAND_IN} && printf '#!/bin/sh\\nexec sleep infinity\\n' >{STAND_IN}/codex && chmod 755 {STAND_IN}/codex"
    runner.run(write(scratch, "stand_in", [{"name": "Stand in", "ansible.builtin.raw": script}]), "the stand-in", limit=WARM_LIMIT)
    launched = runner.run(LAUNCH, "the cold launch", limit=COLD_LIMIT)
    say(f"launched {3 * workers} sessions in {launched.wall:.1f} s")
    field = contenders(scratch, variables)
    pyinfra = Pyinfra(fleet.inventory, scratch, {"cache": CACHE, "versions": versions(runner, scratch)})

    def run(contender: Contender) -> Timing:
        if contender.letter == PYINFRA:
            return pyinfra.run(WARM_LIMIT)
        return runner.run(contender.playbook, contender.title, limit=WARM_LIMIT)

    for contender in field:
        # the first run of each fills the caches of the machine
        run(contender)
    timings: dict[str, list[Timing]] = {contender.letter: [] for contender in field}
    for number in range(1, rounds + 1):
        for contender in field:
            timings[contender.letter].append(run(contender))
        figures = "   ".join(f"{letter} {times[-1].wall:.2f} s" for letter, times in timings.items())
        say(f"round {number}/{rounds}:   {figures}   (load {os.getloadavg()[0]:.1f})")
    say(table(field, timings))
    say(ratios(timings))
    traced = runner.run(PROVISION, "the warm provision at -vvv", limit=WARM_LIMIT, options=["-vvv"])
    say(f"\nmodules sent to workers by A: {', '.join(traced.shipped) or 0}")
    say(f"commands through each worker's connection by A: {traced.commands_per_worker(workers):g}")
    for title, playbook in (("warm provision", PROVISION), ("warm launch", LAUNCH), ("status", STATUS)):
        say(breakdown(title, runner.phases(playbook, f"the {title} with a stopwatch", WARM_LIMIT)))
    return verdict(field, timings, traced)


def versions(runner: Runner, scratch: Path) -> dict[str, str]:
    """Return the versions of codex and ttyd on the workers."""
    script = "".join(f"readlink -f {CACHE}/{program}; " for program in ("codex", "ttyd"))
    show = {"name": "Show", "ansible.builtin.debug": {"msg": "VERSIONS {{ look.stdout_lines | join(' ') }}"}}
    look = {"name": "Look", "ansible.builtin.raw": script, "register": "look", "changed_when": False}
    output = runner.run(write(scratch, "versions", [look, show]), "the versions", limit=WARM_LIMIT).output
    _mark, codex, ttyd = output[output.index("VERSIONS ") :].split('"')[0].split()
    return {"codex": codex.split("/")[-3], "ttyd": ttyd.split("/")[-2]}


def table(field: Sequence[Contender], timings: Mapping[str, Sequence[Timing]]) -> str:
    """Return the lines of wall and CPU seconds."""
    lines = [f"\n{'seconds':26}{'min':>8}{'median':>8}{'max':>8}{'CPU':>8}"]
    for contender in field:
        walls = [timing.wall for timing in timings[contender.letter]]
        cpu = statistics.median(timing.cpu for timing in timings[contender.letter])
        figures = (min(walls), statistics.median(walls), max(walls), cpu)
        lines.append(f"{contender.letter}  {contender.title:23}" + "".join(f"{figure:8.2f}" for figure in figures))
    lines.append("CPU: median, of ansible-playbook with its forks and ssh, not of the workers")
    return "\n".join(lines)


def ratios(timings: Mapping[str, Sequence[Timing]]) -> str:
    """Return the medians of the ratios of runs of the same round, for wall and CPU time."""
    lines = [f"\n{'ratio (median of pairs)':26}{'wall':>8}{'CPU':>8}"]
    compared = (("A", "B"), ("A", "C"), ("D", "B"), ("A", "D"), ("E", "B"), ("F", "B"), ("H", "B"), ("A", "G"))
    for upper, lower in (pair for pair in compared if timings.keys() >= {*pair}):
        pairs = list(zip(timings[upper], timings[lower], strict=True))
        wall = statistics.median(first.wall / second.wall for first, second in pairs)
        cpu = statistics.median(first.cpu / second.cpu for first, second in pairs)
        lines.append(f"{f'{upper}/{lower}':26}{wall:8.2f}{cpu:8.2f}")
    return "\n".join(lines)


def breakdown(title: str, phases: Sequence[Phase]) -> str:
    """Return where the wall time of one warm run went."""
    total = sum(phase.wall for phase in phases)
    tasks = [phase for phase in phases if phase.ok or phase.skipped]
    lines = [f"\none {title} by parts, {total:.2f} s, {len(tasks)} tasks      ms   ok  skipped"]
    lines += [f"  {phase.name[:46]:46}{phase.wall * 1000:7.0f}{phase.ok:5}{phase.skipped:9}" for phase in phases]
    return "\n".join(lines)


def verdict(field: Sequence[Contender], timings: Mapping[str, Sequence[Timing]], traced: Timing) -> bool:
    """Report what a warm run must not do."""
    faults = [
        f"{contender.title}: {sum(timing.changed for timing in timings[contender.letter])} changes in warm runs"
        for contender in field
        if contender.warm and any(timing.changed for timing in timings[contender.letter])
    ]
    if traced.shipped:
        faults.append(f"{PROVISION}: a warm run sent modules to workers; -vvv says why each was shipped")
    for fault in faults:
        print(f"error: {fault}", file=sys.stderr)
    return not faults


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--workers", type=int, default=10, help="how many (10)")
    parser.add_argument("--rounds", type=int, default=5, help="runs of each playbook (5)")
    parser.add_argument("--codex-version", default="", help="another than the collection's default; it must be in the mirror")
    parser.add_argument("--keep", action="store_true", help="leave the fleet up and the scratch directory")
    args = parser.parse_args()
    if args.workers < 1 or args.rounds < 1:
        parser.error("--workers and --rounds are at least 1")
    return args


def interrupted(signum: int, frame: object) -> NoReturn:
    # an exception, so that the fleet is removed
    raise SystemExit(128 + signum)


def on_fleet(workers: int, measure: Callable[[fleets.Fleet, Path], bool], keep: bool = False) -> int:
    """Run a benchmark on a fleet of its own, with a scratch directory; return the exit status of the program."""
    signal.signal(signal.SIGTERM, interrupted)
    name = f"bench-{os.getpid()}"
    # control sockets are below it, and their paths are limited
    scratch = Path(tempfile.mkdtemp(prefix="optio-bench-"))
    begin = time.monotonic()
    say(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; where other work runs the figures are only indicative")
    try:
        # names of one width, so that their order is that of their numbers
        specs = [fleets.WorkerSpec(f"w{number:02}", IMAGE) for number in range(1, workers + 1)]
        fleet = fleets.up(name, specs, scratch / "inventory.yml")
        say(f"{workers} workers by ssh in {time.monotonic() - begin:.1f} s")
        good = measure(fleet, scratch)
    except (BenchError, fleets.FleetError) as error:
        print(f"error: {error}", file=sys.stderr)
        good = False
    finally:
        if keep:
            say(f"kept: {scratch}, and the fleet (tests/environment/fleet.py down --name {name})")
        else:
            fleets.down(name)
            shutil.rmtree(scratch, ignore_errors=True)
    say(f"done in {time.monotonic() - begin:.0f} s")
    return 0 if good else 1


def main() -> int:
    args = arguments()
    return on_fleet(args.workers, lambda fleet, scratch: benchmark(fleet, scratch, args), args.keep)


if __name__ == "__main__":
    sys.exit(main())
