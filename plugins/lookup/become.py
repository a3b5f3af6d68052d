# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether a play becomes root: its variable, else the command line."""

from __future__ import annotations

DOCUMENTATION = r"""
name: become
short_description: Return whether a play uses privilege escalation
version_added: 1.0.0
description:
  - Returns the given value, or the value of C(ansible-playbook --become) if the given value is empty. Without the option, this is
    the configured default, C(DEFAULT_BECOME).
  - The keyword C(become) of a play overrides the command line. With this lookup a play has a variable for it, and the
    command line, or the check box of an AWX job template, still works.
  - The playbooks of this collection use this lookup with C(codex_become).
options:
  _terms:
    description: The value of the play's variable. An empty string means that it is not set.
    type: list
    elements: raw
    required: true
author:
  - The optio.codex contributors (@optio-codex)
"""

EXAMPLES = r"""
- name: Provision as root if the command line or a variable requests it
  hosts: codex_workers
  become: "{{ lookup('optio.codex.become', site_become | default('')) }}"
  tasks:
    - name: Set up the worker
      ansible.builtin.import_role:
        name: optio.codex.codex_worker
"""

RETURN = r"""
_raw:
  description: Whether to use privilege escalation.
  type: list
  elements: bool
"""

from typing import Any

from ansible import context
from ansible.errors import AnsibleLookupError
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.lookup import LookupBase


class LookupModule(LookupBase):
    """The lookup of this file's name."""

    def run(self, terms: list[Any], variables: dict[str, Any] | None = None, **kwargs: Any) -> list[bool]:
        """Return one boolean for each term."""
        return [_becomes(term) for term in terms]


def _becomes(given: Any) -> bool:
    if given is None or not str(given).strip():
        return bool(context.CLIARGS.get("become", False))
    try:
        return bool(boolean(given))
    except TypeError:
        raise AnsibleLookupError(f"codex_become must be true or false, got {given!r}.") from None
