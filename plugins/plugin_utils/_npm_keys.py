# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The public keys of the public npm registry, which sign the digests of its packages.

``scripts/npm_keys.py`` writes this file. A key signs nothing that was published after it expired.
"""

from __future__ import annotations

from typing import NamedTuple


class RegistryKey(NamedTuple):
    """One key: an ECDSA key on P-256 in base64 (DER), and its end in ISO 8601, empty if it has none."""

    key: str
    expires: str


#: where they were read
SOURCE = "corepack 0.34.6"

#: by the id that signatures name
KEYS: dict[str, RegistryKey] = {
    "SHA256:jl3bwswu80PjjokCgh0o2w5c2U4LhQAE57gj9cz1kzA": RegistryKey(
        "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE1Olb3zMAFFxXKHiIkQO5cJ3Yhl5i6UPp+IhuteBJbuHcA5UogKo0EWtlWwW6KSaKoTNEYL7JlCQiVnkhBktUgg==",
        "2025-01-29T00:00:00.000Z",
    ),
    "SHA256:DhQ8wR5APBvFHLF/+Tc+AYvPOdTpcIDqOhxsBHRwC7U": RegistryKey(
        "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEY6Ya7W++7aUPzvMTrezH6Ycx3c+HOKYCcNGybJZSCJq/fd7Qa8uuAKtdIkUQtQiEKERhAmE5lMMJhP8OkDOa2g==",
        "",
    ),
}
