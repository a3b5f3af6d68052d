# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options that ``codex_release`` and ``ttyd_release`` share."""

from __future__ import annotations


class ModuleDocFragment:
    """Use ``optio.codex.release``."""

    DOCUMENTATION = r"""
notes:
  - If the requested release is installed and linked, the module sends no request, hashes no file and starts no Python on the
    worker. It compares the size, modification time, inode and mode of every file with the values recorded when the release
    was verified.
  - A release with a missing or changed file is replaced. A release that was copied, restored or baked into an image has
    different inodes and times. It is hashed once, and used without a download if every byte is unchanged.
  - A source with a temporary failure (a dropped connection, a busy server) is tried three times. The delays are 1 and
    4 seconds, or the value of the server's C(Retry-After) header. A C(Retry-After) of more than 60 seconds counts as a failure.
  - On slow links, use C(async) with a limit that is long enough for the download.
  - An installation of codex that takes longer than two seconds reports its progress on standard error. This requires the
    C(ssh) connection with C(ControlPersist), Ansible's default, or the C(local) connection. No progress is reported for tasks
    with C(async) or C(no_log), or under mitogen.
  - Concurrent runs that change the same cache wait for each other. The first one does the work.
  - A run that is killed at any point leaves either the old release or the complete new release current. The next run removes
    its temporary files.
  - Proxies are taken from C(http_proxy), C(https_proxy) and C(no_proxy) in the task's C(environment).
  - Paths are paths on the worker. C(~) is the home directory of the user that the task runs as. C(~name) is rejected.
  - Do not use O(keep_releases) with a home directory that several machines share, because the module only detects processes
    on this worker.
options:
  state:
    description:
      - If V(present), the release is installed and linked.
      - If V(absent), the release is removed, with the link if it points to this release, and any directories of the default cache
        that become empty. The codex process of a running session continues, but the other programs of its release are gone.
    type: str
    choices: [present, absent]
    default: present
  scope:
    description:
      - The cache to use.
      - V(user) is the cache of the user that the task runs as. It is E(OPTIO_CODEX_CACHE_DIR), or C(optio-codex/bin) in
        E(XDG_CACHE_HOME), which defaults to C(~/.cache).
      - V(system) is C(/var/cache/optio-codex/bin), which every user of the worker can read and execute from. It
        requires root.
    type: str
    choices: [user, system]
    default: user
  cache_dir:
    description:
      - The directory of the cache. It takes precedence over the directory of O(scope), which still determines who can read the
        cache.
    type: str
  install:
    description:
      - Determines whether to install the release.
      - If V(false), only an existing executable is resolved, first in the cache, then in the PATH of the user's login shell.
        Nothing is downloaded or written. The module fails if no executable is found.
    type: bool
    default: true
  offline:
    description:
      - If V(true), no server is contacted. Only V(host) and V(file:///) URLs in O(sources) are tried, then the directory
        C(archives) in the cache.
      - If none of them has the release, the module fails. The error names the file to place there, its digest and its size.
    type: bool
    default: false
  verify:
    description:
      - If V(true), every file of the release is hashed again, and the release is replaced if a file differs from its verified
        content.
      - If V(false), only the metadata of the files is compared when the release is already installed. Hashing takes half a second
        to a few seconds.
      - In check mode, reports whether the release is intact, and changes nothing.
    type: bool
    default: false
  keep_releases:
    description:
      - Number of releases to keep in the cache in addition to the requested one. The most recently installed ones are kept.
        Others are removed after the requested release is installed.
      - A release is never removed while a process runs from it, or while a running or stopped session links to it. As root,
        this covers the sessions of all users of the worker, both sessions in their default directories and running ones.
      - By default, no release is removed.
    type: int
  validate_certs:
    description:
      - Determines whether to verify the TLS certificates of sources. The digest of a release is always verified.
    type: bool
    default: true
  ca_path:
    description:
      - Path of a file on the worker with the CA certificates for verifying sources.
    type: str
  timeout:
    description:
      - Timeout in seconds for connecting, and for each read of a response.
    type: int
    default: 30
  url_username:
    description:
      - The user name for the one host specified by URL in O(sources) (or by C(npm_registry)). It is never sent to another host,
        to upstream, or to a host that this host redirects to.
      - By default, the entry for this host in C(~/.netrc) of the user that the task runs as is used.
    type: str
  url_password:
    description:
      - The password for this host.
    type: str
  force_basic_auth:
    description:
      - If V(true), the user name and password are sent with the first request. Needed for hosts that respond with V(404) instead
        of requesting credentials.
    type: bool
    default: false
  headers:
    description:
      - HTTP headers for this host, such as a token. They are never sent to another host, and their values are masked in the
        output.
    type: dict
  use_proxy:
    description:
      - If V(false), the proxy variables in the environment are ignored.
    type: bool
    default: true
"""
