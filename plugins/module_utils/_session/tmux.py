# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One session's own tmux server, spoken to over its socket."""

from __future__ import annotations

import re
import secrets

from .._core.errors import OptioError
from .._core.host import Completed, Host
from .command_line import tmux
from .tmux_settings import TMUX_SESSION

#: the pane of the session, independent of the server's window indices
PANE = f"{TMUX_SESSION}:"
#: before each input, in the same call: copy mode, in which a person scrolls back, swallows it
_LEAVE_MODE = ("if-shell", "-F", "-t", PANE, "#{pane_in_mode}", f"send-keys -t {PANE} -X cancel", ";")
#: keys that have a name; tmux would type a name that it does not know, letter by letter
KEY_NAMES = (
    *("Enter", "Escape", "Tab", "BTab", "Space", "BSpace", "Up", "Down", "Left", "Right", "Home", "End"),
    *("PageUp", "PageDown", "Insert", "Delete", *(f"F{number}" for number in range(1, 13))),
)
_KEY = re.compile(rf"(?:(?:[CMS]-)*(?:{'|'.join(KEY_NAMES)})|C-[a-z]|M-[!-:<-~])\Z")


def is_key(name: str) -> bool:
    """Return whether tmux knows a key of that name; a single character is its own name."""
    return bool(_KEY.match(name)) or (len(name) == 1 and name.isprintable() and name != " ")


class Tmux:
    """A client of one server; every call is one short command."""

    def __init__(self, host: Host, socket: str) -> None:
        self._host = host
        self._socket = socket

    def _run(self, *arguments: str, stdin: str | None = None) -> Completed:
        return self._host.run(tmux(self._socket, *arguments), stdin=stdin, timeout=10)

    def capture(self, history: int = 0, *, styled: bool = False) -> str | None:
        """Return the screen's text (``styled``: with colors) and ``history`` lines above it, None without a pane."""
        options = [*(["-e"] if styled else []), *(["-S", f"-{history}"] if history else [])]
        done = self._run("capture-pane", "-p", "-t", PANE, *options)
        return done.stdout if done.rc == 0 else None

    def title(self) -> str:
        """Return the title that the program in the pane has set, the empty string without a pane."""
        done = self._run("display-message", "-p", "-t", PANE, "#{pane_title}")
        return done.stdout.rstrip("\n") if done.rc == 0 else ""

    def on_title(self, kind: str, command: str) -> bool:
        """Have a shell command run when the title changes from one ``kind``, a format, to another; return whether tmux can.

        The title itself never reaches the shell, which runs the text of an option.
        """
        change = f'set-option -gF @optio_title "{kind}" ; run-shell -b "#{{@optio_on_title}}"'
        hook = f"if-shell -F '#{{!=:#{{@optio_title}},{kind}}}' '{change}'"
        self._run("set-option", "-g", "@optio_on_title", command)
        return self._run("set-hook", "-g", "pane-title-changed", hook).rc == 0

    def paste(self, text: str) -> None:
        """Put a text of any size into the pane as one bracketed paste, so that its line ends do not submit it."""
        buffer = f"optio-{secrets.token_hex(8)}"
        for arguments, stdin in (
            (("load-buffer", "-b", buffer, "-"), text),
            (("paste-buffer", "-p", "-d", "-b", buffer, "-t", PANE), None),
        ):
            done = self._run(*_LEAVE_MODE, *arguments, stdin=stdin)
            if done.rc != 0:
                raise OptioError(
                    f"tmux {self._socket}",
                    f"tmux {self._socket} failed at {arguments[0]}: {done.message!r}",
                    "Check with optio.codex.session_info whether the session still runs",
                )

    def send_key(self, *keys: str) -> None:
        """Press keys by their tmux names, one after the other."""
        # a semicolon at the end of a word begins the next command
        self._run(*_LEAVE_MODE, "send-keys", "-t", PANE, *(f"{key[:-1]}\\;" if key.endswith(";") else key for key in keys))

    def kill(self) -> None:
        """End the server and everything in its pane."""
        self._run("kill-server")
