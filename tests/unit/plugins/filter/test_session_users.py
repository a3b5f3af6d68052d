# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which Unix user each session gets: names that useradd takes, and never one for two."""

from __future__ import annotations

import re
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.optio.codex.plugins.filter.session_users import FilterModule, unix_user

session_users = FilterModule().filters()["session_users"]


@pytest.mark.parametrize(
    ("name", "user"),
    [
        ("fix-1412", "codex-fix-1412"),
        ("a_b", "codex-a_b"),
        ("x" * 26, "codex-" + "x" * 26),
        ("x" * 27, "codex-x{17}-[0-9a-f]{8}"),
        ("Fix", "codex-fix-[0-9a-f]{8}"),
        ("fix.1412", "codex-fix-1412-[0-9a-f]{8}"),
    ],
)
def test_the_name_of_a_user(name: str, user: str) -> None:
    assert re.fullmatch(user, unix_user("codex-", name))


def test_no_two_names_have_one_user() -> None:
    names = ["a", "A", "a.", "a-", "a.b", "a-b", "a_b", *("x" * count for count in range(20, 64)), "Y" * 40, "y" * 40]
    # one that looks like the user of another
    names += [unix_user("codex-", name).removeprefix("codex-") for name in list(names)]
    users = {name: unix_user("codex-", name) for name in names}
    assert len(set(users.values())) == len(users)
    assert all(re.fullmatch(r"[a-z_][a-z0-9_-]{0,31}", user) for user in users.values())


@pytest.mark.parametrize(
    ("names", "given", "users"),
    [
        ([], {}, []),
        (["a", "b"], {}, ["codex-a", "codex-b"]),
        (["a", "b"], {"overrides": [{"name": "b", "user": "bob"}]}, ["codex-a", "bob"]),
        (["a", "b"], {"overrides": [{"name": "b", "user": ""}], "prefix": "x_"}, ["x_a", "x_b"]),
        (["a", "b", "c"], {"overrides": [{"name": name, "tenant": "shop"} for name in "abc"], "isolation": "tenant"}, ["codex-shop"] * 3),
        (["a"], {"existing": [{"name": "a", "user": "codex-shop"}], "isolation": "tenant"}, ["codex-shop"]),
        (["a"], {"existing": [{"name": "a", "user": "codex-shop"}], "overrides": [{"name": "a", "user": "bob"}]}, ["bob"]),
    ],
)
def test_users(names: list[str], given: dict[str, Any], users: list[str]) -> None:
    assert [(entry["name"], entry["user"]) for entry in session_users(names, **given)] == list(zip(names, users, strict=True))


def test_what_else_it_has_stays() -> None:
    assert session_users(["a"], overrides=[{"name": "a", "model": "large"}, {"name": "a", "model": "small"}]) == [
        {"name": "a", "model": "large", "user": "codex-a"}
    ]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"isolation": "tenant"}, "session a has no tenant"),
        ({"isolation": "host"}, "isolation must be session or tenant, got 'host'"),
        ({"prefix": ""}, "begins no user's name"),
        ({"prefix": "9a"}, "begins no user's name"),
        ({"prefix": "x" * 17}, "begins no user's name"),
    ],
)
def test_refused_options(given: dict[str, Any], message: str) -> None:
    with pytest.raises(AnsibleFilterError, match=message):
        session_users(["a"], **given)
