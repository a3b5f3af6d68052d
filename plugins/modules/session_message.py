#!/usr/bin/python
# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A text or keys for a running session."""

from __future__ import annotations

DOCUMENTATION = r"""
module: session_message
short_description: Send a message or keys to a running OpenAI codex session
version_added: 0.1.0
description:
  - Gives a text to a running session as one message, and returns when there is proof that codex has it.
  - A text of several lines, of any size up to a million characters, arrives as one message, whatever it begins with and
    whatever it looks like.
  - It reaches the session whether or not anybody watches it, while somebody scrolls in it, and while the terminal is
    read-only.
  - Or presses keys, to answer what codex asks, or to interrupt it.
options:
  text:
    description:
      - The message. Codex drops white space at its beginning and end. Line ends of any kind become plain ones. All else
        is recorded as it is given, but for what RV(prefix) says.
      - What stands half typed in codex's composer is taken out first, and returned as RV(composer).
      - An empty text is refused, and so is one with control characters, which codex would drop or take for keys.
      - Exactly one of O(text) and O(keys) is needed.
    type: str
  keys:
    description:
      - Keys to press, one by one, each when the screen has stood still after the one before.
      - A key is a single character, or V(Enter), V(Escape), V(Tab), V(BTab), V(Space), V(BSpace), V(Up), V(Down),
        V(Left), V(Right), V(Home), V(End), V(PageUp), V(PageDown), V(Insert), V(Delete), V(F1) to V(F12), or one with
        C(C-), C(M-) or C(S-) before it.
      - V(Escape) interrupts a turn. V(C-c) does so too, but ends codex when it is idle and its composer empty.
      - Nothing proves what a key did. RV(screen) shows what codex said to it.
    type: list
    elements: str
  command:
    description:
      - A text that begins with C(!) or C(/) is a message like any other, unless this is V(true). Then codex runs one that
        begins with C(!) as a shell command, and one that begins with C(/) as a command of its own.
      - codex keeps no record of commands, so RV(delivery) is V(typed) for them. A command that codex does not know is an
        error.
    type: bool
    default: false
  when_busy:
    description:
      - What becomes of a message while a turn runs. With V(queue) it is a turn of its own after the running one and those
        that wait already. With V(steer) it joins the turn after the next tool call or at its end, which is what codex's
        Enter key does.
      - An idle codex begins a turn with the message in both cases.
    type: str
    choices:
      - queue
      - steer
    default: queue
  timeout:
    description:
      - Seconds to wait for the proof. When it does not come the module fails, shows the screen, and takes the text out of
        the composer again.
      - codex 0.169.0 takes 2 seconds for 200000 characters in one line, and four times as long for twice as many.
    type: float
    default: 30.0
notes:
  - The module fails when the session does not exist or does not run. A message also fails when codex waits for a choice,
    which O(keys) can make.
  - Several runs that send to one session wait for each other, so that their texts never mix, and each is one message.
  - Texts and keys are in no log of the worker, and a text in no command line. RV(screen), RV(composer) and the error of a
    message that did not arrive show what is on the screen, so keep secrets out of messages or set C(no_log) for the task.
attributes:
  idempotent:
    support: none
    description: Every run sends the message or presses the keys, and so every run has changed something.
  diff_mode:
    description: Shows the number of characters, never the text, and the names of the keys.
extends_documentation_fragment:
  - optio.codex.attributes
  - optio.codex.attributes.actiongroup_codex
  - optio.codex.task
  - optio.codex.task.places
  - optio.codex.task.workdir
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

- name: Say the same to several, side by side
  optio.codex.session_message:
    text: Commit what you have.
    sessions:
      - review
      - payments-1412

- name: Send a file of the controller as one message
  optio.codex.session_message:
    name: review
    text: "{{ lookup('ansible.builtin.file', 'questions.md') }}"

- name: Put in a word while it works
  optio.codex.session_message:
    name: review
    text: Leave the changelog alone.
    when_busy: steer

- name: Give codex a command of its own
  optio.codex.session_message:
    name: review
    text: /compact
    command: true

- name: Approve what codex asks, which is the first choice
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
    root: /srv/codex
    text: Stop after the next green test run.
  become: true
"""

RETURN = r"""
sessions:
  description:
    - With O(sessions), for each session its C(name), what this module returns for one session, and C(changed).
      One that failed has C(failed), C(msg), and what the error adds, instead.
    - No other value is returned then.
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
session:
  description: The socket of the session's tmux server.
  returned: success
  type: str
  sample: /run/optio-codex/review/tmux.sock
characters:
  description: The length of the text as it was given, V(null) for keys.
  returned: success
  type: int
  sample: 32
delivery:
  description:
    - V(recorded) when codex has taken the message up, which its record of the conversation shows, letter by letter.
    - V(queued) when it shows that it will take it up after the running tool call or turn.
    - V(typed) for a command, of which codex keeps no record.
    - V(pressed) for keys.
    - V(null) in check mode.
  returned: success
  type: str
  sample: recorded
prefix:
  description:
    - What codex's record has before the text. It is a zero width space, which nobody sees, where nothing else keeps codex
      from running the text as a command. That is a text that begins with C(!) for releases before 0.169, and one that
      begins with C(/) with O(when_busy=queue) or with about a thousand characters or more.
    - V(null) where the text is recorded as it was given.
  returned: success
  type: str
  sample: null
composer:
  description:
    - What stood in codex's composer before, as the screen showed it, and was taken out for the message. V(null) for nothing.
    - codex 0.142.5 puts the message of an interrupted turn there.
  returned: success
  type: str
  sample: null
screen:
  description:
    - After a command or keys, the last lines with words of the screen as it stood still. A command may say more later.
    - V(null) after a message, in check mode, and when codex has ended.
  returned: success
  type: str
  sample: null
actions:
  description: What was done, or in check mode would be.
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

from ansible_collections.optio.codex.plugins.module_utils._core.runner import run_module
from ansible_collections.optio.codex.plugins.module_utils._transfer.message import SUBJECT
from ansible_collections.optio.codex.plugins.module_utils._core.ansible_module import UnloggedModule


def main() -> None:
    """Run the module."""
    module = UnloggedModule(supports_check_mode=True, **SUBJECT.specification.rules())
    run_module(module, SUBJECT)


if __name__ == "__main__":
    main()
