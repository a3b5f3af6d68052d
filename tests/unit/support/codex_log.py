# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The log of a codex, a SQLite database, with the rows that a real one has written."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

from ansible_collections.optio.codex.tests.unit.support.session_builders import FIXTURES

#: the table of 0.169.0
_TABLE = """
CREATE TABLE logs (id INTEGER PRIMARY KEY AUTOINCREMENT, ts INTEGER NOT NULL, ts_nanos INTEGER NOT NULL, level TEXT NOT NULL,
target TEXT NOT NULL, feedback_log_body TEXT, module_path TEXT, file TEXT, line INTEGER, thread_id TEXT, process_uuid TEXT,
estimated_bytes INTEGER NOT NULL DEFAULT 0)
"""
_INSERT = """
INSERT INTO logs (ts, ts_nanos, level, target, feedback_log_body, module_path, file, line, thread_id, process_uuid, estimated_bytes)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""


def recorded_rows(pid: int) -> list[list[Any]]:
    """Return the recorded rows, as the codex with this process ID would write them."""
    recorded = json.loads((FIXTURES / "mcp/0.169.0-log.json").read_text())
    return [
        [value.replace(f"pid:{recorded['pid']}:", f"pid:{pid}:") if isinstance(value, str) else value for value in row]
        for row in recorded["rows"]
    ]


def log_of(home: Path, pid: int, rows: list[list[Any]] | None = None, journal: str = "wal") -> sqlite3.Connection:
    """Return the open log in a codex home, with the recorded rows or others; what is in its journal stays there until it is closed."""
    log = sqlite3.connect(home / "logs_2.sqlite")
    log.execute(f"PRAGMA journal_mode = {journal}")
    log.execute("PRAGMA wal_autocheckpoint = 0")
    log.execute(_TABLE.replace("CREATE TABLE", "CREATE TABLE IF NOT EXISTS"))
    log.executemany(_INSERT, recorded_rows(pid) if rows is None else rows)
    log.commit()
    return log
