# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a worker says of a session's auth.json: one shell script, one parser.

The script holds nothing of a credential, and what it prints are digests with a salt that is new for every run, so that
neither a command line nor a log lets anybody compare a secret with a guess or with another log.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from .._codex.auth_file import ACCESS_TOKEN, API_KEY, CHATGPT, NAME
from .._core.errors import UnknownObservation
from .._session.layout import SHELL_DIRECTORIES
from .._core.probe import Section, compose
from .._core.resource import Params
from .._session.probe import SHELL_TASK, SHELL_WORKER, TaskView, parse_task
from .._session.workspace import place_variables

#: shell: the facts of ``$workdir/home/.codex/auth.json``; ``salted`` prints the digest of its input
_SHELL = rf"""
salted() {{ {{ printf %s "$salt"; cat; }} | sha256sum | cut -c 1-64; }}
# codex 0.142.5 writes in place: a file without its end is read a second time
settle() {{
  for _pause in 1 2 3 4 5; do
    case $(tail -c 2 "$1" | tr -d '\n\r\t ') in *'}}') return ;; esac
    sleep 0.2 || sleep 1
  done
}}
# the value of a key that occurs once, whatever stands before and after it on its line
value() {{ sed -n "s/.*\"$1\"[[:space:]]*:[[:space:]]*\"\([^\"\\\\]*\)\".*/\1/p" "$file" | head -n 1; }}
holds() {{ [ -n "$(value "$1")" ]; }}
auth_facts() {{
  file=$workdir/home/.codex/{NAME}
  emit salt "$salt"
  for _dir in "$workdir/home" "$workdir/home/.codex"; do
    if [ -L "$_dir" ]; then emit home_linked 1; emit auth other; return; fi
  done
  if [ -L "$file" ]; then emit auth link; return; fi
  if ! [ -e "$file" ]; then emit auth absent; return; fi
  if ! [ -f "$file" ]; then emit auth other; return; fi
  settle "$file"
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
worker_facts
task_paths
task_workdir
workspace_facts
session_facts
auth_facts
"""


@dataclass(frozen=True)
class Kept:
    """The auth.json of a session. ``kind`` is absent, file, link or other; ``holds`` is a credential's kind or empty."""

    kind: str = "absent"
    mode: int = 0
    holds: str = ""
    refreshed: str = ""
    #: a directory above it is a symbolic link
    linked: bool = False
    salt: str = ""
    digest: str = ""
    account: str = ""

    def is_text(self, text: str) -> bool:
        """Return whether the file holds exactly this text."""
        return self.kind == "file" and self.digest == _salted(self.salt, text)

    def is_of(self, account_id: str) -> bool:
        """Return whether the file holds a login of this account."""
        return self.holds == CHATGPT and self.account == _salted(self.salt, account_id)


@dataclass(frozen=True)
class CredentialView:
    """A task, its auth.json, and the file's own bytes where they were asked for."""

    task: TaskView
    kept: Kept
    content: bytes | None = None


def credential_script(params: Params, *, content: bool = False) -> str:
    """Return the probe of one task and its auth.json."""
    variables = {
        **place_variables(params, sweep=False),
        **{"salt": secrets.token_hex(16), "content": "1" if content else "0"},
    }
    return compose(SHELL_DIRECTORIES + SHELL_WORKER + SHELL_TASK + _SHELL, variables, params.get("user") or None)


def parse_credential(sections: Sequence[Section], name: str) -> CredentialView:
    """Return what that probe's answer says."""
    view = parse_task(sections, name)
    facts = sections[0]
    if not facts.get("auth") or not facts.get("salt"):
        raise UnknownObservation("the worker did not say whether there is a credential")
    mode = facts.get("auth_mode")
    kept = Kept(
        kind=facts.get("auth"),
        mode=int(mode, 8) if mode.isdigit() else 0,
        holds=facts.get("auth_holds"),
        refreshed=facts.get("auth_refreshed"),
        linked=facts.flag("home_linked"),
        salt=facts.get("salt"),
        digest=facts.get("auth_digest"),
        account=facts.get("auth_account"),
    )
    lines = facts.lines.get("content")
    try:
        content = None if lines is None else base64.b64decode("".join(lines), validate=True)
    except binascii.Error as error:
        raise UnknownObservation("the worker's answer was cut off") from error
    return CredentialView(view, kept, content)


def _salted(salt: str, text: str) -> str:
    return hashlib.sha256((salt + text).encode("utf-8", "surrogateescape")).hexdigest()
