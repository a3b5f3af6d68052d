# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""AnsibleModule for options of which some values are secrets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ansible.module_utils.basic import AnsibleModule

if TYPE_CHECKING:
    from .resource import Resource


class UnloggedModule(AnsibleModule):
    """A module that does not write its options to the worker's system log, where others may read them.

    An option of type dict cannot be ``no_log`` as a whole: Ansible would then mask each of its values, such as "1",
    wherever it occurs in a result. AnsibleModule's own ``no_log`` argument is overwritten by the task's.
    """

    def __init__(self, *args: Any, resource: Resource[Any, Any] | None = None, **kwargs: Any) -> None:
        self._resource = resource
        super().__init__(*args, **kwargs)

    def _load_params(self) -> None:
        super()._load_params()
        if self._resource is not None:
            self.no_log_values.update(self._resource.secrets(self.params))

    def fail_json(self, msg: str, **kwargs: Any) -> Any:
        """Fail with masked options; AnsibleModule calls this for invalid options before ``run_module`` can mask them."""
        if self._resource is not None:
            kwargs.setdefault("invocation", {"module_args": self._resource.masked(self.params)})
        return super().fail_json(msg, **kwargs)

    def _log_invocation(self) -> None:
        """Log nothing."""
