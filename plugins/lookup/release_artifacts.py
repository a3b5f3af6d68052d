# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Artifacts of releases, for mirrors and for sites without internet access."""

from __future__ import annotations

DOCUMENTATION = r"""
name: release_artifacts
short_description: List the release artifacts of codex, ttyd and xterm.js for a mirror
version_added: 1.0.0
description:
  - Lists the archives of the requested versions and platforms with their paths, URLs and digests. The data is built into this
    collection, and no requests are sent for it.
  - The digests of other versions are looked up on the controller, once in a run, as M(optio.codex.codex_release) does it. They are stated
    by the npm registry, whose signatures are verified, or by upstream's release on GitHub.
  - The paths are relative to the URL of a mirror. The role P(optio.codex.codex_mirror#role) creates this layout, and
    C(codex_worker_mirror_url) of the role P(optio.codex.codex_worker#role) expects it.
  - Every option accepts a list, or a string that is separated by commas or line breaks. For an empty string, the default is used.
options:
  _terms:
    description:
      - The tools to list, V(codex), V(ttyd) and V(xterm). V(xterm) is xterm.js, which the role
        P(optio.codex.codex_gateway#role) serves.
      - The default is all. V(xterm) is omitted with a warning if none of O(mirror_url), O(npm_registry) and the npm configuration
        of the controller names a source, because xterm.js is only published to npm registries.
    type: list
    elements: str
  codex_versions:
    description:
      - The versions of codex. V(all) selects every version with built-in digests, V(latest) the newest version, and a series such as
        V(0.171) its newest version.
      - The default is the version that this release of the collection was tested with. A digest in O(extra) is not looked up.
    type: raw
  ttyd_versions:
    description:
      - The versions of ttyd, as in O(codex_versions).
      - The default is the version that this release of the collection was tested with.
    type: raw
  platforms:
    description:
      - The machine architectures, as printed by C(uname -m). V(x86_64) and V(aarch64) support both tools, V(armv7l) only ttyd.
      - The default is all architectures for which upstream publishes releases.
    type: raw
  archives:
    description:
      - The kinds of codex archives. V(npm) is the platform's npm package. V(package) is the archive of the same files.
      - V(binary) is the executable only. Workers that use it also download the archives of its helper programs from the same
        directory. Specify them in O(extra).
    type: raw
    default: [npm]
  mirror_url:
    description: Base URL of a mirror for the returned URLs. The default is upstream.
    type: str
  npm_registry:
    description:
      - URL of an npm registry for the returned URLs of V(npm) archives, and for digests that are looked up.
      - For V(xterm), the default is the registry in the npm configuration of the controller.
    type: str
  extra:
    description:
      - Artifacts without a built-in digest, or with a different digest, such as custom builds.
      - A list of dictionaries with C(path) and C(sha256) or C(sha512), and optionally C(url) and C(size), or text in the format of
        C(sha256sum) or C(sha512sum).
      - An entry with the path of a requested release overrides its digest. Other entries are additional artifacts.
      - If C(url) is omitted, the URL is derived from the path as for the other artifacts.
    type: raw
  validate_certs:
    description: Whether to verify the TLS certificate of O(npm_registry), as in O(optio.codex.codex_release#module:validate_certs).
    type: bool
  ca_path:
    description:
      - Path of a file with CA certificates for O(npm_registry). It is used if the controller has the file.
    type: str
  timeout:
    description: Timeout in seconds for connecting to a registry, and for each read of its answer.
    type: float
  use_proxy:
    description: Whether to use the proxies in the environment of the controller.
    type: bool
  url_username:
    description: The user name for the host of O(npm_registry). It is sent to no other host.
    type: str
  url_password:
    description: The password for this host.
    type: str
  force_basic_auth:
    description: Whether to send the user name and the password with the first request.
    type: bool
  headers:
    description: HTTP headers for this host.
    type: dict
seealso:
  - module: optio.codex.codex_release
  - module: optio.codex.ttyd_release
author:
  - The optio.codex contributors (@optio-codex)
"""

EXAMPLES = r"""
- name: List the files of a mirror for the tested releases
  ansible.builtin.debug:
    msg: "{{ query('optio.codex.release_artifacts') | map(attribute='path') }}"

- name: List two versions of codex for one platform, from an npm registry
  ansible.builtin.debug:
    msg: "{{ query('optio.codex.release_artifacts', 'codex', codex_versions=['0.142.5', '0.169.0'],
             platforms='x86_64', npm_registry='https://npm.example.com/repository/npm') }}"
"""

RETURN = r"""
_list:
  description: The artifacts.
  type: list
  elements: dict
  contains:
    tool:
      description: V(codex), V(ttyd) or V(xterm). V(null) for additional artifacts in other directories.
      type: str
      sample: codex
    version:
      description: The version. V(null) for additional artifacts.
      type: str
      sample: 0.169.0
    platform:
      description: The machine architecture, as printed by C(uname -m). V(null) for V(xterm) and for additional artifacts.
      type: str
      sample: x86_64
    archive:
      description: The kind of the archive, V(executable) for ttyd. V(null) for additional artifacts.
      type: str
      sample: npm
    path:
      description: The path relative to the URL of a mirror.
      type: str
      sample: codex/rust-v0.169.0/codex-npm-linux-x64-0.169.0.tgz
    url:
      description: The URL to download the artifact from.
      type: str
      sample: https://github.com/openai/codex/releases/download/rust-v0.169.0/codex-npm-linux-x64-0.169.0.tgz
    size:
      description: Size in bytes. V(null) if unknown.
      type: int
      sample: 167001509
    sha256:
      description: The SHA-256 digest, in lowercase hexadecimal digits. V(null) if only a SHA-512 digest is known.
      type: str
      sample: 89801b4b97faba562eb80fe0a833159ac79399be674022f4b1a0ccab1d153faa
    checksum:
      description: The digest with its algorithm, as for the option O(optio.codex.codex_release#module:checksum).
      type: str
      sample: sha256:89801b4b97faba562eb80fe0a833159ac79399be674022f4b1a0ccab1d153faa
    verified_by:
      description:
        - What states the digest, as in RV(optio.codex.codex_release#module:verified_by). V(checksum) for artifacts in O(extra).
      type: str
      sample: table
"""

import os
from typing import Any

from ansible.errors import AnsibleError
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.plugins.lookup import LookupBase
from ansible.utils.display import Display

from ansible_collections.optio.codex.plugins.module_utils._core.errors import OptioError
from ansible_collections.optio.codex.plugins.module_utils._core.host import LocalHost
from ansible_collections.optio.codex.plugins.module_utils._release import xterm
from ansible_collections.optio.codex.plugins.module_utils._release.catalog import NPM, UPSTREAM, Release, Tool
from ansible_collections.optio.codex.plugins.module_utils._release.npmrc import configured_registry
from ansible_collections.optio.codex.plugins.plugin_utils._release_artifacts import ArtifactFilter, artifacts, extras, words

#: options of requests to a registry
ACCESS = ("validate_certs", "ca_path", "timeout", "use_proxy", "url_username", "url_password", "force_basic_auth", "headers")

display = Display()


class LookupModule(LookupBase):
    """Lists artifacts."""

    def run(self, terms: list[Any], variables: dict[str, Any] | None = None, **kwargs: Any) -> list[dict[str, Any]]:
        """Return the artifacts; raise AnsibleError with object, cause and remedy."""
        self.set_options(var_options=variables, direct=kwargs)
        versions = {tool: words(self.get_option(f"{tool}_versions")) for tool in ("codex", "ttyd")}
        tools = [tool for term in terms for tool in words(term)]
        sources = [self.get_option(name) for name in ("mirror_url", "npm_registry")]
        is_asked = not any(sources) and (not tools or xterm.NAME in tools)
        registry = configured_registry(xterm.SCOPE, os.path.expanduser("~"), LocalHost()) if is_asked else ""
        if is_asked and not tools and not registry:
            display.warning("the artifacts of xterm.js are omitted, because no npm registry is configured. Set npm_registry or mirror_url.")
        try:
            wanted = ArtifactFilter(
                tools=tools,
                versions=versions,
                platforms=words(self.get_option("platforms")),
                archives=words(self.get_option("archives")),
                mirror_url=self.get_option("mirror_url") or "",
                npm_registry=self.get_option("npm_registry") or "",
                configured_registry=registry,
                extra=extras(self.get_option("extra")),
                find_version=self._find_version,
                find_digest=self._find_digest,
            )
            return artifacts(wanted)
        except OptioError as error:
            raise AnsibleError(str(error)) from error

    def _find_version(self, tool: Tool, selector: str) -> str:
        # it takes long to import, and most runs do not need it
        from ansible_collections.optio.codex.plugins.plugin_utils._release_lookup import chosen_version

        return chosen_version(tool, selector, self._options_of(tool))

    def _find_digest(self, release: Release, archive: str) -> tuple[str, str]:
        from ansible_collections.optio.codex.plugins.plugin_utils._release_lookup import verified_digest

        found = verified_digest(release, {**self._options_of(release.tool), "archive": archive})
        return found.checksum, found.verified_by

    def _options_of(self, tool: Tool) -> dict[str, Any]:
        """Return the options of the module that installs the tool, with those of the lookup."""
        from ansible_collections.optio.codex.plugins.module_utils._release.module import CODEX_RELEASE, TTYD_RELEASE

        resource = CODEX_RELEASE if tool.name == CODEX_RELEASE.tool.name else TTYD_RELEASE
        spec = {name: {**option, "required": False} for name, option in resource.specification.argument_spec.items()}
        access = {name: self.get_option(name) for name in ACCESS if self.get_option(name) is not None}
        options = ArgumentSpecValidator(spec).validate(access).validated_parameters
        return {**options, "npm_registry": self.get_option("npm_registry") or "", "sources": [NPM, UPSTREAM]}
