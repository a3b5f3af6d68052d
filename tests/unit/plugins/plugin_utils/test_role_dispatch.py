# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The list of sessions in the variables of the role codex_dispatch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.optio.codex.plugins.plugin_utils._role_dispatch import MOST, dispatch_options, file_entries
from ansible_collections.optio.codex.plugins.plugin_utils._role_options import RoleVariableError, role_spec

SPEC = role_spec("codex_session", "main")


def dispatch(sessions: Any = (), session_options: dict[str, Any] | None = None, **given: Any) -> tuple[dict[str, Any], list[str]]:
    return dispatch_options({"sessions": sessions, **given}, session_options or {}, SPEC)


def test_needs_and_options_are_separated() -> None:
    sessions = ["a", {"name": "b", "prompt": "x", "labels": "gpu, big", "memory_mib": "2048", "network_access": "yes"}]
    found, wrong = dispatch(sessions, memory_mib=100, labels=["of the worker"])
    assert wrong == []
    assert found["requests"] == [{"name": "a", "memory_mib": 100}, {"name": "b", "labels": ["gpu", "big"], "memory_mib": 2048}]
    assert found["sessions"] == [{"name": "a"}, {"name": "b", "prompt": "x", "network_access": True}]


@pytest.mark.parametrize(
    ("sessions", "sentence"),
    [
        ([], "codex_dispatch_sessions must be set to a list of sessions, or codex_dispatch_file to a file with a line for each."),
        (["a", {"name": "a"}], "codex_dispatch_sessions contains session a 2 times."),
        ([{"name": "a", "memory_mib": "much"}], "codex_dispatch_sessions: session a: memory_mib must be an integer, got 'much'."),
        ([{"name": "a", "sandox": 1}], "codex_dispatch_sessions: session a: sandox is not an option. Use sandbox,"),
        ([{"prompt": "a"}], "codex_dispatch_sessions: session 1 must be a name, or a dictionary with a name."),
    ],
)
def test_a_list_that_is_wrong(sessions: Any, sentence: str) -> None:
    _found, wrong = dispatch(sessions)
    assert len(wrong) == 1 and wrong[0].startswith(sentence)


@pytest.mark.parametrize("name", ["name", "sessions", "all", "state"])
def test_variables_that_name_sessions_are_refused(name: str) -> None:
    _found, wrong = dispatch(["a"], {name: "x"})
    assert wrong == [f"codex_session_{name} must not be set for a dispatch, which takes the sessions from codex_dispatch_sessions."]


def test_the_lines_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "prompts.txt"
    path.write_text("# ours\n\n  fix-1412:  Fix issue 1412: the login  \r\ndocs: Write {{ docs }} \u00e9\n")
    found, wrong = dispatch(["a"], file=str(path))
    assert wrong == []
    # the text is not a template
    assert found["sessions"] == [
        *({"name": "a"}, {"name": "fix-1412", "prompt": "Fix issue 1412: the login"}, {"name": "docs", "prompt": "Write {{ docs }} \u00e9"})
    ]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"a: x\nFix the login\n", "line 2 must be the name of a session, a colon, a space and its prompt."),
        (b"a:x\n", "line 1 must be the name"),
        (b"a b: x\n", "line 1 must be the name"),
        (b"a:\n", "line 1 must be the name"),
        (b"\xff\xfe", "cannot be read: it is not UTF-8."),
        (b"#" * (MOST + 1), "must have at most 4 MiB."),
        (None, "cannot be read: No such file or directory."),
    ],
)
def test_a_file_that_is_wrong(tmp_path: Path, content: bytes | None, sentence: str) -> None:
    path = tmp_path / "prompts.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(RoleVariableError, match=r"^codex_dispatch_file ") as raised:
        file_entries(str(path))
    assert sentence in str(raised.value)
    _found, wrong = dispatch([], file=str(path))
    assert wrong == [str(raised.value)]
