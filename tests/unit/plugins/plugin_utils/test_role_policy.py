# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The files of the policy: their text, what a worker must have, and the policy that codex does not start with."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from ansible_collections.optio.codex.plugins.module_utils._core.errors import OptioError
from ansible_collections.optio.codex.plugins.plugin_utils._role_policy import policy_errors, policy_files

TEXT = '# Written by the role optio.codex.codex_worker.\nmodel = "m"\n'


@pytest.mark.parametrize("options", [{}, {"config": {}}, {"policy_state": "present"}])
def test_without_a_policy_no_file_is_managed(options: dict[str, Any]) -> None:
    assert policy_files(options) == {"texts": {}, "expected": {}}


def test_each_setting_is_a_file() -> None:
    digest = hashlib.sha256(TEXT.encode()).hexdigest()
    assert policy_files({"config": {"model": "m"}}) == {"texts": {"config": TEXT}, "expected": {"config": f"0:644 {digest}"}}
    assert set(policy_files({"config": {"a": 1}, "requirements": {"b": 1}})["texts"]) == {"config", "requirements"}


def test_absent_files_are_of_no_settings() -> None:
    options = {"policy_state": "absent", "config": {"model": "m"}}
    assert policy_files(options) == {"texts": {}, "expected": {"config": None, "requirements": None}}


def test_a_value_that_toml_does_not_have() -> None:
    with pytest.raises(OptioError):
        policy_files({"config": {"model": None}})


@pytest.mark.parametrize(
    ("modes", "allowed"),
    [(["read-only"], True), (["workspace-write", "read-only"], True), ([], False), (["workspace-write"], False), ("read-only", False)],
)
def test_a_policy_without_read_only_is_an_error(modes: Any, allowed: bool) -> None:
    options = {"requirements": {"allowed_sandbox_modes": modes}}
    assert (policy_errors(options) == []) == allowed
    assert policy_errors({**options, "policy_state": "absent"}) == []


def test_other_requirements() -> None:
    assert policy_errors({}) == policy_errors({"requirements": {"allowed_approval_policies": ["never"]}}) == []
