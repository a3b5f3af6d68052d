#!/usr/bin/python
# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The documentation of an action plugin: the work is done on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: credential_fetch
short_description: Save the ChatGPT login of an OpenAI codex session to the controller
version_added: 0.1.0
description:
  - Saves a session's C(auth.json) to a file on the controller, when codex has changed its tokens since. codex does so every few days, and
    whenever a token has expired. The file that the session was given is worthless from then on.
  - The session may run, or have ended in any way, as long as its files are there.
  - Nothing is saved when the session has no C(auth.json), when the file has tokens that are as new or newer, by C(last_refresh), and
    of an API key or an access token, which codex never changes.
  - The file gets mode C(0600). It is written beside the old one, brought to the disk, and renamed, so that a run that is killed at any
    moment leaves the old login or the new one.
options:
  dest:
    description:
      - The file on the controller. C(~) is the home of the user who runs Ansible, and a relative path is one from the directory
        that Ansible was started in. A missing directory is created with mode C(0700).
      - It must hold a credential of the same account, or be missing.
    type: str
    required: true
  vault:
    description:
      - Whether the file is encrypted with Ansible's vault, by a password that Ansible was started with.
      - By default it stays as it is, and a new one is not encrypted.
    type: bool
  vault_id:
    description:
      - The vault id to encrypt with. By default that of the file, or else the first that Ansible was started with.
      - An empty string means the same as leaving the option out.
    type: str
  force:
    description:
      - Save also older tokens, and those of another account than the file has.
    type: bool
    default: false
notes:
  - The module fails, and the file stays, when the session's C(auth.json) is damaged or a symbolic link.
  - The tokens go through Ansible's connection. They are in no result, no difference and no output of C(-vvv). Ansible's debug mode
    (E(ANSIBLE_DEBUG)) shows everything that goes through a connection.
extends_documentation_fragment:
  - optio.codex.attributes
  - optio.codex.attributes.actiongroup_codex
  - optio.codex.task
  - optio.codex.task.place
  - optio.codex.task.workdir
attributes:
  action:
    support: full
    description: All work is done by an action plugin. The worker is read by one small shell script, and needs no Python.
  async:
    support: none
    description: Writes on the controller, so it cannot be used with the C(async) keyword.
  platform:
    platforms: posix
    description: The worker runs Linux with a POSIX shell and GNU or BusyBox tools.
    support: full
seealso:
  - module: optio.codex.credential
author:
  - The optio.codex contributors (@optio-codex)
"""

EXAMPLES = r"""
- name: Save what codex has made of a login, where it came from
  optio.codex.credential_fetch:
    name: fix-1412
    dest: "/srv/seeds/{{ inventory_hostname }}.json"

- name: Keep it encrypted, with the password of the vault id prod
  optio.codex.credential_fetch:
    name: fix-1412
    dest: "/srv/seeds/{{ inventory_hostname }}.json"
    vault: true
    vault_id: prod
"""

RETURN = r"""
dest:
  description: The file on the controller, as an absolute path.
  returned: success
  type: str
  sample: /srv/seeds/worker1.json
present:
  description: Whether the session has a credential.
  returned: success
  type: bool
  sample: true
kind:
  description: The kind of the session's credential, V(api_key), V(access_token) or V(chatgpt), or of the saved one where it has none.
    V(null) when there is neither.
  returned: success
  type: str
  sample: chatgpt
account:
  description: What stands for the account, as M(optio.codex.credential) returns it, or V(null).
  returned: success
  type: str
  sample: 6c1f0e9f1c9a7b52
last_refresh:
  description: When codex got the tokens, or V(null).
  returned: success
  type: str
  sample: '2026-11-24T21:08:31.123456789Z'
actions:
  description: What was done, or in check mode would be. Empty when nothing was to do.
  returned: success
  type: list
  elements: dict
  contains:
    kind:
      description: V(write).
      type: str
    target:
      description: The file on the controller.
      type: str
  sample:
    - kind: write
      target: /srv/seeds/worker1.json
"""
