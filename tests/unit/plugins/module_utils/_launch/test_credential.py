# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A new session without a credential is refused before codex shows its login menu."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.optio.codex.plugins.module_utils._core.errors import OptioError
from ansible_collections.optio.codex.plugins.module_utils._core.host import BufferedHost
from ansible_collections.optio.codex.plugins.module_utils._launch.credential import check_credential, needs_login
from ansible_collections.optio.codex.plugins.module_utils._launch.module import RESOURCE
from ansible_collections.optio.codex.tests.unit.support.local_session import Lab, laboratory


@pytest.fixture
def lab(open_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    with laboratory(open_path, monkeypatch) as lab:
        yield lab


@pytest.mark.parametrize(
    ("config", "environment", "wanted"),
    [
        ({}, {}, True),
        ({"model": "large"}, {"PATH": "/bin"}, True),
        # codex's terminal interface ignores both
        ({}, {"OPENAI_API_KEY": "sk", "CODEX_API_KEY": "sk"}, True),
        ({}, {"CODEX_ACCESS_TOKEN": "at"}, False),
        ({"model_provider": "mine"}, {}, False),
        ({"profile": "mine"}, {}, False),
        ({"model_provider": ""}, {}, True),
    ],
)
def test_who_needs_a_login(config: dict[str, Any], environment: dict[str, str], wanted: bool) -> None:
    assert needs_login(config, environment) is wanted


def check(lab: Lab, site_config: Path, **given: Any) -> None:
    wanted = RESOURCE.parse_options({**lab.params, "config": {}, **given})
    check_credential(RESOURCE.observe(BufferedHost(), wanted), wanted.spec, str(site_config))


def test_a_new_session_without_a_credential_is_refused(lab: Lab, tmp_path: Path) -> None:
    with pytest.raises(OptioError, match=r"^session one was given no credential.* codex_session_credential_api_key .*terminal\.$"):
        check(lab, tmp_path / "none")
    with pytest.raises(OptioError, match=r"^session one was given no credential, because .* not use OPENAI_API_KEY\. .*terminal\.$"):
        check(lab, tmp_path / "none", environment={"OPENAI_API_KEY": "sk"})


@pytest.mark.slow
def test_a_credential_or_settings_of_the_site_suffice(lab: Lab, tmp_path: Path) -> None:
    site = tmp_path / "config.toml"
    site.touch()
    check(lab, site)
    home = Path(lab.layout.codex_home)
    home.mkdir(parents=True)
    (home / "auth.json").touch()
    check(lab, tmp_path / "none")


def test_nothing_is_left_of_a_launch_that_is_refused(lab: Lab) -> None:
    with pytest.raises(OptioError, match="no credential"):
        lab.run(config={})
    assert not Path(lab.layout.record).exists()
    # a person logs in at the terminal
    assert lab.run(config={}, ready_timeout=0.0)["status"] == "running"
