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
  transcript:
    description:
      - Return the last so many messages and tool calls of each conversation. Up to 8 MiB of a conversation's end are
        read for them.
      - They are read by Python, which is sent to the worker for them alone.
    type: int
    default: 0
  sizes:
    description:
      - Tell how much is on disk in each workdir and home. It takes as long as C(du) does.
    type: bool
    default: false
notes:
  - Sessions are found by their records below O(root). A session is listed until M(optio.codex.session) with
    C(state=absent) removes it. Those of another user or another root need a call of their own.
  - What codex is doing is told from its own record of the conversation (the rollout), in which a turn is open or ended,
    from its screen, from C(optio.log) and from the exit status that the launcher keeps beside the workdir.
  - A rollout may be of any size, damaged, or just being written. A line that is not whole yet counts for nothing, and
    so does whatever codex does not write. The last MiB of it is searched. Its turns are counted up to 256 MiB of it.
extends_documentation_fragment:
  - optio.codex.attributes.info
  - optio.codex.attributes.actiongroup_codex
  - optio.codex.attributes.probe
  - optio.codex.task
seealso:
  - module: optio.codex.session
  - module: optio.codex.session_message
  - module: optio.codex.session_wait
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

- name: What was said last in one
  optio.codex.session_info:
    name: payments-1412
    transcript: 20

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
        - What codex is doing, or how its task came out.
        - V(starting) is a codex that runs and takes no input yet, or that has not yet begun with the prompt that it was
          launched with.
        - V(waiting) is one that waits for a person to choose something in the terminal, such as an approval or a login.
        - V(working) is one that has a turn under way.
        - V(idle) is one that takes a message, and of whose task nothing is declared.
        - V(done) is a task that came out well. Either codex runs, its last turn has ended, and the agent has written
          C(DONE) to C(optio.log) since that turn began, with no C(STATUS) after it. Or codex has ended with the exit
          status 0.
        - V(failed) is a task that did not. Either codex runs, and its last turn ended with an error, or the agent has
          written C(ERROR) as above. Or codex has ended with another exit status.
        - V(null) for a session that was ended by request or is lost, of whose task nobody knows.
      type: str
      sample: idle
    turn:
      description:
        - How the last turn stands. V(open), V(complete), V(interrupted) (a person has) or V(failed). V(null) before the
          first message. A turn stays V(open) when its codex was killed.
      type: str
      sample: complete
    turns:
      description: How many turns have begun. V(null) for a conversation of more than 256 MiB.
      type: int
      sample: 3
    turns_ended:
      description: How many of them have ended. V(null) for a conversation of more than 256 MiB.
      type: int
      sample: 3
    error:
      description:
        - What made the last turn fail. codex 0.142.5 shows it on its screen only, so it is V(null) there once the screen is
          gone. V(null) too unless the last turn failed.
      type: str
      sample: null
    message:
      description: What the agent said last, up to 4000 characters of it. V(null) when it has said nothing lately.
      type: str
      sample: The test is written and passes.
    tokens:
      description: The tokens of the conversation as codex counts them, V(null) before the model's first answer.
      type: dict
      contains:
        total:
          description: Those of the whole conversation, as C(input_tokens), C(output_tokens), C(total_tokens) and more.
          type: dict
        last:
          description: Those of the last request, in the same keys.
          type: dict
      sample:
        total: {input_tokens: 25172, cached_input_tokens: 0, output_tokens: 96, reasoning_output_tokens: 0, total_tokens: 25268}
        last: {input_tokens: 12640, cached_input_tokens: 0, output_tokens: 46, reasoning_output_tokens: 0, total_tokens: 12686}
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
    progress:
      description:
        - What the agent, and at codex's end the launcher, tell in C(optio.log) in the words of its grammar. Each is the
          last of its kind in the last 64 KiB of the log.
      type: dict
      contains:
        percent:
          description: The share of the work that is done, from C(STATUS), V(null) when none was told.
          type: int
        status:
          description: The text of C(STATUS).
          type: str
        attention:
          description: The text of C(ATTENTION), which asks for a person.
          type: str
        deliverables:
          description: The paths of all C(DELIVERABLE) lines.
          type: list
          elements: str
        outcome:
          description: V(done) or V(error) after a C(DONE) or C(ERROR), V(null) again after another C(STATUS).
          type: str
        outcome_text:
          description: The text of that C(DONE) or C(ERROR).
          type: str
      sample:
        percent: 60
        status: writing the test
        attention: null
        deliverables: [report.md]
        outcome: null
        outcome_text: null
    rollout:
      description: The file below the workdir in which codex records the conversation, V(null) before the first message.
      type: str
      sample: /srv/w/home/.codex/sessions/2026/11/22/rollout-2026-11-22T10-00-00-01a202d2-04bc-7371-ae76-9a22157469e5.jsonl
    sizes:
      description: Bytes on disk.
      type: dict
      contains:
        rollout:
          description: The length of the rollout, V(null) when there is none.
          type: int
        workdir:
          description: All of the workdir, the home included. V(null) unless O(sizes=true).
          type: int
        home:
          description: The home alone. V(null) unless O(sizes=true).
          type: int
      sample: {rollout: 17634, workdir: null, home: null}
    transcript:
      description: The last messages and tool calls, the newest last.
      returned: O(transcript) is more than 0
      type: list
      elements: dict
      contains:
        time:
          description: When, as codex writes it.
          type: str
        who:
          description: V(user), V(agent) or V(tool).
          type: str
        text:
          description: What was said, or the name of the tool and what it was called with, up to 4000 characters.
          type: str
      sample:
        - {time: "2026-11-22T10:28:30.272Z", who: user, text: "Which tests are missing?"}
    terminal:
      description: Whether the browser terminal runs, V(running) or V(dead). V(null) for one of the package C(optio-codex).
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
    watch_socket:
      description: The socket of the second terminal, in which nobody can type, V(null) unless there are two.
      type: str
      sample: null
    url_path:
      description:
        - The path of the terminal's page at the tunnel's or the gateway's address. V(null) for a terminal of the package.
      type: str
      sample: /
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
      description: What keeps the session's processes, V(systemd), V(systemd-user) or V(detached).
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

from ansible_collections.optio.codex.plugins.module_utils._core.runner import run_module
from ansible_collections.optio.codex.plugins.module_utils._monitor.session_info import SUBJECT


def main() -> None:
    """Run the module."""
    module = AnsibleModule(supports_check_mode=True, **SUBJECT.specification.rules())
    run_module(module, SUBJECT)


if __name__ == "__main__":
    main()
