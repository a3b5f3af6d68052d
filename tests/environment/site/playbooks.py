# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Adds a page of the playbooks to the pages of antsibull-docs: the comment and the variables of each."""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
PAGE = "playbooks"
TOCTREE = f"""
.. toctree::
  :maxdepth: 1
  :caption: Playbooks

  {PAGE}

"""


def comment_of(text: str) -> list[str]:
    """Return the comment above the first play, without its number signs."""
    lines = []
    for line in text.splitlines():
        if line.startswith("#") and "SPDX-" not in line:
            lines.append(line[1:].removeprefix(" "))
        elif lines:
            break
    return lines


def section(path: Path) -> str:
    """Return the prose of a playbook's comment, and its commands and variables as they are."""
    prose: list[str] = []
    block: list[str] = []
    for line in comment_of(path.read_text("utf-8")):
        is_block = bool(block) or line.startswith(" ") or re.match(r"codex_\w+  ", line) is not None
        (block if block or (is_block and line.strip()) else prose).append(line.rstrip())
    name = f"optio.codex.{path.stem}"
    roles = sorted(set(re.findall(r"name: (optio\.codex\.codex_\w+)", path.read_text("utf-8"))))
    links = ", ".join(f":ansplugin:`{role}#role`" for role in roles)
    text = "\n".join(f"  {line}".rstrip() for line in block).rstrip()
    parts = [name, "-" * len(name), "", " ".join(prose).strip(), ""]
    if text:
        parts += [".. code-block:: text", "", text, ""]
    if links:
        parts += [f"All variables: {links}", ""]
    return "\n".join(parts)


def main(directory: Path) -> None:
    pages = [section(path) for path in sorted((ROOT / "playbooks").glob("*.yml"))]
    title = "Playbooks"
    label = ".. _ansible_collections.optio.codex.playbooks:\n"
    (directory / f"{PAGE}.rst").write_text("\n".join([label, title, "=" * len(title), "", *pages]), "utf-8")
    index = directory / "index.rst"
    text = index.read_text("utf-8")
    before, heading, after = text.partition("\nPlugin Index\n")
    if not heading:
        raise SystemExit(f"{index} has no plugin index. Adapt {__file__} to this antsibull-docs.")
    index.write_text(f"{before}{TOCTREE}{heading}{after}", "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
