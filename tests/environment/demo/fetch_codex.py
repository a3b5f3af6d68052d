# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Downloads the npm package of codex without npm, which Debian's packages bring with 300 others.

The registry is the one that npm is configured for; upstream's release has the same package. ``fetch_codex.py VERSION MACHINE DIRECTORY``
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from ansible_collections.optio.codex.plugins.module_utils._archive.download import HttpOptions, SourceError, open_body
from ansible_collections.optio.codex.plugins.module_utils._archive.expected import ExpectedDigests
from ansible_collections.optio.codex.plugins.module_utils._core.errors import OptioError
from ansible_collections.optio.codex.plugins.module_utils._core.host import LocalHost
from ansible_collections.optio.codex.plugins.module_utils._release.catalog import CODEX, NPM_ARCHIVE, Release
from ansible_collections.optio.codex.plugins.module_utils._release.npmrc import find_registry


def sources(release: Release) -> Iterator[tuple[str, HttpOptions]]:
    """Yield the URLs of the package, and how each is reached."""
    try:
        registry = find_registry(None, str(Path.home()), LocalHost())
        yield release.npm_url(registry.url), registry.access(HttpOptions())
    except SourceError as error:
        print(error, file=sys.stderr)
    yield release.mirror_url(CODEX.upstream, NPM_ARCHIVE), HttpOptions()


def download(url: str, access: HttpOptions, expected: ExpectedDigests, path: Path) -> None:
    """Write what a URL has to a file. Raises OptioError if that has another digest."""
    body = open_body(url, access, expected)
    try:
        with path.open("wb") as stream:
            while data := body.read():
                stream.write(data)
    finally:
        body.close()
    body.verify()


def fetch(release: Release, path: Path) -> None:
    """Write the package to a file. Raises the last OptioError if no source has the package with the known digest."""
    last: OptioError | None = None
    for url, access in sources(release):
        try:
            download(url, access, release.expected(None, NPM_ARCHIVE), path)
            return
        except OptioError as error:
            print(error, file=sys.stderr)
            last = error
    assert last
    raise last


def main() -> int:
    version, machine, directory = sys.argv[1:]
    release = CODEX.release(version, CODEX.target(f"Linux {machine}"))
    path = Path(directory) / release.file_name(NPM_ARCHIVE)
    try:
        fetch(release, path)
    except OptioError:
        path.unlink(missing_ok=True)
        print("remedy: configure npm's registry (npm config set registry URL), or install npm", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
