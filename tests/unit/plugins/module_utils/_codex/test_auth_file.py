# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The shapes of auth.json, as codex 0.142.5 and 0.169.0 write and read them."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from ansible_collections.optio.codex.plugins.module_utils._codex import auth_file
from ansible_collections.optio.codex.plugins.module_utils._codex.auth_file import ACCESS_TOKEN, API_KEY, CHATGPT, of_auth_json
from ansible_collections.optio.codex.plugins.module_utils._core.errors import OptioError
from ansible_collections.optio.codex.tests.unit.support.credential_builders import EARLY, LATE, MARKER, chatgpt, text_of


def jwt(claims: Any) -> str:
    part = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    return f"e30.{part}.{MARKER}"


def test_an_api_key_is_what_codex_login_writes() -> None:
    made = auth_file.of_api_key(" sk-one\n")
    assert (made.kind, made.account) == (API_KEY, "")
    assert made.text == '{\n  "auth_mode": "apikey",\n  "OPENAI_API_KEY": "sk-one"\n}'


def test_an_access_token_is_what_codex_login_writes() -> None:
    made = auth_file.of_access_token("at-one\n")
    assert made.kind == ACCESS_TOKEN and made.text == '{\n  "OPENAI_API_KEY": null,\n  "personal_access_token": "at-one"\n}'
    agent = jwt({"agent_runtime_id": "r"})
    assert json.loads(auth_file.of_access_token(agent).text)["agent_identity"] == agent


@pytest.mark.parametrize("token", [jwt({"exp": 1}), jwt([]), "a.!.c"])
def test_the_token_of_a_login_is_not_an_access_token(token: str) -> None:
    with pytest.raises(OptioError, match="is the token of a ChatGPT login") as raised:
        auth_file.of_access_token(token)
    assert token not in str(raised.value)


@pytest.mark.parametrize(
    ("value", "cause"),
    [("", "is empty"), (" \n", "is empty"), (f"{MARKER} x", "contains white space"), (f"{MARKER}\x00", "contains white space")],
)
def test_a_key_is_one_word(value: str, cause: str) -> None:
    for make in (auth_file.of_api_key, auth_file.of_access_token):
        with pytest.raises(OptioError, match=cause) as raised:
            make(value)
        assert MARKER not in str(raised.value)


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (chatgpt(), CHATGPT),
        (chatgpt(auth_mode=...), CHATGPT),
        (chatgpt(last_refresh=...), CHATGPT),
        (chatgpt(agent_identity=None), CHATGPT),
        ({"OPENAI_API_KEY": "k"}, API_KEY),
        ({"auth_mode": "apikey", "OPENAI_API_KEY": "k", "tokens": None}, API_KEY),
        # what decides is the mode, then codex's own order
        (chatgpt(OPENAI_API_KEY="k"), CHATGPT),
        (chatgpt(OPENAI_API_KEY="k", auth_mode=...), API_KEY),
        ({"OPENAI_API_KEY": None, "personal_access_token": "at-x"}, ACCESS_TOKEN),
        ({"auth_mode": "personalAccessToken", "personal_access_token": "at-x"}, ACCESS_TOKEN),
        ({"auth_mode": "agentIdentity", "agent_identity": "a.b.c"}, ACCESS_TOKEN),
    ],
)
def test_a_kind_is_found_out_as_codex_does(data: dict[str, Any], kind: str) -> None:
    made = of_auth_json(json.dumps(data), "auth_json")
    assert made.kind == kind and json.loads(made.text) == data
    assert bool(made.account) == (kind == CHATGPT)


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("", "seed.json is not JSON"),
        (f'{{"{MARKER}": ', "seed.json is not JSON"),
        (f'{{\n"tokens": {MARKER}}}', r"is not JSON \(line 2\)"),
        (f'["{MARKER}"]', "is not a JSON object"),
        ("{}", "contains no credential"),
        (json.dumps({"auth_mode": MARKER, "OPENAI_API_KEY": "k"}), "has an auth_mode other than apikey, chatgpt"),
        (json.dumps({"auth_mode": [MARKER]}), "has an auth_mode other than apikey, chatgpt"),
        (json.dumps({"auth_mode": "apikey", "OPENAI_API_KEY": ""}), "contains no credential for its auth_mode apikey"),
        (json.dumps({"auth_mode": "chatgpt", "OPENAI_API_KEY": MARKER}), "contains no credential for its auth_mode chatgpt"),
        (text_of(chatgpt(tokens={"access_token": MARKER})), "lacks tokens.id_token, tokens.refresh_token, tokens.account_id"),
        (text_of(chatgpt(account="")), "lacks tokens.account_id"),
    ],
)
def test_what_codex_could_not_use_is_refused_without_its_values(text: str, cause: str) -> None:
    with pytest.raises(OptioError, match=cause) as raised:
        of_auth_json(text, "seed.json")
    assert raised.value.subject == "seed.json" and MARKER not in f"{raised.value} {raised.value.details}"
    assert raised.value.__suppress_context__ or raised.value.__context__ is None


def test_nothing_secret_is_shown() -> None:
    shown = repr(of_auth_json(text_of(chatgpt(account=f"{MARKER}-id")), "x"))
    assert MARKER not in shown


def test_the_account_stays_when_the_tokens_change() -> None:
    one, two, other = (
        of_auth_json(text_of(chatgpt(account, refreshed, token)), "x")
        for account, refreshed, token in (("a", EARLY, "one"), ("a", LATE, "two"), ("b", EARLY, "one"))
    )
    assert one.account == two.account != other.account
    assert one.account.isalnum() and len(one.account) == 16


@pytest.mark.parametrize(
    ("one", "other", "newer"),
    [
        (LATE, EARLY, True),
        (EARLY, LATE, False),
        (EARLY, EARLY, False),
        ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00.000Z", False),
        ("2026-01-01T00:00:00.1Z", "2026-01-01T00:00:00.09Z", True),
        ("2026-01-01T00:00:00.5Z", "2026-01-01T00:00:00Z", True),
        ("2026-01-01T00:00:01+00:00", "2026-01-01T00:00:00Z", True),
        (EARLY, "", True),
        ("", EARLY, False),
        # what is no time proves nothing
        ("9999", EARLY, False),
        ("2026-01-03T00:00:00.000000+02:00", EARLY, False),
    ],
)
def test_which_is_newer(one: str, other: str, newer: bool) -> None:
    assert auth_file.is_newer(one, other) is newer
