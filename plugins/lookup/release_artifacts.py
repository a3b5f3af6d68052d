# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The artefacts of releases, for mirrors and for sites without a way out."""

from __future__ import annotations

DOCUMENTATION = r"""
name: release_artifacts
short_description: Files that a mirror of codex and ttyd releases holds
version_added: 0.1.0
description:
  - Lists the archives of the wanted versions and platforms with their paths, URLs and digests, from what this collection
    knows of releases. It makes no request.
  - The paths are those that a mirror has below its address, where C(codex_worker_mirror_url) of the role
    P(optio.codex.codex_worker#role) expects them, and P(optio.codex.codex_mirror#role) puts them.
  - Every option takes a list, or text with commas or line breaks. An empty string is the default.
options:
  _terms:
    description: The tools, V(codex) and V(ttyd). By default both.
    type: list
    elements: str
  codex_versions:
    description:
      - The versions of codex. V(all) is every version that this collection knows.
      - By default the one that this release of the collection was tested with. The digests of an unknown version are
        given by O(extra).
    type: raw
  ttyd_versions:
    description: The versions of ttyd, likewise.
    type: raw
  platforms:
    description:
      - The machines, as C(uname -m) prints them. V(x86_64) and V(aarch64) have both tools, V(armv7l) has only ttyd.
      - By default all for which upstream publishes.
    type: raw
  archives:
    description:
      - The shapes of codex's archives. V(npm) is the package of the platform, V(package) the same files by themselves.
      - V(binary) is the executable alone. Workers that use it also look for the archives of its helpers beside it; name
        them in O(extra).
    type: raw
    default: [npm]
  mirror_url:
    description: The URLs are those of this mirror, in place of upstream's.
    type: str
  npm_registry:
    description: The URLs of archives of the shape V(npm) are those of this npm registry.
    type: str
  extra:
    description:
      - Artefacts that the collection does not know, or for which another digest holds, such as a build of your own.
      - A list of dictionaries with C(path) and C(sha256), and optionally C(url) and C(size), or text as C(sha256sum) prints it.
      - An entry whose path is that of a wanted release replaces its digest. Any other is one more artefact.
      - Without C(url) it is looked for where the others are.
    type: raw
seealso:
  - module: optio.codex.codex_release
  - module: optio.codex.ttyd_release
author:
  - The optio.codex contributors (@optio-codex)
"""

EXAMPLES = r"""
- name: What a mirror for the tested releases holds
  ansible.builtin.debug:
    msg: "{{ query('optio.codex.release_artifacts') | map(attribute='path') }}"

- name: Two versions of codex for one platform, from an npm registry
  ansible.builtin.debug:
    msg: "{{ query('optio.codex.release_artifacts', 'codex', codex_versions=['0.142.5', '0.169.0'],
             platforms='x86_64', npm_registry='https://npm.example.com/repository/npm') }}"
"""

RETURN = r"""
_list:
  description: The artefacts.
  type: list
  elements: dict
  contains:
    tool:
      description: V(codex) or V(ttyd); null for an extra artefact elsewhere.
      type: str
      sample: codex
    version:
      description: The version; null for an extra artefact.
      type: str
      sample: 0.169.0
    platform:
      description: The machine, as C(uname -m) prints it; null for an extra artefact.
      type: str
      sample: x86_64
    archive:
      description: The shape of the archive, V(executable) for ttyd; null for an extra artefact.
      type: str
      sample: npm
    path:
      description: The path below a mirror's address.
      type: str
      sample: codex/rust-v0.169.0/codex-npm-linux-x64-0.169.0.tgz
    url:
      description: Where to get it.
      type: str
      sample: https://github.com/openai/codex/releases/download/rust-v0.169.0/codex-npm-linux-x64-0.169.0.tgz
    size:
      description: Bytes; null where they are not known.
      type: int
      sample: 167001509
    sha256:
      description: The digest, in lower-case hexadecimal digits.
      type: str
      sample: 89801b4b97faba562eb80fe0a833159ac79399be674022f4b1a0ccab1d153faa
"""

from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.lookup import LookupBase

from ansible_collections.optio.codex.plugins.module_utils._core.errors import OptioError
from ansible_collections.optio.codex.plugins.plugin_utils.artifacts import Wanted, artifacts, extras, words


class LookupModule(LookupBase):
    """Lists artefacts."""

    def run(self, terms: list[Any], variables: dict[str, Any] | None = None, **kwargs: Any) -> list[dict[str, Any]]:
        """Return the artefacts; raise AnsibleError with object, cause and remedy."""
        self.set_options(var_options=variables, direct=kwargs)
        versions = {tool: words(self.get_option(f"{tool}_versions")) for tool in ("codex", "ttyd")}
        try:
            wanted = Wanted(
                tools=[tool for term in terms for tool in words(term)],
                versions=versions,
                platforms=words(self.get_option("platforms")),
                archives=words(self.get_option("archives")),
                mirror_url=self.get_option("mirror_url") or "",
                npm_registry=self.get_option("npm_registry") or "",
                extra=extras(self.get_option("extra")),
            )
            return artifacts(wanted)
        except OptioError as error:
            raise AnsibleError(str(error)) from error
