# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One request to a program and its answer, with limits on the time and on the size of the answer."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import time
from contextlib import suppress

#: a process that reads and writes bytes, in a session of its own
Process = subprocess.Popen[bytes]
#: seconds between two checks of the time
_TICK = 0.2


def exchange(process: Process, request: bytes, until: bytes | None, limit: int, timeout: float) -> tuple[int, bytes]:
    """Return exit status and output of a process, and end it.

    The output ends with the line that contains ``until``, or with the process if ``until`` is None or never appears. The status
    is 0 if the line appeared, 124 if ``timeout`` seconds passed, and 125 if there were more than ``limit`` bytes.
    """
    try:
        return _read(process, request, until, limit, time.monotonic() + timeout)
    finally:
        _end(process)


def _read(process: Process, request: bytes, until: bytes | None, limit: int, deadline: float) -> tuple[int, bytes]:
    stdin, stdout = process.stdin, process.stdout
    if stdin is None or stdout is None:
        raise ValueError("the process needs pipes for input and output")
    output = bytearray()
    with suppress(BrokenPipeError):
        stdin.write(request)
        stdin.flush()
        if until is None:
            stdin.close()
    while time.monotonic() < deadline:
        if not select.select([stdout], [], [], _TICK)[0]:
            continue
        chunk = os.read(stdout.fileno(), 1 << 16)
        if not chunk:
            return process.wait(), bytes(output)
        # the mark may have come in two pieces
        checked = max(0, len(output) - len(until or b""))
        output += chunk
        place = output.find(until, checked) if until else -1
        end = output.find(b"\n", place) if place >= 0 else -1
        if end >= 0:
            return 0, bytes(output[: end + 1])
        if len(output) > limit:
            return 125, b""
    return 124, b""


def _end(process: Process) -> None:
    # the programs that it has started are in its process group
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for stream in (process.stdin, process.stdout):
        with suppress(BrokenPipeError):
            if stream:
                stream.close()
