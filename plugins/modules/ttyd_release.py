#!/usr/bin/python
# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: ttyd_release
short_description: Install a pinned release of ttyd on a worker
version_added: 1.0.0
description:
  - Installs a verified release of ttyd into the worker's cache, and links C(ttyd) in the cache to it.
    ttyd shows the terminals of sessions in a browser.
  - Each release has its own directory, so installing another version does not affect running processes.
  - Downloads are hashed while they are written, in a temporary directory of the cache. A release only becomes visible after its
    digest matches and it is verified to be an executable for the worker. A failure leaves the cache unchanged.
  - Before a release becomes the current one, C(ttyd --version) is run from its directory. If it cannot run, because of a mount with
    C(noexec), a different architecture, a missing loader, a limit of processes or a security policy, the error has the cause and the
    remedy, and the previous release stays the current one. A later C(noexec) of the mount is an error in the next run, too.
notes:
  - The size of a release is about 1.5 MB.
  - Only Linux on x86_64, aarch64 and armv7l is supported. On other platforms the module fails, and the error names the platform.
    Install ttyd there by other means and use O(ttyd_dir).
extends_documentation_fragment:
  - optio.codex.attributes
  - optio.codex.attributes.actiongroup_release
  - optio.codex.attributes.probe
  - optio.codex.release
options:
  ttyd_dir:
    description:
      - Only resolve the executable in this directory. The executable must exist. Nothing is installed, and the PATH is not
        searched.
    type: str
  version:
    description:
      - The version. The default is V(1.7.7), which this release of the collection was tested with. If a
        newer release is the current one in the cache, it is kept.
        Any other version requires O(checksum).
      - If ttyd is only resolved (O(install=false) or O(ttyd_dir)), any version is accepted by default.
    type: str
  sources:
    description:
      - Sources of the release. They are tried in order until one provides content with the expected digest.
      - V(host) copies the ttyd in the PATH of the worker's login shell, if it is byte-identical to the requested release.
        The ttyd of a Linux distribution is a different build, so it requires O(checksum) or O(ttyd_dir).
      - V(upstream) downloads from the project's releases on GitHub.
      - Any other value is the URL of a mirror (V(http://), V(https://), or V(file:///) for a directory on the worker)
        with upstream's layout, C(<mirror>/<version>/ttyd.<x86_64, aarch64 or armhf>).
      - If the digest does not match, the next source is tried. If all sources fail, the error lists the reason for each.
    type: list
    elements: str
    default: [host, upstream]
  checksum:
    description:
      - SHA-256 digest of the executable, as C(sha256:) and 64 hexadecimal digits.
      - Required for versions without a built-in digest. It overrides a built-in digest, which is needed for custom builds.
      - A release in the cache that was verified with a different digest is replaced.
    type: str
seealso:
  - module: optio.codex.codex_release
  - module: optio.codex.session
author:
  - The optio.codex contributors (@optio-codex)
"""

EXAMPLES = r"""
- name: Install the tested release for the user that the task runs as
  optio.codex.ttyd_release:

- name: Install a release for all users of the worker
  optio.codex.ttyd_release:
    scope: system
  become: true

- name: Install a custom build from a mirror near the workers
  optio.codex.ttyd_release:
    sources:
      - https://mirror.example.com/ttyd
    checksum: sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef

- name: Find the installed ttyd without changing anything
  optio.codex.ttyd_release:
    install: false
  register: ttyd

- name: Use the ttyd of the Linux distribution
  optio.codex.ttyd_release:
    ttyd_dir: /usr/bin

- name: Remove the tested release
  optio.codex.ttyd_release:
    state: absent
"""

RETURN = r"""
version:
  description: The version. V(null) if ttyd was found outside the cache.
  returned: success
  type: str
  sample: 1.7.7
path:
  description: Path of the executable in the directory of the release. Use it to launch ttyd.
  returned: success
  type: str
  sample: /home/worker/.cache/optio-codex/bin/releases/ttyd-1.7.7-x86_64/ttyd
link:
  description: Path of the link to the current release in the cache. V(null) if ttyd was found outside the cache.
  returned: success
  type: str
  sample: /home/worker/.cache/optio-codex/bin/ttyd
cache_dir:
  description: Directory of the cache. V(null) with O(ttyd_dir).
  returned: success
  type: str
  sample: /home/worker/.cache/optio-codex/bin
source:
  description:
    - The source from which the release was installed, a URL without credentials or V(host).
    - V(unknown) in check mode, if the source cannot be determined without trying the sources.
    - V(cache), V(host) or V(directory) if ttyd was only resolved.
  returned: success
  type: str
  sample: https://mirror.example.com/ttyd/1.7.7/ttyd.x86_64
checksum:
  description: The digest of the executable, with its algorithm. V(null) if ttyd was found outside the cache.
  returned: success
  type: str
  sample: sha256:8a217c968aba172e0dbf3f34447218dc015bc4d5e59bf51db2f2cd12b7be4f55
verified_by:
  description: What states the digest, V(table) for a built-in digest, V(checksum) for O(checksum). V(null) if ttyd was only resolved
    outside the cache.
  returned: success
  type: str
  sample: table
platform:
  description: The platform of the release.
  returned: success
  type: str
  sample: x86_64
actions:
  description: The changes that were made, or would be made in check mode.
  returned: success
  type: list
  elements: dict
  contains:
    kind:
      description: V(install) for the directory of a release, V(link) for the link in the cache, V(remove) for removals
        due to O(state=absent) or O(keep_releases), and for leftovers of a killed run.
      type: str
    target:
      description: The path that was changed.
      type: str
  sample:
    - kind: install
      target: /home/worker/.cache/optio-codex/bin/releases/ttyd-1.7.7-x86_64
    - kind: link
      target: /home/worker/.cache/optio-codex/bin/ttyd
failures:
  description: The reason why each source failed.
  returned: when all sources failed
  type: list
  elements: dict
  contains:
    source:
      description: The source, a URL without credentials or V(host).
      type: str
    cause:
      description: The reason of the failure.
      type: str
    remedy:
      description: How to fix it.
      type: str
"""

from ansible_collections.optio.codex.plugins.module_utils._core.ansible_module import UnloggedModule
from ansible_collections.optio.codex.plugins.module_utils._core.runner import run_module
from ansible_collections.optio.codex.plugins.module_utils._release.module import TTYD_RELEASE


def main() -> None:
    module = UnloggedModule(resource=TTYD_RELEASE, supports_check_mode=True, **TTYD_RELEASE.specification.to_kwargs())
    run_module(module, TTYD_RELEASE)


if __name__ == "__main__":
    main()
