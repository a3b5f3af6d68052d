# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The digests that a download must have."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from .._core.errors import OptioError

_CHECKSUM = re.compile(r"sha256:([0-9a-fA-F]{64})\Z")


@dataclass(frozen=True)
class ExpectedDigests:
    """The bytes of one release: digests are SHA-256 in lower-case hex.

    ``sha256`` and ``size`` (bytes) are those of the archive that is downloaded; without ``sha256`` what is in it
    decides, by ``tree_sha256`` or ``programs`` (by path). ``archives`` are the digests of all that hold the release.
    """

    sha256: str | None
    size: int | None = None
    programs: Mapping[str, str] = field(default_factory=dict)
    tree_sha256: str | None = None
    archives: frozenset[str] = frozenset()


def digest_of(checksum: str) -> str:
    """Return the lower-case hex digits of ``sha256:…``; raise OptioError for any other form."""
    found = _CHECKSUM.match(checksum)
    if not found:
        raise OptioError(
            f"checksum {checksum!r}",
            f"checksum {checksum!r} is not a literal SHA-256 checksum",
            "Set sha256: and 64 hex digits, as sha256sum prints them",
        )
    return found.group(1).lower()
