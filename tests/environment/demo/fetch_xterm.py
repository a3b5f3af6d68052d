# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Downloads a package of xterm.js from the registry that npm is configured for, without npm. ``fetch_xterm.py NAME DIRECTORY``"""

from __future__ import annotations

import sys
from pathlib import Path

from fetch_codex import download

from ansible_collections.optio.codex.plugins.module_utils._archive.download import HttpOptions, SourceError
from ansible_collections.optio.codex.plugins.module_utils._archive.expected import ExpectedDigests
from ansible_collections.optio.codex.plugins.module_utils._core.errors import OptioError
from ansible_collections.optio.codex.plugins.module_utils._core.host import LocalHost
from ansible_collections.optio.codex.plugins.module_utils._release.npmrc import find_registry
from ansible_collections.optio.codex.plugins.module_utils._release.xterm import PACKAGES


def main() -> int:
    name, directory = sys.argv[1:]
    [package] = (package for package in PACKAGES if package.name == name)
    path = Path(directory) / Path(package.path).name
    try:
        registry = find_registry(None, str(Path.home()), LocalHost())
        download(package.npm_url(registry.url), registry.access(HttpOptions()), ExpectedDigests(package.sha256), path)
    except (OptioError, SourceError) as error:
        path.unlink(missing_ok=True)
        print(f"{error}\nremedy: configure npm's registry (npm config set registry URL), or install npm", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
