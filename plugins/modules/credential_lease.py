#!/usr/bin/python
# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Leases that prevent two sessions from using the same ChatGPT login."""

from __future__ import annotations

DOCUMENTATION = r"""
module: credential_lease
short_description: Reserve a ChatGPT login for one OpenAI codex session
version_added: 1.0.0
description:
  - Acquires, renews or releases the lease of a ChatGPT login for one session. The C(auth.json) of a login can only be used by one
    session at a time.
  - The lease is a small file on the host that the task runs on. Delegate the task to the controller or to a host that all plays
    can reach, so that they share the same leases. If several tasks request a lease concurrently, in one or several plays, one acquires it.
  - The module fails if another session holds the lease. The error names the session, the start and the expiration of the lease.
options:
  state:
    description:
      - If V(present), the lease is acquired. If the session already holds it, it is renewed when less than half of O(ttl) remains. An
        expired lease is taken over, with a warning that names the previous holder.
      - If V(absent), the lease is released. A lease that another session holds is not changed.
    type: str
    choices: [present, absent]
    default: present
  name:
    description:
      - Name of the login, and of the lease file. Use P(optio.codex.credential_account#filter) to derive it from an C(auth.json). The name
        does not change when codex refreshes the tokens.
      - If you have several separate logins of one account, specify a different name for each.
    type: str
    required: true
  host:
    description:
      - The worker of the session, as C(inventory_hostname). Inventories that share leases must use different names for different
        workers.
    type: str
    required: true
  session:
    description:
      - The name of the session.
    type: str
    required: true
  session_user:
    description:
      - The Unix user of the session. Specify it if it is not the connection's user.
      - An empty string is treated as if the option is omitted.
    type: str
  lease_dir:
    description:
      - The directory of the leases. Must be an absolute path, or begin with C(~/) for the home directory of the user that the module
        runs as.
      - It is created with mode C(0700). The file system must support locks.
    type: str
    default: ~/.local/share/optio-codex/leases
  ttl:
    description:
      - Duration of the lease in seconds, by the clock of the host that stores it. Should be longer than the time between two runs that
        renew the lease. If a session outlives its lease, another session can take its login.
    type: int
    default: 604800
  force:
    description:
      - If V(true), a lease that another session holds is taken over or released.
    type: bool
    default: false
  require_lasting:
    description:
      - If V(true), fails if the host is the controller, the controller is a job of ansible-runner or AWX, and O(lease_dir) goes away with
        the job. Other jobs would not see the lease.
    type: bool
    default: false
notes:
  - Leases prevent plays from assigning one login to two sessions. The sessions themselves are not checked.
extends_documentation_fragment:
  - optio.codex.attributes
  - optio.codex.attributes.probe
seealso:
  - module: optio.codex.credential
  - plugin: optio.codex.credential_account
    plugin_type: filter
author:
  - The optio.codex contributors (@optio-codex)
"""

EXAMPLES = r"""
- name: Acquire the lease of a login, and store it in the directory of the login on the controller
  optio.codex.credential_lease:
    name: "{{ lookup('ansible.builtin.file', '/srv/seeds/one.json') | optio.codex.credential_account }}"
    lease_dir: /srv/seeds
    host: "{{ inventory_hostname }}"
    session: fix-1412
  delegate_to: localhost
  become: false

- name: Acquire a lease for one day, and store it on a host that several controllers can reach
  optio.codex.credential_lease:
    name: "{{ codex_auth_json | optio.codex.credential_account }}"
    host: "{{ inventory_hostname }}"
    session: fix-1412
    ttl: 86400
  delegate_to: bastion

- name: Release the lease
  optio.codex.credential_lease:
    name: "{{ lookup('ansible.builtin.file', '/srv/seeds/one.json') | optio.codex.credential_account }}"
    lease_dir: /srv/seeds
    host: "{{ inventory_hostname }}"
    session: fix-1412
    state: absent
  delegate_to: localhost
  become: false
"""

RETURN = r"""
name:
  description: The name of the login.
  returned: success
  type: str
  sample: 6c1f0e9f1c9a7b52
path:
  description: Path of the lease file.
  returned: success
  type: str
  sample: /srv/seeds/6c1f0e9f1c9a7b52.lease
holder:
  description: The holder of the lease after the run. V(null) if the lease is not held. Also returned on failure if another session
    holds the lease.
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
      description: The session's Unix user. Empty for the connection's user.
      type: str
  sample:
    host: worker1
    session: fix-1412
    user: ""
acquired_at:
  description: Time at which the holder acquired the lease, in seconds since the epoch. V(null) if the lease is not held.
  returned: success
  type: int
  sample: 1795343649
expires_at:
  description: Time at which the lease expires, in seconds since the epoch. V(null) if the lease is not held.
  returned: always
  type: int
  sample: 1795948449
previous_holder:
  description: The previous holder if the lease was taken over, in the format of RV(holder). V(null) otherwise.
  returned: success
  type: dict
  sample: null
actions:
  description: The actions that were taken, or would be taken in check mode. Empty if nothing changed.
  returned: success
  type: list
  elements: dict
  contains:
    kind:
      description: V(take), V(renew) or V(release).
      type: str
    target:
      description: Path of the lease file.
      type: str
  sample:
    - kind: take
      target: /srv/seeds/6c1f0e9f1c9a7b52.lease
"""

from ansible_collections.optio.codex.plugins.module_utils._core.ansible_module import UnloggedModule
from ansible_collections.optio.codex.plugins.module_utils._core.runner import run_module
from ansible_collections.optio.codex.plugins.module_utils._credential.lease import RESOURCE


def main() -> None:
    """Run the module."""
    module = UnloggedModule(supports_check_mode=True, **RESOURCE.specification.to_kwargs())
    run_module(module, RESOURCE)


if __name__ == "__main__":
    main()
