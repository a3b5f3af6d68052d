#!/usr/bin/python
# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""End a role on a worker; its action plugin does the work."""

from __future__ import annotations

DOCUMENTATION = r"""
module: role_end
short_description: End a role of this collection on a worker that was not reached, or with an error
version_added: 1.0.0
description:
  - Ansible ends a play if none of its workers is reached, so a task that shows them must run before they are ended.
  - In the roles of this collection that show a table, a task with C(ignore_unreachable) returns a worker that was not reached as a
    result, without an error on the screen. After the table, this module ends that worker as unreachable.
options:
  asked:
    description:
      - The results of the tasks that had to reach the worker.
    type: list
    elements: raw
  msg:
    description:
      - The error to fail with if the worker was reached. If omitted or empty, the module does not fail.
    type: str
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
    details: It runs on the controller only, and does not connect to the host.
seealso:
  - module: optio.codex.report
author:
  - The optio.codex contributors (@optio-codex)
"""

EXAMPLES = r"""
- name: Read the status of the sessions
  optio.codex.session_info:
  ignore_unreachable: true
  register: here

- name: End the worker if it was not reached
  optio.codex.role_end:
    asked: ["{{ here }}"]
"""

RETURN = r"""
msg:
  description: The error, or why the worker was not reached.
  returned: failure
  type: str
  sample: "ssh: connect to host 192.0.2.7 port 22: Connection refused"
"""
