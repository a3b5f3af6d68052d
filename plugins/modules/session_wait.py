#!/usr/bin/python
# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Wait until sessions reach a state."""

from __future__ import annotations

DOCUMENTATION = r"""
module: session_wait
short_description: Wait until OpenAI codex sessions are idle, done, or ended
version_added: 1.0.0
description:
  - Waits on the worker until one or several sessions are in a state, and returns within about half a second.
    The controller sends one request and does not open other connections in the meantime.
  - Like M(ansible.builtin.wait_for) it fails when the timeout expires. The result then contains the state of each session.
  - If the sessions are already in the state, one check is enough and Python is not sent to the worker.
options:
  name:
    description:
      - The name of the session. The module fails if the session does not exist.
      - Exactly one of O(name) and O(sessions) is required.
    type: str
  sessions:
    description:
      - The names of several sessions. The module fails if one of them does not exist.
    type: list
    elements: str
  state:
    description:
      - The states to wait for. If several are specified, any of them is sufficient. The values V(idle), V(done),
        V(failed), V(waiting) and V(limited) are
        defined in RV(optio.codex.session_info#module:sessions[].activity).
      - V(idle) waits until codex is running without a turn in progress and is ready for input, however its last turn ended.
        This includes the activities V(idle), V(done) and V(failed).
      - V(done) waits until the agent has declared that the work succeeded, in C(optio.log) or in its last message. A session
        that is V(failed) ends the wait with an error, because it will not become V(done) by itself. The same applies to a
        session that ended without declaring its work done, also with exit status 0.
        A running session whose agent does not declare an outcome is never V(done).
      - V(exited) waits until codex is not running any more, for any reason.
      - V(turn) waits for the end of a turn that had not ended when the module started, however it ends. To wait for the
        answer to a message, use V(idle), because the turn can be over before the module starts.
      - V(waiting) waits until codex needs a user to choose something in its terminal.
      - V(limited) waits until a usage limit of the account has ended a turn. A wait for other states ends with an error then, which
        contains the time of the reset, unless O(state) includes V(exited).
    type: list
    elements: str
    choices: [idle, done, exited, turn, waiting, limited]
    default: [idle]
  mode:
    description:
      - With several sessions, whether to wait for V(all) of them or for V(any) of them.
      - With V(all), a session that can no longer reach the state does not end the wait for the others, but the module fails
        at the end.
    type: str
    choices: [all, any]
    default: all
  timeout:
    description:
      - Maximum number of seconds to wait before the module fails. V(0) checks once.
      - The module ends earlier if its connection to the controller is lost. With C(async) it does not depend on a connection.
        In that case, set C(async) to a few seconds more than this.
    type: float
    default: 300.0
notes:
  - If a session ends during the wait, the module fails immediately, unless its end satisfies O(state).
  - Files of the session and its process are checked ten times per second. This needs few resources, so a wait can last
    for hours.
attributes:
  check_mode:
    description: Returns the current state of the sessions immediately, without waiting and without failing.
extends_documentation_fragment:
  - optio.codex.attributes.info
  - optio.codex.attributes.actiongroup_session
  - optio.codex.attributes.probe
  - optio.codex.location
seealso:
  - module: optio.codex.session_info
  - module: optio.codex.session_message
author:
  - The optio.codex contributors (@optio-codex)
"""

EXAMPLES = r"""
- name: Send a question
  optio.codex.session_message:
    name: review
    text: Which tests are missing?

- name: Wait for the answer
  optio.codex.session_wait:
    name: review
  register: answer

- name: Show the answer
  ansible.builtin.debug:
    msg: "{{ answer.sessions[0].message }}"

- name: Wait up to eight hours until three sessions are done
  optio.codex.session_wait:
    sessions: [fix-1412, fix-1413, docs]
    state: done
    timeout: 28800

- name: Wait without depending on a connection
  optio.codex.session_wait:
    sessions: [fix-1412, fix-1413, docs]
    state: done
    timeout: 28800
  async: 28900
  poll: 60

- name: Wait until the first session needs a user
  optio.codex.session_wait:
    sessions: [fix-1412, fix-1413, docs]
    state: [idle, waiting, exited]
    mode: any
"""

RETURN = r"""
condition_met:
  description: Whether the requested state was reached. V(false) if the module fails. It can also be V(false) in check mode.
  returned: always
  type: bool
  sample: true
elapsed:
  description: Duration of the wait in seconds. V(0.0) if waiting was not necessary.
  returned: always
  type: float
  sample: 12.34
timed_out:
  description: Whether the wait timed out.
  returned: failure
  type: bool
  sample: false
sessions:
  description:
    - The sessions in the order of the option, each as M(optio.codex.session_info) returns it at the end of the
      wait. The most useful values are listed here.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: The name of the session.
      type: str
      sample: review
    condition_met:
      description: Whether this session is in the requested state.
      type: bool
      sample: true
    status:
      description:
        - V(running), V(finished), V(stopped) or V(lost), V(absent) if it was removed during the wait, or V(unknown) if the
          last check of the session was not completed.
      type: str
      sample: running
    activity:
      description: The current activity of codex, or its outcome.
      type: str
      sample: idle
    exit_status:
      description: The exit status of codex. V(null) before codex has ended.
      type: int
      sample: null
    turn:
      description: The state of the last turn.
      type: str
      sample: complete
    usage_limit:
      description:
        - The account's usage limit, with C(used_percent), C(resets_at) and C(window_minutes). V(null) if codex has not recorded a limit.
      type: dict
      sample: {used_percent: 95.0, resets_at: 1795361600, window_minutes: 300}
    error:
      description: The error of the last turn. V(null) unless the last turn failed.
      type: str
      sample: null
    message:
      description: The last message of the agent.
      type: str
      sample: Three tests are missing.
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.optio.codex.plugins.module_utils._core.runner import run_module
from ansible_collections.optio.codex.plugins.module_utils._monitor.session_wait import RESOURCE


def main() -> None:
    """Run the module."""
    module = AnsibleModule(supports_check_mode=True, **RESOURCE.specification.to_kwargs())
    run_module(module, RESOURCE)


if __name__ == "__main__":
    main()
