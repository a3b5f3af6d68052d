# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options that say how codex runs: with which rights, variables and limits, and how its terminal is shown."""

from __future__ import annotations


class ModuleDocFragment:
    """Use ``optio.codex.launch`` for a module that launches sessions."""

    DOCUMENTATION = r"""
options:
  model:
    description:
      - The model. By default, and when it is empty, the one that C(config.toml) or codex itself chooses.
    type: str
  approval_policy:
    description:
      - V(never) runs every command inside the sandbox without asking, and returns its failures to the model.
      - V(on-request) lets the model ask a person for leave. The session then waits until somebody answers
        in a writable terminal.
    type: str
    choices: [never, on-request]
    default: never
  sandbox:
    description:
      - What the commands that codex runs may do. V(read-only) lets them write nothing, V(workspace-write) lets
        them write in the workdir, C(/tmp) and O(writable_roots), and V(danger-full-access) runs them without a
        sandbox.
      - The sandbox needs unprivileged user namespaces. M(optio.codex.worker_info) tells whether it works on a worker.
    type: str
    choices: [read-only, workspace-write, danger-full-access]
    default: workspace-write
  writable_roots:
    description:
      - More directories that commands may write in. C(~) is the home of O(user), not that of the session.
      - Only with O(sandbox=workspace-write).
    type: list
    elements: str
    default: []
  network_access:
    description:
      - Whether commands may use the network. Only with O(sandbox=workspace-write).
    type: bool
    default: false
  environment:
    description:
      - Variables for codex and the commands that it runs. Values are strings; YAML's V(true) arrives as V(True), so
        quote what is meant literally.
      - They are kept in a file of mode C(0600) beside the workdir, and never on a command line. They are masked
        in Ansible's output.
      - C(PATH) replaces the worker's, before the directory of the session's own C(codex).
      - C(HOME), C(CODEX_HOME), C(XDG_CONFIG_HOME), C(XDG_DATA_HOME), C(XDG_CACHE_HOME) and C(OPTIO_CODEX_TASK) keep
        sessions apart. The module fails when one of them is given.
      - Taken at each launch. A running session keeps those that it has, and they are not compared.
    type: dict
    default: {}
  environment_remove:
    description:
      - Names of variables that codex shall not get, of those that the notes list as passed on and of O(environment).
      - C(PATH), C(SHELL), C(USER), C(LOGNAME), C(LANG) and the variables that keep sessions apart are set in any case.
    type: list
    elements: str
    default: []
  trust:
    description:
      - Whether codex trusts the workdir. It is told on the command line, so no file is edited for it.
      - V(auto) trusts a workdir that brings no settings for codex, and does not trust one that has a C(.codex), of whatever kind. A
        warning and RV(project_config) then name what trusting it would run, and RV(trust) is V(untrusted). It is decided at each
        launch, after the repository is cloned.
      - V(trusted) has codex use the workdir's C(.codex). codex starts the MCP servers that its C(config.toml) names, outside the
        sandbox, takes its rules and settings, and runs its hooks once a person has approved them. For a repository whose
        authors you would not let log in, do not set it.
      - V(untrusted) leaves the workdir's C(.codex) unused. codex 0.169.0 then asks whether to go on restricted, which the launch
        answers with yes unless O(ready_timeout=0).
      - V(none) says nothing. codex may then ask before it takes input, and the launch fails on that question unless
        O(config) answers it or O(ready_timeout=0).
    type: str
    choices: [auto, trusted, untrusted, none]
    default: auto
  memory_max:
    description:
      - The most memory that codex and everything it starts may use together, as systemd's C(MemoryMax) takes it. This is bytes,
        with V(K), V(M), V(G) or V(T), or a percentage of the worker's memory. The kernel ends processes of a session that
        needs more.
      - A limit needs a systemd unit (RV(supervisor)), and a controller of the kernel that its systemd may use. Where there is
        neither, the session runs all the same, with a warning, and RV(unenforced_limits) names what has no effect.
    type: str
  cpu_quota:
    description:
      - The CPU time that they may use together, as systemd's C(CPUQuota) takes it, in percent of one CPU. V(150%) is one and
        a half.
    type: str
  tasks_max:
    description:
      - How many processes and threads they may have together, as systemd's C(TasksMax) takes it.
    type: str
  terminal:
    description:
      - How the terminal is shown in a browser.
    type: dict
    suboptions:
      listen:
        description:
          - V(unix) listens on a socket that only O(user) and root can open. No port can collide, and nobody else on
            the worker reaches it. RV(tunnel) is the command that brings it to your own machine.
          - V(tcp) listens on O(terminal.address) and O(terminal.port).
        type: str
        choices: [unix, tcp]
        default: unix
      address:
        description:
          - The address to listen on, with O(terminal.listen=tcp).
          - On a loopback address every user of the worker can watch the session, and type into it when it is
            O(terminal.writable=true).
          - An address that is not loopback is refused without O(terminal.tls_client_ca). The usual way to open terminals
            from other machines is O(terminal.group) and the role P(optio.codex.codex_gateway#role).
        type: str
        default: 127.0.0.1
      port:
        description:
          - The port, 0 to 65535, with O(terminal.listen=tcp). V(0) chooses a free one, once. It is recorded and used
            again when the terminal is repaired, as long as nobody else has taken it.
          - The module fails, and launches nothing, when the port that is asked for is taken.
        type: int
        default: 0
      writable:
        description:
          - Whether browsers can type. Otherwise they only watch. RV(attach) can type in either case.
        type: bool
        default: false
      max_clients:
        description:
          - How many browsers can be connected at once, 1 or more.
        type: int
        default: 16
      auth_header:
        description:
          - The name of the header in which an authenticating proxy in front of the terminal names the user. ttyd
            refuses requests without it.
          - ttyd believes whoever sends the header, so nobody but the proxy may reach the terminal.
        type: str
      tls_certificate:
        description:
          - A file of the worker with the certificate of a terminal with O(terminal.listen=tcp), which then talks TLS alone.
          - O(user) must be able to read it, O(terminal.tls_key) and O(terminal.tls_client_ca).
        type: str
      tls_key:
        description:
          - The file with its key.
        type: str
      tls_client_ca:
        description:
          - A file of the worker with the certificates of the authorities that vouch for browsers or for a proxy. Whoever
            shows no certificate of theirs gets nothing.
        type: str
      group:
        description:
          - The group that a web server of the worker runs as, such as V(www-data), which may then connect to the terminal,
            as the role P(optio.codex.codex_gateway#role) does. Only with O(terminal.listen=unix), and only root can launch
            for a group.
          - The sockets are then C(/run/optio-codex-web/<name>/watch.sock) and, with O(terminal.writable=true), beside it
            C(type.sock), each of a ttyd of its own. So watching stays apart from typing. Each takes
            O(terminal.max_clients) browsers, and answers only the URL path C(/watch/<name>/) or C(/type/<name>/).
          - Whoever is in the group can go through that directory to the sockets, and neither list it nor make anything in
            it. tmux's own socket stays out of the group's reach.
        type: str
  ttyd:
    description:
      - The ttyd executable. By default, and when it is empty, that of the cache of O(user), then that of
        C(/var/cache/optio-codex/bin), then the one on the PATH.
      - Used when a terminal is started, so a running one stays as it is.
    type: str
  ready_timeout:
    description:
      - Seconds to wait for codex to take input after a launch. V(0) does not wait, and cannot tell that codex
        stands before a question or has ended at once.
      - When codex waits for a choice (a login, a trust prompt) the launch has failed.
    type: float
    default: 30.0
  stop_timeout:
    description:
      - Seconds that codex gets between TERM and KILL. It uses them to save its state, a renewed login token among it.
    type: float
    default: 15.0
"""
