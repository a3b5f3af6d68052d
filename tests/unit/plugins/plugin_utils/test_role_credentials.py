# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which session has which credential, and where logins, leases and collected files are."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.optio.codex.plugins.plugin_utils._role_credentials import collected, logins, resolved_path, session_settings

#: the directory in which Ansible was started
HERE = "/play"
NO_CREDENTIAL = dict.fromkeys(("api_key", "access_token", "auth_json", "lease_name", "auth_file"), "")


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ann")


@pytest.mark.parametrize(
    ("path", "host", "wanted"),
    [
        ("", "", ""),
        ("", "store", ""),
        ("/l/a.json", "", "/l/a.json"),
        ("~/a.json", "", "/home/ann/a.json"),
        ("l/a.json", "", "/play/l/a.json"),
        ("../a.json", "", "/play/../a.json"),
        # the module on that host resolves it
        ("~/a.json", "store", "~/a.json"),
        ("/l/a.json", "store", "/l/a.json"),
    ],
)
def test_paths(path: str, host: str, wanted: str) -> None:
    assert resolved_path(path, HERE, host) == wanted


@pytest.mark.parametrize(
    ("options", "credential", "wanted"),
    [
        ({}, None, {}),
        ({"credential_api_key": "k"}, None, {"api_key": "k"}),
        ({"credential_auth_file": "a.json", "credential_lease_name": "n"}, None, {"auth_file": "/play/a.json", "lease_name": "n"}),
        # a session's own credential replaces all of the role's variables
        ({"credential_api_key": "k", "credential_lease_name": "n"}, {"access_token": "t"}, {"access_token": "t"}),
        ({"credential_auth_file": "a.json"}, {"auth_file": "b.json"}, {"auth_file": "/play/b.json"}),
        ({"credential_auth_file": "a.json"}, {}, {}),
        ({"credential_auth_json": "{}"}, {"auth_json": None, "api_key": "k"}, {"api_key": "k"}),
    ],
)
def test_credential_of_a_session(options: dict[str, Any], credential: dict[str, Any] | None, wanted: dict[str, str]) -> None:
    settings = session_settings(options, {"name": "a", **({} if credential is None else {"credential": credential})}, HERE)
    assert {name: settings[name] for name in NO_CREDENTIAL} == {**NO_CREDENTIAL, **wanted}


@pytest.mark.parametrize(
    ("options", "on_login_host", "lease_dir"),
    [
        ({}, False, ""),
        ({"credential_host": "store"}, False, ""),
        ({"credential_api_key": "k"}, False, ""),
        ({"credential_auth_file": "l/a.json"}, False, "/play/l"),
        ({"credential_auth_file": "~/l/a.json", "credential_host": "store"}, True, "~/l"),
        # leases on another host are not beside the login
        ({"credential_auth_file": "/l/a.json", "credential_lease_host": "locks"}, False, ""),
        ({"credential_auth_file": "/l/a.json", "credential_lease_host": "locks", "credential_lease_dir": "/k"}, False, "/k"),
        ({"credential_auth_file": "/l/a.json", "credential_lease_dir": "/k"}, False, "/k"),
    ],
)
def test_place_of_a_login_and_of_its_lease(options: dict[str, Any], on_login_host: bool, lease_dir: str) -> None:
    settings = session_settings(options, {"name": "a"}, HERE)
    assert (settings["on_login_host"], settings["lease_dir"]) == (on_login_host, lease_dir)


@pytest.mark.parametrize(
    ("options", "host", "lease_host", "is_leased"),
    [
        ({}, "", "localhost", True),
        ({"credential_host": "store"}, "store", "store", True),
        ({"credential_lease_host": "locks"}, "", "locks", True),
        ({"credential_host": "store", "credential_lease_host": "locks"}, "store", "locks", True),
        ({"credential_lease": False}, "", "localhost", False),
    ],
)
def test_hosts(options: dict[str, Any], host: str, lease_host: str, is_leased: bool) -> None:
    result = logins(options, [], HERE, "w1")
    assert (result["host"], result["lease_host"], result["is_leased"]) == (host, lease_host, is_leased)


@pytest.mark.parametrize(
    ("options", "save_dir"),
    [
        ({}, ""),
        ({"credential_auth_file": "a.json"}, ""),
        ({"credential_save_dest": "saved"}, "/play/saved/w1"),
        ({"credential_save_dest": "~/saved"}, "/home/ann/saved/w1"),
        ({"credential_save_dest": "~/saved", "credential_host": "store"}, "~/saved/w1"),
    ],
)
def test_where_logins_are_saved(options: dict[str, Any], save_dir: str) -> None:
    assert logins(options, [], HERE, "w1")["save_dir"] == save_dir


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        ({}, ""),
        ({"credential_api_key": "k"}, "shared"),
        ({"credential_access_token": "t"}, "shared"),
        ({"credential_auth_json": "{}"}, "login"),
        ({"credential_auth_file": "a.json"}, "file"),
        # the module refuses the second one
        ({"credential_api_key": "k", "credential_auth_json": "{}"}, "login"),
        *(({f"credential_{name}": "x"}, "") for name in ("lease_name", "lease_host", "lease_dir", "host", "force", "save_dest")),
    ],
)
def test_sessions_with_a_credential(options: dict[str, Any], kind: str) -> None:
    entries: list[dict[str, Any]] = [{"name": "a"}, {"name": "b", "credential": {"access_token": "t"}}, {"name": "c", "credential": {}}]
    result = logins(options, entries, HERE, "w1")
    # a session that is found on the worker has the settings of the others
    assert list(result["settings"]) == ["", "a", "b", "c"]
    assert result["settings"]["a"] == result["settings"][""]
    assert result["kinds"] == {"": {"kind": kind}, "a": {"kind": kind}, "b": {"kind": "shared"}, "c": {"kind": "shared"}}


@pytest.mark.parametrize(
    ("options", "credential", "shared"),
    [
        ({}, None, {"": {}, "a": {}}),
        ({"credential_api_key": "k"}, None, {"": {"api_key": "k"}, "a": {"api_key": "k"}}),
        ({"credential_access_token": "t"}, {"api_key": "k"}, {"": {"access_token": "t"}, "a": {"api_key": "k"}}),
        ({"credential_api_key": "k"}, {"auth_file": "l.json"}, {"": {"api_key": "k"}, "a": {}}),
        # the module refuses the second one
        ({"credential_api_key": "k", "credential_access_token": "t"}, {}, {"": {"api_key": "k", "access_token": "t"}, "a": {}}),
    ],
)
def test_credentials_that_need_no_lease(
    options: dict[str, Any], credential: dict[str, Any] | None, shared: dict[str, dict[str, str]]
) -> None:
    entry = {"name": "a", **({} if credential is None else {"credential": credential})}
    assert logins(options, [entry], HERE, "w1")["shared"] == shared


@pytest.mark.parametrize(
    ("options", "entry", "discard_login", "template"),
    [
        ({}, {}, False, ""),
        ({"discard_login": True, "instructions_template": "t.j2"}, {}, True, "t.j2"),
        (
            {"discard_login": True, "instructions_template": "t.j2"},
            {"discard_login": False, "instructions_template": "u.j2"},
            False,
            "u.j2",
        ),
        ({}, {"discard_login": True, "instructions_template": "u.j2"}, True, "u.j2"),
        # its own text is not a template
        ({"instructions_template": "t.j2"}, {"instructions": "text"}, False, ""),
    ],
)
def test_other_settings(options: dict[str, Any], entry: dict[str, Any], discard_login: bool, template: str) -> None:
    settings = session_settings(options, {"name": "a", **entry}, HERE)
    assert (settings["discard_login"], settings["template"]) == (discard_login, template)


@pytest.mark.parametrize(
    ("options", "host", "directory"),
    [
        ({}, "", "/play/collected/w1"),
        ({"collect_host": "store"}, "store", "~/collected/w1"),
        ({"collect_dest": "out"}, "", "out/w1"),
        ({"collect_dest": "~/out", "collect_host": "store"}, "store", "~/out/w1"),
    ],
)
def test_where_output_is_collected(options: dict[str, Any], host: str, directory: str) -> None:
    assert collected(options, HERE, "w1") == {"host": host, "directory": directory}
