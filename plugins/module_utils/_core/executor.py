# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Executes a plan step by step, and undoes the earlier steps if a later one fails."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from . import files
from .plan import Action, Plan

Undo = Callable[[], object]
#: a handler carries out one action and returns how to take it back, None when nothing is to be taken back
Handler = Callable[[Action], "Undo | None"]


@dataclass(frozen=True)
class FileText:
    """The payload of a ``write`` action: a file's whole text and its permission bits."""

    text: str
    mode: int = 0o600


class _Backup:
    """A file under another name: renamed back when something fails, without any space or a look into it."""

    def __init__(self, path: str) -> None:
        self._path, self._aside = path, files.set_aside(path)

    def __call__(self) -> None:
        os.rename(self._aside, self._path)

    def discard(self) -> None:
        files.remove(self._aside)


def execute(
    plan: Plan,
    handlers: Mapping[str, Handler],
    last: Callable[[], object] | None = None,
    keeps: Callable[[], bool] = lambda: False,
) -> None:
    """Carry out a plan's actions in order; when one fails, take back the earlier ones, last first, and raise.

    ``handlers`` adds to those for directories, files and links; ``last`` comes after the actions and counts as one.
    Once ``keeps`` returns true, nothing more is taken back.
    """
    known = {**FILE_HANDLERS, **handlers}
    undoing: list[Undo] = []
    try:
        for action in plan.actions:
            undo = known[action.kind](action)
            if undo is not None:
                undoing.append(undo)
        if last is not None:
            last()
    except BaseException:
        for undo in reversed(undoing):
            try:
                if not keeps():
                    undo()
            except Exception:  # the first failure is the one to report
                continue
        raise
    for undo in undoing:
        if isinstance(undo, _Backup):
            undo.discard()


def _create(action: Action) -> Undo | None:
    if action.payload:
        # the agent can write to some of them
        top = os.path.commonpath(action.payload)
        made = [created for directory in action.payload for created in files.make_below(top, directory)]
    else:
        made = files.make_directory(action.target)

    def undo() -> None:
        for directory in reversed(made):
            if os.path.relpath(directory, action.target).startswith(".."):
                # a parent may contain files of another run by now
                files.remove_empty([directory])
            else:
                files.remove(directory)

    return undo if made else None


def _write(action: Action) -> Undo:
    content: FileText = action.payload
    earlier = files.read_text(action.target)
    mode = os.stat(action.target).st_mode & 0o7777 if earlier is not None else content.mode
    # a link in its place is replaced
    files.write_text(action.target, content.text, content.mode, follow=False)
    if earlier is None:
        return lambda: files.remove(action.target)
    kept = earlier
    return lambda: files.write_text(action.target, kept, mode, follow=False)


def _link(action: Action) -> Undo:
    earlier = os.readlink(action.target) if os.path.islink(action.target) else None
    files.replace_link(action.target, action.payload)
    if earlier is None:
        return lambda: files.remove(action.target)
    kept = earlier
    return lambda: files.replace_link(action.target, kept)


def _remove(action: Action) -> Undo | None:
    path = action.target
    if os.path.isfile(path) and not os.path.islink(path):
        return _Backup(path)
    files.remove(path)
    return None


FILE_HANDLERS: Mapping[str, Handler] = {"create": _create, "write": _write, "link": _link, "remove": _remove}
