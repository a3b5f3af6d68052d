# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The ChatGPT login of a session, and whether a copy of it exists outside of the worker.

codex renews a login by itself, and the copy that it was written from is invalid from then on. So the session's directory
contains a digest of the refresh token that was last written from a source, or saved to a place that outlasts the run.
A login with another token exists on the worker alone.
"""

from __future__ import annotations

from dataclasses import dataclass

from .._codex.login_digest import DIGEST_PREFIX, NAME
from .._core.errors import OptioError
from .._core.probe import Section

#: bytes that are read of an auth.json: codex's own has a few thousand
LIMIT = 1 << 20
#: of a login: its token is the one on record, or another
COPIED, ONLY_COPY = "copied", "only_copy"

#: shell: whether ``$home/.codex/auth.json`` has a login, and whether its digest is the one in ``$task/login``. Sets
#: login_digest and login_mark. No digest is printed, because its login could be compared with that of another log
SHELL_LOGIN = rf"""
# codex 0.142.5 writes in place: a file without its end is read a second time
settle() {{
  # as codex writes it, which is found without a second process
  case $(tail -c 2 "$1") in *'}}') return ;; esac
  for _pause in 1 2 3 4 5; do
    case $(tail -c 2 "$1" | tr -d '\n\r\t ') in *'}}') return ;; esac
    sleep 0.2 || sleep 1
  done
}}
# the value of a key that occurs once, whatever stands before and after it on its line
value() {{ head -c {LIMIT} "$file" | sed -n "s/.*\"$1\"[[:space:]]*:[[:space:]]*\"\([^\"\\\\]*\)\".*/\1/p" | head -n 1; }}
holds() {{ [ -n "$(value "$1")" ]; }}
login_facts() {{
  file=$home/.codex/{NAME} login_digest='' login_mark=''
  if [ -f "$task/login" ] && [ ! -L "$task/login" ]; then login_mark=$(head -c 64 "$task/login" | tr -cd 0-9a-f); emit login_marked 1; fi
  if [ -L "$file" ] || [ ! -f "$file" ]; then return 0; fi
  settle "$file"
  _size=$(stat -c %s "$file")
  # most have an API key alone
  if [ "${{_size:-{LIMIT + 1}}}" -le {LIMIT} ] && ! grep -q refresh_token "$file"; then return 0; fi
  if holds refresh_token; then
    login_digest=$({{ printf '%s' '{DIGEST_PREFIX}'; value refresh_token | tr -d '\n'; }} | sha256sum | cut -c 1-64)
    if [ "$login_digest" = "$login_mark" ]; then emit login {COPIED}; else emit login {ONLY_COPY}; fi
  # a damaged file may still have a token
  elif [ "${{_size:-0}}" -gt {LIMIT} ] ||
    tr -d '[:space:]' <"$file" | sed 's/"refresh_token":\(""\|null\)//g' | grep -q '"refresh_token"'; then
    emit login {ONLY_COPY}
  fi
}}
"""


@dataclass(frozen=True)
class Login:
    """The login of a session: ``kind`` is COPIED, ONLY_COPY, or empty; ``marked`` is whether a digest is on record."""

    kind: str = ""
    marked: bool = False

    @property
    def is_only_copy(self) -> bool:
        """Whether the login exists on the worker alone."""
        return self.kind == ONLY_COPY


def parse_login(facts: Section) -> Login:
    """Return the login in a probe's answer."""
    return Login(facts.get("login"), facts.flag("login_marked"))


def require_copy(login: Login, name: str, path: str, *, discard: bool) -> None:
    """Raise OptioError if removing ``path`` would destroy the only copy of a login, unless it may be discarded."""
    if discard or not login.is_only_copy:
        return
    raise OptioError(
        path,
        f"session {name} has a ChatGPT login in {path} that exists nowhere else, because codex has renewed its tokens or it was not "
        "written by optio.codex.credential",
        "Save it with the playbook optio.codex.credential_save or with optio.codex.credential_fetch to a directory that outlasts the "
        "run, or set discard_login: true (codex_session_discard_login) to remove it",
        login_only_copy=True,
    )


def mark_text(digest: str) -> str:
    """Return the content of the file with the digest, ``SessionPaths.login_mark``."""
    return f"{digest}\n"
