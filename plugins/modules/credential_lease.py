#!/usr/bin/python
# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lease that keeps two sessions from one ChatGPT login."""

from __future__ import annotations

DOCUMENTATION = r"""
module: credential_lease
short_description: Reserve a ChatGPT login for one OpenAI codex session
version_added: 0.1.0
description:
  - Ensures that one session has a seed, or has it no longer. A seed is a credential that is good for one session, as the C(auth.json) of
    a ChatGPT login is.
  - The lease is a small file on the host that the task runs on. Delegate the task to the controller or to a host that all plays
    reach, so that all of them see the same leases. Of many that ask at once, in one play or in several, one gets it.
  - The module fails when another session has the seed, and says which, since when and until when.
options:
  state:
    description:
      - V(present) takes the seed. The session that has it already keeps it, and the lease is renewed when less than half of O(ttl) is
        left. A lease that has expired is taken over, with a warning that names who had it.
      - V(absent) releases it. The lease of another session stays, and nothing changes.
    type: str
    choices: [present, absent]
    default: present
  seed:
    description:
      - The name of the seed, and of the lease's file. Take what P(optio.codex.credential_account#filter) makes of an C(auth.json), which
        stays the same when codex changes the tokens.
      - With two separate logins of one account, give each a name of your own.
    type: str
    required: true
  host:
    description:
      - The worker of the session, as C(inventory_hostname). Inventories that share leases must call different workers by
        different names.
    type: str
    required: true
  session:
    description:
      - The name of the session.
    type: str
    required: true
  session_user:
    description:
      - The user of the session, where it is not the one that logs in.
      - An empty string means the same as leaving the option out.
    type: str
  directory:
    description:
      - The directory that holds the leases, absolute, or C(~/...) for the home of the user that the module runs as.
      - It is created with mode C(0700). It must be on a file system with locks.
    type: str
    default: ~/.local/share/optio-codex/leases
  ttl:
    description:
      - The seconds that the lease lasts, by the clock of the host that keeps it. Let it be longer than the time between two runs that renew
        it. A session that outlives its lease may lose its login to another one.
    type: int
    default: 604800
  force:
    description:
      - Take a seed that another session has, or release it for that one.
    type: bool
    default: false
notes:
  - A lease keeps plays from giving one login to two sessions. It does not look at the sessions themselves.
extends_documentation_fragment:
  - optio.codex.attributes
  - optio.codex.attributes.actiongroup_codex
  - optio.codex.attributes.probe
seealso:
  - module: optio.codex.credential
  - plugin: optio.codex.credential_account
    plugin_type: filter
author:
  - The optio.codex contributors (@optio-codex)
"""

EXAMPLES = r"""
- name: Reserve a login, with the lease beside it on the controller
  optio.codex.credential_lease:
    seed: "{{ lookup('ansible.builtin.file', '/srv/seeds/one.json') | optio.codex.credential_account }}"
    directory: /srv/seeds
    host: "{{ inventory_hostname }}"
    session: fix-1412
  delegate_to: localhost
  become: false

- name: Reserve it for a day, with the lease on a host that several controllers reach
  optio.codex.credential_lease:
    seed: "{{ codex_auth_json | optio.codex.credential_account }}"
    host: "{{ inventory_hostname }}"
    session: fix-1412
    ttl: 86400
  delegate_to: bastion

- name: Release it
  optio.codex.credential_lease:
    seed: "{{ lookup('ansible.builtin.file', '/srv/seeds/one.json') | optio.codex.credential_account }}"
    directory: /srv/seeds
    host: "{{ inventory_hostname }}"
    session: fix-1412
    state: absent
  delegate_to: localhost
  become: false
"""

RETURN = r"""
seed:
  description: The name of the seed.
  returned: success
  type: str
  sample: 6c1f0e9f1c9a7b52
path:
  description: The file of the lease.
  returned: success
  type: str
  sample: /srv/seeds/6c1f0e9f1c9a7b52.lease
holder:
  description: Who has the seed after the run, V(null) when nobody has. Also returned when another one has it.
  returned: always
  type: dict
  contains:
    host:
      description: The worker.
      type: str
    session:
      description: The session.
      type: str
    user:
      description: The session's user, empty for the one that logs in.
      type: str
  sample:
    host: worker1
    session: fix-1412
    user: ""
acquired:
  description: When the holder has taken it, in seconds since 1970, V(null) when nobody has it.
  returned: success
  type: int
  sample: 1795343649
expires:
  description: When the lease ends, in seconds since 1970, V(null) when nobody has it.
  returned: always
  type: int
  sample: 1795948449
taken_over:
  description: The holder from whom the seed was taken, as RV(holder), V(null) when it was free.
  returned: success
  type: dict
  sample: null
actions:
  description: What was done, or in check mode would be. Empty when nothing was to do.
  returned: success
  type: list
  elements: dict
  contains:
    kind:
      description: V(take), V(renew) or V(release).
      type: str
    target:
      description: The file of the lease.
      type: str
  sample:
    - kind: take
      target: /srv/seeds/6c1f0e9f1c9a7b52.lease
"""

from ansible_collections.optio.codex.plugins.module_utils._credential.lease import SUBJECT
from ansible_collections.optio.codex.plugins.module_utils._core.runner import run_module
from ansible_collections.optio.codex.plugins.module_utils._core.ansible_module import UnloggedModule


def main() -> None:
    """Run the module."""
    module = UnloggedModule(supports_check_mode=True, **SUBJECT.specification.rules())
    run_module(module, SUBJECT)


if __name__ == "__main__":
    main()
