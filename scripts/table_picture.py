#!/usr/bin/env python
# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Draws docs/images/status-table.svg: the table of sessions as the playbook status prints it, from sessions of an example.

``write`` writes the picture. ``check`` fails if the filter prints something else now.
"""

from __future__ import annotations

import argparse
import sys
from html import escape
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PICTURE = "docs/images/status-table.svg"

NOW = 1_800_000_000.0
COLUMNS = 124
#: pixels of a character, a line and the border
CHARACTER, LINE, BORDER = 7.25, 18, 16
COLORS = {"error": "#ff7b72", "warn": "#e3b341", "ok": "#7ee787", "": "#c9d1d9"}


def session(name: str, activity: str, minutes: float, words: str, turns: int, tokens: int, **more: Any) -> dict[str, Any]:
    return {
        **{"name": name, "status": "running", "activity": activity, "activity_since": NOW - minutes * 60, "message": words},
        **{"turns": turns, "tokens": {"total": {"total_tokens": tokens}}, "version": "0.169.0", "worker_version": "0.169.0"},
        **more,
    }


WORKERS: dict[str, Any] = {
    "worker1": [
        session("fix-1412", "working", 3, "", 4, 61_000, progress={"percent": 60, "status": "writing the test"}),
        session("spelling", "done", 22, "Corrected 14 words in 6 pages.", 2, 18_000),
    ],
    "worker2": [
        session("migrate-db", "waiting", 8, "May I drop the column legacy_id?", 7, 140_000),
        session("upgrade-deps", "working", 1, "npm test passes, next is lint.", 5, 88_000),
    ],
    "worker3": [
        session("review", "limited", 41, "", 3, 35_000, usage_limit={"used_percent": 100, "resets_at": NOW + 5400}),
    ],
}


def table_lines() -> list[dict[str, str]]:
    # the link that tests/environment/bootstrap.sh collection makes
    sys.path.insert(0, str(ROOT / "collections"))
    from ansible_collections.optio.codex.plugins.filter.session_table import session_table

    lines: list[dict[str, str]] = session_table(WORKERS, commands=False, summary=True, colors=True, width=COLUMNS, now=NOW)
    return lines


def picture(lines: list[dict[str, str]]) -> str:
    width = round(max(len(line["text"]) for line in lines) * CHARACTER + 2 * BORDER)
    height = len(lines) * LINE + 2 * BORDER
    texts = []
    for number, line in enumerate(lines):
        color, y = COLORS.get(line["color"], COLORS[""]), BORDER + LINE * (number + 0.75)
        if line["text"]:
            # no-break spaces, because viewers join others; the length, because fonts differ
            text, length = escape(line["text"]).replace(" ", "\u00a0"), len(line["text"]) * CHARACTER
            texts.append(f'<text x="{BORDER}" y="{y:g}" textLength="{length:g}" fill="{color}">{text}</text>')
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">',
            "<!-- Written by scripts/table_picture.py -->",
            "<title>The table of sessions that the playbook status prints</title>",
            f'<rect width="{width}" height="{height}" rx="8" fill="#0d1117"/>',
            '<g font-family="ui-monospace, DejaVu Sans Mono, Menlo, Consolas, monospace" font-size="12">',
            *texts,
            "</g>",
            "</svg>",
            "",
        ]
    )


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("command", choices=["write", "check"])
    command = parser.parse_args(arguments).command
    path, text = ROOT / PICTURE, picture(table_lines())
    if command == "write":
        path.write_text(text, "utf-8")
    elif not path.exists() or path.read_text("utf-8") != text:
        print(f"{PICTURE} is outdated. Run scripts/table_picture.py write.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
