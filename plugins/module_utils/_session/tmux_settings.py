# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The settings of a session's tmux server: the size of its window, the wheel, and the title. For tmux 3.1 and later.

The window has the size of a viewer: a client that may type, or a reader of a terminal without a web server. Of several
viewers, the last that typed, attached or changed its size decides, which is tmux's own rule (``window-size latest``). Clients
that watch behind a web server never decide. ``resize-window`` sets a size until ``window-size`` of the window is unset.
"""

from __future__ import annotations

#: the session inside the one tmux server that each codex session has to itself
TMUX_SESSION = "optio"
#: the size without a viewer, and the smallest with one
COLUMNS, ROWS = 200, 50
LEAST_COLUMNS, LEAST_ROWS = 80, 24
#: the terminal types of viewers and of watchers; only by them, the server can distinguish the two kinds of readers
VIEWER_TERM, WATCHER_TERM = "xterm-256color", "xterm"
_WINDOW = f"{TMUX_SESSION}:"
_IS_WATCHER = f"#{{&&:#{{client_readonly}},#{{==:#{{client_termname}},{WATCHER_TERM}}}}}"
#: the names of the attached viewers, each with a blank after it
_VIEWERS = "@optio_viewers"
#: before 3.3, tmux has no hooks for a client that types and for a lost one, as each of ttyd's is at its end
_IS_OLD = "#{||:#{m:3.[0-2],#{version}},#{m:3.[0-2][a-z],#{version}}}"
#: sizes below the smallest, as patterns, because before 3.2 tmux does not compare numbers; and the options to enlarge them
_SMALL = (
    *((f"#{{m:{pattern},#{{window_width}}}}", f"-x {LEAST_COLUMNS}") for pattern in ("[0-9]", "[1-7][0-9]")),
    *((f"#{{m:{pattern},#{{window_height}}}}", f"-y {LEAST_ROWS}") for pattern in ("[0-9]", "1[0-9]", "2[0-3]")),
)

_FOLLOW = f"if-shell -F '#{{{_VIEWERS}}}' 'set-option -w -u -t {_WINDOW} window-size'"
_ENLARGE = tuple(f"if-shell -F -t {_WINDOW} '{small}' 'resize-window -t {_WINDOW} {size}'" for small, size in _SMALL)
_RESIZE = f"resize-window -t {_WINDOW} -x {COLUMNS} -y {ROWS}"
#: a name may be left over, but not without a client
_RESET = f"if-shell -F '#{{&&:#{{session_attached}},#{{{_VIEWERS}}}}}' '' 'set-option -g -q -u {_VIEWERS} ; {_RESIZE}'"
#: without a viewer, the window is not left where one has scrolled back to
_SCROLL_DOWN = f"if-shell -F -t {_WINDOW} '#{{?#{{{_VIEWERS}}},0,#{{pane_in_mode}}}}' 'send-keys -t {_WINDOW} -X cancel'"
_ENTER = f"set-option -g -a -F {_VIEWERS} '#{{client_name}} ' ; {_FOLLOW}"


def _leave(name: str) -> tuple[str, ...]:
    """Return the commands for a viewer that is gone; ``name`` is its name as a format."""
    return (f"set-option -g -F {_VIEWERS} '#{{s|{name} ||:{_VIEWERS}}}'", _RESET, _FOLLOW, _SCROLL_DOWN)


def _await_end() -> str:
    """Return the command with which an old tmux waits for the end of a client; it ends with the server too."""
    name = "#{client_name}"
    # the server expands one number sign, the tmux in the shell expands two
    enlarge, leave = (" \\\\; ".join(each).replace("#", "##").replace("NAME", name) for each in (_ENLARGE, _leave("NAME")))
    is_there = f"tmux list-clients -F '##{{client_name}}' | grep -qxF '{name}'"
    return f'run-shell -b "while {is_there}; do tmux {enlarge}; sleep 0.5; done; tmux {leave}"'


def _wheel() -> list[list[str]]:
    """Return the commands for the wheel. Of the other keys and buttons none is bound: menus and new panes would only disturb."""
    taken = "#{||:#{pane_in_mode},#{mouse_any_flag}}"
    # a pager has no lines above the screen
    up, down = (f"if-shell -F '#{{alternate_on}}' 'send-keys {key}' '{other}'" for key, other in (("PPage", "copy-mode -e"), ("NPage", "")))
    return [
        # a terminal without a mouse sends the wheel as arrow keys
        ["set-option", "-g", "mouse", "on"],
        ["unbind-key", "-a", "-T", "root"],
        ["bind-key", "-n", "WheelUpPane", "if-shell", "-F", taken, "send-keys -M", up],
        ["bind-key", "-n", "WheelDownPane", "if-shell", "-F", taken, "send-keys -M", down],
    ]


def _size() -> list[list[str]]:
    """Return the commands for the size of the window; ``window-size`` before the first session crashes tmux 3.3."""
    old = f"set-hook -g client-attached[1] {{ if-shell -F '{_IS_WATCHER}' '' {{ {_await_end()} }} }}"
    new = {"client-detached": _leave("#{hook_client}"), "client-active": (_FOLLOW,), "window-resized": _ENLARGE}
    return [
        ["set-hook", "-g", "client-attached", f"if-shell -F '{_IS_WATCHER}' '' {{ {_ENTER} }}"],
        ["set-hook", "-g", "client-resized", " ; ".join((_FOLLOW, *_ENLARGE))],
        ["if-shell", "-F", _IS_OLD, old, " ; ".join(f"set-hook -g {hook} {{ {' ; '.join(each)} }}" for hook, each in new.items())],
        _RESIZE.split(),
    ]


def _titles(name: str) -> list[list[str]]:
    """Return the commands for the titles of terminals: the page of a gateway shows a watcher a window of any size."""
    title = f"#{{?{_IS_WATCHER},#{{window_width}}x#{{window_height}},{name} on #{{host}}}}"
    return [["set-option", "-g", "set-titles", "on"], ["set-option", "-g", "set-titles-string", title]]


def tmux_settings(name: str) -> list[list[str]]:
    """Return the commands that set up the tmux server of the session ``name``, which runs already."""
    return [
        ["set-option", "-g", "status", "off"],
        # around a window in a larger terminal; since 3.3
        ["set-option", "-g", "-q", "fill-character", " "],
        *_titles(name),
        *_wheel(),
        *_size(),
    ]
