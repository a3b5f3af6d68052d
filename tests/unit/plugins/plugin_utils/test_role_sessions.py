# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The sessions in the variables of the role: what each sets itself, and what all of them have."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.optio.codex.plugins.module_utils._launch.module import RESOURCE
from ansible_collections.optio.codex.plugins.plugin_utils._role_options import role_spec
from ansible_collections.optio.codex.plugins.plugin_utils._role_sessions import common_options, is_plain, session_entries

SPEC = role_spec("codex_session", "main")


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("a", {"name": "a"}),
        ({"name": "a"}, {"name": "a"}),
        ({"name": 7}, {"name": "7"}),
        ({"name": "a", "model": "", "prompt": None}, {"name": "a"}),
        ({"name": "a", "network_access": "yes", "ready_timeout": "5"}, {"name": "a", "network_access": True, "ready_timeout": 5.0}),
        ({"name": "a", "writable_roots": "/a, /b"}, {"name": "a", "writable_roots": ["/a", "/b"]}),
        ({"name": "a", "environment": '{"K": "v"}'}, {"name": "a", "environment": {"K": "v"}}),
        ({"name": "a", "terminal": {"port": "80", "address": ""}}, {"name": "a", "terminal": {"port": 80}}),
        ({"name": "a", "terminal": '{"port": 80}'}, {"name": "a", "terminal": {"port": 80}}),
        ({"name": "a", "repository": {"url": "", "depth": "1"}}, {"name": "a", "repository": {"url": "", "depth": 1}}),
        ({"name": "a", "repository": ""}, {"name": "a"}),
        ({"name": "a", "tenant": "t", "user": "u"}, {"name": "a", "tenant": "t", "user": "u"}),
        (
            {"name": "a", "credential": {"api_key": "k", "auth_json": {"a": 1}}},
            {"name": "a", "credential": {"api_key": "k", "auth_json": '{"a": 1}'}},
        ),
        ({"name": "a", "instructions_template": "t.j2", "purge": "true"}, {"name": "a", "instructions_template": "t.j2", "purge": True}),
    ],
)
def test_entries(given: Any, wanted: dict[str, Any]) -> None:
    assert session_entries([given], SPEC) == ([wanted], [])


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({}, "session 1 must be a name, or a dictionary with a name."),
        ({"name": ""}, "session 1 must be a name, or a dictionary with a name."),
        (5, "session 1 must be a name, or a dictionary with a name."),
        ({"name": "a", "sandox": 1}, "session a: sandox is not an option. Use sandbox, or one of the other options of the module session."),
        ({"name": "a", "repository_url": "x"}, "session a: repository_url is not an option. Use repository,"),
        ({"name": "a", "state": "absent"}, "session a: state is not an option."),
        ({"name": "a", "user_isolation": "session"}, "session a: user_isolation is not an option."),
        ({"name": "a", "terminal": {"prt": 1}}, "session a: terminal: prt is not an option. Use port,"),
        ({"name": "a", "terminal": 5}, "session a: terminal must be a dictionary."),
        ({"name": "a", "credential": {"lease_host": "h"}}, "session a: credential: lease_host is not an option. Use lease_name,"),
        ({"name": "a", "credential": {"api_key": "{{ x }}"}}, "session a: credential.api_key is a template that was not evaluated."),
        ({"name": "a", "sandbox": "none"}, "session a: sandbox must be one of read-only, workspace-write, danger-full-access, got 'none'."),
    ],
)
def test_errors(given: Any, sentence: str) -> None:
    entries, [error] = session_entries([given], SPEC)
    assert entries == [] and error.startswith(f"codex_session_sessions: {sentence}")


def test_the_errors_of_all_sessions_are_reported() -> None:
    entries, wrong = session_entries([{"name": "a", "x": 1}, "c", {"name": "b", "y": 1}], SPEC)
    assert entries == [{"name": "c"}] and [text.split(": ")[1] for text in wrong] == ["session a", "session b"]


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ({}, {}),
        ({"name": "a", "all": True, "state": "absent", "show_commands": False, "user_isolation": "tenant"}, {}),
        ({"purge": True, "discard_login": True, "instructions_template": "t", "credential_api_key": "k", "wait_state": ["idle"]}, {}),
        ({"model": "m", "terminal_port": 80, "terminal_listen": "tcp"}, {"model": "m", "terminal": {"port": 80, "listen": "tcp"}}),
        ({"repository_depth": 1}, {"repository": {"url": "", "depth": 1}}),
        ({"repository_url": "u", "git_identity_name": "n"}, {"repository": {"url": "u"}, "git_identity": {"name": "n"}}),
    ],
)
def test_common_options(options: dict[str, Any], wanted: dict[str, Any]) -> None:
    assert common_options(options, SPEC) == wanted


@pytest.mark.parametrize(
    ("options", "entries", "plain"),
    [
        ({}, [], True),
        ({"model": "m", "user_isolation": "none", "credential_lease": True}, [{"name": "a", "user": "u"}], True),
        ({"user_isolation": "session"}, [], False),
        ({"instructions_template": "t"}, [], False),
        ({"credential_auth_file": "f"}, [], False),
        ({"credential_api_key": "k"}, [], False),
        ({}, [{"name": "a"}, {"name": "b", "credential": {"api_key": "k"}}], False),
        ({}, [{"name": "a", "instructions_template": "t"}], False),
    ],
)
def test_plain_sessions_need_no_preparation(options: dict[str, Any], entries: list[dict[str, Any]], plain: bool) -> None:
    assert is_plain(options, entries) is plain


def test_a_variable_for_each_option_of_the_module() -> None:
    """Every option of the module reaches it from the role, in the module's own form."""
    one = RESOURCE.one.argument_spec
    values = {name.removeprefix("codex_session_"): f"value of {name}" for name in SPEC}
    common = common_options(values, SPEC)
    of_the_call = {"name", "state", "purge", "discard_login"}
    assert common.keys() == one.keys() - of_the_call
    for name, option in one.items():
        if "options" in option and name not in of_the_call:
            assert common[name].keys() == option["options"].keys()
