#!/usr/bin/python
# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a worker is, has and runs."""

from __future__ import annotations

DOCUMENTATION = r"""
module: worker_info
short_description: What a worker is, has and runs, in one call
version_added: 0.1.0
description:
  - Returns the platform, the tools that sessions need, the cached releases, whether codex's sandbox works, and all
    sessions of the user, from one probe.
  - Roles and reports read it instead of Ansible's facts. It installs nothing and changes no session.
  - The sandbox is tried for real, by running C(/bin/true) in C(codex sandbox). That it works is kept in a small file
    beside the sessions until codex, a C(bwrap), the boot or one of the kernel's switches for user namespaces changes, so
    only the first call runs codex, and only that call sends Python to the worker. A sandbox that does not work is tried at
    every call.
options:
  user:
    description:
      - The Unix user whose caches, sandbox and sessions are looked at. Acting as another user needs root (C(become)).
      - By default, and when it is empty, the user that the module runs as.
    type: str
  root:
    description:
      - The directory that holds the sessions. C(~) and C(~/x) mean the home of the worker's user.
      - By default C(${XDG_DATA_HOME:-~/.local/share}/optio-codex).
    type: str
  codex_dir:
    description:
      - The directory whose executable C(codex) the sandbox is tried with; nothing else is searched then.
      - By default the codex that a new session would use, from the user's cache, else from the system's.
    type: str
  sandbox:
    description:
      - Whether to try the sandbox when no verdict is kept. A kept verdict is returned either way.
      - Check mode never tries it and returns V(unknown) instead.
    type: bool
    default: true
notes:
  - A try is given 30 seconds. One that takes longer is no verdict, and is made again at the next call.
seealso:
  - module: optio.codex.session_info
  - module: optio.codex.codex_release
author:
  - The optio.codex contributors (@optio-codex)
extends_documentation_fragment:
  - optio.codex.attributes.info
  - optio.codex.attributes.probe
  - optio.codex.attributes.actiongroup_codex
"""

EXAMPLES = r"""
- name: Look at the worker
  optio.codex.worker_info:
  register: worker

- name: Stop where sandboxed commands would fail
  ansible.builtin.assert:
    that: worker.sandbox.verdict == 'ok'
    fail_msg: "{{ worker.sandbox.cause }}. {{ worker.sandbox.remedy }}."

- name: Look with the eyes of the user that the sessions belong to
  optio.codex.worker_info:
    user: agent
  become: true
  register: worker
"""

RETURN = r"""
platform:
  description: What the worker is.
  returned: success
  type: dict
  contains:
    system:
      description: The kernel's name.
      returned: success
      type: str
      sample: Linux
    machine:
      description: The processor architecture, as C(uname -m) says it.
      returned: success
      type: str
      sample: x86_64
    node:
      description: The host name.
      returned: success
      type: str
      sample: worker-1
    distribution:
      description: C(ID) of C(/etc/os-release), V(none) without one.
      returned: success
      type: str
      sample: debian
    distribution_version:
      description: C(VERSION_ID) of C(/etc/os-release), V(none) without one.
      returned: success
      type: str
      sample: "12"
    package_manager:
      description: V(apt), V(dnf), V(yum), V(zypper), V(apk) or V(pacman), V(none) without any of them.
      returned: success
      type: str
      sample: apt
    systemd:
      description: Whether a session launched by this task's user would be kept by units of the system's systemd.
      returned: success
      type: bool
      sample: true
    apparmor_restricts_userns:
      description: Whether AppArmor takes the rights of user namespaces that no profile allows, as Ubuntu does since 23.10.
      returned: success
      type: bool
      sample: false
    cpus:
      description: Processors that are online.
      returned: success
      type: int
      sample: 8
    memory_mib:
      description: Memory in MiB.
      returned: success
      type: int
      sample: 32041
user:
  description: The user whose caches and sessions these are.
  returned: success
  type: str
  sample: agent
privileged:
  description: Whether the module ran as root, even when it looked with the eyes of another user.
  returned: success
  type: bool
  sample: true
tools:
  description: The programs that sessions need, V(none) for each that is not there.
  returned: success
  type: dict
  contains:
    tmux:
      description: Path of tmux.
      returned: success
      type: str
      sample: /usr/bin/tmux
    git:
      description: Path of git, which only cloning a repository needs.
      returned: success
      type: str
      sample: /usr/bin/git
    ttyd:
      description: Path of ttyd, from a cache or from C(PATH).
      returned: success
      type: str
      sample: /var/cache/optio-codex/bin/releases/ttyd-1.7.7-x86_64/ttyd
    bwrap:
      description: Path of a bubblewrap on C(PATH), which codex prefers to the one in its package.
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
      description: Path of the executable, V(none) when there is none.
      returned: success
      type: str
      sample: /var/cache/optio-codex/bin/releases/0.169.0-x86_64-unknown-linux-musl/bin/codex
    version:
      description: Its version, V(none) when it is not in a cache of this collection.
      returned: success
      type: str
      sample: 0.169.0
policy:
  description:
    - Of C(/etc/codex/requirements.toml) and C(/etc/codex/config.toml) the owner's number, the mode and the SHA-256 digest, as
      C(0:644 <digest>). V(null) where there is none, and without a digest where it cannot be read.
  returned: success
  type: dict
  contains:
    requirements:
      description: Of the policy that codex enforces.
      type: str
    config:
      description: Of the settings that every user of the worker starts from.
      type: str
  sample:
    requirements: 0:644 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
    config: null
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
      description: V(ok), V(failed), or V(unknown) where it was not tried or did not end in time.
      returned: success
      type: str
      sample: ok
    cause:
      description: Why it failed or is unknown.
      returned: success
      type: str
      sample: null
    remedy:
      description: What to do about it.
      returned: success
      type: str
      sample: null
    output:
      description: What the failing sandbox printed, at most 500 characters.
      returned: success
      type: str
      sample: null
sessions:
  description: All sessions of the user, as M(optio.codex.session_info) returns them.
  returned: success
  type: list
  elements: dict
  sample: []
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.optio.codex.plugins.module_utils._core.runner import run_module
from ansible_collections.optio.codex.plugins.module_utils._monitor.worker_info import SUBJECT


def main() -> None:
    module = AnsibleModule(supports_check_mode=True, **SUBJECT.specification.rules())
    run_module(module, SUBJECT)


if __name__ == "__main__":
    main()
