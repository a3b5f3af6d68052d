# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Observe, plan, apply: their order, check mode, the lock, and what reaches the user."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NoReturn

import pytest

from ansible_collections.optio.codex.plugins.module_utils._core.errors import OptioError
from ansible_collections.optio.codex.plugins.module_utils._core.host import LocalHost
from ansible_collections.optio.codex.plugins.module_utils._core.resource import MASK
from ansible_collections.optio.codex.plugins.module_utils._core.runner import converge, run_module
from ansible_collections.optio.codex.tests.unit.support.example_resource import MarkResource

PARAMS: dict[str, Any] = {"path": "", "secret": None, "obstacle": None, "user": None, "environment": None}


def run(path: Path | str, check_mode: bool = False, subject: MarkResource | None = None, **options: Any) -> dict[str, Any]:
    params = {**PARAMS, "path": str(path), **options}
    return converge(subject or MarkResource(), params, LocalHost(), check_mode, True)


def test_a_right_worker_is_left_alone(tmp_path: Path) -> None:
    subject = MarkResource()
    result = run(tmp_path, subject=subject)
    assert (result["changed"], result["actions"], "diff" in result) == (False, [], False)
    assert subject.calls == ["parse", "script", "plan"]


def test_what_counts_is_seen_under_the_lock(tmp_path: Path) -> None:
    subject = MarkResource()
    target = tmp_path / "mark"
    result = run(target, subject=subject)
    assert target.exists()
    assert result["made"] == "mark"
    assert result["actions"] == [{"kind": "create", "target": str(target)}]
    assert result["diff"] == {"before": f"{target}: absent\n", "after": f"{target}: present\n"}
    assert subject.calls == ["parse", "script", "plan", "lock", "script", "plan", "apply", "unlock"]


def test_another_run_that_was_faster_leaves_nothing_to_do(tmp_path: Path) -> None:
    target = tmp_path / "mark"

    class Raced(MarkResource):
        def lock(self, *arguments: Any) -> Any:
            target.touch()
            return super().lock(*arguments)

    subject = Raced()
    assert run(target, subject=subject)["changed"] is False
    assert "apply" not in subject.calls


def test_check_mode_predicts_the_same_and_touches_nothing(tmp_path: Path) -> None:
    subject = MarkResource()
    target = tmp_path / "mark"
    check_mode_result = run(target, check_mode=True, subject=subject)
    assert not target.exists()
    assert "lock" not in subject.calls
    done = run(target)
    assert done.pop("made") == "mark"
    assert check_mode_result == done


def test_an_obstacle_stops_a_real_run_and_is_a_warning_in_check_mode(tmp_path: Path) -> None:
    subject = MarkResource()
    with pytest.raises(OptioError, match=r"tmux is missing. Install it."):
        run(tmp_path / "mark", subject=subject, obstacle="tmux")
    assert "lock" not in subject.calls
    assert run(tmp_path / "mark", check_mode=True, obstacle="tmux")["warnings"] == ["tmux is missing. Install it."]
    assert "warnings" not in run(tmp_path, obstacle="tmux")
    assert run(tmp_path / "mark", check_mode=True, obstacle="warn")["warnings"] == ["mind the mark"]


def test_wrong_options_are_refused_before_the_worker_is_asked() -> None:
    subject = MarkResource()
    with pytest.raises(OptioError, match="is relative"):
        run("relative", subject=subject)
    assert subject.calls == ["parse"]


# ---- the module's end ----------------------------------------------------------------------------------------------


class Ended(Exception):
    """How the stand-in for AnsibleModule ends the process."""

    def __init__(self, kind: str, result: dict[str, Any]) -> None:
        super().__init__(kind)
        self.kind = kind
        self.result = result


class Module:
    """As much of AnsibleModule as the runner uses."""

    check_mode = False
    _diff = False

    def __init__(self, **options: Any) -> None:
        self.params = {**PARAMS, **options}

    def add_path_info(self, result: dict[str, Any]) -> dict[str, Any]:
        return {**result, "state": "directory"}

    def exit_json(self, **result: Any) -> NoReturn:
        raise Ended("exit", self.add_path_info(result))

    def fail_json(self, **result: Any) -> NoReturn:
        raise Ended("fail", self.add_path_info(result))


def end(module: Module, subject: MarkResource | None = None) -> Ended:
    with pytest.raises(Ended) as raised:
        run_module(module, subject or MarkResource())
    json.dumps(raised.value.result)
    return raised.value


def test_the_result_of_a_module_gains_no_facts_of_its_path(tmp_path: Path) -> None:
    ended = end(Module(path=str(tmp_path)))
    assert ended.kind == "exit"
    assert ended.result["path"] == str(tmp_path)
    assert "state" not in ended.result


def test_an_error_has_its_object_and_appears_once() -> None:
    ended = end(Module(path="/never"))
    assert ended.kind == "fail"
    del ended.result["invocation"]
    assert ended.result == {"msg": "/never is never right. Choose another path.", "object": "/never"}


def test_an_answer_that_is_not_understood_is_an_error(tmp_path: Path) -> None:
    class Odd(MarkResource):
        def probe_script(self, options: Any) -> str:
            return "echo nothing of use"

    ended = end(Module(path=str(tmp_path)), Odd())
    assert ended.kind == "fail"
    assert "mark: the worker's answer was not understood: the probe's answer is not complete" in ended.result["msg"]


@pytest.mark.parametrize("path", ["/", "/never"])
def test_the_shown_options_hold_no_value_of_a_hidden_dictionary(path: str) -> None:
    module = Module(path=path, environment={"TOKEN": "hunter2", "EMPTY": None})
    ended = end(module)
    assert ended.result["invocation"]["module_args"]["environment"] == {"TOKEN": MASK, "EMPTY": MASK}
    assert ended.result["invocation"]["module_args"]["path"] == path
    assert "hunter2" not in json.dumps(ended.result)
    assert module.params["environment"]["TOKEN"] == "hunter2"
