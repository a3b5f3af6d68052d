# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options that say which task is meant, and what its files shall be."""

from __future__ import annotations


class ModuleDocFragment:
    """Use ``optio.codex.task`` for whose tasks, ``.task.place`` for which one, ``.task.places`` for which one or
    several, ``.task.workdir`` for where codex works, ``.task.content`` for its files.
    """

    DOCUMENTATION = r"""
notes:
  - Paths are those of the worker. They are absolute, or begin with C(~) for the home of O(user). C(~name), a relative
    path and a path with a control character are refused.
  - In O(user) and O(root) an empty string means the same as leaving the option out, so that an unanswered question
    of an AWX survey needs no special treatment.
options:
  user:
    description:
      - The user of the worker to whom the task belongs. Its files are made, and codex is run, with that user's rights.
      - The user that the module runs as, unless set. Only root can act as another one, so set C(become=true) with it.
        A module that runs as somebody else fails and says so, and so it does for a user who does not exist.
      - With C(become_user) in place of this option the module has no rights of root. Then no systemd unit is made, and
        a C(become_user) without privileges needs pipelining or the package acl on the worker.
    type: str
  root:
    description:
      - The directory that holds one directory for each task.
      - The default is C(optio-codex) below E(XDG_DATA_HOME), which is C(~/.local/share) where it is not set, of O(user).
      - A task is found by this directory and its name, so every module must be given the same one.
      - It is created with mode C(0700) when it is missing. A root below C(/tmp) keeps codex from installing the helper
        programs that it puts on the PATH of its commands. A colon in it is refused.
    type: str
"""

    PLACE = r"""
options:
  name:
    description:
      - The name of the task and of its session, 1 to 64 characters of C(A-Z), C(a-z), C(0-9), C(.), C(_) and C(-),
        the first neither C(.) nor C(-).
      - It must be unique below O(root). The sessions that root launches, for whatever user, share
        C(/run/optio-codex) and the names of their units, so their names must be unique on the worker.
    type: str
    required: true
"""

    PLACES = r"""
options:
  name:
    description:
      - The name of the task and of its session, 1 to 64 characters of C(A-Z), C(a-z), C(0-9), C(.), C(_) and C(-),
        the first neither C(.) nor C(-).
      - It must be unique below O(root). The sessions that root launches, for whatever user, share
        C(/run/optio-codex) and the names of their units, so their names must be unique on the worker.
      - Exactly one of O(name) and O(sessions) is needed.
    type: str
  sessions:
    description:
      - Several sessions in one call, side by side, instead of O(name). Each is a name, or a dictionary with a C(name) and
        any other options of this module for one session. What it does not have is as in the options of the task; of
        a C(terminal) that holds for each single key.
      - RV(sessions) has a result for each, in the same order. One that fails stops no other. At the end the task fails,
        with the errors of all that did.
      - The worker's processors decide how many are worked on at a time, six with one, at most 16.
      - Naming one twice, or giving two the same C(workdir), is refused.
    type: list
    elements: raw
"""

    WORKDIR = r"""
options:
  workdir:
    description:
      - The directory that codex works in. A missing one is created with mode C(0700), its missing parents too.
      - The default is the one that the session on record has, and C(workdir) in the task's own directory where there
        is none.
      - Symbolic links are resolved, because codex looks up trust by the real path.
      - A directory that is given belongs to the caller and is never removed. Only what the task put there is.
      - An empty string means the same as leaving the option out.
    type: str
"""

    CONTENT = r"""
options:
  codex_dir:
    description:
      - The directory of the worker that holds the executable C(codex). It is the only place that is looked at.
      - By default it is the cache of O(user) (E(OPTIO_CODEX_CACHE_DIR), or C(optio-codex/bin) below
        E(XDG_CACHE_HOME) or C(~/.cache)), and then C(/var/cache/optio-codex/bin). PATH is never searched.
      - The task's link leads to the executable behind all links, so another release in the cache leaves the task on
        the one it has. The link is renewed at the next launch or with M(optio.codex.workspace).
      - An empty string means the same as leaving the option out.
    type: str
  instructions:
    description:
      - The task, for C(AGENTS.md) in the workdir, which codex reads at the start of a conversation. O(protocol) goes
        before it. codex reads no more than 32 KiB of the file unless O(config) sets C(project_doc_max_bytes).
      - The file gets a first line that marks it as written by this collection. On a later run it is replaced when the
        text differs. An C(AGENTS.md) without the mark is the project's own, and the module fails rather than replace
        it.
      - When it is left out or empty, an C(AGENTS.md) that is there stays as it is.
    type: str
  protocol:
    description:
      - Whether C(AGENTS.md) begins with what the agent is told of its host. This is how it reports in C(optio.log) (the lines
        C(STATUS), C(DELIVERABLE), C(ATTENTION), C(DONE) and C(ERROR)), and what it looks at when it is resumed.
      - With V(false) O(instructions) are the whole text. Without O(instructions) it has no effect.
    type: bool
    default: true
  config:
    description:
      - Settings for C(config.toml) in the session's own C(CODEX_HOME), in the structure that codex documents for it.
        Dictionaries become tables. A null value is refused, because TOML has none.
      - They are merged over settings that let codex run with nobody watching. C(check_for_update_on_startup),
        C(features.plugins), C(features.daemon_auto_start), C(analytics.enabled) and C(tui.show_tooltips) are V(false),
        and C(tui.screen_reader_detection_done) is V(true), unless they are set here.
      - The file is written once, when it is missing, with mode C(0600). codex rewrites it by itself, so it is never
        compared, and another O(config) on a later run has no effect. Remove the file to have it written again.
      - Put no secret here. Name the variable that holds it instead (C(env_key) of a model provider), and give the
        variable to the session.
    type: dict
    default: {}
  repository:
    description:
      - A Git repository to clone into the workdir. It is cloned once. A workdir that already holds a repository stays
        at the commit it is at, whatever O(repository.version) says.
      - The workdir must be missing or empty otherwise.
      - What the task itself puts into the workdir is listed in C(.git/info/exclude) of the repository, so that
        C(git status) does not show it.
    type: dict
    suboptions:
      url:
        description:
          - The repository's URL or path, as C(git clone) takes it. Git never asks for a password here. The user of
            the task needs a key or a credential helper of its own.
          - A user and password in the URL are masked in messages. Yet they are on Git's command line, and Git keeps them
            in the clone's configuration, where codex can read them.
          - An empty string means that there is no repository to clone.
        type: str
        required: true
      version:
        description:
          - The branch, tag or commit to check out after cloning. The default is the branch that the repository names.
        type: str
"""
