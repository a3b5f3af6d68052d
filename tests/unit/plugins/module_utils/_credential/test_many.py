# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The credentials of several sessions in one call: each its own, failures apart, and no secret in any output."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.optio.codex.plugins.module_utils._core.batch_runner import converge_each
from ansible_collections.optio.codex.plugins.module_utils._core.errors import OptioError, ProbeError
from ansible_collections.optio.codex.plugins.module_utils._core.resource import MASK
from ansible_collections.optio.codex.plugins.module_utils._credential.module import RESOURCE
from ansible_collections.optio.codex.tests.unit.support import shells
from ansible_collections.optio.codex.tests.unit.support.credential_builders import LATE, MARKER, chatgpt, text_of
from ansible_collections.optio.codex.tests.unit.support.session_builders import options


class Sessions:
    """The directory of several sessions."""

    def __init__(self, base: Path) -> None:
        self.directory = base / "sessions"

    def auth(self, name: str) -> Path:
        return self.directory / name / "home/.codex/auth.json"

    def entries(self, *sessions: Any, **shared: Any) -> list[Any]:
        params = options(RESOURCE, sessions=list(sessions), sessions_dir=str(self.directory), **shared)
        entries = RESOURCE.expand_items(params)
        assert entries is not None and MARKER not in json.dumps(RESOURCE.masked(params))
        return list(entries)

    def run(self, *sessions: Any, **shared: Any) -> dict[str, Any]:
        result = converge_each(RESOURCE, self.entries(*sessions, **shared), False, True)
        assert MARKER not in json.dumps(result)
        return result


@pytest.fixture
def sessions(tmp_path: Path) -> Sessions:
    return Sessions(tmp_path)


@pytest.mark.slow
def test_each_has_its_own(sessions: Sessions) -> None:
    call = (
        {"name": "one", "api_key": f"sk-{MARKER}-1"},
        {"name": "two", "access_token": f"at-{MARKER}-2"},
        {"name": "three", "auth_json": chatgpt()},
        "four",
    )
    made = sessions.run(*call, api_key=f"sk-{MARKER}-shared")
    assert made["changed"] and [(entry["name"], entry["kind"]) for entry in made["sessions"]] == [
        ("one", "api_key"),
        ("two", "access_token"),
        ("three", "chatgpt"),
        ("four", "api_key"),
    ]
    for name, secret in (("one", "sk-s3cret-1"), ("two", "at-s3cret-2"), ("three", "refresh_token"), ("four", "sk-s3cret-shared")):
        assert secret in sessions.auth(name).read_text()
    assert not sessions.run(*call, api_key=f"sk-{MARKER}-shared")["changed"]
    removed = sessions.run({"name": "one", "state": "absent"}, "two", api_key=f"sk-{MARKER}-shared")
    assert not sessions.auth("one").exists() and "shared" in sessions.auth("two").read_text()
    assert [entry["actions"][0]["kind"] for entry in removed["sessions"]] == ["remove", "write"]


def test_a_failure_does_not_affect_the_others(sessions: Sessions) -> None:
    result = sessions.run(
        {"name": "one", "auth_json": f'{{"tokens": {{"access_token": "{MARKER}"}}}}'}, {"name": "two", "api_key": f"sk-{MARKER}"}
    )
    assert result["failed"] and result["msg"].startswith("1 of 2 sessions failed.")
    one, two = result["sessions"]
    assert one["failed"] and not two.get("failed") and two["changed"]
    assert MARKER in sessions.auth("two").read_text() and not sessions.auth("one").exists()


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("one", "session one has invalid options: state is present but any of the following are missing: api_key, access_token, auth_json"),
        ({"name": "one", "api_key": f"sk-{MARKER}", "access_token": MARKER}, "parameters are mutually exclusive"),
        ({"name": "one", "api_kee": f"sk-{MARKER}"}, "api_kee. Supported parameters include"),
        (f'{{"name": "one" "api_key": "{MARKER}"}}', "session 1 of sessions is not a valid name"),
        ([MARKER], "is of type list"),
    ],
)
def test_an_invalid_entry_is_an_error_without_its_secret(sessions: Sessions, entry: Any, message: str) -> None:
    with pytest.raises(OptioError) as raised:
        sessions.entries(entry)
    assert message in str(raised.value) and MARKER not in str(raised.value)


def test_only_known_options_are_shown() -> None:
    entry = {"name": "one", "user": "alice", "api_key": MARKER, "api_kee": MARKER}
    masked = RESOURCE.masked({"sessions": [entry, "two", f"{MARKER} {MARKER}", [MARKER]]})
    assert masked["sessions"] == [{"name": "one", "user": "alice", "api_key": MASK, "api_kee": MASK}, "two", MASK, MASK]
    assert RESOURCE.masked({"sessions": f"[{MARKER}]"})["sessions"] == MASK


def test_the_secrets_of_all_entries() -> None:
    params = {"api_key": "a", "sessions": ["one", {"name": "two", "access_token": " b\n"}, {"auth_json": {"c": 1}}, {"api_key": None}]}
    assert RESOURCE.secrets(params) == {"a", "b", " b\n", '{"c": 1}'}
    assert RESOURCE.secrets({"sessions": "text"}) == set()


@pytest.mark.parametrize("name", shells.SHELLS)
def test_one_probe_of_all(sessions: Sessions, name: str) -> None:
    sessions.run({"name": "one", "api_key": f"sk-{MARKER}"}, {"name": "two", "auth_json": text_of(chatgpt(refreshed=LATE))})
    entries = sessions.entries("two", "three", "one", state="absent")
    script = RESOURCE.probe_script_many(entries)
    answer = shells.run(name, script)
    assert MARKER not in script + answer
    parsed = RESOURCE.parse_probe_many(answer, entries)
    assert [(view.task.layout.name, view.auth_file.kind, view.auth_file.holds) for view in parsed] == [
        ("two", "file", "chatgpt"),
        ("three", "absent", ""),
        ("one", "file", "api_key"),
    ]
    assert len({view.auth_file.salt for view in parsed}) == 3
    with pytest.raises(ProbeError):
        RESOURCE.parse_probe_many(answer, entries[:2])


def run_module(args: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """Return the result and the whole output of the module, run as Ansible runs it."""
    code = (
        "import json, sys; from ansible.module_utils import basic; basic._ANSIBLE_ARGS = sys.stdin.buffer.read(); "
        "basic._ANSIBLE_PROFILE = 'legacy'; from ansible_collections.optio.codex.plugins.modules import credential; credential.main()"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", code],
        input=json.dumps({"ANSIBLE_MODULE_ARGS": args}),
        env=environment,
        text=True,
        capture_output=True,
        timeout=60,
        check=False,
    )
    return json.loads(done.stdout), done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({}, None),
        ({"name": "x"}, "parameters are mutually exclusive: name|sessions"),
        ({"state": "gone"}, "value of state must be one of"),
        ({"nonsense": 1}, "Unsupported parameters"),
        ({"sessions": {"name": "one", "api_key": MARKER}}, "sessions"),
        ({"sessions": [{"name": "one", "api_key": MARKER, "api_kee": MARKER}]}, "api_kee"),
        ({"sessions": [{"name": "one", "auth_json": {"tokens": {"access_token": MARKER}}}]}, "1 of 1 sessions failed"),
    ],
)
def test_the_module_shows_no_secret(sessions: Sessions, more: dict[str, Any], message: str | None) -> None:
    given = [{"name": "one", "api_key": f"sk-{MARKER}"}, {"name": "two", "auth_json": text_of(chatgpt())}]
    result, output = run_module({"sessions": given, "sessions_dir": str(sessions.directory), **more})
    assert MARKER not in output and "invocation" in result
    assert bool(result.get("failed")) is (message is not None) and (message or "") in result.get("msg", "")
    assert sessions.auth("two").exists() is (message is None)
