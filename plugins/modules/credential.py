#!/usr/bin/python
# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The credential of codex sessions."""

from __future__ import annotations

DOCUMENTATION = r"""
module: credential
short_description: Set or remove the credential of OpenAI codex sessions
version_added: 1.0.0
description:
  - Sets or removes the credential in the session's own C(CODEX_HOME), in an C(auth.json) as codex itself would write it.
  - The file has mode C(0600) and is owned by the session's user. It is replaced atomically by renaming, and never written through
    a symbolic link.
  - The module can be used before the session is launched. It creates the required directories. To clone a repository into the workdir,
    run M(optio.codex.workspace) first, because M(optio.codex.session) only clones into an empty directory.
  - Secrets never appear on a command line of the worker, in a log, in a diff or in a result.
options:
  state:
    description:
      - If V(present), the credential is set to the one specified by O(api_key), O(access_token) or O(auth_json). Specify exactly one
        of these options.
      - If V(absent), C(auth.json) is removed. The files of codex are not changed otherwise.
      - A ChatGPT login is removed or replaced by another credential only if it exists elsewhere. See O(discard_login).
    type: str
    choices: [present, absent]
    default: present
  api_key:
    description:
      - An API key. Leading and trailing whitespace is removed.
    type: str
  access_token:
    description:
      - An access token of a ChatGPT workspace, as accepted by C(codex login --with-access-token), with the rights of a person or of
        an agent.
      - codex 0.142.5 and 0.169.0 store it in C(auth.json) too. This module does not verify it. codex does so when it logs in or works.
      - Leading and trailing whitespace is removed.
    type: str
  auth_json:
    description:
      - The content of an C(auth.json), as text or as a dictionary. It may contain any of the three kinds of credentials.
      - The tokens of a ChatGPT login must only be used by one session. Its refresh token can be used once. codex then stores a new one,
        and every other copy becomes invalid. Use M(optio.codex.credential_lease) to prevent two sessions from using the same login,
        and M(optio.codex.credential_fetch) to save the tokens that codex has refreshed.
    type: json
  force:
    description:
      - If V(true), O(auth_json) also replaces newer tokens of the same account. C(last_refresh) determines which tokens are newer.
      - If V(false), newer tokens are not changed, and RV(rotated) is V(true).
      - V(true) implies O(discard_login=true) with O(state=present).
    type: bool
    default: false
  discard_login:
    description:
      - Determines whether to remove or replace a ChatGPT login that exists on the worker alone. If V(false), the module fails before it
        changes anything, in check mode too.
      - A login has a copy if this module has written it, or found it unchanged, and codex has not renewed it since. A login that
        M(optio.codex.credential_fetch) has saved to a place that outlasts the run has a copy too.
      - A digest of the refresh token of such a login is stored in the file C(login) in the session directory, with mode C(0600).
    type: bool
    default: false
notes:
  - A running codex continues to use the credential that it has loaded, and the module warns about it. Restart the session to
    load the new credential.
  - codex reads C(auth.json) for the provider V(openai), and for custom providers with C(requires_openai_auth) in their settings.
    For a provider with C(env_key), set the key in O(optio.codex.session#module:environment).
  - codex's own processes and all commands that the agent runs as the session's user can read the file. See the guide on security.
requirements:
  - sha256sum and stat on the worker (part of GNU coreutils and BusyBox).
extends_documentation_fragment:
  - optio.codex.attributes
  - optio.codex.attributes.actiongroup_session
  - optio.codex.attributes.probe
  - optio.codex.location
  - optio.codex.location.many
  - optio.codex.location.workdir
seealso:
  - module: optio.codex.credential_lease
  - module: optio.codex.credential_fetch
  - module: optio.codex.session
author:
  - The optio.codex contributors (@optio-codex)
"""

EXAMPLES = r"""
- name: Set an API key from a variable that is encrypted with ansible-vault
  optio.codex.credential:
    name: fix-1412
    api_key: "{{ vault_openai_api_key }}"

- name: Set an API key from the environment of the controller, as injected by an AWX credential
  optio.codex.credential:
    name: fix-1412
    api_key: "{{ lookup('ansible.builtin.env', 'OPENAI_API_KEY') }}"

- name: Set an access token from a file for a session of another user
  optio.codex.credential:
    name: nightly
    user: codex
    access_token: "{{ lookup('ansible.builtin.file', '/etc/codex/access-token') }}"
  become: true

- name: Set a separate ChatGPT login for each worker, from a file that may be encrypted with ansible-vault
  optio.codex.credential:
    name: fix-1412
    auth_json: "{{ lookup('ansible.builtin.file', 'seeds/' ~ inventory_hostname ~ '.json') }}"

- name: Replace a login by another login of the same account, even if the old one has newer tokens
  optio.codex.credential:
    name: fix-1412
    auth_json: "{{ lookup('ansible.builtin.file', 'seeds/new.json') }}"
    force: true

- name: Set different credentials for several sessions in one call
  optio.codex.credential:
    sessions:
      - name: fix-1412
        api_key: "{{ vault_openai_api_key }}"
      - name: nightly
        user: codex
        auth_json: "{{ lookup('ansible.builtin.file', 'seeds/nightly.json') }}"
      - name: old
        state: absent
  become: true

- name: Remove the credential
  optio.codex.credential:
    name: fix-1412
    state: absent
"""

RETURN = r"""
sessions:
  description:
    - The result for each of O(sessions), in the same order, with the values below. For a failed session, it contains
      RV(ignore:failed) and RV(ignore:msg) instead.
  returned: when O(sessions) is set
  type: list
  elements: dict
name:
  description: The name of the session.
  returned: success
  type: str
  sample: fix-1412
codex_home:
  description: The C(CODEX_HOME) of the session.
  returned: success
  type: str
  sample: /home/alice/.local/share/optio-codex/fix-1412/home/.codex
path:
  description: Path of C(auth.json).
  returned: success
  type: str
  sample: /home/alice/.local/share/optio-codex/fix-1412/home/.codex/auth.json
kind:
  description: The kind of the credential, V(api_key), V(access_token) or V(chatgpt). V(null) when O(state=absent).
  returned: success
  type: str
  sample: chatgpt
account:
  description: Identifier of the account of a ChatGPT login, a digest of the account's ID. V(null) for the other kinds.
  returned: success
  type: str
  sample: 6c1f0e9f1c9a7b52
rotated:
  description: Whether the file contains newer tokens of the same account and was therefore not changed.
  returned: success
  type: bool
  sample: false
actions:
  description: The actions that were taken, or would be taken in check mode, in order. Empty if nothing changed.
  returned: success
  type: list
  elements: dict
  contains:
    kind:
      description: V(create) for a directory, V(write) for the file, V(protect) for its mode, V(remove) for removing it.
      type: str
    target:
      description: The path that was changed.
      type: str
  sample:
    - kind: write
      target: /home/alice/.local/share/optio-codex/fix-1412/home/.codex/auth.json
"""

from ansible_collections.optio.codex.plugins.module_utils._core.ansible_module import UnloggedModule
from ansible_collections.optio.codex.plugins.module_utils._core.batch_runner import run_batch_module
from ansible_collections.optio.codex.plugins.module_utils._credential.module import RESOURCE


def main() -> None:
    """Run the module."""
    module = UnloggedModule(resource=RESOURCE, supports_check_mode=True, **RESOURCE.specification.to_kwargs())
    run_batch_module(module, RESOURCE)


if __name__ == "__main__":
    main()
