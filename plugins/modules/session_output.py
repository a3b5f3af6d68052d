#!/usr/bin/python
# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Copies of what a session has produced."""

from __future__ import annotations

DOCUMENTATION = r"""
module: session_output
short_description: Gather what an OpenAI codex session has produced
version_added: 0.1.0
description:
  - Copies the deliverables, the logs, the record of the newest conversation and the changes in the repository of a
    session into a new directory on the worker, from which they can be fetched. The session may run.
  - The playbook C(optio.codex.collect) fetches them to the controller and removes that directory again.
options:
  base:
    description:
      - The branch, tag or commit that the workdir's repository is compared with. The default tells what is not
        committed. V(origin/main) also tells what the session has committed on top of that branch.
    type: str
    default: HEAD
  max_bytes:
    description:
      - How many bytes are copied at most. What does not fit is listed in RV(refused). Logs go first, then the
        conversation, the changes, and the deliverables in the order in which they are named.
    type: int
    default: 1073741824
notes:
  - The copies are for the caller to remove (RV(path)). Nothing else of the worker changes, so the module never reports
    a change. In check mode it copies nothing.
  - Deliverables are what lines of C(optio.log) and C(optio.log.old) name that begin with C(DELIVERABLE:), relative to the
    workdir or absolute. The agent writes them, so only regular files that lie in the workdir behind all symbolic links are
    taken, with the rights of O(user), and nothing of C(home/.codex) or of a C(.git) directory. The first 1000 are
    looked at. The others are listed in RV(refused), and do not fail the module.
  - C(changes.diff) compares O(base) with the files as they are, those that git does not follow yet and does not ignore
    included, in the form that C(git apply --binary) takes. Files that git does not follow and that have more than 16 MiB are
    left out, and so is what the session itself has put there.
  - The agent can write to the repository's configuration, which can name programs for git to run. So git works on a
    repository of its own here, with the rights of O(user), and takes from the session's only its objects and the name
    of the commit. No hook, filter, text converter or monitor runs, nothing is fetched, and of a
    submodule only the commit is looked at. Files that a filter stores in another form (Git LFS) appear as changed.
    What remains is that git parses objects, attributes and ignore rules that the agent may have written, and that the
    agent decides what the comparison is with. A repository can so make the comparison fail, or take up to five
    minutes for each of its steps, and then RV(repository) says why.
requirements:
  - git on the worker for C(changes.diff).
attributes:
  idempotent:
    support: full
    description: Makes new copies on every run, of equal content as long as nobody changes the session's files.
  diff_mode:
    support: N/A
    description: Changes nothing, so there is no difference to show.
extends_documentation_fragment:
  - optio.codex.attributes
  - optio.codex.attributes.actiongroup_codex
  - optio.codex.task
  - optio.codex.task.places
  - optio.codex.task.workdir
seealso:
  - module: optio.codex.session_snapshot
  - module: optio.codex.session_info
author:
  - The optio.codex contributors (@optio-codex)
"""

EXAMPLES = r"""
- name: Gather what a session has produced
  optio.codex.session_output:
    name: payments-1412
    base: origin/main
  register: output

- name: Bring it to the controller
  ansible.builtin.fetch:
    src: "{{ output.path }}/{{ item.path }}"
    dest: "collected/{{ inventory_hostname }}/{{ output.name }}/{{ item.path }}"
    flat: true
  loop: "{{ output.files }}"

- name: Remove the copies on the worker
  ansible.builtin.file:
    path: "{{ output.path }}"
    state: absent
"""

RETURN = r"""
sessions:
  description:
    - With O(sessions), for each session its C(name), what this module returns for one session, and C(changed).
      One that failed has C(failed), C(msg), and what the error adds, instead.
    - No other value is returned then.
  returned: with O(sessions)
  type: list
  elements: dict
  sample:
    - name: review
      changed: false
name:
  description: The name of the session.
  returned: success
  type: str
  sample: payments-1412
path:
  description: The new directory, open only to the user that the module ran as. V(null) in check mode.
  returned: success
  type: str
  sample: /tmp/optio-output-k2f1x0ab
files:
  description: What was copied. C(summary.json) holds the values of this module but RV(path).
  returned: success
  type: list
  elements: dict
  contains:
    kind:
      description: V(log), V(rollout), V(diff), V(deliverable) or V(summary).
      type: str
    source:
      description: The path from the workdir. V(null) for the summary.
      type: str
    path:
      description: The path below RV(path).
      type: str
    size:
      description: Its bytes.
      type: int
    sha256:
      description: Its digest.
      type: str
  sample:
    - kind: deliverable
      source: report.md
      path: deliverables/report.md
      size: 1502
      sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
refused:
  description: What was named and not copied.
  returned: success
  type: list
  elements: dict
  contains:
    path:
      description: The name.
      type: str
    reason:
      description: Why not.
      type: str
  sample:
    - path: ../../../etc/shadow
      reason: leads out of the workdir
repository:
  description: What the changes were told from. V(null) where the workdir holds no repository.
  returned: success
  type: dict
  contains:
    base:
      description: The option.
      type: str
    commit:
      description: The commit that it names. V(null) when there is none yet, and everything counts as new.
      type: str
    problem:
      description: Why there is no C(changes.diff). V(null) when there is one.
      type: str
    left_out:
      description: Files that git does not follow and that are too large.
      type: list
      elements: str
  sample:
    base: HEAD
    commit: 4c1f0ce6c3c0ce0a0b0f4bd3b9b2b0dd2b1d4d62
    problem: null
    left_out: []
status:
  description: The status of the session, as M(optio.codex.session_info) tells it.
  returned: success
  type: str
  sample: finished
exit_status:
  description: The exit status of codex. V(null) while it runs or when it is not known.
  returned: success
  type: int
  sample: 0
session_id:
  description: The newest conversation. V(null) when nothing was said yet.
  returned: success
  type: str
  sample: 01a20f61-0240-7a21-bc56-635829b3bf62
version:
  description: The version of codex. V(null) when it is not known.
  returned: success
  type: str
  sample: 0.169.0
workdir:
  description: The directory that codex works in.
  returned: success
  type: str
  sample: /home/alice/.local/share/optio-codex/payments-1412/workdir
"""

from ansible_collections.optio.codex.plugins.module_utils._core.runner import run_module
from ansible_collections.optio.codex.plugins.module_utils._transfer.output import SUBJECT
from ansible_collections.optio.codex.plugins.module_utils._core.ansible_module import UnloggedModule


def main() -> None:
    """Run the module."""
    module = UnloggedModule(supports_check_mode=True, **SUBJECT.specification.rules())
    run_module(module, SUBJECT)


if __name__ == "__main__":
    main()
