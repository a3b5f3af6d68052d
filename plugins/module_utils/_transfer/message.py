# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module ``session_message``: a text or keys for a live session, with proof that they arrived."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

from .composer import Conversation, message_of
from .._core.errors import OptioError
from .._core.host import Host
from .._core.plan import Action, Plan
from .._core.probe import Section
from .._core.batch import ManySessions, with_sessions
from .._launch.plan import codex_version
from .._core.resource import MASK, Params, Specification
from .._session.lock import task_lock
from .._session.probe import TaskView, parse_task
from .._session.tmux import KEY_NAMES, is_key
from .._session.workspace import PLACE_OPTIONS, check_place, place_script

#: what makes codex run a shell command or one of its own, wherever the first word stands
_COMMAND_MARKS = ("!", "/")
#: characters; codex itself takes 1048576 with what it adds
LONGEST = 1_000_000


class SessionMessageSubject(ManySessions[TaskView]):
    """One message to one session, or some keys; there is no state in which they need not be sent."""

    name = "session_message"
    one = Specification(
        argument_spec={
            **PLACE_OPTIONS,
            "text": {"type": "str"},
            # tmux's names of keys
            "keys": {"type": "list", "elements": "str", "no_log": False},
            "command": {"type": "bool", "default": False},
            "when_busy": {"type": "str", "choices": ["queue", "steer"], "default": "queue"},
            "timeout": {"type": "float", "default": 30.0},
        },
        mutually_exclusive=[["text", "keys"]],
        required_one_of=[["text", "keys"]],
    )
    specification = with_sessions(one)

    def shown(self, params: Params) -> dict[str, Any]:
        # a message may hold a secret, and as a no_log option each "y" in the result would be masked
        shown = super().shown(params)
        return {**shown, "text": MASK if shown.get("text") else shown.get("text")}

    def check(self, params: Params) -> None:
        check_place(params)
        if params.get("keys") is not None:
            _check_keys(params["keys"], params["name"])
        else:
            _check_text(params["text"], params["name"])

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
        keys, text = params.get("keys"), params.get("text") or ""
        action = Action("send", observed.layout.tmux_socket, "", f"a message of {len(text)} characters")
        if keys:
            action = Action("press", observed.layout.tmux_socket, "", " ".join(keys))
        result = {
            "name": params["name"],
            "session": observed.layout.tmux_socket,
            "characters": None if keys else len(text),
            **dict.fromkeys(("delivery", "prefix", "composer", "screen")),
        }
        return Plan((action,), result)

    def lock(self, observed: TaskView, params: Params, host: Host) -> AbstractContextManager[Any]:
        return task_lock(observed.layout, params.get("user") or None, host)

    def apply(self, plan: Plan, observed: TaskView, params: Params, host: Host) -> Mapping[str, Any]:
        conversation = Conversation(host, observed.layout)
        text, timeout = params.get("text") or "", params["timeout"]
        with host.acting_as(params.get("user") or None):
            if params.get("keys"):
                return conversation.press(params["keys"])
            if params.get("command") and text.lstrip().startswith(_COMMAND_MARKS):
                return conversation.command(text, timeout)
            version = codex_version(observed.session.record.get("codex", ""))
            message = message_of(text, queue=params["when_busy"] == "queue", version=version)
            # where nothing needs to wait, nothing needs to be put before a text for that
            at_once = message_of(text, queue=False, version=version)
            if message.prefix != at_once.prefix and conversation.is_idle():
                message = at_once
            return conversation.deliver(message, timeout)


def _check_keys(keys: Sequence[str], name: str) -> None:
    subject = f"keys for session {name}"
    if not keys:
        raise OptioError(subject, "are an empty list", "Name at least one key")
    for key in keys:
        if not is_key(key):
            raise OptioError(
                subject,
                f"{key!r} is no key",
                f"Use a single character, one of {', '.join(KEY_NAMES)}, or one with C-, M- or S- before it, such as C-c",
            )


def _check_text(text: str, name: str) -> None:
    subject = f"message to session {name}"
    if not text.strip():
        raise OptioError(subject, "is empty", "Give text something to say")
    if len(text) > LONGEST:
        raise OptioError(
            subject, f"has {len(text)} characters, and codex takes {LONGEST}", "Put it into a file on the worker and name the file"
        )
    for letter in text:
        if letter not in "\t\n\r" and unicodedata.category(letter) in ("Cc", "Cs"):
            raise OptioError(
                subject, f"holds {letter!r}, which codex would drop or take for a key", "Take the control characters out of the text"
            )


SUBJECT = SessionMessageSubject()
