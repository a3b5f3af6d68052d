#!/usr/bin/env python
# Copyright (c) 2026 the optio.codex contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes plugins/module_utils/_release/digests.py: what the collection knows of each release.

``add codex 0.170.0`` downloads the release for each platform, looks into it as a worker does, and writes its row. The npm
packages come by this user's own npm configuration, everything else from upstream; or all of it from ``--mirror``.
``check`` tells whether the file is as this program would write it, and with ``--download`` whether the sources still
give these bytes. ``sums`` prints the digests as ``sha256sum`` does, by the paths of a mirror.
"""

from __future__ import annotations

import argparse
import os
import runpy
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "collections"))
try:
    from ansible_collections.optio.codex.plugins.module_utils._archive.download import HttpOptions, SourceError, open_body
    from ansible_collections.optio.codex.plugins.module_utils._archive.expected import ExpectedDigests
    from ansible_collections.optio.codex.plugins.module_utils._archive.extract import unpack
    from ansible_collections.optio.codex.plugins.module_utils._core import files
    from ansible_collections.optio.codex.plugins.module_utils._core.errors import OptioError
    from ansible_collections.optio.codex.plugins.module_utils._release.catalog import (
        BINARY_ARCHIVE,
        CODEX,
        EXECUTABLE,
        NPM_ARCHIVE,
        TTYD,
        Release,
        Target,
        Tool,
    )
    from ansible_collections.optio.codex.plugins.module_utils._release.digests import Known, Table
    from ansible_collections.optio.codex.plugins.module_utils._release.manifest import sha256_of, survey, tree_digest
    from ansible_collections.optio.codex.plugins.module_utils._release.package import check_executable, check_tree
except ModuleNotFoundError as missing:
    sys.exit(f"error: {missing}. Run tests/environment/bootstrap.sh collection.")

FILE = ROOT / "plugins" / "module_utils" / "_release" / "digests.py"
TOOLS = {tool.name: tool for tool in (CODEX, TTYD)}
SUMS = "{version}/SHA256SUMS"
#: where the tables begin; what is above them is written by hand
BEGIN = "CODEX: Table = {\n"
NPM_TIMEOUT = 1800  # seconds

Tables = Mapping[str, Mapping[str, Mapping[str, Known]]]
Say = Callable[[str], None]


@dataclass(frozen=True)
class Sources:
    """Where releases come from: npm's own client and upstream, or a mirror with ``codex/`` and ``ttyd/``."""

    mirror: str | None = None
    npm: str = "npm"

    def fetch(self, release: Release, archive: str, directory: str) -> str:
        """Put an archive of a release into a directory; return its path."""
        if archive == NPM_ARCHIVE and self.mirror is None:
            return self._npm_pack(release, directory)
        return download(release.mirror_url(self.base(release.tool), archive), f"{directory}/{release.file_name(archive)}")

    def base(self, tool: Tool) -> str:
        """Return the URL below which a tool's releases lie."""
        return f"{self.mirror.rstrip('/')}/{tool.name}" if self.mirror else tool.upstream

    def _npm_pack(self, release: Release, directory: str) -> str:
        package = f"@openai/codex@{release.version}-linux-{release.target.asset}"
        argv = [self.npm, "pack", "--silent", package]
        try:
            done = subprocess.run(argv, cwd=directory, capture_output=True, text=True, check=False, timeout=NPM_TIMEOUT)
        except (OSError, subprocess.TimeoutExpired) as error:
            cause = f"npm pack {package} cannot be run: {error}"
            raise SourceError(f"npm pack {package}", cause, "Install npm, or set --mirror") from error
        found = [name for name in os.listdir(directory) if name.endswith(".tgz")]
        if done.returncode or len(found) != 1:
            said = (done.stderr or done.stdout).strip().replace("\n", "; ") or f"{len(found)} files"
            cause = f"npm pack {package} failed: {said}"
            raise SourceError(f"npm pack {package}", cause, "Check the version and npm's configuration, or set --mirror")
        return f"{directory}/{found[0]}"


def download(url: str, path: str) -> str:
    """Write what a URL gives to a file, whole or not at all; return its path."""
    body = open_body(url, HttpOptions(), ExpectedDigests(None))
    try:
        with open(path, "wb") as stream:
            while data := body.read():
                stream.write(data)
    finally:
        body.close()
    body.verify()
    return path


def measure(release: Release, archives: Sequence[str], sources: Sources, say: Say) -> Known:
    """Download one release for one platform in each shape and return its row; only the usual shape must be had."""
    usual = release.tool.archive
    found: dict[str, tuple[str, int]] = {}
    row = Known({}, {}, "", 0)
    # the usual shape is first: what is in the others is compared with it
    for archive in dict.fromkeys([usual, *archives]):
        with tempfile.TemporaryDirectory(prefix="optio-release-") as directory:
            say(f"{release.title}: {archive}")
            try:
                path = sources.fetch(release, archive, directory)
            except SourceError as error:
                if archive == usual:
                    raise
                say(f"  left as it was: {error}")
                continue
            found[archive] = (sha256_of(path), os.path.getsize(path))
            if archive == usual:
                row = _contents(release, archive, path)
            else:
                _compare(release, archive, path, row)
    if not release.tool.packaged:
        _check_sums(release, found[usual][0], sources)
    return row._replace(archives={shape: found[shape] for shape in release.tool.archives if shape in found})


def _contents(release: Release, archive: str, path: str) -> Known:
    """Return what is in an archive, after a worker's own checks."""
    tool = release.tool
    if archive == EXECUTABLE:
        os.chmod(path, 0o755)
        os.rename(path, f"{os.path.dirname(path)}/{tool.entrypoint}")
        check_executable(os.path.dirname(path), release, release.file_name(archive))
        return Known({}, {tool.entrypoint: sha256_of(f"{os.path.dirname(path)}/{tool.entrypoint}")}, "", 0)
    tree = f"{path}.tree"
    prefix = f"package/vendor/{release.target.name}" if archive == NPM_ARCHIVE else ""
    written = unpack(open_body(f"file://{quote(path)}", HttpOptions(), ExpectedDigests(None)), tree, prefix)
    check_tree(tree, release, release.file_name(archive))
    states, digests = survey(tree, written)
    programs = {name: digests[name] for name in sorted([tool.entrypoint, *tool.companions]) if name in digests}
    return Known({}, programs, tree_digest(digests), sum(state.size for state in states.values()))


def _compare(release: Release, archive: str, path: str, usual: Known) -> None:
    """Raise OptioError unless an archive holds the same release as the usual one."""
    if archive == BINARY_ARCHIVE:
        written = unpack(open_body(f"file://{quote(path)}", HttpOptions(), ExpectedDigests(None)), f"{path}.tree", "")
        same = list(written.values()) == [usual.programs[release.tool.entrypoint]]
    else:
        same = _contents(release, archive, path)[1:] == usual[1:]
    if not same:
        raise OptioError(
            f"{release.file_name(archive)} of {release.title}",
            f"{release.file_name(archive)} of {release.title} does not contain what {release.file_name()} contains",
            "Find out which of the two upstream published, or omit it with --archive",
        )


def _check_sums(release: Release, sha256: str, sources: Sources) -> None:
    """Raise OptioError unless upstream's own list of digests says the same."""
    url = f"{sources.base(release.tool)}/{SUMS.format(version=release.version)}"
    with tempfile.TemporaryDirectory(prefix="optio-release-") as directory:
        text = Path(download(url, f"{directory}/sums")).read_text(encoding="utf-8", errors="replace")
    listed = {}
    for line in text.splitlines():
        digest, _space, name = line.partition(" ")
        listed[name.strip().lstrip("*")] = digest.lower()
    if listed.get(release.file_name()) != sha256:
        raise OptioError(
            f"{release.file_name()} of {release.title}",
            f"{release.file_name()} of {release.title} has sha256:{sha256}, but {url} lists {listed.get(release.file_name(), 'none')}",
            "Use neither before you know which of the two is right",
        )


def merge(release: Release, old: Known | None, new: Known, replace: bool) -> Known:
    """Return the new row with what only the old one knows; raise OptioError when the same release has other bytes."""
    if old is None:
        return new
    differing = [shape for shape, (sha256, _size) in new.archives.items() if old.archives.get(shape, (sha256, 0))[0] != sha256]
    if old.programs != new.programs or old.tree != new.tree:
        differing.append("what is in it")
    if differing and not replace:
        raise OptioError(
            release.title,
            f"{release.title} differs from the table: {', '.join(differing)}",
            "Upstream does not change a release, so find out who did; --replace takes the new bytes",
        )
    archives = new.archives if differing else {**old.archives, **new.archives}
    return new._replace(archives={shape: archives[shape] for shape in release.tool.archives if shape in archives})


def read_tables(path: Path) -> tuple[str, dict[str, dict[str, dict[str, Known]]]]:
    """Return the text above the tables, and by tool, version and target what they say."""
    text = path.read_text(encoding="utf-8")
    head, begin, _tables = text.partition(BEGIN)
    if not begin:
        raise OptioError(str(path), f"{path} has no line {BEGIN.strip()!r}", "Restore the file from its repository")
    values = runpy.run_path(str(path))
    tables: dict[str, Table] = {tool.name: values[tool.name.upper()] for tool in TOOLS.values()}
    return head, {
        name: {version: {target: Known(*row) for target, row in rows.items()} for version, rows in table.items()}
        for name, table in tables.items()
    }


def render(head: str, tables: Tables) -> str:
    """Return the whole file, in the form that ``ruff format`` gives it."""
    parts = [head]
    for name, tool in TOOLS.items():
        parts.append(f"{name.upper()}: Table = {{\n")
        for version in sorted(tables[name], key=version_key):
            rows = tables[name][version]
            parts.append(f'    "{version}": {{\n')
            parts += [_row(target.name, rows[target.name]) for target in targets(tool) if target.name in rows]
            parts.append("    },\n")
        parts.append("}\n\n")
    return "".join(parts).rstrip("\n") + "\n"


def _row(target: str, known: Known) -> str:
    lines = [f'"{target}": Known(', "    archives={"]
    lines += [f'        "{shape}": ("{sha256}", {size}),' for shape, (sha256, size) in known.archives.items()]
    lines += ["    },", "    programs={"]
    lines += [f'        "{path}": "{sha256}",' for path, sha256 in known.programs.items()]
    lines += ["    },", f'    tree="{known.tree}",', f"    size={known.size},", "),"]
    return "".join(f"        {line}\n" for line in lines)


def version_key(version: str) -> tuple[tuple[int, ...], bool, tuple[tuple[bool, int, str], ...]]:
    """Return what versions are sorted by: a pre-release is before its release, and its numbers count as such."""
    numbers, _dash, suffix = version.partition("-")
    marks = tuple((not mark.isdigit(), int(mark) if mark.isdigit() else 0, mark) for mark in suffix.split(".") if mark)
    return tuple(map(int, numbers.split("."))), not suffix, marks


def targets(tool: Tool) -> list[Target]:
    """Return each target once, though several machines may run it."""
    return list(dict.fromkeys(tool.platforms.values()))


def add(arguments: argparse.Namespace, say: Say) -> None:
    """Add a release, or refresh its row."""
    tool: Tool = TOOLS[arguments.tool]
    tool.validate_version(arguments.version)
    shapes, sources = _shapes(tool, arguments.archive), Sources(arguments.mirror)
    head, tables = read_tables(arguments.file)
    old = tables[tool.name].get(arguments.version, {})
    rows = {}
    for target in targets(tool):
        release = tool.release(arguments.version, target)
        rows[target.name] = merge(release, old.get(target.name), measure(release, shapes, sources, say), arguments.replace)
    tables[tool.name][arguments.version] = rows
    text = render(head, tables)
    if text == arguments.file.read_text(encoding="utf-8"):
        say(f"{tool.name} {arguments.version} is in {arguments.file} as it is")
        return
    files.write_text(str(arguments.file), text, 0o644)
    say(f"{tool.name} {arguments.version} is written to {arguments.file}")
    say(f"the default is {tool.default_version}; releases.py, README.md and the tests name what is tested")


def _shapes(tool: Tool, wanted: Sequence[str] | None) -> list[str]:
    unknown = [shape for shape in wanted or () if shape not in tool.archives]
    if unknown:
        subject = f"--archive {unknown[0]}"
        raise OptioError(subject, f"{subject} is not an archive of {tool.name}", f"Set one of {', '.join(tool.archives)}")
    return list(wanted or tool.archives)


def check(arguments: argparse.Namespace, say: Say) -> None:
    """Raise OptioError unless the file is as it would be written, and the sources give what it says."""
    head, tables = read_tables(arguments.file)
    if render(head, tables) != arguments.file.read_text(encoding="utf-8"):
        cause = f"{arguments.file} is not as this program writes it"
        raise OptioError(str(arguments.file), cause, "Revert the edits by hand, or run add")
    for release, known in listed(tables):
        if not arguments.download or arguments.tool not in (None, release.tool.name) or arguments.version not in (None, release.version):
            continue
        shapes = [shape for shape in _shapes(release.tool, arguments.archive) if shape in known.archives]
        found = measure(release, shapes, Sources(arguments.mirror), say)
        lacking = [shape for shape in shapes if shape not in found.archives]
        if lacking:
            cause = f"{release.title} cannot be compared: no source has {', '.join(lacking)}"
            raise OptioError(release.title, cause, "See above, or set --archive")
        merge(release, known, found, False)
        measured = {shape: size for shape, (_sha256, size) in known.archives.items() if size}
        if any(found.archives[shape][1] != measured[shape] for shape in shapes if shape in measured) or found.size != known.size:
            raise OptioError(release.title, f"{release.title} has other sizes than the table", "Run add to update them")
    say(f"{arguments.file} is as it should be")


def listed(tables: Tables) -> Iterator[tuple[Release, Known]]:
    """Yield each row of the tables and the release that it is about."""
    for name, tool in TOOLS.items():
        for version, rows in tables[name].items():
            for target in targets(tool):
                if target.name in rows:
                    yield tool.release(version, target), rows[target.name]


def sums(arguments: argparse.Namespace, _say: Say) -> None:
    """Print the digest of each archive with its path below a mirror."""
    for release, known in listed(read_tables(arguments.file)[1]):
        for archive, (sha256, _size) in known.archives.items():
            print(f"{sha256}  {release.mirror_url(release.tool.name, archive)}")


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Return what the command line says."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--file", type=Path, default=FILE, help="another file to read and write")
    commands = parser.add_subparsers(dest="command", required=True)
    source = argparse.ArgumentParser(add_help=False)
    source.add_argument("--mirror", metavar="URL", help="a mirror with codex/ and ttyd/ in upstream's layout, in place of npm and upstream")
    source.add_argument("--archive", action="append", metavar="SHAPE", help="only this shape beside the usual one; may be repeated (all)")
    adder = commands.add_parser("add", parents=[source], help="add a release or refresh its row")
    adder.add_argument("tool", choices=TOOLS)
    adder.add_argument("version")
    adder.add_argument("--replace", action="store_true", help="take other bytes than the table knows")
    adder.set_defaults(run=add)
    checker = commands.add_parser("check", parents=[source], help="tell whether the file is right")
    checker.add_argument("tool", nargs="?", choices=TOOLS)
    checker.add_argument("version", nargs="?")
    checker.add_argument("--download", action="store_true", help="compare with what the sources give")
    checker.set_defaults(run=check)
    commands.add_parser("sums", help="print the digests by the paths of a mirror").set_defaults(run=sums)
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return the exit status."""
    arguments = parse(argv)
    try:
        arguments.run(arguments, lambda text: print(text, file=sys.stderr))
    except OptioError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
