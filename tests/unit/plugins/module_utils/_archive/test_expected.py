# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.optio.codex.plugins.module_utils._archive.expected import digest_of
from ansible_collections.optio.codex.plugins.module_utils._core.errors import OptioError

HEX = "0123456789abcdef" * 4


@pytest.mark.parametrize(
    "checksum", ["", HEX, f"sha1:{HEX}", f"sha256:{HEX[:-1]}", f"sha256:{HEX}0", f"sha256:{HEX}\n", "sha256:https://x/y"]
)
def test_other_forms_are_refused(checksum: str) -> None:
    with pytest.raises(OptioError, match="literal SHA-256"):
        digest_of(checksum)
