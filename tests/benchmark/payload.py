#!/usr/bin/env python
# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The size of what Ansible sends to a worker for each module: the collection's own files, deflated one by one as in a zip.

Usage: payload.py [ROOT]. ROOT is a tree of the collection, by default this one.
"""

from __future__ import annotations

import ast
import sys
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PREFIX = ("ansible_collections", "optio", "codex")


@dataclass(frozen=True)
class Payload:
    """The files that one module needs, relative to the collection, and their deflated size in bytes."""

    module: str
    files: tuple[str, ...]
    size: int


def payload_of(root: Path, module: str) -> Payload:
    """Return the payload of a module: Ansible follows every import of ``module_utils``, also inside functions."""
    names: set[str] = set()
    queue = [f"plugins/modules/{module}.py"]
    while queue:
        name = queue.pop()
        if name not in names:
            names.add(name)
            queue.extend(_imports(root, name))
    sizes = (len(zlib.compress((root / name).read_bytes())) for name in names)
    return Payload(module, tuple(sorted(names)), sum(sizes))


def _imports(root: Path, name: str) -> Iterator[str]:
    parents = (*PREFIX, *name.split("/"))
    for node in ast.walk(ast.parse((root / name).read_bytes())):
        if not isinstance(node, ast.ImportFrom):
            continue
        base = tuple(node.module.split(".")) if node.module else ()
        if node.level:
            base = (*parents[: len(parents) - node.level], *base)
        if base[:3] != PREFIX:
            continue
        for parts in (base, *((*base, alias.name) for alias in node.names)):
            file = "/".join(parts[3:]) + ".py"
            if (root / file).is_file():
                yield file


def payloads(root: Path) -> list[Payload]:
    """Return the payload of every module, by name."""
    paths = sorted((root / "plugins" / "modules").glob("*.py"))
    return [payload_of(root, path.stem) for path in paths if path.stem != "__init__"]


def main() -> None:
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT
    print(f"{'module':20} {'files':>5} {'KiB':>7}")
    for payload in payloads(root):
        print(f"{payload.module:20} {len(payload.files):5} {payload.size / 1024:7.1f}")


if __name__ == "__main__":
    main()
