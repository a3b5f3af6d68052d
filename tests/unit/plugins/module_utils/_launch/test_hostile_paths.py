# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every path that the product touches below a session's directories, as a link, a pipe, a device, too large, unreadable.

``own`` acts on sessions of its own user, ``other`` is a user without any right who does, and ``root`` acts on those of another user.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ansible_collections.optio.codex.tests.unit.support.hostile_field import CLONE, NAMED, OWN, Field, try_all
from ansible_collections.optio.codex.tests.unit.support.local_session import Lab, RootLab, laboratory
from ansible_collections.optio.codex.tests.unit.support.second_user import in_namespace, needs_root

#: a user without any right
NOBODY = 65534
ACTORS = ("own", "other", "root")
#: what a trace has of each shape; one that does not work finds less
TOUCHED = {
    OWN: {"session", "exit", "home/.codex/config.toml", "workdir/optio.log", "agent/AGENTS.md", "workdir/.codex/config.toml"},
    NAMED: {"session", "exit", "home/.codex/config.toml", "agent/optio.log", "workdir/.codex/config.toml", "workdir/.git"},
    CLONE: {"session", "home/.codex/config.toml", "agent/optio.log", "workdir/.git/HEAD", "workdir/.git/config", "workdir/README"},
}
Act = Callable[[Field], None]


@pytest.fixture
def in_field(open_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str, Act], None]:
    """Return what runs a test in a field of a shape, for an actor."""

    def run(actor: str, shape: str, act: Act) -> None:
        def within_lab() -> None:
            with laboratory(open_path, monkeypatch, RootLab if actor == "root" else Lab) as lab:
                act(Field(lab, open_path, shape))

        if actor == "root":
            in_namespace(open_path, within_lab)
        else:
            within_lab()

    return run


def paths_of(field: Field, base: Path) -> list[str]:
    """Return the paths of a field's sessions, and make the one of which the others are copies."""
    paths = field.trace(base / "trace")
    assert TOUCHED[field.shape] <= {*paths}, paths
    field.prepare()
    return paths


@needs_root
@pytest.mark.slow
@pytest.mark.parametrize(("actor", "shape"), [("own", OWN), ("other", OWN), ("root", OWN), ("root", NAMED), ("root", CLONE)])
def test_every_path_as_something_else(in_field: Callable[[str, str, Act], None], open_path: Path, actor: str, shape: str) -> None:
    """Each path as one kind of thing, for all that is done with a session that has ended."""

    def act(field: Field) -> None:
        paths = paths_of(field, open_path)
        field.user = NOBODY if actor == "other" else 0
        try_all(field, field.spread(paths))

    in_field(actor, shape, act)
