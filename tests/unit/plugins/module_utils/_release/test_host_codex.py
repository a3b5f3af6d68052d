# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A codex or ttyd that the worker has by other means: copied, or only found."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ansible_collections.optio.codex.plugins.module_utils._core.errors import OptioError
from ansible_collections.optio.codex.plugins.module_utils._release.module import CODEX_RELEASE, TTYD_RELEASE
from ansible_collections.optio.codex.tests.unit.support.release_builders import (
    TARGET,
    VERSION,
    Server,
    elf,
    known_of,
    package,
    snapshot,
    write_tree,
)
from ansible_collections.optio.codex.tests.unit.support.release_sources import (
    ARCHIVE,
    TTYD,
    run,
)

pytestmark = pytest.mark.usefixtures("quick_disk")


def install_on_host(home: Path, layout: str) -> None:
    """Install codex for the login shell: a whole package, npm's two layouts, or an executable alone."""
    link = home / "bin/codex"
    link.parent.mkdir()
    launcher = {"codex/bin/codex.js": (b"#!/usr/bin/env node\n", 0o755)}
    modules = home / "lib/node_modules/@openai"
    platform = f"codex-linux-{TARGET.asset}/vendor/{TARGET.name}"
    if layout == "package":
        write_tree(home / "opt", package())
        link.symlink_to("../opt/bin/codex")
    elif layout == "alone":
        write_tree(home / "bin", {"codex": package()["bin/codex"]})
    else:
        write_tree(modules, launcher)
        nested = "codex/node_modules/@openai/" if layout == "npm nested" else ""
        if layout != "npm broken":
            write_tree(modules / f"{nested}{platform}", package())
        link.symlink_to("../lib/node_modules/@openai/codex/bin/codex.js")
    (home / ".profile").write_text(f'echo hello\nPATH="{home}/bin:$PATH"\n')


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the small release in the table of known ones."""
    monkeypatch.setitem(CODEX_RELEASE.tool.table, VERSION, {TARGET.name: known_of(ARCHIVE, package())})


@pytest.mark.usefixtures("known")
@pytest.mark.parametrize("layout", ["package", "npm", "npm nested"])
def test_the_workers_own_codex_is_copied(home: Path, server: Server, layout: str) -> None:
    install_on_host(home, layout)
    done = run(CODEX_RELEASE, checksum=None, sources=["host", server.url])
    assert done["source"] == "host"
    assert server.seen == []
    tree = Path(done["path"]).parents[1]
    assert {str(path.relative_to(tree)) for path in tree.rglob("*") if path.is_file()} == set(package())
    assert not [path for path in tree.rglob("*") if path.is_symlink()]
    assert run(CODEX_RELEASE, checksum=None, sources=["host", server.url])["changed"] is False
    # the copy does not follow what the operator's updater does
    own = next(path for path in home.rglob("bin/codex") if not path.is_symlink() and tree not in path.parents)
    own.write_bytes(b"updated")
    assert Path(done["path"]).read_bytes() == package()["bin/codex"][0]


@pytest.mark.usefixtures("known")
@pytest.mark.parametrize(
    ("layout", "cause"),
    [
        ("alone", "is an executable, and the package of"),
        ("npm broken", "is a launcher, and the package of"),
        ("changed", "bin/codex of host ("),
        ("changed beside it", "are not those of the release"),
        ("older", "has version '0.1.1'"),
        ("none", "the worker's login shell finds no codex"),
    ],
)
def test_a_codex_of_the_worker_that_cannot_serve(home: Path, layout: str, cause: str) -> None:
    changed = {
        "older": package("0.1.1"),
        "changed": {"bin/codex": (elf(text=b"changed"), 0o755)},
        "changed beside it": {"codex-path/rg": (elf(text=b"changed"), 0o755)},
    }
    if layout in changed:
        install_on_host(home, "package")
        write_tree(home / "opt", changed[layout])
    elif layout != "none":
        install_on_host(home, layout)
    with pytest.raises(OptioError) as error:
        run(CODEX_RELEASE, checksum=None, sources=["host"])
    assert cause in error.value.cause
    assert not (home / ".cache").exists()


def test_a_codex_of_the_worker_proves_nothing_for_an_archives_digest(home: Path) -> None:
    install_on_host(home, "package")
    with pytest.raises(OptioError, match="only the archive's digest is known"):
        run(CODEX_RELEASE, sources=["host"])


def test_the_workers_own_ttyd(home: Path) -> None:
    write_tree(home, {"bin/ttyd": (TTYD, 0o755), ".profile": (f"PATH={home}/bin:$PATH\n".encode(), 0o644)})
    done = run(TTYD_RELEASE, sources=["host"])
    assert done["source"] == "host"
    assert run(TTYD_RELEASE, sources=["host"])["changed"] is False
    with pytest.raises(OptioError, match="has sha256:"):
        run(TTYD_RELEASE, sources=["host"], version="1.7.7", checksum=None)


def test_resolving_writes_nothing(home: Path) -> None:
    with pytest.raises(OptioError, match="neither in the cache"):
        run(CODEX_RELEASE, install=False)
    assert os.listdir(home) == []
    with pytest.raises(OptioError, match="does not exist, nor does the directory"):
        run(CODEX_RELEASE, codex_dir="~/bin")
    install_on_host(home, "package")
    before = snapshot(home)
    assert run(CODEX_RELEASE, install=False)["path"] == f"{home}/bin/codex"
    found = run(CODEX_RELEASE, codex_dir="~/bin")
    assert (found["path"], found["version"], found["source"]) == (f"{home}/bin/codex", VERSION, "directory")
    assert snapshot(home) == before
