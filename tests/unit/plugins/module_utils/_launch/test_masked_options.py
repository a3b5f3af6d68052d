# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The values of ``environment`` and ``config`` are in no output of a module whose options are invalid."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

MARKER = "hunter2"
SECRETS = {"environment": {"KEY": MARKER}, "config": {"a": {"b": MARKER}}}


def run_module(module: str, args: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """Return the result and the whole output of a module, run as Ansible runs it."""
    code = (
        "import json, sys; from ansible.module_utils import basic; basic._ANSIBLE_ARGS = sys.stdin.buffer.read(); "
        f"basic._ANSIBLE_PROFILE = 'legacy'; from ansible_collections.optio.codex.plugins.modules import {module}; {module}.main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        input=json.dumps({"ANSIBLE_MODULE_ARGS": args}),
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        text=True,
        capture_output=True,
        timeout=60,
        check=False,
    )
    return json.loads(done.stdout), done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("module", "args", "message"),
    [
        ("session", {"name": "one", "state": "gone", **SECRETS}, "value of state must be one of"),
        ("session", {"name": "one", "environment": [MARKER]}, "environment"),
        ("session", {"name": "one", "environment": f"{MARKER} {MARKER}"}, "environment"),
        ("session", {"name": "one", "sessions": [{"name": "two", **SECRETS}]}, "mutually exclusive"),
        ("session", {"state": "gone", "sessions": [{"name": "two", "enviroment": {"KEY": MARKER}}]}, "value of state"),
        ("session", {"state": "gone", "sessions": f"[{{name: two, environment: {{KEY: {MARKER} }} }}]"}, "value of state"),
        ("session", {"state": "gone", "sessions": ["two", f"environment: {MARKER}", [MARKER]]}, "value of state"),
        ("session", {"name": "one", "resume": "often", **SECRETS}, "value of resume must be one of"),
        ("session", {"name": "one", "webhook": {"url": "http://h/", "token": MARKER, "events": ["often"]}}, "often"),
        ("session", {"name": "one", "state": "gone", "webhook": f"url=http://h/ token={MARKER}"}, "value of state"),
        ("session", {"state": "gone", "sessions": [{"name": "two", "webhook": {"token": MARKER}}]}, "value of state"),
        ("workspace", {"name": "one", "state": "gone", "config": SECRETS["config"]}, "value of state must be one of"),
        ("session_message", {"name": "one", "text": MARKER, "when_busy": "wait"}, "value of when_busy must be one of"),
        ("credential_info", {"name": "one", "timeout": "long", "environment": SECRETS["environment"]}, "timeout"),
        ("codex_release", {"state": "gone", "headers": {"Authorization": MARKER}}, "value of state must be one of"),
        ("ttyd_release", {"state": "gone", "headers": {"Authorization": MARKER}}, "value of state must be one of"),
    ],
)
def test_invalid_options_show_no_secret(module: str, args: dict[str, Any], message: str) -> None:
    result, output = run_module(module, args)
    assert result["failed"] and message in result["msg"]
    assert MARKER not in output and "invocation" in result
