# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""optio.log in the workdir: messages of the agent, and of the launcher at codex's end, one entry a line."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from .._codex.rollout import shortened
from .._core.probe import Section

#: bytes of the log's end that are read; more between two reads is ignored
TAIL = 65536

#: shell: ``log_facts`` prints log_changed, log and entry of the log that is open as descriptor 4, without the control
#: characters that the agent wrote
SHELL_LOG = rf"""
log_facts() {{
  emit log_changed "$(stat -L -c %Y /proc/self/fd/4)"
  # the mark keeps the last line ends
  _end=$(tail -c {TAIL} /proc/self/fd/4 | tr -d '\000-\011\013-\037'; echo '#'); _end=${{_end%?}}
  emit log "$(printf %s "$_end" | tail -n 1 | cut -c 1-4000)"
  printf %s "$_end" | grep -E '^(STATUS|DELIVERABLE|DONE|ERROR|ATTENTION)(:|$)' | tail -n 200 | cut -c 1-4000 | sed 's/^/entry+/'
}}
"""
_ENTRY = re.compile(r"(STATUS|DELIVERABLE|DONE|ERROR|ATTENTION)(?::\s*(.*?))?\s*\Z", re.DOTALL)
#: the lines that the launcher appends at codex's end; they are not the agent's word
_LAUNCHER = re.compile(r"(?:DONE: codex exited|ERROR: codex exited \d{1,3})\s*\Z")
_PERCENT = re.compile(r"(?:\[(\d{1,3})%\]|(\d{1,3})%)\s*")


@dataclass(frozen=True)
class Log:
    """The entries of a log by their kind, of each kind the last; ``outcome`` is ``done`` or ``error`` once declared.

    ``newest`` is the kind of the agent's last entry, if no other line of the agent comes after it.
    """

    line: str | None = None
    changed: int | None = None
    percent: int | None = None
    status: str | None = None
    attention: str | None = None
    deliverables: tuple[str, ...] = ()
    outcome: str | None = None
    outcome_text: str | None = None
    newest: str | None = None

    def as_result(self) -> dict[str, Any]:
        """Return the entries as modules return them."""
        names = ("percent", "status", "attention", "outcome", "outcome_text")
        return {**{name: getattr(self, name) for name in names}, "deliverables": list(self.deliverables)}


def parse_log(facts: Section) -> Log:
    """Return the agent's entries in a log; a status after an outcome cancels it."""
    percent: int | None = None
    seen: dict[str, str | None] = {"status": None, "attention": None, "outcome": None, "outcome_text": None}
    deliverables: list[str] = []
    line, newest = facts.get("log"), None
    for entry in facts.lines.get("entry", ()):
        found = _ENTRY.match(entry)
        if not found or _LAUNCHER.match(entry):
            continue
        newest = found.group(1) if entry == line or _LAUNCHER.match(line) else None
        kind, text = found.group(1), _readable(found.group(2))
        if kind == "STATUS":
            share = _PERCENT.match(text or "")
            percent = min(int(share.group(1) or share.group(2)), 100) if share else percent
            seen.update(status=_readable(text[share.end() :]) if share and text else text, outcome=None, outcome_text=None)
        elif kind == "ATTENTION":
            seen["attention"] = text
        elif kind == "DELIVERABLE" and text:
            deliverables.append(text)
        elif kind in ("DONE", "ERROR"):
            seen.update(outcome=kind.lower(), outcome_text=text)
    kept = tuple(dict.fromkeys(deliverables))
    return Log(_readable(line), _changed(facts, line), percent, deliverables=kept, newest=newest, **seen)


def _changed(facts: Section, line: str) -> int | None:
    """Return when the agent changed the log; the launcher stores that time with the exit status, before it adds its own line."""
    if not _LAUNCHER.match(line):
        return facts.number("log_changed")
    time = facts.get("exit").split()[2:3]
    return int(time[0]) if time and time[0].isascii() and time[0].isdigit() and len(time[0]) < 19 else None


def _readable(text: str | None) -> str | None:
    # a byte that is not UTF-8 arrives as a lone surrogate
    return shortened(text) if text else None
