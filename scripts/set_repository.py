#!/usr/bin/env python
# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sets the public address of the repository, which galaxy.yml states as ``repository``, in every tracked file.

``set_repository.py URL`` replaces the current address. ``set_repository.py --check`` fails if it is still the placeholder.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
PLACEHOLDER_HOST = "example.com"
#: without a name or password, and without a slash or .git at its end
_ADDRESS = re.compile(r"https://(?P<host>[a-z0-9.-]+(?::\d+)?)(?:/[A-Za-z0-9._~-]+)+")


class AddressError(Exception):
    """The address cannot be that of a public repository."""


def current_address(root: Path) -> str:
    """Return the address that galaxy.yml states."""
    document = yaml.safe_load((root / "galaxy.yml").read_text("utf-8"))
    return str(document["repository"])


def is_placeholder(address: str) -> bool:
    match = _ADDRESS.fullmatch(address)
    return match is None or match["host"] == PLACEHOLDER_HOST


def normalized(address: str) -> str:
    """Return the address as it is written into the files; raise AddressError for another kind of text."""
    address = address.rstrip("/").removesuffix(".git")
    if not _ADDRESS.fullmatch(address):
        raise AddressError(f"{address!r} is not the address of a repository. Set one such as https://git.example.org/team/optio.codex.")
    return address


def tracked_files(root: Path) -> Iterator[Path]:
    done = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=root, check=True, capture_output=True, text=True
    )
    for name in sorted(done.stdout.split("\0")):
        path = root / name
        if name and path.is_file() and not path.is_symlink():
            yield path


def replace_address(root: Path, old: str, new: str) -> list[str]:
    """Replace the address in all tracked files; return the names of those that changed."""
    # not the beginning of a longer name, such as that of the repository's sibling
    pattern = re.compile(re.escape(old.encode()) + rb"(?![\w-]|\.\w)")
    changed = []
    for path in tracked_files(root):
        before = path.read_bytes()
        after = pattern.sub(lambda _match: new.encode(), before)
        if after != before:
            path.write_bytes(after)
            changed.append(str(path.relative_to(root)))
    return changed


def check(root: Path) -> int:
    address = current_address(root)
    if not is_placeholder(address):
        return 0
    print(f"repository in galaxy.yml is the placeholder {address}. Run scripts/set_repository.py URL.", file=sys.stderr)
    return 1


def main(arguments: list[str] | None = None, root: Path = ROOT) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("url", nargs="?", help="the address, such as https://git.example.org/team/optio.codex")
    parser.add_argument("--check", action="store_true", help="fail if the address is still the placeholder")
    options = parser.parse_args(arguments)
    if options.check or options.url is None:
        return check(root)
    try:
        new = normalized(options.url)
    except AddressError as error:
        print(error, file=sys.stderr)
        return 2
    for name in replace_address(root, current_address(root), new):
        print(name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
