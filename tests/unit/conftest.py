# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Makes ``ansible_collections.optio.codex`` importable from this tree, wherever pytest was started."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
COLLECTIONS = ROOT / "collections"


def _link() -> None:
    link = COLLECTIONS / "ansible_collections" / "optio" / "codex"
    link.parent.mkdir(parents=True, exist_ok=True)
    try:
        link.symlink_to("../../..")
    except FileExistsError:
        return


_link()
if str(COLLECTIONS) not in sys.path:
    sys.path.insert(0, str(COLLECTIONS))
