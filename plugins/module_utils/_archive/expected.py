# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The digests that a download must have."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from .._core.errors import OptioError

SHA256, SHA512 = "sha256", "sha512"
#: hex digits by algorithm
_LENGTHS = {SHA256: 64, SHA512: 128}
_CHECKSUM = re.compile(r"(sha256|sha512):([0-9a-fA-F]+)\Z")
#: the form of npm and of browsers
_INTEGRITY = re.compile(r"(sha256|sha512)-([A-Za-z0-9+/]+={0,2})\Z")


@dataclass(frozen=True)
class Digest:
    """A digest in lower-case hex; ``str()`` is the form of the option ``checksum``."""

    algorithm: str
    hex: str

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.hex}"


@dataclass(frozen=True)
class ExpectedDigests:
    """The bytes of one release: digests are SHA-256 in lower-case hex, except for ``sha512``.

    ``sha256``, ``sha512`` and ``size`` (bytes) belong to the downloaded archive. Without a digest of it, its contents are compared
    with ``tree_sha256`` or ``programs`` (by path). ``archives`` are the digests of all archives of the release.
    """

    sha256: str | None
    size: int | None = None
    programs: Mapping[str, str] = field(default_factory=dict)
    tree_sha256: str | None = None
    archives: frozenset[str] = frozenset()
    sha512: str | None = None

    @property
    def archive(self) -> str:
        """The digest of the archive with its algorithm, empty when its contents decide."""
        if self.sha512:
            return f"{SHA512}:{self.sha512}"
        return f"{SHA256}:{self.sha256}" if self.sha256 else ""


def digest_of(checksum: str) -> Digest:
    """Return the digest of ``sha256:…``, ``sha512:…``, or of the form of npm, ``sha512-…``; raise OptioError for any other form."""
    found = _CHECKSUM.match(checksum)
    if found and len(found.group(2)) == _LENGTHS[found.group(1)]:
        return Digest(found.group(1), found.group(2).lower())
    found = _INTEGRITY.match(checksum)
    if found:
        try:
            digits = base64.b64decode(found.group(2), validate=True).hex()
        except binascii.Error:
            digits = ""
        if len(digits) == _LENGTHS[found.group(1)]:
            return Digest(found.group(1), digits)
    raise OptioError(
        f"checksum {checksum!r}",
        f"checksum {checksum!r} is not a literal SHA-256 or SHA-512 checksum",
        "Set sha256: and 64 hex digits, as sha256sum prints them, sha512: and 128, or the sha512-... that npm calls integrity",
    )
