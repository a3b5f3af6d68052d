#!/usr/bin/python
# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: codex_release
short_description: Provide a pinned release of OpenAI codex on a worker
version_added: 0.1.0
description:
  - Ensures that a worker's cache holds one release of codex, whole and verified, and that C(codex) in the cache
    links to it.
  - The release is the full package, with the sandbox helper and the other programs that codex finds beside itself.
    A single copied executable would start, but every sandboxed command of it would fail.
  - Each release has a directory of its own. Sessions use the path of the release, so installing another version
    never touches what is running, and going back is one changed link.
  - A download is hashed and unpacked as it passes, in a scratch directory of the cache. Nothing of it can be seen
    before its digest matched and the package was found to be complete. A failure leaves the cache as it was.
notes:
  - A release is about 110 to 170 MB to download and 290 to 425 MB on disk. For fleets, name a mirror near the
    workers in O(sources).
  - An architecture other than x86_64 and aarch64, and any system other than Linux, is refused by name. Install codex
    there by other means and use O(directory).
extends_documentation_fragment:
  - optio.codex.attributes
  - optio.codex.attributes.actiongroup_codex
  - optio.codex.attributes.probe
  - optio.codex.release
options:
  version:
    description:
      - The version, such as V(0.169.0).
      - The default is the newest version that this release of the collection was tested with, V(0.169.0).
        Digests are known of V(0.142.5) and V(0.169.0); any other version needs O(checksum).
      - When codex is only resolved (O(install=false) or O(directory)) there is no default, and any version will do.
    type: str
  sources:
    description:
      - Where to get the release, tried in order until one gives the expected bytes.
      - V(host) copies the codex that the worker's login shell finds, if every file of it is that of the wanted release.
        An installation by npm is recognised behind its JavaScript launcher.
      - V(npm) downloads the platform's package from O(npm_registry).
      - V(upstream) downloads from the project's releases on GitHub.
      - Anything else is the URL of a mirror (V(http://), V(https://), or V(file:///) for a directory of the worker)
        which holds C(<mirror>/rust-v<version>/<archive>), as upstream does; see O(archive).
      - A source that fails for a moment is tried three times in all. One that answers with other bytes has failed, and
        the next one is tried. When all have failed, the error names the reason of each.
    type: list
    elements: str
    default: [host, upstream]
  archive:
    description:
      - Which of the archives that upstream publishes to ask mirrors and upstream for.
      - V(npm) is C(codex-npm-linux-<x64 or arm64>-<version>.tgz), the platform's npm package.
      - V(package) is C(codex-package-<platform>.tar.gz), the same files. Of a version that is known, they are verified one
        by one, so that no O(checksum) is needed.
      - V(binary) is C(codex-<platform>.tar.gz), the executable alone. It comes with C(bwrap-<platform>.tar.gz) and, where the
        version has it, C(codex-code-mode-host-<platform>.tar.gz), which must lie beside it and are verified; codex works
        without the search tool that the others also hold. Of a version that is not known this needs O(allow_bare).
      - The result is the same release, whichever it came from. With V(npm) in O(sources), that one is always the npm package.
    type: str
    choices: [npm, package, binary]
    default: npm
  allow_bare:
    description:
      - With O(archive=binary), do without the programs beside codex. A warning says what that means.
      - Sandboxed commands then need a C(bwrap) of the worker's own, and tool calls fail from 0.144.0 on.
    type: bool
    default: false
  npm_registry:
    description:
      - The URL of the npm registry for V(npm) in O(sources).
      - The default is the one that npm is configured for, for the user that the task runs as on the worker. That is what
        C(npm_config_registry) says, or C(.npmrc) (C(@openai:registry) before C(registry)), or else C(npm) itself.
      - A token or password that C(.npmrc) holds for the registry is used, and sent to that host alone.
      - The package is C(<npm_registry>/@openai/codex/-/codex-<version>-linux-<x64 or arm64>.tgz).
    type: str
  checksum:
    description:
      - C(sha256:) and the 64 hexadecimal digits of the archive that is downloaded.
      - Required for a version or platform whose digest this collection does not know. It takes the place of a known
        digest.
      - A release in the cache that was verified by another digest is replaced.
    type: str
seealso:
  - module: optio.codex.ttyd_release
  - module: optio.codex.session
author:
  - The optio.codex contributors (@optio-codex)
"""

EXAMPLES = r"""
- name: The tested release, for the user that the task runs as
  optio.codex.codex_release:

- name: One release for all users of the worker
  optio.codex.codex_release:
    version: 0.142.5
    scope: system
  become: true

- name: From a mirror near the workers, and from nowhere else
  optio.codex.codex_release:
    sources:
      - https://mirror.example.com/codex
    ca_path: /etc/ssl/certs/example.pem
    url_username: deploy
    url_password: "{{ mirror_password }}"

- name: From the npm registry that the worker's user has configured, and from upstream when it fails
  optio.codex.codex_release:
    sources: [npm, upstream]

- name: From an npm registry of your own
  optio.codex.codex_release:
    sources: [npm]
    npm_registry: https://npm.example.com

- name: From a mirror that holds upstream's own packages
  optio.codex.codex_release:
    sources: [https://mirror.example.com/codex]
    archive: package

- name: Upgrade, and keep the release before it for a way back
  optio.codex.codex_release:
    keep: 1

- name: Ask no server, and say what to place where
  optio.codex.codex_release:
    offline: true

- name: Look at every byte once a week
  optio.codex.codex_release:
    verify: true

- name: Through a proxy
  optio.codex.codex_release:
  environment:
    https_proxy: http://proxy.example.com:3128

- name: A version that this collection does not know yet
  optio.codex.codex_release:
    version: 0.170.1
    checksum: sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef

- name: Only find out which codex there is
  optio.codex.codex_release:
    install: false
  register: codex

- name: Insist on the one that the image brings along
  optio.codex.codex_release:
    directory: /opt/codex/bin

- name: Remove an old release
  optio.codex.codex_release:
    version: 0.142.5
    state: absent
"""

RETURN = r"""
version:
  description: The version. V(null) when it was only resolved and cannot be read from its package.
  returned: success
  type: str
  sample: 0.169.0
path:
  description: The executable in its release's directory, to launch codex by.
  returned: success
  type: str
  sample: /home/worker/.cache/optio-codex/bin/releases/0.169.0-x86_64-unknown-linux-musl/bin/codex
link:
  description: The cache's link to the current release. V(null) when codex was found outside the cache.
  returned: success
  type: str
  sample: /home/worker/.cache/optio-codex/bin/codex
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
  sample: https://mirror.example.com/codex/rust-v0.169.0/codex-npm-linux-x64-0.169.0.tgz
checksum:
  description: The digest of the archive, with its algorithm. V(null) when the files in it were verified instead, and when
    codex was found outside the cache.
  returned: success
  type: str
  sample: sha256:89801b4b97faba562eb80fe0a833159ac79399be674022f4b1a0ccab1d153faa
platform:
  description: The platform of the release.
  returned: success
  type: str
  sample: x86_64-unknown-linux-musl
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
      target: /home/worker/.cache/optio-codex/bin/releases/0.169.0-x86_64-unknown-linux-musl
    - kind: link
      target: /home/worker/.cache/optio-codex/bin/codex
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

from ansible_collections.optio.codex.plugins.module_utils._release.module import CODEX_RELEASE
from ansible_collections.optio.codex.plugins.module_utils._core.runner import run_module
from ansible_collections.optio.codex.plugins.module_utils._core.ansible_module import UnloggedModule


def main() -> None:
    module = UnloggedModule(supports_check_mode=True, **CODEX_RELEASE.specification.rules())
    run_module(module, CODEX_RELEASE)


if __name__ == "__main__":
    main()
