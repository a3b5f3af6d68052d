# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The action base on the real ActionBase, over a connection that runs commands here and distorts them as others do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.optio.codex.plugins.module_utils._core.probe import Section, answers
from ansible_collections.optio.codex.plugins.module_utils._core.resource import MASK, Params
from ansible_collections.optio.codex.plugins.plugin_utils import _action_base
from ansible_collections.optio.codex.plugins.plugin_utils._action_base import ProbeAction
from ansible_collections.optio.codex.tests.unit.support.action_runner import HOST, Connection, MitogenConnection, action_arguments
from ansible_collections.optio.codex.tests.unit.support.example_resource import MarkResource

SHIPPED = {"changed": True, "shipped": True}


class Action(ProbeAction):
    """A ProbeAction that records what it ships."""

    def __init__(self, connection: Connection, **task: Any) -> None:
        super().__init__(**action_arguments(connection, **{"action": "optio.codex.mark", **task}))
        self.resource = MarkResource()  # type: ignore[misc]
        self.shipped: list[dict[str, Any]] = []
        self.answer: dict[str, Any] = dict(SHIPPED)

    def _execute_module(self, **arguments: Any) -> dict[str, Any]:
        self.shipped.append(arguments)
        return self.answer


@pytest.fixture(params=[True, False], ids=["stdin", "argument"])
def connection(request: pytest.FixtureRequest) -> Connection:
    return Connection(request.param)


def act(connection: Connection, args: dict[str, Any], **task: Any) -> tuple[dict[str, Any], Action]:
    action = Action(connection, args=args, **task)
    return action.run(task_vars=dict(HOST)), action


# ---- right, actions, unknown ---------------------------------------------------------------------------------------


def test_a_right_worker_is_answered_without_shipping(connection: Connection, tmp_path: Path) -> None:
    result, action = act(connection, {"path": str(tmp_path)})
    assert action.shipped == []
    assert result["changed"] is False
    assert (result["path"], result["actions"]) == (str(tmp_path), [])
    assert "rc" not in result
    assert len(connection.commands) == 1
    module_args = {"path": str(tmp_path), "secret": None, "obstacle": None, "user": None, "environment": None}
    assert result["invocation"] == {"module_args": module_args}


class TwoMarks(MarkResource):
    """Takes one ``path`` for two objects, the second one below the first."""

    def expand_items(self, params: Params) -> list[Params] | None:
        return [{**params, "path": path} for path in (params["path"], f"{params['path']}/below")]

    def probe_script_many(self, entries: Sequence[Params]) -> str:
        return "".join(f"(\n{self.probe_script(params)})\n" for params in entries)

    def parse_probe_many(self, answer: str, entries: Sequence[Params]) -> list[Section]:
        return [self.parse_probe(sections, params) for sections, params in zip(answers(answer), entries, strict=True)]


def test_the_options_of_each_object_are_parsed_once(tmp_path: Path) -> None:
    action = Action(Connection(False), args={"path": str(tmp_path)}, check_mode=True)
    subject = TwoMarks()
    action.resource = subject  # type: ignore[misc]
    result = action.run(task_vars=dict(HOST))
    assert [entry["changed"] for entry in result["sessions"]] == [False, True]
    assert subject.calls == ["parse", "parse", "script", "script", "plan", "plan"]


def test_actions_are_shipped_and_left_to_the_module(connection: Connection, tmp_path: Path) -> None:
    args = {"path": str(tmp_path / "mark")}
    result, action = act(connection, args)
    assert result == SHIPPED
    assert action.shipped == [{"module_name": "optio.codex.mark", "module_args": args, "task_vars": HOST, "wrap_async": False}]
    assert not (tmp_path / "mark").exists()


def test_check_mode_predicts_without_shipping(connection: Connection, tmp_path: Path) -> None:
    target = tmp_path / "mark"
    result, action = act(connection, {"path": str(target), "obstacle": "tmux", "secret": ""}, check_mode=True)
    assert action.shipped == []
    assert result["changed"] is True
    assert result["actions"] == [{"kind": "create", "target": str(target)}]
    assert result["warnings"] == ["tmux is missing. Install it."]
    assert "diff" not in result


def test_the_diff_comes_when_it_is_asked_for(connection: Connection, tmp_path: Path) -> None:
    target = tmp_path / "mark"
    result, _action = act(connection, {"path": str(target)}, check_mode=True, diff=True)
    assert result["diff"] == {"before": f"{target}: absent\n", "after": f"{target}: present\n"}
    assert "diff" not in act(connection, {"path": str(tmp_path)}, diff=True)[0]


@pytest.mark.parametrize("check_mode", [False, True])
def test_errors_are_left_to_the_module(connection: Connection, check_mode: bool) -> None:
    for path in ("/never", "relative", "~daemon/x"):
        result, action = act(connection, {"path": path}, check_mode=check_mode)
        assert result == SHIPPED
        assert action.shipped[0]["module_args"] == {"path": path}


@pytest.mark.parametrize(
    "args",
    [
        {},
        {"path": "/", "pth": "/"},
        {"path": "/", "secret": "alone"},
        {"path": "/", "environment": "not a dictionary"},
    ],
)
def test_invalid_options_are_shipped_as_they_are(connection: Connection, args: dict[str, Any]) -> None:
    before = dict(args)
    result, action = act(connection, args)
    assert result == SHIPPED
    assert action.shipped[0]["module_args"] is args
    assert args == before
    assert connection.commands == []


def test_valid_options_are_shipped_without_defaults(connection: Connection, tmp_path: Path) -> None:
    args = {"path": str(tmp_path / "mark")}
    action = act(connection, args)[1]
    assert action.shipped[0]["module_args"] is args
    assert args == {"path": str(tmp_path / "mark")}


# ---- how the script travels ----------------------------------------------------------------------------------------


def test_with_pipelining_the_script_is_standard_input(tmp_path: Path) -> None:
    connection = Connection(True)
    act(connection, {"path": str(tmp_path)})
    assert str(tmp_path) not in connection.commands[0]
    assert connection.inputs[0] is not None
    assert str(tmp_path).encode() in connection.inputs[0]


@pytest.mark.parametrize("kind", [Connection, MitogenConnection])
def test_without_pipelining_the_script_is_one_argument(kind: type[Connection], tmp_path: Path) -> None:
    connection = kind(False)
    result, action = act(connection, {"path": str(tmp_path)})
    assert (result["changed"], action.shipped) == (False, [])
    assert str(tmp_path) in connection.commands[0]
    assert connection.inputs == [None]


def test_a_script_that_no_argument_holds_is_shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_action_base, "ARGUMENT_LIMIT", 300)
    assert act(Connection(False), {"path": str(tmp_path)})[0] == SHIPPED
    assert act(Connection(True), {"path": str(tmp_path)})[0]["changed"] is False


def with_terminal(output: bytes) -> bytes:
    return b"sh: warning: setlocale: cannot change locale\n" + output.replace(b"\n", b"\r\n")


def test_on_a_terminal_errors_of_the_script_are_not_part_of_the_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Noisy(MarkResource):
        def probe_script(self, options: Any) -> str:
            return super().probe_script(options).replace("optio-probe-begin\\n'", "optio-probe-begin\\n'; echo noise >&2")

    connection = Connection(False)
    connection.terminal = True
    action = Action(connection, args={"path": str(tmp_path)})
    monkeypatch.setattr(action, "resource", Noisy())
    assert action.run(task_vars=dict(HOST))["changed"] is False
    assert action.shipped == []


def with_banner(output: bytes) -> bytes:
    return b"*** Authorised use only ***\nLast login: today\n" + output + b"Connection closed.\n"


@pytest.mark.parametrize("distort", [with_terminal, with_banner])
@pytest.mark.parametrize("pipelining", [True, False])
def test_terminals_and_banners_are_seen_through(distort: Callable[[bytes], bytes], pipelining: bool, tmp_path: Path) -> None:
    result, action = act(Connection(pipelining, distort), {"path": str(tmp_path)})
    assert (result["changed"], result["path"], action.shipped) == (False, str(tmp_path), [])


def dropped(output: bytes) -> bytes:
    return b""


def cut(output: bytes) -> bytes:
    return output[: len(output) // 2]


def mixed(output: bytes) -> bytes:
    return output.replace(b"there=", b"sh: 1: stat: not found\nthere=")


def undecodable(output: bytes) -> bytes:
    return output.replace(b"there=1", b"there=\xff")


@pytest.mark.parametrize("check_mode", [False, True])
@pytest.mark.parametrize("distort", [dropped, cut, mixed, undecodable])
def test_anything_odd_is_shipped(distort: Callable[[bytes], bytes], check_mode: bool, connection: Connection, tmp_path: Path) -> None:
    connection.distort = distort
    assert act(connection, {"path": str(tmp_path)}, check_mode=check_mode)[0] == SHIPPED


def test_a_shell_of_another_family_is_never_probed(connection: Connection, tmp_path: Path) -> None:
    connection._shell.SHELL_FAMILY = "powershell"
    assert act(connection, {"path": str(tmp_path)})[0] == SHIPPED
    assert connection.commands == []


# ---- environment, secrets, async, Python ---------------------------------------------------------------------------


def test_only_variables_with_paths_are_passed(connection: Connection, tmp_path: Path) -> None:
    home = tmp_path / "it's home"
    (home / "x").mkdir(parents=True)
    environment = [
        {"OPTIO_MOOD": "overridden", "OTHER": "hunter2"},
        None,
        {"HOME": str(home), "OPTIO_MOOD": "good", "HTTPS_PROXY": "http://user:hunter2@proxy"},
    ]
    result, action = act(connection, {"path": "~/x"}, environment=environment)
    assert action.shipped == []
    assert (result["path"], result["home"], result["mood"], result["other"]) == (f"{home}/x", str(home), "good", "")
    sent = connection.commands[0] + str(connection.inputs[0])
    assert "hunter2" not in sent
    assert "OTHER=" not in sent


def test_secrets_do_not_come_back(connection: Connection, tmp_path: Path) -> None:
    args = {"path": str(tmp_path), "secret": "hunter2", "obstacle": "x", "environment": {"TOKEN": "swordfish"}}
    result, action = act(connection, args)
    assert action.shipped == []
    assert "hunter2" not in repr(result)
    assert "swordfish" not in repr(result)
    assert result["said"] == "the secret is ********"
    assert result["invocation"]["module_args"]["environment"] == {"TOKEN": MASK}
    assert result["invocation"]["module_args"]["path"] == str(tmp_path)


@pytest.mark.parametrize("check_mode", [False, True])
@pytest.mark.parametrize(("native", "wrapped"), [(False, True), (True, False)])
def test_an_asynchronous_task_is_always_shipped(
    connection: Connection, tmp_path: Path, native: bool, wrapped: bool, check_mode: bool
) -> None:
    connection.has_native_async = native
    result, action = act(connection, {"path": str(tmp_path)}, async_val=30, check_mode=check_mode)
    assert result == SHIPPED
    assert action.shipped[0]["wrap_async"] is wrapped
    assert connection.commands == []


@pytest.mark.parametrize(
    "answer",
    [
        {"rc": 127, "module_stdout": "/bin/sh: 1: /usr/bin/python3: not found\r\n", "module_stderr": ""},
        {"rc": 127, "module_stdout": "", "module_stderr": "env: 'python3': No such file or directory"},
        {"rc": 126, "module_stdout": "", "module_stderr": "/bin/sh: /opt/python: Permission denied"},
    ],
)
def test_a_worker_without_python_has_its_own_error(connection: Connection, tmp_path: Path, answer: dict[str, Any]) -> None:
    action = Action(connection, args={"path": str(tmp_path / "mark")})
    action.answer = {"failed": True, "msg": "The module failed to execute correctly", **answer}
    result = action.run(task_vars=dict(HOST))
    assert result["failed"]
    assert result["msg"].startswith("python: the worker has no Python interpreter that Ansible can use. Install one")


@pytest.mark.parametrize(
    "answer",
    [
        {"failed": True, "rc": 1, "module_stderr": "Traceback: not found", "msg": "kept"},
        {"failed": True, "msg": "kept"},
        {"rc": 127, "module_stdout": "not found", "msg": "kept"},
    ],
)
def test_other_failures_keep_their_message(connection: Connection, tmp_path: Path, answer: dict[str, Any]) -> None:
    action = Action(connection, args={"path": str(tmp_path / "mark")})
    action.answer = dict(answer)
    assert action.run(task_vars=dict(HOST))["msg"] == "kept"


HINT = "In this role, the option sessions_dir is the variable codex_worker_sessions_dir."


@pytest.mark.parametrize(
    ("role", "result", "wanted"),
    [
        ("codex_worker", {"warnings": ["Set sessions_dir."]}, {"warnings": [f"Set sessions_dir. {HINT}"]}),
        ("codex_worker", {"failed": True, "msg": "Set sessions_dir."}, {"failed": True, "msg": f"Set sessions_dir. {HINT}"}),
        ("codex_worker", {"msg": "Set sessions_dir."}, {"msg": "Set sessions_dir."}),
        (
            "",
            {"warnings": ["Set sessions_dir."], "failed": True, "msg": "x"},
            {"warnings": ["Set sessions_dir."], "failed": True, "msg": "x"},
        ),
    ],
)
def test_variables_are_named(role: str, result: dict[str, Any], wanted: dict[str, Any]) -> None:
    task = SimpleNamespace(_role=SimpleNamespace(_role_name=role) if role else None)
    action: Any = SimpleNamespace(_task=task, resource=SimpleNamespace(name="worker_info"))
    ProbeAction._name_variables(action, result)
    assert result == wanted
