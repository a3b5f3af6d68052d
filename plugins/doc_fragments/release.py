# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options that ``codex_release`` and ``ttyd_release`` share."""

from __future__ import annotations


class ModuleDocFragment:
    """Use ``optio.codex.release``."""

    DOCUMENTATION = r"""
notes:
  - A warm run (the wanted release is there and linked) makes no request, hashes nothing and starts no Python on the
    worker. It compares size, modification time, inode and mode of every file with what was recorded when the release
    was verified.
  - A release with a missing or changed file is replaced. One that was only copied, restored or baked into an image has
    other inodes and times; it is hashed once, and kept without a download when every byte is as it was verified.
  - A source that fails for a moment (a connection that is cut, a busy server) is tried three times, after 1 and
    4 seconds or what its C(Retry-After) asks for. One that asks for more than 60 seconds has failed.
  - On slow links, use C(async) with a limit that the download fits in.
  - An installation of codex that takes longer than two seconds tells on standard error how far it is. This needs a
    connection by C(ssh) with C(ControlPersist), Ansible's default, or by C(local). Tasks with C(async) or C(no_log) and
    those that mitogen runs tell nothing.
  - Runs that change the same cache at once wait for each other, and all but the first find the work done.
  - A run that is killed at any point leaves the current release as it was, or has made the new one current as a
    whole. What it left of its scratch is removed by the next run.
  - Proxies are taken from C(http_proxy), C(https_proxy) and C(no_proxy) of the task's C(environment).
  - Paths are those of the worker. C(~) is the home of the user that the task runs as; C(~name) is refused.
  - A home directory that several machines share is no place for O(keep), because only what this worker runs can be
    seen.
options:
  state:
    description:
      - V(present) ensures the release and the link to it.
      - V(absent) removes the release, the link if it leads there, and the directories of the default cache that
        become empty. What a running session has opened goes on running, but programs beside it are gone.
    type: str
    choices: [present, absent]
    default: present
  scope:
    description:
      - V(user) is the cache of the user that the task runs as, E(OPTIO_CODEX_CACHE_DIR) or C(optio-codex/bin) below
        E(XDG_CACHE_HOME), C(~/.cache) by default.
      - V(system) is C(/var/cache/optio-codex/bin), which every user of the worker can read and execute from. It
        needs root.
    type: str
    choices: [user, system]
    default: user
  cache_dir:
    description:
      - Another directory for the cache. It takes precedence over O(scope), which still decides who can read it.
    type: str
  directory:
    description:
      - Only resolve the executable in this directory, which must be there. Nothing is installed into it, and no PATH
        is searched.
    type: str
  install:
    description:
      - V(false) only resolves what is there, first in the cache, then by the PATH of the user's login shell.
        It fails when there is none, downloads nothing and writes nothing.
    type: bool
    default: true
  offline:
    description:
      - Ask no server. Of O(sources) only V(host) and V(file:///) URLs are tried, and after them C(archives) in the cache.
      - When none of them holds the release, the error names the file to place there, its digest and its size.
    type: bool
    default: false
  verify:
    description:
      - Hash every file of the release again, and replace the release when one has other bytes than were verified.
      - Otherwise a warm run only compares how the files look. Hashing takes half a second to a few seconds.
      - In check mode it tells whether the release is sound, and changes nothing.
    type: bool
    default: false
  keep:
    description:
      - How many other releases than the wanted one may stay in the cache, the newest first by the time they were
        installed. Those beyond that number are removed once the wanted one is there.
      - A release stays in any case while a process runs from it, or while a session links to it, whether that runs or
        was stopped. As root, the sessions of all users of the worker count, those in their default directories and
        those that run.
      - Without it, none is removed.
    type: int
  validate_certs:
    description:
      - Whether to verify the certificates of sources. The digest of a release is verified in any case.
    type: bool
    default: true
  ca_path:
    description:
      - A file of the worker with the CA certificates that sources are verified with.
    type: str
  timeout:
    description:
      - Seconds to wait for a connection, and for each next piece of an answer.
    type: int
    default: 30
  url_username:
    description:
      - The user for the one host that O(sources) name by URL (or C(npm_registry)). It is sent to no other host, not
        to upstream, and not to a host to which that one redirects.
      - Without it, C(~/.netrc) of the user that the task runs as is asked for that host.
    type: str
  url_password:
    description:
      - The password for that host.
    type: str
  force_basic_auth:
    description:
      - Send user and password with the first request, for hosts that answer V(404) instead of asking.
    type: bool
    default: false
  headers:
    description:
      - Headers for that host, such as a token. They are sent to no other host, and their values are masked in the
        output.
    type: dict
  use_proxy:
    description:
      - V(false) ignores the proxy variables of the environment.
    type: bool
    default: true
"""
