#!/usr/bin/python
# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The credential of one codex session."""

from __future__ import annotations

DOCUMENTATION = r"""
module: credential
short_description: Give an OpenAI codex session its credential, or take it away
version_added: 0.1.0
description:
  - Ensures that a session's own C(CODEX_HOME) holds one credential, in the C(auth.json) that codex itself would write for it, or
    that it holds none.
  - The file has mode C(0600) and belongs to the session's user. It is replaced by one rename, never written through a symbolic link,
    and never left half written.
  - It works before the session is launched, and makes the directories that it needs. To clone a repository into the workdir, run
    M(optio.codex.workspace) first, because M(optio.codex.session) clones only into an empty one.
  - Of the secrets nothing is on a command line of the worker, in a log, in a difference or in a result.
options:
  state:
    description:
      - V(present) ensures the credential that one of O(api_key), O(access_token) and O(auth_json) gives.
      - V(absent) removes C(auth.json), whatever it holds. Everything else stays.
    type: str
    choices: [present, absent]
    default: present
  api_key:
    description:
      - An API key. White space around it is dropped.
    type: str
  access_token:
    description:
      - An access token of a ChatGPT workspace, as C(codex login --with-access-token) takes it, with the rights of a person or of
        an agent.
      - codex 0.142.5 and 0.169.0 keep it in C(auth.json) too. codex verifies it when it logs in or works, this module does not.
      - White space around it is dropped.
    type: str
  auth_json:
    description:
      - The content of an C(auth.json), as text or as the dictionary that Ansible makes of it. It may hold any of the three kinds.
      - The tokens of a ChatGPT login are good for one session. The refresh token in it is used once, then codex keeps
        another one, and every other copy is worthless. See M(optio.codex.credential_lease), which keeps two sessions from one login,
        and M(optio.codex.credential_fetch), which saves what codex has made of it.
    type: json
  force:
    description:
      - Write O(auth_json) also where codex has newer tokens of the same account, by C(last_refresh).
      - By default these stay, and RV(rotated) is V(true).
    type: bool
    default: false
notes:
  - A codex that runs keeps the credential that it has read. The module warns of it. Restart the session to have another one read.
  - codex reads C(auth.json) for the provider V(openai), and for one of your own with C(requires_openai_auth) in its settings.
    A provider with C(env_key) gets its key from O(optio.codex.session#module:environment).
  - codex's own processes and whatever the agent runs as the session's user can read the file. See the guide on security.
requirements:
  - sha256sum and stat on the worker, which are in GNU coreutils and BusyBox.
extends_documentation_fragment:
  - optio.codex.attributes
  - optio.codex.attributes.actiongroup_codex
  - optio.codex.attributes.probe
  - optio.codex.task
  - optio.codex.task.place
  - optio.codex.task.workdir
seealso:
  - module: optio.codex.credential_lease
  - module: optio.codex.credential_fetch
  - module: optio.codex.session
author:
  - The optio.codex contributors (@optio-codex)
"""

EXAMPLES = r"""
- name: An API key from a variable that ansible-vault has encrypted
  optio.codex.credential:
    name: fix-1412
    api_key: "{{ vault_openai_api_key }}"

- name: An API key from the environment of the controller, as an AWX credential injects it
  optio.codex.credential:
    name: fix-1412
    api_key: "{{ lookup('ansible.builtin.env', 'OPENAI_API_KEY') }}"

- name: An access token from a file, for a session of another user
  optio.codex.credential:
    name: nightly
    user: codex
    access_token: "{{ lookup('ansible.builtin.file', '/etc/codex/access-token') }}"
  become: true

- name: A ChatGPT login of its own for each worker; the file may be encrypted with ansible-vault
  optio.codex.credential:
    name: fix-1412
    auth_json: "{{ lookup('ansible.builtin.file', 'seeds/' ~ inventory_hostname ~ '.json') }}"

- name: Go on with another login of the same account, whatever codex has made of the first
  optio.codex.credential:
    name: fix-1412
    auth_json: "{{ lookup('ansible.builtin.file', 'seeds/new.json') }}"
    force: true

- name: No credential any more
  optio.codex.credential:
    name: fix-1412
    state: absent
"""

RETURN = r"""
name:
  description: The name of the task.
  returned: success
  type: str
  sample: fix-1412
codex_home:
  description: The C(CODEX_HOME) of the session.
  returned: success
  type: str
  sample: /home/alice/.local/share/optio-codex/fix-1412/workdir/home/.codex
path:
  description: The file.
  returned: success
  type: str
  sample: /home/alice/.local/share/optio-codex/fix-1412/workdir/home/.codex/auth.json
kind:
  description: The kind of the credential, V(api_key), V(access_token) or V(chatgpt). V(null) when O(state=absent).
  returned: success
  type: str
  sample: chatgpt
account:
  description: What stands for the account of a ChatGPT login, a digest of its id. V(null) for the other kinds.
  returned: success
  type: str
  sample: 6c1f0e9f1c9a7b52
rotated:
  description: Whether codex has newer tokens of the same account, which stay.
  returned: success
  type: bool
  sample: false
actions:
  description: What was done, or in check mode would be, in order. Empty when nothing was to do.
  returned: success
  type: list
  elements: dict
  contains:
    kind:
      description: V(create) a directory, V(write) the file, V(protect) it by its mode, or V(remove) it.
      type: str
    target:
      description: The path that it changes.
      type: str
  sample:
    - kind: write
      target: /home/alice/.local/share/optio-codex/fix-1412/workdir/home/.codex/auth.json
"""

from ansible_collections.optio.codex.plugins.module_utils._credential.module import SUBJECT
from ansible_collections.optio.codex.plugins.module_utils._core.runner import run_module
from ansible_collections.optio.codex.plugins.module_utils._core.ansible_module import UnloggedModule


def main() -> None:
    """Run the module."""
    module = UnloggedModule(supports_check_mode=True, **SUBJECT.specification.rules())
    run_module(module, SUBJECT)


if __name__ == "__main__":
    main()
