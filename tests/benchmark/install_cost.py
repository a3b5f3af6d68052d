#!/usr/bin/env python
# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an install of codex costs on a worker beside ``curl | tar xz`` of the same archive, and what a warm run costs.

Each is a process on the worker, in turn. Fails when a run fails, never because of a time.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import ansible

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS), str(TESTS / "environment")]

import fleet as fleets
from benchmark.measure import BenchError

IMAGE = "bookworm-ready"
LIBRARY = "/opt/bench"
LIMIT = 300.0  # seconds
ARCHIVE = "codex/rust-v0.171.0/codex-npm-linux-x64-0.171.0.tgz"


class OnWorker:
    """Runs ``on_worker.py`` in a container."""

    def __init__(self, container: str, mirror: str, checksum: str) -> None:
        self._container, self._mirror, self._checksum = container, mirror, checksum

    def prepare(self) -> None:
        """Put curl, the collection, and what it needs of Ansible into the container."""
        self._run("sh", "-c", "apt-get update -qq && apt-get install -y -qq --no-install-recommends curl >/dev/null")
        # only module_utils is ever needed there, as in a module
        for source, target in (
            (Path(ansible.__file__).parent / "module_utils", "ansible/module_utils"),
            (Path(ansible.__file__).parent / "release.py", "ansible/release.py"),
            (TESTS.parent / "plugins/module_utils", "ansible_collections/optio/codex/plugins/module_utils"),
            (TESTS / "benchmark/on_worker.py", "on_worker.py"),
        ):
            self._run("mkdir", "-p", str(Path(LIBRARY, target).parent))
            subprocess.run(["podman", "cp", str(source), f"{self._container}:{LIBRARY}/{target}"], check=True, capture_output=True)
        # as the package is in what a module is sent as
        self._run("touch", f"{LIBRARY}/ansible/__init__.py")

    def measure(self, mode: str) -> dict[str, Any]:
        """Return what one mode measured."""
        argument = f"{self._mirror}/{ARCHIVE}" if mode == "curl" else self._mirror
        found: dict[str, Any] = json.loads(self._run("python3", "-B", f"{LIBRARY}/on_worker.py", mode, argument))
        return found

    def _run(self, *argv: str) -> str:
        environment = ["-e", f"PYTHONPATH={LIBRARY}", "-e", f"TTYD_CHECKSUM={self._checksum}"]
        command = ["podman", "exec", *environment, self._container, *argv]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=LIMIT, stdin=subprocess.DEVNULL)
        if done.returncode:
            raise BenchError(f"{argv[:4]} in {self._container}: status {done.returncode}\n{done.stderr[-2000:]}")
        return done.stdout


def benchmark(worker: OnWorker, rounds: int) -> None:
    """Measure and print."""
    worker.prepare()
    curl, cold = [], []
    for number in range(1, rounds + 1):
        curl.append(worker.measure("curl"))
        cold.append(worker.measure("cold"))
        load = os.getloadavg()[0]
        print(
            f"round {number}/{rounds}:   curl | tar xz {curl[-1]['seconds']:.2f} s   module {cold[-1]['seconds']:.2f} s   (load {load:.1f})"
        )
    pairs = [mine["seconds"] / theirs["seconds"] for theirs, mine in zip(curl, cold, strict=True)]
    print(f"\ncold install, sha256 and fsync included, beside curl | tar xz: {statistics.median(pairs):.2f} (median of {rounds} pairs)")
    print(f"most memory of the module's process: {max(run['rss_kib'] for run in cold) / 1024:.0f} MiB")
    disk = worker.measure("disk")
    extra = disk["peak"] / disk["left"]
    print(
        f"most disk while installing: {disk['peak'] / 1e6:.0f} MB, {extra:.2f} of what is left; archives seen: {disk['archives'] or 'none'}"
    )
    for name, times in worker.measure("warm").items():
        print(f"warm {name:6} {times['median']:6.1f} ms (median of 30; least {times['min']:.1f}), no connection, no hash")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7, help="pairs of cold installs (7)")
    args = parser.parse_args()
    name, scratch = f"cost-{os.getpid()}", Path(tempfile.mkdtemp(prefix="optio-cost-"))
    try:
        fleet = fleets.up(name, [fleets.WorkerSpec("one", IMAGE)], scratch / "inventory.yml")
        ttyd = next(digest for path, digest in fleets.checksums().items() if path.startswith("ttyd/"))
        benchmark(OnWorker(fleet.workers[0].container, fleet.mirror_url, ttyd), args.rounds)
    except (BenchError, fleets.FleetError, subprocess.CalledProcessError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    finally:
        fleets.down(name)
        shutil.rmtree(scratch, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
