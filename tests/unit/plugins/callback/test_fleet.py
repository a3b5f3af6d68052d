# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The callback plugin that shows only progress, changes, errors and tables: a playbook on this machine, and what is printed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.optio.codex.plugins.callback.fleet import is_shown_later

pytestmark = pytest.mark.slow

PLAYBOOK = r"""
- name: A play
  hosts: all
  gather_facts: false
  tasks:
    - name: Nothing changes
      ansible.builtin.command: "true"
      changed_when: false
    - name: Is skipped
      ansible.builtin.command: "true"
      when: false
    - name: Changes
      ansible.builtin.command: "true"
      when: inventory_hostname == 'a'
    - name: Changes in a loop
      ansible.builtin.command: "true"
      loop: [1, 2]
      when: inventory_hostname == 'a'
    - name: Fails and is ignored
      ansible.builtin.fail:
        msg: "never mind {{ '\u001b' }}[31m"
      ignore_errors: true
      when: inventory_hostname == 'a'
    - name: Show a message
      ansible.builtin.debug:
        msg: [hello, "  there"]
      run_once: true
    - name: Show a table
      optio.codex.report:
        lines: [WORKER, {text: "a{{ '\u001b' }}[2J", color: error}]
      run_once: true
    - name: Fails in a loop
      ansible.builtin.fail:
        msg: "item {{ item }}"
      loop: [1, 2]
      when: inventory_hostname == 'b'
"""
#: without a terminal, the names of the tasks are the progress
TASKS = ["Nothing changes", "Is skipped", "Changes", "Changes in a loop", "Fails and is ignored", "Show a message", "Fails in a loop"]
SHOWN = [
    *("", "A play", "a: changed: Changes", "a: changed: Changes in a loop"),
    *("a: failed, ignored: Fails and is ignored", "  never mind  [31m", "hello", "  there", "", "WORKER", "a [2J"),
    *("b: failed: Fails in a loop", "  item 1", "b: failed: Fails in a loop", "  item 2"),
    *("", "2 workers: 1 ok, 1 changed, 1 failed, 1 ignored"),
]


def run(directory: Path, *options: str, **environment: str) -> list[str]:
    (directory / "play.yml").write_text(PLAYBOOK)
    (directory / "ansible.cfg").touch()
    program = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", "a,b,", "-c", "local", "play.yml"]
    settings = {"ANSIBLE_STDOUT_CALLBACK": "optio.codex.fleet", "ANSIBLE_HOME": str(directory / "home"), "ANSIBLE_CONFIG": "ansible.cfg"}
    variables = {"ansible_python_interpreter": sys.executable}
    argv = [*program, "-e", str(variables), *options]
    done = subprocess.run(
        argv,
        cwd=directory,
        env={**os.environ, **settings, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2, done.stdout + done.stderr
    return done.stdout.splitlines()


def test_output_without_a_terminal(tmp_path: Path) -> None:
    lines = run(tmp_path)
    assert [line[2:] for line in lines if line.startswith("- ")] == TASKS
    assert [line for line in lines if not line.startswith("- ")] == SHOWN


@pytest.mark.parametrize(("values", "expected"), [({"unreached": True, "failed": True}, True), ({"failed": True}, False), ({}, False)])
def test_a_worker_that_was_not_reached_is_shown_after_the_table(values: dict[str, Any], expected: bool) -> None:
    assert is_shown_later(values) is expected


def test_colors_and_results(tmp_path: Path) -> None:
    lines = run(tmp_path, "-v", ANSIBLE_FORCE_COLOR="1")
    assert any('"cmd"' in line for line in lines)
    # those of a result are never printed
    text = "\n".join(lines)
    assert "\x1b[0;31ma [2J\x1b[0m" in text and "\x1b[2J" not in text and "\x1b[31m" not in text
