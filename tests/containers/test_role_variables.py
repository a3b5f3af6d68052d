# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Mistakes in the variables of a playbook, each by the command as a person types it, as a user who may become root."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from containers.conftest import Shell
from containers.playbook_runner import Controller, Run

READY: dict[str, Any] = {"codex_hosts": "ready"}


def message(run: Run) -> str:
    """Return the message of the task that failed."""
    return str(run.failure["msg"])


def look(run: Run) -> dict[str, Any]:
    """Return the first result of worker_info."""
    return next(record.result for record in run.records if "cache_scope" in record.result)


def sources(run: Run) -> list[str] | None:
    """Return the sources of codex that the role compares the worker with."""
    given: dict[str, list[str]] = look(run)["invocation"]["module_args"]["codex_release"]
    return given.get("sources")


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({"codex_session_sandox": "read-only"}, "codex_session_sandox is not a variable of this collection. Use codex_session_sandbox,"),
        ({"codex_sesion_name": "a"}, "codex_sesion_name is not a variable of this collection. Use codex_session_name,"),
        ({"codex_session_sandbox": "readonly"}, "codex_session_sandbox must be one of read-only, workspace-write, danger-full-access, got"),
        ({"codex_session_ready_timeout": "soon"}, "codex_session_ready_timeout must be a number, got 'soon'."),
        (
            {"codex_session_sessions": [{"name": "a", "modle": "x"}]},
            "codex_session_sessions: session a: modle is not an option. Use model,",
        ),
        ({"codex_session_name": ""}, "codex_session_name must be set, or codex_session_sessions."),
    ],
)
def test_a_launch_with_a_mistake(controller: Controller, variables: dict[str, Any], says: str) -> None:
    assert message(controller.playbook("launch", {**READY, "codex_session_name": "a", **variables}, "--check")).startswith(says)


@pytest.mark.parametrize(
    ("name", "variable", "nearest"),
    [
        ("provision", "codex_worker_codex_versoin", "codex_worker_codex_version"),
        ("gateway", "codex_gateway_usres", "codex_gateway_users"),
        ("mirror", "codex_mirror_tool", "codex_mirror_tools"),
    ],
)
def test_an_unknown_variable_of_each_role(controller: Controller, name: str, variable: str, nearest: str) -> None:
    """The error appears once as Ansible's own line, if this ansible-core prints one, and once as the result of the task."""
    run = controller.playbook(name, {**READY, "codex_mirror_hosts": "ready", variable: "x"}, "--check")
    says = f"{variable} is not a variable of this collection. Use {nearest},"
    assert message(run).startswith(says)
    errors = [line for line in run.output.splitlines() if says in line]
    own_lines = [line for line in errors if line.startswith("[ERROR]")]
    assert len(own_lines) <= 1 and len(errors) == len(own_lines) + 1, errors


def test_a_key_that_was_forgotten(controller: Controller, shell: Shell) -> None:
    """An empty OPENAI_API_KEY is no credential, which is an error before codex shows its login menu."""
    shell("ready", "mkdir -p /opt/stub && cp /bin/true /opt/stub/codex && cp /bin/true /opt/stub/ttyd")
    places = {"codex_session_codex_dir": "/opt/stub", "codex_session_ttyd_dir": "/opt/stub"}
    key = {"codex_session_credential_api_key": "{{ lookup('env', 'OPENAI_API_KEY_FORGOTTEN') }}"}
    run = controller.playbook("launch", {**READY, **places, **key, "codex_session_name": "keyless"})
    assert "session keyless was given no credential" in message(run) and "codex_session_credential_api_key" in message(run)
    assert shell("ready", "ls -A /home/agent/.local/share/optio-codex 2>/dev/null || true").split() in ([], [".lock"])


def test_variables_of_the_site_are_exempt(controller: Controller) -> None:
    own = {"codex_session_team": "blue", "codex_extra_variables": "codex_session_team, codex_worker_rack"}
    assert controller.playbook("status", {**READY, **own}).results


def test_an_empty_string_is_unset_for_every_variable(controller: Controller) -> None:
    """As AWX sends it for unanswered questions, for numbers, lists and dictionaries too."""
    names = ("tasks_max", "network_access", "writable_roots", "config", "terminal_port", "repository_url", "repository_depth", "resume")
    unset = {f"codex_session_{name}": "" for name in names}
    assert controller.playbook("launch", {**READY, "codex_session_name": "a", **unset}, "--check").results


@pytest.mark.parametrize("name", ["stop", "teardown", "provision"])
def test_a_pattern_without_a_host_is_an_error(controller: Controller, name: str) -> None:
    run = controller.playbook(name, {"codex_hosts": "workrs", "codex_session_all": True})
    assert run.rc != 0 and "hosts 'workrs' match no host of the inventory. The groups of the inventory are" in run.output


@pytest.mark.parametrize(
    ("options", "variables", "user"),
    [
        ([], {}, "agent"),
        (["--become"], {}, "root"),
        (["--become"], {"codex_become": ""}, "root"),
        ([], {"codex_become": True}, "root"),
        (["--become"], {"codex_become": False}, "agent"),
    ],
)
def test_the_command_line_decides_who_runs_it(controller: Controller, options: list[str], variables: dict[str, Any], user: str) -> None:
    run = controller.playbook("provision", {**READY, **variables}, "--check", *options)
    assert look(run)["user"] == user


def test_missing_packages_fail_in_check_mode_too(controller: Controller) -> None:
    """A run without root would fail for the same reason."""
    given = {"codex_hosts": "nopython"}
    text = message(controller.playbook("provision", given, "--check"))
    assert text.startswith("packages ") and "codex_worker_packages_become=true" in text
    predicted = controller.playbook("provision", {**given, "codex_worker_packages_become": True}, "--check")
    assert any("would install: " in str(record.result.get("msg")) for record in predicted.records)


def test_a_registry_that_is_set_is_a_source(controller: Controller) -> None:
    registry = {"codex_worker_npm_registry": "https://npm.example.com"}
    mirror = {"codex_worker_mirror_url": "https://mirror.example.com/"}
    assert sources(controller.playbook("provision", READY, "--check")) is None
    assert sources(controller.playbook("provision", {**READY, **registry}, "--check")) == ["host", "npm", "upstream"]
    assert sources(controller.playbook("provision", {**READY, **registry, **mirror}, "--check")) == [
        "https://mirror.example.com/codex",
        "npm",
    ]


@pytest.mark.parametrize(
    ("name", "variables", "says"),
    [
        ("provision", {"codex_worker_codex_checksum": "sha256:x"}, "the option checksum is the variable codex_worker_codex_checksum."),
        ("provision", {"codex_user": "nix"}, "user nix does not exist on the worker."),
        ("provision", {"codex_user": "nix"}, "the option user is the variable codex_worker_user."),
        ("launch", {"codex_user": "nix", "codex_session_name": "a"}, "the option user is the variable codex_session_user."),
        ("gateway", {}, "codex_gateway_users must have at least one user, unless codex_gateway_auth_request_url is set."),
    ],
)
def test_an_error_names_the_variable(controller: Controller, name: str, variables: dict[str, Any], says: str) -> None:
    assert says in message(controller.playbook(name, {**READY, **variables}, "--check", "--become"))


def test_a_secret_that_is_a_template_is_called_that(controller: Controller, tmp_path: Path) -> None:
    file = tmp_path / "variables.yml"
    file.write_text("codex_session_credential_api_key: !unsafe \"{{ lookup('env', 'OPENAI_API_KEY') }}\"\n", encoding="utf-8")
    run = controller.playbook("launch", {**READY, "codex_session_name": "a"}, "--check", "-e", f"@{file}")
    assert message(run).startswith("codex_session_credential_api_key is a template that was not evaluated.")


def test_secrets_are_not_shown(controller: Controller) -> None:
    """At -vvv: the validated options hold them, and are not printed."""
    secret = {"codex_session_repository_token": "hunter2", "codex_session_environment": json.dumps({"KEY": "hunter2"})}
    variables = {**READY, "codex_session_name": "a", "codex_session_repository_url": "https://git.example.com/x.git", **secret}
    run = controller.playbook("launch", variables, "--check")
    # the command line that the test itself gave is not printed by Ansible
    assert run.results and "hunter2" not in run.output


NOBODY = "0 sessions on 2 workers. 2 workers unreachable."
#: the playbook, variables, and the first line of its table
UNREACHED: list[tuple[str, dict[str, Any], str]] = [
    ("status", {}, NOBODY),
    ("wait", {"codex_session_all": True}, NOBODY),
    ("wait", {"codex_session_name": "a"}, NOBODY),
    *(
        ("wait", {"codex_session_user_isolation": "session", **which}, NOBODY)
        for which in ({"codex_session_name": "a"}, {"codex_session_all": True})
    ),
    ("dispatch", {"codex_dispatch_file": "prompts.txt"}, "1 session: 1 unknown."),
    ("dispatch", {"codex_dispatch_file": "prompts.txt", "codex_dispatch_ledger_host": "localhost"}, "1 session: 1 pending."),
]


@pytest.fixture
def gone(tmp_path: Path) -> Path:
    """An inventory of two workers that cannot be reached."""
    path = tmp_path / "gone.yml"
    path.write_text("all: {vars: {ansible_host: 127.0.0.1, ansible_port: 1}, hosts: {gone: {}, away: {}}}\n", encoding="utf-8")
    return path


def tables(run: Run) -> list[list[str]]:
    """Return the lines of the tables that a run printed."""
    return [[line["text"] for line in record.result["lines"]] for record in run.records if record.result.get("lines")]


def test_a_status_shows_workers_that_were_not_reached(controller: Controller, gone: Path) -> None:
    run = controller.playbook("status", {"codex_hosts": "ready,gone"}, "-i", str(gone))
    [table] = tables(run)
    assert table[0] == "0 sessions on 2 workers. 1 worker unreachable." and run.rc == 4
    assert [line.split()[:5] for line in table[3:]] == [
        ["gone", "-", "unreachable", "Connection", "refused"],
        ["ready", "-", "no", "sessions"],
    ]


@pytest.mark.parametrize(("name", "variables", "summary"), UNREACHED)
def test_workers_are_shown_even_if_none_is_reached(
    controller: Controller, gone: Path, name: str, variables: dict[str, Any], summary: str
) -> None:
    """Ansible ends a play without workers, so the table comes before that."""
    (gone.parent / "prompts.txt").write_text("a: Say hello\n", encoding="utf-8")
    given = {key: str(gone.parent / value) if value == "prompts.txt" else value for key, value in variables.items()}
    given |= {"codex_dispatch_ledger_dir": str(gone.parent)} if "codex_dispatch_ledger_host" in variables else {}
    run = controller.playbook(name, {"codex_hosts": "gone,away", **given}, "-i", str(gone))
    table = tables(run)[-1]
    assert table[0] == summary and run.rc == (2 if "unknown" in summary else 4)
    rows = [line.split() for line in table[3:] if "Connection refused" in line]
    assert sorted(worker for row in rows for worker in ("gone", "away") if worker in row) == ["away", "gone"]
    if name == "dispatch":
        assert "a" in table[-1].split()
