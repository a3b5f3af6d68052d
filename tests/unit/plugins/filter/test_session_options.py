# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the role makes of its variables for the option ``sessions``."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.optio.codex.plugins.filter.session_options import FilterModule

session_options = FilterModule().filters()["session_options"]


@pytest.mark.parametrize(
    ("names", "given", "wanted"),
    [
        ([], {}, []),
        (["a", "b"], {}, [{"name": "a"}, {"name": "b"}]),
        (["b"], {"overrides": [{"name": "a", "model": "x"}, {"name": "b", "model": "y"}]}, [{"name": "b", "model": "y"}]),
        (["a"], {"overrides": [{"name": "a", "model": None, "prompt": ""}]}, [{"name": "a", "prompt": ""}]),
        (
            ["a"],
            {"overrides": [{"name": "a", "instructions_template": "t.j2"}], "instructions": {"a": "Do."}},
            [{"name": "a", "instructions": "Do."}],
        ),
        (["a"], {"overrides": [{"name": "a", "instructions_template": "t.j2"}]}, [{"name": "a"}]),
        (["a"], {"overrides": [{"name": "a", "credential": {"auth_file": "s.json"}}]}, [{"name": "a"}]),
        (["b"], {"instructions": {"a": "Do."}}, [{"name": "b"}]),
        (
            ["a"],
            {"common": {"model": "x", "tasks_max": "9"}, "overrides": [{"name": "a", "model": "y"}]},
            [{"name": "a", "model": "y", "tasks_max": "9"}],
        ),
        (
            ["a"],
            {
                "overrides": [{"name": "a", "repository": {"version": "v1"}}],
                "common": {"repository": {"url": "/r", "token": "t", "version": "v0"}},
            },
            [{"name": "a", "repository": {"url": "/r", "token": "t", "version": "v1"}}],
        ),
        # a token is for the host of one URL
        (
            ["a"],
            {"overrides": [{"name": "a", "repository": {"url": "/own"}}], "common": {"repository": {"url": "/r", "token": "t"}}},
            [{"name": "a", "repository": {"url": "/own"}}],
        ),
        (["a"], {"overrides": [{"name": "a", "repository": {"depth": 1}}]}, [{"name": "a", "repository": {"url": "", "depth": 1}}]),
        (
            ["a"],
            {"overrides": [{"name": "a", "terminal": {"port": 80}}], "common": {"terminal": {"listen": "tcp", "port": 70}}},
            [{"name": "a", "terminal": {"listen": "tcp", "port": 80}}],
        ),
        (["a"], {"overrides": [{"name": "a", "user": "u", "model": "x"}], "only": ["user", "sessions_dir"]}, [{"name": "a", "user": "u"}]),
        (
            ["a", "b"],
            {"credentials": {"": {"api_key": "k"}, "b": {}}, "common": {"model": "x"}, "only": ["user"]},
            [{"name": "a", "api_key": "k"}, {"name": "b"}],
        ),
        (["a"], {"credentials": {"b": {"api_key": "k"}}}, [{"name": "a"}]),
        (["a"], {"overrides": [{"name": "a", "resume": False}], "forced": {"resume": True}}, [{"name": "a", "resume": True}]),
    ],
)
def test_options(names: list[str], given: dict[str, Any], wanted: list[dict[str, Any]]) -> None:
    assert session_options(names, **given) == wanted


@pytest.mark.parametrize(("names", "own"), [("a", []), ([1], []), (["a"], ["a"]), (["a"], [{"model": "x"}])])
def test_refused_options(names: Any, own: Any) -> None:
    with pytest.raises(AnsibleFilterError, match="session_options: "):
        session_options(names, overrides=own)
