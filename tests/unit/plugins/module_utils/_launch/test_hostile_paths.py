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

from ansible_collections.optio.codex.tests.unit.support.hostile_field import CLONE, NAMED, OWN, WHOLE, Field, resume_all, try_all
from ansible_collections.optio.codex.tests.unit.support.hostile_paths import KINDS
from ansible_collections.optio.codex.tests.unit.support.hostile_races import parents_of, put_decoys, race_all
from ansible_collections.optio.codex.tests.unit.support.local_session import Lab, RootLab, laboratory
from ansible_collections.optio.codex.tests.unit.support.second_user import in_namespace, needs_root

#: a user without any right
NOBODY = 65534
#: what a trace has of each shape; one that does not work finds less
TOUCHED = {
    OWN: {"session", "exit", "home/.codex/config.toml", "workdir/optio.log", "agent/AGENTS.md", "workdir/.codex/config.toml"},
    NAMED: {"session", "exit", "home/.codex/config.toml", "agent/optio.log", "workdir/.codex/config.toml", "workdir/.git"},
    CLONE: {"session", "home/.codex/config.toml", "agent/optio.log", "workdir/.git/HEAD", "workdir/.git/config", "workdir/README"},
}
#: the sample of each run, and all
SAMPLE = [("own", OWN), ("other", OWN), ("root", NAMED), ("root", CLONE)]
PRODUCT = [*((actor, OWN) for actor in ("own", "other", "root")), ("root", NAMED), ("root", CLONE)]
Act = Callable[[Field], None]
Run = Callable[[str, str, Act], None]


@pytest.fixture
def in_field(open_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
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


def in_turn(paths: list[str], share: int, shares: int) -> list[str]:
    """Return a share of the paths, and of each share those that are replaced as a whole."""
    return [*WHOLE, *[path for path in paths if path not in WHOLE][share::shares]]


@needs_root
@pytest.mark.slow
@pytest.mark.parametrize(("actor", "shape"), SAMPLE)
def test_every_path_as_something_else(in_field: Run, open_path: Path, actor: str, shape: str) -> None:
    """Each path as one kind of thing, for all that is done with a session that has ended; a share of the paths for each actor."""

    def act(field: Field) -> None:
        paths = paths_of(field, open_path)
        field.user = NOBODY if actor == "other" else 0
        try_all(field, field.spread(in_turn(paths, SAMPLE.index((actor, shape)), len(SAMPLE))))

    in_field(actor, shape, act)


@needs_root
@pytest.mark.extended
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("actor", "shape"), PRODUCT)
def test_every_path_as_each_kind(in_field: Run, open_path: Path, actor: str, shape: str, kind: str) -> None:
    """Each path as each kind of thing; a session is resumed with each path as one of them."""

    def act(field: Field) -> None:
        paths = paths_of(field, open_path)
        field.user = NOBODY if actor == "other" else 0
        try_all(field, {f"s{number}": f"{kind}:{path}" for number, path in enumerate(paths)})
        if actor != "other":
            # a workdir that the user of the session itself leads elsewhere is used there; the sandbox keeps the agent from that
            chosen = [path for path in paths if actor == "root" or path not in WHOLE]
            share = chosen[KINDS.index(kind) :: len(KINDS)]
            resume_all(field, {f"r{number}": f"{kind}:{path}" for number, path in enumerate(share)})

    in_field(actor, shape, act)


@needs_root
@pytest.mark.slow
@pytest.mark.parametrize("shape", [CLONE, pytest.param(OWN, marks=pytest.mark.extended), pytest.param(NAMED, marks=pytest.mark.extended)])
def test_directories_that_become_links_during_a_call(in_field: Run, open_path: Path, shape: str) -> None:
    """Root acts on the sessions of a user who exchanges a directory for a link to one of others, back and forth."""

    def act(field: Field) -> None:
        paths = paths_of(field, open_path)
        put_decoys(field, paths)
        parents = parents_of(paths)
        # the objects of git are many directories of one kind
        parents = [path for path in parents if "/objects/" not in path]
        race_all(field, {f"r{number}": path for number, path in enumerate(parents)}, open_path / "spare", 1)

    in_field("root", shape, act)
