#!/usr/bin/python
# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Send a message or keys to a running codex session."""

from __future__ import annotations

DOCUMENTATION = r"""
module: session_message
short_description: Send a message or keys to a running OpenAI codex session
version_added: 1.0.0
description:
  - Sends text to a running session as one message, and returns once codex has confirmed it.
  - A text of several lines, of any size up to a million characters, arrives as one message, regardless of
    its content.
  - It reaches the session regardless of connected viewers, while a user scrolls in it, and if the terminal is
    read-only.
  - Alternatively presses keys, to answer a question of codex or to interrupt it.
options:
  text:
    description:
      - The message. codex removes white space at its beginning and end. Line endings are converted to newlines. The rest is
        recorded unchanged, except for RV(prefix).
      - Unsent text in codex's composer is removed first, and returned as RV(composer).
      - The text must not be empty or contain control characters, which codex would drop or interpret as keys.
      - Exactly one of O(text) and O(keys) is required.
    type: str
  keys:
    description:
      - Keys to press, one by one. Each is pressed once the screen is stable after the previous key.
      - A key is a single character, or V(Enter), V(Escape), V(Tab), V(BTab), V(Space), V(BSpace), V(Up), V(Down),
        V(Left), V(Right), V(Home), V(End), V(PageUp), V(PageDown), V(Insert), V(Delete), V(F1) to V(F12), or a key with
        the prefix C(C-), C(M-) or C(S-).
      - V(Escape) interrupts a turn. V(C-c) does so too, but ends codex if it is idle and its composer is empty.
      - The effect of a key cannot be confirmed. RV(screen) shows the reaction of codex.
    type: list
    elements: str
  raw_command:
    description:
      - If V(true), codex runs a text that begins with C(!) as a shell command, and a text that begins with C(/) as a codex
        command. If V(false), such texts are sent as messages.
      - codex does not record commands, so RV(delivery) is V(typed) for them. A command that codex does not know is an
        error.
    type: bool
    default: false
  when_busy:
    description:
      - Determines how a message is handled while a turn is running. With V(queue), it becomes a separate turn after the running
        and the queued turns. With V(steer), it joins the turn after the next tool call or at its end, like codex's
        Enter key.
      - If codex is idle, it starts a turn with the message in both cases.
    type: str
    choices:
      - queue
      - steer
    default: queue
  timeout:
    description:
      - Seconds to wait for the confirmation. If it times out, the module fails, shows the screen, and removes the text from
        the composer.
      - codex 0.169.0 takes 2 seconds for 200000 characters in one line, and four times as long for twice the length.
    type: float
    default: 30.0
notes:
  - The module fails if the session does not exist or is not running. A message also fails if codex waits for a choice.
    Use O(keys) to make the choice.
  - Several runs that send to one session wait for each other, so their texts never mix, and each arrives as one message.
  - Texts and keys are not logged on the worker, and texts are not on a command line. RV(screen), RV(composer) and the error of a
    message that did not arrive show the contents of the screen, so keep secrets out of messages or set C(no_log) for the task.
attributes:
  idempotent:
    support: none
    description: Every run sends the message or presses the keys, and reports a change.
  diff_mode:
    description: Shows the number of characters, never the text, and the names of the keys.
extends_documentation_fragment:
  - optio.codex.attributes
  - optio.codex.attributes.actiongroup_session
  - optio.codex.location
  - optio.codex.location.many
  - optio.codex.location.workdir
seealso:
  - module: optio.codex.session
  - module: optio.codex.session_info
author:
  - The optio.codex contributors (@optio-codex)
"""

EXAMPLES = r"""
- name: Send a message
  optio.codex.session_message:
    name: review
    text: Look at the newest commit first.

- name: Send the same message to several sessions in parallel
  optio.codex.session_message:
    text: Commit what you have.
    sessions:
      - review
      - payments-1412

- name: Send a file of the controller as one message
  optio.codex.session_message:
    name: review
    text: "{{ lookup('ansible.builtin.file', 'questions.md') }}"

- name: Send a message that joins the running turn
  optio.codex.session_message:
    name: review
    text: Leave the changelog alone.
    when_busy: steer

- name: Run a codex command
  optio.codex.session_message:
    name: review
    text: /compact
    raw_command: true

- name: Approve a request of codex by choosing the first answer
  optio.codex.session_message:
    name: review
    keys:
      - Enter

- name: Interrupt the turn
  optio.codex.session_message:
    name: review
    keys:
      - Escape

- name: Send to a session that root launched for another user
  optio.codex.session_message:
    name: nightly
    user: codex
    sessions_dir: /srv/codex
    text: Stop after the next green test run.
  become: true
"""

RETURN = r"""
sessions:
  description:
    - With O(sessions), the result of each session, with its C(name), the values that this module returns for one session, and
      C(changed). The result of a session that failed has C(failed), C(msg) and the values of the error instead.
    - No other values are returned in this case.
  returned: with O(sessions)
  type: list
  elements: dict
  sample:
    - name: review
      changed: false
name:
  description: The name of the session.
  returned: success
  type: str
  sample: review
tmux_socket:
  description: The socket of the session's tmux server.
  returned: success
  type: str
  sample: /run/optio-codex/review/tmux.sock
characters:
  description: The length of O(text). V(null) for keys.
  returned: success
  type: int
  sample: 32
delivery:
  description:
    - V(recorded) if codex has accepted the message, and its record of the conversation contains the exact text.
    - V(queued) if codex shows that it will process the message after the running tool call or turn.
    - V(typed) for a command, which codex does not record.
    - V(pressed) for keys.
    - V(null) in check mode.
  returned: success
  type: str
  sample: recorded
prefix:
  description:
    - The prefix of the text in codex's record. It is a zero width space, which is invisible, if this is the only way to keep
      codex from running the text as a command. This applies to a text that begins with C(!) for releases before 0.169, and to a text that
      begins with C(/) with O(when_busy=queue) or with about a thousand characters or more.
    - V(null) if the text is recorded unchanged.
  returned: success
  type: str
  sample: null
composer:
  description:
    - The previous text in codex's composer, as shown on the screen, which was removed for the message. V(null) if it was empty.
    - codex 0.142.5 puts the message of an interrupted turn there.
  returned: success
  type: str
  sample: null
screen:
  description:
    - After a command or keys, the last nonempty lines of the stable screen. A command can print more output later.
    - V(null) after a message, in check mode, and if codex has ended.
  returned: success
  type: str
  sample: null
actions:
  description: The actions that were performed, or that would be performed in check mode.
  returned: success
  type: list
  elements: dict
  contains:
    kind:
      description: V(send) for a text, V(press) for keys.
      type: str
    target:
      description: The socket of the session's tmux server.
      type: str
  sample:
    - kind: send
      target: /run/optio-codex/review/tmux.sock
"""

from ansible_collections.optio.codex.plugins.module_utils._core.ansible_module import UnloggedModule
from ansible_collections.optio.codex.plugins.module_utils._core.batch_runner import run_batch_module
from ansible_collections.optio.codex.plugins.module_utils._transfer.message import RESOURCE


def main() -> None:
    """Run the module."""
    module = UnloggedModule(resource=RESOURCE, supports_check_mode=True, **RESOURCE.specification.to_kwargs())
    run_batch_module(module, RESOURCE)


if __name__ == "__main__":
    main()
