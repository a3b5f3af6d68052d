# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The script that tests a version of codex against the contract."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import qualify

from ansible_collections.optio.codex.plugins.module_utils._release.catalog import CODEX

#: a codex that prints what it is asked for
PROGRAM = """#!/bin/sh
case "$*" in
  --version) echo codex-cli {version} ;;
  *) echo "$*"; echo '{words}' ;;
esac
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The files that the script writes, with one qualified version."""
    for name in ("DATA", "PAGE", "DIGESTS"):
        monkeypatch.setattr(qualify, name, tmp_path / name)
    monkeypatch.setattr(qualify, "CACHE", tmp_path)
    (tmp_path / "DATA").write_text(json.dumps({"0.169.0": dict.fromkeys(qualify.LINES, "every run")}))
    (tmp_path / "DIGESTS").write_text("before")
    return tmp_path


def package(place: Path, version: str, words: str = "") -> Path:
    program = place / version / "bin" / "codex"
    program.parent.mkdir(parents=True)
    program.write_text(PROGRAM.format(version=version, words=words or " ".join(sum(qualify.NEEDED.values(), ()))))
    program.chmod(0o755)
    return place / version


def test_the_page_is_up_to_date() -> None:
    assert qualify.main(["check"]) == 0, "run scripts/qualify.py page"


def test_every_qualified_version_is_in_the_table_of_digests() -> None:
    versions = qualify.qualified()
    assert CODEX.default_version in versions and set(versions) <= set(CODEX.table)
    assert all(set(lines) == set(qualify.LINES) for lines in versions.values())


def test_every_line_has_its_tests() -> None:
    files = [file for files in qualify.CONTRACT.values() for file in files]
    assert len(files) == len(set(files))
    assert all((qualify.ROOT / "tests" / "e2e" / f"{file}.py").is_file() for file in files)
    assert all((qualify.ROOT / "tests/unit/plugins/module_utils" / file).is_file() for file in qualify.RECORDING_TESTS)


def test_difference_from_another_version(tmp_path: Path) -> None:
    old, new = package(tmp_path, "0.169.0"), package(tmp_path, "0.172.0", "--sandbox only")
    (new / "bin" / "helper").touch()
    assert qualify.missing_options(old) == []
    assert "codex --help: --model" in qualify.missing_options(new)
    assert 'codex debug models: "upgrade"' in qualify.missing_options(new)
    lines = qualify.differences(old, new)
    assert lines[:2] == ["files:", "  +bin/helper 0 MB"]
    assert "codex exec --help:" in lines and "  +--sandbox only" in lines
    assert qualify.differences(old, old) == []


def test_a_line_without_a_test_that_passed_has_failed() -> None:
    line, (first, second) = next(iter(qualify.CONTRACT.items()))
    assert qualify.verdicts([line], [], {first, second}) == {line: []}
    assert qualify.verdicts([line], [f"{first}::test_one", "test_other::test_two"], {first, second}) == {line: [f"{first}::test_one"]}
    assert qualify.verdicts([line], [], {first}) == {line: [second]}


@pytest.mark.parametrize(
    ("failed", "given", "status"),
    [([], qualify.LINES, 0), (["test_messages::test_one"], qualify.LINES, 1), ([], ["sandbox and permissions"], 1)],
)
def test_only_a_version_that_passes_all_lines_is_stored(
    place: Path, monkeypatch: pytest.MonkeyPatch, failed: list[str], given: list[str], status: int
) -> None:
    monkeypatch.setattr(qualify, "prepare", (place / "DIGESTS").write_text)
    monkeypatch.setattr(qualify, "unpacked", lambda version, scratch: package(scratch, version))
    monkeypatch.setattr(qualify, "record", lambda version, package: [])
    passed = {file for files in qualify.CONTRACT.values() for file in files}
    monkeypatch.setattr(qualify, "run_pytest", lambda arguments, **variables: (failed, passed))
    assert qualify.run("0.172.0", given) == status
    assert (place / "DIGESTS").read_text() == ("before" if status else "0.172.0")
    assert list(qualify.qualified()) == ["0.169.0", *([] if status else ["0.172.0"])]
    assert ((place / "PAGE").exists()) == (not status)
    if not status:
        assert "    - 0.172.0\n" in (place / "PAGE").read_text()
        assert not list(place.glob("qualify-*"))


def test_a_version_is_required(capsys: pytest.CaptureFixture[str]) -> None:
    for argv in (["run"], ["compare", "latest"]):
        with pytest.raises(SystemExit):
            qualify.main(argv)
    assert "the version must be one such as" in capsys.readouterr().err
