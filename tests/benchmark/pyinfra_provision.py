# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps of the playbook provision as a deploy of pyinfra, for a worker that has everything."""

from pyinfra import host
from pyinfra.facts.server import Command
from pyinfra.operations import apt, files, server

CACHE = host.data.get("cache")

apt.packages(name="Packages", packages=["tmux", "git", "ca-certificates"])
for program, version in host.data.get("versions").items():
    shown = host.get_fact(Command, f"readlink -f {CACHE}/{program} && {CACHE}/{program} --version")
    if version not in shown:
        server.shell(name=f"Install {program}", commands=["false"])
files.file(name="No requirements", path="/etc/codex/requirements.toml", present=False)
sandbox = host.get_fact(Command, f"{CACHE}/codex sandbox -- /bin/true && echo works")
if "works" not in sandbox:
    server.shell(name="The sandbox works", commands=["false"])
