# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The directories of a session's sockets: one for tmux and ttyd, one for a web server."""

from __future__ import annotations

import errno
import grp
import os
from contextlib import nullcontext, suppress

from .._core import files
from .._core.executor import Undo
from .._core.host import Host
from .._core.plan import Action
from .layout import RUNTIME_ROOT, WEB_ROOT, SessionPaths


class RuntimeDirectories:
    """Creates and removes the socket directories of one session, as the session's user."""

    def __init__(self, host: Host, layout: SessionPaths) -> None:
        self._host = host
        self._layout = layout

    def create(self, action: Action) -> Undo | None:
        """Create the 0700 directory of the sockets, owned by the session's user, or the web server's."""
        path = action.target
        if path == self._layout.web:
            return self._create_web(action.payload)
        if not self._layout.in_runtime_root:
            parents = files.make_directory(os.path.dirname(path))
            files.make_directory(path)

            def undo() -> None:
                files.remove(path)
                # the parents may hold by now the sockets of another session
                files.remove_empty(parents)

            return undo
        uid, gid = os.geteuid(), os.getegid()
        with self._host.privileged():
            try:
                self._make_below(RUNTIME_ROOT, path, uid, gid)
            except OSError as error:
                raise files.failure(path, error) from error
        return lambda: self._remove(path)

    def _create_web(self, group: str) -> Undo | None:
        """Make the directory in which a web server finds sockets by their names, and can neither list nor make any.

        Files in it get its group; the session's user need not belong to the group.
        """
        path, uid = self._layout.web, os.geteuid()
        made = not os.path.isdir(path)
        with self._host.privileged():
            try:
                if made:
                    self._make_below(WEB_ROOT, path, uid, grp.getgrnam(group).gr_gid)
                os.chown(path, uid, grp.getgrnam(group).gr_gid)
                os.chmod(path, 0o2710)
            except OSError as error:
                raise files.failure(path, error) from error
        return (lambda: self._remove(path)) if made else None

    @staticmethod
    def _make_below(root: str, path: str, uid: int, gid: int) -> None:
        """Make a directory of a user: under its name it is never root's, which the next run would take for another user's session."""
        scratch = _scratch_of(path)
        for attempt in range(3):
            files.make_directory(root, 0o755)
            try:
                os.chmod(root, 0o755)
                # from a run that was killed
                with suppress(FileExistsError):
                    os.mkdir(scratch, 0o700)
                os.chown(scratch, uid, gid)
                # a rename would replace an empty directory
                if os.path.lexists(path):
                    raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path)
                os.rename(scratch, path)
            except FileNotFoundError:
                # the end of another session, then the only one, has just taken the parent along
                if attempt == 2:
                    raise
            else:
                return

    def remove(self, action: Action) -> None:
        """Remove a directory of sockets."""
        self._remove(action.target)

    def _remove(self, path: str) -> None:
        if not self._layout.in_runtime_root and (os.path.islink(path) or not os.path.isdir(path)):
            # a link or a file of the session's user: the target of a link does not belong to the session
            files.remove(path)
            return
        for entry in os.listdir(path) if os.path.isdir(path) else ():
            files.remove(f"{path}/{entry}")
        with self._host.privileged() if self._layout.in_runtime_root else nullcontext():
            os.rmdir(path)
            # the parent is shared, and goes with its last session
            for emptied in (_scratch_of(path), os.path.dirname(path)):
                with suppress(OSError):
                    os.rmdir(emptied)


def _scratch_of(path: str) -> str:
    # no session's name begins with a dot
    return f"{os.path.dirname(path)}/.{os.path.basename(path)}"
