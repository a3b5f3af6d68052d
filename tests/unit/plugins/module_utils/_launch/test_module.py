# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A session's options: what they mean, which are refused, and what a live session is compared by."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.optio.codex.plugins.module_utils._core.errors import OptioError
from ansible_collections.optio.codex.plugins.module_utils._core.plan import check_mode_result
from ansible_collections.optio.codex.plugins.module_utils._core.resource import MASK
from ansible_collections.optio.codex.plugins.module_utils._launch.module import RESOURCE
from ansible_collections.optio.codex.plugins.module_utils._launch.plan import plan_stopped, session_variables
from ansible_collections.optio.codex.plugins.module_utils._launch.spec import SessionOptions, SessionSpec, find_drift
from ansible_collections.optio.codex.plugins.module_utils._session.agents_md import agents_text
from ansible_collections.optio.codex.plugins.module_utils._session.codex_options import CodexOptions
from ansible_collections.optio.codex.plugins.module_utils._session.command_line import AUTO_START_PROMPT, TerminalOptions
from ansible_collections.optio.codex.plugins.module_utils._session.layout import package_socket
from ansible_collections.optio.codex.plugins.module_utils._session.location import Location
from ansible_collections.optio.codex.plugins.module_utils._session.record import codex_version, describe, terminal_of_record
from ansible_collections.optio.codex.plugins.module_utils._session.state import ObservedSession, Session, Workspace
from ansible_collections.optio.codex.tests.unit.support.session_builders import (
    CODEX,
    LAYOUT,
    MADE,
    PANE,
    WORKER,
    FakeHost,
    launcher_of,
    options,
    record_of,
    session_of,
    view_of,
)


def asked(**given: Any) -> SessionOptions:
    return RESOURCE.parse_options(options(RESOURCE, **{"name": "review", **given}))


def wished(**given: Any) -> SessionSpec:
    return asked(**given).spec


PLAIN = wished()


def test_defaults() -> None:
    assert SessionSpec() == PLAIN
    assert PLAIN.codex == CodexOptions("never", "workspace-write", (), False, False, None, None, "auto", None, None)
    assert PLAIN.terminal == TerminalOptions("unix", "127.0.0.1", 0, False, 16)


@pytest.mark.parametrize(
    ("given", "prompt"),
    [
        ({}, None),
        ({"prompt": "Do it"}, "Do it"),
        ({"auto_start": True, "instructions": "x"}, AUTO_START_PROMPT),
        ({"auto_start": True, "instructions": "x", "prompt": ""}, AUTO_START_PROMPT),
        ({"auto_start": True}, AUTO_START_PROMPT),
        ({"auto_start": True, "prompt": "Do it"}, "Do it"),
        ({"auto_start": "yes"}, AUTO_START_PROMPT),
    ],
)
def test_the_prompt_on_codexs_command_line(given: dict[str, Any], prompt: str | None) -> None:
    plan = RESOURCE.plan(view_of(session_of("absent", PLAIN), Workspace()), asked(**given))
    launcher = launcher_of(plan)
    assert f" -- '{prompt}'\n" in launcher if prompt else "\n  status=$?" in launcher.replace(" -- ", "")


def test_values_that_surveys_send() -> None:
    given = asked(
        prompt="",
        model="",
        user="",
        sessions_dir="",
        workdir="",
        codex_dir="",
        ttyd_dir="",
        instructions="",
        writable_roots="/a,/b",
        ready_timeout="5",
    )
    RESOURCE.validate(given)
    spec = given.spec
    assert (spec.codex.model, spec.codex.prompt, spec.files.instructions) == (None, None, None)
    assert spec.codex.writable_roots == ("/a", "/b")
    assert (given.location, given.ready_timeout) == (Location("review"), 5.0)


def test_values_of_the_environment_are_strings() -> None:
    assert wished(environment={"A": 1, "B": True, "C": "x"}).environment == {"A": "1", "B": "True", "C": "x"}


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"name": "a b"}, "session name 'a b' has a character"),
    ({"name": "x" * 65}, "has 65 characters"),
    ({"sessions_dir": "~daemon/x"}, "sessions_dir ~daemon/x is in another user's home"),
    ({"sessions_dir": "relative"}, "sessions_dir relative is relative"),
    ({"sessions_dir": "/srv/a:b"}, "must not contain a colon"),
    ({"sessions_dir": "/"}, "sessions_dir / must not be /"),
    ({"workdir": "//"}, "workdir // must not be /"),
    ({"workdir": "/srv/../etc"}, "must not be / or contain"),
    ({"workdir": "~root"}, "workdir ~root is in another user's home"),
    ({"codex_dir": "bin"}, "codex_dir bin is relative"),
    ({"ttyd_dir": "/a\nb"}, "contains a control character"),
    ({"sandbox": "read-only", "writable_roots": ["/a"]}, "sandbox read-only does not support writable_roots"),
    (
        {"sandbox": "danger-full-access", "network_access": True, "git_writable": True},
        "sandbox danger-full-access does not support network_access and git_writable",
    ),
    ({"sandbox": "danger-full-access", "network_access": True}, "sandbox danger-full-access does not support"),
    ({"sandbox": "danger-full-access", "git_writable": True}, "sandbox danger-full-access does not support"),
    ({"git_writable": True, "writable_roots": ["/a*"]}, "writable_roots /a* contains '*', '?', '[' or ']', which git_writable"),
    ({"git_identity": {"name": "Ann", "email": ""}}, "git_identity.email '' is empty or contains"),
    ({"git_identity": {"name": "Ann <a@b>", "email": "a@b"}}, "git_identity.name 'Ann <a@b>' is empty or contains"),
    ({"git_identity": {"name": "Ann", "email": "a@b\nc"}}, "git_identity.email 'a@b\\nc' is empty or contains"),
    ({"writable_roots": ["a"]}, "writable_roots a is relative"),
    ({"writable_roots": ["/a", "~bob/x"]}, "writable_roots ~bob/x is in another user's home"),
    ({"memory_max": "2 GB"}, "memory_max 2 GB is not a limit that systemd accepts. Set bytes"),
    ({"memory_max": "lots"}, "memory_max lots is not a limit"),
    ({"memory_max": "1G\nUser=root"}, "is not a limit that systemd accepts"),
    ({"cpu_quota": "2"}, "cpu_quota 2 is not a limit that systemd accepts. Set a percentage of one CPU, such as 150%"),
    ({"tasks_max": "-1"}, "tasks_max -1 is not a limit that systemd accepts. Set a number"),
    ({"environment": {"A B": "x"}}, "environment variable 'A B' is not a valid name"),
    ({"environment": {"1A": "x"}}, "environment variable '1A' is not a valid name"),
    ({"environment": {"A\n": "x"}}, "is not a valid name"),
    ({"unset_environment": ["A="]}, "environment variable 'A=' is not a valid name"),
    ({"environment": {"A": "x\0y"}}, "environment variable A must not contain NUL"),
    ({"prompt": "x\0y"}, "prompt must not contain NUL"),
    *(
        ({"environment": {name: "x"}}, f"environment variable {name} is reserved for session isolation")
        for name in ("HOME", "CODEX_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME", "OPTIO_CODEX_TASK")
    ),
    ({"terminal": {"listen": "tcp", "address": "0.0.0.0"}}, "terminal address 0.0.0.0 is not a loopback address"),
    ({"terminal": {"port": 70000}}, "terminal.port must be between 0 and 65535, got 70000"),
    ({"config": {"a": None}}, "is of type NoneType, which TOML does not have"),
]


@pytest.mark.parametrize(("given", "message"), REFUSED)
def test_options_that_are_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(OptioError) as refusal:
        RESOURCE.validate(asked(**given))
    assert message in str(refusal.value)
    assert refusal.value.remedy


def test_a_value_is_never_in_a_refusal() -> None:
    with pytest.raises(OptioError) as refusal:
        RESOURCE.validate(asked(environment={"HOME": "hunter2"}))
    assert "hunter2" not in str(refusal.value)


def test_invocation_masks_values() -> None:
    shown = RESOURCE.masked(options(RESOURCE, name="review", environment={"KEY": "hunter2"}, config={"a": {"b": "hunter2"}}))
    assert (shown["environment"], shown["config"]) == ({"KEY": MASK}, {"a": MASK})
    assert "hunter2" not in str(shown)


# the environment


def test_codex_gets_the_options_but_never_another_home() -> None:
    spec = wished(environment={"PATH": "/mine", "TZ": "UTC", "LOGNAME": "x"}, unset_environment=["https_proxy", "HOME", "SHELL"])
    variables = session_variables(view_of(Session()), spec, {"TZ": "CET", "https_proxy": "http://p", "LANG": "C.UTF-8", "CODEX_HOME": "/x"})
    assert variables == {
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        "PATH": "/mine",
        "USER": "alice",
        "LOGNAME": "x",
        **LAYOUT.variables(),
        "OPTIO_CODEX_TASK": f"{LAYOUT.task}:",
    }


# what a live session is compared by


@pytest.mark.parametrize(
    ("given", "drift"),
    [
        ({}, []),
        # spent, or of the next launch alone
        ({"prompt": "Do it", "resume": "always", "instructions": "x", "environment": {"A": "b"}, "config": {"a": 1}}, []),
        ({"writable_roots": [], "model": ""}, []),
        ({"model": "m"}, [("model", None, "m")]),
        ({"sandbox": "read-only"}, [("sandbox", "workspace-write", "read-only")]),
        ({"approval_policy": "on-request"}, [("approval_policy", "never", "on-request")]),
        ({"writable_roots": ["/a"]}, [("writable_roots", [], ["/a"])]),
        ({"network_access": True}, [("network_access", False, True)]),
        ({"git_writable": True}, [("git_writable", False, True)]),
        ({"git_identity": {"name": "", "email": ""}}, []),
        ({"git_identity": {"name": "Ann", "email": "a@b"}}, [("git_identity", None, {"name": "Ann", "email": "a@b"})]),
        ({"trust": "none"}, [("trust", "trusted", None)]),
        # what was decided for it
        ({"trust": "trusted"}, []),
        ({"trust": "untrusted"}, [("trust", "trusted", "untrusted")]),
    ],
)
def test_drift(given: dict[str, Any], drift: list[tuple[str, Any, Any]]) -> None:
    view = view_of(session_of("running", PLAIN))
    found = find_drift(view, wished(**given))
    assert [(entry["option"], entry["current"], entry["requested"]) for entry in found] == drift
    plan = RESOURCE.plan(view, asked(**given))
    assert plan.result["drift"] == found
    assert len(plan.warnings) == len(drift)
    assert not plan.actions


@pytest.mark.parametrize("options_text", ["", "{", "null", "[]", '"text"'])
def test_a_damaged_record_is_reported(options_text: str) -> None:
    record = {**record_of(PLAIN), "options": options_text}
    view = view_of(session_of("running", PLAIN, record=record))
    assert find_drift(view, PLAIN) == [{"option": "record", "current": "damaged", "requested": "readable"}]
    assert terminal_of_record(view.session) == TerminalOptions()


def test_another_workdir_is_drift() -> None:
    view = view_of(session_of("running", PLAIN), layout=replace(LAYOUT, workdir="/srv/other"))
    assert [entry["option"] for entry in find_drift(view, PLAIN)] == ["workdir"]


TCP = TerminalOptions("tcp", "127.0.0.2", 7681, True, 3, "X-User")


WEB = TerminalOptions(writable=True, group="www-data")


@pytest.mark.parametrize("terminal", [TerminalOptions(), WEB, TCP, replace(TCP, port=0, auth_header=None)])
def test_a_terminal_is_recorded_whole(terminal: TerminalOptions) -> None:
    launched = replace(PLAIN, terminal=terminal)
    session = session_of("running", launched)
    recorded = terminal_of_record(session)
    assert recorded == terminal
    # nor does a record of before there were groups differ from a session without one
    assert ("group" in terminal.as_record()) == bool(terminal.group)
    assert find_drift(view_of(session), launched) == []


def test_a_repaired_terminal_is_where_it_was() -> None:
    session = session_of("running", replace(PLAIN, terminal=TCP), terminal_alive=False, terminal_port=7681)
    plan = RESOURCE.plan(view_of(session), asked())
    assert [(action.kind, action.target) for action in plan.actions] == [("open", "127.0.0.2:7681")]
    assert (plan.result["port"], plan.result["address"], plan.result["terminal_socket"]) == (7681, "127.0.0.2", None)
    assert plan.result["url"] == "http://127.0.0.2:7681/"


# refusals by what is there


def test_a_session_of_another_user_is_not_touched() -> None:
    view = view_of(Session(runtime="/run/optio-codex/review", runtime_kind="directory", runtime_foreign=True, terminal_socket=True))
    for state in ("started", "stopped", "absent"):
        with pytest.raises(OptioError, match="belongs to another user's session"):
            RESOURCE.plan(view, asked(state=state))


def test_a_pane_of_another_root_is_neither_adopted_nor_ended() -> None:
    elsewhere = Session(runtime=LAYOUT.runtime, runtime_kind="directory", pane_foreign=True, units=("optio-codex@review.service",))
    for state in ("stopped", "absent"):
        plan = RESOURCE.plan(view_of(elsewhere), asked(state=state))
        assert not plan.actions and plan.result["status"] == "absent"
    on_record = session_of("lost", SessionSpec(), pane_foreign=True)
    for view, state in ((view_of(elsewhere), "started"), (view_of(on_record), "started"), (view_of(on_record), "absent")):
        with pytest.raises(OptioError, match="not on record"):
            RESOURCE.plan(view, asked(state=state))


def test_only_root_takes_away_what_root_launched() -> None:
    layout = replace(LAYOUT, runtime="/run/optio-codex/review")
    view = view_of(session_of("running", SessionSpec(), layout), layout=layout)
    with pytest.raises(OptioError, match=r"was launched by root.*become: true"):
        RESOURCE.plan(view, asked(state="absent"))
    root = replace(view, worker=replace(WORKER, privileged=True))
    assert RESOURCE.plan(root, asked(state="absent")).actions_of_kind("remove_runtime")
    assert RESOURCE.plan(view, asked(state="stopped")).actions_of_kind("stop")


def test_a_session_that_is_not_on_record_is_not_adopted() -> None:
    view = view_of(Session(runtime=LAYOUT.runtime, runtime_kind="directory", pane=PANE))
    with pytest.raises(OptioError, match=r"is not on record in .*, but runs on"):
        RESOURCE.plan(view, asked())
    # but it can be ended by its name
    assert [action.kind for action in RESOURCE.plan(view, asked(state="absent")).actions] == ["stop", "remove_runtime"]


# sessions of the Python package optio-codex


ADOPTABLE = Session(runtime=LAYOUT.runtime, adoptable=PANE)


def test_a_session_of_the_package_is_put_on_record_and_nothing_more() -> None:
    plan = RESOURCE.plan(view_of(ADOPTABLE), asked(adopt=True, prompt="Do it"))
    assert [(action.kind, action.target) for action in plan.actions] == [("write", LAYOUT.record)]
    record = plan.actions[0].payload.text.splitlines()
    assert {"adopted=1", f"workdir={LAYOUT.workdir}", f"codex={CODEX}", f"started={PANE.created}"} < set(record)
    assert (plan.result["status"], plan.result["pid"]) == ("running", PANE.codex)
    assert plan.result["tmux_socket"] == package_socket(LAYOUT.workdir)
    assert plan.result["attach_command"] and {plan.result[key] for key in ("url", "tunnel_command", "terminal_socket")} == {None}
    assert (plan.result["drift"], plan.result["resumed"], plan.result["unenforced_limits"]) == ([], False, [])
    assert not RESOURCE.unmet_requirements(view_of(ADOPTABLE), asked(adopt=True), plan)


def test_no_unit_holds_a_session_of_the_package() -> None:
    view = view_of(ADOPTABLE, worker=replace(WORKER, user_manager=True))
    plan = RESOURCE.plan(view, asked(adopt=True))
    assert plan.result["supervisor"] == "detached" and "supervisor=detached\n" in plan.actions[0].payload.text


def test_a_session_of_the_package_is_neither_adopted_nor_ended_nor_doubled_unasked() -> None:
    with pytest.raises(OptioError, match=r"optio-codex runs one in .*Set adopt: true"):
        RESOURCE.plan(view_of(ADOPTABLE), asked())
    for state in ("stopped", "absent"):
        plan = RESOURCE.plan(view_of(ADOPTABLE), asked(state=state, adopt=True))
        assert not plan.actions and plan.result["status"] == "absent"
        nothing = view_of(Session(runtime=LAYOUT.runtime))
        assert not RESOURCE.unmet_requirements(nothing, asked(state=state, adopt=True), RESOURCE.plan(nothing, asked(state=state)))
    with pytest.raises(OptioError, match="adopt does not restart sessions"):
        RESOURCE.plan(view_of(ADOPTABLE), asked(state="restarted", adopt=True))


@pytest.mark.parametrize(
    ("seen", "cause"), [({}, "no session of the Python package"), ({"socket_foreign": True}, "is not a socket of alice")]
)
def test_what_cannot_be_adopted(seen: dict[str, Any], cause: str) -> None:
    view = view_of(Session(runtime=LAYOUT.runtime, **seen))
    obstacles = RESOURCE.unmet_requirements(view, asked(adopt=True), RESOURCE.plan(view, asked(adopt=True)))
    assert len(obstacles) == 1 and cause in str(obstacles[0])


@pytest.fixture
def adopted() -> ObservedSession:
    """Give the view of an adopted session that runs."""
    written = RESOURCE.plan(view_of(ADOPTABLE), asked(adopt=True)).actions[0].payload.text
    record = dict(line.partition("=")[::2] for line in written.splitlines())
    running = Session(record=record, runtime=LAYOUT.runtime, pane=PANE, session_id="01a202cc-015e-7123-9fb8-96e9a84e9b07")
    return view_of(running, layout=replace(LAYOUT, adopted=True))


def test_an_adopted_session_is_ended_where_it_runs_and_resumed_as_ours(adopted: ObservedSession) -> None:
    ended = RESOURCE.plan(adopted, asked(state="absent"))
    assert [(action.kind, action.target) for action in ended.actions] == [
        ("stop", package_socket(LAYOUT.workdir)),
        ("forget", LAYOUT.record),
    ]
    gone = replace(adopted.session, pane=None, stopped=True)
    resumed = RESOURCE.plan(view_of(gone), asked(resume="always"))
    assert [action.target for action in resumed.actions_of_kind("start")] == [LAYOUT.tmux_socket]
    assert "adopted" not in resumed.actions_of_kind("write")[-1].payload.text


@pytest.mark.parametrize(
    "given", [{"adopt": True}, {"model": "another"}, {"restart_on_drift": True, "model": "another"}, {"keep_options": True}]
)
def test_an_adopted_session_that_runs_differs_in_nothing(adopted: ObservedSession, given: dict[str, Any]) -> None:
    plan = RESOURCE.plan(adopted, asked(resume="always", **given))
    assert not plan and not plan.warnings
    assert (plan.result["drift"], plan.result["resumed"], plan.result["unenforced_limits"]) == ([], False, [])
    assert {plan.result[key] for key in ("url", "tunnel_command", "terminal_socket")} == {None}


@pytest.mark.parametrize("adopt", [False, True])
def test_an_adopted_session_is_restarted_on_a_server_of_our_own(adopted: ObservedSession, adopt: bool) -> None:
    plan = RESOURCE.plan(adopted, asked(state="restarted", adopt=adopt))
    assert [action.target for kind in ("stop", "start") for action in plan.actions_of_kind(kind)] == [
        package_socket(LAYOUT.workdir),
        LAYOUT.tmux_socket,
    ]
    # nobody writes an exit status that would have to go
    assert [action.target for action in plan.actions_of_kind("remove")] == [LAYOUT.stopped_mark]
    assert (plan.result["tmux_socket"], plan.result["terminal_socket"]) == (LAYOUT.tmux_socket, LAYOUT.terminal_socket)
    assert plan.result["resumed"] and plan.result["tunnel_command"] and plan.result["drift"] == []
    assert "adopted" not in plan.actions_of_kind("write")[-1].payload.text


@pytest.mark.parametrize("given", [{"state": "restarted"}, {"resume": "always"}])
def test_the_options_of_an_adopted_session_cannot_be_kept(adopted: ObservedSession, given: dict[str, Any]) -> None:
    view = adopted if "state" in given else view_of(replace(adopted.session, pane=None))
    with pytest.raises(OptioError, match=r"did not record its options.*omit keep_options"):
        RESOURCE.plan(view, asked(keep_options=True, **given))


PROBLEMS: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({"task_kind": "other"}, {}, "is not a directory"),
    ({"task_foreign": True}, {}, "belongs to another user"),
    ({"workdir_kind": "other"}, {}, "is not a directory"),
    ({"home_kind": "other"}, {}, "is not a directory"),
    ({"instructions_blocked": True}, {"instructions": "mine"}, "is not a file"),
    ({}, {"repository": {"url": "/x"}}, "is not empty and is not a git repository"),
]


@pytest.mark.parametrize(("seen", "given", "cause"), PROBLEMS)
def test_files_that_are_in_the_way(seen: dict[str, Any], given: dict[str, Any], cause: str) -> None:
    with pytest.raises(OptioError, match=cause):
        RESOURCE.plan(view_of(session_of("absent", PLAIN), replace(MADE, **seen)), asked(**given))
    # to end a session they do not matter
    plan_stopped(view_of(session_of("running", PLAIN), replace(MADE, **seen)), TerminalOptions(), True)


def test_the_projects_own_instructions_stay_when_none_are_given() -> None:
    files = replace(MADE, instructions="# The project's own\n")
    plan = RESOURCE.plan(view_of(session_of("absent", PLAIN), files), asked(instructions=""))
    assert LAYOUT.instructions not in [action.target for action in plan.actions]


def test_instructions_are_compared_by_their_text() -> None:
    files = replace(MADE, instructions=agents_text("a\nb", True, LAYOUT))
    view = view_of(session_of("absent", PLAIN), files)
    for same in ("a\nb", "a\r\nb\r\n", "\na\nb\n\n"):
        plan = RESOURCE.plan(view, asked(instructions=same))
        assert LAYOUT.instructions not in [action.target for action in plan.actions]


# what is returned


def test_a_running_session_is_described() -> None:
    session = session_of("running", PLAIN, session_id="01a2")
    shown = describe(view_of(session), "running", TerminalOptions())
    assert shown["pid"] == PANE.codex
    assert shown["version"] == "0.169.0"
    assert shown["attach_command"].endswith(
        f"alice@worker1 tmux -S {LAYOUT.tmux_socket} -f /dev/null attach-session -t optio".partition(" ")[2]
    )
    assert shown["tunnel_command"].startswith("ssh -N -L 127.0.0.1:")
    assert (shown["url"], shown["terminal_socket"], shown["session_id"]) == (None, LAYOUT.terminal_socket, "01a2")
    json.dumps(shown)


@pytest.mark.parametrize("status", ["absent", "finished", "stopped", "lost"])
def test_no_command_opens_a_session_that_does_not_run(status: str) -> None:
    shown = describe(view_of(session_of(status, PLAIN)), status, TCP)
    assert (shown["url"], shown["attach_command"], shown["tunnel_command"], shown["pid"]) == (None, None, None, None)


@pytest.mark.parametrize(
    ("path", "version"),
    [
        ("/var/cache/optio-codex/bin/releases/0.169.0-x86_64-unknown-linux-musl/bin/codex", "0.169.0"),
        ("/x/releases/0.170.0-alpha.1-aarch64-unknown-linux-musl/bin/codex", "0.170.0-alpha.1"),
        ("/usr/bin/codex", None),
        ("", None),
    ],
)
def test_the_version_is_in_the_path(path: str, version: str | None) -> None:
    assert codex_version(path) == version


def test_a_bare_worker_in_check_mode() -> None:
    bare = replace(WORKER, tmux="", codex="", ttyd="", git="", codex_dir="/opt/x")
    view = view_of(session_of("absent", PLAIN), Workspace(), bare)
    requested = asked(repository={"url": "/x"})
    plan = RESOURCE.plan(view, requested)
    obstacles = RESOURCE.unmet_requirements(view, requested, plan)
    result = check_mode_result(plan, obstacles, True)
    assert result["changed"]
    assert result["warnings"] == [
        "codex was not found in /opt/x/codex. Run optio.codex.provision (or codex_release) as that user "
        "or with scope: system, or set codex_dir.",
        "git is not on the worker's PATH. Install the package git.",
        "tmux is not on the worker's PATH. Install the package tmux.",
        "ttyd was not found in a cache or on the PATH of the worker. Run optio.codex.ttyd_release first, or set ttyd_dir.",
    ]


def test_the_lock_is_the_users(tmp_path: Any) -> None:
    host = FakeHost()
    view = view_of(Session(), layout=replace(LAYOUT, task=f"{tmp_path}/review"))
    for user, acted in (("", None), (None, None), ("bob", "bob")):
        with RESOURCE.lock(view, asked(user=user), host):
            assert host.acted[-1] == acted
