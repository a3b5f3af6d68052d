# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The npm packages of xterm.js, from which a gateway serves its page of a terminal; equal for all platforms."""

from __future__ import annotations

from typing import NamedTuple

NAME = "xterm"
#: whose registry npm's configuration may name separately
SCOPE = "@xterm"


class NpmPackage(NamedTuple):
    """One version of a package."""

    name: str
    version: str
    sha256: str
    #: in bytes
    size: int

    @property
    def path(self) -> str:
        """Return the path of the archive below a mirror."""
        return f"{NAME}/{self._file}"

    def npm_url(self, registry: str) -> str:
        """Return the URL of the archive in an npm registry."""
        return f"{registry.rstrip('/')}/{self.name}/-/{self._file}"

    @property
    def _file(self) -> str:
        return f"{self.name.rpartition('/')[2]}-{self.version}.tgz"


PACKAGES = (
    NpmPackage("@xterm/xterm", "6.0.0", "908e66e04af6c8dc6b00dd3b54de088e2e81e5ed866284fd6c2fb3c2d1c7a3f6", 1418562),
    NpmPackage("@xterm/addon-fit", "0.11.0", "26003b4517a132b64e4ff228fd88a5fda3fff5e606c76093f6dcff772e9ecec0", 5488),
)
