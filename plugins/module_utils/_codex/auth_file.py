# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""codex's auth.json: its shapes, its account, and which of two files is the newer.

No error names a value, only where one is missing or wrong.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .._core.errors import OptioError
from .login_digest import login_digest

API_KEY, ACCESS_TOKEN, CHATGPT = "api_key", "access_token", "chatgpt"
#: as diffs call them
WORDS = {API_KEY: "API key", ACCESS_TOKEN: "access token", CHATGPT: "ChatGPT account"}
#: the parts of a ChatGPT login; a refresh token can be used once, and codex then stores the next one
_TOKENS = ("id_token", "access_token", "refresh_token", "account_id")
_MODES: Mapping[str, str] = {
    **{"apikey": API_KEY, "chatgpt": CHATGPT},
    **{"agentIdentity": ACCESS_TOKEN, "personalAccessToken": ACCESS_TOKEN},
}
_MOMENT = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9})\d*)?(?:Z|\+00:00)\Z")
_LOGIN_AGAIN = "Log in with codex (codex login) and use the auth.json that it writes"


@dataclass(frozen=True)
class Credential:
    """One auth.json: the text that codex would write, and the facts that may be shown."""

    kind: str
    text: str = field(repr=False)
    account_id: str = field(default="", repr=False)
    #: when codex got the tokens, as it writes it
    refreshed: str = ""
    #: the digest of the refresh token of a ChatGPT login
    login: str = field(default="", repr=False)

    @property
    def account(self) -> str:
        """Return a digest of the account that others may read; empty without an account."""
        return account_name(self.account_id) if self.account_id else ""


def account_name(account_id: str) -> str:
    """Return a digest of a ChatGPT account that others may read."""
    return hashlib.sha256(f"optio.codex {account_id}".encode()).hexdigest()[:16]


def of_api_key(key: str) -> Credential:
    """Return the credential that ``codex login --with-api-key`` makes."""
    return Credential(API_KEY, _text({"auth_mode": "apikey", "OPENAI_API_KEY": _one_word("api_key", key)}))


def of_access_token(token: str) -> Credential:
    """Return the credential that ``codex login --with-access-token`` makes: codex knows the two kinds by their form."""
    token = _one_word("access_token", token)
    if token.count(".") != 2:
        return Credential(ACCESS_TOKEN, _text({"OPENAI_API_KEY": None, "personal_access_token": token}))
    if "agent_runtime_id" not in _claims(token):
        cause = "access_token is the token of a ChatGPT login, which codex cannot use on its own"
        raise OptioError("access_token", cause, _LOGIN_AGAIN + " as auth_json")
    return Credential(ACCESS_TOKEN, _text({"auth_mode": "agentIdentity", "OPENAI_API_KEY": None, "agent_identity": token}))


def of_auth_json(text: str, where: str) -> Credential:
    """Return the credential of an auth.json, named ``where`` in errors; raise OptioError if codex could not use it."""
    try:
        data = json.loads(text)
    except ValueError as error:
        # messages of other errors would quote the content
        place = f" (line {error.lineno})" if isinstance(error, json.JSONDecodeError) else ""
        raise OptioError(where, f"{where} is not JSON{place}", _LOGIN_AGAIN) from None
    if not isinstance(data, dict):
        raise OptioError(where, f"{where} is not a JSON object", _LOGIN_AGAIN)
    kind = _kind(data, where)
    if kind != CHATGPT:
        return Credential(kind, _text(data))
    given = data.get("tokens")
    tokens = given if isinstance(given, dict) else {}
    lacking = [name for name in _TOKENS if not _is_text(tokens.get(name))]
    if lacking:
        raise OptioError(where, f"{where} lacks {', '.join(f'tokens.{name}' for name in lacking)}", _LOGIN_AGAIN)
    refreshed = data.get("last_refresh")
    moment = refreshed if isinstance(refreshed, str) else ""
    return Credential(CHATGPT, _text(data), tokens["account_id"], moment, login_digest(tokens["refresh_token"]))


def is_newer(one: str, other: str) -> bool:
    """Return whether one ``last_refresh`` is later than another; a missing or invalid one is the oldest."""
    return _moment(one) > _moment(other)


def _moment(text: str) -> tuple[str, str]:
    found = _MOMENT.match(text)
    return (found.group(1), (found.group(2) or "").ljust(9, "0")) if found else ("", "")


def _kind(data: Mapping[str, Any], where: str) -> str:
    """Return the kind as codex determines it: ``auth_mode``, or else the keys that are set."""
    mode = data.get("auth_mode")
    if mode is not None and not (isinstance(mode, str) and mode in _MODES):
        cause = f"{where} has an auth_mode other than {', '.join(_MODES)}"
        raise OptioError(where, cause, "Use an API key, an access token or a ChatGPT login")
    holds = {
        "personalAccessToken": _is_text(data.get("personal_access_token")),
        "agentIdentity": bool(data.get("agent_identity")),
        "apikey": _is_text(data.get("OPENAI_API_KEY")),
        "chatgpt": isinstance(data.get("tokens"), dict),
    }
    found = mode or next((name for name, there in holds.items() if there), None)
    if found is None or not holds[found]:
        cause = f"{where} contains no credential{f' for its auth_mode {mode}' if mode else ''}"
        raise OptioError(where, cause, _LOGIN_AGAIN)
    return _MODES[found]


def _one_word(option: str, value: str) -> str:
    word = value.strip()
    if not word:
        raise OptioError(option, f"{option} is empty", "Check the lookup, variable or survey answer that it comes from")
    if any(character.isspace() or not character.isprintable() for character in word):
        cause = f"{option} contains white space or a line break"
        raise OptioError(option, cause, "Set the bare value, without quotes or a prefix")
    return word


def _claims(token: str) -> Mapping[str, Any]:
    part = token.split(".")[1]
    try:
        data = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except ValueError:
        return {}
    return data if isinstance(data, dict) else {}


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def _text(data: Mapping[str, Any]) -> str:
    # in codex's own format, so that a file written by codex compares equal
    return json.dumps(data, indent=2, ensure_ascii=False)
