#!/usr/bin/python
# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A task's files, without a session."""

from __future__ import annotations

DOCUMENTATION = r"""
module: workspace
short_description: Prepare or remove the files of an OpenAI codex task
version_added: 0.1.0
description:
  - Ensures a task's directories, its repository, its own home for codex with a base C(config.toml), its link to codex
    and its C(AGENTS.md), or removes them. No process is started.
  - M(optio.codex.session) does all of this by itself at a launch. Use this module to prepare files before one (a
    credential, a dataset), and to remove them after the session is gone.
options:
  state:
    description:
      - V(present) ensures the files. codex must be there to link to.
      - V(absent) removes them. The workdir that the task made itself goes with everything in it. Of a O(workdir) that
        is given only what the task put there is removed, which is C(home), its logs, an C(AGENTS.md) with the
        mark of this collection, and the lines in C(.git/info/exclude). A cloned repository in it stays.
      - V(absent) fails while a session of this name is on record, even one that has ended. Remove that first with
        M(optio.codex.session).
    type: str
    choices: [present, absent]
    default: present
notes:
  - A failure, such as a repository that cannot be cloned, takes back what the run has made.
  - On a second run only what is missing or differs is made, which is a missing directory, another link to codex, other
    O(instructions) or O(protocol). C(config.toml) and a repository that are there stay as they are.
  - The module fails rather than use a task directory that belongs to another user, a file where a directory belongs,
    or a workdir that is not empty and holds no repository when O(repository) is given.
requirements:
  - git on the worker for O(repository).
  - codex, as M(optio.codex.codex_release) provides it.
  - In check mode a missing program is a warning. In a real run it is an error before anything changes.
extends_documentation_fragment:
  - optio.codex.attributes
  - optio.codex.attributes.actiongroup_codex
  - optio.codex.task
  - optio.codex.task.place
  - optio.codex.task.workdir
  - optio.codex.task.content
seealso:
  - module: optio.codex.session
  - module: optio.codex.codex_release
author:
  - The optio.codex contributors (@optio-codex)
"""

EXAMPLES = r"""
- name: Clone first, to add what the repository does not hold
  optio.codex.workspace:
    name: payments-1412
    repository:
      url: https://git.example.com/payments.git
      version: v2.3
  register: task

- name: Give the task a credential of its own
  ansible.builtin.copy:
    src: auth.json
    dest: "{{ task.codex_home }}/auth.json"
    mode: "0600"

- name: Launch in it
  optio.codex.session:
    name: payments-1412
    prompt: Fix issue 1412.

- name: Remove a task with everything that it made
  optio.codex.workspace:
    name: payments-1412
    state: absent

- name: Leave an existing checkout as it was before the task
  optio.codex.workspace:
    name: audit
    workdir: /srv/checkouts/vendor
    state: absent
"""

RETURN = r"""
name:
  description: The name of the task.
  returned: success
  type: str
  sample: payments-1412
task:
  description: The task's own directory, which later holds the session's record.
  returned: success
  type: str
  sample: /home/alice/.local/share/optio-codex/payments-1412
workdir:
  description: The directory that codex works in, without symbolic links.
  returned: success
  type: str
  sample: /home/alice/.local/share/optio-codex/payments-1412/workdir
home:
  description: The C(HOME) of the session.
  returned: success
  type: str
  sample: /home/alice/.local/share/optio-codex/payments-1412/workdir/home
codex_home:
  description: The C(CODEX_HOME) of the session, which holds C(config.toml) and C(auth.json).
  returned: success
  type: str
  sample: /home/alice/.local/share/optio-codex/payments-1412/workdir/home/.codex
path:
  description: The link by which codex is started, unique to the session.
  returned: success
  type: str
  sample: /home/alice/.local/share/optio-codex/payments-1412/workdir/home/.local/bin/codex
actions:
  description: What was done, or in check mode would be, in order. Empty when nothing was to do.
  returned: success
  type: list
  elements: dict
  contains:
    kind:
      description:
        - V(create) a directory, V(clone) the repository, V(exclude) lines added to C(.git/info/exclude), V(link)
          codex, V(write) a file or V(remove) one.
      type: str
    target:
      description: The path that it changes.
      type: str
  sample:
    - kind: create
      target: /home/alice/.local/share/optio-codex/payments-1412
    - kind: clone
      target: /home/alice/.local/share/optio-codex/payments-1412/workdir
"""

from ansible_collections.optio.codex.plugins.module_utils._core.runner import run_module
from ansible_collections.optio.codex.plugins.module_utils._core.ansible_module import UnloggedModule
from ansible_collections.optio.codex.plugins.module_utils._session.workspace import SUBJECT


def main() -> None:
    """Run the module."""
    module = UnloggedModule(supports_check_mode=True, **SUBJECT.specification.rules())
    run_module(module, SUBJECT)


if __name__ == "__main__":
    main()
