# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The terminals that a web server may connect to: what opens, repairs and closes them, and who may have them."""

from __future__ import annotations

import grp
import os
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.optio.codex.plugins.module_utils._core.errors import OptioError
from ansible_collections.optio.codex.plugins.module_utils._core.probe import compose, parse
from ansible_collections.optio.codex.plugins.module_utils._launch.module import RESOURCE
from ansible_collections.optio.codex.plugins.module_utils._launch.spec import SessionOptions, SessionSpec
from ansible_collections.optio.codex.plugins.module_utils._session.command_line import TerminalOptions
from ansible_collections.optio.codex.plugins.module_utils._session.layout import RUNTIME_ROOT, WEB_ROOT
from ansible_collections.optio.codex.plugins.module_utils._session.probe import parse_session
from ansible_collections.optio.codex.plugins.module_utils._session.probe_terminal import SHELL_TERMINAL
from ansible_collections.optio.codex.plugins.module_utils._session.state import ObservedSession, Worker, Workspace
from ansible_collections.optio.codex.plugins.module_utils._session.terminal import all_run
from ansible_collections.optio.codex.tests.unit.support import shells
from ansible_collections.optio.codex.tests.unit.support.session_builders import LAYOUT, WORKER, options, session_of, view_of

WEB = TerminalOptions(writable=True, group="www-data")
AS_ROOT = replace(WORKER, privileged=True, systemd=True)
IN_RUN = replace(LAYOUT, runtime=f"/run/optio-codex/{LAYOUT.name}")
WEB_WISH = SessionSpec(terminal=WEB, web_group="www-data")
WATCHING: dict[str, Any] = {"watch_pid": 21, "watch_alive": True, "watch_socket": True, "web_group": "www-data"}
TYPE, WATCH = (f"/run/optio-codex-web/review/{place}.sock" for place in ("type", "watch"))


def asked(**given: Any) -> SessionOptions:
    return RESOURCE.parse_options(options(RESOURCE, **{"name": "review", **given}))


def web_view(status: str = "running", worker: Worker = AS_ROOT, **changes: Any) -> ObservedSession:
    return view_of(session_of(status, WEB_WISH, IN_RUN, **{**WATCHING, **changes}), worker=worker, layout=IN_RUN)


@pytest.mark.parametrize(
    ("changes", "actions"),
    [
        ({}, []),
        ({"terminal_alive": False}, [("open", TYPE)]),
        ({"watch_alive": False}, [("open", WATCH)]),
        ({"watch_pid": None, "watch_alive": False, "terminal_alive": False}, [("open", TYPE), ("open", WATCH)]),
        # somebody has emptied /run, or given the directory to others
        ({"web_group": None, "watch_alive": False}, [("create_runtime", IN_RUN.web), ("open", WATCH)]),
        ({"web_group": "users"}, [("create_runtime", IN_RUN.web)]),
        # somebody has removed a socket, so that nobody reaches the one that listens there
        ({"watch_socket": False}, [("close", TYPE), ("open", TYPE), ("open", WATCH)]),
        ({"damaged": ("watch",)}, [("close", TYPE), ("open", TYPE), ("open", WATCH)]),
    ],
)
def test_either_terminal_of_a_web_server_is_repaired(changes: dict[str, Any], actions: list[tuple[str, str]]) -> None:
    plan = RESOURCE.plan(web_view(**changes), asked(terminal={"writable": True, "group": "www-data"}))
    assert [(action.kind, action.target) for action in plan.actions] == actions
    assert plan.result["drift"] == []
    shown = [plan.result[name] for name in ("terminal_socket", "terminal_watch_socket", "url_path", "url")]
    assert shown == [TYPE, WATCH, "/type/review/", None]
    runs = actions in ([], [("create_runtime", IN_RUN.web)]) or "damaged" in changes
    assert all_run(WEB, web_view(**changes).session) == runs


@pytest.mark.parametrize("state", ["stopped", "absent"])
@pytest.mark.parametrize("left", [{}, {"terminal_alive": False}, {"terminal_alive": False, "watch_alive": False}])
def test_the_end_of_a_session_closes_both_and_takes_the_directory_along(state: str, left: dict[str, Any]) -> None:
    plan = RESOURCE.plan(web_view(**left), asked(state=state))
    assert [action.kind for action in plan.actions][:2] == ["close", "stop"]
    removed = [action.target for action in plan.actions if action.kind == "remove_runtime"]
    assert removed == ([IN_RUN.web, IN_RUN.runtime] if state == "absent" else [])


def test_a_unit_of_the_second_terminal_alone_is_closed() -> None:
    gone: dict[str, Any] = {
        "terminal_alive": False,
        "watch_alive": False,
        "terminal_socket": False,
        "watch_socket": False,
        "units": ("optio-ttyd-watch@review.service",),
    }
    assert [action.kind for action in RESOURCE.plan(web_view("finished", **gone), asked(state="stopped")).actions] == ["close"]


def test_a_launch_for_a_web_server_and_its_obstacles() -> None:
    view = view_of(session_of("absent", SessionSpec(), IN_RUN), Workspace(), AS_ROOT, IN_RUN)
    requested = asked(terminal={"group": "www-data"})
    plan = RESOURCE.plan(view, requested)
    assert [action.target for action in plan.actions][-2:] == [IN_RUN.web, WATCH]
    assert RESOURCE.unmet_requirements(view, requested, plan) == []
    assert (plan.result["terminal_socket"], plan.result["terminal_watch_socket"]) == (WATCH, None)
    bare = replace(view, worker=replace(AS_ROOT, web_group_missing=True))
    assert [str(error) for error in RESOURCE.unmet_requirements(bare, requested, plan)] == [
        "terminal.group www-data does not exist on the worker. Install the web server first, as the role codex_gateway does, or set "
        "terminal.group to the group that it runs as."
    ]


def test_only_root_launches_for_a_web_server() -> None:
    with pytest.raises(OptioError, match=r"cannot have terminal\.group www-data, because only root .*become: true"):
        RESOURCE.plan(view_of(session_of("absent", SessionSpec())), asked(terminal={"group": "www-data"}))


@pytest.mark.parametrize("given", [{}, {"terminal": {"group": "users"}}])
@pytest.mark.parametrize(("status", "more"), [("running", {}), ("stopped", {"resume": "always", "keep_options": True})])
def test_the_word_of_a_record_makes_root_give_no_directory_to_a_group(given: dict[str, Any], status: str, more: dict[str, Any]) -> None:
    """The record is its user's own file."""
    with pytest.raises(OptioError, match=r"was launched with terminal.group www-data, which this task does not set"):
        RESOURCE.plan(web_view(status, web_group=None, watch_alive=False), asked(**given, **more))


@pytest.mark.parametrize("name", shells.SHELLS)
def test_the_probe_sees_both_terminals_and_the_group(name: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    for directory in ("run/review", "web/review", "task"):
        (tmp_path / directory).mkdir(parents=True)
    # what makes a process a terminal of the session is its command line
    shows = ["-i", f"{tmp_path}/web/review/watch.sock", "--", "tmux", "-S", f"{tmp_path}/run/review/tmux.sock", "attach-session"]
    watch = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", *shows])
    request.addfinalizer(watch.wait)
    request.addfinalizer(watch.kill)
    stat = Path(f"/proc/{watch.pid}/stat").read_text()
    started = stat.rpartition(")")[2].split()[19]
    (tmp_path / "task/watch").write_text(f"{watch.pid} {started} 0\n")
    script = compose(
        "is_small() { :; }\n"
        + SHELL_TERMINAL.replace(WEB_ROOT, f"{tmp_path}/web").replace(RUNTIME_ROOT, f"{tmp_path}/run")
        + "terminal_facts\nweb_group_facts",
        {"name": "review", "task": f"{tmp_path}/task", "runtime": f"{tmp_path}/run/review", "web_group": "no-such-group"},
    )
    facts = parse(shells.run(name, script))[0]
    session = parse_session(facts)
    assert (session.watch_pid, session.watch_alive, session.terminal_pid) == (watch.pid, True, None)
    assert session.web_group == grp.getgrgid(os.stat(tmp_path / "web/review").st_gid).gr_name
    assert facts.flag("web_group_missing") and not session.terminal_socket

    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(f"{tmp_path}/web/review/type.sock")
        assert parse_session(parse(shells.run(name, script))[0]).terminal_socket
        # what lies there is of root's sessions alone
        elsewhere = script.replace(f"runtime={tmp_path}/run/review", f"runtime={tmp_path}/run/other")
        seen = parse_session(parse(shells.run(name, elsewhere))[0])
        assert elsewhere != script and (seen.terminal_socket, seen.web_group) == (False, None)
