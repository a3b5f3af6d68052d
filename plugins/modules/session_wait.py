#!/usr/bin/python
# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A wait for sessions to come to a state, in one call."""

from __future__ import annotations

DOCUMENTATION = r"""
module: session_wait
short_description: Wait until OpenAI codex sessions are idle, done, or ended
version_added: 0.1.0
description:
  - Waits on the worker until one or several sessions are in a state, and returns within about half a second of it.
    The controller asks once, and no connection is opened meanwhile.
  - Like M(ansible.builtin.wait_for) it fails at its time-out. The result then says how each session is.
  - Sessions that are in the state already are answered from one look, and no Python is sent to the worker.
options:
  name:
    description:
      - The session, or several.
      - A session that is not on record is an error.
    type: list
    elements: str
    required: true
    aliases: [names]
  state:
    description:
      - What to wait for. With several, any of them is enough. The words V(idle), V(done), V(failed) and V(waiting) are
        those of RV(optio.codex.session_info#module:sessions[].activity).
      - V(idle) is a codex that runs and has no turn under way, so that it takes a message, however its last turn ended.
        It is V(idle), V(done) or V(failed).
      - V(done) is a task that came out well. The agent has declared it in C(optio.log), or codex has ended with the
        exit status 0. A session that is V(failed) ends the wait with an error, because it will not be done by itself.
        An agent that declares nothing is never V(done) while it runs.
      - V(exited) is a codex that does not run any more, for whatever reason.
      - V(turn) is the end of a turn that had not ended when the module began to look, however it ended. To wait for the
        answer to a message use V(idle), because the turn may be over before the module begins to look.
      - V(waiting) is a codex that waits for a person to choose something in its terminal.
    type: list
    elements: str
    choices: [idle, done, exited, turn, waiting]
    default: [idle]
  mode:
    description:
      - With several sessions, whether to wait for V(all) of them or for V(any) of them.
      - One that can no longer come to the state does not end the wait for V(all) the others, and fails the module then.
    type: str
    choices: [all, any]
    default: all
  timeout:
    description:
      - Seconds after which the module gives up and fails. V(0) looks once.
      - The module ends before that when the connection that it was started by is gone. With C(async) there is none, so
        give C(async) a few seconds more than this.
    type: float
    default: 300.0
notes:
  - A session that ends while it is waited for is an error at once, unless its end is what is waited for.
  - What is looked for ten times a second are files of the session and its process. A wait costs next to nothing, so
    that it may last for hours.
attributes:
  check_mode:
    description: Returns how the sessions are at once, without waiting and without failing.
extends_documentation_fragment:
  - optio.codex.attributes.info
  - optio.codex.attributes.actiongroup_codex
  - optio.codex.attributes.probe
  - optio.codex.task
seealso:
  - module: optio.codex.session_info
  - module: optio.codex.session_message
author:
  - The optio.codex contributors (@optio-codex)
"""

EXAMPLES = r"""
- name: Ask something
  optio.codex.session_message:
    name: review
    text: Which tests are missing?

- name: Wait for the answer
  optio.codex.session_wait:
    name: review
  register: answer

- name: Show it
  ansible.builtin.debug:
    msg: "{{ answer.sessions[0].message }}"

- name: Wait up to eight hours for three tasks, each done
  optio.codex.session_wait:
    name: [fix-1412, fix-1413, docs]
    state: done
    timeout: 28800

- name: The same without a connection that could break
  optio.codex.session_wait:
    name: [fix-1412, fix-1413, docs]
    state: done
    timeout: 28800
  async: 28900
  poll: 60

- name: Wait until the first of them needs somebody
  optio.codex.session_wait:
    name: [fix-1412, fix-1413, docs]
    state: [idle, waiting, exited]
    mode: any
"""

RETURN = r"""
met:
  description: Whether the wait has what it was for. It is V(false) in a failure, and it may be in check mode.
  returned: always
  type: bool
  sample: true
elapsed:
  description: Seconds that the wait took. V(0.0) when there was nothing to wait for.
  returned: always
  type: float
  sample: 12.34
timed_out:
  description: Whether the time-out ended the wait.
  returned: failure
  type: bool
  sample: false
sessions:
  description:
    - The sessions in the order in which they were named, each as M(optio.codex.session_info) returns it at the end of the
      wait. The most useful of it is listed here.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: The name of the session.
      type: str
      sample: review
    met:
      description: Whether this one is in the state that was waited for.
      type: bool
      sample: true
    status:
      description:
        - V(running), V(finished), V(stopped) or V(lost), or V(absent) for one that was removed during the wait.
      type: str
      sample: running
    activity:
      description: What codex is doing, or how its task came out.
      type: str
      sample: idle
    exit_status:
      description: codex's exit status, V(null) before it has ended.
      type: int
      sample: null
    turn:
      description: How the last turn stands.
      type: str
      sample: complete
    error:
      description: What made the last turn fail, V(null) unless it did.
      type: str
      sample: null
    message:
      description: What the agent said last.
      type: str
      sample: Three tests are missing.
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.optio.codex.plugins.module_utils._core.runner import run_module
from ansible_collections.optio.codex.plugins.module_utils._monitor.session_wait import SUBJECT


def main() -> None:
    """Run the module."""
    module = AnsibleModule(supports_check_mode=True, **SUBJECT.specification.rules())
    run_module(module, SUBJECT)


if __name__ == "__main__":
    main()
