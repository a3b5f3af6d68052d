# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sources of the small releases, and runs that install from them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible_collections.optio.codex.plugins.module_utils._core.runner import converge
from ansible_collections.optio.codex.plugins.module_utils._release.module import CODEX_RELEASE, ReleaseResource
from ansible_collections.optio.codex.tests.unit.support.release_builders import (
    PARAMS,
    TARGET,
    TTYD_TARGET,
    VERSION,
    QuickHost,
    checksum,
    elf,
    npm_archive,
    write_tree,
)

ARCHIVE = npm_archive()
TTYD = elf(TTYD_TARGET, b"ttyd")
CODEX_PATH = f"/rust-v{VERSION}/codex-npm-linux-{TARGET.asset}-{VERSION}.tgz"
TTYD_PATH = f"/{VERSION}/ttyd.{TTYD_TARGET.asset}"
CODEX_NAME = f"{VERSION}-{TARGET.name}"


class Mirror:
    """A mirror in a directory, which costs less than a server."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.url = f"file://{root}"

    def put(self, path: str, data: bytes) -> None:
        write_tree(self.root, {path[1:]: (data, 0o644)})


def run(subject: ReleaseResource, check_mode: bool = False, host: QuickHost | None = None, **options: Any) -> Any:
    data = ARCHIVE if subject is CODEX_RELEASE else TTYD
    params = {**PARAMS, "version": VERSION, "checksum": checksum(data), **options}
    return converge(subject, params, host or QuickHost(), check_mode, True)
