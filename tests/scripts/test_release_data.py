# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The script that writes the table of releases, and those who name versions beside the table."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import release_data

from ansible_collections.optio.codex.plugins.module_utils._release.catalog import CODEX, TTYD, Target, Tool
from ansible_collections.optio.codex.plugins.module_utils._release.digests import Known
from ansible_collections.optio.codex.tests.unit.support.release_builders import (
    TARGET,
    VERSION,
    Answer,
    Server,
    checksum,
    elf,
    known_of,
    member,
    npm_archive,
    pack,
    package,
    serving,
)

ROOT = Path(__file__).resolve().parents[2]
RELEASE = f"/codex/rust-v{VERSION}"
TARGETS = release_data.targets(CODEX)


@pytest.fixture
def server() -> Iterator[Server]:
    """Serve a small release of each tool for each platform, in the layout of a mirror."""
    with serving() as server:
        for target in TARGETS:
            server.answers[f"{RELEASE}/codex-npm-linux-{target.asset}-{VERSION}.tgz"] = Answer(npm_archive(package(target=target), target))
        assets = {f"ttyd.{target.asset}": elf(target, b"ttyd") for target in release_data.targets(TTYD)}
        server.answers.update({f"/ttyd/{VERSION}/{name}": Answer(data) for name, data in assets.items()})
        sums = "".join(f"{checksum(data)[7:]}  {name}\n" for name, data in assets.items())
        server.answers[f"/ttyd/{VERSION}/SHA256SUMS"] = Answer(sums.encode())
        yield server


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Return a copy of the table."""
    return Path(shutil.copy(release_data.FILE, tmp_path / "release_data.py"))


def run(table: Path, *argv: str) -> int:
    return release_data.main(["--file", str(table), *argv])


def rows(table: Path, tool: str = "codex", version: str = VERSION) -> dict[str, Known]:
    return release_data.read_tables(table)[1][tool][version]


def plain(target: Target) -> bytes:
    """Return the archive of the shape ``package``, with the files of the other."""
    return pack(*(member(path, content, mode) for path, (content, mode) in package(target=target).items()))


def refused(capsys: pytest.CaptureFixture[str], table: Path, *argv: str) -> str:
    """Run what must fail and leave the table as it was; return what it said."""
    before = table.read_bytes()
    assert run(table, *argv) == 1
    assert table.read_bytes() == before and [entry.name for entry in table.parent.iterdir()] == [table.name]
    return capsys.readouterr().err.splitlines()[-1]


def test_the_table_is_as_the_script_writes_it() -> None:
    assert release_data.main(["check"]) == 0


def test_a_release_is_added_between_the_others(table: Path, server: Server) -> None:
    before = release_data.read_tables(table)[1]
    assert run(table, "add", "codex", VERSION, "--mirror", server.url, "--archive", "npm") == 0
    after = release_data.read_tables(table)[1]
    assert after["ttyd"] == before["ttyd"]
    assert list(after["codex"]) == [VERSION, *before["codex"]]
    assert {version: after["codex"][version] for version in before["codex"]} == before["codex"]
    served = server.answers[f"{RELEASE}/codex-npm-linux-{TARGET.asset}-{VERSION}.tgz"].body
    assert rows(table)[TARGET.name] == known_of(served, package(target=TARGET))
    assert list(rows(table)) == [target.name for target in TARGETS]


@pytest.mark.slow
def test_what_is_written_is_formatted_and_written_once(table: Path, server: Server) -> None:
    for tool in ("codex", "ttyd"):
        assert run(table, "add", tool, VERSION, "--mirror", server.url) == 0
    written = table.stat()
    assert run(table, "add", "codex", VERSION, "--mirror", server.url) == 0
    assert run(table, "check", "--download", "codex", VERSION, "--mirror", server.url) == 0
    assert (table.stat().st_ino, table.stat().st_mode & 0o777) == (written.st_ino, 0o644)
    ruff = [sys.executable, "-m", "ruff", "format", "--check", "--no-cache", "--isolated", "--line-length", "140"]
    done = subprocess.run([*ruff, str(table)], check=False, capture_output=True)
    assert done.returncode == 0, done.stdout
    assert rows(table, "ttyd")["armhf"].programs == {"ttyd": rows(table, "ttyd")["armhf"].archives["executable"][0]}


@pytest.mark.slow
def test_other_shapes_are_taken_where_they_are_and_kept_where_they_are_not(table: Path, server: Server) -> None:
    for target in TARGETS:
        server.answers[f"{RELEASE}/codex-package-{target.name}.tar.gz"] = Answer(plain(target))
        binary = pack(member(f"codex-{target.name}", package(target=target)["bin/codex"][0], 0o755))
        server.answers[f"{RELEASE}/codex-{target.name}.tar.gz"] = Answer(binary)
    assert run(table, "add", "codex", VERSION, "--mirror", server.url) == 0
    whole = rows(table)
    for target in TARGETS:
        binary = server.answers[f"{RELEASE}/codex-{target.name}.tar.gz"].body
        assert list(whole[target.name].archives) == ["npm", "package", "binary"]
        assert whole[target.name].archives["binary"] == (checksum(binary)[7:], len(binary))
        del server.answers[f"{RELEASE}/codex-package-{target.name}.tar.gz"]
    assert run(table, "add", "codex", VERSION, "--mirror", server.url) == 0
    assert rows(table) == whole


def test_an_archive_with_other_contents_is_refused(table: Path, server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    for target in TARGETS:
        server.answers[f"{RELEASE}/codex-{target.name}.tar.gz"] = Answer(pack(member("codex", elf(target, b"another"), 0o755)))
    said = refused(capsys, table, "add", "codex", VERSION, "--mirror", server.url)
    assert f"codex-{TARGETS[0].name}.tar.gz" in said and "does not contain what" in said


@pytest.mark.slow
def test_other_bytes_of_a_known_release_need_a_word(table: Path, server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    command = ("add", "codex", VERSION, "--mirror", server.url, "--archive", "npm")
    assert run(table, *command) == 0
    path = f"{RELEASE}/codex-npm-linux-{TARGETS[1].asset}-{VERSION}.tgz"
    changed = {**package(target=TARGETS[1]), "codex-path/rg": (elf(TARGETS[1], b"changed"), 0o755)}
    server.answers[path] = Answer(npm_archive(changed, TARGETS[1]))
    assert "differs from the table: npm, what is in it" in refused(capsys, table, *command)
    assert "differs from the table" in refused(capsys, table, "check", "--download", "codex", VERSION, "--mirror", server.url)
    assert run(table, *command, "--replace") == 0
    assert rows(table)[TARGETS[1].name] == known_of(server.answers[path].body, changed)


def test_sizes_are_compared_too(table: Path, server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(table, "add", "codex", VERSION, "--mirror", server.url) == 0
    size = rows(table)[TARGETS[0].name].size
    table.write_text(table.read_text().replace(f"size={size},", f"size={size + 1},"))
    assert run(table, "check") == 0
    assert "other sizes" in refused(capsys, table, "check", "codex", VERSION, "--download", "--mirror", server.url)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("path", "answer", "says"),
    [
        (f"{RELEASE}/codex-npm-linux-arm64-{VERSION}.tgz", None, "HTTP 404"),
        (f"{RELEASE}/codex-npm-linux-arm64-{VERSION}.tgz", Answer(npm_archive(), cut=100), "ended after 100 of"),
        (f"{RELEASE}/codex-npm-linux-arm64-{VERSION}.tgz", Answer(npm_archive(package("0.1.3"), TARGETS[1])), "version '0.1.3'"),
        (f"/ttyd/{VERSION}/SHA256SUMS", None, "HTTP 404"),
        (f"/ttyd/{VERSION}/SHA256SUMS", Answer(b"0" * 64 + b"  ttyd.x86_64\n"), "lists 000"),
        (f"/ttyd/{VERSION}/SHA256SUMS", Answer(b""), "lists none"),
        (f"/ttyd/{VERSION}/ttyd.armhf", Answer(b"#!/bin/sh\n"), "not an executable for armhf"),
    ],
)
def test_a_release_that_is_not_whole(
    table: Path, server: Server, capsys: pytest.CaptureFixture[str], path: str, answer: Answer | None, says: str
) -> None:
    server.answers.pop(path)
    if answer is not None:
        server.answers[path] = answer
    assert says in refused(capsys, table, "add", path.split("/")[1], VERSION, "--mirror", server.url)


def fake_npm(directory: Path, script: str) -> None:
    (directory / "npm").write_text(f"#!/bin/sh\n{script}\n")
    (directory / "npm").chmod(0o755)


def test_npm_packages_come_by_the_users_npm(table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    for target in TARGETS:
        (tools / f"@openai-codex@{VERSION}-linux-{target.asset}").write_bytes(npm_archive(package(target=target), target))
    fake_npm(tools, f'[ "$1 $2" = "pack --silent" ] && cp "{tools}/$(echo "$3" | tr / -)" openai-codex.tgz')
    monkeypatch.setenv("PATH", str(tools), prepend=":")
    assert run(table, "add", "codex", VERSION, "--archive", "npm") == 0
    packed = (tools / f"@openai-codex@{VERSION}-linux-{TARGET.asset}").read_bytes()
    assert rows(table)[TARGET.name] == known_of(packed, package(target=TARGET))


def test_npms_error_is_reported(
    table: Path, tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    tools = tmp_path_factory.mktemp("npm")
    fake_npm(tools, "echo no such version >&2; exit 1")
    monkeypatch.setenv("PATH", str(tools), prepend=":")
    said = refused(capsys, table, "add", "codex", VERSION)
    assert "npm pack @openai/codex@0.1.2-linux-x64 failed: no such version" in said


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (("add", "codex", "v0.1.2"), "is not a version of codex"),
        (("add", "codex", "0.1.2", "--archive", "zip"), "--archive zip is not an archive of codex. Set one of npm, package, binary"),
        (("check",), "is not as this program writes it"),
    ],
)
def test_refusals(table: Path, capsys: pytest.CaptureFixture[str], argv: Sequence[str], says: str) -> None:
    table.write_text(table.read_text() + "\n# by hand\n")
    assert says in refused(capsys, table, *argv)


def test_the_order_of_versions() -> None:
    ordered = ["0.9.0", "0.170.0-alpha.2", "0.170.0-alpha.10", "0.170.0-beta.1", "0.170.0", "0.170.1", "1.0.0"]
    assert ordered != sorted(ordered)
    assert sorted(sorted(ordered), key=release_data.version_key) == ordered


def test_the_sums_are_those_of_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert release_data.main(["sums"]) == 0
    lines = capsys.readouterr().out.splitlines()
    x86 = CODEX.table["0.169.0"]["x86_64-unknown-linux-musl"].archives["npm"][0]
    assert f"{x86}  codex/rust-v0.169.0/codex-npm-linux-x64-0.169.0.tgz" in lines
    assert all(re.fullmatch(r"[0-9a-f]{64}  (codex|ttyd)/\S+", line) for line in lines)


@pytest.mark.parametrize(
    ("path", "pattern"),
    [
        ("README.md", r"Tested with codex (.*?), ttyd"),
        ("tests/environment/lib/artifacts.sh", r"CODEX_VERSIONS=\((.*)\)"),
        ("tests/e2e/conftest.py", r"VERSIONS: .* = \((.*)\)"),
    ],
)
def test_the_versions_that_others_name_are_known(path: str, pattern: str) -> None:
    found = re.search(pattern, (ROOT / path).read_text(encoding="utf-8"))
    assert found
    versions = re.findall(r"[0-9]+\.[0-9]+\.[0-9]+", found.group(1))
    assert CODEX.default_version in versions and set(versions) <= set(CODEX.table)


@pytest.mark.parametrize(("tool", "path"), [(CODEX, "plugins/modules/codex_release.py"), (TTYD, "plugins/modules/ttyd_release.py")])
def test_the_documentation_names_the_default(tool: Tool, path: str) -> None:
    assert re.search(rf"The default is [^.]*V\({re.escape(tool.default_version)}\)", (ROOT / path).read_text(encoding="utf-8"))
    assert f"ttyd {TTYD.default_version}" in (ROOT / "README.md").read_text(encoding="utf-8")
