# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the demo prepares: the images of its workers alone, and codex without npm."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import fetch_codex
import fleet
import pytest
import run

from ansible_collections.optio.codex.plugins.module_utils._archive.download import HttpOptions
from ansible_collections.optio.codex.plugins.module_utils._archive.expected import ExpectedDigests
from ansible_collections.optio.codex.plugins.module_utils._release.catalog import CODEX, Release

LIB = Path(fleet.__file__).parent / "lib"
BYTES = b"the package"
NAME = f"codex-npm-linux-x64-{CODEX.default_version}.tgz"


def built_images() -> set[str]:
    files = " ".join(f'. "{LIB / name}.sh";' for name in ("common", "images", "artifacts", "demo"))
    script = f'{files} want_demo_variants; for suite in "${{DEMO_SUITES[@]}}"; do echo "$suite" $(variants_of "$suite"); done'
    done = subprocess.run(["bash", "-euc", script, str(LIB / "x")], capture_output=True, text=True, check=True)
    rows = [line.split() for line in done.stdout.splitlines()]
    return {f"{suite}-{variant}" for suite, *variants in rows for variant in variants}


def test_its_images_are_those_of_its_workers_and_what_they_are_built_on() -> None:
    images = built_images()
    suites = {worker.image.split("-", 1)[0] for worker in run.WORKERS}
    assert images == {worker.image for worker in run.WORKERS} | {f"{suite}-{below}" for suite in suites for below in ("nopython", "bare")}


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two places for the package, the first of which is empty; the known digest is that of BYTES."""

    def sources(release: Release) -> Iterator[tuple[str, HttpOptions]]:
        for place in ("registry", "upstream"):
            yield f"file://{tmp_path}/{place}", HttpOptions()

    digests = ExpectedDigests(hashlib.sha256(BYTES).hexdigest())
    monkeypatch.setattr(fetch_codex, "sources", sources)
    monkeypatch.setattr(Release, "expected", lambda self, checksum, archive=None: digests)
    monkeypatch.setattr("sys.argv", ["fetch_codex.py", CODEX.default_version, "x86_64", str(tmp_path)])
    return tmp_path


def test_codex_comes_from_the_next_source(places: Path) -> None:
    (places / "upstream").write_bytes(BYTES)
    assert fetch_codex.main() == 0
    assert (places / NAME).read_bytes() == BYTES


@pytest.mark.parametrize("upstream", [None, b"something else"])
def test_no_source_has_codex(places: Path, upstream: bytes | None, capsys: pytest.CaptureFixture[str]) -> None:
    if upstream:
        (places / "upstream").write_bytes(upstream)
    assert fetch_codex.main() == 1
    assert not (places / NAME).exists()
    assert "install npm" in capsys.readouterr().err


def test_the_times_are_those_of_the_parts_and_of_the_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    parts = tmp_path / "parts"
    parts.write_text("52\tprograms\n0\tcodex\n")
    monkeypatch.setattr(run, "PARTS", parts)
    monkeypatch.setattr(run, "PREPARED", 60)
    run.show_times({"fleet": 5.2, "launch": 0.1})
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "  60 s  prepared, partly side by side: programs 52"
    assert lines[1].endswith("shown: fleet 5")
