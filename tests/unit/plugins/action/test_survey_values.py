# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The values of AWX surveys for every variable of every role: an empty string, and text of every kind."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from ansible_collections.optio.codex.plugins.plugin_utils._role_options import ROLES, Option
from ansible_collections.optio.codex.tests.unit.plugins.action.test_role_options import validate

PUBLIC = ("codex_dispatch", "codex_gateway", "codex_mirror", "codex_session", "codex_worker")
SPECS: dict[tuple[str, str], dict[str, Option]] = {
    (role, entry): spec["options"]
    for role in PUBLIC
    for entry, spec in yaml.safe_load((ROLES / role / "meta/argument_specs.yml").read_text("utf-8"))["argument_specs"].items()
}
#: text that is wrong for an option of the type
WRONG = {"bool": "maybe", "int": "many", "float": "soon", "dict": "just text", "list": "[1, 2"}
#: the option that a role needs
NEEDED: dict[str, dict[str, Any]] = {
    "codex_gateway": {"codex_gateway_state": "absent"},
    "codex_dispatch": {"codex_dispatch_sessions": "one"},
}


@pytest.mark.parametrize(("role", "entry"), SPECS)
def test_empty_text_is_the_same_as_no_value(role: str, entry: str) -> None:
    needed = NEEDED.get(role, {})
    unset = validate(role, needed, entry_point=entry)
    for empty in ("", "  "):
        answered = validate(role, {**dict.fromkeys(SPECS[role, entry], empty), **needed}, entry_point=entry)
        assert not answered.get("failed") and answered == unset


@pytest.mark.parametrize(("role", "entry"), SPECS)
def test_an_error_has_the_variable_and_its_value(role: str, entry: str) -> None:
    """All at once, each in one short sentence; the value of a secret is not shown."""
    spec = {name: option for name, option in SPECS[role, entry].items() if option.get("type", "str") in WRONG}
    wrong = {name: WRONG[option["type"]] for name, option in spec.items()}
    message = validate(role, wrong, entry_point=entry).get("msg", "")
    for name, option in spec.items():
        shown = "another value" if option.get("no_log") else repr(wrong[name])
        assert f"{name} must be " in message and f"got {shown}." in message.split(f"{name} must be ")[1]
    assert len(message) < 200 * (len(spec) + 1)


@pytest.mark.parametrize(("role", "entry"), SPECS)
def test_a_template_in_a_secret_is_called_that(role: str, entry: str) -> None:
    secrets = [name for name, option in SPECS[role, entry].items() if option.get("no_log")]
    message = validate(role, dict.fromkeys(secrets, "{{ lookup('env', 'X') }}"), entry_point=entry).get("msg", "")
    assert all(f"{name} is a template that was not evaluated." in message for name in secrets)
