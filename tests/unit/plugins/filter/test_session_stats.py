# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The statistics of a run, for the next job of a workflow."""

from __future__ import annotations

from ansible_collections.optio.codex.plugins.filter.session_stats import session_stats


def test_what_the_next_job_needs_without_texts_of_agents() -> None:
    session = {
        "name": "a",
        "status": "running",
        "activity": "working",
        "url": "http://w/",
        "message": "text",
        "screen": "text",
        "version": None,
    }
    workers = {"w1": [session, {"name": "b", "failed": True, "msg": "why"}], "w2": {"unreachable": True}, "w3": None}
    assert session_stats(workers) == {
        "w1/a": {"worker": "w1", "name": "a", "status": "running", "activity": "working", "url": "http://w/"},
        "w1/b": {"worker": "w1", "name": "b", "status": "failed"},
    }
