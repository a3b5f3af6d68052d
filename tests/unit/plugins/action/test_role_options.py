# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The action that validates the variables of a role: what it returns, and what of it is shown."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ansible.template
import pytest

from ansible_collections.optio.codex.plugins.action.role_options import ActionModule
from ansible_collections.optio.codex.tests.unit.support.action_runner import Connection, action_arguments


def trusted(template: str) -> str:
    """Return a template as it comes from a playbook; before ansible-core 2.19 every text is one."""
    trust: Callable[[str], str] = getattr(ansible.template, "trust_as_template", str)
    return trust(template)


def validate(role: str, variables: dict[str, Any], **args: Any) -> dict[str, Any]:
    arguments = action_arguments(Connection(True), args={"role": role, **args}, action="optio.codex.role_options")
    return dict(ActionModule(**arguments).run(task_vars={"inventory_hostname": "worker", **variables}))


def test_options_are_returned_and_not_shown() -> None:
    result = validate("codex_worker", {"codex_worker_verify": "yes", "codex_worker_url_password": "hunter2"})
    assert result["options"] == {"verify": True, "url_password": "hunter2"}
    assert result["_ansible_no_log"] and not result["changed"]


def test_an_error_is_shown() -> None:
    result = validate("codex_worker", {"codex_worker_verify": "maybe", "codex_worker_url_password": "hunter2"})
    assert result["failed"] and result["msg"] == "codex_worker_verify must be true or false, got 'maybe'."
    assert not result.get("_ansible_no_log") and "hunter2" not in str(result)


@pytest.mark.parametrize("exempt", [["codex_worker_of_ours"], "codex_worker_of_ours, codex_worker_other", '["codex_worker_of_ours"]'])
def test_a_site_has_variables_of_its_own(exempt: Any) -> None:
    variables = {"codex_worker_of_ours": 1}
    assert "codex_worker_of_ours is not a variable" in validate("codex_worker", variables)["msg"]
    assert validate("codex_worker", {**variables, "codex_extra_variables": exempt})["options"] == {}


def test_sessions() -> None:
    variables = {
        "codex_session_sessions": "a, b",
        "codex_session_model": "m",
        "codex_session_state": "absent",
        "codex_session_purge": True,
        "codex_session_credential_api_key": "k",
    }
    result = validate("codex_session", variables)
    assert result["sessions"] == [{"name": "a"}, {"name": "b"}]
    assert result["common"] == {"model": "m"}
    assert result["options"] == {"model": "m", "state": "absent", "purge": True, "credential_api_key": "k"}


def test_what_the_role_itself_does_for_its_sessions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PWD", "/play")
    variables = {"codex_session_sessions": [{"name": "a", "credential": {"auth_file": "a.json"}}], "codex_session_credential_host": ""}
    result = validate("codex_session", variables)
    assert result["logins"]["kinds"]["a"] == {"kind": "file"} and result["logins"]["settings"]["a"]["auth_file"] == "/play/a.json"
    assert result["collected"] == {"host": "", "directory": "/play/collected/worker"}
    assert result["_ansible_no_log"]


@pytest.mark.parametrize(
    ("variables", "wanted"),
    [({}, ["worker", "localhost"]), ({"ansible_host": trusted("{{ '192.0.2.' ~ 1 }}")}, ["worker", "192.0.2.1", "localhost"])],
)
def test_names_of_the_worker(variables: dict[str, Any], wanted: list[str]) -> None:
    users = [{"name": "ann", "password_hash": "$6$salt$abc./"}]
    assert validate("codex_gateway", {"codex_gateway_users": users, **variables})["site"]["accepted_names"] == wanted


def test_another_entry_point_takes_less() -> None:
    variables = {"codex_session_name": "a", "codex_session_prompt": "{{ undefined_elsewhere }}", "codex_session_wait_timeout": "5"}
    assert validate("codex_session", variables, entry_point="wait")["options"] == {"name": "a", "wait_timeout": 5.0}


def test_options_of_a_launch_are_not_evaluated_at_the_end() -> None:
    variables = {"codex_session_name": "a", "codex_session_instructions": trusted("{{ lookup('file', '/no/such/file') }}")}
    assert "codex_session_instructions" in validate("codex_session", variables)["msg"]
    assert validate("codex_session", variables, verb={"state": "absent"})["options"] == {"name": "a"}


def test_all_errors_are_one_message() -> None:
    variables = {
        "codex_gateway_lisen_port": 443,
        "codex_gateway_listen_port": "http",
        "codex_gateway_server_name": "a;b",
        "codex_gateway_users": '[{"name": "a"}]',
    }
    message = validate("codex_gateway", variables)["msg"]
    parts = ("Use codex_gateway_listen_port", "codex_gateway_listen_port must be", "codex_gateway_server_name must be", "entry 1 must have")
    assert [part for part in parts if part not in message] == []


def test_sessions_to_dispatch() -> None:
    variables = {
        "codex_dispatch_sessions": [{"name": "a", "labels": "gpu", "sandbox": "read-only"}, "b"],
        "codex_dispatch_max_sessions": "3",
        "codex_session_model": "m",
    }
    result = validate("codex_dispatch", variables)
    assert result["options"] == {"max_sessions": 3}
    assert result["requests"] == [{"name": "a", "labels": ["gpu"]}, {"name": "b"}]
    assert result["sessions"] == [{"name": "a", "sandbox": "read-only"}, {"name": "b"}]


def test_a_dispatch_reports_the_variables_of_both_roles() -> None:
    variables = {
        "codex_dispatch_sessions": [{"name": "a", "sandox": "read-only"}],
        "codex_dispatch_max_sessions": "many",
        "codex_session_sandbox": "open",
        "codex_session_name": "b",
    }
    message = validate("codex_dispatch", variables)["msg"]
    assert "codex_dispatch_max_sessions must be an integer, got 'many'." in message
    assert "codex_session_sandbox must be one of read-only, workspace-write, danger-full-access, got 'open'." in message
    assert "codex_session_name must not be set for a dispatch" in message
    assert "codex_dispatch_sessions: session a: sandox is not an option. Use sandbox," in message
