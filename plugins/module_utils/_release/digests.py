# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The digests of known releases: what is obtained is compared with these before it is published.

``scripts/release_data.py`` writes this file. codex: ``npm`` is the npm package of the platform, whose bytes upstream
also attaches to its release; ``binary`` is upstream's tarball of the executable alone. ttyd: the executable itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Known(NamedTuple):
    """What is known of one release for one platform; every digest is a SHA-256 in lower-case hex."""

    #: of each archive by its shape: digest, and size in bytes (0 where it was not measured)
    archives: Mapping[str, tuple[str, int]]
    #: of the programs that a release cannot do without, by path
    programs: Mapping[str, str]
    #: of what ``sha256sum`` prints of all files in the order of their paths; empty where the executable is all there is
    tree: str
    #: bytes of all files, 0 where it was not measured
    size: int


Table = Mapping[str, Mapping[str, Known]]

#: by version, newest last, and target
CODEX: Table = {
    "0.142.5": {
        "x86_64-unknown-linux-musl": Known(
            archives={
                "npm": ("a03e3116cb0909aebb033e39cd4018b3a1daf9d489631939b6163ffa907ade47", 109292757),
                "binary": ("cb933ec3cb61bf4b5fc88eecf5e6149829faa6172535b6ef0afb0154beb4aab8", 0),
            },
            programs={
                "bin/codex": "ac06f492f3ded7a8e2f36dc961e3cc5276a3c4841a2695d4681d0557c5b30e41",
                "codex-resources/bwrap": "77360cb751ccedc5971391444ac86a8a33c15b04d6b4a6fe45f5d25496e62c4c",
            },
            tree="f0ef4e4110e28b3f1d1f931dd8da9dadd2d42c17ed6a8bcd2f93e830c2c06c3a",
            size=292803493,
        ),
        "aarch64-unknown-linux-musl": Known(
            archives={
                "npm": ("7eccba8996e89b487fea528f4c37bf50f0c0a2f89283667e6b274a5e719b0d46", 102760723),
                "binary": ("b18c75c49645918fae23beba0ab41c05f07941601510a2451ba97fe519573c38", 0),
            },
            programs={
                "bin/codex": "8e64bdf19fa05269c83b5a89adb2e77a8d37f705dd1ea1e9e4177782680451fd",
                "codex-resources/bwrap": "0f543a7356ab343b4827222f910461d4196778f328b28acd6c126ef18e9557ab",
            },
            tree="c4abe8d7fb83f37e22387d8b974cae4dc29f4cb12d1e700c8e090fa3cc9c420e",
            size=254537310,
        ),
    },
    "0.169.0": {
        "x86_64-unknown-linux-musl": Known(
            archives={
                "npm": ("89801b4b97faba562eb80fe0a833159ac79399be674022f4b1a0ccab1d153faa", 167001509),
            },
            programs={
                "bin/codex": "b452ca20f838a8855a88a41050ee4a694033fff4ea3ecdad5633e6e0e8d13f2b",
                "bin/codex-code-mode-host": "e9f2ef68671b2b6ac68902d19e8dafda3f5928e678ecf3f30c74b203a2c403ed",
                "codex-resources/bwrap": "15fd5f2673d2e1c2f80e34e5108462fd014f5e8bbc7b0731f1ab23d1ff1ac140",
            },
            tree="17aa8bf76ff99e28c34196efeafd8f574496d98e6eab1d3c0aa2ec6a85640e3c",
            size=422662573,
        ),
        "aarch64-unknown-linux-musl": Known(
            archives={
                "npm": ("c1555c8ad3913e703d736584ff15e98eaeda685bf6eaedc83ae15943badbc1ff", 171743625),
            },
            programs={
                "bin/codex": "3bb41c9a80187773e2a59278d4fc355b1a163c31bb5a79581e37d4fe428af047",
                "bin/codex-code-mode-host": "66874c7881c4004f1c155584e1325cad17795bdd91b886995ad8a043809c1019",
                "codex-resources/bwrap": "0f543a7356ab343b4827222f910461d4196778f328b28acd6c126ef18e9557ab",
            },
            tree="ece480c76dd5bd2f4638adcf50302399c7f83b41b8aa63d3a547aad43c776087",
            size=421966683,
        ),
    },
    "0.171.0": {
        "x86_64-unknown-linux-musl": Known(
            archives={
                "npm": ("e13d67afb0533cc6160b5f4140e4ad07e2acd87adbaa081bbf69b82e90cf4e55", 172033439),
            },
            programs={
                "bin/codex": "b76a027d6b210f9a8da7aaf321dd235c700f0ef7a794d4a5314b9af6c134f0f0",
                "bin/codex-code-mode-host": "f49bd4f0c0cc73cf1ec3a719009e07ce5b6e100520d023c760cc203fb37e5c6f",
                "codex-resources/bwrap": "91a245ea678a7ae642f383a22576c3c476d0d6d3e2321a553f3ed8d4d487ed74",
            },
            tree="b5e105c650121b1590097183c060e177cb85143ed806d1969a091aba6d475601",
            size=443943893,
        ),
        "aarch64-unknown-linux-musl": Known(
            archives={
                "npm": ("26ae27788c7d962ae64321aba4673f918b99b40c4655246930bf962fa5b81b01", 176542339),
            },
            programs={
                "bin/codex": "9ba12ec7712e2905b2ea00791f4ebddc9528629cc955d11d25272de445e10643",
                "bin/codex-code-mode-host": "f330aa2016dc441e63084cc7030dce79f3815ed14e5de6b18608528e86826656",
                "codex-resources/bwrap": "f5065eb8b9ddd9c89cac0ce79ed1aafab5841c7d9c3e73674c94724d6bf8f7c0",
            },
            tree="301b48254a099b37488632d7d26b39b4b8896a2a666b194abcc1d9cc53c64fff",
            size=442035579,
        ),
    },
}

TTYD: Table = {
    "1.7.7": {
        "x86_64": Known(
            archives={
                "executable": ("8a217c968aba172e0dbf3f34447218dc015bc4d5e59bf51db2f2cd12b7be4f55", 0),
            },
            programs={
                "ttyd": "8a217c968aba172e0dbf3f34447218dc015bc4d5e59bf51db2f2cd12b7be4f55",
            },
            tree="",
            size=0,
        ),
        "aarch64": Known(
            archives={
                "executable": ("b38acadd89d1d396a0f5649aa52c539edbad07f4bc7348b27b4f4b7219dd4165", 0),
            },
            programs={
                "ttyd": "b38acadd89d1d396a0f5649aa52c539edbad07f4bc7348b27b4f4b7219dd4165",
            },
            tree="",
            size=0,
        ),
        "armhf": Known(
            archives={
                "executable": ("8240c8438b68d3b10b0e1a4e7c914d70fca6a7606b516f40bf40adfa1044d801", 0),
            },
            programs={
                "ttyd": "8240c8438b68d3b10b0e1a4e7c914d70fca6a7606b516f40bf40adfa1044d801",
            },
            tree="",
            size=0,
        ),
    },
}
