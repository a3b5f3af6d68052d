# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A connection by ``podman exec`` that passes no standard input, as those of containers do in several collections."""

from __future__ import annotations

import subprocess
from typing import Any

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.connection import ConnectionBase

DOCUMENTATION = """
name: podman_exec
short_description: commands in a container
description: Runs commands by C(podman exec) as the container's own user. Standard input is dropped without an error.
options:
  remote_addr:
    description: The container.
    vars:
      - name: ansible_host
"""
DEADLINE = 60  # seconds


class Connection(ConnectionBase):  # type: ignore[misc,unused-ignore]
    """The connection that Ansible loads."""

    transport = "podman_exec"
    has_pipelining = False

    def _connect(self) -> Connection:
        self._connected = True
        return self

    def exec_command(self, cmd: str, in_data: bytes | None = None, sudoable: bool = True) -> tuple[int, bytes, bytes]:
        """Run a command; ``in_data`` is lost."""
        super().exec_command(cmd, in_data=in_data, sudoable=sudoable)
        return self._podman("exec", self.get_option("remote_addr"), "/bin/sh", "-c", cmd)

    def put_file(self, in_path: str, out_path: str) -> None:
        """Copy a file into the container."""
        self._copy(in_path, f"{self.get_option('remote_addr')}:{out_path}")

    def fetch_file(self, in_path: str, out_path: str) -> None:
        """Copy a file out of the container."""
        self._copy(f"{self.get_option('remote_addr')}:{in_path}", out_path)

    def close(self) -> None:
        """End the connection, which holds nothing."""
        self._connected = False

    def _copy(self, source: str, target: str) -> None:
        rc, _stdout, stderr = self._podman("cp", "--pause=false", source, target)
        if rc:
            raise AnsibleConnectionFailure(f"podman cp {source} {target}: {stderr.decode(errors='replace')}")

    def _podman(self, *arguments: Any) -> tuple[int, bytes, bytes]:
        done = subprocess.run(
            ["podman", *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=DEADLINE,
            check=False,
        )
        return done.returncode, done.stdout, done.stderr
