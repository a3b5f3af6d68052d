#!/usr/bin/python
# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every session of a user, or one, as it is now."""

from __future__ import annotations

DOCUMENTATION = r"""
module: session_info
short_description: Get the OpenAI codex sessions of a worker
version_added: 0.1.0
description:
  - Returns every session on record for one user of a worker, or one of them. Whether it runs, what codex is doing,
    how it ended, and how to reach it.
  - All sessions are looked at in one go, and no Python is sent to the worker.
options:
  name:
    description:
      - Only the session of this name. The list is empty when there is none.
      - By default, and when it is empty, all sessions below O(root).
    type: str
  screen:
    description:
      - Return the text of each running session's screen too. It shows what codex shows, which may hold anything
        that it has read.
    type: bool
    default: false
  history:
    description:
      - How many lines above the screen to return with it. Only with O(screen=true).
    type: int
    default: 0
notes:
  - Sessions are found by their records below O(root). A session is listed until M(optio.codex.session) with
    C(state=absent) removes it. Those of another user or another root need a call of their own.
  - What codex is doing is told from its own record of the conversation, in which a turn is open or ended, and from the
    screen where there is no record yet.
extends_documentation_fragment:
  - optio.codex.attributes.info
  - optio.codex.attributes.actiongroup_codex
  - optio.codex.attributes.probe
  - optio.codex.task
seealso:
  - module: optio.codex.session
  - module: optio.codex.session_message
  - module: optio.codex.worker_info
author:
  - The optio.codex contributors (@optio-codex)
"""

EXAMPLES = r"""
- name: All sessions of the user
  optio.codex.session_info:
  register: codex

- name: Which of them wait for a person
  ansible.builtin.debug:
    msg: "{{ codex.sessions | selectattr('activity', 'eq', 'waiting') | map(attribute='attach') }}"

- name: Wait until a session has done its turn
  optio.codex.session_info:
    name: payments-1412
  register: payments
  until: payments.sessions[0].activity != 'working'
  retries: 60
  delay: 10

- name: What one shows, with the last 200 lines that scrolled away
  optio.codex.session_info:
    name: payments-1412
    screen: true
    history: 200

- name: The sessions that root launched for another user
  optio.codex.session_info:
    user: codex
    root: /srv/codex
  become: true
"""

RETURN = r"""
sessions:
  description: The sessions, in the order of their names.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: The name of the session.
      type: str
      sample: review
    status:
      description:
        - V(running), V(finished) (codex has ended by itself), V(stopped) (M(optio.codex.session) has ended it) or
          V(lost) (it is gone without an exit status, as after a reboot).
      type: str
      sample: running
    activity:
      description:
        - What codex is doing. V(starting), V(working) (a turn is under way), V(idle) (it takes a message), or
          V(waiting) (a person must choose something in the terminal, such as an approval or a login).
        - V(null) unless the session runs.
      type: str
      sample: idle
    started:
      description: When the session was launched, in seconds since 1970. V(null) when no launch of it was completed.
      type: int
      sample: 1795343648
    updated:
      description: When the conversation last went on, in seconds since 1970. V(null) before the first message.
      type: int
      sample: 1795343649
    log:
      description:
        - The last line of C(optio.log) in the workdir, which the agent and, at codex's end, the launcher write.
          V(null) when there is none.
      type: str
      sample: "STATUS: [60%] writing the test"
    terminal:
      description: Whether the browser terminal runs, V(running) or V(dead).
      type: str
      sample: running
    screen:
      description: The text of the screen, V(null) unless the session runs.
      returned: O(screen=true)
      type: str
      sample: "› Ask Codex to do anything"
    session:
      description: The socket of the session's tmux server, whose one session is called V(optio).
      type: str
      sample: /run/optio-codex/review/tmux.sock
    socket:
      description: The socket of the terminal, V(null) where it listens on TCP.
      type: str
      sample: /run/optio-codex/review/ttyd.sock
    address:
      description: The address that the terminal listens on, V(null) where it listens on a socket.
      type: str
      sample: null
    port:
      description: The port of the terminal, V(null) where it listens on a socket.
      type: int
      sample: null
    url:
      description: The terminal's URL while the session runs, V(null) where it listens on a socket.
      type: str
      sample: null
    attach:
      description: The command that shows the session in a terminal, V(null) unless it runs.
      type: str
      sample: ssh -t alice@worker1 tmux -S /run/optio-codex/review/tmux.sock -f /dev/null attach-session -t optio
    tunnel:
      description:
        - The command that brings the terminal to a port of one's own machine. The port is the same at every call.
        - V(null) unless the session runs, and where no tunnel is needed.
      type: str
      sample: ssh -N -L 127.0.0.1:19836:/run/optio-codex/review/ttyd.sock alice@worker1
    user:
      description: The user that the session belongs to.
      type: str
      sample: alice
    supervisor:
      description: What keeps the session's processes, V(systemd) or V(detached).
      type: str
      sample: systemd
    pid:
      description: The process of codex, V(null) unless it runs.
      type: int
      sample: 30105
    exit_status:
      description: codex's exit status, V(null) before it has ended.
      type: int
      sample: 0
    ended:
      description: When codex ended, in seconds since 1970, V(null) before it has.
      type: int
      sample: null
    session_id:
      description: codex's id of the conversation, V(null) before the first message.
      type: str
      sample: 01a202d2-04bc-7371-ae76-9a22157469e5
    version:
      description: The version of codex, V(null) for one that is not from a cache of this collection.
      type: str
      sample: 0.169.0
    task:
      description: The directory of the session's record.
      type: str
      sample: /home/alice/.local/share/optio-codex/review
    workdir:
      description: The directory that codex works in.
      type: str
      sample: /home/alice/.local/share/optio-codex/review/workdir
    path:
      description: The link by which codex is started, unique to the session.
      type: str
      sample: /home/alice/.local/share/optio-codex/review/workdir/home/.local/bin/codex
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.optio.codex.plugins.module_utils.runner import run_module
from ansible_collections.optio.codex.plugins.module_utils.session_info import SUBJECT


def main() -> None:
    """Run the module."""
    module = AnsibleModule(supports_check_mode=True, **SUBJECT.specification.rules())
    run_module(module, SUBJECT)


if __name__ == "__main__":
    main()
