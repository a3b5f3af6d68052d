# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The digests of known releases: what is downloaded is compared with these before it is published.

Each row: SHA-256 of what is downloaded, its size in bytes (0 where it was not measured), SHA-256 of the executable
in it. codex: the npm package of the platform, whose bytes upstream also attaches to its release.
"""

from __future__ import annotations

from collections.abc import Mapping

Row = tuple[str, int, str]
Table = Mapping[str, Mapping[str, Row]]

#: by version, newest last, and target
CODEX: Table = {
    "0.142.5": {
        "x86_64-unknown-linux-musl": (
            "a03e3116cb0909aebb033e39cd4018b3a1daf9d489631939b6163ffa907ade47",
            109292757,
            "ac06f492f3ded7a8e2f36dc961e3cc5276a3c4841a2695d4681d0557c5b30e41",
        ),
        "aarch64-unknown-linux-musl": (
            "7eccba8996e89b487fea528f4c37bf50f0c0a2f89283667e6b274a5e719b0d46",
            102760723,
            "8e64bdf19fa05269c83b5a89adb2e77a8d37f705dd1ea1e9e4177782680451fd",
        ),
    },
    "0.169.0": {
        "x86_64-unknown-linux-musl": (
            "89801b4b97faba562eb80fe0a833159ac79399be674022f4b1a0ccab1d153faa",
            167001509,
            "b452ca20f838a8855a88a41050ee4a694033fff4ea3ecdad5633e6e0e8d13f2b",
        ),
        "aarch64-unknown-linux-musl": (
            "c1555c8ad3913e703d736584ff15e98eaeda685bf6eaedc83ae15943badbc1ff",
            171743625,
            "3bb41c9a80187773e2a59278d4fc355b1a163c31bb5a79581e37d4fe428af047",
        ),
    },
}

#: what is downloaded is the executable itself
TTYD: Table = {
    "1.7.7": {
        "x86_64": (
            "8a217c968aba172e0dbf3f34447218dc015bc4d5e59bf51db2f2cd12b7be4f55",
            0,
            "8a217c968aba172e0dbf3f34447218dc015bc4d5e59bf51db2f2cd12b7be4f55",
        ),
        "aarch64": (
            "b38acadd89d1d396a0f5649aa52c539edbad07f4bc7348b27b4f4b7219dd4165",
            0,
            "b38acadd89d1d396a0f5649aa52c539edbad07f4bc7348b27b4f4b7219dd4165",
        ),
        "armhf": (
            "8240c8438b68d3b10b0e1a4e7c914d70fca6a7606b516f40bf40adfa1044d801",
            0,
            "8240c8438b68d3b10b0e1a4e7c914d70fca6a7606b516f40bf40adfa1044d801",
        ),
    },
}
