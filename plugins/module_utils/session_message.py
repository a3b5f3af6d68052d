# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module ``session_message``: a text given to a live session as one message, with proof that it arrived."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

from . import rollout, screen
from .errors import OptioError
from .host import Host
from .layout import TaskLayout
from .plan import Action, Plan
from .probe import Section
from .subject import Params, Specification, Subject
from .task_lock import task_lock
from .task_probe import TaskView, parse_task
from .tmux import Tmux
from .workspace import PLACE_OPTIONS, check_place, place_script

POLL = 0.03
#: what makes codex run a shell command or one of its own, wherever the first word stands
_COMMAND_MARKS = ("!", "/")


class SessionMessageSubject(Subject[TaskView]):
    """One message to one session; there is no state in which it need not be sent."""

    name = "session_message"
    specification = Specification(
        argument_spec={
            **PLACE_OPTIONS,
            "text": {"type": "str", "required": True},
            "command": {"type": "bool", "default": False},
            "timeout": {"type": "float", "default": 20.0},
        }
    )

    def check(self, params: Params) -> None:
        check_place(params)
        text = params["text"].strip()
        subject = f"message to session {params['name']}"
        if not text:
            raise OptioError(subject, "is empty", "Give text something to say")
        if "\0" in text or "\x1b" in text:
            raise OptioError(subject, "holds a NUL or an ESC, which would act as keys", "Take the control characters out")
        if text.startswith(_COMMAND_MARKS) and not params.get("command"):
            raise OptioError(
                subject,
                f"begins with {text[0]!r}, and codex would run it as a command",
                "Set command: true if that is meant, or begin the text with a word",
            )

    def script(self, params: Params) -> str:
        return place_script(params, sweep=False)

    def observe(self, sections: Sequence[Section], params: Params) -> TaskView:
        return parse_task(sections, params["name"])

    def plan(self, observed: TaskView, params: Params) -> Plan:
        status = observed.session.status
        subject = f"session {params['name']}"
        if status == "absent":
            raise OptioError(
                subject,
                f"does not exist in {observed.layout.task}",
                "Launch it first with optio.codex.session, or give the user and root that it was launched with",
            )
        if status != "running":
            raise OptioError(subject, f"is {status}, so nobody would read the message", "Resume it first (resume: true)")
        length = len(params["text"])
        action = Action("send", observed.layout.tmux_socket, "", f"a message of {length} characters")
        result = {
            "name": params["name"],
            "session": observed.layout.tmux_socket,
            "characters": length,
            "delivery": None,
        }
        return Plan((action,), result)

    def lock(self, observed: TaskView, params: Params, host: Host) -> AbstractContextManager[Any]:
        return task_lock(observed.layout, params.get("user") or None, host)

    def apply(self, plan: Plan, observed: TaskView, params: Params, host: Host) -> Mapping[str, Any]:
        with host.acting_as(params.get("user") or None):
            return {"delivery": deliver(host, observed.layout, params["text"], params["timeout"])}


def deliver(host: Host, layout: TaskLayout, text: str, timeout: float) -> str:
    """Send a text and return ``recorded`` (codex has taken it up), ``queued`` (it waits for the running turn), or
    ``typed`` for a command, of which codex keeps no record.

    Raises OptioError when neither is seen within ``timeout`` seconds.
    """
    tmux = Tmux(host, layout.tmux_socket)
    message = text.replace("\r\n", "\n").replace("\r", "\n").strip("\n")
    tmux.leave_mode()
    before = tmux.capture() or ""
    if screen.is_menu(before):
        raise OptioError(
            f"session {layout.name}",
            f"codex waits for a choice and takes no message; its screen shows: {screen.summary(before, 6)}",
            "Answer it in the terminal first",
        )
    sessions = f"{layout.codex_home}/sessions"
    path = rollout.newest(sessions)
    offset = rollout.size(path)
    tmux.paste(message)
    tmux.send_key("Enter")
    if message.lstrip().startswith(_COMMAND_MARKS):
        # codex runs it itself and records no message
        return "typed"
    deadline = host.monotonic() + timeout
    while host.monotonic() < deadline:
        current = rollout.newest(sessions)
        if current and _recorded(current, offset if current == path else 0, message):
            return "recorded"
        shown = tmux.capture() or ""
        if len(screen.queued_lines(shown)) > len(screen.queued_lines(before)):
            return "queued"
        host.sleep(POLL)
    shown = tmux.capture() or ""
    raise OptioError(
        f"session {layout.name}",
        f"the message was typed but codex did not take it up within {timeout:g} s; its screen shows: "
        f"{screen.summary(shown, 6) or '(nothing)'}",
        "Look at the session in its terminal before you send again: the text may still stand in the composer",
    )


def _recorded(path: str, offset: int, message: str) -> bool:
    wanted = message.strip()
    return any((rollout.user_text(entry) or "").strip() == wanted for entry in rollout.appended(path, offset))


SUBJECT = SessionMessageSubject()
