# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options for locating sessions and for their files."""

from __future__ import annotations


class ModuleDocFragment:
    """``optio.codex.location`` has ``user`` and ``sessions_dir``, ``.one`` the name of one session, ``.many`` one name or several,
    ``.workdir`` the directory that codex works in, ``.content`` the files of the session.
    """

    DOCUMENTATION = r"""
notes:
  - Paths are on the worker. They must be absolute, or begin with C(~) for the home of O(user). C(~name), relative
    paths and paths with control characters are not supported.
  - In O(user) and O(sessions_dir) an empty string is the same as omitting the option, so that unanswered questions
    of an AWX survey do not need special treatment.
options:
  user:
    description:
      - The user that owns the session. Its files are created, and codex runs, as this user.
      - Defaults to the user that the module runs as. Only root can act as another user, so set C(become=true) with it.
        The module fails if it runs as a different user other than root, or if the user does not exist.
      - With C(become_user) instead of this option, the module does not have root privileges. It then does not create system
        units, and an unprivileged C(become_user) requires pipelining or the package acl on the worker.
    type: str
  sessions_dir:
    description:
      - The directory that contains the session directories.
      - The default is C(optio-codex) below E(XDG_DATA_HOME), which is C(~/.local/share) where it is not set, of O(user).
      - A session is identified by this directory and its name, so specify the same directory in every module.
      - It is created with mode C(0700) if it is missing. In a directory below C(/tmp), codex cannot install the helper
        programs that it adds to the PATH of its commands. The path must not contain a colon.
    type: str
"""

    ONE = r"""
options:
  name:
    description:
      - The name of the session, 1 to 64 characters of C(A-Z), C(a-z), C(0-9), C(.), C(_) and C(-),
        not starting with C(.) or C(-).
      - It must be unique below O(sessions_dir). All sessions that root launches, for any user, share
        C(/run/optio-codex) and the names of their units, so their names must be unique on the worker.
    type: str
    required: true
"""

    MANY = r"""
options:
  name:
    description:
      - The name of the session, 1 to 64 characters of C(A-Z), C(a-z), C(0-9), C(.), C(_) and C(-),
        not starting with C(.) or C(-).
      - It must be unique below O(sessions_dir). All sessions that root launches, for any user, share
        C(/run/optio-codex) and the names of their units, so their names must be unique on the worker.
      - Exactly one of O(name) and O(sessions) is required.
    type: str
  sessions:
    description:
      - Several sessions to process in parallel in one call. Mutually exclusive with O(name). Each is a name, or a dictionary
        with C(name) and any other options of this module for one session. Other options default to the options of the
        task. In C(terminal) this applies to each key, and in C(repository) unless the session sets another C(url).
      - RV(sessions) contains the results in the same order. A failure does not affect the other sessions. At the end the
        task fails with the errors of all failed sessions.
      - The number of sessions that are processed at the same time depends on the worker's processors. It is 6 with one
        processor, and at most 16.
      - The module fails if a name is listed more than once, or if two sessions clone a repository into the same C(workdir).
    type: list
    elements: raw
"""

    WORKDIR = r"""
options:
  workdir:
    description:
      - The directory that codex works in. If it is missing, it is created with mode C(0700), including its parents.
      - Defaults to the workdir of the recorded session, or to C(workdir) in the session directory if the session is not
        recorded.
      - Symbolic links are resolved, because codex looks up trust by the real path.
      - The agent owns the workdir. Everything of the session is in its session directory. A directory that is specified here
        gets no file of the session, and is never removed. Several sessions can work in one directory, each with its own home.
      - The module fails if the directory contains O(sessions_dir), because the agent could then change the files of sessions.
      - An empty string is the same as omitting the option.
    type: str
"""

    CONTENT = r"""
options:
  codex_dir:
    description:
      - The directory on the worker that contains the executable C(codex). Other directories are not searched.
      - Defaults to the cache of O(user) (E(OPTIO_CODEX_CACHE_DIR), or C(optio-codex/bin) below
        E(XDG_CACHE_HOME) or C(~/.cache)), and then C(/var/cache/optio-codex/bin). PATH is never searched.
      - The session's link points to the resolved path of the executable, so another release in the cache does not affect the
        session. The link is updated at the next launch or with M(optio.codex.workspace).
      - An empty string is the same as omitting the option.
    type: str
  instructions:
    description:
      - The instructions for the agent, at most 512 KiB. They follow the preamble (see O(agents_md_preamble)).
      - They are written to C(AGENTS.md) in the session's C(CODEX_HOME). codex loads this file at the start of a conversation, in
        full and whether the workdir is trusted or not, in addition to an C(AGENTS.md) of the project. A copy in the C(agent)
        directory of the session can be read by the commands of codex.
      - In a workdir that the session created, C(AGENTS.md) is one line that names the copy.
      - On a later run the text is replaced if it differs. If omitted or empty, an existing text is not changed.
    type: str
  agents_md_preamble:
    description:
      - Whether the instructions begin with a preamble about the host. It describes how the agent reports in C(optio.log) (the lines
        C(STATUS), C(DELIVERABLE), C(ATTENTION), C(DONE) and C(ERROR)), and which files it checks when it is resumed.
      - If V(false), O(instructions) are the whole text. Has no effect without O(instructions).
    type: bool
    default: true
  config:
    description:
      - Settings for C(config.toml) in the session's own C(CODEX_HOME), in the structure that codex documents for it.
        Dictionaries become tables. Null values are not supported, because TOML does not have them.
      - C(shell_environment_policy.set) and C(shell_environment_policy.exclude) are extended at launch, because the commands of codex
        have a home of their own, the C(agent) directory of the session.
      - They are merged over settings that let codex run unattended. C(check_for_update_on_startup),
        C(features.plugins), C(features.daemon_auto_start), C(analytics.enabled), C(tui.animations) and C(tui.show_tooltips) are
        V(false), and C(tui.screen_reader_detection_done) is V(true), unless they are set here.
      - The file is written only if it is missing, with mode C(0600). codex rewrites it, so it is never
        compared, and a different O(config) on a later run has no effect. Remove the file to have it written again.
      - Do not put secrets here. Specify the name of a variable instead (C(env_key) of a model provider), and set the
        variable in the session's environment.
    type: dict
    default: {}
  repository:
    description:
      - A Git repository to clone into the workdir. It is cloned once. A workdir that already contains a repository stays
        at its current commit, regardless of O(repository.version).
      - Otherwise the workdir must be missing or empty.
      - A clone gets no file of the session.
    type: dict
    suboptions:
      url:
        description:
          - The repository's URL or path, in the format of C(git clone). Git never asks for a password here. For a private repository,
            set O(repository.token), or set up a key or a credential helper for the user of the session.
          - A user and password in the URL are masked in messages. However, they are on Git's command line, and Git stores them
            in the clone's configuration, where codex can read them. Use O(repository.token) instead.
          - Files of Git LFS are downloaded if C(git-lfs) is installed and configured for the user. Otherwise they stay pointers.
          - If it is an empty string, no repository is cloned.
        type: str
        required: true
      version:
        description:
          - The branch, tag or commit to check out after cloning. Defaults to the default branch of the repository.
          - It can also be any other ref of the repository, such as C(refs/pull/12/head) or C(refs/merge-requests/12/head). The ref is
            fetched, and its commit is checked out without a branch.
        type: str
      depth:
        description:
          - The number of commits of the history to clone, 1 or greater. Defaults to the whole history.
          - The submodules have the same depth.
          - With a depth, a commit in O(repository.version) must be a full id, and the server must allow to fetch it.
        type: int
      submodules:
        description:
          - Whether to clone the submodules, and their submodules, too.
          - Git refuses submodules with a path, or with a C(file:) or C(ext::) URL.
        type: bool
        default: false
      token:
        description:
          - A token, or a password, for the host of O(repository.url), which must be an C(https) URL. C(http) is only supported for a
            loopback address.
          - It is used for this clone only, also for submodules from the same host, including those with an SSH URL there. Git
            does not send it to any other host.
          - It is passed to Git in an environment variable. It is not on a command line, not in the configuration of the
            clone, and codex does not get it. An agent that fetches or pushes needs its own credential, and
            network access (see M(optio.codex.session)).
        type: str
      token_user:
        description:
          - The user name for O(repository.token). GitHub, GitLab and Gitea accept any name with a personal access token.
          - Set it if the host requires a name, such as the name of a deploy token of GitLab, or C(x-token-auth) of Bitbucket.
        type: str
        default: x-access-token
"""
