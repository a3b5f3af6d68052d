# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Values that are computed once in a run of Ansible, for all hosts, batches and plays."""

from __future__ import annotations

import fcntl
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ansible import constants


def once(key: str, compute: Callable[[], Any]) -> Any:
    """Return the result of ``compute`` for ``key``, a JSON value, from the first process that asked; an exception is not kept.

    The processes of a run share Ansible's temporary directory, which only the user can read, and which is removed at its end.
    The lock has no time limit of its own: ``compute`` has, and the kernel releases the lock of a process that is killed.
    """
    path = Path(constants.DEFAULT_LOCAL_TMP, f"optio-codex-{hashlib.sha256(key.encode()).hexdigest()[:16]}")
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with open(f"{path}.lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if path.exists():
            return json.loads(path.read_text(encoding="utf-8"))
        value = compute()
        new = path.with_suffix(".new")
        new.write_text(json.dumps(value), encoding="utf-8")
        new.rename(path)
        return value
