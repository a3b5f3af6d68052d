# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How far an install is: what is written, how often, and what the probe makes of it under each shell."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.optio.codex.plugins.module_utils._core.probe import parse
from ansible_collections.optio.codex.plugins.module_utils._core.runner import converge
from ansible_collections.optio.codex.plugins.module_utils._release import progress as progress_module
from ansible_collections.optio.codex.plugins.module_utils._release.cache import SCRATCH_PREFIX
from ansible_collections.optio.codex.plugins.module_utils._release.module import CODEX_RELEASE
from ansible_collections.optio.codex.plugins.module_utils._release.progress import (
    FILE,
    RUN_VARIABLE,
    Progress,
    Sample,
    sample_of,
    script,
)
from ansible_collections.optio.codex.tests.unit.support import shells
from ansible_collections.optio.codex.tests.unit.support.release_builders import (
    PARAMS,
    TARGET,
    VERSION,
    QuickHost,
    checksum,
    npm_archive,
    write_tree,
)

URL = "https://mirror.example.com/it's.tgz"


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def scratch_in(cache: Path, name: str) -> Path:
    path = cache / f"{SCRATCH_PREFIX}{name}"
    path.mkdir(parents=True)
    return path


def progress_in(scratch: Path, run: str, monkeypatch: pytest.MonkeyPatch, clock: Clock | None = None) -> Progress:
    monkeypatch.setenv(RUN_VARIABLE, run)
    return Progress(str(scratch), "codex 1.2.3", clock or Clock())


def seen(cache: Path, run: str = "mine", interpreter: str = "dash") -> Sample | None:
    return sample_of(parse(shells.run(interpreter, script(str(cache)))), run)


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "the user's cache"


@pytest.mark.parametrize("interpreter", shells.SHELLS)
def test_each_phase(cache: Path, interpreter: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert seen(cache, interpreter=interpreter) is None
    clock = Clock()
    progress = progress_in(scratch_in(cache, "x"), "mine", monkeypatch, clock)
    assert seen(cache, interpreter=interpreter) is None
    progress.source(URL)
    assert seen(cache, interpreter=interpreter) == Sample("mine", "codex 1.2.3", "source", URL)
    progress.download(1000)
    clock.now += 1
    progress.received(400)
    assert seen(cache, interpreter=interpreter) == Sample("mine", "codex 1.2.3", "download", URL, 400, 1000)
    progress.check()
    assert seen(cache, interpreter=interpreter) == Sample("mine", "codex 1.2.3", "check", URL, 400, 1000)
    progress.source("host")
    assert seen(cache, interpreter=interpreter) == Sample("mine", "codex 1.2.3", "source", "host")
    progress.download(None)
    assert seen(cache, interpreter=interpreter) == Sample("mine", "codex 1.2.3", "download", "host")


def test_shellcheck_is_content() -> None:
    shells.shellcheck(script("/srv/a 'cache'"))


def test_chunks_are_written_now_and_then(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    progress = progress_in(scratch_in(cache, "x"), "mine", monkeypatch, clock)
    progress.download(100)
    written = []
    for _chunk in range(10):
        clock.now += 0.125
        progress.received(1)
        sample = seen(cache)
        written.append(sample and sample.done)
    assert written == [0, 0, 3, 3, 3, 6, 6, 6, 9, 9]


def test_the_own_run_is_preferred(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, run in (("a", "old"), ("b", "mine"), ("c", "other")):
        progress_in(scratch_in(cache, name), run, monkeypatch).source(URL)
    found = {run: (sample := seen(cache, run)) and sample.run for run in ("mine", "old", "absent")}
    assert found == {"mine": "mine", "old": "old", "absent": "other"}


def test_a_value_stays_one_line(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    progress_in(scratch_in(cache, "x"), "mine", monkeypatch).source("https://a/\nrun=x\x1b[31m\udcff")
    sample = seen(cache)
    assert sample
    assert (sample.run, sample.source) == ("mine", "https://a/?run=x?[31m?")


def test_a_worker_writes_no_escape_sequences(cache: Path) -> None:
    (scratch_in(cache, "x") / FILE).write_text(f"run=mine\ntitle=\x1b[31mred\x9b0m\nphase=check\nsource={'x' * 999}\n")
    assert seen(cache) == Sample("mine", "?[31mred?0m", "check", "x" * 300)


def test_nothing_fails_where_it_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    progress = progress_in(tmp_path / "absent", "mine", monkeypatch)
    progress.source(URL)
    progress.received(1)
    progress.check()
    assert list(tmp_path.iterdir()) == []


def test_only_whole_texts_are_seen(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scratch = scratch_in(cache, "x")
    progress = progress_in(scratch, "mine", monkeypatch)
    progress.source(URL)
    inode = (scratch / FILE).stat().st_ino
    progress.check()
    assert (scratch / FILE).stat().st_ino != inode
    assert [path.name for path in scratch.iterdir()] == [FILE]


@pytest.mark.parametrize(("done", "total", "percent"), [(0, 0, 0), (5, 0, 0), (0, 7, 0), (6, 7, 85), (7, 7, 100), (9, 7, 100)])
def test_per_cent(done: int, total: int, percent: int) -> None:
    assert Sample("r", "t", "download", URL, done, total).percent == percent


class Recorder(Progress):
    """Notes what it is told, and that its file is there then."""

    message: list[tuple[Any, ...]]

    def source(self, name: str) -> None:
        super().source(name)
        self._note("source", name)

    def download(self, total: int | None) -> None:
        super().download(total)
        self._note("download", total)

    def received(self, count: int) -> None:
        super().received(count)
        self._note("received", count)

    def check(self) -> None:
        super().check()
        self._note("check")

    def _note(self, *what: Any) -> None:
        assert Path(self._path).is_file()
        self.message.append(what)


def test_an_install_reports_its_steps_and_leaves_no_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress_module, "Progress", Recorder)
    message: list[tuple[Any, ...]] = []
    Recorder.message = message
    archive, name = npm_archive(), f"rust-v{VERSION}/codex-npm-linux-{TARGET.asset}-{VERSION}.tgz"
    write_tree(tmp_path / "good", {name: (archive, 0o644)})
    write_tree(tmp_path / "cut", {name: (archive[:-9], 0o644)})
    cache, urls = tmp_path / "cache", [f"file://{tmp_path}/{place}" for place in ("cut", "good")]
    options = {"version": VERSION, "checksum": checksum(archive), "sources": urls, "cache_dir": str(cache)}
    converge(CODEX_RELEASE, {**PARAMS, **options}, QuickHost(), False, False)

    steps = [what for what in message if what[0] != "received"]
    assert steps == [
        ("source", f"{urls[0]}/{name}"),
        ("download", len(archive) - 9),
        ("source", f"{urls[1]}/{name}"),
        ("download", len(archive)),
        ("check",),
    ]
    received = message[message.index(("download", len(archive))) :]
    assert sum(what[1] for what in received if what[0] == "received") == len(archive)
    assert sorted(path.name for path in cache.iterdir()) == [".lock", "codex", "releases"]
