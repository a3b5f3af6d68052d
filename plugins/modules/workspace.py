#!/usr/bin/python
# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Prepare or remove the files of a codex session."""

from __future__ import annotations

DOCUMENTATION = r"""
module: workspace
short_description: Prepare or remove the files of an OpenAI codex session
version_added: 1.0.0
description:
  - Creates the directories of a session, its repository, its home for codex with a basic C(config.toml), its link to codex
    and its C(AGENTS.md), or removes them. Processes are not started.
  - M(optio.codex.session) does all of this at launch. Use this module to prepare files before a launch (such as a
    credential or a dataset), and to remove them after the session was removed.
options:
  state:
    description:
      - V(present) ensures that the files exist. codex must be installed so that it can be linked.
      - V(absent) removes the session directory with everything in it, including a workdir that the session created or cloned
        there. A workdir that was set with O(workdir) is not changed.
      - V(absent) fails if a session with this name is recorded, even if it has ended. Remove it first with
        M(optio.codex.session).
    type: str
    choices: [present, absent]
    default: present
  discard_login:
    description:
      - With O(state=absent), determines whether to remove a ChatGPT login that exists on the worker alone, as in
        O(optio.codex.session#module:discard_login). If V(false), the module fails before it removes anything.
    type: bool
    default: false
notes:
  - If the module fails, for example because a repository cannot be cloned, everything that the run created is removed.
  - A second run only creates or updates missing directories, a different link to codex, and different O(instructions) or
    O(agents_md_preamble). An existing C(config.toml) and an existing repository are not changed.
  - The module fails if the session directory belongs to another user, if a file exists in place of a directory, or if
    O(repository) is set and the workdir is not empty and does not contain a repository.
requirements:
  - git on the worker for O(repository).
  - codex, as installed by M(optio.codex.codex_release).
  - In check mode a missing program is reported as a warning. Otherwise it is an error before anything changes.
extends_documentation_fragment:
  - optio.codex.attributes
  - optio.codex.attributes.actiongroup_session
  - optio.codex.location
  - optio.codex.location.many
  - optio.codex.location.workdir
  - optio.codex.location.content
seealso:
  - module: optio.codex.session
  - module: optio.codex.codex_release
author:
  - The optio.codex contributors (@optio-codex)
"""

EXAMPLES = r"""
- name: Clone a repository before adding files
  optio.codex.workspace:
    name: payments-1412
    repository:
      url: https://git.example.com/payments.git
      version: v2.3
  register: workspace

- name: Copy a credential for the session
  ansible.builtin.copy:
    src: auth.json
    dest: "{{ workspace.codex_home }}/auth.json"
    mode: "0600"

- name: Launch the session
  optio.codex.session:
    name: payments-1412
    prompt: Fix issue 1412.

- name: Prepare the files of several sessions in one call
  optio.codex.workspace:
    repository:
      url: https://git.example.com/payments.git
    sessions:
      - payments-1412
      - name: payments-1413
        instructions: Fix issue 1413.
      - name: payments-1390
        state: absent

- name: Remove all files of a session
  optio.codex.workspace:
    name: payments-1412
    state: absent

- name: Remove the session's files from an existing checkout
  optio.codex.workspace:
    name: audit
    workdir: /srv/checkouts/vendor
    state: absent
"""

RETURN = r"""
sessions:
  description:
    - The result for each of O(sessions), in the same order, with the values below. For a failed session, it contains
      RV(ignore:failed) and RV(ignore:msg) instead.
  returned: when O(sessions) is set
  type: list
  elements: dict
name:
  description: The name of the session.
  returned: success
  type: str
  sample: payments-1412
session_dir:
  description: The session directory, which later contains the session's record.
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
  sample: /home/alice/.local/share/optio-codex/payments-1412/home
codex_home:
  description: The C(CODEX_HOME) of the session, which contains C(config.toml) and C(auth.json).
  returned: success
  type: str
  sample: /home/alice/.local/share/optio-codex/payments-1412/home/.codex
codex_path:
  description: The path that codex is started by, unique to the session.
  returned: success
  type: str
  sample: /home/alice/.local/share/optio-codex/payments-1412/workdir/home/.local/bin/codex
actions:
  description: The actions that were performed, or that would be performed in check mode, in order. Empty if there was nothing to do.
  returned: success
  type: list
  elements: dict
  contains:
    kind:
      description:
        - V(create) a directory, V(clone) the repository, V(link) codex or the home, V(write) a file, V(publish) a file where the
          agent can write, or V(remove) one.
      type: str
    target:
      description: The path that is changed.
      type: str
  sample:
    - kind: create
      target: /home/alice/.local/share/optio-codex/payments-1412
    - kind: clone
      target: /home/alice/.local/share/optio-codex/payments-1412/workdir
"""

from ansible_collections.optio.codex.plugins.module_utils._core.ansible_module import UnloggedModule
from ansible_collections.optio.codex.plugins.module_utils._core.batch_runner import run_batch_module
from ansible_collections.optio.codex.plugins.module_utils._session.workspace_module import RESOURCE


def main() -> None:
    """Run the module."""
    module = UnloggedModule(resource=RESOURCE, supports_check_mode=True, **RESOURCE.specification.to_kwargs())
    run_batch_module(module, RESOURCE)


if __name__ == "__main__":
    main()
