# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A ChatGPT login that exists on the worker alone is not removed with its session."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ansible_collections.optio.codex.plugins.module_utils._codex.login_digest import login_digest
from ansible_collections.optio.codex.plugins.module_utils._core.errors import OptioError
from ansible_collections.optio.codex.plugins.module_utils._launch.module import RESOURCE
from ansible_collections.optio.codex.plugins.module_utils._launch.spec import SessionOptions, SessionSpec
from ansible_collections.optio.codex.plugins.module_utils._session.login import COPIED, ONLY_COPY, Login, mark_text
from ansible_collections.optio.codex.tests.unit.support.credential_builders import LATE, chatgpt, text_of
from ansible_collections.optio.codex.tests.unit.support.local_session import Lab, laboratory
from ansible_collections.optio.codex.tests.unit.support.session_builders import MADE, options, session_of, view_of

ONLY = Login(ONLY_COPY, True)


@pytest.mark.parametrize("status", ["running", "finished", "stopped", "lost", "absent"])
@pytest.mark.parametrize(
    ("login", "given", "refused"),
    [
        (ONLY, {"state": "absent", "purge": True}, True),
        (Login(ONLY_COPY), {"state": "absent", "purge": True}, True),
        (ONLY, {"state": "absent", "purge": True, "discard_login": True}, False),
        (Login(COPIED, True), {"state": "absent", "purge": True}, False),
        (Login(marked=True), {"state": "absent", "purge": True}, False),
        (Login(), {"state": "absent", "purge": True}, False),
        # the home stays
        (ONLY, {"state": "absent"}, False),
        (ONLY, {"state": "stopped"}, False),
        (ONLY, {"state": "stopped", "purge": True}, False),
        (ONLY, {"state": "started"}, False),
    ],
)
def test_refused_options(status: str, login: Login, given: dict[str, object], refused: bool) -> None:
    """Whatever the session does, and before it is ended."""
    view = replace(view_of(session_of(status, SessionSpec()), MADE), login=login)
    spec = SessionOptions.from_params(options(RESOURCE, name="review", **given))
    if not refused:
        RESOURCE.plan(view, spec)
        return
    with pytest.raises(OptioError, match=r"session review has a ChatGPT login in .*auth\.json that exists nowhere else") as raised:
        RESOURCE.plan(view, spec)
    assert "discard_login: true" in raised.value.remedy and "credential_save" in raised.value.remedy
    assert raised.value.details == {"login_only_copy": True}


@pytest.fixture
def lab(open_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    with laboratory(open_path, monkeypatch) as made:
        yield made


def plant(lab: Lab, token: str, name: str = "auth.json") -> Path:
    path = Path(lab.layout.codex_home, name)
    path.write_text(text_of(chatgpt(refreshed=LATE, token=token)))
    return path


def mark(lab: Lab, token: str) -> None:
    Path(lab.layout.login_mark).write_text(mark_text(login_digest(chatgpt(token=token)["tokens"]["refresh_token"])))


@pytest.mark.slow
def test_a_renewed_login_keeps_its_session(lab: Lab) -> None:
    """Refused in check mode and without it, and nothing is changed; a login with a copy goes."""
    lab.run(**lab.mode(""))
    auth = plant(lab, "two")
    mark(lab, "one")
    before, alive = lab.snapshot(), lab.alive()
    for check in (True, False):
        with pytest.raises(OptioError, match="exists nowhere else"):
            lab.run(check=check, state="absent", purge=True)
        assert lab.snapshot() == before and lab.alive() == alive
    # without purge the home stays, and what is known of the login with it
    lab.run(state="absent")
    assert auth.exists() and Path(lab.layout.login_mark).exists()
    with pytest.raises(OptioError, match="exists nowhere else"):
        lab.run(state="absent", purge=True)
    mark(lab, "two")
    assert lab.run(state="absent", purge=True)["changed"] and not os.path.exists(lab.layout.task)


@pytest.mark.slow
def test_a_login_can_be_discarded(lab: Lab) -> None:
    lab.run(**lab.mode(""))
    plant(lab, "two")
    lab.run(state="absent", purge=True, discard_login=True)
    assert not os.path.exists(lab.layout.task)


@pytest.mark.slow
def test_a_login_that_is_renewed_while_codex_ends_is_kept(lab: Lab) -> None:
    lab.run(**lab.mode("renews"))
    auth = plant(lab, "one")
    mark(lab, "one")
    renewed = plant(lab, "two", "renewed.json")
    with pytest.raises(OptioError, match="exists nowhere else"):
        lab.run(state="absent", purge=True)
    assert auth.read_text() == renewed.read_text() and not lab.alive()
