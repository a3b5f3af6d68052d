# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""MCP servers that codex could not start. It goes on without their tools, and does not record it in the rollout.

0.142.5 shows each failure on its screen. 0.169.0 only counts them there as warnings, and records them in its log, a SQLite
database in its home. The rows are found in the pages of the database, so that no program for it is needed.
"""

from __future__ import annotations

import re

from .._core.probe import Section
from .._core.redaction import redacted

#: bytes of the end of a log that are searched, and of a file that may configure servers
LOG_TAIL, CONFIG_HEAD = 8 * 1024 * 1024, 1024 * 1024
#: failures that are returned
COUNT = 20

#: shell: ``mcp_configured`` returns whether one of the files configures MCP servers. ``mcp_log`` prints the failures in the
#: log of the codex with the process ID ``$2`` in the home ``$1``: its name and the error, without bytes that cannot be
#: printed. The process ID is a later column of the same row. ``mcp_shown`` prints them from a screen on its input
SHELL_MCP = rf"""
mcp_configured() {{
  for _file in "$@"; do
    shift
    if [ -f "$_file" ] && [ ! -L "$_file" ] && [ ! -L "${{_file%/*}}" ]; then set -- "$@" "$_file"; fi
  done
  [ $# != 0 ] && head -q -c {CONFIG_HEAD} "$@" | grep -q mcp_servers
}}
mcp_log() {{
  for _file in "$1"/logs_*.sqlite "$1"/logs_*.sqlite-wal; do
    if [ ! -f "$_file" ] || [ -L "$_file" ]; then continue; fi
    tail -c {LOG_TAIL} "$_file" | tr -cs '[:print:]' '\n' |
      sed -n "/MCP server startup failed server_name=/{{N;s/.*server_name=\"\([^\"]*\)\" error=\(.*\)\n.\{{0,40\}}pid:$2:.*/\1 \2/p;}}"
  done | tail -n 100 | cut -c 1-2000 | sed 's/^/mcp_log+/'
}}
mcp_shown() {{
  grep -E -A 9 '^⚠ (MCP client for|The [^ ]* MCP server is not logged in)' | tail -n 220 | cut -c 1-1000 | sed 's/^/mcp_shown+/'
}}
"""
_SHOWN = re.compile(r"⚠ (?:MCP client for `([^`]+)` |The (\S+) MCP server )(.*)")
#: the types of a transport, and the module and the file of the next columns, which add nothing for a user
_NOISE = (
    re.compile(r"Transport \[.*?\] (?=error: )"),
    re.compile(r"codex_mcp::[a-z_:]*codex-mcp/.*\Z"),
    re.compile(r"^failed to start: "),
    re.compile(r"^MCP startup failed: "),
)
_QUERY = re.compile(r"(?<=://)([^\s?#()]+)[?#][^\s()]*")


def parse_mcp_failures(facts: Section) -> list[dict[str, str]]:
    """Return the servers that could not be started, by name, each with one of its messages, without secrets.

    The order of rows in the pages of a log is not their order in time.
    """
    failures: dict[str, str] = {}
    for line in facts.lines.get("mcp_log", ()):
        name, _blank, message = line.partition(" ")
        failures[name] = message
    name = ""
    for line in facts.lines.get("mcp_shown", ()):
        found = _SHOWN.match(line)
        if found:
            name = found.group(1) or found.group(2)
            failures[name] = found.group(3)
        elif name and line.startswith("  "):
            failures[name] += f" {line.strip()}"
        else:
            name = ""
    found_by_name = sorted(failures.items())[:COUNT]
    return [{"name": redacted(name, ()), "message": _readable(message)} for name, message in found_by_name]


def _readable(message: str) -> str:
    for pattern in _NOISE:
        message = pattern.sub("", message)
    text = message.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return redacted(_QUERY.sub(r"\1", text), ())
