# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Jobs side by side, each in a process of its own: acting as another user is a property of a whole process."""

from __future__ import annotations

import json
import os
import selectors
from collections.abc import Callable, Sequence
from typing import Any

Result = dict[str, Any]
Job = Callable[[], Result]

#: processes at once: a launch waits for codex most of the time, and codex wants a processor when it starts
LIMIT = min(16, 4 + 2 * (os.cpu_count() or 1))


def run_side_by_side(jobs: Sequence[Job], limit: int = LIMIT) -> list[Result | None]:
    """Return the result of each job in order, None for one whose process was ended. A job must not raise."""
    answers: list[Result | None] = [None] * len(jobs)
    waiting = list(enumerate(jobs))
    with selectors.DefaultSelector() as selector:
        while waiting or selector.get_map():
            while waiting and len(selector.get_map()) < limit:
                number, job = waiting.pop(0)
                pid, reader = _started(job)
                selector.register(reader, selectors.EVENT_READ, (number, pid, bytearray()))
            for key, _events in selector.select():
                number, pid, said = key.data
                chunk = os.read(key.fd, 65536)
                if chunk:
                    said.extend(chunk)
                    continue
                selector.unregister(key.fd)
                os.close(key.fd)
                _pid, status = os.waitpid(pid, 0)
                # of a process that was killed while it wrote, there may be half
                answers[number] = json.loads(said) if said and status == 0 else None
    return answers


def _started(job: Job) -> tuple[int, int]:
    """Return the pid of the process that does the job, and where its result will be read."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid:
        os.close(writer)
        return pid, reader
    status = 1
    try:
        os.close(reader)
        # written as a whole, so that a job that dies leaves no partial result
        said = json.dumps(job()).encode()
        with os.fdopen(writer, "wb") as stream:
            stream.write(said)
        status = 0
    finally:
        # nothing of the module's own end belongs to this process
        os._exit(status)
