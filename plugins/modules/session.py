#!/usr/bin/python
# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One codex session started, stopped or gone."""

from __future__ import annotations

DOCUMENTATION = r"""
module: session
short_description: Run OpenAI codex sessions on a worker
version_added: 0.1.0
description:
  - Ensures that one codex session, or each of several, runs on a worker, that it is stopped, or that it is gone.
  - A session is codex's own terminal interface in a tmux server of its own, and a ttyd that shows the terminal in a
    browser. It has a home of its own inside its workdir, so that nothing of it mixes with the user's own codex.
  - One call makes the workdir, clones the repository, writes C(AGENTS.md) and C(config.toml), trusts the workdir and
    launches codex. M(optio.codex.workspace) does only the first part.
  - The session lives on when the connection that launched it ends.
  - A session has one of these statuses. V(running); V(finished), when codex has ended by itself, with its
    exit status on record; V(stopped), when this module has ended it; V(lost), when it is gone and left no exit status,
    as after a reboot; V(absent), when there is no record of it.
options:
  state:
    description:
      - V(started) ensures that the session runs or has run. What it does depends on the session's status.
      - When it is V(absent), everything is made and codex is launched. The module waits until codex takes input
        (O(ready_timeout)). When that fails, everything that this call has made is taken back, and the error
        shows codex's last screen.
      - When it is V(running), it is adopted. codex is not touched. A terminal that has died is started
        again, with the options and the port that it had. Options that differ from those of the launch are
        returned in RV(drift) and warned of, and not applied unless O(recreate=true). O(instructions), O(config) and
        O(repository) are not looked at.
      - When it is V(finished), V(stopped) or V(lost), it is returned as it ended, and nothing changes, unless
        O(resume=true).
      - V(restarted) ends a session that is V(running), as V(stopped) does, and goes on with its conversation by the options
        of this call, as O(resume=true) does. It resumes one that has ended, and launches one that is V(absent). When
        codex does not come up again, the session stays V(stopped). It changes something on every run. To restart only
        when options differ, use O(recreate).
      - V(stopped) ensures that nothing of the session runs. codex gets a TERM and O(stop_timeout) seconds to save its
        state. What it started goes with it, programs that moved to sessions of their own included. What had to be killed
        is in RV(stubborn). The files and the record stay, so that the session can be resumed. The module fails, naming
        them, when processes survive. It also ends what runs of a session whose files somebody has removed.
        A session that has ended by itself keeps its status.
      - V(absent) is V(stopped), and removes the record and the sockets too. The workdir and what is in it stay.
        M(optio.codex.workspace) with C(state=absent) removes them.
      - Stopping or removing a session that does not exist changes nothing.
    type: str
    choices: [started, restarted, stopped, absent]
    default: started
  prompt:
    description:
      - The first message to codex, given at the launch. Without one codex waits for a message, by
        M(optio.codex.session_message) or in the terminal.
      - A prompt is given once. It is not compared on later runs, and it is never given to a session that is running,
        has ended or goes on with a conversation.
      - It is on codex's command line, which every user of the worker can read. Put no secret in it.
      - An empty string means the same as leaving the option out.
    type: str
  auto_start:
    description:
      - Give codex the prompt C(Read AGENTS.md and execute the task it describes) when O(prompt) is not set.
    type: bool
    default: false
  resume:
    description:
      - Go on with the conversation of a session that is V(finished), V(stopped) or V(lost), by its id.
      - "codex is told C(System: you have been resumed) in place of any prompt."
      - A session in which nothing was ever said, so that codex kept no record of a conversation, is started afresh, with
        O(prompt). RV(resumed) is V(false) then, and a warning says so.
      - What is left of the last run is ended first. Its C(optio.log) is added to C(optio.log.old), so that a C(DONE) of then
        does not end this run. C(AGENTS.md) is replaced when O(instructions) make another text, and the new line in
        C(resume.log) then names it.
      - The launch uses the options of this call, which need not be those of the first launch, unless O(keep_options=true).
      - Without effect on a session that is V(running) or V(absent).
    type: bool
    default: false
  adopt:
    description:
      - Put a live session of the Python package C(optio-codex) on record, so that all modules know it by its name. codex
        and the package's terminal are not touched.
      - The session is found by its workdir, which is O(workdir) or C(workdir) in the task's own directory, as the package
        spells it, and by its tmux socket, C(/tmp/optio-cx-<digest of the workdir>.sock).
      - The socket must be O(user)'s own and no link, for its place is one where every user of the worker can make files.
        Nothing is sent to any other, and the module fails. It fails too when no session runs there. What the package runs
        without a terminal (its conversation mode) is no session.
      - No other option of a launch is looked at or compared, and RV(drift) is empty as long as it runs. The terminal is the
        package's, so RV(url), RV(socket) and RV(tunnel) are V(null), and RV(attach) is the way to it.
      - Once it has ended, the session is V(lost), because the package records no exit status where codex cannot write. By
        O(state=stopped) it is V(stopped). With O(resume=true) it then goes on as a session of this collection, by the
        options of this call; O(state=restarted) does both, once it is on record. O(keep_options) fails there, because the
        options of its launch are not known.
      - An engine of the package that still watches the session takes its end for the end of its own task, and may remove
        the workdir.
      - Without effect on a session that is on record. Without this option, a live session of the package in the workdir
        keeps one from being launched there.
    type: bool
    default: false
  keep_options:
    description:
      - Resume or restart with the options that the session was launched with, whatever this call gives. These are
        O(model), O(approval_policy), O(sandbox), O(writable_roots), O(network_access), O(trust), O(terminal), O(environment)
        and the limits (O(memory_max), O(cpu_quota), O(tasks_max)). O(instructions) are still taken from this call.
      - For a run that resumes sessions that others have launched. A session that is V(absent) is launched with the
        options of this call.
    type: bool
    default: false
  recreate:
    description:
      - Restart a running session whose options differ from those of this call, as O(state=restarted) does. One
        that does not differ is left alone.
      - The options that are compared are those in RV(drift).
    type: bool
    default: false
notes:
  - A prompt is never replayed. However often a play runs, a session gets its prompt at its first launch alone.
    To give the task again, remove the session (O(state=absent)) and start it, or use M(optio.codex.session_message).
  - The sessions of root, and those that root launches for a O(user), are systemd units where systemd runs, named
    C(optio-codex@<name>.service), C(optio-ttyd@<name>.service) and, for the second terminal of a web server,
    C(optio-ttyd-watch@<name>.service). They are transient and do not come back after a
    reboot. Use O(resume=true) then.
  - The sessions of any other user are units of that user's own systemd, where one runs (RV(supervisor) is V(systemd-user)).
    A digest of the task's directory follows the name of these. The user's systemd is let linger at the first of them, as
    C(loginctl enable-linger) does, and this is taken back with the last one, unless somebody else had set it. Where the user
    may not linger, which polkit decides, a warning says so and the session is a detached process.
  - Everywhere else a session is a detached process (RV(supervisor) is V(detached)). With C(KillUserProcesses=yes) in
    C(logind.conf) systemd kills such processes when their user logs out. Launch as root with O(user) there.
  - A session is adopted, repaired and ended by what it was launched with, whatever the worker has become since.
  - codex gets from the environment of the task only C(TZ), C(TERMINFO), C(LC_CTYPE), C(LANG) (a UTF-8 locale,
    C(C.UTF-8) unless it is set to one), C(SSL_CERT_FILE), C(SSL_CERT_DIR), C(NODE_EXTRA_CA_CERTS) and C(http_proxy),
    C(https_proxy), C(no_proxy) and C(all_proxy) in lower and upper case, besides C(PATH), C(SHELL), C(USER) and
    C(LOGNAME). No credential of the task's environment reaches it. Give what it needs in O(environment).
  - Secrets belong in O(environment), which lies in a file of mode C(0600). O(config) and O(instructions) are files of
    the workdir, which codex itself reads, and O(prompt) is on a command line.
  - The terminal checks the C(Origin) of connections, so that no other web page can open it in somebody's browser. A
    proxy in front of it must pass C(Host) and C(Origin) on.
  - The task's own directory, C(<root>/<name>), holds what must be trusted, outside of what codex can write.
    C(session) is the record, C(environment) the variables, C(launch.sh) the script that runs codex, C(exit) its exit
    status and the time of its end, C(stopped) the mark of an end by this module, C(terminal) the process and port of
    ttyd, and C(ttyd.log) what it printed. C(watch) and C(watch.log) are those of the second terminal.
  - The workdir, C(<root>/<name>/workdir) by default, holds the session's home in C(home), C(AGENTS.md) and
    C(optio.log). At codex's end the launcher adds C(DONE) or C(ERROR) with codex's exit status to that log. The agent
    can write there too, so trust RV(exit_status) rather than the log. C(optio.log.old) holds the logs of earlier runs.
    C(resume.log) has one line for each start, C(YYYY-MM-DDTHH:MM:SSZ), and after C(REFRESHED:) the files that the agent
    shall read again.
  - The sockets are in C(/run/optio-codex/<name>) for sessions that root launches, and in C(<root>/.run) for all
    others, in a directory of mode C(0700). The path of a socket takes 107 bytes. A O(root) that is too long is
    refused.
  - Several runs that change one session wait for each other, up to 120 seconds.
  - The difference shown by C(--diff) and the returned values contain neither O(environment) nor O(config).
requirements:
  - tmux on the worker, and git for O(repository).
  - codex and ttyd, as M(optio.codex.codex_release) and M(optio.codex.ttyd_release) provide them.
  - In check mode a missing program is a warning. In a real run it is an error before anything changes.
extends_documentation_fragment:
  - optio.codex.attributes
  - optio.codex.attributes.actiongroup_codex
  - optio.codex.attributes.probe
  - optio.codex.task
  - optio.codex.task.places
  - optio.codex.task.workdir
  - optio.codex.task.content
  - optio.codex.launch
seealso:
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
- name: A session that waits for its first message
  optio.codex.session:
    name: review

- name: A task in a repository, begun at once
  optio.codex.session:
    name: payments-1412
    repository:
      url: https://git.example.com/payments.git
      version: main
    instructions: |
      Fix issue 1412. Write a test that fails first. Commit on a branch of your own.
    auto_start: true
    network_access: true
  register: payments

- name: Show how to watch it in a browser
  ansible.builtin.debug:
    msg: "{{ payments.tunnel }}"

- name: A model provider of one's own, its key in the environment
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

- name: As root, a session of another user, as a systemd unit
  optio.codex.session:
    name: nightly
    user: codex
    root: /srv/codex
    memory_max: 4G
    cpu_quota: 200%
    prompt: Update the dependencies and run the tests.
  become: true

- name: An existing checkout, without executing what it configures
  optio.codex.session:
    name: audit
    workdir: /srv/checkouts/vendor
    trust: untrusted
    sandbox: read-only

- name: Take a session over from the Python package optio-codex, for its next message and its end
  optio.codex.session:
    name: migrated
    workdir: /home/alice/.local/share/optio-codex/migrated/workdir
    user: alice
    adopt: true
  become: true

- name: A terminal that can be typed in, by whoever has a certificate of the site's own authority
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

- name: A terminal for the gateway, in which some can type and some can only watch
  optio.codex.session:
    name: shared
    user: codex
    terminal:
      group: www-data
      writable: true
  become: true

- name: Go on after a reboot
  optio.codex.session:
    name: payments-1412
    resume: true

- name: Go on with another model, should it have another one now
  optio.codex.session:
    name: payments-1412
    model: large
    network_access: true
    recreate: true

- name: Several at once, which differ in their task
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

- name: Show how to watch each of them
  ansible.builtin.debug:
    msg: "{{ payments.sessions | items2dict(key_name='name', value_name='tunnel') }}"

- name: Stop it, to be resumed
  optio.codex.session:
    name: payments-1412
    state: stopped

- name: Remove the session
  optio.codex.session:
    name: payments-1412
    state: absent

- name: Remove its files too
  optio.codex.workspace:
    name: payments-1412
    state: absent
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
status:
  description:
    - The session's status after the run, one of V(running), V(finished), V(stopped), V(lost) and V(absent).
    - In check mode the one that it would have.
  returned: success
  type: str
  sample: running
drift:
  description:
    - The options in which a running session differs from what was asked. The run has applied them when it restarted
      the session.
  returned: O(state=started) or O(state=restarted)
  type: list
  elements: dict
  contains:
    option:
      description: The option's name.
      type: str
    running:
      description: Its value in the running session.
      type: raw
    wanted:
      description: The value that was asked for.
      type: raw
  sample:
    - option: sandbox
      running: workspace-write
      wanted: read-only
trust:
  description:
    - V(trusted), V(untrusted) or V(none), as the session was launched. V(unknown) in check mode while the repository is still to be
      cloned. V(null) where nobody wrote it down.
  returned: O(state=started) or O(state=restarted)
  type: str
  sample: untrusted
project_config:
  description:
    - What the C(.codex) of the workdir held at the launch, and trusting it uses, at most 100 entries of it. Empty where there is
      none.
    - What codex takes from no project is left out (C(notify), C(otel), profiles and model providers).
  returned: O(state=started) or O(state=restarted)
  type: list
  elements: dict
  contains:
    path:
      description: The file, from the workdir.
      type: str
    kind:
      description:
        - V(mcp_server), V(hook), V(setting) (another key of C(config.toml)), V(rules), V(file), or V(unreadable) for what could not be
          looked at.
      type: str
    name:
      description: The name of the server or of the setting, or the event of the hook.
      type: str
    command:
      description: What is run, or the server's URL. What looks like a key is masked.
      type: str
    problem:
      description: Why it could not be looked at.
      type: str
  sample:
    - path: .codex/config.toml
      kind: mcp_server
      name: tools
      command: npx -y some-server
      problem: null
unenforced_limits:
  description: Those of O(memory_max), O(cpu_quota) and O(tasks_max) that have no effect on this session.
  returned: O(state=started) or O(state=restarted)
  type: list
  elements: str
  sample: []
resumed:
  description: Whether this run has gone on with the conversation of before.
  returned: O(state=started) or O(state=restarted)
  type: bool
  sample: false
stubborn:
  description: The processes that did not end by TERM in time and had to be killed. Empty when nothing was ended.
  returned: success
  type: list
  elements: dict
  contains:
    pid:
      description: The process.
      type: int
    command:
      description: The beginning of its command line.
      type: str
  sample: []
session:
  description: The socket of the session's tmux server, whose one session is called V(optio).
  returned: success
  type: str
  sample: /run/optio-codex/review/tmux.sock
socket:
  description: The socket of the terminal, V(null) where it listens on TCP or is the package's (O(adopt)).
  returned: success
  type: str
  sample: /run/optio-codex/review/ttyd.sock
watch_socket:
  description: The socket of the second terminal, in which nobody can type, V(null) unless there are two.
  returned: success
  type: str
  sample: null
url_path:
  description:
    - The path of the terminal's page at the tunnel's or the gateway's address. V(null) for a terminal of the package.
  returned: success
  type: str
  sample: /
address:
  description: The address that the terminal listens on, V(null) where it listens on a socket.
  returned: success
  type: str
  sample: null
port:
  description: The port of the terminal, V(null) where it listens on a socket or the port is not chosen yet.
  returned: success
  type: int
  sample: null
url:
  description: The terminal's URL while the session runs, V(null) where it listens on a socket.
  returned: success
  type: str
  sample: null
attach:
  description: The command that shows the session in a terminal, V(null) unless it runs.
  returned: success
  type: str
  sample: ssh -t alice@worker1 tmux -S /run/optio-codex/review/tmux.sock -f /dev/null attach-session -t optio
tunnel:
  description:
    - The command that brings the terminal to a port of one's own machine, to be opened there in a browser as
      C(http://127.0.0.1:<port>) with RV(url_path). The port is the same at every call.
    - V(null) unless the session runs, where no tunnel is needed, and for a terminal of the package (O(adopt)).
  returned: success
  type: str
  sample: ssh -N -L 127.0.0.1:19836:/run/optio-codex/review/ttyd.sock alice@worker1
user:
  description: The user that the session belongs to.
  returned: success
  type: str
  sample: alice
supervisor:
  description:
    - What keeps the session's processes. V(systemd) for units of the system, V(systemd-user) for units of the user's own
      systemd, and V(detached).
  returned: success
  type: str
  sample: systemd
pid:
  description: The process of codex, V(null) unless it runs and in check mode before it does.
  returned: success
  type: int
  sample: 30105
exit_status:
  description:
    - codex's exit status, V(null) before it has ended.
    - A codex that this module stops usually has V(143); the run that stops it does not wait for the record of that.
  returned: success
  type: int
  sample: 0
ended:
  description: When codex ended, in seconds since 1970, V(null) before it has.
  returned: success
  type: int
  sample: 1795343649
session_id:
  description: codex's id of the conversation, V(null) before the first message is recorded.
  returned: success
  type: str
  sample: 01a202d2-04bc-7371-ae76-9a22157469e5
version:
  description: The version of codex, V(null) for one that is not from a cache of this collection.
  returned: success
  type: str
  sample: 0.169.0
task:
  description: The directory of the session's record.
  returned: success
  type: str
  sample: /home/alice/.local/share/optio-codex/review
workdir:
  description: The directory that codex works in, without symbolic links.
  returned: success
  type: str
  sample: /home/alice/.local/share/optio-codex/review/workdir
path:
  description: The link by which codex is started, unique to the session.
  returned: success
  type: str
  sample: /home/alice/.local/share/optio-codex/review/workdir/home/.local/bin/codex
actions:
  description: What was done, or in check mode would be, in order. Empty when nothing was to do.
  returned: success
  type: list
  elements: dict
  contains:
    kind:
      description:
        - The verb. V(create), V(clone), V(exclude), V(link), V(write) and V(remove) change files.
        - V(rotate) and V(append) are of the logs in the workdir.
        - V(create_runtime) and V(remove_runtime) are of a directory of sockets.
        - V(start) and V(stop) are of codex, V(open) and V(close) of the terminal, V(forget) is of the record.
        - V(reconnect) has a live session's tmux server listen again whose socket somebody has removed or replaced.
      type: str
    target:
      description: The path that it changes, or the address of the terminal.
      type: str
  sample:
    - kind: start
      target: /run/optio-codex/review/tmux.sock
    - kind: open
      target: /run/optio-codex/review/ttyd.sock
"""

from ansible_collections.optio.codex.plugins.module_utils._core.runner import run_module
from ansible_collections.optio.codex.plugins.module_utils._launch.module import SUBJECT
from ansible_collections.optio.codex.plugins.module_utils._core.ansible_module import UnloggedModule


def main() -> None:
    """Run the module."""
    module = UnloggedModule(supports_check_mode=True, **SUBJECT.specification.rules())
    run_module(module, SUBJECT)


if __name__ == "__main__":
    main()
