#!/usr/bin/python
# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documentation of the action plugin, which runs on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: credential_store
short_description: Read and save the ChatGPT login of an OpenAI codex session on a host
version_added: 1.0.0
description:
  - Reads the C(auth.json) of a login from a file of the host, and replaces it by a newer login of the same account.
  - Delegate the task to the host that stores the logins. Use it for jobs whose controller goes away, such as jobs of AWX.
  - Nothing is saved if the tokens in O(path) are as new or newer according to C(last_refresh), or if O(auth_json) is an API key or an
    access token.
  - The file gets mode C(0600), and a missing directory mode C(0700). It is written to a temporary file in the same directory, synced and
    renamed, so a killed run leaves either the old login or the new one. Concurrent runs do not overwrite a newer login.
options:
  path:
    description:
      - Path of the file on the host. Must be absolute, or begin with C(~/) for the home directory of the connection's user. Must not be a
        symbolic link.
      - The content may be encrypted with Ansible Vault. It is encrypted and decrypted on the controller.
    type: str
    required: true
  auth_json:
    description:
      - The login to save, as text or as a dictionary. If omitted, the file is only read.
    type: json
  require_lasting:
    description:
      - If V(true), fails before anything is saved if O(path) is in a temporary directory of the host, or in a directory of the controller
        that goes away with an AWX job. See O(optio.codex.credential_fetch#module:require_lasting).
    type: bool
    default: false
notes:
  - The result contains the login, so it is not shown in Ansible's output. It can be registered.
  - Use a host on which no session can read the file, for example a host without sessions.
extends_documentation_fragment:
  - optio.codex.attributes
  - optio.codex.login_file
attributes:
  action:
    support: full
    description: Runs as an action plugin. Reads and writes the host with small shell scripts. Python is not needed on the host.
  async:
    support: none
    description: Compares on the controller, so it does not support the C(async) keyword.
  platform:
    platforms: posix
    description: The host runs Linux with a POSIX shell and GNU or BusyBox tools.
    support: full
seealso:
  - module: optio.codex.credential_fetch
  - module: optio.codex.credential_lease
author:
  - The optio.codex contributors (@optio-codex)
"""

EXAMPLES = r"""
- name: Read the login of a session
  optio.codex.credential_fetch:
    name: fix-1412
    return_content: true
  register: fetched

- name: Save it on a host that outlasts the job
  optio.codex.credential_store:
    path: /srv/codex-logins/fix-1412.json
    auth_json: "{{ fetched.auth_json }}"
    require_lasting: true
  delegate_to: bastion
  when: fetched.kind == 'chatgpt'
  register: stored

- name: Record on the worker that the login has a copy
  optio.codex.credential_fetch:
    name: fix-1412
    saved_auth_json: "{{ stored.auth_json }}"
  when: stored is not skipped
"""

RETURN = r"""
path:
  description: Absolute path of the file on the host.
  returned: success
  type: str
  sample: /srv/codex-logins/fix-1412.json
auth_json:
  description: The content of the file after the run, empty if it does not exist. In check mode, the predicted content.
  returned: success
  type: str
present:
  description: Whether the file exists after the run.
  returned: success
  type: bool
  sample: true
kind:
  description: The kind of the credential in the file, V(api_key), V(access_token) or V(chatgpt), or V(null).
  returned: success
  type: str
  sample: chatgpt
account:
  description: Identifier of the account, as returned by M(optio.codex.credential), or V(null).
  returned: success
  type: str
  sample: 6c1f0e9f1c9a7b52
last_refresh:
  description: Time at which codex received the tokens (RFC 3339), or V(null).
  returned: success
  type: str
  sample: '2026-11-24T21:08:31.123456789Z'
outlasts_run:
  description: Whether O(path) is in a place that outlasts the run.
  returned: success
  type: bool
  sample: true
actions:
  description: The actions that were taken, or would be taken in check mode. Empty if nothing changed.
  returned: success
  type: list
  elements: dict
  contains:
    kind:
      description: V(write).
      type: str
    target:
      description: The file on the host.
      type: str
  sample:
    - kind: write
      target: /srv/codex-logins/fix-1412.json
"""
