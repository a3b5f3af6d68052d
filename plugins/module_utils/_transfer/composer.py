# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Typing into a live codex: a message with proof that it arrived, a command, or single keys.

The proof, and the effect of each key, were tested with codex 0.142.5 and 0.169.0.
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from .._codex import rollout, rollout_files, screen
from .._core.errors import OptioError
from .._core.host import Host
from .._session.layout import SessionPaths
from .._session.tmux import Tmux

POLL = 0.03
#: seconds: how long a screen must stand still to be an answer, how long it may take to, and to a key to begin with one
QUIET, RESTLESS, PATIENCE = 0.3, 5.0, 1.0
#: seconds until the key that submits is pressed again; codex may drop it, and in an empty composer it does nothing
PRESS_AGAIN = (2.0, 4.0, 8.0)
#: a zero width space: invisible, not trimmed by codex, and text after it is never a command
MARK = "\u200b"
#: the first release that takes "!" behind a line end as a text
_LITERAL_SINCE = (0, 169)
#: characters; codex folds a larger paste, and replaces an image's path by the image
_FOLDED = 1000
#: how the composer shows such a paste, without blanks
_FOLD = "[PastedContent"
#: from any place in it to both ends and over line ends, and out of the mode for shell commands; C-c would end an idle
#: codex, and Escape Escape would go back in the conversation
_CLEAR = ("C-u", "C-k", "BSpace")
_CLEAR_LINES = (*["C-u"] * 60, *["C-k"] * 60, "BSpace")

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Message:
    """A text as codex is to record it, the key that submits it, and the prefix that it needs."""

    text: str
    key: str = "Enter"
    prefix: str = ""

    def pastes(self) -> tuple[str, ...]:
        """Return the message in pieces to paste. The line ends around it are trimmed by codex.

        The first keeps "/" and "!" from being a command's, but not when it is folded up with the rest; the last closes the
        list that a word with "@" or "$" opens, in which Enter would choose; and a path in two pieces names no picture.
        """
        text = f"\n{self.text}\n"
        # codex does not always trim a folded paste
        return ("\n", self.text) if len(text) > _FOLDED else (text[:-2], text[-2:])


def message_of(text: str, *, queue: bool, version: str | None) -> Message:
    """Return the message for a user's text and a codex of that version (None: unknown).

    A ``queue``d message is a separate turn after the running one. Codex parses a queued or
    folded message a second time, without the line end before it.
    """
    trimmed = _plain_lines(text)
    known = tuple(int(word) for word in (version or "0").split(".")[:2] if word.isdigit())
    again = queue or len(trimmed) + 2 > _FOLDED
    marked = (trimmed.startswith("/") and again) or (trimmed.startswith("!") and known < _LITERAL_SINCE)
    prefix = MARK if marked else ""
    return Message(prefix + trimmed, "Tab" if queue else "Enter", prefix)


class Composer:
    """One live codex, by its screen and by its record."""

    def __init__(self, host: Host, layout: SessionPaths) -> None:
        self._host = host
        self._name = layout.name
        self._tmux = Tmux(host, layout.tmux_socket)
        self._sessions = f"{layout.codex_home}/sessions"
        self._exit_status = layout.exit_status
        self._known: dict[str, int] = {}
        self._before: list[str] = []

    def deliver(self, message: Message, timeout: float) -> dict[str, Any]:
        """Send a message; return its delivery and the earlier text of the composer, which it replaces.

        ``recorded``: codex has taken it up. ``queued``: it waits for the running turn. Raises OptioError when neither is seen
        within ``timeout`` seconds.
        """
        deadline = self._host.monotonic() + timeout
        replaced = self._make_room(deadline, timeout)
        self._known = rollout_files.sizes(self._sessions)
        self._before = screen.queued_lines(self._screen())
        self._type(message.pastes(), message.key)
        delivery = self._await_proof(message, deadline) or self._take_back(message, timeout)
        return {"delivery": delivery, "prefix": message.prefix or None, "composer": replaced}

    def is_idle(self) -> bool:
        """Return whether no turn runs or begins, and no message waits for one; this takes two observations."""
        before = rollout_files.sizes(self._sessions)
        if not self._looks_idle(before):
            return False
        self._host.sleep(QUIET)
        after = rollout_files.sizes(self._sessions)
        return before == after and self._looks_idle(after)

    def _looks_idle(self, rollouts: Mapping[str, int]) -> bool:
        shown = self._screen()
        quiet = screen.is_ready(shown) and not screen.is_working(shown) and not screen.queued_lines(shown)
        return quiet and not any(map(rollout.turn_may_run, rollouts))

    def command(self, text: str, timeout: float) -> dict[str, Any]:
        """Type a command of codex or of the shell, which codex does not record; return the screen after it."""
        deadline = self._host.monotonic() + timeout
        replaced = self._make_room(deadline, timeout)
        self._type((_plain_lines(text),), "Enter")
        self._await(lambda: not self._composer(), min(deadline, self._host.monotonic() + RESTLESS))
        # the output of a shell command comes later
        self._await(partial(self._moved, screen.steady(self._tmux.capture() or "")), self._host.monotonic() + PATIENCE)
        shown = self._settled()
        if self._composer():
            self._clear()
            raise OptioError(
                f"session {self._name}",
                f"codex in session {self._name} did not run the command, now removed from the composer; the screen shows: {_lines(shown)}",
                "Omit raw_command if the text is a message, or specify a command that codex has",
                delivery=None,
            )
        return {"delivery": "typed", "composer": replaced, "screen": screen.summary(shown or "")}

    def press(self, keys: list[str]) -> dict[str, Any]:
        """Press keys one by one, each after the screen has answered the one before; return the last screen."""
        shown: str | None = None
        for number, key in enumerate(keys):
            before = screen.steady(self._screen())
            self._tmux.send_key(key)
            self._await(partial(self._moved, before), self._host.monotonic() + PATIENCE)
            shown = self._settled()
            rest = keys[number + 1 :]
            if shown is None and rest:
                raise OptioError(
                    f"session {self._name}",
                    f"codex in session {self._name} ended after the key {key}, before {' '.join(rest)}",
                    "Resume the session if this was not intended",
                )
        return {"delivery": "pressed", "screen": None if shown is None else screen.summary(shown)}

    def _make_room(self, deadline: float, timeout: float) -> str | None:
        """Wait for the composer and empty it; return its text, None if it was empty."""
        shown = self._await(self._input, deadline)
        if screen.is_menu(shown):
            raise OptioError(
                f"session {self._name}",
                f"codex in session {self._name} waits for a choice and accepts no message; the screen shows: {_lines(shown)}",
                "Make the choice first, with keys or in the terminal",
            )
        if not shown:
            raise OptioError(
                f"session {self._name}",
                f"codex in session {self._name} has shown no composer for {timeout:g} s; the screen shows: {_lines(self._screen())}",
                "Close the dialog that covers it first, with keys or in the terminal",
            )
        replaced = self._clear()
        # text that a person has just typed may not be drawn yet
        self._tmux.send_key(*_CLEAR)
        return replaced or None

    def _input(self) -> str:
        """Return a screen with a composer or with a choice to make, else nothing."""
        shown = self._screen()
        return shown if screen.has_composer(shown) or screen.is_menu(shown) else ""

    def _clear(self) -> str:
        """Empty the composer; return its text. Text that no key removes is a suggestion of codex's own."""
        first = text = self._composer() or ""
        while text:
            self._tmux.send_key(*_CLEAR_LINES)
            if not self._await(partial(self._is_other, text), self._host.monotonic() + RESTLESS):
                return first if text != first else ""
            text = self._composer() or ""
        return first

    def _type(self, pieces: Sequence[str], key: str) -> None:
        """Paste a text and submit it."""
        for piece in pieces:
            self._tmux.paste(piece)
        # an empty composer after the key proves something only when it held the text before
        self._await(lambda: bool(self._composer()), self._host.monotonic() + RESTLESS)
        self._tmux.send_key(key)

    def _await_proof(self, message: Message, deadline: float) -> str | None:
        """Return how codex shows that it has the message, None at the deadline; press its key again while it is in the composer."""
        for pause in PRESS_AGAIN:
            delivery = self._await(lambda: self._proof(message), min(deadline, self._host.monotonic() + pause))
            if delivery or self._host.monotonic() >= deadline:
                return delivery
            if _is_held(self._composer() or "", message.text.split("\n")[0]):
                self._tmux.send_key(message.key)
        return self._await(lambda: self._proof(message), deadline)

    def _moved(self, before: str) -> bool:
        shown = self._tmux.capture()
        return shown is None or screen.steady(shown) != before

    def _is_other(self, text: str) -> bool:
        return self._composer() != text

    def _proof(self, message: Message) -> str | None:
        """Return how codex shows that it has the message, None as long as it does not."""
        if self._recorded(message.text):
            return "recorded"
        styled = self._screen(styled=True)
        shown = screen.plain(styled)
        queued, held = screen.queued_lines(shown), screen.composer(styled)
        first = message.text.split("\n")[0]
        if _is_held(held or "", first):
            return None
        if _has_new(queued, self._before, first):
            return "queued"
        # letters may be drawn as others, and of a long queue the end is not shown
        more = len(queued) > len(self._before) or screen.queue_is_cut(shown)
        return "queued" if more and held == "" else None

    def _recorded(self, text: str) -> bool:
        for path, size in rollout_files.sizes(self._sessions).items():
            offset = self._known.get(path, 0)
            if size > offset and any((rollout.user_text(entry) or "").strip() == text for entry in rollout.appended(path, offset)):
                return True
        return False

    def _take_back(self, message: Message, timeout: float) -> str:
        """Remove a message from the composer and raise OptioError, unless codex has accepted it after all."""
        shown = self._screen()
        left = self._clear()
        if self._recorded(message.text):
            return "recorded"
        if left and not self._composer():
            cause = f"did not accept the message within {timeout:g} s, so it was removed from the composer and not delivered"
            remedy = "Look at the session in its terminal, then send it again"
        else:
            cause = f"has neither recorded nor queued the message within {timeout:g} s, and may still do so"
            remedy = "Look at the session in its terminal before you send it again; a text of one very long line needs a larger timeout"
        subject = f"session {self._name}"
        raise OptioError(subject, f"codex in {subject} {cause}; the screen shows: {_lines(shown)}", remedy, delivery=None)

    def _await(self, seen: Callable[[], Answer], deadline: float) -> Answer:
        """Return the first result of ``seen`` that is not empty, or the empty one at the deadline."""
        while True:
            answer = seen()
            if answer or self._host.monotonic() >= deadline:
                return answer
            self._host.sleep(POLL)

    def _settled(self) -> str | None:
        """Return the screen once it has stood still, but for clocks and spinners; None when codex has ended."""
        end = self._host.monotonic() + RESTLESS
        last, since = self._tmux.capture(), self._host.monotonic()
        while last is not None and self._host.monotonic() < min(end, since + QUIET):
            self._host.sleep(POLL)
            shown = self._tmux.capture()
            if shown is None or screen.steady(shown) != screen.steady(last):
                since = self._host.monotonic()
            last = shown
        return last

    def _composer(self) -> str | None:
        # codex 0.142.5 leaves a similar line on the screen
        return None if os.path.exists(self._exit_status) else screen.composer(self._tmux.capture(styled=True) or "")

    def _screen(self, *, styled: bool = False) -> str:
        shown = self._tmux.capture(styled=styled)
        if shown is None:
            raise OptioError(f"session {self._name}", f"codex in session {self._name} has ended", "Resume the session, then send again")
        return shown


def _is_held(held: str, first: str) -> bool:
    """Return whether the composer still holds the message that begins with this line."""
    begin = _letters(held.split("\n")[0])
    return bool(begin) and (_letters(first).startswith(begin) or begin.startswith(_FOLD))


def _has_new(queued: list[str], before: list[str], first: str) -> bool:
    """Return whether more messages with this first line wait than before, as far as the screen shows.

    It shows the beginning of each, and in another width a longer or a shorter beginning.
    """
    begin = _letters(first)
    alike = [line for line in map(_letters, queued) if line and begin.startswith(line)]
    least = min(alike, key=len, default="")
    return len(alike) > sum(1 for line in map(_letters, before) if line and (line.startswith(least) or begin.startswith(line)))


def _letters(text: str) -> str:
    """Return a text without white space, which is drawn differently, and without invisible characters."""
    return "".join(letter for letter in text if not letter.isspace() and unicodedata.category(letter) != "Cf")


def _lines(shown: str | None) -> str:
    return screen.summary(shown or "", 6) or "(nothing)"


def _plain_lines(text: str) -> str:
    """Return a text with line ends of one kind and, as codex keeps it, without white space around it."""
    return text.replace("\r\n", "\n").replace("\r", "\n").strip()
