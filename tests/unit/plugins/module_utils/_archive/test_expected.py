# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64

import pytest

from ansible_collections.optio.codex.plugins.module_utils._archive.expected import digest_of
from ansible_collections.optio.codex.plugins.module_utils._core.errors import OptioError

HEX = "0123456789abcdef" * 4
INTEGRITY = "sha512-" + base64.b64encode(bytes.fromhex(HEX * 2)).decode()


@pytest.mark.parametrize("checksum", [f"sha512:{HEX * 2}", f"sha512:{HEX.upper() * 2}", INTEGRITY])
def test_the_forms_of_one_digest(checksum: str) -> None:
    assert str(digest_of(checksum)) == f"sha512:{HEX * 2}"


@pytest.mark.parametrize(
    "checksum",
    [
        *("", HEX, f"sha1:{HEX}", f"sha256:{HEX[:-1]}", f"sha256:{HEX}0", f"sha256:{HEX}\n", "sha256:https://x/y"),
        *(
            f"sha512:{HEX}",
            f"sha256:{HEX * 2}",
            "sha512-",
            "sha512-AAAA",
            "sha512-A",
            f"{INTEGRITY}=",
            f"sha256-{INTEGRITY[7:]}",
            "sha1-AAAA",
        ),
    ],
)
def test_other_forms_are_refused(checksum: str) -> None:
    with pytest.raises(OptioError, match="literal SHA-256"):
        digest_of(checksum)
