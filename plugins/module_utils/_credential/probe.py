# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The probe of a session's auth.json: a shell script and its parser.

The script contains no part of a credential. It prints digests with a salt that is new for each run, so neither a command
line nor a log allows comparing a secret with a guess or with another log.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from .._codex.auth_file import ACCESS_TOKEN, API_KEY, CHATGPT
from .._core.errors import ProbeError
from .._core.paths import SHELL_DIRECTORIES
from .._core.probe import Section, assignments, compose
from .._core.resource import Params
from .._session.location import Location, location_variables
from .._session.login import LIMIT
from .._session.probe import entries_by_user, looking, parse_many, parse_task, user_of_params, watched
from .._session.probe_shell import SHELL_TASK, SHELL_WORKER
from .._session.state import ObservedSession

#: shell: the facts of ``$home/.codex/auth.json``, after ``login_facts``; ``salted`` prints the digest of its input
_SHELL = rf"""
salted() {{ {{ printf %s "$salt"; cat; }} | sha256sum | cut -c 1-64; }}
auth_facts() {{
  emit salt "$salt"
  [ -z "$login_digest" ] || emit login_digest "$(printf %s "$login_digest" | salted)"
  [ -z "$login_mark" ] || emit login_mark "$(printf %s "$login_mark" | salted)"
  for _dir in "$home" "$home/.codex"; do
    if [ -L "$_dir" ]; then emit home_linked 1; emit auth other; return; fi
  done
  if [ -L "$file" ]; then emit auth link; return; fi
  if ! [ -e "$file" ]; then emit auth absent; return; fi
  if ! [ -f "$file" ]; then emit auth other; return; fi
  if [ "$(stat -c %s "$file")" -gt {LIMIT} ]; then emit auth other; return; fi
  emit auth file
  emit auth_mode "$(stat -c %a "$file")"
  emit auth_digest "$(salted <"$file")"
  if holds refresh_token; then
    emit auth_holds {CHATGPT}
    emit auth_account "$(value account_id | tr -d '\n' | salted)"
    emit auth_refreshed "$(value last_refresh | tr -cd '0-9TZ:.+-')"
  elif holds personal_access_token || holds agent_identity; then emit auth_holds {ACCESS_TOKEN}
  elif holds OPENAI_API_KEY; then emit auth_holds {API_KEY}
  fi
  if [ "$content" = 1 ]; then base64 "$file" | sed 's/^/content+/'; fi
}}
"""
_ONE_SESSION = "task_paths\ntask_workdir\nworkspace_facts\nsession_facts\nlogin_facts\nauth_facts\n"
_FUNCTIONS = f"{SHELL_DIRECTORIES}{SHELL_WORKER}{SHELL_TASK}{_SHELL}"


@dataclass(frozen=True)
class AuthFileState:
    """The auth.json of a session. ``kind`` is absent, file, link or other; ``holds`` is a kind of credential or empty."""

    kind: str = "absent"
    mode: int = 0
    holds: str = ""
    refreshed: str = ""
    #: a directory above it is a symbolic link
    linked: bool = False
    salt: str = ""
    digest: str = ""
    account: str = ""
    login: str = ""
    login_mark: str = ""

    def is_text(self, text: str) -> bool:
        """Return whether the file holds exactly this text."""
        return self.kind == "file" and self.digest == _salted(self.salt, text)

    def is_of(self, account_id: str) -> bool:
        """Return whether the file holds a login of this account."""
        return self.holds == CHATGPT and self.account == _salted(self.salt, account_id)

    def is_login(self, digest: str) -> bool:
        """Return whether the file holds the login of this digest."""
        return self.login == _salted(self.salt, digest)

    def is_marked(self, digest: str) -> bool:
        """Return whether the login of this digest is on record as copied elsewhere."""
        return self.login_mark == _salted(self.salt, digest)


@dataclass(frozen=True)
class SessionCredential:
    """A session, its auth.json, and the bytes of the file if they were requested."""

    task: ObservedSession
    auth_file: AuthFileState
    content: bytes | None = None


def credential_script(params: Params, *, content: bool = False) -> str:
    """Return the probe of one session and its auth.json; ``content`` adds the bytes of the file."""
    return compose(f"{_FUNCTIONS}worker_facts\n{watched(looking(_ONE_SESSION))}", _variables(params, content), params.get("user") or None)


def credential_script_many(entries: Sequence[Params]) -> str:
    """Return one probe of many sessions and their auth.json: the functions and the worker's facts once for each user."""
    scripts = []
    for user, sessions in entries_by_user(entries, user_of_params):
        each = "".join(f"section session\n{looking(f'{assignments(_variables(params, False))}{_ONE_SESSION}')}" for params in sessions)
        body = f"{_FUNCTIONS}worker_facts\n{watched(each)}"
        scripts.append(f"(\n{compose(body, {}, user)})\n")
    return "".join(scripts)


def parse_credential_many(answer: str, entries: Sequence[Params]) -> list[SessionCredential]:
    """Return the answers of that probe in the order of ``entries``."""
    return parse_many(answer, entries, user_of_params, lambda sections, params: parse_credential(sections, params["name"]))


def _variables(params: Params, content: bool) -> dict[str, str]:
    return {
        **location_variables(Location.from_params(params), sweep=False),
        "salt": secrets.token_hex(16),
        "content": "1" if content else "0",
    }


def parse_credential(sections: Sequence[Section], name: str) -> SessionCredential:
    """Return the parsed answer of that probe; raise ProbeError if it is malformed."""
    view = parse_task(sections, name)
    facts = sections[0]
    if not facts.get("auth") or not facts.get("salt"):
        raise ProbeError("the probe printed no state of auth.json")
    mode = facts.get("auth_mode")
    state = AuthFileState(
        kind=facts.get("auth"),
        mode=int(mode, 8) if mode.isdigit() else 0,
        holds=facts.get("auth_holds"),
        refreshed=facts.get("auth_refreshed"),
        linked=facts.flag("home_linked"),
        salt=facts.get("salt"),
        digest=facts.get("auth_digest"),
        account=facts.get("auth_account"),
        login=facts.get("login_digest"),
        login_mark=facts.get("login_mark"),
    )
    lines = facts.lines.get("content")
    try:
        content = None if lines is None else base64.b64decode("".join(lines), validate=True)
    except binascii.Error as error:
        raise ProbeError("the content of auth.json is incomplete") from error
    return SessionCredential(view, state, content)


def _salted(salt: str, text: str) -> str:
    return hashlib.sha256((salt + text).encode("utf-8", "surrogateescape")).hexdigest()
