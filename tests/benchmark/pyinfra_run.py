# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs of pyinfra beside those of Ansible."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fleet as fleets
import yaml
from benchmark.measure import BenchError, Timing, tail, timed

VERSION = "3.10.0"
DEPLOY = Path(__file__).resolve().parent / "pyinfra_provision.py"


def program() -> Path:
    """Return pyinfra, from PyPI in an environment of its own."""
    directory = fleets.dev_cache() / "venvs" / f"pyinfra-{VERSION}"
    if not (directory / "bin" / "pyinfra").exists():
        for argv in (
            [sys.executable, "-m", "venv", "--clear", str(directory)],
            [str(directory / "bin" / "pip"), "install", "--quiet", f"pyinfra=={VERSION}"],
        ):
            subprocess.run(argv, check=True)
    return directory / "bin" / "pyinfra"


def nothing_changed(output: str) -> bool:
    """Return whether the table of a run has operations, none of which changed something or failed."""
    total = re.search(r"^ *Grand total +\d+ +(\S+) +(\S+) +\d+", output, re.MULTILINE)
    return total is not None and total.groups() == ("-", "-")


@dataclass(frozen=True)
class Pyinfra:
    """Runs the deploy for the workers of a fleet; what it writes is below ``scratch``."""

    inventory: Path
    scratch: Path
    data: Mapping[str, Any]

    def run(self, limit: float) -> Timing:
        """Run the deploy within ``limit`` seconds. Raises BenchError when it fails or changes something."""
        log = self.scratch / "pyinfra.log"
        argv = [str(program()), "-y", str(self._inventory()), str(DEPLOY)]
        status, wall, cpu = timed(argv, "pyinfra", log, limit, os.environ)
        output = log.read_text(encoding="utf-8", errors="replace")
        if status or not nothing_changed(output):
            raise BenchError(f"pyinfra: failed or changed something (status {status}), last words:\n{tail(log)}")
        return Timing(wall, cpu, 0, output)

    def _inventory(self) -> Path:
        found = yaml.safe_load(self.inventory.read_text(encoding="utf-8"))["all"]
        group = found["children"]["codex_workers"]
        common = {
            "ssh_hostname": group["vars"]["ansible_host"],
            "ssh_user": group["vars"]["ansible_user"],
            "ssh_key": group["vars"]["ansible_ssh_private_key_file"],
            "ssh_known_hosts_file": str(fleets.dev_cache() / "fleets" / found["vars"]["optio_fleet"] / "known_hosts"),
            "ssh_strict_host_key_checking": "yes",
            **self.data,
        }
        hosts = [(name, {**common, "ssh_port": host["ansible_port"]}) for name, host in group["hosts"].items()]
        path = self.scratch / "pyinfra_inventory.py"
        path.write_text(f"codex_workers = {hosts!r}\n", encoding="utf-8")
        return path
