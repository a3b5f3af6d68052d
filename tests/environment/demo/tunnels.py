# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tunnels that are held in the background: one ``ssh -N -L`` each, found again by pid and start time."""

from __future__ import annotations

import os
import re
import shlex
import signal
import socket
import ssl
import subprocess
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path

_FORWARD = re.compile(r"127\.0\.0\.1:(\d+):")
POLL = 0.1  # seconds


class TunnelError(Exception):
    """Which tunnel does not work, and why."""


@dataclass(frozen=True)
class Tunnel:
    """A held tunnel; ``started`` is its start time in clock ticks since boot."""

    pid: int
    started: int
    port: int
    #: 1 for a page that is served with TLS
    tls: int = 0

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}/"

    @property
    def alive(self) -> bool:
        return start_time(self.pid) == self.started


def start_time(pid: int) -> int | None:
    """Return when a process started, in clock ticks since boot; None when there is none."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[19])


def load(path: Path) -> Tunnel | None:
    """Return the tunnel on record if it is alive."""
    try:
        tunnel = Tunnel(*map(int, path.read_text().split()))
    except (OSError, ValueError, TypeError):
        return None
    return tunnel if tunnel.alive else None


def free_port(wanted: int) -> int:
    """Return ``wanted``, or another free port when somebody listens there."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise TunnelError("no port is free on 127.0.0.1")


def answers(url: str, authorization: str = "") -> bool:
    """Whether a GET is answered with 200; ``authorization`` is for a page that requires a login."""
    # the certificate of the demo's gateway is its own
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
    try:
        request = urllib.request.Request(url, headers={"Authorization": authorization} if authorization else {})
        with opener.open(request, timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def hold(command: str, record: Path, timeout: float = 20.0, authorization: str = "") -> Tunnel:
    """Run a tunnel command in the background until its far end answers; adopt the one on record.

    Raises TunnelError with ssh's own words; a tunnel that does not work is ended.
    """
    held = load(record)
    if held and answers(held.url, authorization):
        return held
    if held:
        release(record)
    argv = shlex.split(command)
    place = next(number for number, word in enumerate(argv) if _FORWARD.match(word))
    found = _FORWARD.match(argv[place])
    assert found
    port = free_port(int(found.group(1)))
    argv[place] = f"127.0.0.1:{port}:{argv[place][found.end() :]}"
    argv[1:1] = ["-o", "ExitOnForwardFailure=yes", "-o", "BatchMode=yes", "-o", "ControlPath=none"]
    log = record.with_suffix(".log")
    record.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True)
    tunnel = Tunnel(process.pid, start_time(process.pid) or 0, port, int(bool(authorization)))
    record.write_text(f"{tunnel.pid} {tunnel.started} {tunnel.port} {tunnel.tls}\n")
    deadline = time.monotonic() + timeout
    while not answers(tunnel.url, authorization):
        if process.poll() is not None or time.monotonic() > deadline:
            release(record)
            raise TunnelError(f"{shlex.join(argv)} does not answer on {tunnel.url}: {log.read_text().strip() or 'no error'}")
        time.sleep(POLL)
    return tunnel


def release(record: Path) -> bool:
    """End the tunnel on record, if it is still the one that was started; whether it was alive."""
    tunnel = load(record)
    record.unlink(missing_ok=True)
    if tunnel is None:
        return False
    os.kill(tunnel.pid, signal.SIGTERM)
    deadline = time.monotonic() + 5
    while tunnel.alive and time.monotonic() < deadline:
        time.sleep(POLL)
    if tunnel.alive:
        os.kill(tunnel.pid, signal.SIGKILL)
    return True
