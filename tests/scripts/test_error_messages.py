# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The script that lists every error message from the code."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path

import error_messages
import pytest

ROOT = Path(__file__).resolve().parents[2]

#: these pass on the text of an error that another place has built
PASSED_ON = {
    "plugins/action/role_options.py",
    "plugins/action/worker_info.py",
    "plugins/filter/credential_account.py",
    "plugins/filter/to_toml.py",
    "plugins/lookup/release_artifacts.py",
    "plugins/module_utils/_release/acquire.py",
    "plugins/module_utils/_transfer/snapshot.py",
    "plugins/module_utils/_transfer/snapshot_restore.py",
    "plugins/plugin_utils/_action_release.py",
    "plugins/plugin_utils/_release_lookup.py",
}

Read = Callable[[str], list[tuple[str, str]]]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Return the causes and remedies of a file with this source."""

    def read_source(source: str) -> list[tuple[str, str]]:
        path = tmp_path / "plugins" / "module_utils" / "_core" / "x.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(source))
        return [(message.cause, message.remedy) for message in error_messages.collect(tmp_path)]

    return read_source


def test_the_page_is_up_to_date() -> None:
    assert error_messages.main(["check"]) == 0


def test_every_error_is_listed() -> None:
    assert {place.partition(":")[0] for place in error_messages.unknown(ROOT)} <= PASSED_ON


def test_placeholders(read: Read) -> None:
    assert read("""
        def f(self, params, names):
            raise OptioError("x", f"{shown(self.path)} is {params['size']} too long for {', '.join(names)}", "Shorten it")
    """) == [("<path> is <size> too long for <names>", "Shorten it")]


def test_a_condition_chooses_cause_and_remedy_together(read: Read) -> None:
    assert read("""
        def f(wide):
            cause = "it is wide" if wide else "it is high"
            raise OptioError("x", cause, "Make it narrow" if wide else "Make it low")
    """) == [("it is high", "Make it low"), ("it is wide", "Make it narrow")]


def test_rows_of_a_table(read: Read) -> None:
    assert read("""
        _REASONS = {1: ("one is bad", "Set two"), 2: ("two is bad", "Set one")}
        def f(number):
            reason, remedy = _REASONS.get(number, ("it is odd", "Set a number"))
            for option, hint in (("a", "Omit a"), ("b", "Omit b")):
                raise OptioError("x", f"{option} is set", hint)
            raise OptioError("x", f"{number}: {reason}", remedy)
    """) == [
        ("<number>: it is odd", "Set a number"),
        ("<number>: one is bad", "Set two"),
        ("<number>: two is bad", "Set one"),
        ("a is set", "Omit a"),
        ("b is set", "Omit b"),
    ]


def test_the_last_assignment_before_the_error_counts(read: Read) -> None:
    assert read("""
        def f(a, b):
            if a:
                cause = "a is set"
                raise OptioError("x", cause, "Omit a")
            cause = "neither is set"
            remedy = "Set b"
            if b:
                cause, remedy = "b is set", "Omit b"
            raise OptioError("x", cause, remedy)
    """) == [("a is set", "Omit a"), ("b is set", "Omit b"), ("neither is set", "Set b")]


def test_callers_of_a_function(read: Read) -> None:
    assert read("""
        def refused(path, cause, remedy=""):
            return OptioError(path, f"{path} {cause}", remedy or "Fix it")
        def f(p):
            raise refused(p, "is a link")
        def g(p):
            raise refused(p, "is a file", "Move it")
    """) == [("<path> is a file", "Move it"), ("<path> is a link", "Fix it")]


def test_an_error_that_passes_on_another_is_not_listed(read: Read, tmp_path: Path) -> None:
    assert read("def f(error):\n    raise OptioError('x', error.cause, error.remedy)\n") == []
    assert error_messages.unknown(tmp_path) == ["plugins/module_utils/_core/x.py:2"]


def test_tasks_of_roles(tmp_path: Path) -> None:
    tasks = tmp_path / "roles" / "codex_worker" / "tasks" / "main.yml"
    tasks.parent.mkdir(parents=True)
    tasks.write_text('- block:\n    - ansible.builtin.fail:\n        msg: "packages {{ x__missing | list }} are missing. Install them."\n')
    (message,) = error_messages.collect(tmp_path)
    assert (message.cause, message.remedy) == ("packages <missing> are missing", "Install them")


def test_markup_is_escaped() -> None:
    assert error_messages.escape("set a_ and *b* to `c`|d") == r"set a\_ and \*b\* to \`c\`\|d"
