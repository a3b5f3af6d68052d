#!/usr/bin/python
# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: trust
short_description: Trust a directory for OpenAI codex
version_added: 0.1.0
description:
  - Ensures one directory's trust entry in one codex configuration, or its absence.
    With an entry codex starts in the directory without asking.
  - Everything else in the file stays as it is, comments, order and line ends included.
    The file is replaced atomically, through symbolic links, and keeps its mode and owner; a new one gets mode C(0600).
  - The module M(optio.codex.session) trusts a session's workdir by itself, without touching a configuration.
    Use this one for directories in which people or other tools start codex.
notes:
  - Trusting a directory lets it run code. codex starts the commands that the directory's C(.codex/config.toml) names
    outside its sandbox, even where codex itself runs with a read-only sandbox. Trust only what you would execute.
  - codex looks directories up by their real path. The entry is written for the real path, whatever symbolic links
    O(path) goes through; the entry of a parent directory does not count, except that the root of a Git repository
    covers the directories in it.
  - codex refuses to start when a directory has two entries. An entry is recognised in every spelling that TOML allows
    (table, dotted key, inline table, any kind of quotes), and its level is edited where it stands.
    Where that is not possible without touching anything else, the module fails, naming the line to edit.
  - The difference shown by C(--diff) holds the entry alone, because a configuration may hold tokens.
  - Several runs that edit one configuration wait for each other, up to 30 seconds.
requirements:
  - Python 3.11 or newer on the worker, or the Python library C(tomli).
attributes:
  check_mode:
    description: Can run in check mode and predict what it would change.
    support: full
  diff_mode:
    description: Returns the entry before and after.
    support: full
options:
  path:
    description:
      - The directory to trust. It must exist, unless O(state=absent) or check mode.
      - Absolute, or C(~/...) for the home of the worker's user; C(~name) is refused.
    type: str
    required: true
  config:
    description:
      - The codex configuration to edit. It is created with its directory when it is missing.
      - Absolute, or C(~/...) for the home of the worker's user; C(~name) is refused.
    type: str
    default: ~/.codex/config.toml
  trust_level:
    description:
      - What the entry says. V(untrusted) also keeps codex from asking, but leaves the directory's configuration unused.
      - Without effect when O(state=absent).
    type: str
    choices: [trusted, untrusted]
    default: trusted
  user:
    description:
      - The user whose home C(~) means and with whose rights files are read and written.
      - The user that the module runs as, unless set. Only root can act as another one.
    type: str
  state:
    description:
      - V(present) ensures the entry at O(trust_level).
      - V(absent) ensures that the directory has no trust level. A table that held nothing else is removed with it.
    type: str
    choices: [present, absent]
    default: present
seealso:
  - module: optio.codex.session
author:
  - the optio.codex contributors (@optio-codex)
"""

EXAMPLES = r"""
- name: Trust a checkout for the user who logs in
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
    config: /etc/codex/config.toml
  become: true

- name: Neither trust a directory nor be asked about it
  optio.codex.trust:
    path: ~/downloads
    trust_level: untrusted

- name: Withdraw the trust
  optio.codex.trust:
    path: ~/src/payments
    state: absent
"""

RETURN = r"""
path:
  description: The directory's real path, which is what the entry names.
  returned: success
  type: str
  sample: /home/alice/src/payments
config:
  description: The real path of the configuration.
  returned: success
  type: str
  sample: /home/alice/.codex/config.toml
trust_level:
  description: The directory's level after the run, V(null) when it has none.
  returned: success
  type: str
  sample: trusted
actions:
  description: What was done, or in check mode would be; empty when nothing was to do.
  returned: success
  type: list
  elements: dict
  contains:
    kind:
      description: V(create) for a new configuration, V(write) for one that was there.
      type: str
    target:
      description: The configuration.
      type: str
  sample:
    - kind: write
      target: /home/alice/.codex/config.toml
"""

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ansible_collections.optio.codex.plugins.module_utils._core.runner import run_module
from ansible_collections.optio.codex.plugins.module_utils._codex.trust_entry import SUBJECT, TOML_IMPORT_ERROR


def main() -> None:
    """Run the module."""
    module = AnsibleModule(supports_check_mode=True, **SUBJECT.specification.rules())
    if TOML_IMPORT_ERROR:
        reason = "to edit config.toml safely; Python 3.11 and newer do it without"
        module.fail_json(msg=missing_required_lib("tomli", reason=reason), exception=TOML_IMPORT_ERROR)
    run_module(module, SUBJECT)


if __name__ == "__main__":
    main()
