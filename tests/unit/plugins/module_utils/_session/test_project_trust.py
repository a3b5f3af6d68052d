# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which workdirs a launch trusts, what trusting one would run, and how a session remembers it."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.optio.codex.plugins.module_utils._codex.requirements import policy_warnings
from ansible_collections.optio.codex.plugins.module_utils._core.errors import ProbeError
from ansible_collections.optio.codex.plugins.module_utils._launch.launcher import DeferredLauncher
from ansible_collections.optio.codex.plugins.module_utils._launch.module import RESOURCE
from ansible_collections.optio.codex.plugins.module_utils._launch.spec import SessionSpec, find_drift
from ansible_collections.optio.codex.plugins.module_utils._session.project_trust import read_project, recorded, resolved
from ansible_collections.optio.codex.plugins.module_utils._session.state import Session, Workspace
from ansible_collections.optio.codex.tests.unit.support.local_session import Lab, laboratory
from ansible_collections.optio.codex.tests.unit.support.session_builders import LAYOUT, MADE, WORKER, options, session_of, view_of

CONFIG = """\
model = "m"
notify = ["/bin/false"]
[mcp_servers.tools]
command = "/bin/sh"
args = ["-c", "touch /tmp/x"]
env = {TOKEN = "sk-0123456789abcdef"}
[mcp_servers."far one"]
url = "https://me:pa55@mcp.example.com/"
[[hooks.SessionStart]]
[[hooks.SessionStart.hooks]]
type = "command"
command = "echo sk-0123456789abcdef"
[sandbox_workspace_write]
writable_roots = ["/"]
"""
HOOKS = {"hooks": {"Stop": [{"matcher": "x", "hooks": [{"type": "command", "command": "make"}, {"type": "prompt"}]}]}}
CARRIES = Workspace(project_config=True, project=())


def project(base: Path, **files: str) -> Path:
    """Return a directory with these files in its .codex."""
    for name, text in files.items():
        path = base / ".codex" / name.replace("__", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return base


def message(base: Path) -> list[tuple[Any, ...]]:
    found = read_project(str(base))
    assert found is not None and all(set(entry) == {"path", "kind", "name", "command", "problem"} for entry in found)
    return [(entry["kind"], entry["name"], entry["command"] or entry["problem"]) for entry in found]


def test_what_trusting_would_run(tmp_path: Path) -> None:
    project(tmp_path, config__toml=CONFIG, hooks__json=json.dumps(HOOKS), notes__md="x")
    (tmp_path / ".codex/rules").mkdir()
    assert message(tmp_path) == [
        ("mcp_server", "tools", "/bin/sh -c 'touch /tmp/x'"),
        ("mcp_server", "far one", "https://***@mcp.example.com/"),
        ("hook", "SessionStart", "echo ***"),
        ("setting", "model", None),
        ("setting", "sandbox_workspace_write", None),
        ("hook", "Stop", "make"),
        ("hook", "Stop", "prompt"),
        ("file", None, None),
        ("rules", None, None),
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[mcp_servers", "could not be read: "),
        ("\udc80", "could not be read: "),
        ("x" * (2 << 20), "has more than 1048576 bytes"),
    ],
)
def test_unreadable_settings_are_reported(tmp_path: Path, text: str, problem: str) -> None:
    project(tmp_path)
    (tmp_path / ".codex").mkdir()
    (tmp_path / ".codex/config.toml").write_bytes(text.encode("utf-8", "surrogateescape"))
    assert [(kind, problem in said) for kind, _name, said in message(tmp_path)] == [("unreadable", True)]


def test_links_pipes_and_odd_shapes_are_never_read(tmp_path: Path) -> None:
    assert read_project(str(tmp_path)) is None
    (tmp_path / ".codex").symlink_to("/nowhere")
    assert message(tmp_path) == [("unreadable", None, "is a symbolic link")]
    (tmp_path / ".codex").unlink()
    (tmp_path / ".codex").write_text("x")
    assert message(tmp_path) == [("unreadable", None, "is not a directory")]
    (tmp_path / ".codex").unlink()
    (tmp_path / ".codex").mkdir()
    (tmp_path / ".codex/config.toml").symlink_to("/etc/passwd")
    os.mkfifo(tmp_path / ".codex/hooks.json")
    assert [kind for kind, _name, _said in message(tmp_path)] == ["unreadable", "unreadable"]
    shapes = "mcp_servers = [1]\n[hooks]\nStop = 7\nStart = [1, {hooks = [1]}, {hooks = 2}]"
    (tmp_path / ".codex/config.toml").unlink()
    project(tmp_path, config__toml=shapes)
    assert [kind for kind, _name, _said in message(tmp_path)] == ["unreadable"]


@pytest.mark.parametrize(
    ("asked", "seen", "cloning", "trust"),
    [
        ("auto", Workspace(), False, "trusted"),
        ("auto", CARRIES, False, "untrusted"),
        ("auto", Workspace(), True, "unknown"),
        ("trusted", CARRIES, True, "trusted"),
        ("untrusted", Workspace(), False, "untrusted"),
        (None, CARRIES, False, None),
    ],
)
def test_trust_of_a_launch(asked: str | None, seen: Workspace, cloning: bool, trust: str | None) -> None:
    assert resolved(asked, seen, cloning) == trust


def test_controller_leaves_a_launch_in_a_project_with_settings_to_the_worker() -> None:
    """Only Python can name what they run; a session that lives needs none."""
    carries = replace(MADE, project_config=True)
    params = options(RESOURCE, name="review")
    requested = RESOURCE.parse_options(params)
    with pytest.raises(ProbeError):
        RESOURCE.plan(view_of(session_of("absent", SessionSpec()), carries), requested)
    live = RESOURCE.plan(view_of(session_of("running", SessionSpec()), carries), requested)
    assert not live and live.result["trust"] == "trusted" and not live.warnings
    # an answer decides it by itself, but the list is still wanted
    trusting = RESOURCE.parse_options({**params, "trust": "trusted"})
    planned = RESOURCE.plan(view_of(session_of("absent", SessionSpec()), replace(carries, project=())), trusting)
    assert planned.result["trust"] == "trusted" and not planned.warnings


def test_check_mode_does_not_know_what_is_still_to_be_cloned() -> None:
    plan = RESOURCE.plan(
        view_of(session_of("absent", SessionSpec()), Workspace()),
        RESOURCE.parse_options(options(RESOURCE, name="x", repository={"url": "/r"})),
    )
    assert plan.result["trust"] == "unknown" and plan.result["project_config"] == []
    launcher = next(action.payload for action in plan.actions if action.target == LAYOUT.launcher)
    assert isinstance(launcher, DeferredLauncher) and launcher.trust == "unknown"
    assert all(f'trust_level = "{trust}"' in launcher.script(trust).text for trust in ("trusted", "untrusted"))


@pytest.mark.parametrize(
    ("record", "trust", "drifts"),
    [
        # a record from before trust was decided by itself
        ({"options": '{"trust": "trusted"}'}, "trusted", {"untrusted", "none"}),
        ({"options": '{"trust": null}'}, "none", {"trusted", "untrusted"}),
        ({"options": '{"trust": "auto"}', "trust": "untrusted"}, "untrusted", {"trusted", "none"}),
        ({"options": '{"trust": null}', "trust": "none"}, "none", {"trusted", "untrusted"}),
        ({"options": '{"trust": "auto"}'}, None, {"trusted", "untrusted", "none"}),
        ({"options": "{", "project": "{"}, None, set()),
        ({"options": "[]", "project": "7"}, None, set()),
        ({}, None, set()),
    ],
)
def test_the_trust_in_a_record(record: dict[str, str], trust: str | None, drifts: set[str]) -> None:
    assert recorded(Session(record=record)) == {"trust": trust, "project_config": []}
    view = view_of(session_of("running", SessionSpec(), record=record))
    if drifts:
        choices = ("auto", "trusted", "untrusted", "none")
        specs = {choice: SessionSpec.from_params(options(RESOURCE, name="x", trust=choice)) for choice in choices}
        found = {asked for asked, spec in specs.items() if "trust" in [entry["option"] for entry in find_drift(view, spec)]}
        assert found == drifts


def test_workers_policy_is_reported_if_it_allows_less_than_requested() -> None:
    lines = (
        'allowed_sandbox_modes = ["read-only", "workspace-write"] # ours',
        'allowed_approval_policies = ["on-request"]',
        "allowed_sandbox_modes = [",
    )
    assert policy_warnings("x", lines, "workspace-write", "on-request") == ()
    told_of = policy_warnings("x", lines, "danger-full-access", "never")
    assert ["sandbox is danger-full-access" in told_of[0], "only allows on-request" in told_of[1]] == [True, True]
    view = view_of(session_of("absent", SessionSpec()), Workspace(), replace(WORKER, requirements=lines))
    [warning] = RESOURCE.plan(view, RESOURCE.parse_options(options(RESOURCE, name="x"))).warnings
    assert warning.startswith(
        "session review: approval_policy is never, and /etc/codex/requirements.toml of the worker only allows on-request"
    )


@pytest.fixture
def lab(open_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    with laboratory(open_path, monkeypatch) as made:
        yield made


def level(lab: Lab) -> str:
    """Return with what trust codex was called last."""
    calls = [line for line in lab.called if line.startswith("projects=")]
    return calls[-1].rpartition(" = ")[2].strip('"}')


@pytest.mark.slow
def test_session_in_a_project_with_settings(lab: Lab) -> None:
    """Cloned by the same call; the second run, the resume and the restart go on with what is meant."""
    source = project(lab.root.parent / "source", config__toml='[mcp_servers.tools]\ncommand = "/bin/false"\n')
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.com")
    for arguments in (["init", "-q"], ["add", "."], [*identity, "commit", "-qm", "x"]):
        subprocess.run(["git", *arguments], cwd=source, check=True, timeout=30)
    given: dict[str, Any] = {"repository": {"url": str(source)}}
    assert lab.run(check=True, **given)["trust"] == "unknown"
    launched = lab.run(**given)
    assert (launched["trust"], level(lab)) == ("untrusted", "untrusted")
    wanted = {"path": ".codex/config.toml", "kind": "mcp_server", "name": "tools", "command": "/bin/false", "problem": None}
    assert launched["project_config"] == [wanted]
    assert "mcp_server tools (/bin/false). Set trust: trusted" in lab.warnings.pop() and not lab.warnings
    again = lab.run(**given)
    assert (again["changed"], again["drift"], again["trust"], again["project_config"]) == (False, [], "untrusted", [wanted])

    other = lab.run(trust="trusted", **given)
    assert [(entry["option"], entry["current"]) for entry in other["drift"]] == [("trust", "untrusted")] and not other["changed"]
    # what is trusted from the start is named too
    cloned = {"name": "two", "workdir": str(lab.root.parent / "two"), "ready_timeout": 0, "trust": "trusted", **given}
    try:
        assert lab.run(**cloned)["project_config"] == [wanted]
    finally:
        lab.run(**cloned, state="absent")
    trusted = lab.run(state="restarted", trust="trusted", **given)
    assert (trusted["trust"], level(lab), trusted["project_config"]) == ("trusted", "trusted", [wanted])
    assert (lab.run()["drift"], lab.run()["trust"]) == ([], "trusted")
    kept = lab.run(state="restarted", keep_options=True)
    assert (kept["trust"], level(lab)) == ("trusted", "trusted")
    assert lab.run(state="restarted", keep_options=False)["trust"] == level(lab) == "untrusted"


@pytest.mark.slow
def test_session_without_a_project_is_trusted_until_one_is_there(lab: Lab) -> None:
    launched = lab.run()
    assert (launched["trust"], level(lab), launched["project_config"]) == ("trusted", "trusted", [])
    (Path(launched["workdir"]) / ".codex").symlink_to("home")
    assert (lab.run()["drift"], lab.run()["trust"]) == ([], "trusted")
    # the options that are kept say that it decides itself
    resumed = lab.run(state="restarted", keep_options=True)
    assert (resumed["trust"], level(lab)) == ("untrusted", "untrusted")
    assert [entry["problem"] for entry in resumed["project_config"]] == ["is a symbolic link"]


@pytest.mark.parametrize(
    ("make", "trust"),
    [
        ("true", "trusted"),
        # what a sandbox that was killed leaves
        ("mkdir .codex", "trusted"),
        (": >.codex", "trusted"),
        ("mkdir .codex; : >.codex/config.toml", "untrusted"),
        ("mkdir .codex; : >.codex/.hidden", "untrusted"),
        ("echo >.codex", "untrusted"),
        ("mkfifo .codex", "untrusted"),
        ("ln -s /nowhere .codex", "untrusted"),
        ("mkdir there; ln -s there .codex", "untrusted"),
    ],
)
def test_what_counts_as_settings_of_its_own(lab: Lab, tmp_path: Path, make: str, trust: str) -> None:
    """The probe's look and Python's agree."""
    workdir = tmp_path / "work"
    workdir.mkdir()
    subprocess.run(["/bin/sh", "-c", make], cwd=workdir, check=True)
    assert lab.run(check=True, workdir=str(workdir))["trust"] == trust
    assert (read_project(str(workdir)) is None) == (trust == "trusted")
