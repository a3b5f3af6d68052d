#!/usr/bin/python
# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Assign sessions to workers, and keep the assignments in a ledger."""

from __future__ import annotations

DOCUMENTATION = r"""
module: session_dispatch
short_description: Assign OpenAI codex sessions to workers
version_added: 1.0.0
description:
  - Assigns each session of a list to one worker, and stores the assignments in a ledger on the host that the task runs on. It does not
    launch sessions. The role P(optio.codex.codex_dispatch#role) inspects the workers, runs this module, and launches the sessions.
  - An assigned session stays on its worker, even if the worker cannot be reached or is no longer in the inventory. A session that
    exists on a worker without an assignment stays there too. All others are assigned to the least loaded worker that fits. This is the
    worker with the fewest running sessions, then with the most available memory, then with the most available disk space.
  - A session that does not fit on any worker is V(pending). The next run assigns it if there is room.
  - A session that was launched once is not launched again, also if it was removed from its worker, until it is in O(rerun). Sessions that
    are no longer in O(sessions) are removed from the ledger. The sessions themselves are not changed.
  - If several tasks use the same ledger concurrently, in one or several plays, they run one after the other, and each session is assigned
    once.
options:
  name:
    description:
      - Name of the ledger. Use one for each list of sessions.
    type: str
    default: default
  sessions:
    description:
      - The sessions to assign. Mutually exclusive with O(launched).
    type: list
    elements: dict
    suboptions:
      name:
        description:
          - Name of the session.
        type: str
        required: true
      labels:
        description:
          - Labels that the worker must have, all of them.
        type: list
        elements: str
        default: []
      memory_mib:
        description:
          - Memory in MiB that must be available on the worker for the session.
        type: int
        default: 512
      disk_mib:
        description:
          - Disk space in MiB that must be available in the sessions directory of the worker.
        type: int
        default: 1024
  workers:
    description:
      - The workers that were inspected. P(optio.codex.dispatch_workers#filter) makes this list from results of M(optio.codex.worker_info).
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description:
          - Name of the worker, as C(inventory_hostname).
        type: str
        required: true
      labels:
        description:
          - Labels of the worker.
        type: list
        elements: str
        default: []
      sessions:
        description:
          - The status of each session of the worker by its name, as in RV(optio.codex.session_info#module:sessions).
        type: dict
        default: {}
      memory_available_mib:
        description:
          - Available memory in MiB. If omitted, the memory is not checked.
        type: int
      disk_available_mib:
        description:
          - Available disk space in MiB. If omitted, the disk space is not checked.
        type: int
      max_sessions:
        description:
          - Maximum number of running sessions, including sessions of other lists. V(0) assigns no session to the worker.
        type: int
        default: 10
      obstacle:
        description:
          - The reason why the worker cannot run any session. No session is assigned to it.
        type: str
  unreached:
    description:
      - The workers of the inventory that were not inspected. They are only used for RV(sessions[].reason) and O(rerun).
    type: list
    elements: str
    default: []
  rerun:
    description:
      - Names of sessions that are assigned again although they were launched before. A session that has ended stays on its worker, and its
        status is in RV(sessions[].status), because it must be removed before the launch. A session that was removed can be assigned to any
        worker.
      - The module fails if such a session is running, or if its worker is in O(unreached).
    type: list
    elements: str
    default: []
  launched:
    description:
      - Names of sessions that were launched since they were assigned. This is recorded in the ledger, and no session is assigned.
    type: list
    elements: str
  ledger_dir:
    description:
      - The directory of the ledgers. Must be an absolute path, or begin with C(~/) for the home directory of the user that the module
        runs as.
      - It is created with mode C(0700). The file system must support locks.
    type: str
    default: ~/.local/share/optio-codex/dispatch
notes:
  - Run the module once for all workers, and always on the same host, which should not be one of the users' temporary job containers.
extends_documentation_fragment:
  - optio.codex.attributes
  - optio.codex.attributes.probe
seealso:
  - plugin: optio.codex.dispatch_workers
    plugin_type: filter
  - module: optio.codex.worker_info
author:
  - The optio.codex contributors (@optio-codex)
"""

EXAMPLES = r"""
- name: Inspect the workers
  optio.codex.worker_info:
    check_sandbox: false
  register: worker

- name: Assign two sessions
  optio.codex.session_dispatch:
    sessions:
      - name: fix-1412
      - name: train-model
        labels: [gpu]
        memory_mib: 8192
    workers: "{{ ansible_play_hosts
              | optio.codex.dispatch_workers(ansible_play_hosts | map('extract', hostvars, 'worker'),
                                             groups=ansible_play_hosts | map('extract', hostvars, 'group_names')) }}"
  delegate_to: bastion
  run_once: true
  register: dispatched

- name: Launch the sessions of this worker
  optio.codex.session:
    sessions: "{{ dispatched.sessions | selectattr('worker', 'eq', inventory_hostname) | selectattr('state', 'in', ['assigned', 'launched'])
               | map(attribute='name') | list }}"
    prompt: Fix the issue that this session is named after
  register: launched

- name: Record the launches
  optio.codex.session_dispatch:
    launched: "{{ ansible_play_hosts | map('extract', hostvars, 'launched') | map(attribute='sessions') | flatten
               | rejectattr('failed', 'defined') | map(attribute='name') }}"
  delegate_to: bastion
  run_once: true
"""

RETURN = r"""
path:
  description: Path of the ledger.
  returned: success
  type: str
  sample: /home/deploy/.local/share/optio-codex/dispatch/default.json
sessions:
  description: The sessions in the order of O(sessions). With O(launched), all sessions of the ledger in the order of their names.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: The name of the session.
      type: str
    state:
      description:
        - V(assigned) if the session is to be launched, V(launched) if it exists on its worker, V(removed) if it was launched and no longer
          exists, V(unreachable) if its worker was not inspected, V(pending) if it is not assigned.
      type: str
    worker:
      description: The worker. V(null) if the session is V(pending).
      type: str
    status:
      description: The status of the session on its worker. V(null) if it does not exist there.
      type: str
    reason:
      description: Why the session is V(pending), V(unreachable) or V(removed). V(null) for other states.
      type: str
    assigned_at:
      description: Time of the assignment, in seconds since the epoch.
      type: int
    launched_at:
      description: Time at which the launch was recorded, in seconds since the epoch. V(null) before.
      type: int
  sample:
    - name: fix-1412
      state: assigned
      worker: worker3
      status: null
      reason: null
      assigned_at: 1795343649
      launched_at: null
actions:
  description: The actions that were taken, or would be taken in check mode. Empty if nothing changed.
  returned: success
  type: list
  elements: dict
  contains:
    kind:
      description: V(assign), V(record) or V(forget).
      type: str
    target:
      description: The session.
      type: str
  sample:
    - kind: assign
      target: fix-1412
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.optio.codex.plugins.module_utils._core.runner import run_module
from ansible_collections.optio.codex.plugins.module_utils._dispatch.module import RESOURCE


def main() -> None:
    module = AnsibleModule(supports_check_mode=True, **RESOURCE.specification.to_kwargs())
    run_module(module, RESOURCE)


if __name__ == "__main__":
    main()
