# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Parses codex's screen: whether it accepts input, and which question it asks. Recorded from 0.142.5 and 0.169.0."""

from __future__ import annotations

import re

#: the composer, and every menu, marks its line with this; a composer that takes a shell command has a "!", and the
#: login menu alone a plain ">"
_CURSOR = re.compile(r"^(?:› ?|!(?: |$)|> (?=\d+\. ))(.*)$")
#: below the composer, once codex knows its model: ``  <model> <effort> · <directory>``, of which 0.169 breaks a long line
_FOOTER = re.compile(r"^  \S.* ·(?: |$)")
#: a menu never has it; text in the composer may begin with a number like a menu's entry
_DIRECTORY = re.compile(r"^  \S.* ·(?: [/~]|$)")
_MENU_ENTRY = re.compile(r"\d+\. ")
_LOADING = re.compile(r"^(?:\s+|│ model:\s+)loading\b", re.MULTILINE)
#: with animations behind a bullet; the texts of the agent and of its tools are indented
_WORKING = re.compile(r"^(?:[•◦] )?\w[^()]*\(\d+[^()]*esc to interrupt\)", re.MULTILINE)
_FOLDER_ACCESS = re.compile(r"^ +Folder access *$", re.MULTILINE)
_LIMIT_QUESTION = re.compile(r"^ +Approaching rate limits *$", re.MULTILINE)
_LIMIT_ERROR = re.compile(r"You.ve hit your usage limit")
_GO_ON = ("1. Open restricted", "1. Open existing task")
_KEEP_MODEL = re.compile(r"^(?:› |  )(\d)\. Use existing model *$", re.MULTILINE)
_QUESTION = re.compile(r"[A-Z][^.?!]*\?")
_WORD = re.compile(r"[^\W\d_]{2}")
#: a long one is broken into lines without an indent
_ERROR = re.compile(r"^■ (.+(?:\n[^\s■•◦⚠›─╭].*)*)$", re.MULTILINE)
#: of anyhow, clap and a panic
_EXIT_ERROR = re.compile(r"^((?:Error|error|ERROR): .+|thread '[^']*' .*panicked at .+)$", re.MULTILINE)
_QUEUE = re.compile(r"^• (?:Messages to be submitted|Queued follow-up)")
_QUEUED = re.compile(r"^ {2}↳ ")
_CLOCK = re.compile(r"\(\d[^()]*esc to interrupt\)")
_SPINNER = re.compile(r"^[•◦] ", re.MULTILINE)
#: the part of a screen's height that a queue of messages takes when it is cut off
_FULL = 0.7
#: lines above the choices of a menu in which its question is looked for
MENU_LINES = 20
#: the items of the pane's title that show the state of codex, and a format of tmux that sorts such titles; without animations
#: the item ``activity`` is there only while codex waits for a person
TITLE_ITEMS = ("activity", "run-state")
TITLE_KIND = "#{?#{m:*Action Required*,#{pane_title}},waiting,#{?#{m:*Ready,#{pane_title}},ready,working}}"

# in a captured screen with colors: a change of style, the colors in it, and other control characters
_STYLE = re.compile(r"\x1b\[([\d;:]*)m")
_COLOR = re.compile(r"\b[345]8[;:](?:5[;:]\d+|2(?:[;:]\d+){3})")
_CONTROL = re.compile(r"\x1b\]8;[^\x1b]*\x1b\\|\x1b[()].|[\x0e\x0f]")


def _cursor_lines(screen: str) -> list[str]:
    """Return the last marked line, without its mark, and the lines below it; nothing when none is marked."""
    found: list[str] = []
    for line in screen.splitlines():
        match = _CURSOR.match(line)
        if match:
            found = [match.group(1)]
        elif found:
            found.append(line)
    return found


def has_composer(screen: str) -> bool:
    """Return whether codex shows its composer: the last marked line, and no entry of a menu.

    It is drawn for a moment before a login or another menu takes its place.
    """
    return bool(_cursor_lines(screen)) and not is_menu(screen) and not _LOADING.search(screen)


def is_ready(screen: str) -> bool:
    """Return whether codex takes input: its composer with the line below it that names model and directory."""
    return has_composer(screen) and any(_FOOTER.match(line) for line in _cursor_lines(screen)[1:])


def is_menu(screen: str) -> bool:
    """Return whether codex waits for a choice: a trust or approval prompt, a login or an announcement."""
    lines = _cursor_lines(screen)
    return bool(lines) and bool(_MENU_ENTRY.match(lines[0])) and not any(map(_DIRECTORY.match, lines))


def menu_question(screen: str) -> str | None:
    """Return the question above the choices of a menu, and the command that it is about."""
    lines = screen.splitlines()
    marked = [number for number, line in enumerate(lines) if _CURSOR.match(line)]
    if not marked or not is_menu(screen):
        return None
    above = [line.strip() for line in lines[max(marked[-1] - MENU_LINES, 0) : marked[-1]] if _WORD.search(line)]
    command = next((line for line in above if line.startswith("$ ")), None)
    asked = [question for line in above for question in _QUESTION.findall(line)] or above[-1:]
    return " ".join(filter(None, (*asked[-1:], command))) or None


def is_restricted_question(screen: str) -> bool:
    """Return whether codex 0.169 asks to continue in an untrusted folder, and "yes" is selected.

    It asks where the folder has settings of its own, no setting keeps it from that, and the answer changes no trust.
    """
    lines = _cursor_lines(screen)
    return bool(lines) and lines[0].strip() in _GO_ON and bool(_FOLDER_ACCESS.search(screen))


def keep_model_key(screen: str) -> str | None:
    """Return the key that keeps the model, if codex asks whether to use its successor."""
    found = _KEEP_MODEL.search(screen) if is_menu(screen) else None
    return found.group(1) if found else None


def is_working(screen: str) -> bool:
    """Return whether codex shows that it works; 0.169 does not while it writes its answer."""
    return bool(_WORKING.search(screen))


def title_kind(title: str) -> str | None:
    """Return the state in a title of TITLE_ITEMS: waiting, working or ready; None for any other title."""
    if "Action Required" in title:
        return "waiting"
    state = title.rpartition(" ")[2]
    return "ready" if state == "Ready" else "working" if state in ("Working", "Thinking") else None


def error_line(screen: str) -> str | None:
    """Return the last error that codex shows; 0.142.5 keeps it nowhere else."""
    found = _ERROR.findall(screen)
    return " ".join(str(found[-1]).split()) if found else None


def exit_error(screen: str) -> str | None:
    """Return the line with which codex reported the error that ended it; there is none if a signal ended it."""
    found = _EXIT_ERROR.findall(screen)
    return str(found[-1]).strip() if found else None


def is_limit_question(screen: str) -> bool:
    """Return whether codex offers another model because a usage limit is near or reached."""
    return is_menu(screen) and bool(_LIMIT_QUESTION.search(screen))


def shows_reached_limit(screen: str) -> bool:
    """Return whether the last error that codex shows is a usage limit that is reached."""
    return bool(_LIMIT_ERROR.match(error_line(screen) or ""))


def queued_lines(screen: str) -> list[str]:
    """Return the first line of each message that waits for the running turn."""
    return [line[4:].strip() for line in _queue(screen) if _QUEUED.match(line)]


def queue_is_cut(screen: str) -> bool:
    """Return whether more messages may wait than the screen has room for; the newest are the ones not shown."""
    return len(_queue(screen)) > _FULL * screen.count("\n")


def _queue(screen: str) -> list[str]:
    """Return the lines from the first heading of waiting messages to the composer."""
    lines: list[str] = []
    for line in screen.split("\n"):
        if lines and _CURSOR.match(line):
            break
        if lines or _QUEUE.match(line):
            lines.append(line)
    return lines


def plain(styled: str) -> str:
    """Return the text of a screen that was captured with its colors."""
    return _STYLE.sub("", _CONTROL.sub("", styled))


def composer(styled: str) -> str | None:
    """Return the text in the composer of a screen with colors, None if codex shows no composer.

    An empty one shows a suggestion in faint letters. A long text is only its part on the screen, and codex shows a large
    paste as ``[Pasted Content N chars]``. Text after "!" would be run by the shell.
    """
    text = plain(styled)
    if not has_composer(text):
        return None
    lines, bright = text.split("\n"), _without_faint(styled).split("\n")
    first = max(number for number, line in enumerate(lines) if _CURSOR.match(line))
    below = range(first + 1, len(lines))
    # a list of suggestions takes the place of the line with the directory, behind an empty line
    end = next((number for number in below if _DIRECTORY.match(lines[number])), 0)
    end = end or next((number for number in below if not lines[number].strip()), len(lines))
    shell = lines[first][0].replace("›", "")
    shown, typed = ["\n".join(line[2:].rstrip() for line in side[first:end]) for side in (lines, bright)]
    start = len(shown) - len(shown.lstrip())
    return shell + (typed.strip() if typed[start : start + 1] == shown[start : start + 1] else "")


def _without_faint(styled: str) -> str:
    """Return the text of a screen with blanks in the place of faint letters."""
    pieces = _STYLE.split(_CONTROL.sub("", styled))
    faint, kept = False, []
    for text, codes in zip(pieces[::2], [*pieces[1::2], ""]):
        kept.append(re.sub(r"[^\n]", " ", text) if faint else text)
        for code in re.split("[;:]", _COLOR.sub("", codes)):
            faint = code == "2" or (faint and codes != "" and code not in ("0", "22"))
    return "".join(kept)


def steady(screen: str) -> str:
    """Return a screen without clocks and spinners, which change by themselves."""
    return _SPINNER.sub("• ", _CLOCK.sub("(esc to interrupt)", screen))


def summary(screen: str, lines: int = 12) -> str:
    """Return the last lines that hold words, for an error message; codex draws its logo in characters too."""
    shown = [line.rstrip() for line in screen.splitlines() if _WORD.search(line)]
    return "\n".join(shown[-lines:])
