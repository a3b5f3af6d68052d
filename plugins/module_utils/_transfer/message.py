# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module ``session_message``: a text or keys for a live session, with proof that they arrived."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

from .._core.batch import BatchResource, with_sessions
from .._core.errors import OptioError
from .._core.host import Host
from .._core.plan import Action, Plan
from .._core.probe import Section
from .._core.resource import MASK, ArgumentSpec, Params
from .._session.location import PLACE_OPTIONS, Location, location_script, validate_location
from .._session.lock import task_lock
from .._session.probe import parse_task
from .._session.record import codex_version
from .._session.state import ObservedSession
from .._session.tmux import KEY_NAMES, is_key
from .composer import Composer, message_of

#: codex runs a text that begins with one of these as a shell command or as one of its own commands
_COMMAND_MARKS = ("!", "/")
#: characters; codex itself accepts 1048576 with its additions
LONGEST = 1_000_000


class SessionMessageResource(BatchResource[ObservedSession, Params]):
    """One message to one session, or some keys; they are sent in every state."""

    name = "session_message"
    one = ArgumentSpec(
        argument_spec={
            **PLACE_OPTIONS,
            "text": {"type": "str"},
            # tmux's names of keys
            "keys": {"type": "list", "elements": "str", "no_log": False},
            "raw_command": {"type": "bool", "default": False},
            "when_busy": {"type": "str", "choices": ["queue", "steer"], "default": "queue"},
            "timeout": {"type": "float", "default": 30.0},
        },
        mutually_exclusive=[["text", "keys"]],
        required_one_of=[["text", "keys"]],
    )
    specification = with_sessions(one)

    def masked(self, params: Params) -> dict[str, Any]:
        # a message may hold a secret, and as a no_log option each "y" in the result would be masked
        shown = super().masked(params)
        return {**shown, "text": MASK if shown.get("text") else shown.get("text")}

    def validate(self, params: Params) -> None:
        validate_location(Location.from_params(params))
        if params.get("keys") is not None:
            _check_keys(params["keys"], params["name"])
        else:
            _check_text(params["text"], params["name"])

    def probe_script(self, params: Params) -> str:
        return location_script(Location.from_params(params), sweep=False)

    def parse_probe(self, sections: Sequence[Section], params: Params) -> ObservedSession:
        return parse_task(sections, params["name"])

    def plan(self, observed: ObservedSession, params: Params) -> Plan:
        status = observed.session.status
        subject = f"session {params['name']}"
        if status == "absent":
            raise OptioError(
                subject,
                f"{subject} does not exist in {observed.layout.task}",
                "Launch it first with optio.codex.session, or set the user and sessions_dir that it was launched with",
            )
        if status != "running":
            raise OptioError(subject, f"{subject} is {status} and cannot receive a message", "Resume it first (resume: always)")
        keys, text = params.get("keys"), params.get("text") or ""
        action = Action("send", observed.layout.tmux_socket, "", f"a message of {len(text)} characters")
        if keys:
            action = Action("press", observed.layout.tmux_socket, "", " ".join(keys))
        result = {
            "name": params["name"],
            "tmux_socket": observed.layout.tmux_socket,
            "characters": None if keys else len(text),
            **dict.fromkeys(("delivery", "prefix", "composer", "screen")),
        }
        return Plan((action,), result)

    def lock(self, observed: ObservedSession, params: Params, host: Host) -> AbstractContextManager[Any]:
        return task_lock(observed.layout, params.get("user") or None, host)

    def apply(self, plan: Plan, observed: ObservedSession, params: Params, host: Host) -> Mapping[str, Any]:
        conversation = Composer(host, observed.layout)
        text, timeout = params.get("text") or "", params["timeout"]
        with host.acting_as(params.get("user") or None):
            if params.get("keys"):
                return conversation.press(params["keys"])
            if params.get("raw_command") and text.lstrip().startswith(_COMMAND_MARKS):
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
        raise OptioError(subject, f"{subject} must not be empty", "Specify at least one key")
    for key in keys:
        if not is_key(key):
            raise OptioError(
                subject,
                f"{subject} contain the unknown key {key!r}",
                f"Use a single character, one of {', '.join(KEY_NAMES)}, or one with C-, M- or S- before it, such as C-c",
            )


def _check_text(text: str, name: str) -> None:
    subject = f"message to session {name}"
    if not text.strip():
        raise OptioError(subject, f"text of the {subject} must not be empty", "Set text")
    if len(text) > LONGEST:
        raise OptioError(
            subject,
            f"text of the {subject} must not have more than {LONGEST} characters, got {len(text)}",
            "Write it to a file on the worker and send the path of the file",
        )
    for letter in text:
        if letter not in "\t\n\r" and unicodedata.category(letter) in ("Cc", "Cs"):
            raise OptioError(
                subject,
                f"text of the {subject} must not contain the control character {letter!r}",
                "Remove the control characters from the text",
            )


RESOURCE = SessionMessageResource()
