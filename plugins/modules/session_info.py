#!/usr/bin/python
from __future__ import annotations

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.optio.codex.plugins.module_utils.runner import run_module
from ansible_collections.optio.codex.plugins.module_utils.session_info import SUBJECT


def main() -> None:
    module = AnsibleModule(supports_check_mode=True, no_log=True, **SUBJECT.specification.rules())
    run_module(module, SUBJECT)


if __name__ == "__main__":
    main()
