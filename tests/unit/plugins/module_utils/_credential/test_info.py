# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Asking with a credential, a shell script in the place of codex: what it is given, and what is left of it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.optio.codex.plugins.module_utils._core import processes
from ansible_collections.optio.codex.plugins.module_utils._core.controller_link import ControllerWatch
from ansible_collections.optio.codex.plugins.module_utils._core.errors import OptioError
from ansible_collections.optio.codex.plugins.module_utils._core.host import LocalHost
from ansible_collections.optio.codex.plugins.module_utils._core.runner import converge
from ansible_collections.optio.codex.plugins.module_utils._core.toml import dumps
from ansible_collections.optio.codex.plugins.module_utils._credential import challenge as codex_challenge
from ansible_collections.optio.codex.plugins.module_utils._credential import info as credential_info
from ansible_collections.optio.codex.plugins.module_utils._credential.info import (
    RESOURCE,
    environment_of,
    provider_of,
    scrubbed,
)
from ansible_collections.optio.codex.plugins.module_utils._session.command_line import environment_file
from ansible_collections.optio.codex.tests.unit.support.session_builders import options

SECRET = "plain-secret-5f1d9c0e"
#: writes down how it was called, then does what the file beside it says
CODEX = r"""#!/bin/sh
here=${0%/*}
env >"$here/environment"; pwd >"$here/directory"; ls -A >"$here/content"
printf '%s\n' "$@" >"$here/arguments"
echo x >>"$here/calls"
. "$here/act"
"""
ANSWER = """echo '{"type":"item.completed","item":{"type":"agent_message","text":"42"}}'"""
#: the first keeps neither session nor parent nor environment
STRAYS = '(setsid env -i sleep 611 &); sleep 612 & echo $! >"$here/pid"; trap \'echo ended >"$here/ended"; exit 1\' TERM; wait'


class Place:
    """A home of codex's, and the script."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.programs = base / "bin"
        self.home = base / "home"
        self.programs.mkdir()
        self.home.mkdir()
        (self.programs / "codex").write_text(CODEX)
        (self.programs / "codex").chmod(0o755)
        self.act(ANSWER)

    def act(self, script: str) -> None:
        (self.programs / "act").write_text(f"{script}\n")

    def config(self, document: Mapping[str, Any]) -> None:
        (self.home / "config.toml").write_text(dumps(document))

    def run(self, *, check: bool = False, **given: Any) -> dict[str, Any]:
        place = {} if "name" in given else {"codex_home": str(self.home)}
        params = options(RESOURCE, **{"codex_dir": str(self.programs), **place, **given})
        return converge(RESOURCE, params, LocalHost(), check, True)

    def seen(self, what: str) -> list[str]:
        path = self.programs / what
        return path.read_text().splitlines() if path.exists() else []

    def variables(self) -> dict[str, str]:
        return dict(line.partition("=")[::2] for line in self.seen("environment"))


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setattr(codex_challenge, "GRACE", 3.0)
    monkeypatch.setattr(credential_info, "SYSTEM_CONFIG", str(tmp_path / "system.toml"))
    return Place(tmp_path)


def test_answer_is_alive_and_nothing_is_left(place: Place) -> None:
    found = place.run()
    assert (found["verdict"], found["reason"], found["changed"], found["provider"]) == ("alive", "answered", False, "openai")
    assert place.seen("content") == [] and os.listdir(place.home) == [] and place.seen("calls") == ["x"]
    assert place.seen("directory")[0].startswith(f"{place.home}/.ask-")
    assert {"--ephemeral", "--json", "read-only", "--skip-git-repo-check"} <= set(place.seen("arguments"))
    assert place.variables()["CODEX_HOME"] == str(place.home)


def test_check_mode_asks_nothing(place: Place) -> None:
    found = place.run(check=True)
    assert (found["verdict"], found["reason"], place.seen("calls")) == ("inconclusive", "skipped", [])
    missing = converge(RESOURCE, options(RESOURCE, codex_home="/nowhere", codex_dir="/nowhere"), LocalHost(), True, False)
    codex, home = missing["warnings"]
    assert codex.startswith("no release of codex is installed") and home.startswith("credential /nowhere has no directory /nowhere. Set ")
    with pytest.raises(OptioError, match="has no directory /nowhere"):
        place.run(codex_home="/nowhere")


def test_time_out_ends_everything_and_lets_codex_save(place: Place) -> None:
    place.act(STRAYS)
    found = place.run(timeout=2)
    assert (found["verdict"], found["reason"]) == ("inconclusive", "timeout")
    assert place.seen("ended") == ["ended"] and not processes.is_running(int(place.seen("pid")[0]))
    assert not sleeping("611") and not sleeping("612") and os.listdir(place.home) == []


def test_what_outlives_codex_is_ended_too(place: Place) -> None:
    place.act(f"(setsid env -i sleep 613 &); {ANSWER}")
    assert place.run()["verdict"] == "alive" and not sleeping("613")


def test_codex_that_fails_by_itself_is_started_once_more(place: Place) -> None:
    place.act("""echo "thread 'main' panicked at x.rs:1:1:" >&2; [ "$(wc -l <"$here/calls")" = 1 ] || exit 0; sleep 60""")
    found = place.run()
    assert (found["reason"], place.seen("calls"), found["elapsed"] < 30) == ("codex_failed", ["x", "x"], True)
    assert found["detail"].startswith("thread 'main' panicked at")


def test_a_lost_controller_ends_it(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ControllerWatch, "is_gone", lambda _self: True)
    place.act("sleep 614")
    with pytest.raises(OptioError, match="codex exec was stopped because the controller disconnected"):
        place.run()
    assert not sleeping("614") and os.listdir(place.home) == []


def sleeping(seconds: str) -> bool:
    return any(processes.arguments(int(pid)) == ["sleep", seconds] for pid in os.listdir("/proc") if pid.isdigit())


def test_mcp_servers_are_not_started_and_secrets_not_shown(place: Place) -> None:
    place.config({"mcp_servers": {"my server": {"command": "x"}}})
    (place.home / "auth.json").write_text(json.dumps({"tokens": {"access_token": "token-of-the-login"}}))
    said = f"unexpected status 401 Unauthorized: {SECRET} token-of-the-login sk-abc***xyz0, url: http://x/"
    place.act(f"""echo '{json.dumps({"type": "turn.failed", "error": {"message": said}})}'; exit 1""")
    found = place.run(environment={"MINE": SECRET})
    assert (found["verdict"], found["reason"]) == ("dead", "unauthorized")
    assert found["detail"] == "unexpected status 401 Unauthorized: *** *** ***, url: http://x/"
    assert 'mcp_servers={"my server" = {enabled = false}}' in place.seen("arguments")
    assert place.variables()["MINE"] == SECRET and SECRET not in str(found) + str(place.seen("arguments"))
    assert RESOURCE.masked({"environment": {"MINE": SECRET}})["environment"]["MINE"] != SECRET


def test_session_is_asked_with_its_own_codex_home_and_variables(place: Place, tmp_path: Path) -> None:
    task = tmp_path / "root/one"
    home = task / "home"
    for directory in (".codex", ".config", ".local/share", ".local/bin", ".cache"):
        (home / directory).mkdir(parents=True)
    (task / "workdir").mkdir()
    (home / ".local/bin/codex").symlink_to(place.programs / "codex")
    (home / ".codex/config.toml").write_text(dumps({"model_provider": "p", "model_providers": {"p": {"env_key": "CODEX_API_KEY"}}}))
    (task / "session").write_text(f"name=one\nworkdir={task}/workdir\n")
    given = {"OPENAI_API_KEY": "a", "CODEX_API_KEY": "b c'd", "OTHER": "two\nlines", "OPTIO_CODEX_TASK": f"{task}:", "HOME": "/wrong"}
    (task / "environment").write_text(environment_file({**given, "PATH": os.environ["PATH"]}))
    found = converge(RESOURCE, options(RESOURCE, name="one", sessions_dir=str(tmp_path / "root")), LocalHost(), False, False)
    assert (found["verdict"], found["name"], found["status"], found["provider"]) == ("alive", "one", "lost", "p")
    seen = place.variables()
    assert (seen["HOME"], seen["CODEX_HOME"], seen["CODEX_API_KEY"]) == (str(home), str(home / ".codex"), "b c'd")
    assert "OPENAI_API_KEY" not in seen and seen["OPTIO_CODEX_TASK"].startswith("ask:")
    assert sorted(os.listdir(task)) == ["environment", "home", "session", "workdir"]
    with pytest.raises(OptioError, match="session two has no directory"):
        place.run(name="two", sessions_dir=str(tmp_path / "root"))


@pytest.mark.parametrize(
    ("config", "provider", "kept"),
    [
        ({}, "openai", set()),
        ({"model_provider": "p"}, "p", set()),
        ({"model_provider": "p", "model_providers": {"p": {"env_key": "OPENAI_API_KEY"}}}, "p", {"OPENAI_API_KEY"}),
        # another provider's variable is no reason
        ({"model_providers": {"p": {"env_key": "OPENAI_API_KEY"}}}, "openai", set()),
        ({"profile": "x", "profiles": {"x": {"model_provider": "q"}}, "model_provider": "p"}, "q", set()),
        ({"model_provider": 7, "model_providers": 7, "profiles": [], "profile": []}, "7", set()),
        ({"model_provider": "p", "model_providers": {"p": {"env_key": "CODEX_ACCESS_TOKEN"}}}, "p", {"CODEX_ACCESS_TOKEN"}),
    ],
)
def test_keys_that_exec_prefers_are_removed_except_the_providers_own(config: dict[str, Any], provider: str, kept: set[str]) -> None:
    keys = dict.fromkeys(("OPENAI_API_KEY", "CODEX_API_KEY", "CODEX_ACCESS_TOKEN"), "x")
    assert provider_of(config)[0] == provider
    assert scrubbed({**keys, "OTHER": "y"}, config) == {**dict.fromkeys(kept, "x"), "OTHER": "y"}


def test_environment_file_is_read_as_it_was_written() -> None:
    variables = {"A": "", "B": "a b'c\"d$e`f\\", "C": "line\nexport D=no", "PATH": "/bin:/usr/bin"}
    assert environment_of(environment_file(variables)) == variables
    assert environment_of("export A='") == {}


@pytest.mark.parametrize(
    ("given", "match"),
    [({"timeout": 0}, "timeout"), ({"timeout": float("nan")}, "timeout"), ({"codex_home": "x"}, "relative"), ({"name": "a/b"}, "name")],
)
def test_wrong_options(given: dict[str, Any], match: str) -> None:
    with pytest.raises(OptioError, match=match):
        RESOURCE.validate(options(RESOURCE, **given))
