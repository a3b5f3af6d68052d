#!/usr/bin/python
# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Copy the results of a codex session."""

from __future__ import annotations

DOCUMENTATION = r"""
module: session_output
short_description: Gather the results of an OpenAI codex session
version_added: 1.0.0
description:
  - Copies the deliverables, the logs, the record of the newest conversation and the changes in the repository of a
    session into a new directory on the worker, from which they can be fetched. The session can be running.
  - The playbook C(optio.codex.collect) fetches them to the controller and removes that directory again.
options:
  diff_base:
    description:
      - The branch, tag or commit that the workdir's repository is compared with. The default shows the uncommitted
        changes. V(origin/main) also shows the commits of the session on top of that branch.
    type: str
    default: HEAD
  max_bytes:
    description:
      - Maximum number of bytes to copy. Files that do not fit are listed in RV(skipped_files). Logs are copied first, then the
        conversation, the changes, and the deliverables in the order in which they are listed.
    type: int
    default: 1073741824
notes:
  - The caller has to remove the copies (RV(path)). Nothing else on the worker changes, so the module never reports
    a change. In check mode it does not copy files.
  - Deliverables are the paths in C(optio.log) and C(optio.log.old) on lines that begin with C(DELIVERABLE:), relative to the
    workdir or absolute. Because the agent writes them, only regular files that are in the workdir after all symbolic links
    are resolved are copied, as O(user), and files in a C(.git) directory are not. The first 1000 are
    processed. The others are listed in RV(skipped_files), and do not fail the module.
  - The session's own files (credentials, configuration, environment and the rest of codex's home) are never copied as a
    deliverable or a log, and are not part of C(changes.diff), also if a hard link in the workdir is another name of such a file.
    Other hard links are copied, unless another user owns the file.
  - The logs are in the workdir if the session created it. If the workdir is that of a project (the option O(workdir) or a
    cloned repository), they are in the directory C(agent) of the session directory.
  - C(changes.diff) compares O(diff_base) with the current files, including untracked files that are not ignored, in the
    format of C(git apply --binary). Untracked files of more than 16 MiB are not included. In a workdir that the session
    created, the link C(home), the C(AGENTS.md) that names the instructions, and the logs are not included either. In the
    workdir of a project, files of these names are included.
  - The agent can write to the repository's configuration, which can name programs for git to run. Therefore git uses a
    separate repository, as O(user), with only the objects and the commit of the session's repository. Hooks, filters,
    text converters and monitors do not run, nothing is fetched, and only the commit of a submodule is
    compared. Files that a filter stores in another form (Git LFS) appear as changed.
    However, git still parses objects, attributes and ignore rules that the agent may have written, and that the
    agent determines the base of the comparison. A repository can therefore make the comparison fail, or take up to five
    minutes for each step. In that case RV(repository) contains the reason.
requirements:
  - git on the worker for C(changes.diff).
attributes:
  idempotent:
    support: full
    description: Makes new copies on every run, with the same content unless the session's files change.
  diff_mode:
    support: N/A
    description: This module does not change anything, so it does not return a diff.
extends_documentation_fragment:
  - optio.codex.attributes
  - optio.codex.attributes.actiongroup_session
  - optio.codex.location
  - optio.codex.location.many
  - optio.codex.location.workdir
seealso:
  - module: optio.codex.session_snapshot
  - module: optio.codex.session_info
author:
  - The optio.codex contributors (@optio-codex)
"""

EXAMPLES = r"""
- name: Gather the results of a session
  optio.codex.session_output:
    name: payments-1412
    diff_base: origin/main
  register: output

- name: Fetch the files to the controller
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
    - With O(sessions), the result of each session, with its C(name), the values that this module returns for one session, and
      C(changed). The result of a session that failed has C(failed), C(msg) and the values of the error instead.
    - No other values are returned in this case.
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
  description: The new directory. Only the user that the module ran as can access it. V(null) in check mode.
  returned: success
  type: str
  sample: /tmp/optio-output-k2f1x0ab
files:
  description: The copied files. C(summary.json) contains the return values of this module except RV(path).
  returned: success
  type: list
  elements: dict
  contains:
    kind:
      description: V(log), V(rollout), V(diff), V(deliverable) or V(summary).
      type: str
    source:
      description:
        - The path relative to the workdir, or the absolute path of a file outside of it, such as the record of a conversation.
        - V(null) for the summary.
      type: str
    path:
      description: The path below RV(path).
      type: str
    size:
      description: The size in bytes.
      type: int
    sha256:
      description: The SHA-256 digest.
      type: str
  sample:
    - kind: deliverable
      source: report.md
      path: deliverables/report.md
      size: 1502
      sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
skipped_files:
  description: The files that were not copied.
  returned: success
  type: list
  elements: dict
  contains:
    path:
      description: The path as listed.
      type: str
    reason:
      description: The reason.
      type: str
  sample:
    - path: ../../../etc/shadow
      reason: leads out of the workdir
repository:
  description: The base of the comparison. V(null) if the workdir does not contain a repository.
  returned: success
  type: dict
  contains:
    diff_base:
      description: The value of O(diff_base).
      type: str
    commit:
      description: The commit of O(diff_base). V(null) before the first commit; all files are new then.
      type: str
    problem:
      description: The reason why C(changes.diff) is missing. V(null) if it exists.
      type: str
    skipped_files:
      description: Untracked files that are too large, and files that are another name of one of the session's own files.
      type: list
      elements: str
  sample:
    diff_base: HEAD
    commit: 4c1f0ce6c3c0ce0a0b0f4bd3b9b2b0dd2b1d4d62
    problem: null
    skipped_files: []
status:
  description: The status of the session, as returned by M(optio.codex.session_info).
  returned: success
  type: str
  sample: finished
exit_status:
  description: The exit status of codex. V(null) while codex is running or if it is not known.
  returned: success
  type: int
  sample: 0
session_id:
  description: The ID of the newest conversation. V(null) before the first message.
  returned: success
  type: str
  sample: 01a20f61-0240-7a21-bc56-635829b3bf62
version:
  description: The version of codex. V(null) if it is not known.
  returned: success
  type: str
  sample: 0.169.0
workdir:
  description: The directory that codex works in.
  returned: success
  type: str
  sample: /home/alice/.local/share/optio-codex/payments-1412/workdir
"""

from ansible_collections.optio.codex.plugins.module_utils._core.ansible_module import UnloggedModule
from ansible_collections.optio.codex.plugins.module_utils._core.batch_runner import run_batch_module
from ansible_collections.optio.codex.plugins.module_utils._transfer.output import RESOURCE


def main() -> None:
    """Run the module."""
    module = UnloggedModule(supports_check_mode=True, **RESOURCE.specification.to_kwargs())
    run_batch_module(module, RESOURCE)


if __name__ == "__main__":
    main()
