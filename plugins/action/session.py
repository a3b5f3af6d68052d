from __future__ import annotations
from ansible_collections.optio.codex.plugins.module_utils.session import SUBJECT
from ansible_collections.optio.codex.plugins.plugin_utils.probe_action import ProbeAction


class ActionModule(ProbeAction):
    subject = SUBJECT
