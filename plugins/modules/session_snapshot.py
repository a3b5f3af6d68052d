#!/usr/bin/python
# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Save a session's workdir to a file, and create a session from such a file."""

from __future__ import annotations

DOCUMENTATION = r"""
module: session_snapshot
short_description: Save an OpenAI codex session to a file, and create a session from one
version_added: 1.0.0
description:
  - Saves the workdir of a session, the home of codex with the record of its conversation, and the home of its commands to
    one file on the worker. From that file it creates a session with another name, on the same worker or another one, that
    resumes the same conversation.
  - The file is a C(.tar.gz) with a C(manifest.json), the directory C(workdir), and C(agent), which is the home of the
    commands. The home of codex is C(workdir/home). If the workdir is that of a project (the option O(workdir) or a cloned
    repository), the home of codex is C(home), so that the project can have a directory of that name.
  - It is written and read as a stream, so the memory that this module uses does not depend on the size of the files.
options:
  state:
    description:
      - V(present) saves the session to O(path). The session can be running or ended, in any status.
      - V(restored) creates the session O(name) from O(path). Its status is then V(stopped), its prompt counts as given, and
        M(optio.codex.session) resumes its conversation in the new workdir.
    type: str
    choices: [present, restored]
    default: present
  path:
    description:
      - Path of the snapshot on the worker. Its directory must exist.
      - With O(state=present), the file is written with the permissions of O(user) and mode C(0600), and must be outside the
        saved directories. An existing snapshot is replaced atomically; any other file is replaced only with O(force=true).
      - With O(state=restored), the file is read with the permissions of the user that the module runs as. Use
        M(ansible.builtin.fetch) and M(ansible.builtin.copy) to transfer a file between workers.
      - Required, either as an option of the task or in each entry of O(sessions).
    type: str
  exclude:
    description:
      - Additional files to exclude with O(state=present), as shell patterns with C(*), C(?) and C([...]).
      - A pattern without a slash is compared with every name at any depth. A pattern with a slash, including a leading one, is
        compared with the path relative to the workdir, part by part, so C(*) matches within one part. A trailing slash is
        ignored. If a directory matches, all of its contents are excluded.
      - The home of codex is compared as C(home), and the home of its commands as C(agent). A pattern such as C(home/x) also
        matches in a directory C(home) of a project.
      - Negated patterns and C(**) are not supported; C(**) is rejected.
    type: list
    elements: str
    default: []
  include_git:
    description:
      - Whether to include C(.git) at any depth. If V(false), the restored workdir contains the files but not the repository.
    type: bool
    default: false
  include_credentials:
    description:
      - Whether to include codex's credentials (C(auth.json) and C(.credentials.json) in C(CODEX_HOME)) when saving, and to
        restore them from a snapshot that contains them.
      - A refresh token is valid for one session. If the original and the restored session both use it, one of them
        is logged out, so the module warns.
    type: bool
    default: false
  checksum:
    description:
      - The expected digest of the file with O(state=restored), C(sha256:) and the RV(sha256) that was returned when it was saved.
      - An empty string is the same as omitting the option.
    type: str
  force:
    description:
      - Write the snapshot even if the existing snapshot is current, or if O(path) is another kind of file.
    type: bool
    default: false
notes:
  - Files that can be recreated or that are specific to one worker are excluded. In every directory these are C(node_modules)
    and C(__pycache__). In the home of codex they are C(.cache), C(.npm), the session's link to codex, and in
    C(.codex) the directories C(packages), C(cache), C(tmp), C(.tmp), C(log), C(shell_snapshots), C(thread-writer-locks),
    C(tui-thread-reference-capabilities) and C(skills/.system), the files C(installation_id), C(models_cache.json)
    and C(version.json), and the databases (C(*.sqlite) and their logs), which codex recreates from the conversations. The
    C(sessions) directory is always included.
  - In the home of the commands these are the caches of package managers, which are C(.cache), C(.npm), C(.cargo/registry),
    C(.cargo/git), C(.local/share/pnpm), C(.local/share/Trash), C(.bun/install/cache), C(.yarn/cache),
    C(.gradle/caches), C(.m2/repository), C(.nuget/packages) and C(go/pkg).
  - Except for C(node_modules), C(__pycache__), C(.git) and O(exclude), the exclusions do not apply to the workdir.
  - A launch creates the link C(home), the C(AGENTS.md) that names the instructions, and the copy of the instructions in the
    home of the commands, so these are not saved.
  - The session's environment variables are stored outside the saved directories and are never included. Set them again at the
    launch.
  - A second run with O(state=present) compares the names, sizes, modes and times of the files with the recorded
    ones, and does not write the snapshot again if they are equal. RV(changed_during_read) and O(checksum) are not compared.
  - The files of a running session are each read once, at slightly different times. The record of a conversation is truncated
    after its last complete line. Files that change or disappear while they are read do not fail the module; a warning reports
    them and RV(changed_during_read) lists them. Stop the session first if the files must be consistent with each other.
  - Sockets, pipes, devices, links that lead out of the saved directory, unreadable files, names with control characters or
    outside UTF-8, and directories more than 62 levels deep are skipped and listed in RV(skipped_files). Hard links are saved as
    separate files, except for links to the session's own files (credentials, configuration and environment), which are
    skipped in the workdir and in the home of the commands. A snapshot holds up to 200000 entries and 64 GiB.
  - The file is not trusted when it is restored. Absolute paths, C(..), links that point outside the workdir, devices, set-user-ID
    files and entries beyond the limits are rejected, and no files are left. All files belong to O(user) and are not accessible
    to other users. However, codex executes commands that C(config.toml) names outside its sandbox, and with
    O(optio.codex.session#module:trust=trusted) those in the project's C(.codex). Restore only snapshots whose content you would
    execute.
  - A restored C(config.toml) can still trust the previous directory of the session. Each launch sets the trust of the current
    directory on its command line, so codex does not ask.
  - All directories are extracted to temporary directories and then renamed to their places. If one of them fails, none of them
    is changed. The workdir can be on another file system than O(sessions_dir).
  - In the restored instructions (C(AGENTS.md) in the home of codex), the path of the home of the commands is replaced by the new
    one, and so are the paths of the logs. A session that is restored to O(workdir), and a session whose workdir was that
    of a project, have their logs in the home of the commands.
  - With O(state=restored), O(path) can also be a snapshot of the Python package optio-codex, which is a C(.tar.gz) of the workdir
    without a manifest. Its C(home) becomes the home of codex, its link to codex is not restored, and RV(version), RV(origin) and
    RV(file_count) have no values. An encrypted snapshot of the package must be decrypted first.
  - A second run with O(state=restored) changes nothing if the restored session has a record. A workdir that is not empty,
    another session with that name, a home of codex with a conversation or a credential, and a home of commands with
    files are rejected. A home without them, such as that of M(optio.codex.workspace), is replaced.
attributes:
  check_mode:
    description: Predicts the changes. A session or file that does not exist yet causes a warning.
extends_documentation_fragment:
  - optio.codex.attributes
  - optio.codex.attributes.actiongroup_session
  - optio.codex.location
  - optio.codex.location.many
  - optio.codex.location.workdir
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

- name: Save a session with its repository but without build results
  optio.codex.session_snapshot:
    name: payments-1412
    path: ~/payments-1412.tar.gz
    include_git: true
    exclude:
      - "*.o"
      - /build

- name: Fetch the snapshot to the controller
  ansible.builtin.fetch:
    src: "{{ snapshot.path }}"
    dest: snapshots/payments-1412.tar.gz
    flat: true

- name: Copy the snapshot to another worker
  ansible.builtin.copy:
    src: snapshots/payments-1412.tar.gz
    dest: ~/payments-1412.tar.gz
    mode: "0600"
  delegate_to: worker2

- name: Create a session from the snapshot
  optio.codex.session_snapshot:
    name: payments-1412-b
    path: ~/payments-1412.tar.gz
    checksum: "sha256:{{ snapshot.sha256 }}"
    state: restored
  delegate_to: worker2

- name: Resume the conversation
  optio.codex.session:
    name: payments-1412-b
    environment: "{{ codex_session_environment }}"
  delegate_to: worker2
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
  description: Path of the snapshot.
  returned: success
  type: str
  sample: /home/alice/payments-1412.tar.gz
size:
  description: Size of the snapshot in bytes. V(null) if it is unknown in check mode.
  returned: success
  type: int
  sample: 181532
sha256:
  description: SHA-256 digest of the snapshot, in hexadecimal. V(null) if it is unknown in check mode.
  returned: success
  type: str
  sample: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
session_dir:
  description: The session directory.
  returned: success
  type: str
  sample: /home/alice/.local/share/optio-codex/payments-1412
workdir:
  description: The workdir that was saved or created.
  returned: success
  type: str
  sample: /home/alice/.local/share/optio-codex/payments-1412/workdir
session_id:
  description: The id of the newest conversation, which a resume continues. V(null) if there is none yet.
  returned: success
  type: str
  sample: 01a20f61-0240-7a21-bc56-635829b3bf62
status:
  description: The status of the session, as in M(optio.codex.session_info).
  returned: success
  type: str
  sample: stopped
version:
  description: The version of codex of the session, or of the saved session. V(null) if it is unknown.
  returned: when there is something to save or to restore
  type: str
  sample: 0.169.0
file_count:
  description: The number of files in the snapshot.
  returned: when there is something to save or to restore
  type: int
  sample: 214
excluded:
  description: The number of entries that each pattern excluded. A directory counts as one.
  returned: when O(state=present) and there is a workdir
  type: dict
  sample:
    .git: 1
    home/.codex/tmp: 1
skipped_files:
  description: The first 100 entries that cannot be saved.
  returned: when O(state=present) and there is a workdir
  type: list
  elements: dict
  contains:
    path:
      description: The path relative to the workdir, or C(home/) or C(agent/) and the path in that home.
      type: str
    reason:
      description: The reason.
      type: str
  sample:
    - path: run/agent.sock
      reason: is neither a file, a directory nor a symbolic link
skipped_files_count:
  description: The number of skipped entries.
  returned: when O(state=present) and there is a workdir
  type: int
  sample: 1
changed_during_read:
  description: The first 100 files that changed or disappeared while they were read.
  returned: when O(state=present) and there is a workdir
  type: list
  elements: str
  sample: [build/progress]
changed_during_read_count:
  description: The number of files that changed or disappeared while they were read.
  returned: when a snapshot was written
  type: int
  sample: 1
origin:
  description: The saved session, as recorded in the snapshot.
  returned: when O(state=restored) and the file is there
  type: dict
  contains:
    name:
      description: The name of the saved session.
      type: str
    workdir:
      description: The workdir of the saved session.
      type: str
    created_at:
      description: Time at which the snapshot was created, in UTC (ISO 8601).
      type: str
    status:
      description: The status of the session at that time.
      type: str
  sample:
    name: payments-1412
    workdir: /home/alice/.local/share/optio-codex/payments-1412/workdir
    created_at: "2026-11-24T21:30:00Z"
    status: running
actions:
  description: The actions that were performed, or that would be performed in check mode, in order. Empty if there was nothing to do.
  returned: success
  type: list
  elements: dict
  contains:
    kind:
      description: V(write) a file, V(create) a directory, V(unpack) the workdir or a home, or V(copy) the record.
      type: str
    target:
      description: The path of the object.
      type: str
  sample:
    - kind: write
      target: /home/alice/payments-1412.tar.gz
"""

from ansible_collections.optio.codex.plugins.module_utils._core.ansible_module import UnloggedModule
from ansible_collections.optio.codex.plugins.module_utils._core.batch_runner import run_batch_module
from ansible_collections.optio.codex.plugins.module_utils._transfer.snapshot import RESOURCE


def main() -> None:
    """Run the module."""
    module = UnloggedModule(supports_check_mode=True, **RESOURCE.specification.to_kwargs())
    run_batch_module(module, RESOURCE)


if __name__ == "__main__":
    main()
