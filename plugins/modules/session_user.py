#!/usr/bin/python
# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The Unix users of codex sessions."""

from __future__ import annotations

DOCUMENTATION = r"""
module: session_user
short_description: Prepare and clear the Unix users of OpenAI codex sessions
version_added: 1.0.0
description:
  - Reserves user IDs for users that are created for sessions, and clears such users before they are removed. The role
    P(optio.codex.codex_session#role) uses it for C(codex_session_user_isolation), together with M(ansible.builtin.user), which creates
    and removes the users.
  - A user ID is used only once on a worker, so a new user never owns the files of an earlier one.
  - Requires root.
options:
  names:
    description:
      - Names of the users.
    type: list
    elements: str
    required: true
  state:
    description:
      - V(reserved) returns a user ID for each user that does not exist yet, and records it as used in C(/var/lib/optio-codex/.next_uid).
        The IDs increase, are in the range C(UID_MIN) to C(UID_MAX) of C(/etc/login.defs), and are not used by any user, group, process or
        file in a temporary directory. Files of cron, mail and logind that belong to one of the names are removed.
      - V(cleared) locks the users, removes their crontabs, jobs of at and lingering, ends all of their processes, and removes their files,
        mail, shared memory, semaphores and message queues outside of their homes. The users themselves and their homes remain.
      - V(cleared) fails for a user that was not created for a session, which its comment in the passwd database shows. A user that does not
        exist changes nothing.
    type: str
    choices: [reserved, cleared]
    required: true
  sessions_dir:
    description:
      - The directory of the users' sessions, as in M(optio.codex.session). It is only used to find ChatGPT logins.
      - An empty string is treated as if the option is omitted.
    type: str
  discard_login:
    description:
      - With O(state=cleared), determines whether the home of a user may contain a ChatGPT login that exists nowhere else, as in
        O(optio.codex.session#module:discard_login). If V(false), the module fails before it changes anything.
    type: bool
    default: false
notes:
  - Processes get SIGTERM, and after two seconds SIGKILL until none is left, even if they start new ones. The module fails and names the
    processes that survive for 15 seconds.
  - Files are searched for in C(/tmp), C(/var/tmp), C(/dev/shm), C(/dev/mqueue), C(/run/lock), C(/run/user), C(/var/crash), C(/var/mail),
    C(/var/spool/mail), C(/var/spool/cron) and C(/var/spool/at), without following links and without entering other file systems. Files that
    could not be removed are returned in RV(left), and a warning names them.
  - The files of subordinate user IDs (C(/etc/subuid)) are removed too.
requirements:
  - usermod (part of shadow) for V(cleared).
extends_documentation_fragment:
  - optio.codex.attributes
attributes:
  check_mode:
    support: full
    description: Returns the user IDs, processes and files that would be affected, without changing anything.
  diff_mode:
    support: full
    description: Shows what would be reserved, ended and removed.
  idempotent:
    support: partial
    description: V(reserved) reserves another ID in each run until the user is created, so that two runs never get the same ID.
  platform:
    platforms: posix
    description: The worker runs Linux with Python 3.9 or newer.
    support: full
seealso:
  - module: optio.codex.session
  - module: ansible.builtin.user
author:
  - The optio.codex contributors (@optio-codex)
"""

EXAMPLES = r"""
- name: Reserve a user ID
  optio.codex.session_user:
    names: [codex-fix-1412]
    state: reserved
  become: true
  register: reserved

- name: Create the user
  ansible.builtin.user:
    name: codex-fix-1412
    uid: "{{ reserved.uids['codex-fix-1412'] }}"
    comment: optio.codex session
    shell: /usr/sbin/nologin
  become: true

- name: Clear the user after its last session was removed
  optio.codex.session_user:
    names: [codex-fix-1412]
    state: cleared
  become: true

- name: Remove the user
  ansible.builtin.user:
    name: codex-fix-1412
    state: absent
    remove: true
  become: true
"""

RETURN = r"""
uids:
  description: The user ID of each user. With O(state=cleared), only of users that exist.
  returned: success
  type: dict
  sample:
    codex-fix-1412: 1007
left:
  description: Files of the users that could not be removed, with the reason.
  returned: success
  type: list
  elements: dict
  contains:
    path:
      description: The file or directory.
      type: str
    reason:
      description: Why it is left.
      type: str
  sample: []
actions:
  description: The actions that were taken, or would be taken in check mode. Empty if nothing changed.
  returned: success
  type: list
  elements: dict
  contains:
    kind:
      description: V(reserve), V(remove_named), V(lock), V(end) or V(clear).
      type: str
    target:
      description: The user, the processes or the path.
      type: str
  sample:
    - kind: reserve
      target: user codex-fix-1412
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.optio.codex.plugins.module_utils._core.runner import run_module
from ansible_collections.optio.codex.plugins.module_utils._session.user_module import RESOURCE


def main() -> None:
    """Run the module."""
    run_module(AnsibleModule(supports_check_mode=True, **RESOURCE.specification.to_kwargs()), RESOURCE)


if __name__ == "__main__":
    main()
