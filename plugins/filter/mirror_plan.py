# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Comparison of a mirror of releases with its artifacts."""

from __future__ import annotations

DOCUMENTATION = r"""
name: mirror_plan
short_description: Compare the files of a mirror with the artifacts that it must have
version_added: 1.0.0
description:
  - Compares the output of a probe of the directory of a mirror with the artifacts of P(optio.codex.release_artifacts#lookup).
  - The role P(optio.codex.codex_mirror#role) uses this filter.
options:
  _input:
    description: The artifacts, as P(optio.codex.release_artifacts#lookup) returns them.
    type: list
    elements: dict
    required: true
  probed:
    description:
      - The output of the probe. Its lines are C(listed=PATH DIGEST) for each line of C(SHA256SUMS), C(present=PATH DIGEST) for each file,
        and C(sha512=PATH DIGEST) for each file of which only the SHA-512 digest was known.
      - Other lines are ignored.
    type: str
    default: ""
  stored:
    description: The paths of artifacts that were stored after the probe.
    type: list
    elements: str
    default: []
  planned:
    description: Whether nothing is stored, as in check mode. All artifacts are listed then.
    type: bool
    default: false
  prune:
    description: Whether listed files are stale if they are not artifacts.
    type: bool
    default: false
author:
  - The optio.codex contributors (@optio-codex)
"""

EXAMPLES = r"""
- name: Show the artifacts that the mirror does not have
  ansible.builtin.debug:
    msg: "{{ (query('optio.codex.release_artifacts') | optio.codex.mirror_plan(probe.stdout)).missing | map(attribute='path') }}"
"""

RETURN = r"""
_value:
  description:
    - A dictionary of C(arguments), the paths to probe, with C(sha512:) before those of which only the SHA-512 digest is known, C(listed),
      the SHA-256 digests of C(SHA256SUMS) by path, C(missing), the artifacts that are missing or have another digest, C(stale), the
      paths of files to remove, and C(sums), the text of C(SHA256SUMS).
  type: dict
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError

#: no other paths than those of the lookup, because other users may have written the list
_PART = r"[A-Za-z0-9@][A-Za-z0-9@._+~-]*"
_PATH = rf"(?:{_PART}/)*{_PART}"
_SHA512 = "sha512:"

Artifact = Mapping[str, Any]
Digests = dict[str, str]


def probed_digests(probed: str, key: str, digits: int = 64) -> Digests:
    """Return the digests of one kind in the output of the probe, by path."""
    return dict(re.findall(rf"(?m)^{key}=({_PATH}) ([0-9a-f]{{{digits}}})$", probed))


def wanted_digests(artifacts: Iterable[Artifact], probed: str) -> Digests:
    """Return the SHA-256 digests that are known: those of artifacts, and those of files whose SHA-512 digest is right."""
    present, present_sha512 = probed_digests(probed, "present"), probed_digests(probed, "sha512", 128)
    wanted = {}
    for artifact in artifacts:
        path, found = artifact["path"], present_sha512.get(artifact["path"])
        if artifact["sha256"]:
            wanted[path] = artifact["sha256"]
        elif found and f"{_SHA512}{found}" == artifact["checksum"] and path in present:
            wanted[path] = present[path]
    return wanted


def sums(digests: Digests) -> str:
    """Return the text of a list in the format of ``sha256sum``."""
    return "".join(f"{digest}  {path}\n" for path, digest in sorted(digests.items(), key=lambda item: item[0].lower()))


def mirror_plan(
    artifacts: Sequence[Artifact], probed: str = "", stored: Iterable[str] = (), planned: bool = False, prune: bool = False
) -> dict[str, Any]:
    """Return the parts of the plan; raise AnsibleFilterError for anything but a list of artifacts."""
    if isinstance(artifacts, (str, Mapping)):
        raise AnsibleFilterError(f"mirror_plan: the input is not a list of artifacts, but {type(artifacts).__name__}")
    present, listed, wanted = probed_digests(probed, "present"), probed_digests(probed, "listed"), wanted_digests(artifacts, probed)
    verified = {path for path, digest in wanted.items() if present.get(path) == digest}
    paths = [artifact["path"] for artifact in artifacts]
    stale = [path for path in listed if path not in paths] if prune else []
    there = set(wanted) if planned else verified | set(stored)
    # a failed download keeps its old digest
    kept = {path: digest for path, digest in listed.items() if path not in stale}
    return {
        "arguments": [path if artifact["sha256"] else f"{_SHA512}{path}" for path, artifact in zip(paths, artifacts, strict=True)],
        "listed": listed,
        "missing": [artifact for artifact in artifacts if artifact["path"] not in verified],
        "stale": stale,
        "sums": sums({**kept, **{path: digest for path, digest in wanted.items() if path in there}}),
    }


class FilterModule:
    """Makes the filter known to Ansible."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by its name."""
        return {"mirror_plan": mirror_plan}
