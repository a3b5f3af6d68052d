#!/usr/bin/python
# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: ttyd_release
short_description: Provide a pinned release of ttyd on a worker
version_added: 0.1.0
description:
  - Ensures that a worker's cache holds one release of ttyd, verified, and that C(ttyd) in the cache links to it.
    ttyd shows the terminals of sessions in a browser.
  - Each release has a directory of its own, so installing another version never touches what is running.
  - A download is hashed as it is written, in a scratch directory of the cache. Nothing of it can be seen before its
    digest matched and it was found to be an executable for the worker. A failure leaves the cache as it was.
notes:
  - A release is about 1.5 MB.
  - An architecture other than x86_64, aarch64 and armv7l, and any system other than Linux, is refused by name.
    Install ttyd there by other means and use O(directory).
extends_documentation_fragment:
  - optio.codex.attributes
  - optio.codex.attributes.actiongroup_codex
  - optio.codex.attributes.probe
  - optio.codex.release
options:
  version:
    description:
      - The version. The default is V(1.7.7), which this release of the collection was tested with.
        Any other version needs O(checksum).
      - When ttyd is only resolved (O(install=false) or O(directory)) there is no default, and any version will do.
    type: str
  sources:
    description:
      - Where to get the release, tried in order until one gives the expected bytes.
      - V(host) copies the ttyd that the worker's login shell finds, if it is the wanted release to the last byte.
        The ttyd of a Linux distribution is another build, so it needs O(checksum), or O(directory).
      - V(upstream) downloads from the project's releases on GitHub.
      - Anything else is the URL of a mirror (V(http://), V(https://), or V(file:///) for a directory of the worker)
        which holds C(<mirror>/<version>/ttyd.<x86_64, aarch64 or armhf>), as upstream does.
      - A source that answers with other bytes has failed, and the next one is tried.
        When all have failed, the error names the reason of each.
    type: list
    elements: str
    default: [host, upstream]
  checksum:
    description:
      - C(sha256:) and the 64 hexadecimal digits of the executable.
      - Required for a version whose digest this collection does not know. It takes the place of a known digest, which
        a build of your own needs.
      - A release in the cache that was verified by another digest is replaced.
    type: str
seealso:
  - module: optio.codex.codex_release
  - module: optio.codex.session
author:
  - The optio.codex contributors (@optio-codex)
"""

EXAMPLES = r"""
- name: The tested release, for the user that the task runs as
  optio.codex.ttyd_release:

- name: One release for all users of the worker
  optio.codex.ttyd_release:
    scope: system
  become: true

- name: A build of your own from a mirror near the workers
  optio.codex.ttyd_release:
    sources:
      - https://mirror.example.com/ttyd
    checksum: sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef

- name: Only find out which ttyd there is
  optio.codex.ttyd_release:
    install: false
  register: ttyd

- name: Insist on the one that the distribution brings along
  optio.codex.ttyd_release:
    directory: /usr/bin

- name: Remove it
  optio.codex.ttyd_release:
    state: absent
"""

RETURN = r"""
version:
  description: The version. V(null) when it was found outside the cache.
  returned: success
  type: str
  sample: 1.7.7
path:
  description: The executable in its release's directory, to launch ttyd by.
  returned: success
  type: str
  sample: /home/worker/.cache/optio-codex/bin/releases/ttyd-1.7.7-x86_64/ttyd
link:
  description: The cache's link to the current release. V(null) when ttyd was found outside the cache.
  returned: success
  type: str
  sample: /home/worker/.cache/optio-codex/bin/ttyd
cache_dir:
  description: The cache. V(null) with O(directory).
  returned: success
  type: str
  sample: /home/worker/.cache/optio-codex/bin
source:
  description:
    - Where the release came from, when it was installed. A URL without credentials, or V(host).
    - V(unknown) in check mode, when only trying the sources would tell.
    - V(cache), V(host) or V(directory) when it was only resolved.
  returned: success
  type: str
  sample: https://mirror.example.com/ttyd/1.7.7/ttyd.x86_64
checksum:
  description: The digest of the executable, with its algorithm. V(null) when ttyd was found outside the cache.
  returned: success
  type: str
  sample: sha256:8a217c968aba172e0dbf3f34447218dc015bc4d5e59bf51db2f2cd12b7be4f55
platform:
  description: The platform of the release.
  returned: success
  type: str
  sample: x86_64
actions:
  description: What was changed, or would be.
  returned: success
  type: list
  elements: dict
  contains:
    kind:
      description: V(install) for a release's directory, V(link) for the cache's link, V(remove) for what
        O(state=absent) or O(keep) removes, and for what a run that was killed left.
      type: str
    target:
      description: The path.
      type: str
  sample:
    - kind: install
      target: /home/worker/.cache/optio-codex/bin/releases/ttyd-1.7.7-x86_64
    - kind: link
      target: /home/worker/.cache/optio-codex/bin/ttyd
failures:
  description: Why each source could not serve the release.
  returned: when no source could
  type: list
  elements: dict
  contains:
    source:
      description: The source, a URL without credentials or V(host).
      type: str
    cause:
      description: What is wrong with it.
      type: str
    remedy:
      description: What can be done about it.
      type: str
"""

from ansible_collections.optio.codex.plugins.module_utils._release.module import TTYD_RELEASE
from ansible_collections.optio.codex.plugins.module_utils._core.runner import run_module
from ansible_collections.optio.codex.plugins.module_utils._core.ansible_module import UnloggedModule


def main() -> None:
    module = UnloggedModule(supports_check_mode=True, **TTYD_RELEASE.specification.rules())
    run_module(module, TTYD_RELEASE)


if __name__ == "__main__":
    main()
