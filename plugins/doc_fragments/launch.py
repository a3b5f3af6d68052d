# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options for launching codex: permissions, environment, limits and terminal."""

from __future__ import annotations


class ModuleDocFragment:
    """Use ``optio.codex.launch`` for a module that launches sessions."""

    DOCUMENTATION = r"""
options:
  model:
    description:
      - The model to use. If omitted or empty, the model is determined by C(config.toml) or by codex's default.
    type: str
  approval_policy:
    description:
      - V(never) runs every command inside the sandbox without asking, and returns failures to the model.
      - V(on-request) lets the model request approval. The session then waits for an answer in a writable
        terminal.
    type: str
    choices: [never, on-request]
    default: never
  sandbox:
    description:
      - Determines the permissions of the commands that codex runs. With V(read-only) they cannot write any files, with
        V(workspace-write) they can write in the workdir, C(/tmp) and O(writable_roots), and with V(danger-full-access) they run without a
        sandbox.
      - V(read-only) and V(workspace-write) are a permission profile of codex. It also hides the directories of all sessions in
        O(sessions_dir) from the commands, with their credentials and sockets, except for the workdir and the home of the commands, which
        is writable. RV(permission_profile) is V(false) if the installed codex has no profiles, or if a path contains C(*), C(?), C([) or
        C(]); then commands can read the credential of the session.
      - The sandbox needs unprivileged user namespaces. M(optio.codex.worker_info) reports whether it works on a worker.
    type: str
    choices: [read-only, workspace-write, danger-full-access]
    default: workspace-write
  writable_roots:
    description:
      - Additional directories in which commands can write. C(~) is the home of O(user), not the home of the session.
      - Only supported with O(sandbox=workspace-write).
    type: list
    elements: str
    default: []
  network_access:
    description:
      - Whether commands can use the network. Only supported with O(sandbox=workspace-write).
    type: bool
    default: false
  git_writable:
    description:
      - Whether commands can write to the git directory of the workdir, so that the agent can commit.
      - Without it, the sandbox refuses every C(git) command that writes there, such as C(git add), C(git commit), C(git checkout) and
        C(git fetch). Their error ends with C(Read-only file system). See
        R(Commands that the sandbox forbids,ansible_collections.optio.codex.docsite.guide_security.sandbox_forbids).
      - Hooks and the configuration stay read-only, because Git runs the programs that they name. So C(git config), C(git remote add)
        and C(git submodule add) fail, and C(git push -u) reports that it could not record the upstream branch.
      - The workdir can be a clone, a linked worktree, a submodule, or a directory in one of them. For a worktree, its own git directory and
        the objects, refs and logs of the main repository are writable. For a repository with submodules, their git directories are
        writable too.
      - The git directory must belong to the user of the session, and a worktree or submodule must be registered in its repository.
        Otherwise, or if the workdir is not in a repository, the module fails before codex is launched.
      - If they are missing, the directory C(hooks) and a file C(commondir) with the content C(.) are created in the git
        directory. Without them, a command could create them. Git works as before, and they are kept when the session is removed.
      - Only supported with O(sandbox=workspace-write). codex then gets the sandbox as a permission profile in place of a sandbox mode,
        with the same effect for other files. Settings for the sandbox in O(config) are not used.
      - The agent controls the content of the commits. Review them before you run or merge them.
    type: bool
    default: false
  git_identity:
    description:
      - The author and committer of the agent's commits. They are set in codex's environment (C(GIT_AUTHOR_NAME), C(GIT_AUTHOR_EMAIL),
        C(GIT_COMMITTER_NAME) and C(GIT_COMMITTER_EMAIL)), because the user's Git configuration is not used in a session.
      - Without an identity, C(git commit) fails with C(Please tell me who you are), unless the repository's configuration has one.
      - The same variables in O(environment) take precedence. If both values are empty, no identity is set.
    type: dict
    suboptions:
      name:
        description:
          - The name.
        type: str
        required: true
      email:
        description:
          - The email address.
        type: str
        required: true
  environment:
    description:
      - Variables for codex and the commands that it runs. Values are strings. An unquoted V(true) in YAML becomes V(True), so
        quote literal values.
      - They are stored in a file of mode C(0600) in the session directory, and never on a command line. They are masked
        in Ansible's output.
      - C(PATH) replaces the worker's, before the directory of the session's own C(codex).
      - C(HOME), C(CODEX_HOME), C(XDG_CONFIG_HOME), C(XDG_DATA_HOME), C(XDG_CACHE_HOME) and C(OPTIO_CODEX_TASK) are
        reserved for session isolation. The module fails if one of them is set.
      - They are applied at each launch. A running session keeps its variables, and they are not compared.
    type: dict
    default: {}
  unset_environment:
    description:
      - Names of variables to remove from codex's environment. They apply to the variables that are passed on (see the notes) and
        to O(environment).
      - C(PATH), C(SHELL), C(USER), C(LOGNAME), C(LANG) and the variables that are reserved for session isolation are always set.
    type: list
    elements: str
    default: []
  trust:
    description:
      - Whether codex trusts the workdir. This is passed on the command line, so no file is edited.
      - V(auto) trusts a workdir without settings for codex, and does not trust a workdir with a C(.codex) of any kind. In that
        case, a warning and RV(project_config) list the commands that trust would enable, and RV(trust) is V(untrusted). This is
        determined at each launch, after the repository is cloned.
      - With V(trusted), codex uses the workdir's C(.codex). codex starts the MCP servers that its C(config.toml) names and runs its
        hooks, both outside the sandbox, and applies its rules and settings. RV(acknowledged) lists the hooks. Do not
        set it for a repository whose authors you would not allow to log in.
      - With V(untrusted), codex does not use the workdir's C(.codex). codex 0.169.0 then asks whether to continue in restricted
        mode, which the launch answers with yes unless O(ready_timeout=0).
      - V(none) does not pass a decision. codex may then ask before it accepts input, and the launch fails at that question unless
        O(config) answers it or O(ready_timeout=0).
    type: str
    choices: [auto, trusted, untrusted, none]
    default: auto
  memory_max:
    description:
      - The maximum amount of memory for codex and all processes that it starts, in the format of systemd's C(MemoryMax). A number
        of bytes, optionally with the suffix V(K), V(M), V(G) or V(T), or a percentage of the worker's memory. The kernel ends
        processes of a session that exceeds it.
      - A limit requires a systemd unit (see RV(supervisor)) and a cgroup controller that its systemd can use. Otherwise the
        session runs without the limit, with a warning, and RV(unenforced_limits) lists the limits that have no effect.
    type: str
  cpu_quota:
    description:
      - The maximum CPU time for these processes, in the format of systemd's C(CPUQuota), as a percentage of one CPU. V(150%) is
        one and a half CPUs.
    type: str
  tasks_max:
    description:
      - The maximum number of processes and threads, in the format of systemd's C(TasksMax).
    type: str
  terminal:
    description:
      - Options for the terminal in the browser.
    type: dict
    suboptions:
      listen:
        description:
          - V(unix) listens on a socket that only O(user) and root can open. Ports cannot collide, and other users of
            the worker cannot reach it. RV(tunnel_command) is the command that forwards it to the local machine.
          - V(tcp) listens on O(terminal.address) and O(terminal.port).
        type: str
        choices: [unix, tcp]
        default: unix
      address:
        description:
          - The address to listen on, with O(terminal.listen=tcp).
          - On a loopback address every user of the worker can watch the session, and type into it if
            O(terminal.writable=true).
          - An address other than loopback requires O(terminal.tls_client_ca). The recommended way to open terminals
            from other machines is O(terminal.group) and the role P(optio.codex.codex_gateway#role).
        type: str
        default: 127.0.0.1
      port:
        description:
          - The port, 0 to 65535, with O(terminal.listen=tcp). V(0) chooses a free port once. It is recorded and used
            again when the terminal is repaired, unless another process uses it.
          - If the specified port is already in use, the module fails and does not launch the session.
        type: int
        default: 0
      writable:
        description:
          - Whether browsers can type. If V(false), they can only watch. RV(attach_command) can type in either case.
        type: bool
        default: false
      max_clients:
        description:
          - The maximum number of connected browsers, 1 or more.
        type: int
        default: 16
      auth_header:
        description:
          - The name of the header in which an authenticating proxy in front of the terminal names the user. ttyd
            refuses requests without it.
          - ttyd trusts this header from every client, so make sure that only the proxy can reach the terminal.
        type: str
      tls_certificate:
        description:
          - A file on the worker with the TLS certificate of the terminal. Only with O(terminal.listen=tcp). The terminal then
            accepts only TLS connections.
          - O(user) must be able to read it, O(terminal.tls_key) and O(terminal.tls_client_ca).
        type: str
      tls_key:
        description:
          - The file on the worker with the key of O(terminal.tls_certificate).
        type: str
      tls_client_ca:
        description:
          - A file on the worker with the CA certificates for client authentication of browsers or a proxy. Clients without a
            certificate from these authorities are rejected.
        type: str
      group:
        description:
          - The group that a web server of the worker runs as, such as V(www-data), which may then connect to the terminal,
            as the role P(optio.codex.codex_gateway#role) does. Only supported with O(terminal.listen=unix) and for launches by
            root.
          - The sockets are then C(/run/optio-codex-web/<name>/watch.sock) and, with O(terminal.writable=true), C(type.sock) in the
            same directory, each with a separate ttyd, so that watching and typing are separate. Each accepts
            O(terminal.max_clients) browsers, and answers only the URL path C(/watch/<name>/) or C(/type/<name>/).
          - Members of the group can access the sockets in that directory, but can neither list it nor create files in
            it. The group cannot access the socket of tmux.
          - The session reports its activity in C(status.json) in the same directory, which the group can read.
        type: str
  webhook:
    description:
      - A URL to which the session posts an event when it begins to wait for a person, is done, has failed, or has reached a usage
        limit of the account. The request is a POST with a JSON object, as the source C(ansible.eda.webhook) of Event-Driven Ansible
        accepts it. See R(Events of sessions,ansible_collections.optio.codex.docsite.guide_events) for the fields.
      - The session itself posts it, as O(user). It needs Python on the worker, but no controller and no other service. Nothing waits
        for the receiver. A request that cannot be delivered, or that is answered with 408, 425, 429 or a server error, is repeated
        twice, and C(events/log) in the session directory has the events that were not accepted. A request that was sent and not
        answered is not repeated.
      - It is applied at each launch. A running session keeps its webhook, and it is not compared.
      - If a session reports events, or has O(terminal.group), the launch sets codex's C(tui.terminal_title).
    type: dict
    suboptions:
      url:
        description:
          - The C(http) or C(https) URL. If omitted or empty, nothing is posted.
          - TLS certificates are verified, and redirects are not followed. The proxy variables of codex's environment apply.
          - Do not put secrets in it. It is part of Ansible's output with C(-vvv).
        type: str
      token:
        description:
          - A token that is sent as C(Authorization) with the scheme C(Bearer). With a URL that is not C(https), the network can read it,
            which is a warning unless the host is a loopback address.
          - It is stored in a file of mode C(0600) in the session directory. It is not on a command line, not in the environment of a
            process, and not in Ansible's output. The agent's commands cannot read it, except with O(sandbox=danger-full-access), or
            if RV(permission_profile) is V(false).
        type: str
      events:
        description:
          - The events to post.
          - V(waiting) if codex asks for a choice or an approval, or if the last entry in the agent's log is C(ATTENTION). V(done) if the
            agent declared that the task is done, or codex was ended. V(failed) if the turn failed, the agent
            declared an error, or codex ended with an error. V(limited) if a usage limit ended the turn.
          - A session that this collection stops or removes posts nothing.
        type: list
        elements: str
        choices: [waiting, limited, done, failed]
        default: [waiting, limited, done, failed]
      timeout:
        description:
          - Seconds that one request may take, at most 60.
        type: float
        default: 10.0
      ca_path:
        description:
          - A file on the worker with the CA certificates to trust in place of the system's. O(user) must be able to read it.
        type: str
      data:
        description:
          - Values that are added to each event as C(data), such as the name of the worker in the inventory. At most 4096 bytes as JSON.
        type: dict
        default: {}
  ttyd_dir:
    description:
      - The directory on the worker that contains the executable C(ttyd). Other directories are not searched.
      - Defaults to the cache of O(user), then C(/var/cache/optio-codex/bin), then the PATH.
      - It is used when a terminal is started. A running terminal is not changed.
    type: str
  ready_timeout:
    description:
      - Seconds to wait after a launch until codex accepts input. V(0) does not wait, and does not detect that codex
        asks a question or has ended immediately.
      - If codex waits for a choice (a login or a trust prompt), the launch fails.
    type: float
    default: 30.0
  stop_timeout:
    description:
      - Seconds between SIGTERM and SIGKILL. codex needs this time to save its state, including a renewed login token.
    type: float
    default: 15.0
"""
