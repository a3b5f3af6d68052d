# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""AGENTS.md: what the agent is told of its host, of being resumed, and of its task."""

from __future__ import annotations

#: the first line of an AGENTS.md that may be replaced; any other AGENTS.md is somebody's own
MARK = "<!-- Written by optio.codex; the next launch with other instructions replaces it. -->"

#: the same at every launch, so that only another task makes it another text
_PROTOCOL = """\
# Your host

You work alone in this directory. Nobody may be watching the terminal. A program reads the file `optio.log` in this
directory, and people are told what it says. Report there by appending whole lines, for example
`echo "STATUS: 40% tests pass" >> optio.log`. Each line begins with one of these words:

- `STATUS: text` or `STATUS: NN% text`: what you are doing, whenever a step is done.
- `DELIVERABLE: path`: a file that is ready to be taken, its path relative to this directory. Write the file first.
- `ATTENTION: text`: you need a person's answer or decision. Then wait; the answer comes as a message.
- `DONE` or `DONE: text`: the whole task is finished. The last line that you write.
- `ERROR` or `ERROR: text`: the task cannot be finished, and why. The last line that you write.

Only append to `optio.log`. Never empty, replace or remove it. The directory `home` is yours and codex's; leave `home/.codex` alone.

## When you are resumed

This session can be stopped and resumed, also on another day. Then you get the message
`System: you have been resumed`. Programs that you had started are gone, and files may have changed. Before you go on:

- Read the last line of `resume.log`, which has one line for each start. After `REFRESHED:` it names the files that were
  replaced since you last read them. Read those again; what they say now is what counts.
- See `optio.log.old` for what you reported before. `optio.log` begins anew with each start, so report again there.
- Look at the state of your work, then go on where it stands. Do not begin again from the start.

# Your task

"""


def agents_text(instructions: str, protocol: bool) -> str:
    """Return AGENTS.md for the user's instructions, marked as replaceable, with plain line ends."""
    body = instructions.replace("\r\n", "\n").replace("\r", "\n").strip("\n")
    return f"{MARK}\n\n{_PROTOCOL if protocol else ''}{body}\n"
