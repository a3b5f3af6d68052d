# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""AnsibleModule for options of which some values are secrets."""

from __future__ import annotations

from ansible.module_utils.basic import AnsibleModule


class UnloggedModule(AnsibleModule):
    """A module that does not write its options to the worker's system log, where others may read them.

    An option of type dict cannot be ``no_log`` as a whole: Ansible would then mask each of its values, such as "1",
    wherever it occurs in a result. AnsibleModule's own ``no_log`` argument is overwritten by the task's.
    """

    def _log_invocation(self) -> None:
        """Log nothing."""
