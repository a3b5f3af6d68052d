# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""AGENTS.md: its text (the host, resuming, the instructions) and the plan that writes it.

codex loads the one in its home in full, in a trusted workdir or not, in addition to the project's own. The agent's commands
read a copy, because codex's home is not theirs.
"""

from __future__ import annotations

import os

from .._core.errors import OptioError
from .._core.executor import FileText
from .._core.plan import Action
from .layout import PROJECT, SessionPaths
from .state import Workspace

#: bytes of a text of instructions
LIMIT = 1 << 20

#: the same at every launch, so that only another task makes it another text
_PREAMBLE = """\
# Your host

You work alone. Nobody may be watching the terminal. Your log is the file `{log}`: a program reads it, and people see what
it contains. Report there by appending whole lines, for example `echo "STATUS: 40% tests pass" >> {log}`.
Each line begins with one of these words:

- `STATUS: text` or `STATUS: NN% text`: what you are doing, whenever a step is done.
- `DELIVERABLE: path`: a file that is ready to be taken, its path relative to the directory that you work in. Write the file first.
- `ATTENTION: text`: you need a person's answer or decision. Then wait; the answer comes as a message.
- `DONE` or `DONE: text`: the whole task is finished. The last line that you write.
- `ERROR` or `ERROR: text`: the task cannot be finished, and why. The last line that you write.

Only append to the log. Never empty, replace or remove it. If you cannot write it, end your last message with the line instead.

## When you are resumed

This session can be stopped and resumed, also on another day. Then you get the message
`System: you have been resumed`. Programs that you had started are gone, and files may have changed. Before you go on:

- Read the last line of `{resume_log}`, which has one line for each start. After `REFRESHED:` it names the files that were
  replaced since you last read them. Read those again; what they say now is what counts.
- See `{log_old}` for what you reported before. The log begins anew with each start, so report again there.
- Look at the state of your work, then go on where it stands. Do not begin again from the start.

# Your task

"""


def agents_text(instructions: str, preamble: bool, layout: SessionPaths) -> str:
    """Return AGENTS.md for the user's instructions, with plain line ends."""
    body = instructions.replace("\r\n", "\n").replace("\r", "\n").strip("\n")
    # in a workdir of the session's own making the logs lie where the agent works
    names = (layout.log, layout.log_old, layout.resume_log)
    log, log_old, resume_log = names if layout.origin == PROJECT else map(os.path.basename, names)
    host = _PREAMBLE.format(log=log, log_old=log_old, resume_log=resume_log) if preamble else ""
    return f"{host}{body}\n"


def pointer_line(layout: SessionPaths) -> str:
    """Return the line of AGENTS.md in a workdir of the session's own making."""
    return f"Your instructions are in {layout.instructions_copy}. Read that file."


def validate_instructions(instructions: str | None) -> None:
    """Raise OptioError for a text that is too long."""
    size = len((instructions or "").encode("utf-8", "surrogateescape"))
    if size > LIMIT // 2:
        raise OptioError(
            "instructions", f"instructions must have at most {LIMIT // 2} bytes, got {size}", "Put the rest into a file of the project"
        )


def plan_instructions(layout: SessionPaths, seen: Workspace, text: str | None) -> list[Action]:
    """Return the action that writes the instructions: none if ``text`` is None or already there."""
    if text is None:
        return []
    if seen.instructions_blocked:
        raise OptioError(
            layout.instructions, f"{layout.instructions} is not a file", "Move it away, because the session's instructions belong there"
        )
    actions = []
    if seen.override:
        actions.append(Action("remove", f"{layout.codex_home}/AGENTS.override.md", "hides the instructions", "absent"))
    if seen.instructions != text:
        before = "absent" if seen.instructions is None else seen.instructions
        actions.append(Action("write", layout.instructions, before, text, FileText(text)))
        actions.append(copy_action(layout, text))
    if layout.instructions_pointer and seen.pointer is None:
        line = pointer_line(layout)
        actions.append(Action("publish", layout.instructions_pointer, "absent", line, FileText(f"{line}\n")))
    return actions


def copy_action(layout: SessionPaths, text: str) -> Action:
    """Return the action that writes the copy for the agent's commands, which the agent may have changed."""
    return Action("publish", layout.instructions_copy, "as the agent left it", f"copy of {layout.instructions}", FileText(text))
