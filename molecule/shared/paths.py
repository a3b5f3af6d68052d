# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where everything of the scenario's session is on its worker, written out: the tests take no path from the code."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import yaml

#: the scenario's name, which is its worker's
SCENARIO = os.environ["MOLECULE_SCENARIO_NAME"]
INVENTORY = Path(__file__).resolve().parents[2] / "tests/output/molecule/inventory.yml"

_GROUP = yaml.safe_load(INVENTORY.read_text(encoding="utf-8"))["all"]["children"]["codex_workers"]
#: how Ansible reaches the worker
CONNECTION: dict[str, Any] = {**_GROUP["vars"], **_GROUP["hosts"][SCENARIO]}
USER: str = CONNECTION["ansible_user"]

NAME = "molecule"
HOME = "/root" if USER == "root" else f"/home/{USER}"
ROOT = f"{HOME}/.local/share/optio-codex"
TASK = f"{ROOT}/{NAME}"
WORKDIR = f"{TASK}/workdir"
# by root in the system's directory; by others below their own under a digest, because a socket's path is short
RUNTIME = f"/run/optio-codex/{NAME}" if USER == "root" else f"{ROOT}/.run/cd282cd375dc"
CACHE = f"{HOME}/.cache/optio-codex/bin"
UNITS = (f"optio-codex@{NAME}.service", f"optio-ttyd@{NAME}.service")
#: whether units of systemd keep the session
SUPERVISED = USER == "root" and "-systemd-" in CONNECTION["optio_image"]
