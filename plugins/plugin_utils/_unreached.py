# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Workers that were not reached, as results of tasks that Ansible itself does not end the worker for."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

#: the key of such a result; with ``unreachable``, Ansible would end the worker before a table is shown
UNREACHED = "unreached"
#: the words of ansible-core and its connection plugins before the cause
_PREAMBLE = re.compile(r"\A(?:Task failed: )?(?:Data could not be sent to .* over ssh: |Failed to connect to the host via ssh: )?")
_ADDRESS = re.compile(r"\A(?:ssh: connect to host \S+ port \d+: |Connection to \S+ port \d+ )")


def results_of(registered: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the results of a task, of which one with a loop has several."""
    results = registered.get("results")
    return [result for result in results if isinstance(result, Mapping)] if isinstance(results, Sequence) else [registered]


def is_unreached(registered: Any) -> bool:
    """Return whether a task did not reach its worker."""
    if not isinstance(registered, Mapping):
        return False
    return any(result.get(UNREACHED) or result.get("unreachable") for result in results_of(registered))


def cause(registered: Mapping[str, Any]) -> str:
    """Return the error of a task; of a worker that was not reached, the last line, because ssh prints its warnings first."""
    messages = [str(result["msg"]) for result in results_of(registered) if result.get("msg")]
    text = _PREAMBLE.sub("", messages[0]) if messages else ""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines and is_unreached(registered) else text


def brief_cause(registered: Any) -> str:
    """Return the error for a cell of a table, without the address of the worker; empty for anything but a result."""
    return _ADDRESS.sub("", cause(registered)) if isinstance(registered, Mapping) else ""
