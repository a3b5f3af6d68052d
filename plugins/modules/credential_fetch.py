#!/usr/bin/python
# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documentation of the action plugin, which runs on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: credential_fetch
short_description: Save the ChatGPT login of an OpenAI codex session to the controller
version_added: 1.0.0
description:
  - Saves a session's C(auth.json) to a file on the controller if codex has refreshed the tokens. codex refreshes them every few days, and
    when a token has expired. The original login file is invalid from then on.
  - The session may be running or ended in any way, as long as its files exist.
  - Nothing is saved if the session does not have an C(auth.json), or if the tokens in O(dest) are as new or newer according to
    C(last_refresh). API keys and access tokens are never saved, because codex does not change them.
  - The file gets mode C(0600). It is written to a temporary file in the same directory, synced to disk and renamed, so a killed run leaves
    either the old login or the new one.
options:
  dest:
    description:
      - Path of the file on the controller. C(~) is the home directory of the user who runs Ansible. Relative paths are relative to the
        directory in which Ansible was started. A missing directory is created with mode C(0700).
      - If the file exists, it must contain a credential of the same account.
      - If omitted, nothing is saved on the controller.
    type: str
  require_lasting:
    description:
      - If V(true), fails before anything is saved if O(dest) does not outlast the run and the session's login exists on the worker alone.
      - The private data directory of a job of ansible-runner or AWX, the container of such a job, and temporary directories (C(/tmp),
        C(/var/tmp), C(/dev/shm), C(/run), E(TMPDIR)) do not outlast the run.
      - If V(false), the login is saved there with a warning, and still counts as not saved.
    type: bool
    default: false
  return_content:
    description:
      - If V(true), RV(auth_json) is returned. The result of the task is not shown in Ansible's output.
    type: bool
    default: false
  saved_auth_json:
    description:
      - The content of a file that outlasts the run, as returned by M(optio.codex.credential_store). If it is the session's login, the
        worker records that the login has a copy, so that it can be removed.
      - Mutually exclusive with O(dest).
    type: json
notes:
  - If the saved login outlasts the run, a digest of its refresh token is written to the file C(login) in the session directory, so that
    the login can be removed from the worker. If that file cannot be written, the module warns.
  - The module fails without changing the file if the session's C(auth.json) is damaged or a symbolic link.
  - The tokens are transferred over Ansible's connection. They never appear in a result, a diff or the output of C(-vvv). Ansible's debug
    mode (E(ANSIBLE_DEBUG)) shows all data that is transferred over a connection.
extends_documentation_fragment:
  - optio.codex.attributes
  - optio.codex.login_file
  - optio.codex.attributes.actiongroup_session
  - optio.codex.location
  - optio.codex.location.one
  - optio.codex.location.workdir
attributes:
  action:
    support: full
    description: Runs as an action plugin. Reads the worker with one small shell script. Python is not needed on the worker.
  async:
    support: none
    description: Writes on the controller, so it does not support the C(async) keyword.
  platform:
    platforms: posix
    description: The worker runs Linux with a POSIX shell and GNU or BusyBox tools.
    support: full
seealso:
  - module: optio.codex.credential
  - module: optio.codex.credential_store
author:
  - The optio.codex contributors (@optio-codex)
"""

EXAMPLES = r"""
- name: Save the refreshed login to its original file
  optio.codex.credential_fetch:
    name: fix-1412
    dest: "/srv/seeds/{{ inventory_hostname }}.json"

- name: Save the login encrypted with the password of the vault ID prod
  optio.codex.credential_fetch:
    name: fix-1412
    dest: "/srv/seeds/{{ inventory_hostname }}.json"
    vault: true
    vault_id: prod
"""

RETURN = r"""
dest:
  description: Absolute path of the file on the controller. V(null) without O(dest).
  returned: success
  type: str
  sample: /srv/seeds/worker1.json
present:
  description: Whether the session has a credential.
  returned: success
  type: bool
  sample: true
kind:
  description: The kind of the session's credential, V(api_key), V(access_token) or V(chatgpt). If the session does not have a credential,
    the kind of the saved one. V(null) if neither exists.
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
  description: Whether O(dest) is in a place that outlasts the run. V(null) without O(dest).
  returned: success
  type: bool
  sample: true
only_copy:
  description: Whether the session has a ChatGPT login of which the worker has not recorded a copy elsewhere. From before the run.
  returned: success
  type: bool
  sample: false
auth_json:
  description: The content of the session's C(auth.json), empty if it does not exist.
  returned: with O(return_content)
  type: str
actions:
  description: The actions that were taken, or would be taken in check mode. Empty if nothing changed.
  returned: success
  type: list
  elements: dict
  contains:
    kind:
      description: V(write), or V(record) for the digest on the worker.
      type: str
    target:
      description: The file on the controller, or on the worker for V(record).
      type: str
  sample:
    - kind: write
      target: /srv/seeds/worker1.json
"""
