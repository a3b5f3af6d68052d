# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Asking a model one question by a real ``codex exec``, and leaving nothing of it behind."""

from __future__ import annotations

import os
import secrets
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .._core import files, processes
from .._core.controller_link import ControllerWatch
from .._core.errors import OptioError
from .._core.host import Host
from .._core.paths import TAG_VARIABLE
from .._core.toml import toml_value
from .verdict import CHALLENGE, PANIC, CredentialVerdict, parse_events, verdict

#: seconds between two looks at codex
POLL = 0.05
#: seconds for codex to save a renewed login, and for its children to end
GRACE = 5.0
#: bytes of its output that are read
READ = 1 << 20
#: they start programs, reach for other servers, or keep codex 0.169 waiting for a network for ever
UNWANTED = ("apps", "daemon_auto_start", "hooks", "plugins", "shell_snapshot", "unbounded_connection_retries")
#: stays codex's parent, to keep its output and its exit status
_RUN = '"$@" >"$0/out" 2>"$0/err"; echo $? >"$0/rc"'


@dataclass(frozen=True)
class Challenge:
    """The codex to run, its environment, its time limit, and the MCP servers that it need not start."""

    codex: str
    environment: Mapping[str, str]
    mcp_servers: Sequence[str]
    timeout: float


def exec_arguments(challenge: Challenge, workdir: str) -> list[str]:
    """Return the command line of codex: it keeps no rollout, may write nothing, and starts no program of the user's."""
    settings = {
        "projects": {workdir: {"trust_level": "untrusted"}},
        # no instructions from anywhere, and no program at a turn's end
        "project_doc_max_bytes": 0,
        "notify": [],
        "check_for_update_on_startup": False,
        "analytics.enabled": False,
        **{f"features.{name}": False for name in UNWANTED},
    }
    if challenge.mcp_servers:
        settings["mcp_servers"] = {name: {"enabled": False} for name in challenge.mcp_servers}
    options = [word for key, value in settings.items() for word in ("-c", f"{key}={toml_value(value)}")]
    fixed = ["exec", "--json", "--ephemeral", "--sandbox", "read-only", "--skip-git-repo-check", "--ignore-rules"]
    return [challenge.codex, *fixed, *options, "--", CHALLENGE]


def ask(host: Host, challenge: Challenge, scratch: str, caller: ControllerWatch) -> CredentialVerdict:
    """Return codex's verdict on its credential; raise OptioError if one of its processes does not end."""
    # codex shows the model the files of its directory
    workdir = os.path.join(scratch, "empty")
    os.mkdir(workdir, 0o700)
    tag = f"ask:{secrets.token_hex(8)}"
    environment = {**challenge.environment, TAG_VARIABLE: tag}
    argv = ["/bin/sh", "-c", _RUN, scratch, *exec_arguments(challenge, workdir)]
    with processes.own_descendants() as started:

        def left() -> list[int]:
            return sorted({*started(), *processes.tagged(tag)})

        try:
            pid = host.spawn(argv, environment=environment, cwd=workdir, log=os.path.join(scratch, "log"))
            timed_out = not _has_ended(host, pid, scratch, challenge.timeout, caller)
        finally:
            survivors = _end(host, left)
    if survivors:
        remedy = "They wait for a device or a network file system; check their state with ps"
        raise OptioError("codex exec", f"processes of codex exec survive KILL: {processes.named(survivors)}", remedy)
    text = (_tail(os.path.join(scratch, "rc")) or "").strip()
    rc = int(text) if text.isdigit() else None
    return verdict(parse_events(_tail(os.path.join(scratch, "out"))), rc, timed_out, _tail(os.path.join(scratch, "err")))


def _has_ended(host: Host, pid: int, scratch: str, timeout: float, caller: ControllerWatch) -> bool:
    deadline = host.monotonic() + timeout
    while processes.is_running(pid):
        # 0.142.5 stands still for ever when its watch over files fails at the start
        stuck = PANIC in _tail(os.path.join(scratch, "err")) and not _tail(os.path.join(scratch, "out"))
        if stuck or host.monotonic() >= deadline:
            return False
        if caller.is_gone():
            raise OptioError("codex exec", "codex exec was stopped because the controller disconnected", "Run the task again")
        host.sleep(POLL)
    return True


def _end(host: Host, left: processes.Finder) -> list[int]:
    """End the remaining processes, first with SIGTERM, so that a renewed login is saved; return the survivors."""
    for number, seconds in ((signal.SIGTERM, GRACE), (signal.SIGKILL, GRACE)):
        processes.send(left(), number)
        if not processes.wait_gone(left, seconds, host.monotonic, host.sleep):
            return []
    return left()


def _tail(path: str) -> str:
    try:
        with open(path, "rb") as stream:
            size = os.fstat(stream.fileno()).st_size
            stream.seek(max(0, size - READ))
            return stream.read(READ).decode("utf-8", "replace")
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise files.failure(path, error) from error
