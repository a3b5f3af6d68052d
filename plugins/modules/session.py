#!/usr/bin/python
# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Manage the lifecycle of codex sessions."""

from __future__ import annotations

DOCUMENTATION = r"""
module: session
short_description: Run OpenAI codex sessions on a worker
version_added: 1.0.0
description:
  - Starts, restarts, stops or removes one codex session, or several, on a worker.
  - A session consists of codex's terminal interface in a dedicated tmux server, and a ttyd that shows the terminal in a
    browser. Its home is in its session directory, so it is isolated from the user's own codex and from the workdir.
  - One call creates the workdir, clones the repository, writes C(AGENTS.md) and C(config.toml), trusts the workdir and
    launches codex. M(optio.codex.workspace) only prepares the files.
  - The session keeps running when the connection that launched it ends.
  - A session has one of these statuses. V(running); V(finished) if codex ended by itself and its exit status is recorded;
    V(stopped) if this module ended it; V(lost) if it ended without an exit status, as after a reboot; V(damaged) if its record
    is gone although it was given a prompt; V(absent) if it has no record.
options:
  state:
    description:
      - V(started) ensures that the session is running or has run. The action depends on the session's status.
      - If the status is V(absent), the files are created and codex is launched. The module waits until codex accepts input
        for a limited time. If this fails, everything that this call created is removed, and the error includes codex's last
        screen.
      - If the status is V(running), the session is adopted and codex is not touched. A terminal that died is started
        again with its previous options and port. Options that differ from those of the launch are returned in RV(drift)
        with a warning, and are only applied if O(restart_on_drift=true). O(instructions), O(config) and O(repository) are
        not compared.
      - A launch that was interrupted is completed by the next run. The prompt is given if codex was not started with it.
      - If the status is V(stopped), V(lost), V(damaged) or V(finished), O(resume) determines whether the conversation is resumed. A session
        that is not resumed is reported as it ended, and nothing changes.
      - V(restarted) stops a session that is V(running), as V(stopped) does, and resumes its conversation with the options of
        this call, as O(resume=always) does. It resumes an ended session, and launches an absent session. If
        codex does not start again, the session stays V(stopped). This state reports a change on every run. To restart only
        if options differ, use O(restart_on_drift).
      - V(upgraded) puts a running session on the codex and the ttyd of the worker. A session whose codex differs is restarted if no turn is
        under way. It continues its conversation with the options of its launch, as with O(keep_options=true), receives no message, and
        keeps its C(optio.log). A session in a turn is not changed, and neither is a session with text in its composer that was not
        submitted, a session that is not running, or a session whose codex is not a release in a cache unless O(codex_dir) is set. If
        codex does not accept input again, the session is put back on its earlier codex, and the module fails. A different ttyd only
        replaces the terminal. RV(upgrade) shows the result.
      - V(stopped) ensures that no process of the session is running. codex receives SIGTERM and has O(stop_timeout) seconds to
        save its state. The processes that it started are ended too, including programs that moved to other process sessions.
        Processes that had to be killed are returned in RV(killed_processes). The files and the record are kept, so the
        session can be resumed. If processes survive, the module fails and lists them. Remaining processes of a session
        whose files were removed are ended as well. A session that ended by itself keeps its status.
      - V(absent) does the same as V(stopped), and also removes the record and the sockets. The workdir and its files are
        kept unless O(purge=true).
      - Stopping or removing a session that does not exist changes nothing.
    type: str
    choices: [started, restarted, upgraded, stopped, absent]
    default: started
  prompt:
    description:
      - The first message to codex, passed at launch. If omitted, codex waits for a message from
        M(optio.codex.session_message) or from the terminal.
      - A prompt is given at most once. This is recorded right before codex starts with it, and once more outside of the session
        directory. A conversation, home or record that is missing or damaged does not change this, and neither does a session
        directory that the agent removed. RV(prompt_given) shows it. It is not compared on later runs.
      - The prompt is on codex's command line, which every user of the worker can read. Do not put secrets in it.
      - An empty string is the same as omitting the option.
    type: str
  auto_start:
    description:
      - If V(true) and O(prompt) is not set, the prompt is C(Read AGENTS.md and execute the task it describes). In a workdir
        that was set with O(workdir), and in a clone, it names the copy of O(instructions) by its path instead.
    type: bool
    default: false
  resume:
    description:
      - Determines which ended sessions O(state=started) resumes, each by the id of its conversation.
      - V(auto) resumes a session that is V(stopped), V(lost) or V(damaged), and a V(finished) session if codex was ended by a signal
        that this module did not send (an exit status from 129 to 192), as after a reboot, a lack of memory or a C(kill). A
        session that ended by itself is left unchanged and reported. A session that is V(lost) or V(damaged) or was ended by a signal is
        resumed at most 3 times in 10 minutes; after that it is left unchanged, with a warning.
      - V(always) resumes every ended session, without a limit.
      - V(never) does not resume sessions.
      - "codex receives C(System: you have been resumed) instead of any prompt. If O(instructions) differ, the message also
        asks it to read them again."
      - If codex recorded no conversation, a new one is started and RV(resumed) is V(false). It receives O(prompt) only if no
        earlier launch had a prompt. A warning reports both.
      - Remaining processes of the last run are ended first. Its C(optio.log) is appended to C(optio.log.old), so that an earlier
        C(DONE) does not end this run. The new line in C(resume.log) lists C(AGENTS.md) if O(instructions) differ.
      - The launch uses the options of this call, which can differ from those of the first launch, unless
        O(keep_options=true).
      - A session that was adopted from the Python package and is V(lost) is resumed only by V(always), because it may have
        ended by itself.
      - Has no effect on a session that is V(running) or V(absent).
    type: str
    choices: [auto, always, never]
    default: auto
  purge:
    description:
      - With O(state=absent), also removes the session directory, including a workdir in it. A workdir that was set with O(workdir)
        is not changed.
      - Has no effect with any other state.
      - Fails before anything is stopped or removed if the session has a ChatGPT login that exists nowhere else, unless
        O(discard_login=true).
    type: bool
    default: false
  discard_login:
    description:
      - With O(purge=true), determines whether to remove a ChatGPT login that exists on the worker alone.
      - codex renews the tokens of a login by itself, and every other copy becomes invalid. A login has a copy if it was written by
        M(optio.codex.credential) and is unchanged, or if M(optio.codex.credential_fetch) has saved it to a place that outlasts the run.
    type: bool
    default: false
  adopt:
    description:
      - If V(true), records a live session of the Python package C(optio-codex), so that all modules can manage it by name.
        codex and the package's terminal are not touched.
      - The session is found by its workdir, which is O(workdir) or C(workdir) in the session directory, spelled as in the
        package, and by its tmux socket, C(/tmp/optio-cx-<digest of the workdir>.sock).
      - The socket must be owned by O(user) and must not be a symbolic link, because it is in a world-writable directory.
        Otherwise nothing is sent to it, and the module fails. The module also fails if no session is running there. Sessions
        that the package runs without a terminal (its conversation mode) are not supported.
      - Other launch options are neither used nor compared, and RV(drift) is empty as long as the session runs. The
        terminal belongs to the package, so RV(url), RV(terminal_socket) and RV(tunnel_command) are V(null). Use
        RV(attach_command) to reach it.
      - Once it has ended, the session is V(lost), because the package does not record an exit status outside the directories
        that codex can write. With O(state=stopped) it is V(stopped). With O(resume=always) it is then resumed as a session of
        this collection, with the options of this call. O(state=restarted) does both, once the session is recorded.
        O(keep_options) fails in this case, because the options of its launch are not known.
      - An engine of the package that still monitors the session treats its termination as the end of the task, and may
        remove the workdir.
      - Has no effect on a session that is already recorded. If V(false), a live session of the package in the workdir
        prevents a launch there.
    type: bool
    default: false
  keep_options:
    description:
      - If V(true), resumes or restarts the session with the options of its launch instead of those of this call. This applies to
        the model, the approval policy, the sandbox with its options, the git identity, the trust of the workdir, the terminal, the
        environment and the limits. O(instructions) are still taken from this call.
      - Use it to resume sessions that were launched by other plays. A session that is V(absent) is launched with the
        options of this call.
    type: bool
    default: false
  restart_on_drift:
    description:
      - If V(true), restarts a running session whose options differ from those of this call, as O(state=restarted) does. A
        session that does not differ is left unchanged.
      - RV(drift) lists the options that are compared.
    type: bool
    default: false
notes:
  - A prompt is never replayed. However often a play runs, a session receives its prompt only at its first launch.
    To send it again, remove the session (O(state=absent)) and start it, or use M(optio.codex.session_message).
  - Sessions that root launches, and all sessions of a user whose systemd can linger, are transient systemd units if systemd is
    running. All others are detached processes. RV(supervisor) shows which. They do not restart after a reboot; the next run of
    the play resumes them.
  - A session is adopted, repaired and ended with the supervisor that it was launched with, even if the worker has
    changed since.
  - From the environment of the Ansible task, codex receives only C(TZ), C(TERMINFO), C(LC_CTYPE), C(LANG) (a UTF-8 locale,
    C(C.UTF-8) unless it is set to one), C(SSL_CERT_FILE), C(SSL_CERT_DIR), C(NODE_EXTRA_CA_CERTS) and C(http_proxy),
    C(https_proxy), C(no_proxy) and C(all_proxy) in lower and upper case, in addition to C(PATH), C(SHELL), C(USER) and
    C(LOGNAME). It does not receive credentials from the environment of the task. Set the variables that it needs in
    O(environment).
  - A session does not wait for an answer to codex's questions about a newer model, about hooks and about a cheaper model near a usage
    limit. The launch answers them on codex's command line. The installed codex is asked for its models, and for its hooks if O(config)
    or a trusted workdir has any. RV(acknowledged) lists the answers. Settings in C(notice) and C(hooks.state) of O(config) take
    precedence. If codex asks anything else before it accepts input, the module fails with codex's screen.
  - Put secrets in O(environment), which is stored in a file of mode C(0600). O(config) and O(instructions) are files that
    codex itself reads, and O(prompt) is on a command line.
  - The terminal checks the C(Origin) header of connections, so that other web pages cannot open it in a user's browser. A
    proxy in front of it must forward C(Host) and C(Origin).
  - The agent can write to C(optio.log), so use RV(exit_status) rather than the log to determine the outcome.
  - The path of a socket is limited to 107 bytes. The module fails if O(sessions_dir) is too long.
  - Several runs that change the same session wait for each other, up to 120 seconds.
  - Neither the diff nor the returned values contain O(environment) or O(config).
requirements:
  - tmux on the worker, and git for O(repository).
  - codex and ttyd, as installed by M(optio.codex.codex_release) and M(optio.codex.ttyd_release).
  - In check mode a missing program is reported as a warning. Otherwise it is an error before anything changes.
extends_documentation_fragment:
  - optio.codex.attributes
  - optio.codex.attributes.actiongroup_session
  - optio.codex.attributes.probe
  - optio.codex.location
  - optio.codex.location.many
  - optio.codex.location.workdir
  - optio.codex.location.content
  - optio.codex.launch
seealso:
  - ref: ansible_collections.optio.codex.docsite.guide_sessions
    description: The guide to sessions. Its section "Files, sockets and units" describes the files and units of a session on the worker.
  - module: optio.codex.session_info
  - module: optio.codex.session_message
  - module: optio.codex.workspace
  - module: optio.codex.trust
  - module: optio.codex.codex_release
  - module: optio.codex.ttyd_release
author:
  - The optio.codex contributors (@optio-codex)
"""

EXAMPLES = r"""
- name: Start a session that waits for its first message
  optio.codex.session:
    name: review

- name: Clone a repository and start working on the instructions at once
  optio.codex.session:
    name: payments-1412
    repository:
      url: https://git.example.com/payments.git
      version: main
    instructions: |
      Fix issue 1412. Write a test that fails first. Commit on a branch of your own.
    git_writable: true
    git_identity:
      name: Codex
      email: codex@example.com
    auto_start: true
  register: payments

- name: Review a pull request of a private repository with its submodules
  optio.codex.session:
    name: review-1414
    repository:
      url: https://git.example.com/payments.git
      version: refs/pull/1414/head
      depth: 1
      submodules: true
      token: "{{ git_token }}"
    prompt: Review the newest commit.

- name: Show the command for watching the session in a browser
  ansible.builtin.debug:
    msg: "{{ payments.tunnel_command }}"

- name: Use a custom model provider, with its key in the environment
  optio.codex.session:
    name: triage
    prompt: Sort the open issues by what they break.
    config:
      model: large
      model_provider: gateway
      model_providers:
        gateway:
          name: gateway
          base_url: https://llm.example.com/v1
          wire_api: responses
          env_key: GATEWAY_KEY
    environment:
      GATEWAY_KEY: "{{ gateway_key }}"

- name: As root, start a session of another user as a systemd unit
  optio.codex.session:
    name: nightly
    user: codex
    sessions_dir: /srv/codex
    memory_max: 4G
    cpu_quota: 200%
    prompt: Update the dependencies and run the tests.
  become: true

- name: Review an existing checkout without using its codex configuration
  optio.codex.session:
    name: audit
    workdir: /srv/checkouts/vendor
    trust: untrusted
    sandbox: read-only

- name: Adopt a session of the Python package optio-codex
  optio.codex.session:
    name: migrated
    workdir: /home/alice/.local/share/optio-codex/migrated/workdir
    user: alice
    adopt: true
  become: true

- name: Start a writable terminal for clients with a certificate of the site's authority
  optio.codex.session:
    name: pair
    terminal:
      listen: tcp
      address: 10.0.0.12
      port: 7681
      writable: true
      tls_certificate: /etc/codex/worker.pem
      tls_key: /etc/codex/worker.key
      tls_client_ca: /etc/codex/people.pem

- name: Post an event when the session waits for a person, is done, has failed or has reached a usage limit
  optio.codex.session:
    name: fix-1412
    prompt: Fix issue 1412 and run the tests
    webhook:
      url: https://eda.example.com:5000/codex
      token: "{{ vault_eda_token }}"
      data:
        host: "{{ inventory_hostname }}"

- name: Start a terminal for the gateway, with separate access for typing and watching
  optio.codex.session:
    name: shared
    user: codex
    terminal:
      group: www-data
      writable: true
  become: true

- name: Resume a session even if it ended by itself
  optio.codex.session:
    name: payments-1412
    resume: always

- name: Restart the session with another model if its model differs
  optio.codex.session:
    name: payments-1412
    model: large
    restart_on_drift: true

- name: Restart the session on the codex of the worker, unless it is working
  optio.codex.session:
    name: payments-1412
    state: upgraded

- name: Start several sessions with different instructions
  optio.codex.session:
    repository:
      url: https://git.example.com/payments.git
    auto_start: true
    sessions:
      - name: payments-1412
        instructions: Fix issue 1412.
      - name: payments-1413
        instructions: Fix issue 1413.
        model: large
      - name: payments-triage
        instructions: Sort the open issues by what they break.
        sandbox: read-only
  register: payments

- name: Show the command for watching each session
  ansible.builtin.debug:
    msg: "{{ payments.sessions | items2dict(key_name='name', value_name='tunnel_command') }}"

- name: Stop the session so that it can be resumed
  optio.codex.session:
    name: payments-1412
    state: stopped

- name: Remove the session
  optio.codex.session:
    name: payments-1412
    state: absent

- name: Remove the files of the session too
  optio.codex.workspace:
    name: payments-1412
    state: absent
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
status:
  description:
    - The status of the session after the run, one of V(running), V(finished), V(stopped), V(lost) and V(absent).
    - In check mode, the predicted status.
  returned: success
  type: str
  sample: running
drift:
  description:
    - The options of a running session that differ from the requested options. If the run restarted the session, they have
      been applied.
  returned: O(state=started), O(state=restarted) or O(state=upgraded)
  type: list
  elements: dict
  contains:
    option:
      description: The name of the option.
      type: str
    current:
      description: Its value in the running session.
      type: raw
    requested:
      description: The requested value.
      type: raw
  sample:
    - option: sandbox
      current: workspace-write
      requested: read-only
upgrade:
  description: What became of the session. Programs are named by their version, or by their path if they are not in a cache.
  returned: O(state=upgraded), also if the session failed to start
  type: dict
  contains:
    status:
      description:
        - V(upgraded) if codex or the terminal was replaced, V(current) if there was nothing to do, V(busy) if a turn is under way, codex
          waits for a person, or its composer contains text that was not submitted, V(ended) if the session is not running, V(skipped)
          if its codex cannot be replaced, V(restored) if codex did not start and the session is back on its earlier codex, or V(failed).
      type: str
    reason:
      description: The reason why codex was not replaced. V(null) if it was, or if it is the codex of the worker.
      type: str
    codex_before:
      description: The codex of the session before.
      type: str
    codex_after:
      description: The codex that replaces it. V(null) if it is not to be replaced.
      type: str
    ttyd_before:
      description: The ttyd of the terminal before. V(null) without a terminal.
      type: str
    ttyd_after:
      description: The ttyd that replaces it. V(null) if it is not to be replaced.
      type: str
    draft:
      description: Whether the composer contains text that was not submitted, which a restart would discard.
      type: bool
  sample:
    status: upgraded
    reason: null
    codex_before: 0.142.5
    codex_after: 0.169.0
    ttyd_before: 1.7.7
    ttyd_after: null
    draft: false
trust:
  description:
    - V(trusted), V(untrusted) or V(none), as of the launch. V(unknown) in check mode if the repository is not cloned yet. V(null) if
      it was not recorded.
  returned: O(state=started), O(state=restarted) or O(state=upgraded)
  type: str
  sample: untrusted
project_config:
  description:
    - The contents of the workdir's C(.codex) at launch that codex uses if the workdir is trusted, at most 100 entries. Empty if the
      workdir has no C(.codex).
    - Settings that codex ignores in projects (C(notify), C(otel), profiles and model providers) are not included.
  returned: O(state=started), O(state=restarted) or O(state=upgraded)
  type: list
  elements: dict
  contains:
    path:
      description: The path of the file, relative to the workdir.
      type: str
    kind:
      description:
        - V(mcp_server), V(hook), V(setting) (another key of C(config.toml)), V(rules), V(file), or V(unreadable) for entries that
          could not be read.
      type: str
    name:
      description: The name of the server or of the setting, or the event of the hook.
      type: str
    command:
      description: The command, or the URL of the server. Values that look like keys are masked.
      type: str
    problem:
      description: The reason why it could not be read.
      type: str
  sample:
    - path: .codex/config.toml
      kind: mcp_server
      name: tools
      command: npx -y some-server
      problem: null
acknowledged:
  description:
    - The questions of codex that the launch answered, so that the session does not wait for a user. They are answered on codex's command
      line, before codex asks.
    - In check mode, only the hooks that O(config) and the workdir declare, because the other questions are known to codex only. Some
      of these hooks may not be supported by the version of codex.
  returned: O(state=started), O(state=restarted) or O(state=upgraded)
  type: list
  elements: dict
  contains:
    question:
      description:
        - V(model_migration) if codex recommends another model. The session keeps its model.
        - V(hook) for each hook that runs without a review in the terminal.
        - V(folder_access) if codex asked whether to continue in a workdir that is not trusted. It continues in restricted mode.
      type: str
    name:
      description: The model that the session keeps, the event of the hook, or the workdir. V(null) if it is not known.
      type: str
    detail:
      description:
        - The recommended model, the command of the hook (values that look like keys are masked), or V(restricted). V(null) if it is not
          known.
      type: str
  sample:
    - question: model_migration
      name: gpt-5.5
      detail: gpt-6-sol
permission_profile:
  description:
    - Whether the commands of codex run with a permission profile, which hides the credentials of all sessions in O(sessions_dir) from them.
    - V(false) with O(sandbox=danger-full-access), with a codex that has no permission profiles, with a path that codex would read as a
      pattern, and for sessions that the Python package launched.
  returned: O(state=started), O(state=restarted) or O(state=upgraded)
  type: bool
  sample: true
unenforced_limits:
  description: The limits, such as O(memory_max), that have no effect on this session.
  returned: O(state=started), O(state=restarted) or O(state=upgraded)
  type: list
  elements: str
  sample: []
resumed:
  description: Whether this run resumed the previous conversation.
  returned: O(state=started), O(state=restarted) or O(state=upgraded)
  type: bool
  sample: false
killed_processes:
  description: The processes that did not end in time after SIGTERM and were killed. Empty if no session was ended.
  returned: success
  type: list
  elements: dict
  contains:
    pid:
      description: The process ID.
      type: int
    command:
      description: The beginning of its command line.
      type: str
  sample: []
tmux_socket:
  description: The socket of the session's tmux server. Its only tmux session is named V(optio).
  returned: success
  type: str
  sample: /run/optio-codex/review/tmux.sock
terminal_socket:
  description: The socket of the terminal. V(null) if it listens on TCP or belongs to the package (O(adopt)).
  returned: success
  type: str
  sample: /run/optio-codex/review/ttyd.sock
terminal_watch_socket:
  description: The socket of the second, read-only terminal. V(null) unless there are two terminals.
  returned: success
  type: str
  sample: null
url_path:
  description:
    - The URL path of the terminal's page behind the tunnel or the gateway. V(null) for a terminal of the package.
  returned: success
  type: str
  sample: /
address:
  description: The address that the terminal listens on. V(null) if it listens on a socket.
  returned: success
  type: str
  sample: null
port:
  description: The port of the terminal. V(null) if it listens on a socket or the port is not chosen yet.
  returned: success
  type: int
  sample: null
url:
  description: The URL of the terminal while the session runs. V(null) if it listens on a socket.
  returned: success
  type: str
  sample: null
attach_command:
  description: The command that shows the session in a terminal. V(null) unless the session is running.
  returned: success
  type: str
  sample: ssh -t alice@worker1 tmux -S /run/optio-codex/review/tmux.sock -f /dev/null attach-session -t optio
gateway_url:
  description:
    - The address of the terminal on the gateway of the worker. V(null) unless the session is running, its terminal is for web
      servers, and the host has variables of the role P(optio.codex.codex_gateway#role).
  returned: success
  type: str
  sample: https://codex.example.com/type/review/
tunnel_command:
  description:
    - The command that forwards the terminal to a port of the local machine. Open C(http://127.0.0.1:<port>) followed by
      RV(url_path) in a browser there. The port is the same in every call.
    - V(null) unless the session is running, if a tunnel is not needed, and for a terminal of the package (O(adopt)).
  returned: success
  type: str
  sample: ssh -N -L 127.0.0.1:19836:/run/optio-codex/review/ttyd.sock alice@worker1
user:
  description: The user that owns the session.
  returned: success
  type: str
  sample: alice
supervisor:
  description:
    - The supervisor of the session's processes. V(systemd) for units of the system, V(systemd-user) for units of the user's own
      systemd, and V(detached) for detached processes.
  returned: success
  type: str
  sample: systemd
pid:
  description: The process ID of codex. V(null) unless codex is running, and in check mode before a launch.
  returned: success
  type: int
  sample: 30105
exit_status:
  description:
    - The exit status of codex. V(null) before codex has ended.
    - Usually V(143) if this module stopped codex. The run that stops it does not wait until this is recorded.
  returned: success
  type: int
  sample: 0
ended_at:
  description: The time when codex ended, in seconds since the epoch. V(null) before codex has ended.
  returned: success
  type: int
  sample: 1795343649
session_id:
  description: The ID of the conversation. V(null) before the first message is recorded.
  returned: success
  type: str
  sample: 01a202d2-04bc-7371-ae76-9a22157469e5
version:
  description: The version of codex. V(null) if codex is not installed in a cache of this collection.
  returned: success
  type: str
  sample: 0.169.0
session_dir:
  description: The session directory, which holds the session's record.
  returned: success
  type: str
  sample: /home/alice/.local/share/optio-codex/review
workdir:
  description: The directory that codex works in, without symbolic links.
  returned: success
  type: str
  sample: /home/alice/.local/share/optio-codex/review/workdir
codex_path:
  description: The path that codex is started by, unique to the session.
  returned: success
  type: str
  sample: /home/alice/.local/share/optio-codex/review/workdir/home/.local/bin/codex
home:
  description: The C(HOME) of codex, which contains its C(CODEX_HOME), C(.codex).
  returned: success
  type: str
  sample: /home/alice/.local/share/optio-codex/review/home
log_path:
  description:
    - The C(optio.log) that the agent writes. It is in the workdir if the session created the workdir, and otherwise in the
      C(agent) directory of the session.
  returned: success
  type: str
  sample: /home/alice/.local/share/optio-codex/review/workdir/optio.log
prompt_given:
  description:
    - Whether codex was given the prompt of the session.
    - V(yes); V(no) if it had none, or if its launch did not come that far; V(unknown) if the launch ended before a
      conversation was recorded. A prompt is only given while this is V(no).
  returned: success
  type: str
  sample: "yes"
actions:
  description: The actions that were performed, or that would be performed in check mode, in order. Empty if there was nothing to do.
  returned: success
  type: list
  elements: dict
  contains:
    kind:
      description:
        - The action. V(create), V(clone), V(link), V(write), V(publish) and V(remove) change files. V(publish) writes where the
          agent can write.
        - V(rotate) and V(append) change the logs. V(copy) copies the record out of the session directory, and V(complete)
          records a launch that was interrupted.
        - V(create_runtime) and V(remove_runtime) change a directory of sockets.
        - V(start) and V(stop) apply to codex, V(open) and V(close) to the terminal, and V(forget) to the record.
        - V(reconnect) makes the tmux server of a running session listen again after its socket was removed or replaced.
      type: str
    target:
      description: The path that is changed, or the address of the terminal.
      type: str
  sample:
    - kind: start
      target: /run/optio-codex/review/tmux.sock
    - kind: open
      target: /run/optio-codex/review/ttyd.sock
"""

from ansible_collections.optio.codex.plugins.module_utils._core.ansible_module import UnloggedModule
from ansible_collections.optio.codex.plugins.module_utils._core.batch_runner import run_batch_module
from ansible_collections.optio.codex.plugins.module_utils._launch.module import RESOURCE


def main() -> None:
    """Run the module."""
    module = UnloggedModule(resource=RESOURCE, supports_check_mode=True, **RESOURCE.specification.to_kwargs())
    run_batch_module(module, RESOURCE)


if __name__ == "__main__":
    main()
