# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The host pattern of a play, if it matches a host."""

from __future__ import annotations

DOCUMENTATION = r"""
name: hosts
short_description: Return a host pattern that matches at least one host
version_added: 1.0.0
description:
  - Returns the given host pattern, and fails if it does not match any host of the inventory. Without this check, Ansible runs no task and
    reports success, so that a misspelled group looks like a finished teardown.
  - The option C(--limit) is not considered. Ansible itself fails if it leaves no host. With C(--syntax-check), C(--list-tasks) and
    C(--list-tags), the pattern is not checked.
  - The playbooks of this collection use this lookup with C(codex_hosts).
options:
  _terms:
    description: The host pattern, as in the keyword C(hosts) of a play.
    type: list
    elements: raw
    required: true
  variable:
    description: The variable that the error message names.
    type: str
    default: codex_hosts
author:
  - The optio.codex contributors (@optio-codex)
"""

EXAMPLES = r"""
- name: Provision the hosts of a variable
  hosts: "{{ lookup('optio.codex.hosts', site_hosts | default('codex_workers')) }}"
  tasks:
    - name: Set up the worker
      ansible.builtin.import_role:
        name: optio.codex.codex_worker
"""

RETURN = r"""
_raw:
  description: The host pattern.
  type: list
  elements: str
"""

from typing import Any

from ansible import context
from ansible.errors import AnsibleLookupError
from ansible.plugins.loader import lookup_loader
from ansible.plugins.lookup import LookupBase


class LookupModule(LookupBase):
    """The lookup of this file's name."""

    def run(self, terms: list[Any], variables: dict[str, Any] | None = None, **kwargs: Any) -> list[str]:
        """Return the patterns; raise AnsibleLookupError for a pattern without a host."""
        self.set_options(var_options=variables, direct=kwargs)
        matching = lookup_loader.get("ansible.builtin.inventory_hostnames", loader=self._loader, templar=self._templar)
        variable = self.get_option("variable")
        patterns = [",".join(map(str, term)) if isinstance(term, (list, tuple)) else str(term) for term in terms]
        # these need no inventory
        listing = any(context.CLIARGS.get(option) for option in ("syntax", "listtasks", "listtags"))
        for pattern in () if listing else patterns:
            if not matching.run([pattern], variables or {}):
                groups = sorted(set((variables or {}).get("groups", ())) - {"all", "ungrouped"})
                known = f"The groups of the inventory are {', '.join(groups)}" if groups else "The inventory has no groups"
                raise AnsibleLookupError(f"hosts {pattern!r} match no host of the inventory. {known}. Set {variable} to hosts or groups.")
        return patterns
