#!/usr/bin/python
# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A text given to a running session as one message."""

from __future__ import annotations

DOCUMENTATION = r"""
module: session_message
short_description: Send a message to a running OpenAI codex session
version_added: 0.1.0
description:
  - Gives a text to a running session as one message, and returns when there is proof that codex has it.
  - A text of several lines, of any size, arrives as one message.
  - It reaches the session whether or not anybody watches it, and while the terminal is read-only.
options:
  text:
    description:
      - The message. Empty lines at its beginning and end are dropped. Line ends of any kind become plain ones.
      - An empty text is refused, and so is one with a NUL or an ESC in it, which codex would take for keys.
    type: str
    required: true
  command:
    description:
      - codex takes a text that begins with C(!) for a shell command, which it runs at once, and one that begins with
        C(/) for a command of its own. Such a text is refused unless this is V(true).
      - codex keeps no record of commands, so RV(delivery) is V(typed) for them, which proves nothing.
    type: bool
    default: false
  timeout:
    description:
      - Seconds to wait for the proof. When it does not come the module fails and shows the screen. The text may still
        stand in codex's input line then, so look there before sending it again.
    type: float
    default: 20.0
notes:
  - The module fails when the session does not exist or does not run, and when codex waits for a choice.
  - Several runs that send to one session wait for each other, so that their texts never mix.
attributes:
  idempotent:
    support: none
    description: Every run sends the message.
  diff_mode:
    description: Shows the number of characters, never the text.
extends_documentation_fragment:
  - optio.codex.attributes
  - optio.codex.attributes.actiongroup_codex
  - optio.codex.task
  - optio.codex.task.place
seealso:
  - module: optio.codex.session
  - module: optio.codex.session_info
author:
  - The optio.codex contributors (@optio-codex)
"""

EXAMPLES = r"""
- name: Say something
  optio.codex.session_message:
    name: review
    text: Look at the newest commit first.

- name: Send a file of the controller as one message
  optio.codex.session_message:
    name: review
    text: "{{ lookup('ansible.builtin.file', 'questions.md') }}"

- name: Give codex a command of its own
  optio.codex.session_message:
    name: review
    text: /compact
    command: true

- name: Send to a session that root launched for another user
  optio.codex.session_message:
    name: nightly
    user: codex
    root: /srv/codex
    text: Stop after the next green test run.
  become: true
"""

RETURN = r"""
name:
  description: The name of the session.
  returned: success
  type: str
  sample: review
session:
  description: The socket of the session's tmux server.
  returned: success
  type: str
  sample: /run/optio-codex/review/tmux.sock
characters:
  description: The length of the text as it was given.
  returned: success
  type: int
  sample: 32
delivery:
  description:
    - V(recorded) when codex has taken the message up, which its record of the conversation shows.
    - V(queued) when it shows that it will take it up after the running tool call or turn.
    - V(typed) for a command, of which codex keeps no record.
    - V(null) in check mode.
  returned: success
  type: str
  sample: recorded
actions:
  description: What was done, or in check mode would be.
  returned: success
  type: list
  elements: dict
  contains:
    kind:
      description: Always V(send).
      type: str
    target:
      description: The socket of the session's tmux server.
      type: str
  sample:
    - kind: send
      target: /run/optio-codex/review/tmux.sock
"""

from ansible_collections.optio.codex.plugins.module_utils.runner import run_module
from ansible_collections.optio.codex.plugins.module_utils.session_message import SUBJECT
from ansible_collections.optio.codex.plugins.module_utils.unlogged_module import UnloggedModule


def main() -> None:
    """Run the module."""
    module = UnloggedModule(supports_check_mode=True, **SUBJECT.specification.rules())
    run_module(module, SUBJECT)


if __name__ == "__main__":
    main()
