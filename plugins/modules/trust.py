#!/usr/bin/python
# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: trust
short_description: Manage the trust of a directory in an OpenAI codex configuration
version_added: 1.0.0
description:
  - Adds, changes or removes the trust entry of a directory in a codex configuration.
    With an entry, codex starts in the directory without a prompt.
  - The rest of the file is not changed, including comments, order and line endings.
    The file is replaced atomically. Symbolic links are followed. The mode and owner do not change, and a new file gets mode C(0600).
  - The module M(optio.codex.session) trusts the workdir of a session itself, without changing a configuration file.
    Use this module for directories in which people or other tools start codex.
notes:
  - A trusted directory can run code. codex runs the commands in the directory's C(.codex/config.toml) outside its sandbox, even
    if codex itself uses a read-only sandbox. Only trust directories whose code you would execute.
  - codex looks up directories by their real path. The entry is written for the real path, with all symbolic links in O(path)
    resolved. The entry of a parent directory does not apply to its subdirectories, except that the root of a Git repository
    covers the directories in it.
  - codex fails to start if a directory has two entries. The module detects an entry in every TOML syntax
    (table, dotted key, inline table, any kind of quotes) and edits its level in place.
    If this is not possible without changing other settings, the module fails, and the error names the line to edit.
  - The diff only contains the entry, because a configuration may contain tokens.
  - Concurrent runs that edit the same configuration wait for each other, up to 30 seconds.
requirements:
  - Python 3.11 or newer on the worker, or the Python library C(tomli).
extends_documentation_fragment:
  - optio.codex.attributes
options:
  path:
    description:
      - The directory to trust. It must exist, except with O(state=absent) or in check mode.
      - Must be an absolute path or begin with C(~/) for the home directory of O(user). C(~name) is rejected.
    type: str
    required: true
  config_file:
    description:
      - The codex configuration to edit. If it does not exist, it is created together with its directory.
      - Must be an absolute path or begin with C(~/) for the home directory of O(user). C(~name) is rejected.
    type: str
    default: ~/.codex/config.toml
  trust_level:
    description:
      - The trust level of the entry. V(untrusted) also suppresses the prompt, but codex ignores the directory's configuration.
      - Ignored if O(state=absent).
    type: str
    choices: [trusted, untrusted]
    default: trusted
  user:
    description:
      - The user whose home directory C(~) refers to, and with whose permissions files are read and written.
      - The default is the user that the module runs as. Only root can specify a different user.
    type: str
  state:
    description:
      - If V(present), the entry is set to O(trust_level).
      - If V(absent), the trust level of the directory is removed. Its table is also removed if it does not contain other keys.
    type: str
    choices: [present, absent]
    default: present
seealso:
  - module: optio.codex.session
author:
  - the optio.codex contributors (@optio-codex)
"""

EXAMPLES = r"""
- name: Trust a checkout for the connection's user
  optio.codex.trust:
    path: ~/src/payments

- name: Trust a directory of another user, as root
  optio.codex.trust:
    path: ~/src/payments
    user: alice
  become: true

- name: Trust a directory for every user of the worker
  optio.codex.trust:
    path: /srv/work
    config_file: /etc/codex/config.toml
  become: true

- name: Suppress the trust prompt for a directory without trusting it
  optio.codex.trust:
    path: ~/downloads
    trust_level: untrusted

- name: Remove the trust entry of a directory
  optio.codex.trust:
    path: ~/src/payments
    state: absent
"""

RETURN = r"""
path:
  description: The real path of the directory, as used in the entry.
  returned: success
  type: str
  sample: /home/alice/src/payments
config_file:
  description: The real path of the configuration.
  returned: success
  type: str
  sample: /home/alice/.codex/config.toml
trust_level:
  description: The trust level of the directory after the run. V(null) if it is not set.
  returned: success
  type: str
  sample: trusted
actions:
  description: The actions that were taken, or would be taken in check mode. Empty if nothing changed.
  returned: success
  type: list
  elements: dict
  contains:
    kind:
      description: V(create) for a new configuration, V(write) for an existing configuration.
      type: str
    target:
      description: Path of the configuration.
      type: str
  sample:
    - kind: write
      target: /home/alice/.codex/config.toml
"""

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ansible_collections.optio.codex.plugins.module_utils._codex.trust_entry import RESOURCE
from ansible_collections.optio.codex.plugins.module_utils._core.runner import run_module
from ansible_collections.optio.codex.plugins.module_utils._core.toml import LIBRARY_IMPORT_ERROR


def main() -> None:
    """Run the module."""
    module = AnsibleModule(supports_check_mode=True, **RESOURCE.specification.to_kwargs())
    if LIBRARY_IMPORT_ERROR:
        reason = "to edit config.toml safely; Python 3.11 and newer do it without"
        module.fail_json(msg=missing_required_lib("tomli", reason=reason), exception=LIBRARY_IMPORT_ERROR)
    run_module(module, RESOURCE)


if __name__ == "__main__":
    main()
