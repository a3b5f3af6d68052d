#!/usr/bin/python
# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Report the state of codex sessions."""

from __future__ import annotations

DOCUMENTATION = r"""
module: session_info
short_description: Get the OpenAI codex sessions of a worker
version_added: 1.0.0
description:
  - Returns the recorded sessions of one user of a worker, or some of them, with their status, their activity,
    their exit status, and how to reach them.
  - All sessions are checked at once, and Python is not sent to the worker.
options:
  name:
    description:
      - Return only the session with this name. The list is empty if it does not exist.
      - If O(name) and O(sessions) are omitted, or O(name) is an empty string, all sessions below O(sessions_dir) are returned.
      - Mutually exclusive with O(sessions).
    type: str
  sessions:
    description:
      - Return only the sessions with these names. Sessions that do not exist are not in the list.
    type: list
    elements: str
  all_users:
    description:
      - Whether to return the sessions of all users, if the task runs as root. Otherwise this option has no effect.
      - These are the sessions that root launched, also for other users, and the sessions of users in the default directory below their
        home directories. O(sessions_dir) is the directory of root's own sessions.
      - Cannot be used with O(user) and O(transcript_entries).
    type: bool
    default: false
  include_screen:
    description:
      - Whether to return the screen text of each running session. It can contain anything that codex has
        read.
    type: bool
    default: false
  scrollback_lines:
    description:
      - Number of lines above the screen to return with it. Only used with O(include_screen=true).
    type: int
    default: 0
  transcript_entries:
    description:
      - Number of most recent messages and tool calls to return for each conversation. Up to the last 8 MiB of a
        conversation are read.
      - They are read by Python, which is sent to the worker only for this option.
    type: int
    default: 0
  include_disk_usage:
    description:
      - Whether to return the disk usage of each workdir and home. This takes as long as C(du).
    type: bool
    default: false
notes:
  - Sessions are found by their records below O(sessions_dir). A session is listed until M(optio.codex.session) with
    C(state=absent) removes it. Sessions of another user require O(all_users) or a
    separate call, and those in another directory a separate call.
  - The activity is determined from codex's record of the conversation (the rollout), in which a turn is open or ended,
    from the screen, from C(optio.log) and from the exit status that the launcher stores in the session directory.
  - The check of one session takes at most 10 seconds, with O(include_disk_usage=true) at most 300 seconds.
  - A rollout can have any size, be damaged, or be in the process of being written. Incomplete lines and lines that codex does
    not write are ignored. The last MiB is searched. Turns are counted in rollouts of up to 256 MiB.
extends_documentation_fragment:
  - optio.codex.attributes.info
  - optio.codex.attributes.actiongroup_session
  - optio.codex.attributes.probe
  - optio.codex.location
seealso:
  - module: optio.codex.session
  - module: optio.codex.session_message
  - module: optio.codex.session_wait
  - module: optio.codex.worker_info
author:
  - The optio.codex contributors (@optio-codex)
"""

EXAMPLES = r"""
- name: Get all sessions of the user
  optio.codex.session_info:
  register: codex

- name: Show how to attach to the sessions that wait for a user
  ansible.builtin.debug:
    msg: "{{ codex.sessions | selectattr('activity', 'eq', 'waiting') | map(attribute='attach_command') }}"

- name: Get the last messages of one session
  optio.codex.session_info:
    name: payments-1412
    transcript_entries: 20

- name: Get the screen of one session, with the last 200 lines of scrollback
  optio.codex.session_info:
    name: payments-1412
    include_screen: true
    scrollback_lines: 200

- name: Get the sessions of all users
  optio.codex.session_info:
    all_users: true
  become: true

- name: Get the sessions that root launched for another user
  optio.codex.session_info:
    user: codex
    sessions_dir: /srv/codex
  become: true
"""

RETURN = r"""
sessions:
  description: The sessions, sorted by name.
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
        - V(running), V(finished) (codex ended by itself), V(stopped) (M(optio.codex.session) ended it) or
          V(lost) (it ended without an exit status, as after a reboot), V(damaged) (its record is gone although it was given a
          prompt), or V(unknown) (its files could not be read in time, or contain something unexpected).
        - With V(unknown), the module warns, RV(sessions[].error) is the reason, and other values of the session are not known.
          The other sessions are returned as usual.
      type: str
      sample: running
    activity:
      description:
        - The current activity of codex, or its outcome.
        - V(starting) if codex is running and does not accept input yet, or has not started with the prompt of its
          launch. This ends one minute after the launch.
        - V(unknown) if that minute is over, and codex shows a screen that this collection does not recognize and has not
          recorded a conversation since the launch.
        - V(waiting) if codex waits for a user to choose something in the terminal, such as an approval or a login.
        - V(working) if a turn is in progress.
        - V(idle) if codex is ready for input and the agent has not reported an outcome.
        - V(limited) if a usage limit of the account ended the last turn. RV(sessions[].usage_limit) shows when it is reset.
          codex does not continue by itself then, but with the next message.
        - V(done) if the agent has declared that the work succeeded. Its last turn has ended, and the agent has written
          C(DONE) to C(optio.log) since that turn began, with no C(STATUS) after it, or its last message has such a line.
          If there are several declarations, the last one counts.
        - V(failed) if the work failed. The last turn ended with an error, the agent has declared C(ERROR) in the same way as
          C(DONE), or codex ended with an exit status other than 0.
        - V(ended) if codex ended with exit status 0, as after C(/quit), and the agent has not declared an outcome.
        - V(null) if the session was stopped on request or is lost, so that its outcome is unknown.
      type: str
      sample: idle
    activity_since:
      description:
        - The time when the activity began, in seconds since the epoch, as far as codex has recorded it. Otherwise the time of the last
          change in the conversation, or of the launch.
        - V(null) for a session that is not running and whose end is not known.
      type: int
      sample: 1795343649
    turn:
      description:
        - The state of the last turn, V(open), V(complete), V(interrupted) (by a user) or V(failed). V(null) before the
          first message. A turn stays V(open) if codex was killed.
      type: str
      sample: complete
    turns:
      description: The number of turns that have started. V(null) for a conversation of more than 256 MiB.
      type: int
      sample: 3
    turns_ended:
      description: The number of turns that have ended. V(null) for a conversation of more than 256 MiB.
      type: int
      sample: 3
    error:
      description:
        - The error of the last turn, the error that codex printed when it ended with one, or the reason for
          RV(sessions[].status=unknown). Otherwise V(null). codex 0.142.5 only shows the error of a turn on the screen.
      type: str
      sample: null
    message:
      description: The last message of the agent, up to 4000 characters. V(null) without a recent message.
      type: str
      sample: The test is written and passes.
    tokens:
      description: The token usage of the conversation as counted by codex. V(null) before the model's first answer.
      type: dict
      contains:
        total:
          description: The usage of the whole conversation, with C(input_tokens), C(output_tokens), C(total_tokens) and more.
          type: dict
        last:
          description: The usage of the last request, with the same keys.
          type: dict
      sample:
        total: {input_tokens: 25172, cached_input_tokens: 0, output_tokens: 96, reasoning_output_tokens: 0, total_tokens: 25268}
        last: {input_tokens: 12640, cached_input_tokens: 0, output_tokens: 46, reasoning_output_tokens: 0, total_tokens: 12686}
    usage_limit:
      description:
        - The account's usage limit, as codex recorded it with the last answer of the model. Of two limits, the more used one.
        - V(null) if codex has not recorded a limit, for example because it uses an API key.
      type: dict
      contains:
        used_percent:
          description: The used percentage of the limit.
          type: float
        resets_at:
          description: The time when the limit is reset, in seconds since the epoch.
          type: int
        window_minutes:
          description: The period of the limit in minutes.
          type: int
      sample: {used_percent: 95.0, resets_at: 1795361600, window_minutes: 300}
    mcp_failures:
      description:
        - The MCP servers that codex could not start since its launch, up to 20. codex continues without their tools. The list
          is empty unless the session is running.
        - codex 0.169.0 writes failures to its log several seconds later. codex 0.142.5 only shows them on the screen, so with that
          version they are lost when they leave the scrollback.
      type: list
      elements: dict
      contains:
        name:
          description: The name of the server.
          type: str
        message:
          description: The error, up to 300 characters, without credentials.
          type: str
      sample:
        - {name: issues, message: "No such file or directory (os error 2)"}
    started_at:
      description: The time when the session was launched, in seconds since the epoch. V(null) if no launch was completed.
      type: int
      sample: 1795343648
    updated_at:
      description: The time of the last activity in the conversation, in seconds since the epoch. V(null) before the first message.
      type: int
      sample: 1795343649
    log:
      description:
        - The last line of C(optio.log) (see RV(sessions[].log_path)), written by the agent or, when codex ends, by the launcher.
          V(null) if there is none.
      type: str
      sample: "STATUS: [60%] writing the test"
    progress:
      description:
        - The progress that the agent reported in C(optio.log). Each value is from the last line of its kind in the last
          64 KiB of the log. The outcome can also be from the agent's last message. Lines that the launcher adds when codex ends
          do not count.
      type: dict
      contains:
        percent:
          description: The percentage of the work that is done, from C(STATUS). V(null) if it was not reported.
          type: int
        status:
          description: The text of C(STATUS).
          type: str
        attention:
          description: The text of C(ATTENTION), which requests the attention of a user.
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
      description: The file below the session's home in which codex records the conversation, V(null) before the first message.
      type: str
      sample: /srv/sessions/review/home/.codex/sessions/2026/11/22/rollout-2026-11-22T10-00-00-01a202d2-04bc-7371-ae76-9a22157469e5.jsonl
    disk_usage:
      description: The disk usage in bytes.
      type: dict
      contains:
        rollout:
          description: The size of the rollout. V(null) if there is none.
          type: int
        workdir:
          description: The workdir. V(null) unless O(include_disk_usage=true).
          type: int
        home:
          description: Only the home. V(null) unless O(include_disk_usage=true).
          type: int
      sample: {rollout: 17634, workdir: null, home: null}
    transcript:
      description: The last messages and tool calls, from oldest to newest.
      returned: O(transcript_entries) is more than 0
      type: list
      elements: dict
      contains:
        time:
          description: The time, as recorded by codex.
          type: str
        who:
          description: V(user), V(agent) or V(tool).
          type: str
        text:
          description: The message, or the name of the tool and its arguments, up to 4000 characters.
          type: str
      sample:
        - {time: "2026-11-22T10:28:30.272Z", who: user, text: "Which tests are missing?"}
    terminal:
      description: The state of the browser terminal, V(running) or V(dead). V(null) for a terminal of the package C(optio-codex).
      type: str
      sample: running
    screen:
      description: The text of the screen, of a session that ended with an error its last screen. Otherwise V(null).
      returned: O(include_screen=true)
      type: str
      sample: "› Ask Codex to do anything"
    tmux_socket:
      description: The socket of the session's tmux server, which has one tmux session, V(optio).
      type: str
      sample: /run/optio-codex/review/tmux.sock
    terminal_socket:
      description: The socket of the terminal. V(null) if it listens on TCP.
      type: str
      sample: /run/optio-codex/review/ttyd.sock
    terminal_watch_socket:
      description: The socket of the second, read-only terminal. V(null) unless there are two terminals.
      type: str
      sample: null
    url_path:
      description:
        - The URL path of the terminal's page behind the tunnel or the gateway. V(null) for a terminal of the package.
      type: str
      sample: /
    address:
      description: The address that the terminal listens on. V(null) if it listens on a socket.
      type: str
      sample: null
    port:
      description: The port of the terminal. V(null) if it listens on a socket.
      type: int
      sample: null
    url:
      description: The URL of the terminal while the session runs. V(null) if it listens on a socket.
      type: str
      sample: null
    attach_command:
      description: The command that shows the session in a terminal. V(null) unless the session is running.
      type: str
      sample: ssh -t alice@worker1 tmux -S /run/optio-codex/review/tmux.sock -f /dev/null attach-session -t optio
    tunnel_command:
      description:
        - The command that forwards the terminal to a port of the local machine. The port is the same in every call.
        - V(null) unless the session is running, and if a tunnel is not needed.
      type: str
      sample: ssh -N -L 127.0.0.1:19836:/run/optio-codex/review/ttyd.sock alice@worker1
    gateway_url:
      description:
        - The address of the terminal on the gateway of the worker. V(null) unless the session is running, its terminal is for
          web servers, and the host has variables of the role P(optio.codex.codex_gateway#role).
        - The host name is the first one in C(codex_gateway_server_name), or the address of the worker in the inventory.
      type: str
      sample: https://codex.example.com/type/review/
    user:
      description: The user that owns the session.
      type: str
      sample: alice
    supervisor:
      description: The supervisor of the session's processes, V(systemd), V(systemd-user) or V(detached).
      type: str
      sample: systemd
    pid:
      description: The process ID of codex. V(null) unless codex is running.
      type: int
      sample: 30105
    exit_status:
      description: The exit status of codex. V(null) before codex has ended.
      type: int
      sample: 0
    ended_at:
      description: The time when codex ended, in seconds since the epoch. V(null) before codex has ended.
      type: int
      sample: null
    session_id:
      description: The ID of the conversation. V(null) before the first message.
      type: str
      sample: 01a202d2-04bc-7371-ae76-9a22157469e5
    version:
      description: The version of codex. V(null) if codex is not installed in a cache of this collection.
      type: str
      sample: 0.169.0
    worker_version:
      description:
        - The version of codex that is now in the cache from which the session was launched. If it is newer than RV(sessions[].version), the
          session uses it after a restart. V(null) if codex is not installed in a cache of this collection.
      type: str
      sample: 0.169.0
    session_dir:
      description: The session directory, which holds the session's record.
      type: str
      sample: /home/alice/.local/share/optio-codex/review
    workdir:
      description: The directory that codex works in.
      type: str
      sample: /home/alice/.local/share/optio-codex/review/workdir
    codex_path:
      description: The path that codex is started by, unique to the session.
      type: str
      sample: /home/alice/.local/share/optio-codex/review/workdir/home/.local/bin/codex
    home:
      description: The C(HOME) of codex, which contains its C(CODEX_HOME), C(.codex).
      type: str
      sample: /home/alice/.local/share/optio-codex/review/home
    log_path:
      description: The C(optio.log) that the agent writes.
      type: str
      sample: /home/alice/.local/share/optio-codex/review/workdir/optio.log
    prompt_given:
      description: V(yes), V(no) or V(unknown). See M(optio.codex.session).
      type: str
      sample: "yes"
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.optio.codex.plugins.module_utils._core.runner import run_module
from ansible_collections.optio.codex.plugins.module_utils._monitor.session_info import RESOURCE


def main() -> None:
    """Run the module."""
    module = AnsibleModule(supports_check_mode=True, **RESOURCE.specification.to_kwargs())
    run_module(module, RESOURCE)


if __name__ == "__main__":
    main()
