#!/usr/bin/python
# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Gather facts about a worker and its sessions."""

from __future__ import annotations

DOCUMENTATION = r"""
module: worker_info
short_description: Gather facts about a worker and its sessions in one call
version_added: 1.0.0
description:
  - Returns the platform, the tools that sessions need, the cached releases, whether codex's sandbox works, and all
    sessions of the user, from one probe.
  - Roles and reports use this module instead of Ansible's facts. It does not install programs or change sessions.
  - The sandbox is tested by running C(/bin/true) in C(codex sandbox). A successful test is recorded in a small file in the
    directory of the sessions. The record is valid until codex, a C(bwrap), the boot or one of the kernel's settings for user
    namespaces changes, so only the first call runs codex, and only this call sends Python to the worker. A failing sandbox is
    tested in every call.
options:
  user:
    description:
      - The Unix user whose caches, sandbox and sessions are inspected. Specifying a different user requires root (C(become)).
      - If omitted or empty, the user that the module runs as.
    type: str
  sessions_dir:
    description:
      - The directory of the sessions. C(~) and C(~/x) refer to the home directory of O(user).
      - The default is C(${XDG_DATA_HOME:-~/.local/share}/optio-codex).
    type: str
  codex_dir:
    description:
      - The directory of the C(codex) executable to test the sandbox with. Other locations are not searched.
      - The default is the codex that a new session would use, from the user's cache, else from the system's cache.
    type: str
  check_sandbox:
    description:
      - Determines whether to test the sandbox if a valid record does not exist. A recorded verdict is returned in either case.
      - In check mode, the sandbox is not tested, and the verdict is V(unknown) if it is not recorded.
    type: bool
    default: true
  include_sessions:
    description:
      - Whether to return the sessions. Without them, the probe of a worker with live sessions takes half of the time.
    type: bool
    default: true
  publish:
    description:
      - Whether to publish RV(codex_release), RV(ttyd_release) and RV(user) as C(codex_stats.workers) by the name of the worker, like
        M(ansible.builtin.set_stats), if RV(pending) is empty.
    type: bool
    default: false
  codex_release:
    description:
      - Options of M(optio.codex.codex_release). The release is compared with them, and the result is in RV(pending) and
        RV(codex_release). Nothing is installed.
      - C(checksums) is a dictionary of digests by RV(platform.machine). The default of C(scope) is RV(cache_scope).
    type: dict
  ttyd_release:
    description:
      - Options of M(optio.codex.ttyd_release), in the same way.
    type: dict
notes:
  - The timeout of the sandbox test is 30 seconds. After a timeout the verdict is V(unknown), and the next call repeats the test.
seealso:
  - module: optio.codex.session_info
  - module: optio.codex.codex_release
author:
  - The optio.codex contributors (@optio-codex)
extends_documentation_fragment:
  - optio.codex.attributes.info
  - optio.codex.attributes.probe
  - optio.codex.attributes.actiongroup_session
"""

EXAMPLES = r"""
- name: Gather facts about the worker
  optio.codex.worker_info:
  register: worker

- name: Fail if sandboxed commands do not work
  ansible.builtin.assert:
    that: worker.sandbox.verdict != 'failed'
    fail_msg: "{{ worker.sandbox.cause }}. {{ worker.sandbox.remedy }}."

- name: Find out whether codex has to be installed
  optio.codex.worker_info:
    codex_release:
      version: 0.169.0
  register: worker

- name: Gather facts as the user that owns the sessions
  optio.codex.worker_info:
    user: agent
  become: true
  register: worker
"""

RETURN = r"""
pending:
  description:
    - The programs of O(codex_release) and O(ttyd_release) that their modules would change, V(codex) and V(ttyd).
    - V(null) if neither option is set, or if the worker could not be inspected by shell.
  returned: success
  type: list
  elements: str
  sample: [codex]
codex_release:
  description:
    - The result of M(optio.codex.codex_release) in check mode.
    - V(null) if O(codex_release) is not set, or if the module would fail.
  returned: success
  type: dict
  sample: {changed: false, version: 0.169.0}
ttyd_release:
  description: The result of M(optio.codex.ttyd_release) in check mode, in the same way.
  returned: success
  type: dict
  sample: {changed: false, version: 1.7.7}
cache_scope:
  description: The cache that releases should be installed in. V(system) if the task runs as root for another O(user), else V(user).
  returned: success
  type: str
  sample: user
platform:
  description: The platform of the worker.
  returned: success
  type: dict
  contains:
    system:
      description: The kernel's name.
      returned: success
      type: str
      sample: Linux
    machine:
      description: The processor architecture, as printed by C(uname -m).
      returned: success
      type: str
      sample: x86_64
    node:
      description: The host name.
      returned: success
      type: str
      sample: worker-1
    distribution:
      description: C(ID) in C(/etc/os-release). V(none) if the file does not exist.
      returned: success
      type: str
      sample: debian
    distribution_version:
      description: C(VERSION_ID) in C(/etc/os-release). V(none) if it is not set.
      returned: success
      type: str
      sample: "12"
    package_manager:
      description: V(apt), V(dnf), V(yum), V(zypper), V(apk) or V(pacman). V(none) if none of them is installed.
      returned: success
      type: str
      sample: apt
    systemd:
      description: Whether a session that this task's user launches would be supervised by units of the system's systemd.
      returned: success
      type: bool
      sample: true
    apparmor_restricts_userns:
      description: Whether AppArmor restricts user namespaces that are not allowed by a profile, as in Ubuntu 23.10 and later.
      returned: success
      type: bool
      sample: false
    cpus:
      description: Number of processors that are online.
      returned: success
      type: int
      sample: 8
    memory_mib:
      description: Memory in MiB.
      returned: success
      type: int
      sample: 32041
    memory_available_mib:
      description: Memory in MiB that is available to new programs without swapping.
      returned: success
      type: int
      sample: 21377
user:
  description: The user whose caches and sessions are returned.
  returned: success
  type: str
  sample: agent
privileged:
  description: Whether the module ran as root, even if it inspected the worker as another user.
  returned: success
  type: bool
  sample: true
tools:
  description: The programs that sessions need. V(none) for each missing program.
  returned: success
  type: dict
  contains:
    tmux:
      description: Path of tmux.
      returned: success
      type: str
      sample: /usr/bin/tmux
    git:
      description: Path of git. It is only needed for cloning a repository.
      returned: success
      type: str
      sample: /usr/bin/git
    ttyd:
      description: Path of ttyd, from a cache or from C(PATH).
      returned: success
      type: str
      sample: /var/cache/optio-codex/bin/releases/ttyd-1.7.7-x86_64/ttyd
    bwrap:
      description: Path of a bubblewrap on C(PATH). codex prefers it to the one in its package.
      returned: success
      type: str
      sample: null
    ca_certificates:
      description: Whether the system has CA certificates.
      returned: success
      type: bool
      sample: true
codex:
  description: The codex that a new session would use.
  returned: success
  type: dict
  contains:
    path:
      description: Path of the executable. V(none) if it was not found.
      returned: success
      type: str
      sample: /var/cache/optio-codex/bin/releases/0.169.0-x86_64-unknown-linux-musl/bin/codex
    version:
      description: Version of codex. V(none) if it is not in a cache of this collection.
      returned: success
      type: str
      sample: 0.169.0
policy:
  description:
    - UID of the owner, mode and SHA-256 digest of C(/etc/codex/requirements.toml) and C(/etc/codex/config.toml), as
      C(0:644 <digest>). V(null) if the file does not exist. The digest is omitted if the file cannot be read.
  returned: success
  type: dict
  contains:
    requirements:
      description: State of the policy that codex enforces.
      type: str
    config:
      description: State of the default settings for every user of the worker.
      type: str
  sample:
    requirements: 0:644 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
    config: null
filesystems:
  description: The filesystems that sessions need. If a directory does not exist, the values are those of its nearest existing parent.
  returned: success
  type: dict
  contains:
    sessions_dir:
      description:
        - The directory of the sessions.
        - C(path), C(mount_point) and C(type) of the filesystem, whether it is a C(network) filesystem or mounted C(read_only), and
          C(available_mib), the free space in MiB. V(null) for values that the worker does not report.
      returned: success
      type: dict
    runtime_dir:
      description:
        - The same values for the directory in which systemd keeps the units of sessions, and root the sockets. This is C(/run), or
          C(/run/user/UID) for the sessions of a user manager.
        - V(null) if sessions do not use such a directory.
      returned: success
      type: dict
  sample:
    sessions_dir:
      path: /home/agent/.local/share/optio-codex
      mount_point: /home
      type: ext4
      network: false
      read_only: false
      available_mib: 51200
    runtime_dir: null
problems:
  description:
    - Problems of these filesystems that sessions would have, such as a full C(/run) or a read-only home directory.
    - The role P(optio.codex.codex_worker#role) fails because of a problem that is blocking. The module returns a warning for any other
      problem.
  returned: success
  type: list
  elements: dict
  contains:
    object:
      description: The directory.
      returned: success
      type: str
      sample: /home/agent/.local/share/optio-codex
    cause:
      description: The problem.
      returned: success
      type: str
      sample: the sessions directory /home/agent/.local/share/optio-codex is on a filesystem that is mounted read-only at /home
    remedy:
      description: How to fix it.
      returned: success
      type: str
      sample: Remount it read-write (mount -o remount,rw /home), or set sessions_dir to a directory on another filesystem
    blocking:
      description:
        - Whether sessions cannot be launched. V(false) for a network filesystem, on which codex's SQLite databases can be locked or
          damaged.
      returned: success
      type: bool
      sample: true
  sample: []
releases:
  description: Every release in the user's and in the system's cache.
  returned: success
  type: list
  elements: dict
  sample:
    - program: codex
      version: 0.169.0
      path: /var/cache/optio-codex/bin/releases/0.169.0-x86_64-unknown-linux-musl
sandbox:
  description: Whether codex can run commands in its sandbox.
  returned: success
  type: dict
  contains:
    verdict:
      description: V(ok), V(failed), or V(unknown) if the sandbox was not tested or the test timed out.
      returned: success
      type: str
      sample: ok
    cause:
      description: The reason why the test failed or timed out, V(null) if the sandbox was not tested.
      returned: success
      type: str
      sample: null
    remedy:
      description: How to fix it.
      returned: success
      type: str
      sample: null
    output:
      description: Output of the failed sandbox, at most 500 characters.
      returned: success
      type: str
      sample: null
sessions:
  description: All sessions of the user, as M(optio.codex.session_info) returns them. Empty with O(include_sessions=false).
  returned: success
  type: list
  elements: dict
  sample: []
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.optio.codex.plugins.module_utils._core.runner import run_module
from ansible_collections.optio.codex.plugins.module_utils._monitor.worker_info import RESOURCE


def main() -> None:
    module = AnsibleModule(supports_check_mode=True, **RESOURCE.specification.to_kwargs())
    run_module(module, RESOURCE)


if __name__ == "__main__":
    main()
