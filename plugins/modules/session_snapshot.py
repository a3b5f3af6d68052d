#!/usr/bin/python
# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A session's workdir in one file, and a session made from such a file."""

from __future__ import annotations

DOCUMENTATION = r"""
module: session_snapshot
short_description: Save an OpenAI codex session to a file, and make a session from one
version_added: 0.1.0
description:
  - Saves the workdir of a session, with the record of its conversation, to one file on the worker. From that file it
    makes a session of another name, on the same worker or another one, which goes on with the same conversation.
  - The file is a C(.tar.gz) with a C(manifest.json) and the directory C(workdir). Both directions stream, so neither
    needs memory for what is in it.
options:
  state:
    description:
      - V(present) saves the session to O(path). The session may run, or have ended in any way.
      - V(restored) makes the session O(name) from O(path). It is then V(stopped), and M(optio.codex.session) with
        O(optio.codex.session#module:resume=true) goes on with its conversation in the new place.
    type: str
    choices: [present, restored]
    default: present
  path:
    description:
      - The file of the worker. Its directory must exist.
      - With O(state=present) it is written with the rights of O(user), has mode C(0600), and must lie outside the
        workdir. A snapshot that is there is replaced by one rename, any other file only with O(force=true).
      - With O(state=restored) it is read with the rights of the user that the module runs as. Use
        M(ansible.builtin.fetch) and M(ansible.builtin.copy) to bring a file from one worker to another.
      - It is needed, in the options of the task or in those of each of O(sessions).
    type: str
  exclude:
    description:
      - What else to leave out with O(state=present), as shell patterns with C(*), C(?) and C([...]).
      - A pattern without a slash is compared with every name at any depth. One with a slash, also a leading one, is
        compared with the path from the workdir, part by part, so that C(*) stays within a part. A slash at the end
        is dropped. A directory goes with everything in it.
      - There is no negation, and C(**) is refused.
    type: list
    elements: str
    default: []
  include_git:
    description:
      - Whether C(.git) is saved too, at any depth. Without it the restored workdir holds the files and no repository.
    type: bool
    default: false
  credentials:
    description:
      - Whether codex's credentials (C(auth.json) and C(.credentials.json) in C(CODEX_HOME)) are saved, or restored
        from a snapshot that holds them.
      - A refresh token is good for one session. When the original and the restored session both use it, one of them
        is logged out, so the module warns.
    type: bool
    default: false
  checksum:
    description:
      - The C(sha256:) digest that the file must have to be restored, as RV(sha256) of the run that saved it tells it.
      - An empty string means the same as leaving the option out.
    type: str
  force:
    description:
      - Write the snapshot even when the one that is there is of the same state, or when another file is there.
    type: bool
    default: false
notes:
  - What can be had again or belongs to one place is left out, which is C(node_modules), C(__pycache__), C(home/.cache),
    C(home/.npm), the session's link to codex, and in C(home/.codex) the directories C(packages), C(cache), C(tmp),
    C(.tmp), C(log), C(shell_snapshots), C(thread-writer-locks), C(tui-thread-reference-capabilities) and
    C(skills/.system), the files C(installation_id), C(models_cache.json) and C(version.json), and the databases
    (C(*.sqlite) and their logs), which codex makes again from the conversations. The C(sessions) directory is always
    part of it.
  - The session's variables lie beside the workdir and are never part of it. A launch needs them again.
  - A second run with O(state=present) compares the names, sizes, modes and times of the files with those that the
    snapshot was taken of, and leaves it alone when they are the same. RV(unstable) and O(checksum) play no part in it.
  - Of a running session each file is read once, at slightly different moments. The record of a conversation is cut at
    its last whole line. Files that change or vanish while being read do not fail the module; they are warned of and
    listed in RV(unstable). Stop the session first when files must fit each other to the byte.
  - Sockets, pipes, devices, links that lead out of the workdir, unreadable files, names with control characters or
    outside UTF-8, and directories more than 62 deep are left out and listed in RV(skipped). Of two hard links two files
    are made. A snapshot holds up to 200000 entries and 64 GiB.
  - A file that is restored is not trusted. Absolute paths, C(..), links that lead out of it, devices, set-user-ID
    files and anything beyond the limits are refused, and nothing is left. Everything belongs to O(user) and is open to
    nobody else. Yet codex runs what C(config.toml) names outside its sandbox, and with
    O(optio.codex.session#module:trust=trusted) what the project's C(.codex) names, so restore only what you would execute.
  - A restored C(config.toml) may still trust the directory that the session had before. A launch decides on the new one by
    its command line, and codex asks nothing.
  - A second run with O(state=restored) changes nothing as long as the session that it made is on record. A workdir
    that is not empty and another session of that name are refused.
attributes:
  check_mode:
    description: Predicts what it would change. A session or file that is not there yet is a warning.
extends_documentation_fragment:
  - optio.codex.attributes
  - optio.codex.attributes.actiongroup_codex
  - optio.codex.task
  - optio.codex.task.places
  - optio.codex.task.workdir
seealso:
  - module: optio.codex.session
  - module: optio.codex.workspace
author:
  - The optio.codex contributors (@optio-codex)
"""

EXAMPLES = r"""
- name: Save a session
  optio.codex.session_snapshot:
    name: payments-1412
    path: ~/payments-1412.tar.gz
  register: snapshot

- name: Save it with its repository and without what the build made
  optio.codex.session_snapshot:
    name: payments-1412
    path: ~/payments-1412.tar.gz
    include_git: true
    exclude:
      - "*.o"
      - /build

- name: Bring it to the controller
  ansible.builtin.fetch:
    src: "{{ snapshot.path }}"
    dest: snapshots/payments-1412.tar.gz
    flat: true

- name: Bring it to another worker
  ansible.builtin.copy:
    src: snapshots/payments-1412.tar.gz
    dest: ~/payments-1412.tar.gz
    mode: "0600"
  delegate_to: worker2

- name: Make a session of it there
  optio.codex.session_snapshot:
    name: payments-1412-b
    path: ~/payments-1412.tar.gz
    checksum: "sha256:{{ snapshot.sha256 }}"
    state: restored
  delegate_to: worker2

- name: Go on with its conversation
  optio.codex.session:
    name: payments-1412-b
    resume: true
    environment: "{{ codex_session_environment }}"
  delegate_to: worker2
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
  description: The file of the snapshot.
  returned: success
  type: str
  sample: /home/alice/payments-1412.tar.gz
size:
  description: Its bytes. V(null) where check mode cannot know them.
  returned: success
  type: int
  sample: 181532
sha256:
  description: Its digest. V(null) where check mode cannot know it.
  returned: success
  type: str
  sample: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
task:
  description: The session's own directory.
  returned: success
  type: str
  sample: /home/alice/.local/share/optio-codex/payments-1412
workdir:
  description: The directory that was saved or made.
  returned: success
  type: str
  sample: /home/alice/.local/share/optio-codex/payments-1412/workdir
session_id:
  description: The newest conversation, which a resumed session goes on with. V(null) when nothing was said yet.
  returned: success
  type: str
  sample: 01a20f61-0240-7a21-bc56-635829b3bf62
status:
  description: The status of the session, as M(optio.codex.session_info) tells it.
  returned: success
  type: str
  sample: stopped
version:
  description: The version of codex that the session has, or had where it was saved. V(null) when it is not known.
  returned: when there is something to save or to restore
  type: str
  sample: 0.169.0
files:
  description: The number of files in the snapshot.
  returned: when there is something to save or to restore
  type: int
  sample: 214
excluded:
  description: How many things each pattern left out. A directory counts as one.
  returned: when O(state=present) and there is a workdir
  type: dict
  sample:
    .git: 1
    home/.codex/tmp: 1
skipped:
  description: The first 100 things that no snapshot takes.
  returned: when O(state=present) and there is a workdir
  type: list
  elements: dict
  contains:
    path:
      description: The path from the workdir.
      type: str
    reason:
      description: Why it was left out.
      type: str
  sample:
    - path: run/agent.sock
      reason: is neither a file, a directory nor a symbolic link
skipped_count:
  description: How many they are.
  returned: when O(state=present) and there is a workdir
  type: int
  sample: 1
unstable:
  description: The first 100 files that changed or vanished while being read.
  returned: when O(state=present) and there is a workdir
  type: list
  elements: str
  sample: [build/progress]
unstable_count:
  description: How many they are.
  returned: when a snapshot was written
  type: int
  sample: 1
origin:
  description: What the snapshot says of the session that it was taken of.
  returned: when O(state=restored) and the file is there
  type: dict
  contains:
    name:
      description: Its name.
      type: str
    workdir:
      description: Its workdir.
      type: str
    created:
      description: When the snapshot was taken, in UTC.
      type: str
    status:
      description: Its status then.
      type: str
  sample:
    name: payments-1412
    workdir: /home/alice/.local/share/optio-codex/payments-1412/workdir
    created: "2026-11-24T21:30:00Z"
    status: running
actions:
  description: What was done, or in check mode would be, in order. Empty when nothing was to do.
  returned: success
  type: list
  elements: dict
  contains:
    kind:
      description: V(write) a file, V(create) a directory or V(unpack) the workdir.
      type: str
    target:
      description: The path that it changes.
      type: str
  sample:
    - kind: write
      target: /home/alice/payments-1412.tar.gz
"""

from ansible_collections.optio.codex.plugins.module_utils._core.runner import run_module
from ansible_collections.optio.codex.plugins.module_utils._transfer.snapshot import SUBJECT
from ansible_collections.optio.codex.plugins.module_utils._core.ansible_module import UnloggedModule


def main() -> None:
    """Run the module."""
    module = UnloggedModule(supports_check_mode=True, **SUBJECT.specification.rules())
    run_module(module, SUBJECT)


if __name__ == "__main__":
    main()
