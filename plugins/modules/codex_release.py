#!/usr/bin/python
# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: codex_release
short_description: Install a pinned release of OpenAI codex on a worker
version_added: 1.0.0
description:
  - Installs a complete, verified release of codex into the worker's cache, and links C(codex) in the cache to it.
  - The release is the full package, with the sandbox helper and the other programs that codex expects in its own directory.
    If only the executable is copied, codex starts, but every sandboxed command fails.
  - Each release has its own directory. Sessions use the path of the release, so installing another version does not affect
    running sessions, and a rollback only changes the link.
  - Downloads are hashed and extracted while streaming, in a temporary directory of the cache. A release only becomes visible after
    its digest matches and the package is verified to be complete. A failure leaves the cache unchanged.
  - Before a release becomes the current one, C(codex --version) is run from its directory. If it cannot run, because of a mount with
    C(noexec), a different architecture, a missing loader, a limit of processes or a security policy, the error has the cause and the
    remedy, and the previous release stays the current one. A later C(noexec) of the mount is an error in the next run, too.
notes:
  - The download size of a release is about 110 to 170 MB. It uses 290 to 425 MB of disk space. For fleets, specify a mirror near
    the workers in O(sources).
  - Only Linux on x86_64 and aarch64 is supported. On other platforms the module fails, and the error names the platform. Install
    codex there by other means and use O(codex_dir).
extends_documentation_fragment:
  - optio.codex.attributes
  - optio.codex.attributes.actiongroup_release
  - optio.codex.attributes.probe
  - optio.codex.release
options:
  codex_dir:
    description:
      - Only resolve the executable in this directory. The executable must exist. Nothing is installed, and the PATH is not
        searched.
    type: str
  version:
    description:
      - The version, such as V(0.171.0).
      - The default is the newest version that this release of the collection was tested with, V(0.171.0). If a newer release is
        the current one in the cache, it is kept.
        The digests of V(0.142.5), V(0.169.0) and V(0.171.0) are built in. The digest of any other version is looked up, unless
        O(checksum) is set. See O(require_verified_by). A version that was not tested with this collection causes a warning.
      - V(latest) is the version with the tag C(latest) in the npm registry. A series such as V("0.171") is its newest stable version.
        If the controller does not find it in an npm registry, and V(upstream) is in O(sources), the releases on GitHub are used,
        for a series the latest 100.
        Write a series in quotes, because V(0.170) without quotes is the number 0.17.
      - V(latest) and a series are looked up once in a run of Ansible, so that all workers get the same version. Nothing is changed if
        it is installed and linked already. They require a network, also in check mode, and cannot be used with O(offline) or O(checksum).
      - If codex is only resolved (O(install=false) or O(codex_dir)), any version is accepted by default.
    type: str
  sources:
    description:
      - Sources of the release. They are tried in order until one provides content with the expected digest.
      - V(host) copies the codex in the PATH of the worker's login shell, if every file matches the requested release.
        An npm installation is detected behind its JavaScript launcher.
      - V(npm) downloads the platform's package from O(npm_registry).
      - V(upstream) downloads from the project's releases on GitHub.
      - Any other value is the URL of a mirror (V(http://), V(https://), or V(file:///) for a directory on the worker)
        with upstream's layout, C(<mirror>/rust-v<version>/<archive>). See O(archive).
      - A source with a temporary failure is tried up to three times. If the digest does not match, the next source is tried.
        If all sources fail, the error lists the reason for each.
    type: list
    elements: str
    default: [host, upstream]
  archive:
    description:
      - The archive to download from mirrors and upstream, which publishes all of them.
      - V(npm) is C(codex-npm-linux-<x64 or arm64>-<version>.tgz), the platform's npm package.
      - V(package) is C(codex-package-<platform>.tar.gz), with the same files. For versions with built-in digests, the files are
        verified one by one, and O(checksum) is not needed.
      - V(binary) is C(codex-<platform>.tar.gz), the executable only. The mirror must also have C(bwrap-<platform>.tar.gz) and, if
        the version includes it, C(codex-code-mode-host-<platform>.tar.gz) in the same directory. Both are verified. codex works
        without the search tool that the other archives include. Versions without built-in digests require O(allow_bare).
      - Every archive results in the same release. For V(npm) in O(sources), the npm package is always used.
    type: str
    choices: [npm, package, binary]
    default: npm
  allow_bare:
    description:
      - If V(true), O(archive=binary) installs codex without its helper programs. A warning describes the limitations.
      - Sandboxed commands then require a C(bwrap) that is installed on the worker, and tool calls fail with codex 0.144.0 and later.
    type: bool
    default: false
  npm_registry:
    description:
      - The URL of the npm registry for V(npm) in O(sources).
      - The default is the registry in the npm configuration of the user that the task runs as on the worker. It is taken from
        C(npm_config_registry), then C(.npmrc) (C(@openai:registry) before C(registry)), then the C(npm) command.
      - A token or password for the registry in C(.npmrc) is used. It is sent only to this host.
      - The package is C(<npm_registry>/@openai/codex/-/codex-<version>-linux-<x64 or arm64>.tgz).
    type: str
  checksum:
    description:
      - Digest of the downloaded archive, as C(sha256:) and 64 hexadecimal digits, as C(sha512:) and 128, or in npm's form, C(sha512-)
        and base64. RV(checksum) of an earlier run can be used.
      - It overrides a built-in digest, and no registry is asked for another one.
      - A release in the cache that was verified with a different digest is replaced.
    type: str
  require_verified_by:
    description:
      - The least that has to state the digest of a release without O(checksum).
      - V(integrity) accepts the SHA-512 digest in the metadata of the npm registry, by HTTPS with a verified certificate, or by HTTP from
        the same host. The controller asks O(npm_registry), or the registry in the npm configuration of its own user, once in a
        run of Ansible, and every worker has to get the same content, from any source. If the controller cannot reach it, the
        worker asks the registry of V(npm) in O(sources).
      - The SHA-256 digest of an asset on GitHub is accepted in the same way. The controller asks for it if V(upstream) is in
        O(sources), and O(archive) is not V(npm) or the digest was not found in an npm registry.
      - V(signature) also requires a signature of the npm registry over this digest. It is verified on the controller, with the public keys
        of npm that are built in. A signature that is not valid is an error in any case.
      - V(table) only accepts versions with a built-in digest.
      - An installed release that was verified by less is installed again, or its files are hashed if its digest is known.
    type: str
    choices: [integrity, signature, table]
    default: integrity
seealso:
  - module: optio.codex.ttyd_release
  - module: optio.codex.session
author:
  - The optio.codex contributors (@optio-codex)
"""

EXAMPLES = r"""
- name: Install the tested release for the user that the task runs as
  optio.codex.codex_release:

- name: Install a release for all users of the worker
  optio.codex.codex_release:
    version: 0.142.5
    scope: system
  become: true

- name: Install only from a mirror near the workers
  optio.codex.codex_release:
    sources:
      - https://mirror.example.com/codex
    ca_path: /etc/ssl/certs/example.pem
    url_username: deploy
    url_password: "{{ mirror_password }}"

- name: Install from the npm registry that the worker's user has configured, with upstream as fallback
  optio.codex.codex_release:
    sources: [npm, upstream]

- name: Install from a private npm registry
  optio.codex.codex_release:
    sources: [npm]
    npm_registry: https://npm.example.com

- name: Install from a mirror of upstream's packages
  optio.codex.codex_release:
    sources: [https://mirror.example.com/codex]
    archive: package

- name: Upgrade and keep the previous release for a rollback
  optio.codex.codex_release:
    keep_releases: 1

- name: Fail instead of downloading, and report which file is missing
  optio.codex.codex_release:
    offline: true

- name: Verify every file of the release
  optio.codex.codex_release:
    verify: true

- name: Download through a proxy
  optio.codex.codex_release:
  environment:
    https_proxy: http://proxy.example.com:3128

- name: Install the newest version
  optio.codex.codex_release:
    version: latest

- name: Install the newest version of a series if the npm registry has signed it
  optio.codex.codex_release:
    version: "0.171"
    require_verified_by: signature

- name: Install a version with a digest of your own
  optio.codex.codex_release:
    version: 0.170.1
    checksum: sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef

- name: Find the installed codex without changing anything
  optio.codex.codex_release:
    install: false
  register: codex

- name: Use the codex preinstalled in the image
  optio.codex.codex_release:
    codex_dir: /opt/codex/bin

- name: Remove an old release
  optio.codex.codex_release:
    version: 0.142.5
    state: absent
"""

RETURN = r"""
version:
  description: The version. V(null) if codex was only resolved and its package does not contain the version.
  returned: success
  type: str
  sample: 0.169.0
path:
  description: Path of the executable in the directory of the release. Use it to launch codex.
  returned: success
  type: str
  sample: /home/worker/.cache/optio-codex/bin/releases/0.169.0-x86_64-unknown-linux-musl/bin/codex
link:
  description: Path of the link to the current release in the cache. V(null) if codex was found outside the cache.
  returned: success
  type: str
  sample: /home/worker/.cache/optio-codex/bin/codex
cache_dir:
  description: Directory of the cache. V(null) with O(codex_dir).
  returned: success
  type: str
  sample: /home/worker/.cache/optio-codex/bin
source:
  description:
    - The source from which the release was installed, a URL without credentials or V(host).
    - V(unknown) in check mode, if the source cannot be determined without trying the sources.
    - V(cache), V(host) or V(directory) if codex was only resolved.
  returned: success
  type: str
  sample: https://mirror.example.com/codex/rust-v0.169.0/codex-npm-linux-x64-0.169.0.tgz
checksum:
  description: The digest of the archive, with its algorithm. V(null) if the files of the archive were verified instead, or if
    codex was found outside the cache.
  returned: success
  type: str
  sample: sha256:89801b4b97faba562eb80fe0a833159ac79399be674022f4b1a0ccab1d153faa
verified_by:
  description:
    - What states the digest, V(table) for a built-in digest, V(signature) or V(integrity) for one from an npm registry, V(checksum) for
      O(checksum). See O(require_verified_by).
    - V(unknown) in check mode, if the digest would be looked up. V(null) if codex was only resolved outside the cache.
  returned: success
  type: str
  sample: table
platform:
  description: The platform of the release.
  returned: success
  type: str
  sample: x86_64-unknown-linux-musl
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
      target: /home/worker/.cache/optio-codex/bin/releases/0.169.0-x86_64-unknown-linux-musl
    - kind: link
      target: /home/worker/.cache/optio-codex/bin/codex
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
from ansible_collections.optio.codex.plugins.module_utils._release.looked_up import converge_looked_up
from ansible_collections.optio.codex.plugins.module_utils._release.module import CODEX_RELEASE


def main() -> None:
    module = UnloggedModule(resource=CODEX_RELEASE, supports_check_mode=True, **CODEX_RELEASE.specification.to_kwargs())
    run_module(module, CODEX_RELEASE, converge_looked_up)


if __name__ == "__main__":
    main()
