#!/usr/bin/python
# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Validate the variables of a role of this collection; its action plugin does the work."""

from __future__ import annotations

DOCUMENTATION = r"""
module: role_options
short_description: Validate the variables of a role of this collection
version_added: 1.0.0
description:
  - Validates the variables of a role by its argument spec, and returns the variables that have a value.
  - The roles of this collection use it in place of Ansible's own validation, which rejects an empty string for every option that is
    not a string. AWX sends an empty string for an unanswered question.
  - An empty string is the same as an unset variable. A list may be text with commas or line breaks, or JSON. A dictionary may be JSON or
    YAML text. Numbers and booleans may be strings.
  - It fails if a variable of the play begins with the prefix of a role, such as C(codex_session_), and no role has it. It also fails for
    a variable whose name is almost the name of one of the roles, such as C(codex_sesion_name). The list C(codex_extra_variables)
    exempts a site's own variables.
  - All errors are reported at once, each with the name of the variable. Values of secret variables are not shown.
  - The result is not shown in Ansible's output, because it can contain secrets.
options:
  role:
    description:
      - The name of the role without the collection.
    type: str
    choices: [codex_dispatch, codex_gateway, codex_mirror, codex_session, codex_worker]
    required: true
  entry_point:
    description:
      - The entry point of the role.
    type: str
    default: main
  verb:
    description:
      - How the tasks of the role codex_session select sessions.
    type: dict
    default: {}
    suboptions:
      state:
        description:
          - The state that the tasks set. With V(stopped) and V(absent), variables that only a launch uses are not evaluated.
        type: str
        default: started
      requires_names:
        description: Whether O(verb.state=started) for all sessions, without their names, is an error.
        type: bool
        default: true
      finds_all:
        description: Whether the sessions of the worker are found if no session is named.
        type: bool
        default: true
      only_existing:
        description: Whether sessions that are on other workers are skipped.
        type: bool
        default: false
      keep_options:
        description: Whether sessions are launched with the options of their last launch.
        type: bool
        default: false
extends_documentation_fragment:
  - optio.codex.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
    details: Nothing changes.
  platform:
    platforms: all
    details: It runs on the controller only.
author:
  - The optio.codex contributors (@optio-codex)
"""

EXAMPLES = r"""
- name: Validate the variables of the role codex_worker
  optio.codex.role_options:
    role: codex_worker
  register: validated

- name: Show the version of codex that was specified
  ansible.builtin.debug:
    msg: "{{ validated.options.codex_version | default('none') }}"
"""

RETURN = r"""
options:
  description: The variables that have a value, without the prefix of the role, with the types of the argument spec.
  returned: success
  type: dict
sessions:
  description: The sessions in C(codex_session_sessions), or those to dispatch, each with its name and the options that it sets itself.
  returned: success, for the roles codex_dispatch and codex_session
  type: list
  elements: dict
requests:
  description: What each session needs of its worker, as O(optio.codex.session_dispatch#module:sessions).
  returned: success, for the role codex_dispatch
  type: list
  elements: dict
selection:
  description: The sessions that the variables name, and how the tasks of the role find the others.
  returned: success, for the role codex_session
  type: dict
logins:
  description:
    - The hosts and directories of logins and leases, the sessions that have a credential, and by name the settings of each session that
      only the role uses. The settings of other sessions have an empty name.
  returned: success, for the role codex_session
  type: dict
collected:
  description: The host and the directory for the output of sessions.
  returned: success, for the role codex_session
  type: dict
wait:
  description: The states to wait for, and a title for the sessions that are not in one of them.
  returned: success, for the role codex_session
  type: dict
codex_release:
  description: The variables that are options of M(optio.codex.codex_release), and C(checksums).
  returned: success, for the role codex_worker
  type: dict
codex_compared:
  description: RV(codex_release) without the options for downloads, for O(optio.codex.worker_info#module:codex_release).
  returned: success, for the role codex_worker
  type: dict
ttyd_release:
  description: The variables that are options of M(optio.codex.ttyd_release), and C(checksums).
  returned: success, for the role codex_worker
  type: dict
ttyd_compared:
  description: RV(ttyd_release) without the options for downloads.
  returned: success, for the role codex_worker
  type: dict
site:
  description:
    - The ports, addresses, names and certificate of the site of nginx, for the gateway its users, and for the mirror its artifacts.
  returned: success, for the roles codex_gateway and codex_mirror
  type: dict
policy:
  description: The files in C(/etc/codex), as C(texts) by name, and as C(expected) the values of RV(optio.codex.worker_info#module:policy).
  returned: success, for the role codex_worker
  type: dict
common:
  description: The variables that are options of M(optio.codex.session), in the form of that module.
  returned: success, for the role codex_session
  type: dict
"""
